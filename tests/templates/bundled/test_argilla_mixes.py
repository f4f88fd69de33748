"""Argilla's mixes: sides are cut by whole turns, and a KTO row is a conversation with its verdict."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import texts

from preftemplates import get_template
from preftemplates.errors import Code, RowError

PAIRS = ["DPO-mix-7k", "Capybara-DPO"]
exchanges = st.lists(st.tuples(texts(), texts()), max_size=2)


def conversation(exchanges, *last):
    contents = [content for exchange in exchanges for content in exchange] + [*last]
    roles = ["user", "assistant"] * len(contents)
    return [{"role": role, "content": content} for role, content in zip(roles, contents, strict=False)]


@pytest.mark.parametrize("name", PAIRS)
@given(history=exchanges, question=texts(), good=texts(), bad=texts())
def test_the_shared_turns_are_the_prompt_and_the_last_answers_the_pair(name, history, question, good, bad):
    row = {"chosen": conversation(history, question, good), "rejected": conversation(history, question, bad)}
    sample = get_template(name).extract(row, "preference")
    assert sample.prompt == row["chosen"][:-1]
    assert [sample.chosen, sample.rejected] == [row["chosen"][-1:], row["rejected"][-1:]]


@pytest.mark.parametrize("name", PAIRS)
def test_sides_that_answer_different_questions_are_refused(name):
    row = {"chosen": conversation([], "Tea?", "Yes."), "rejected": conversation([], "Milk?", "No.")}
    with pytest.raises(RowError) as caught:
        get_template(name).extract(row, "preference")
    assert caught.value.code == Code.PROMPT_MISMATCH


@given(exchanges, texts(), texts(), st.booleans())
def test_the_last_answer_of_a_kto_row_is_judged_and_the_turns_before_it_are_the_prompt(
    history, question, answer, good
):
    row = {"prompt": "not read", "completion": conversation(history, question, answer), "label": good}
    sample = get_template("KTO-mix-15k").extract(row, "unpaired")
    assert (sample.prompt, sample.completion, sample.label) == (row["completion"][:-1], row["completion"][-1:], good)


@pytest.mark.parametrize("label", [2, 0.5, "true"])
def test_a_verdict_that_is_no_bool_is_refused(label):
    with pytest.raises(RowError) as caught:
        get_template("KTO-mix-15k").extract({"completion": conversation([], "a", "b"), "label": label}, "unpaired")
    assert (caught.value.code, caught.value.column) == (Code.WRONG_TYPE, "label")


@pytest.mark.parametrize("completion", [[], conversation([], "Tea?"), [{"role": "assistant", "content": "Yes."}]])
def test_a_completion_that_answers_nothing_has_bad_turns(completion):
    with pytest.raises(RowError) as caught:
        get_template("KTO-mix-15k").extract({"completion": completion, "label": True}, "unpaired")
    assert caught.value.code == Code.BAD_TURNS
