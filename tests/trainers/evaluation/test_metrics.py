"""Metrics of held-out pairs, against scikit-free arithmetic."""

import math

import numpy as np
import pytest
from preftemplates_train.evaluation.metrics import (
    compute_accuracy,
    compute_log_loss,
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
