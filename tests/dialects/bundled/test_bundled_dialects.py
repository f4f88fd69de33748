"""Each bundled dialect on two conversations, kept as golden results; what it has no place for it refuses."""

import json
import re

import pyarrow as pa
import pytest
from support import DIALECT_NAMES, assert_golden, outcome

from preftemplates import BatchFormatter, Preference, Ranked, RowModel, Stepwise, Supervised, Template, messages
from preftemplates.core.messages import Message
from preftemplates.errors import RowError

ONE = {
    "prompt": [{"role": "user", "content": "Mint?"}],
    "good": [{"role": "assistant", "content": "Half shade."}],
    "bad": [{"role": "assistant", "content": "Sun."}],
    "steps": ["Dig. ", "Plant."],
}
MANY = {
    "prompt": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Mint?"},
        {"role": "assistant", "content": "Half shade."},
        {"role": "user", "content": "Basil?"},
    ],
    "good": [{"role": "assistant", "content": "Sun."}],
    "bad": [{"role": "assistant", "content": "Shade."}],
    "steps": ["Dig. ", "Plant."],
}
TOOL = [{"role": "assistant", "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {"a": 1}}}]}]


class Garden(Template):
    class Row(RowModel):
        prompt: list[Message]
        good: list[Message]
        bad: list[Message]
        steps: list[str]

    preference = Preference(
        prompt=messages("{{ prompt }}"),
        chosen=messages("{{ good }}"),
        rejected=messages("{{ bad }}"),
        margin="{{ 2 }}",
    )
    supervised = Supervised(prompt=messages("{{ prompt }}"), completion=messages("{{ good }}"))
    ranked = Ranked(prompt=messages("{{ prompt }}"), completions="{{ [good, bad] }}", ranks="{{ [0, 1] }}")
    stepwise = Stepwise(prompt=messages("{{ prompt }}"), completions="{{ steps }}", labels="{{ [true, false] }}")


def in_dialect(name):
    template = Garden().with_style("chatml").with_dialect(name)
    return template if template.dialect.table.consumer is None else template.with_edges(bos="keep", eos="keep")


def formats_of(template):
    return [name for name in (*template.formats, *template.derived_formats) if name in template.dialect.formats]


def result(template, row, format):
    given = outcome(template.format_all, row, format)
    return f"refused: {given.code}" if isinstance(given, RowError) else given


@pytest.mark.parametrize("name", DIALECT_NAMES)
def test_the_results_are_the_golden_ones(name):
    template = in_dialect(name)
    rows = {"one question": ONE, "several turns": MANY, "a tool call": {**ONE, "good": TOOL}}
    found = {
        title: {format: result(template, row, format) for format in formats_of(template)}
        for title, row in rows.items()
    }
    assert_golden(f"dialects/{name}.json", found)


@pytest.mark.parametrize("name", DIALECT_NAMES)
def test_a_batch_in_arrow_is_its_rows(name):
    template = in_dialect(name)
    for format in formats_of(template):
        rows = [row for row in (ONE, MANY, ONE) if not isinstance(result(template, row, format), str)]
        formatter = BatchFormatter(template, format)
        table = formatter(pa.Table.from_pylist(rows))
        assert table.schema == formatter.schema
        assert table.to_pylist() == [each for row in rows for each in template.format_all(row, format)]


@pytest.mark.parametrize("name", DIALECT_NAMES)
def test_a_tool_call_is_kept_or_refused_and_never_dropped(name):
    template = in_dialect(name)
    for format in formats_of(template):
        given = outcome(template.format_all, {**ONE, "good": TOOL}, format)
        if isinstance(given, RowError):
            assert given.code == "unsupported_content"
        elif format not in ("prompt_only", "stepwise"):
            assert '"arguments": {"a": 1}' in re.sub(r'\\|"(?=[{])|(?<=})"', "", json.dumps(given))


def test_a_role_for_which_a_framework_has_no_name_is_refused():
    row = {**ONE, "prompt": [{"role": "developer", "content": "Be brief."}, *ONE["prompt"]]}
    for name in ("llama-factory-sharegpt", "sharegpt"):
        with pytest.raises(RowError, match="no turn for the role 'developer'") as caught:
            in_dialect(name).format(row, "supervised")
        assert caught.value.code == "bad_role"


def test_turns_that_a_layout_of_questions_and_answers_cannot_hold_are_refused():
    row = {**ONE, "prompt": [*ONE["prompt"], *ONE["prompt"]]}
    with pytest.raises(RowError, match="needs alternating questions and answers") as caught:
        in_dialect("llama-factory-alpaca").format(row, "preference")
    assert caught.value.code == "bad_turns"
    with pytest.raises(RowError, match="has a place for one message"):
        in_dialect("align-anything-messages").format(
            {**ONE, "bad": [*ONE["bad"], *MANY["prompt"][1:], *ONE["bad"]]}, "preference"
        )
    row["prompt"] = [*MANY["prompt"], *ONE["good"]]
    with pytest.raises(RowError, match="turns of a user or tool that alternate with the assistant's"):
        in_dialect("llama-factory-sharegpt").format(row, "preference")
