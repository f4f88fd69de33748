"""The temperature: a fit that no other number beats, and where there is none."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from preftemplates_train.evaluation.figures import evaluate_samples
from preftemplates_train.evaluation.scored_samples import ScoredSample
from preftemplates_train.evaluation.temperature import fit_temperature

margins = st.lists(st.floats(-20, 20), min_size=2, max_size=12).map(np.array)
weights = st.lists(st.floats(0.1, 1), min_size=12, max_size=12).map(np.array)


def loss(margins, weights, temperature):
    return np.average(np.logaddexp(0, -margins / temperature), weights=weights)


def fit(margins, weights):
    fitted = fit_temperature(margins, weights).temperature
    assume(fitted is not None and fitted < 1e6)
    return fitted


@pytest.mark.parametrize(("right", "wrong"), [(3, 1), (9, 1), (51, 49), (999, 1)])
def test_margins_of_one_size_have_a_closed_form(right, wrong):
    """Of margins of one size m, the share s is right: the best temperature is m / logit(s)."""
    found = fit_temperature(np.array([2.5] * right + [-2.5] * wrong), np.ones(right + wrong)).temperature
    assert found == pytest.approx(2.5 / math.log(right / wrong), rel=1e-9)


def test_rewards_that_were_multiplied_get_their_factor_back():
    draw = np.random.default_rng(0)
    size = np.abs(draw.normal(0, 2, 100_000))
    margins = np.where(draw.random(100_000) < 1 / (1 + np.exp(-size)), size, -size)
    assert fit_temperature(margins, np.ones(100_000)).temperature == pytest.approx(1, abs=0.02)
    assert fit_temperature(7 * margins, np.ones(100_000)).temperature == pytest.approx(7, abs=0.14)


@given(margins, weights)
def test_no_other_temperature_has_a_lower_loss(margins, weights):
    weights = weights[: len(margins)]
    found = fit(margins, weights)
    best = loss(margins, weights, found)
    assert best <= math.log(2) + 1e-9
    assert best <= loss(margins, weights, 1) + 1e-12
    for factor in (1 - 1e-3, 1 + 1e-3, 0.1, 10):
        assert best <= loss(margins, weights, found * factor) + 1e-12


@given(margins, weights)
def test_the_slope_of_the_loss_is_zero_to_a_millionth(margins, weights):
    """The derivative changes its sign within a millionth of the temperature."""
    weights = weights[: len(margins)]
    found = fit(margins, weights)

    def slope(temperature):
        return weights @ (margins / (1 + np.exp(np.minimum(margins / temperature, 700))))

    scale = 1e-9 * np.abs(weights @ np.abs(margins))
    assert slope(found * (1 - 1e-6)) <= scale
    assert slope(found * (1 + 1e-6)) >= -scale


@given(margins, weights, st.floats(0.01, 100))
def test_the_temperature_scales_with_the_rewards(margins, weights, factor):
    weights = weights[: len(margins)]
    found = fit(margins, weights)
    assert fit_temperature(factor * margins, weights).temperature == pytest.approx(factor * found, rel=1e-6)


@pytest.mark.parametrize(
    ("margins", "reason"),
    [
        (
            [1.0, 2.0],
            "the model gets no pair wrong, so the lower the temperature, the lower the loss; use more rows",
        ),
        (
            [1.0, 0.0],
            "the model gets no pair wrong, so the lower the temperature, the lower the loss; use more rows",
        ),
        ([1.0, -1.0], "the mean margin is not above 0, so no temperature beats chance"),
        ([0.1, -0.1, 0.7, -0.7], "the mean margin is not above 0, so no temperature beats chance"),
        ([-1.0, -2.0], "the mean margin is not above 0, so no temperature beats chance"),
        ([0.0, 0.0], "the mean margin is not above 0, so no temperature beats chance"),
    ],
)
def test_where_there_is_no_best_temperature_the_reason_is_given(margins, reason):
    assert fit_temperature(np.array(margins), np.ones(len(margins))) == (None, reason)


@pytest.mark.parametrize("margins", [[1e-300, 2e-300, -1e-300], [1e300, 1e300, -1e299], [1e8, 1e8, -1e-8]])
def test_extreme_margins_have_a_finite_temperature(margins):
    found = fit_temperature(np.array(margins), np.ones(3)).temperature
    assert 0 < found < math.inf


# --- in the figures --------------------------------------------------------------------------------------------------


def pairs(*margins):
    return [ScoredSample(number, 0, {}, [margin, 0.0], [0, 1], [5, 5]) for number, margin in enumerate(margins)]


def test_the_figures_have_the_fit_and_keep_those_of_the_raw_rewards():
    values = [4.0, 4.0, 4.0, -4.0]
    found = evaluate_samples(pairs(*values), recorded_temperature=2.0)
    assert found["temperature"] == pytest.approx(4 / math.log(3))
    assert found["temperature_reason"] is None
    assert found["loss_at_temperature"] == pytest.approx(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))
    assert found["calibration_error_at_temperature"] == pytest.approx(0, abs=1e-9)
    assert found["loss"] == pytest.approx(np.logaddexp(0, -np.array(values)).mean())
    assert found["calibration_error"] == pytest.approx(1 / (1 + math.exp(-4)) - 0.75)
    halved = evaluate_samples(pairs(*np.array(values) / 2))
    assert found["recorded_temperature"] == {
        "temperature": 2.0,
        "loss": pytest.approx(halved["loss"]),
        "calibration_error": pytest.approx(halved["calibration_error"]),
    }


def test_without_a_fit_the_figures_after_it_are_null():
    found = evaluate_samples(pairs(1.0, 2.0))
    assert (found["temperature"], found["loss_at_temperature"], found["calibration_error_at_temperature"]) == (
        None,
        None,
        None,
    )
    assert found["recorded_temperature"]["loss"] == found["loss"]


def test_a_sample_counts_once_however_many_pairs_it_has():
    """Planted: weights of pairs, and not of prompts, would give the sample with three pairs three votes."""
    several = ScoredSample(0, 0, {}, [-1.0, 0.0, 0.0, 0.0], [0, 1, 1, 1], [5] * 4)
    found = evaluate_samples([several, *pairs(1.0, 1.0, 1.0)])
    assert found["temperature"] == pytest.approx(1 / math.log(3))
