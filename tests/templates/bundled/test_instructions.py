"""Instructions: a context follows its instruction, and an empty system text is no turn."""

import pytest
from hypothesis import given
from support import real_rows, texts

from preftemplates import get_template
from preftemplates.data.convert import Conversion
from preftemplates.errors import Code, RowError


@given(texts(), texts(), texts())
def test_dolly_s_context_follows_the_instruction_where_there_is_one(instruction, context, response):
    row = {"instruction": instruction, "context": context, "response": response, "category": "not read"}
    sample = get_template("Dolly").extract(row, "supervised")
    prompt = f"{instruction}\n\n{context}" if context else instruction
    assert sample.prompt == [{"role": "user", "content": prompt}]
    assert sample.completion == [{"role": "assistant", "content": response}]


@given(texts(), texts(), texts())
def test_openorca_s_system_text_is_a_turn_where_there_is_one(system, question, response):
    row = {"system_prompt": system, "question": question, "response": response}
    sample = get_template("OpenOrca").extract(row, "supervised")
    told = [{"role": "system", "content": system}] if system else []
    assert sample.prompt == [*told, {"role": "user", "content": question}]
    assert sample.completion == [{"role": "assistant", "content": response}]


@pytest.mark.parametrize("name", ["Dolly", "OpenOrca", "torchtune-instruct"])
def test_a_null_is_refused_and_not_taken_for_empty(name):
    template = get_template(name)
    for column in {*template.columns("supervised")} - {"context", "system_prompt"}:  # which may be absent
        with pytest.raises(RowError) as caught:
            template.format({**template.example, column: None}, "supervised")
        assert (caught.value.code, caught.value.column) == (Code.MISSING_FIELD, column)


def test_both_of_torchtune_s_rows_format_and_stay_as_they_are():
    rows = real_rows("torchtune/instruct_tiny.json")
    template = get_template("torchtune-instruct").with_style("plain").with_dialect("text")
    conversion = Conversion(rows, template, "supervised", on_error="skip")
    wanted = [{"prompt": row["instruction"], "completion": row["response"]} for row in rows]
    assert list(conversion) == wanted
    assert (conversion.report.rows, conversion.report.formatted) == (2, 2)
