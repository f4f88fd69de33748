"""Verdicts: what can be formatted and should not be trained on."""

import pytest

from preftemplates import get_template
from preftemplates.checks import verdict
from preftemplates.errors import Code, RowError

ROW = {"prompt": "q", "response_0": "a", "response_1": "b", "better_response_id": 0}


@pytest.mark.parametrize("blank", ["", " ", "\n\t\u3000", "\u200b", "\ufeff\u2060 "])
@pytest.mark.parametrize("column", ["prompt", "response_0", "response_1"])
def test_blank_texts_are_empty(column, blank):
    formatted = get_template("PKUSafeRLHF").formatted({**ROW, column: blank}, "preference")
    assert verdict(formatted) is Code.EMPTY


def test_equal_answers_are_equal_and_answers_that_differ_by_a_blank_are_not():
    template = get_template("PKUSafeRLHF")
    assert verdict(template.formatted({**ROW, "response_0": "b"}, "preference")) is Code.EQUAL
    assert verdict(template.formatted({**ROW, "response_0": "b "}, "preference")) is None
    assert verdict(template.formatted(ROW, "preference")) is None


def test_a_prompt_of_no_messages_is_no_empty_prompt():
    assert verdict(get_template("TRL-implicit").formatted({"chosen": "a", "rejected": "b"}, "preference")) is None


def test_an_answer_of_tool_calls_alone_is_not_empty():
    call = [{"role": "assistant", "tool_calls": [{"name": "f"}]}]
    row = {"prompt": [{"role": "user", "content": "q"}], "completion": call}
    assert verdict(get_template("TRL-messages").formatted(row, "supervised")) is None


@pytest.mark.parametrize("completion", [[], [{"role": "user", "content": "q"}]])
def test_a_response_that_is_no_answer_cannot_be_formatted(completion):
    row = {"prompt": [{"role": "user", "content": "q"}], "completion": completion}
    with pytest.raises(RowError) as caught:
        get_template("TRL-messages").formatted(row, "supervised")
    assert caught.value.code is Code.BAD_TURNS
