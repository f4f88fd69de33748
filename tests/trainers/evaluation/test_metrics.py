"""Metrics of held-out pairs, against closed forms and plain arithmetic."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from preftemplates_train.evaluation.metrics import (
    choose_by_rules,
    compute_accuracy,
    compute_calibration,
    compute_log_loss,
    compute_sign_test,
    compute_wilson_interval,
    measure_shortcuts,
    summarize_rewards,
)


def test_a_tie_counts_one_half_and_the_error_is_that_of_the_mean():
    share, error = compute_accuracy(np.array([1.0, 1.0, -1.0, 0.0]))
    assert share == 0.625
    assert error == pytest.approx(np.std([1, 1, 0, 0.5], ddof=1) / 2)
    assert math.isnan(compute_accuracy(np.array([1.0]))[1])


def test_the_log_loss_of_far_scores_is_finite():
    assert compute_log_loss(np.array([-1e4])) == pytest.approx(1e4)
    assert compute_log_loss(np.array([1e4])) == 0.0


def test_the_summary_exchanges_with_the_sides():
    chosen, rejected = np.array([1.0, 2.0, 3.0]), np.array([0.0, 5.0, 3.0])
    one, other = summarize_rewards(chosen, rejected), summarize_rewards(rejected, chosen)
    assert one["accuracy"] == pytest.approx(1 - other["accuracy"])
    assert one["margin_mean"] == pytest.approx(-other["margin_mean"])
    assert (one["chosen_mean"], one["chosen_std"]) == (other["rejected_mean"], other["rejected_std"])


def test_shortcuts_read_no_text():
    found = measure_shortcuts([5, 2, 3, 3], [1, 4, 3, 9], [True, None, False, True])
    assert found == {"longer_wins": 0.375, "first_listed_wins": pytest.approx(2 / 3)}
    assert "first_listed_wins" not in measure_shortcuts([1], [2], [None])
    choices = choose_by_rules([5, 2, 3, 3], [1, 4, 3, 9], [True, None, False, True])
    assert choices["longer_wins"].tolist() == [4, -2, 0, -6]
    np.testing.assert_array_equal(choices["first_listed_wins"], [1, math.nan, -1, 1])


# --- interval and test -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "number", "low", "high"),
    [(0.5, 10, 0.23659, 0.76341), (0.0, 10, 0.0, 0.27753), (0.9, 100, 0.82563, 0.94477), (1.0, 1, 0.20655, 1.0)],
)
def test_wilson_s_interval_by_its_formula(share, number, low, high):
    assert compute_wilson_interval(share, number) == pytest.approx((low, high), abs=1e-5)


@given(st.integers(1, 400), st.data())
def test_the_bounds_are_where_the_score_test_just_refuses(number, data):
    share = data.draw(st.integers(0, number)) / number
    for bound in compute_wilson_interval(share, number):
        if 1e-12 < bound < 1 - 1e-12:  # a bound of 0 or 1 may be off by rounding
            distance = abs(share - bound) / math.sqrt(bound * (1 - bound) / number)
            assert distance == pytest.approx(1.959964, abs=1e-4)


def test_nineteen_intervals_of_twenty_hold_the_truth_with_ties_too():
    draw = np.random.default_rng(0)
    for chances in ((0.3, 0.0, 0.7), (0.2, 0.3, 0.5), (0.05, 0.0, 0.95)):
        truth = chances[2] + chances[1] / 2
        samples = draw.choice([0.0, 0.5, 1.0], size=(2000, 100), p=chances)
        held = [low <= truth <= high for low, high in (compute_wilson_interval(one.mean(), 100) for one in samples)]
        assert np.mean(held) > 0.93


@given(st.integers(0, 12), st.integers(0, 12))
def test_the_sign_test_counts_what_coins_do(ahead, behind):
    number = ahead + behind
    as_far = sum(
        abs(sum(coins) - number / 2) >= abs(ahead - number / 2) for coins in product((0, 1), repeat=min(number, 12))
    )
    if number <= 12:
        assert compute_sign_test(ahead, behind) == pytest.approx(as_far / 2**number)
    assert compute_sign_test(ahead, behind) == compute_sign_test(behind, ahead)


def test_the_sign_test_of_many_rows_is_a_number():
    assert compute_sign_test(5000, 5000) == 1.0
    assert 0.0 <= compute_sign_test(5200, 4800) < 1e-4
    assert compute_sign_test(0, 0) == 1.0


# --- calibration -----------------------------------------------------------------------------------------------------


def test_the_error_is_the_weighted_distance_of_sure_from_right():
    sure = math.log(0.93 / 0.07)  # whose sigmoid is 0.93
    error, bins = compute_calibration(np.array([sure, sure, sure, -sure]), np.ones(4))
    assert error == pytest.approx(0.93 - 0.75)
    assert bins == [{"from": 0.9, "to": 0.95, "share": 1.0, "sure": pytest.approx(0.93), "right": 0.75}]
    error, bins = compute_calibration(np.array([0.01, -0.01, 9.0]), np.ones(3))
    assert [one["share"] for one in bins] == pytest.approx([2 / 3, 1 / 3])
    assert error == pytest.approx(2 / 3 * (1 / (1 + math.exp(-0.01)) - 0.5) + 1 / 3 * (1 - 1 / (1 + math.exp(-9))))


@given(st.lists(st.floats(-1e6, 1e6), min_size=1))
def test_each_pair_is_in_one_bin_and_sureness_lies_in_it(margins):
    error, bins = compute_calibration(np.array(margins), np.ones(len(margins)))
    assert sum(one["share"] for one in bins) == pytest.approx(1)
    assert all(one["from"] - 1e-9 <= one["sure"] <= one["to"] + 1e-9 for one in bins)
    assert 0 <= error <= 1


def test_a_model_that_says_its_chances_is_calibrated_and_one_that_boasts_is_not():
    draw = np.random.default_rng(1)
    size = np.abs(draw.normal(0, 1, 40_000))
    right = draw.random(40_000) < 1 / (1 + np.exp(-size))
    margins = np.where(right, size, -size)
    assert compute_calibration(margins, np.ones(40_000))[0] < 0.01
    assert compute_calibration(5 * margins, np.ones(40_000))[0] > 0.1
