"""WebGPT: the higher score is the better answer, equal scores are a tie, and quotes are left out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import texts

from preftemplates import get_template
from preftemplates.data.convert import Conversion
from preftemplates.errors import Code, RowError

scores = st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0])


def row_of(score_0, score_1, one="zero", other="one"):
    quotes = {"title": ["A page"], "extract": ["A quote."]}
    question = {"dataset": "eli5", "full_text": "Tea?"}
    row = {"question": question, "quotes_0": quotes, "quotes_1": {"title": [], "extract": []}}
    return row | {"answer_0": one, "answer_1": other, "score_0": score_0, "score_1": score_1}


@given(texts(), texts(), scores, scores)
def test_the_higher_score_is_chosen_and_the_difference_is_the_margin(one, other, score_0, score_1):
    sample = get_template("WebGPT").extract(row_of(score_0, score_1, one, other), "preference")
    answers = [sample.chosen[0]["content"], sample.rejected[0]["content"]]
    assert answers == ([other, one] if score_1 > score_0 else [one, other])
    assert (sample.margin, sample.is_tie) == (abs(score_1 - score_0), score_0 == score_1)


def test_equal_scores_are_dropped_and_counted_as_ties():
    rows = [row_of(0.0, 0.0), row_of(0.5, -0.5), row_of(0.25, 0.25)]
    conversion = Conversion(rows, get_template("WebGPT"), "preference")
    assert [pair["margin"] for pair in conversion] == [1.0]
    assert [(refusal.row, refusal.code) for refusal in conversion.report.skipped] == [(0, Code.TIE), (2, Code.TIE)]


def test_the_prompt_is_the_question_and_no_quote_of_either_side():
    sample = get_template("WebGPT").extract(row_of(0.5, -0.5), "preference")
    assert sample.prompt == [{"role": "user", "content": "Tea?"}]
    assert get_template("WebGPT").columns("prompt_only") == ["question"]


@pytest.mark.parametrize("column", ["score_0", "score_1"])
@pytest.mark.parametrize("score", [-1.5, 2.0])
def test_a_score_outside_minus_1_to_1_is_refused(column, score):
    with pytest.raises(RowError) as caught:
        get_template("WebGPT").extract({**row_of(0.0, 0.5), column: score}, "preference")
    assert (caught.value.code, caught.value.column) == (Code.BAD_LABEL, column)
