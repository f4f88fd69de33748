"""In every dialect and dataset type, the tools of a sample are in the result or counted as lost."""

import json

import pytest
from support import DIALECT_NAMES, outcome

from preftemplates import (
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
)
from preftemplates.data.convert import Conversion
from preftemplates.errors import RowError

NAME = "water_the_dill"
TOOLS = json.dumps([{"name": NAME, "description": "d", "parameters": {"type": "object", "properties": {}}}])
WRITTEN = {
    "align-anything-messages": (),
    "nemo-rl": ("supervised",),
    "openai": ("prompt_only", "supervised", "preference"),
    "sharegpt": (),
}
"""The dataset types that have a key for tools, in dialects whose framework cannot be run here."""


class Every(Template):
    class Row(RowModel):
        q: str
        a: str
        b: str
        tools: str | None = None

    prompt_only = PromptOnly(prompt="{{ q }}", tools="{{ tools }}")
    supervised = Supervised(prompt="{{ q }}", completion="{{ a }}", tools="{{ tools }}")
    preference = Preference(prompt="{{ q }}", chosen="{{ a }}", rejected="{{ b }}", tools="{{ tools }}")
    unpaired = Unpaired(prompt="{{ q }}", completion="{{ a }}", label="{{ true }}", tools="{{ tools }}")
    stepwise = Stepwise(
        prompt="{{ q }}", completions="{{ [a, b] }}", labels="{{ [true, false] }}", tools="{{ tools }}"
    )
    ranked = Ranked(prompt="{{ q }}", completions="{{ [a, b] }}", ranks="{{ [0, 1] }}", tools="{{ tools }}")
    scored = Scored(prompt="{{ q }}", completion="{{ a }}", score="{{ 1 }}", tools="{{ tools }}")


ROW = {"q": "q", "a": "a", "b": "b", "tools": TOOLS}
CELLS = [(name, format) for name in DIALECT_NAMES for format in get_dialect(name).formats if format != "judge"]


def in_dialect(name):
    template = Every().with_style("qwen2.5").with_dialect(name)
    return template if template.dialect.table.consumer is None else template.with_edges(bos="keep", eos="keep")


@pytest.mark.parametrize(("name", "format"), CELLS)
def test_tools_are_in_the_result_or_counted_as_lost(name, format):
    conversion = Conversion([ROW], in_dialect(name), format)
    (result,) = conversion
    written = NAME in json.dumps(result)
    assert conversion.report.lost == ({} if written else {"tools": 1})
    assert written is (format in WRITTEN.get(name, [format] if written else []))


@pytest.mark.parametrize(("name", "format"), CELLS)
def test_a_row_without_tools_has_a_result_and_loses_none(name, format):
    conversion = Conversion([{**ROW, "tools": None}], in_dialect(name), format)
    assert outcome(list, conversion)
    assert not conversion.report.lost
    assert not isinstance(outcome(in_dialect(name).format, {**ROW, "tools": None}, format), RowError)
