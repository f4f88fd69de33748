"""OpenAI's rows on real calls of tools, judged by its documented shapes; and what NeMo RL's trainers take."""

import ast
import json

import pyarrow as pa
import pytest
import yaml
from openai_shapes import validate
from pydantic import ValidationError
from support import DATA, real_rows

from preftemplates import (
    BatchFormatter,
    Message,
    Preference,
    PromptOnly,
    Ranked,
    RowModel,
    Supervised,
    Template,
    get_dialect,
    get_template,
    messages,
)
from preftemplates.data.arrow import check_fits_schema
from preftemplates.data.convert import Conversion
from preftemplates.errors import Code, FileError, RowError

ASKED, SAID, OTHER = (
    {"role": role, "content": text} for role, text in (("user", "q"), ("assistant", "a"), ("assistant", "b"))
)
CALL = {"role": "assistant", "tool_calls": [{"name": "f", "arguments": {"a": 1}}]}
ANSWERED = [CALL, {"role": "tool", "content": "4"}, SAID]
TOOLS = '[{"name": "f", "parameters": {"type": "object", "properties": {}}}]'


class Talk(Template):
    class Row(RowModel):
        asked: list[Message]
        good: list[Message]
        bad: list[Message]
        tools: str | None = None

    preference = Preference(
        prompt=messages("{{ asked }}"),
        chosen=messages("{{ good }}"),
        rejected=messages("{{ bad }}"),
        tools="{{ tools }}",
    )
    supervised = Supervised(prompt=messages("{{ asked }}"), completion=messages("{{ good }}"), tools="{{ tools }}")
    prompt_only = PromptOnly(prompt=messages("{{ asked }}"), tools="{{ tools }}", answer="{{ '42' }}")


class Ranking(Template):
    class Row(RowModel):
        answers: list[str]
        ranks: list[int]

    ranked = Ranked(prompt="q", completions="{{ answers }}", ranks="{{ ranks }}")


def make_row(**cells):
    return {"asked": [ASKED], "good": [SAID], "bad": [OTHER], "tools": None, **cells}


def format_row(dialect, format, template=None, **cells):
    return (template or Talk()).with_dialect(dialect).format(make_row(**cells), format)


# --- OpenAI --------------------------------------------------------------------------------------------------------

needs_data = pytest.mark.skipif(not DATA.exists(), reason="no real rows")


@needs_data
def test_every_real_row_with_calls_is_a_row_that_the_api_documents():
    conversion = Conversion(
        real_rows("llamafactory/glaive_toolcall_en_demo.json"),
        get_template("LLaMA-Factory-toolcall").with_dialect("openai"),
        "supervised",
        on_error="skip",
    )
    results = list(conversion)
    for result in results:
        validate("supervised", result)
    assert (len(results), conversion.report.counts()["rejected"]) == (300, {})
    assert sum("tool_call_id" in message for result in results for message in result["messages"]) == 211
    assert sum("tools" in result for result in results) == 191


@needs_data
def test_thinking_has_no_key_and_rejects_a_row():
    conversion = Conversion(
        real_rows("llamafactory/reason_tool_use_demo_50.jsonl"),
        get_template("LLaMA-Factory-reasoning-tools").with_dialect("openai"),
        "supervised",
        on_error="skip",
    )
    assert list(conversion) == []
    assert {issue.message.split(": ", 1)[1] for issue in conversion.report.rejected} == {
        "the API has no key 'reasoning_content'"
    }


@pytest.mark.parametrize("tools", [None, TOOLS])
@pytest.mark.parametrize("format", ["supervised", "preference", "prompt_only"])
@pytest.mark.parametrize("asked", [[ASKED], [ASKED, *ANSWERED, ASKED]], ids=["one question", "a call before"])
@pytest.mark.parametrize("good", [SAID, CALL], ids=["text", "a call"])
def test_rows_of_every_dataset_type_are_valid(tools, format, asked, good):
    row = format_row("openai", format, asked=asked, good=[good], tools=tools)
    validate(format, row)
    assert ("tools" in row.get("input", row)) is (tools is not None)
    if format == "prompt_only":
        assert row["answer"] == "42"


def test_the_validator_refuses_the_rows_of_messages_as_they_are():
    for dialect in ("trl-implicit", "nemo-rl"):
        row = format_row(dialect, "supervised", asked=[ASKED, CALL, ANSWERED[1]], tools=TOOLS)
        with pytest.raises(ValidationError):
            validate("supervised", row)


def test_an_output_is_one_message_of_the_assistant():
    row = format_row("openai", "preference", good=[CALL])
    assert [message["role"] for message in row["preferred_output"]] == ["assistant"]
    with pytest.raises(RowError, match="has a place for one message, but there are 3") as caught:
        format_row("openai", "preference", good=ANSWERED)
    assert caught.value.code is Code.BAD_TURNS


def test_a_call_in_an_output_has_another_id_than_those_of_the_input():
    row = format_row(
        "openai",
        "preference",
        asked=[ASKED, *ANSWERED, ASKED],
        good=[CALL],
        bad=[CALL],
    )
    assert row["input"]["messages"][1]["tool_calls"][0]["id"] == "call_0"
    assert row["preferred_output"][0]["tool_calls"][0]["id"] == "call_1"


