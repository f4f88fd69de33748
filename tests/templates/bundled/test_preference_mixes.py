"""Preference mixes: each side is a whole conversation, and their common turns are the prompt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import texts

from preftemplates import get_template
from preftemplates.data.convert import Conversion
from preftemplates.errors import Code, RowError

NAMES = ["ORPO-DPO-mix-40k", "Skywork-Reward-80K", "Tulu3-preference"]


def conversation(*contents):
    roles = ["user", "assistant"] * len(contents)
    return [{"role": role, "content": content} for role, content in zip(roles, contents, strict=False)]


@pytest.mark.parametrize("name", NAMES)
@given(history=st.sampled_from([(), ("a", "b")]), question=texts(), good=texts(), bad=texts())
def test_the_shared_turns_are_the_prompt_and_the_last_answers_the_pair(name, history, question, good, bad):
    row = {"chosen": conversation(*history, question, good), "rejected": conversation(*history, question, bad)}
    sample = get_template(name).extract(row, "preference")
    assert sample.prompt == row["chosen"][:-1]
    assert [sample.chosen, sample.rejected] == [row["chosen"][-1:], row["rejected"][-1:]]


@pytest.mark.parametrize("name", NAMES)
def test_sides_that_answer_different_questions_are_refused(name):
    row = {"chosen": conversation("Tea?", "Yes."), "rejected": conversation("Milk?", "No.")}
    with pytest.raises(RowError) as caught:
        get_template(name).extract(row, "preference")
    assert caught.value.code == Code.PROMPT_MISMATCH


def test_tulu_demands_the_same_turns_up_to_the_last_answer():
    row = {
        "chosen": conversation("Tea?", "Yes.", "Milk?", "Yes."),
        "rejected": conversation("Tea?", "No.", "Milk?", "No."),
    }
    with pytest.raises(RowError) as caught:
        get_template("Tulu3-preference").extract(row, "preference")
    assert caught.value.code == Code.PROMPT_MISMATCH
    assert len(get_template("Skywork-Reward-80K").extract(row, "preference").chosen) == 3


@pytest.mark.parametrize("side", [[], conversation("Tea?"), [{"role": "assistant", "content": "Yes."}]])
def test_a_side_of_tulu_that_answers_nothing_has_bad_turns(side):
    for row in ({"chosen": side, "rejected": side}, {"chosen": conversation("Tea?", "Yes."), "rejected": side}):
        with pytest.raises(RowError) as caught:
            get_template("Tulu3-preference").extract(row, "preference")
        assert caught.value.code == Code.BAD_TURNS


def test_no_row_of_the_orpo_mix_is_left_out_by_its_source():
    sides = {"chosen": conversation("Tea?", "Yes."), "rejected": conversation("Tea?", "No.")}
    rows = [{"source": source, "prompt": "Tea?", **sides} for source in ("toxic-dpo-v0.2", "Airoboros", None)]
    conversion = Conversion(rows, get_template("ORPO-DPO-mix-40k"), "preference")
    assert len(list(conversion)) == 3
    assert (conversion.report.skipped, conversion.report.rejected) == ([], [])
