"""The tools that may be called go from a column into the text, and into the keys of dialects that have one."""

import json
from typing import Any

import pyarrow.parquet as pq
import pytest
from support import DIALECT_NAMES, real_rows, transformers_text

from preftemplates import Dialect, Preference, Sample, Style, Supervised, Template, check, get_style, get_template
from preftemplates.cli.app import app
from preftemplates.data.convert import Conversion
from preftemplates.errors import Code, DefinitionError, RowError
from preftemplates.templates.row_types import RowModel

WATER = {"type": "function", "function": {"name": "water", "description": "Gives a herb <water>.", "parameters": {}}}
TOOLS = json.dumps([WATER])


class Garden(Template):
    class Row(RowModel):
        question: str
        good: str
        bad: str
        tools: str | None = None

    preference = Preference(
        prompt="{{ question }}", chosen="{{ good }}", rejected="{{ bad }}", tools="{{ tools | tool_list }}"
    )


ROW = {"question": "Is the dill dry?", "good": "Yes.", "bad": "No.", "tools": TOOLS}
WITHOUT = {**ROW, "tools": None}


def test_the_text_is_that_of_the_chat_template_with_these_tools():
    template = Garden().with_style("qwen2.5").with_dialect("text")
    rendered = template.render(ROW, "preference")
    asked = [{"role": "user", "content": "Is the dill dry?"}]
    source = get_style("qwen2.5").chat_template
    assert rendered.prompt.text == transformers_text(source, asked, True, tools=[WATER])
    answered = [*asked, {"role": "assistant", "content": "Yes."}]
    assert rendered.chosen.text == transformers_text(source, answered, False, tools=[WATER])
    assert rendered.chosen.text.startswith(rendered.prompt.text)
    assert template.format(ROW, "preference")["prompt"] == rendered.prompt.text


def test_a_row_without_tools_has_the_text_of_the_style():
    template = Garden().with_style("qwen2.5")
    assert "# Tools" not in template.render(WITHOUT, "preference").prompt.text
    assert template.extract(WITHOUT, "preference").tools is None


@pytest.mark.parametrize("format", ["preference", "prompt_only", "supervised", "unpaired", "ranked"])
def test_formats_made_from_another_have_its_tools(format):
    template = Garden().with_style("qwen2.5").with_dialect("trl").with_columns(ROW)
    for sample, result in zip(
        template.extract_all(ROW, format).samples, template.format_all(ROW, format), strict=True
    ):
        assert json.loads(sample.tools) == [WATER]
        assert result["tools"] == sample.tools
    assert template.extract_all(ROW, format).lost["tools"] == 0
    assert all(result["tools"] is None for result in template.format_all(WITHOUT, format))


def test_a_judge_is_not_asked_with_tools_and_they_are_counted_as_lost():
    extracted = Garden().extract_all(ROW, "judge")
    assert [sample.tools for sample in extracted.samples] == [None, None]
    assert extracted.lost["tools"] == 1


def test_a_dialect_of_messages_without_a_key_counts_what_it_leaves_out():
    template = Garden().with_dialect("openrlhf")
    assert template.formatted(ROW, "preference").samples[0].without_key == ("tools",)
    assert template.formatted(WITHOUT, "preference").samples[0].without_key == ()


@pytest.mark.parametrize("style", ["zephyr", "llama3", "llama3.1", "plain"])
def test_a_style_without_a_place_for_tools_refuses_the_row(style):
    template = Garden().with_style(style).with_dialect("text")
    assert template.format(WITHOUT, "preference")
    with pytest.raises(RowError, match="no place for tools"):
        template.format(ROW, "preference")


@pytest.mark.parametrize("reads", ["", "{% if tools %}{% endif %}", "{{ 'Tools:' if tools }}"])
def test_an_imported_template_that_prints_no_tool_refuses_them(reads):
    style = Style.from_chat_template(reads + "{% for m in messages %}{{ m.content }}{% endfor %}")
    with pytest.raises(RowError) as caught:
        style.with_tools(TOOLS)
    assert caught.value.code == Code.UNSUPPORTED_CONTENT


@pytest.mark.parametrize("tools", ["{}", "[1]", "[", "[" * 100_000, '"water"', '[{"least": NaN}]'])
def test_tools_are_the_text_of_a_list_of_objects(tools):
    with pytest.raises(RowError) as caught:
        get_style("qwen2.5").with_tools(tools)
    assert caught.value.code == Code.WRONG_TYPE
    sample = Preference(prompt=[], chosen=[], rejected=[], tools=tools)
    with pytest.raises(RowError) as caught:
        sample.check_tools()
    assert caught.value.code == Code.WRONG_TYPE