def test_arrow_holds_lists_of_tools_as_json_text():
    rows = [make_row(tools=TOOLS), make_row()]
    template = Talk().with_dialect("openai").with_columns(rows[0])
    table = pa.Table.from_pylist(rows)
    strict, json_text = BatchFormatter(template, "supervised"), BatchFormatter(template, "supervised", True)
    assert strict.schema.field("tools").type == pa.string()
    for formatter in (strict, json_text):
        first, second = formatter(table).to_pylist()
        assert json.loads(first["tools"]) == template.format(rows[0], "supervised")["tools"]
        assert second["tools"] is None
    filled = dict.fromkeys(("tool_calls", "tool_call_id", "name", "reasoning_content"))
    assert second["messages"] == json.dumps([ASKED, SAID])
    assert strict(table).to_pylist()[1]["messages"] == [{**ASKED, **filled}, {**SAID, **filled}]
    (pair,) = BatchFormatter(template, "preference")(table.slice(0, 1)).to_pylist()
    expected = template.format(rows[0], "preference")
    assert json.loads(pair["input"]["tools"]) == expected["input"]["tools"]
    with pytest.raises(RowError, match="has the keys"):
        check_fits_schema({"tools": None}, strict.schema)


def test_the_script_compiles_names_the_method_and_reads_json_lines_only():
    for format, method in (("supervised", "supervised"), ("preference", "dpo")):
        script = get_dialect("openai").configure(format, config="tune.py", rows="rows.jsonl")
        tree = ast.parse(script)
        assert f"'type': '{method}'" in ast.unparse(tree)
        assert "HERE / 'rows.jsonl'" in ast.unparse(tree)
    for rows in ("rows.parquet", "rows.json", "rows.jsonl.gz"):
        with pytest.raises(FileError, match=r"reads rows in \.jsonl"):
            get_dialect("openai").configure("supervised", config="tune.py", rows=rows)


# --- NeMo RL -------------------------------------------------------------------------------------------------------


def test_a_ranking_of_two_completions_is_written():
    row = Ranking().with_dialect("nemo-rl").format({"answers": ["a", "b"], "ranks": [1, 0]}, "ranked")
    assert [each["rank"] for each in row["completions"]] == [1.0, 0.0]


@pytest.mark.parametrize("answers", [["a"], ["a", "b", "c"]], ids=str)
def test_a_ranking_of_another_number_is_refused_with_the_way_out(answers):
    ranking = {"answers": answers, "ranks": list(range(len(answers)))}
    with pytest.raises(
        RowError, match=f"exactly two completions, got {len(answers)}; use --format preference"
    ) as caught:
        Ranking().with_dialect("nemo-rl").format(ranking, "ranked")
    assert caught.value.code is Code.UNSUPPORTED_CONTENT
    pairs = Ranking().with_dialect("nemo-rl").format_all(ranking, "preference")
    assert len(pairs) == len(answers) * (len(answers) - 1) // 2


def test_a_tie_is_refused():
    with pytest.raises(RowError, match="the same rank") as caught:
        Ranking().with_dialect("nemo-rl").format({"answers": ["a", "b"], "ranks": [0, 0]}, "ranked")
    assert caught.value.code is Code.BAD_LABEL


def test_supervised_rows_have_tools_as_a_list_and_calls_as_they_are():
    row = format_row("nemo-rl", "supervised", good=[CALL], tools=TOOLS)
    assert row == {"messages": [ASKED, {**CALL, "content": None}], "tools": json.loads(TOOLS)}
    assert format_row("nemo-rl", "supervised") == {"messages": [ASKED, SAID]}


def test_preference_rows_with_calls_are_refused_since_a_table_fills_in_keys():
    with pytest.raises(RowError, match="reads messages as a table"):
        format_row("nemo-rl", "preference", good=[CALL])


def test_a_prompt_is_one_question_with_its_answer():
    assert format_row("nemo-rl", "prompt_only") == {"input": "q", "output": "42"}
    with pytest.raises(RowError, match="has a place for one message"):
        format_row("nemo-rl", "prompt_only", asked=[ASKED, SAID, ASKED])


@pytest.mark.parametrize(
    ("format", "section", "dataset"),
    [
        ("preference", "dpo", "PreferenceDataset"), ("ranked", "dpo", "PreferenceDataset"),
        ("supervised", "sft", "openai_format"), ("prompt_only", "grpo", "ResponseDataset"),
    ],
)  # fmt: skip
def test_the_configuration_names_the_rows_the_dataset_and_the_chat_template(tmp_path, format, section, dataset):
    config = get_dialect("nemo-rl").configure(
        format,
        config=tmp_path / "train.yaml",
        rows=tmp_path / "rows.jsonl",
        chat_template=tmp_path / "chat_template.jinja",
    )
    settings = yaml.safe_load(config)
    assert settings["data"]["train"]["dataset_name"] == dataset
    assert settings["data"]["train"]["data_path"] == str(tmp_path / "rows.jsonl")
    assert settings["policy"]["tokenizer"]["chat_template"] == str(tmp_path / "chat_template.jinja")
    assert settings[section]["val_period"] == 0
    own = yaml.safe_load(get_dialect("nemo-rl").configure(format, config="train.yaml", rows="rows.jsonl"))
    assert own["policy"]["tokenizer"]["chat_template"] == "default"
    keys = set(get_dialect("nemo-rl").keys(format, ["tools"]))
    assert {value for key, value in settings["data"]["train"].items() if key.endswith("_key")} <= keys
