"""RewardBench: the order of the columns is the label, and in its second version several answers may be right."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import texts

from preftemplates import get_template
from preftemplates.data.convert import Conversion
from preftemplates.errors import Code, RowError


@given(texts(), texts(), texts())
def test_the_columns_say_which_is_better(prompt, one, other):
    template = get_template("RewardBench")
    sample = template.extract({"prompt": prompt, "chosen": one, "rejected": other, "subset": "x"}, "preference")
    assert sample.prompt == [{"role": "user", "content": prompt}]
    assert [sample.chosen[0]["content"], sample.rejected[0]["content"]] == [one, other]


@given(texts(), st.lists(texts(), min_size=1, max_size=3), st.lists(texts(), min_size=1, max_size=3))
def test_every_right_answer_stands_before_every_wrong_one(prompt, right, wrong):
    row = {"prompt": prompt, "chosen": right, "rejected": wrong, "num_correct": len(right)}
    sample = get_template("RewardBench2").extract(row, "ranked")
    assert [own[0]["content"] for own in sample.completions] == right + wrong
    assert sample.ranks == [0.0] * len(right) + [1.0] * len(wrong)
    assert not sample.is_tie


def pairs_of(right, wrong):
    row = {"prompt": "Tea?", "chosen": right, "rejected": wrong}
    conversion = Conversion([row], get_template("RewardBench2").with_style("plain").with_dialect("text"), "preference")
    return [(pair["chosen"], pair["rejected"]) for pair in conversion], conversion.report


def test_one_right_answer_of_four_makes_three_pairs():
    pairs, report = pairs_of(["a"], ["x", "y", "z"])
    assert pairs == [("a", "x"), ("a", "y"), ("a", "z")]
    assert [refusal.code for refusal in report.left_out] == [Code.TIE] * 3


def test_right_answers_make_no_pair_with_each_other():
    pairs, report = pairs_of(["a", "b", "c"], ["x", "y"])
    assert pairs == [(right, wrong) for right in "abc" for wrong in "xy"]
    assert [refusal.code for refusal in report.left_out] == [Code.TIE] * 4


@pytest.mark.parametrize(("right", "wrong"), [(["a", "b"], []), ([], ["x", "y"])])
def test_a_row_of_one_kind_only_is_a_tie(right, wrong):
    pairs, report = pairs_of(right, wrong)
    assert (pairs, [refusal.code for refusal in report.skipped]) == ([], [Code.TIE])


def test_a_row_without_answers_is_refused():
    with pytest.raises(RowError) as caught:
        get_template("RewardBench2").extract({"prompt": "Tea?", "chosen": [], "rejected": []}, "ranked")
    assert caught.value.code == Code.EMPTY