@pytest.mark.parametrize(
    ("told", "listed"),
    [
        (None, None),
        ("", None),
        ("[]", None),
        ([], None),
        ('[{"name": "water"}]', [{"type": "function", "function": {"name": "water"}}]),
        ([WATER], [WATER]),
    ],
)
def test_a_list_or_its_text_is_taken_and_a_bare_tool_gets_its_type(told, listed):
    class Open(Template):
        class Row(RowModel):
            said: str
            tools: list[dict[str, Any]] | str | None = None

        supervised = Supervised(prompt="{{ said }}", completion="{{ said }}", tools="{{ tools | tool_list }}")

    tools = Open().extract({"said": "x", "tools": told}, "supervised").tools
    assert (tools and json.loads(tools)) == listed


def test_every_format_keeps_its_tools_when_it_is_filled_anew():
    pair = Preference(prompt="a", chosen="b", rejected="c", tools=TOOLS)
    assert pair.map(str.upper, str.upper).tools == TOOLS


def test_they_pass_a_parquet_file_letter_by_letter(tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in (trl(TOOLS), trl(None))), encoding="utf-8")
    out = tmp_path / "out.parquet"
    app(
        ["convert", str(rows), "--template", "TRL-tools", "--format", "preference", "--out", str(out)],
        standalone_mode=False,
    )
    assert pq.read_table(out)["tools"].to_pylist() == [TOOLS, None]


def trl(tools):
    said = [{"role": "assistant", "content": "Yes."}], [{"role": "assistant", "content": "No."}]
    asked = [{"role": "user", "content": "Is the dill dry?"}]
    return {"prompt": asked, "chosen": said[0], "rejected": said[1], "tools": tools}


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("LLaMA-Factory-toolcall", "llamafactory/glaive_toolcall_en_demo.json"),
        ("LLaMA-Factory-reasoning-tools", "llamafactory/reason_tool_use_demo_50.jsonl"),
    ],
)
def test_real_rows_have_their_tools_in_the_text(name, path):
    template, seen = get_template(name), 0
    for row in real_rows(path):
        sample, text = template.extract(row, "supervised"), template.render(row, "supervised")
        for tool in json.loads(sample.tools or "[]"):
            assert json.dumps(tool, ensure_ascii=False) in text.prompt.text
            seen += 1
    assert seen > 50


ODD = ['[{"a": 1e999}]', '[{"a": 1, "a": 2}]', '[{"a": "\\ud800"}]', "[" * 300 + "]" * 300]


@pytest.mark.parametrize("tools", ODD)
def test_json_that_another_process_would_read_otherwise_is_refused(tools):
    with pytest.raises(RowError):
        get_style("qwen3").with_tools(tools)


def test_an_empty_list_is_none():
    assert get_style("zephyr").with_tools("[]") == get_style("zephyr")


def test_a_dialect_whose_only_text_is_an_answer_counts_the_tools_that_it_loses():
    class Own(Dialect):
        preference = {"prompt": "prompt.messages", "good": "chosen", "bad": "rejected"}

    template = Garden().with_style("qwen2.5").with_dialect(Own())
    assert template.formatted(ROW, "preference").samples[0].without_key == ("tools",)


@pytest.mark.parametrize("dialect", DIALECT_NAMES)
def test_a_dialect_shows_the_tools_of_every_sample_or_counts_each(dialect):
    template = Garden().with_style("qwen2.5").with_dialect(dialect)
    if template.dialect.table.consumer is not None:
        template = template.with_edges(bos="keep", eos="keep")
    asked = {"preference", "prompt_only", "supervised", "unpaired", "ranked"} & {*template.dialect.formats}
    assert asked
    for format in asked:
        results = template.formatted(ROW, format).samples
        for each in results:
            assert ("Gives a herb <water>." in repr(each.result)) is ("tools" not in each.without_key)
        for each in template.formatted(WITHOUT, format).samples:
            assert "tools" not in each.without_key


@pytest.mark.parametrize(
    ("table", "lost"),
    [
        ({"text": "prompt", "good": "chosen", "bad": "rejected"}, 0),
        ({"good": "prompt+chosen", "bad": "rejected"}, 0),
        ({"good": "chosen", "bad": "rejected"}, 1),
        ({"asked": "prompt.messages", "good": "chosen.content"}, 1),
        ({"good": "prompt+chosen.messages", "bad": "prompt+rejected.messages"}, 1),
        ({"asked": "prompt.content", "good": "chosen.content"}, 1),
        ({"asked": "prompt.messages", "good": "chosen", "listed": "tools"}, 0),
        ({"asked": "prompt.messages", "good": "chosen.messages", "listed": "tools?"}, 0),
        ({"asked": "prompt.messages", "more": {"listed": "tools?"}, "good": ["chosen.content"]}, 0),
    ],
    ids=str,
)
def test_tools_are_lost_where_neither_a_key_nor_a_prompt_s_text_holds_them(table, lost):
    kind = type("Own", (Dialect,), {"__module__": __name__, "preference": table})
    template = Garden().with_style("qwen2.5").with_dialect(kind())
    (formatted,) = template.formatted(ROW, "preference").samples
    assert formatted.without_key == (("tools",) if lost else ())
    assert ("Gives a herb <water>." in repr(formatted.result)) is not bool(lost)
    assert template.formatted(WITHOUT, "preference").samples[0].without_key == ()


