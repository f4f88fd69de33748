"""Law 23: `detect` names a template for what is written in any dialect, and that template gives the same back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import few

from preftemplates import (
    Judge,
    Message,
    Preference,
    PromptOnly,
    Ranked,
    RowModel,
    Scored,
    Stepwise,
    Supervised,
    Template,
    Unpaired,
    get_dialect,
    list_dialects,
    messages,
)
from preftemplates.core.message_values import settle_content
from preftemplates.data.convert import Conversion
from preftemplates.data.detect import TEMPLATES, detect_templates
from preftemplates.errors import Code, RowError, UnknownNameError

CASES = [(name, format) for name in list_dialects() for format in get_dialect(name).formats]
REASONS = {Code.UNSUPPORTED_CONTENT, Code.BAD_TURNS, Code.BAD_ROLE, Code.BAD_LABEL, Code.MISSING_FIELD}
TOOL = {"type": "function", "function": {"name": "water", "parameters": {"type": "object", "properties": {}}}}


class Written(Template):
    """Rows of all dataset types, with tools and every label."""

    class Row(RowModel):
        asked: list[Message]
        said: list[list[Message]]
        steps: list[str]
        right: list[bool]
        good: bool
        verdict: str
        scores: list[float]
        tools: str | None = None
        margin: float | None = None
        probability: float | None = None
        answer: str | None = None
        source: str | None = None
        attributes: dict[str, float] | None = None

    prompt_only = PromptOnly(
        prompt=messages("{{ asked }}"), answer="{{ answer }}", source="{{ source }}", tools="{{ tools }}"
    )
    supervised = Supervised(prompt=messages("{{ asked }}"), completion=messages("{{ said[0] }}"), tools="{{ tools }}")
    preference = Preference(
        prompt=messages("{{ asked }}"),
        chosen=messages("{{ said[0] }}"),
        rejected=messages("{{ said[1] }}"),
        margin="{{ margin }}",
        probability="{{ probability }}",
        tools="{{ tools }}",
    )
    unpaired = Unpaired(
        prompt=messages("{{ asked }}"), completion=messages("{{ said[0] }}"), label="{{ good }}", tools="{{ tools }}"
    )
    ranked = Ranked(
        prompt=messages("{{ asked }}"),
        completions="{{ said }}",
        ranks="{{ scores | ranks }}",
        scores="{{ scores }}",
        tools="{{ tools }}",
    )
    scored = Scored(
        prompt=messages("{{ asked }}"),
        completion=messages("{{ said[0] }}"),
        score="{{ scores[0] }}",
        attributes="{{ attributes }}",
        tools="{{ tools }}",
    )
    stepwise = Stepwise(
        prompt=messages("{{ asked }}"), completions="{{ steps }}", labels="{{ right }}", tools="{{ tools }}"
    )
    judge = Judge(
        prompt=messages("{{ asked }}"),
        completion=messages("{{ said[0] }}"),
        verdict="{{ verdict }}",
        tools="{{ tools }}",
    )


WORDS = st.sampled_from(["Which herb?", " a\n", "Is <b> ok? {{ x }}", "Übrig 草", "- 1\n- 2", "0"])


def message(role, content):
    return {"role": role, "content": content}


@st.composite
def conversations(draw):
    """What is asked: a system text or none, and turns that alternate; some call a tool."""
    asked = [message("system", draw(WORDS))] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(0, 2))):
        asked += [message("user", draw(WORDS)), message("assistant", draw(WORDS))]
    asked.append(message("user", draw(WORDS)))
    if draw(st.integers(0, 3)) == 0:
        function = {"name": "water", "arguments": {"herb": draw(WORDS)}}
        call = {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": function}]}
        asked += [call, message("tool", draw(WORDS))]
    return asked


@st.composite
def rows(draw):
    """A row with every label, or without those that a row need not have."""
    asked = draw(conversations())
    calls = any("tool_calls" in one for one in asked)
    optional = {
        "tools": json.dumps([TOOL]) if calls or draw(st.booleans()) else None,
        "margin": draw(st.sampled_from([None, 0.5, 2.0])),
        "probability": draw(st.sampled_from([None, 0.75, 1.0])),
        "answer": draw(st.sampled_from([None, "5", "x y"])),
        "source": draw(st.sampled_from([None, "openai/gsm8k"])),
        "attributes": draw(st.sampled_from([None, {"clear": 1.0}])),
    }
    texts = draw(st.lists(WORDS, min_size=2, max_size=2, unique=True))
    return {
        "asked": asked,
        "said": [[message("assistant", f"{number} {text}")] for number, text in enumerate(texts)],
        "steps": [f"{text}." for text in texts],
        "right": [draw(st.booleans()) for _ in texts],
        "good": draw(st.booleans()),
        "verdict": draw(st.sampled_from(["A", "B", "tie"])),
        "scores": [2.0, 1.0] if draw(st.booleans()) else [1.0, 4.5],
        **{name: value for name, value in optional.items() if value is not None},
    }


def spell_message(one):
    """A message without ids, which some frameworks demand, and with its content as one text."""
    calls = [(call["function"]["name"], call["function"]["arguments"]) for call in one.get("tool_calls") or []]
    content = settle_content(one).get("content") or ""
    more = {key: one[key] for key in one if key not in ("role", "content", "tool_calls", "tool_call_id", "id")}
    return one["role"], content, calls, more


def spell_sample(sample, lost):
    """A sample without what was counted as lost."""
    labels = {name: value for name, value in sample.label_values.items() if name not in lost}
    tools = None if sample.tools is None or "tools" in lost else json.loads(sample.tools)
    parts = [sample.prompt, *sample.responses.values()]
    return [[spell_message(one) for one in part] for part in parts], labels, tools


def spell_texts(sample):
    """The whole texts of a sample whose messages hold texts: each response after its prompt; the prompt without."""
    asked = "".join(one["content"] for one in sample.prompt)
    answers = ["".join(one["content"] for one in answer) for answer in sample.responses.values()]
    if sample.pieces:
        answers = ["".join(answers)]
    return [asked + answer for answer in answers] or [asked]


def write(row_list, dialect, format):
    """The results of rows in a dialect, each with its sample, texts and what is lost."""
    template = Written().with_dialect(dialect)
    if template.dialect.needs_text(format):
        template = template.with_style("chatml")
        if template.dialect.table.consumer is not None:
            template = template.with_edges(bos="keep", eos="keep")
    conversion = Conversion(row_list, template, format, on_error="skip")
    written = [
        (json.loads(json.dumps(formatted.result)), formatted.messages, formatted.texts, {*formatted.without_key})
        for _, formatted in conversion.accepted()
    ]
    codes = {issue.code for issue in conversion.report.rejected}
    assert codes <= REASONS, codes
    return written


def reads_back(template, format, written):
    """Whether a template gives the samples, or the texts, that results were written from."""
    formats = (*template.formats, *template.derived_formats)
    kind = "supervised" if format == "judge" else format  # dialects write a judge's answer as one to learn
    if kind not in formats:
        return False
    for result, sample, texts, lost in written:
        try:
            (read,) = template.extract_all(result, kind).samples
            for reader in (template, template.with_dialect("trl")):
                if reader.spells(kind) and not reader.dialect.table.consumer:
                    reader.format_all(result, kind)
        except (RowError, ValueError, UnknownNameError):
            return False
        if texts is not None:
            whole = [*texts.responses.values()][-1:] if sample.pieces else [*texts.responses.values()]
            expected, labels = [str(text) for text in whole] or [str(texts.prompt)], sample.label_values
            same = spell_texts(read) == expected
            same = same and read.label_values == {
                name: value for name, value in labels.items() if name not in lost and name != "verdict"
            }
        else:
            same = spell_sample(read, lost) == spell_sample(sample, lost | {"verdict"})
        if not same:
            return False
    return True


def is_closed(written, dialect, format):
    """The law, for the results of a dialect: one reads them back, and those before it read all that it reads."""
    results = [result for result, *_ in written]
    candidates = detect_templates(results)
    assert candidates, f"no template reads {dialect} {format}: {results[:1]}"
    names = [candidate.template.name for candidate in candidates]
    for index, candidate in enumerate(candidates):
        if reads_back(candidate.template, format, written):
            less = [
                name for name, other in zip(names[:index], candidates, strict=False) if not reads_all(other, candidate)
            ]
            assert not less, f"{dialect} {format}: {less} come before {names[index]} and read less of {results[:1]}"
            return
    raise AssertionError(f"{dialect} {format}: {names[:4]} read {results[:1]} otherwise")


def reads_all(candidate, other):
    """Whether a candidate reads all that another one reads, or all that is content: the rows are its layout too."""
    return {*candidate.read} >= {*other.read} or not candidate.unread_content


@pytest.mark.parametrize(("dialect", "format"), CASES, ids=[f"{name}-{format}" for name, format in CASES])
@few(12)
@given(st.lists(rows(), min_size=1, max_size=4))
def test_what_is_written_is_read_back(dialect, format, row_list):
    written = write(row_list, dialect, format)
    if written:
        is_closed(written, dialect, format)


def test_a_plain_row_comes_through_in_every_case():
    """So that no case holds only because all of its rows are rejected."""
    row = {**PLAIN, "asked": [message("user", "Which herb?")]}
    assert all(write([row], dialect, format) for dialect, format in CASES)


# --- planted faults ------------------------------------------------------------------------------------------------

PLAIN = {
    "asked": [message("system", "Be brief."), message("user", "Which herb?")],
    "said": [[message("assistant", "Dill.")], [message("assistant", "Mint.")]],
    "steps": ["Dill.", "Or mint."],
    "right": [True, False],
    "good": False,
    "verdict": "A",
    "scores": [2.0, 1.0],
    "margin": 2.0,
    "answer": "5",
}


def swap_answers(result):
    return {**result, "chosen": result["rejected"], "rejected": result["chosen"]}


def lose_the_first_turn(result):
    return {**result, "messages": result["messages"][1:]}


def lose_the_margin(result):
    return {key: value for key, value in result.items() if key != "margin"}


def turn_the_label_round(result):
    return {**result, "kto_tag": not result["kto_tag"]}


def rename_a_key(result):
    return {"contexts" if key == "context" else key: value for key, value in result.items()}


def trim(result):
    return {**result, "prompt": result["prompt"].strip()}


PLANTS = {
    "answers are swapped": ("trl", "preference", swap_answers),
    "a turn is lost": ("openai", "supervised", lose_the_first_turn),
    "a margin is lost": ("axolotl", "preference", lose_the_margin),
    "a label is turned round": ("llama-factory-sharegpt", "unpaired", turn_the_label_round),
    "a key has another name": ("nemo-rl", "preference", rename_a_key),
    "a text is trimmed": ("text", "preference", trim),
}


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_fault_in_what_is_written_is_found(plant):
    dialect, format, spoil = PLANTS[plant]
    written = write([PLAIN], dialect, format)
    is_closed(written, dialect, format)
    spoiled = [(spoil(result), *more) for result, *more in written]
    with pytest.raises(AssertionError, match=r"otherwise|no template reads"):
        is_closed(spoiled, dialect, format)


@pytest.mark.parametrize(
    ("dialect", "format", "name"),
    [("openai", "preference", "OpenAI-preference"), ("llama-factory", "unpaired", "LLaMA-Factory-sharegpt-kto")],
)
def test_a_layout_without_a_template_is_found(dialect, format, name, monkeypatch):
    names, problems = TEMPLATES.load_names()
    monkeypatch.setattr(TEMPLATES, "load_names", lambda: ([one for one in names if one != name], problems))
    with pytest.raises(AssertionError, match=r"otherwise|no template reads"):
        is_closed(write([PLAIN], dialect, format), dialect, format)


def test_a_rank_that_puts_a_template_first_which_reads_less_is_found(monkeypatch):
    monkeypatch.setattr("preftemplates.data.detect.TemplateCandidate.rank", property(lambda found: len(found.read)))
    with pytest.raises(AssertionError, match="read less"):
        is_closed(write([PLAIN], "llama-factory", "unpaired"), "llama-factory", "unpaired")
