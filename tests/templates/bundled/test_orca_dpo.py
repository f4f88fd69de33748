"""Orca pairs: an empty system text is no turn, and a status may say that neither answer is better."""

import pytest
from hypothesis import given
from support import texts

from preftemplates import get_template
from preftemplates.data.convert import Conversion
from preftemplates.errors import Code, RowError

QUESTIONS = {"Orca-DPO": "question", "Orca-DPO-distilabel": "input"}


def row_of(name, **cells):
    return {"system": "", QUESTIONS[name]: "Tea?", "chosen": "Yes.", "rejected": "No.", "status": "unchanged", **cells}


@pytest.mark.parametrize("name", QUESTIONS)
@given(system=texts(), chosen=texts(), rejected=texts())
def test_a_system_text_is_a_turn_unless_it_is_empty(name, system, chosen, rejected):
    row = row_of(name, system=system, chosen=chosen, rejected=rejected)
    sample = get_template(name).extract(row, "preference")
    assert sample.prompt[:-1] == ([{"role": "system", "content": system}] if system else [])
    assert sample.prompt[-1] == {"role": "user", "content": "Tea?"}
    assert [sample.chosen[0]["content"], sample.rejected[0]["content"]] == [chosen, rejected]


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_system_text_that_is_null_or_absent_is_no_turn(name):
    row = row_of(name, system=None)
    absent = {column: cell for column, cell in row.items() if column != "system"}
    for system in (row, absent):
        assert [message["role"] for message in get_template(name).extract(system, "preference").prompt] == ["user"]


def test_a_row_of_status_tie_is_dropped_and_the_others_keep_their_order():
    name = "Orca-DPO-distilabel"
    rows = [row_of(name, status=status) for status in ("unchanged", "tie", "swapped")]
    conversion = Conversion(rows, get_template(name).with_style("plain").with_dialect("text"), "preference")
    assert [(pair["chosen"], pair["rejected"]) for pair in conversion] == [("Yes.", "No.")] * 2
    assert [(refusal.row, refusal.code) for refusal in conversion.report.skipped] == [(1, Code.TIE)]


def test_fault_17_where_all_is_rated_equal_no_pair_has_one_text_on_both_sides():
    name = "Orca-DPO-distilabel"
    rows = [row_of(name, status="tie"), row_of(name, rejected="Yes.")]
    conversion = Conversion(rows, get_template(name), "preference")
    assert list(conversion) == []
    assert [refusal.code for refusal in conversion.report.skipped] == [Code.TIE, Code.EQUAL]


def test_a_status_that_is_not_known_is_refused():
    with pytest.raises(RowError) as caught:
        get_template("Orca-DPO-distilabel").extract(row_of("Orca-DPO-distilabel", status="Tie"), "preference")
    assert (caught.value.code, caught.value.column) == (Code.BAD_LABEL, "status")