class Several(Garden):
    """A row gives a pair for each of its answers, all with the tools of the row."""

    class Row(RowModel):
        question: str
        goods: list[str]
        bad: str
        tools: str | None = None

    each = {"good": "{{ goods }}"}
    preference = Preference(
        prompt="{{ question }}", chosen="{{ good }}", rejected="{{ bad }}", tools="{{ tools | tool_list }}"
    )


SEVERAL = {"question": "Is the dill dry?", "goods": ["Yes.", "Very.", "It is."], "bad": "No.", "tools": TOOLS}


@pytest.mark.parametrize(
    ("format", "dialect", "lost"),
    [
        ("preference", "openrlhf", {"tools": 4}),
        ("preference", "trl", {}),
        ("preference", "text", {}),
        ("supervised", "openrlhf", {"tools": 4, "rejected": 5}),
        ("supervised", "trl", {"rejected": 5}),
        ("unpaired", "llama-factory-alpaca", {"tools": 8}),
        ("unpaired", "trl", {}),
        ("judge", "trl", {"tools": 4}),
        ("judge", "text", {"tools": 4}),
    ],
)
def test_a_conversion_counts_the_tools_of_each_sample_that_had_some(format, dialect, lost):
    rows = [SEVERAL, {**SEVERAL, "goods": ["Yes."]}, {**SEVERAL, "goods": ["Hm."], "tools": None}]
    template = Several().with_style("qwen2.5").with_dialect(dialect)
    conversion = Conversion(rows, template, format)
    assert len(list(conversion)) == {"preference": 5, "supervised": 5, "unpaired": 10, "judge": 10}[format]
    assert conversion.report.lost == lost


def test_the_labels_of_a_judge_are_without_tools_and_those_of_other_derived_formats_with_them():
    template = Garden().with_columns(ROW)
    parts = {format: template.sample_parts(format) for format in template.derived_formats}
    assert parts == {
        "supervised": ("tools",),
        "unpaired": ("label", "tools"),
        "ranked": ("ranks", "tools"),
        "judge": ("verdict",),
    }


def test_a_cut_prompt_keeps_its_tools():
    from preftemplates_train.data.lengths import cut_prompt
    from token_support import byte_tokenizer

    from preftemplates.data.sample_ids import SampleEncoder

    style = get_style("qwen3")
    asked = [{"role": "user", "content": "old " * 50}, {"role": "assistant", "content": "x"}]
    answers = [[{"role": "assistant", "content": text}] for text in ("a", "b")]
    sample = Preference(
        prompt=[*asked, {"role": "user", "content": "new"}], chosen=answers[0], rejected=answers[1], tools=TOOLS
    )
    cut = cut_prompt(sample, SampleEncoder(byte_tokenizer(), style), 900, style)
    assert "Gives a herb <water>." in cut[0]
    assert "old" not in cut[0]


def test_the_same_answers_to_other_tools_are_neither_duplicates_nor_contradictions():
    swapped = {**WITHOUT, "good": ROW["bad"], "bad": ROW["good"]}
    template = Garden().with_style("qwen2.5")
    assert not {"duplicate", "contradiction"} & {*check([ROW, WITHOUT], template, "preference").counts()}
    assert not {"duplicate", "contradiction"} & {*check([ROW, swapped], template, "preference").counts()}
    assert "contradiction" in check([WITHOUT, swapped], template, "preference").counts()
    assert "duplicate" in check([ROW, ROW], template, "preference").counts()


def test_a_sample_of_one_s_own_has_no_other_tools():
    with pytest.raises(DefinitionError, match="every sample has tools"):

        class Toolish(Sample):
            tools: str
            completion: str


@pytest.mark.parametrize("style", ["mistral-v3", "mistral-v3-tekken", "minimax-m2"])
@pytest.mark.parametrize("tool", [{**WATER, "strict": True}, {"name": "water"}])
def test_a_layout_with_room_for_functions_alone_refuses_what_stands_beside(style, tool):
    with pytest.raises(RowError, match=r"of a tool|has a function"):
        get_style(style).with_tools(json.dumps([tool])).render([{"role": "user", "content": "Q"}])


@pytest.mark.parametrize("style", ["qwen3", "qwen3.5", "glm4.5", "minimax-m2", "deepseek-r1", "harmony"])
def test_a_second_thought_is_refused(style):
    answer = {"role": "assistant", "content": "A", "reasoning_content": "one", "thinking": "two"}
    with pytest.raises(RowError, match="two thoughts"):
        get_style(style).render([{"role": "user", "content": "Q"}, answer])
