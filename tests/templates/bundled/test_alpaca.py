"""Alpaca: the input follows the instruction after a blank line, where there is one."""

import pytest
from hypothesis import given
from support import texts

from preftemplates import get_template
from preftemplates.errors import Code, RowError


@given(texts(), texts(), texts())
def test_an_input_that_is_empty_leaves_the_instruction_alone_and_nothing_is_trimmed(instruction, more, output):
    row = {"instruction": instruction, "input": more, "output": output, "text": "not read"}
    sample = get_template("Alpaca").extract(row, "supervised")
    prompt = f"{instruction}\n\n{more}" if more else instruction
    assert sample.prompt == [{"role": "user", "content": prompt}]
    assert sample.completion == [{"role": "assistant", "content": output}]


def test_each_part_of_the_prompt_knows_its_column():
    row = {"instruction": "Sum.", "input": "1 2", "output": "3"}
    rendered = get_template("Alpaca").render(row, "prompt_only").prompt
    told = {span.source: rendered.text[span.start : span.end] for span in rendered.spans if span.kind == "content"}
    assert told == {("instruction", 0): "Sum.", None: "\n\n", ("input", 0): "1 2"}


@pytest.mark.parametrize("column", ["instruction", "output"])
def test_a_null_is_refused_and_not_taken_for_empty(column):
    row = {"instruction": "a", "input": "b", "output": "c", column: None}
    with pytest.raises(RowError) as caught:
        get_template("Alpaca").format(row, "supervised")
    assert (caught.value.code, caught.value.column) == (Code.MISSING_FIELD, column)
