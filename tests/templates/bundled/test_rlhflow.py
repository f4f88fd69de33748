"""RLHFlow's helpful part of HH: the shared turns are the prompt, and the last answers the pair."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import real_rows, texts

from preftemplates import get_template
from preftemplates.data.convert import Conversion
from preftemplates.errors import Code, RowError

NAME = "HH-helpful-standard"


def conversation(*contents):
    roles = ["user", "assistant"] * len(contents)
    return [{"role": role, "content": content} for role, content in zip(roles, contents, strict=False)]


@given(st.lists(st.tuples(texts(), texts()), max_size=2), texts(), texts(), texts())
def test_chosen_is_the_last_answer_of_its_own_column(exchanges, question, good, bad):
    history = [content for exchange in exchanges for content in exchange] + [question]
    chosen, rejected = conversation(*history, good), conversation(*history, bad)
    sample = get_template(NAME).extract({"chosen": chosen, "rejected": rejected}, "preference")
    assert sample.prompt == chosen[:-1]
    assert [sample.chosen, sample.rejected] == [chosen[-1:], rejected[-1:]]
    exchanged = get_template(NAME).extract({"chosen": rejected, "rejected": chosen}, "preference")
    assert [exchanged.chosen, exchanged.rejected] == [sample.rejected, sample.chosen]


@pytest.mark.parametrize(
    ("chosen", "rejected", "code"),
    [
        (conversation("a", "b", "c", "d"), conversation("a", "x", "c", "d"), Code.PROMPT_MISMATCH),
        (conversation("a", "b"), conversation("x", "b"), Code.PROMPT_MISMATCH),
        (conversation("a", "b", "c", "d"), conversation("a", "b"), Code.PROMPT_MISMATCH),
        (conversation("a", "b", "c"), conversation("a", "b", "c"), Code.BAD_TURNS),
        ([], [], Code.BAD_TURNS),
    ],
)
def test_sides_with_different_histories_or_without_an_answer_are_refused(chosen, rejected, code):
    with pytest.raises(RowError) as caught:
        get_template(NAME).extract({"chosen": chosen, "rejected": rejected}, "preference")
    assert caught.value.code == code


def test_the_real_row_is_one_question_with_two_answers():
    rows = real_rows("torchtune/hh_rlhf_tiny.json")
    conversion = Conversion(rows, get_template(NAME).with_dialect("trl"), "preference", on_error="skip")
    results, report = [*conversion], conversion.report
    assert (report.rows, report.formatted, len(report.skipped), len(report.rejected)) == (1, 1, 0, 0)
    for side in ("chosen", "rejected"):
        assert [len(results[0]["prompt"]), len(results[0][side])] == [1, 1]
        assert results[0]["prompt"] + results[0][side] == rows[0][side]
