"""SHP: the label is 1 where the first comment is better, the reverse of an index."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import texts

from preftemplates import get_template
from preftemplates.data.convert import Conversion
from preftemplates.errors import Code, RowError


def row_of(label, one="A", other="B", ratio=2.0):
    return {"history": "Tea?", "human_ref_A": one, "human_ref_B": other, "labels": label, "score_ratio": ratio}


@given(texts(), texts(), st.integers(0, 1))
def test_the_label_1_is_for_the_first_comment(one, other, label):
    sample = get_template("SHP").extract(row_of(label, one, other), "preference")
    answers = [sample.chosen[0]["content"], sample.rejected[0]["content"]]
    assert answers == ([one, other] if label == 1 else [other, one])


@pytest.mark.parametrize("label", [-1, 2, True, 1.5, "1"])
def test_another_label_is_refused(label):
    with pytest.raises(RowError) as caught:
        get_template("SHP").extract(row_of(label), "preference")
    assert (caught.value.code, caught.value.column) == (Code.BAD_LABEL, "labels")


@pytest.mark.parametrize(("ratio", "margin"), [(1.5, 0.5), (4.0, 3.0), (3, 2.0)])
def test_the_margin_is_the_part_by_which_the_better_comment_has_more_votes(ratio, margin):
    assert get_template("SHP").extract(row_of(0, ratio=ratio), "preference").margin == margin


def test_equal_votes_are_a_tie_and_are_dropped():
    conversion = Conversion([row_of(1, ratio=1.0), row_of(1, ratio=1.25)], get_template("SHP"), "preference")
    assert [pair["margin"] for pair in conversion] == [0.25]
    assert [refusal.code for refusal in conversion.report.skipped] == [Code.TIE]


def test_a_ratio_below_1_is_refused_since_the_better_comment_has_more_votes():
    with pytest.raises(RowError) as caught:
        get_template("SHP").extract(row_of(1, ratio=0.5), "preference")
    assert (caught.value.code, caught.value.column) == (Code.BAD_LABEL, "score_ratio")
