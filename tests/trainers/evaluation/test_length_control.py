"""The length-controlled accuracy: coverage of its interval, planted models, and what must not change it."""

import math
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from preftemplates_train.evaluation import length_control
from preftemplates_train.evaluation.figures import evaluate_samples
from preftemplates_train.evaluation.length_control import control_length
from preftemplates_train.evaluation.scored_samples import PairMargins, ScoredSample

EQUAL, LONGER, SHORTER = 0, 1, 2
DATA_SETS = 2000
"""Of so many, the share that hold the value is off by half a point, so 93 to 97 % are four standard errors."""


def make_pairs(margins, differences):
    """The pairs of arrays of shape (samples, pairs of a sample)."""
    margins, differences = (np.asarray(values, float).reshape(len(values), -1) for values in (margins, differences))
    sample = np.repeat(np.arange(len(margins)), margins.shape[1])
    return PairMargins(sample, margins.ravel(), differences.ravel())


# --- coverage --------------------------------------------------------------------------------------------------------


class Population(NamedTuple):
    """Prompts with one better answer and several worse ones; in a pair the better answer is the longer one in 80 %.

    Attributes:
        accuracies: of the model where the better answer is longer, and where it is shorter; in pairs of equal length
            it is right in one half.
        answers: the number of answers to a prompt.
        equal: the share of pairs of equal length.
    """

    accuracies: tuple[float, float]
    answers: int
    equal: float = 0.05

    @property
    def value(self):
        """The length-controlled accuracy of all prompts."""
        return self.equal / 2 + (1 - self.equal) * sum(self.accuracies) / 2

    def draw(self, draw, prompts):
        """Margins and length differences of prompts, shape (prompts, answers - 1).

        The pairs of a prompt are dependent: in one prompt of two all of them are right or wrong together.
        """
        shape = (prompts, self.answers - 1)
        stratum = draw.choice(3, size=shape, p=[self.equal, 0.8 * (1 - self.equal), 0.2 * (1 - self.equal)])
        together = draw.random((prompts, 1)) < 0.5
        level = np.where(together, draw.random((prompts, 1)), draw.random(shape))
        right = level < np.array([0.5, *self.accuracies])[stratum]
        return np.where(right, 1.0, -1.0), np.array([0.0, 9.0, -9.0])[stratum]


class Rewards(NamedTuple):
    """Prompts with one good answer and three bad ones, whose rewards are quality, length and noise together."""

    quality: float
    slope: float

    def draw(self, draw, prompts):
        """Margins and length differences of prompts, shape (prompts, 3)."""
        tokens = np.rint(draw.normal([135, 100, 100, 100], 40, size=(prompts, 4)))
        rewards = draw.normal([self.quality, 0, 0, 0], 1, size=(prompts, 4)) + self.slope * tokens / 40
        return rewards[:, :1] - rewards[:, 1:], tokens[:, :1] - tokens[:, 1:]

    @property
    def value(self):
        """The length-controlled accuracy of all prompts, by that of very many."""
        return measure_population(self)


@cache
def measure_population(rewards):
    """The length-controlled accuracy of many prompts, by its definition; all pairs have one weight."""
    margins, differences = rewards.draw(np.random.default_rng(99), 500_000)
    masks = (differences == 0, differences > 0, differences < 0)
    equal, longer, shorter = ((margins[mask] > 0).mean() for mask in masks)
    return masks[0].mean() * equal + (1 - masks[0].mean()) * (longer + shorter) / 2


def measure_coverage(population, prompts, seed=0):
    """The share of data sets whose interval holds the value."""
    draw, value, held = np.random.default_rng(seed), population.value, 0
    for _ in range(DATA_SETS):
        found = control_length(make_pairs(*population.draw(draw, prompts)))
        held += found.low <= value <= found.high
    return held / DATA_SETS


@pytest.mark.parametrize("prompts", [100, 300, 1000])
@pytest.mark.parametrize(
    "population",
    [Population(accuracies, answers) for accuracies in ((0.9, 0.4), (0.6, 0.6)) for answers in (2, 4)]
    + [Rewards(1.0, 1.0), Rewards(0.5, 0.0)],
    ids=str,
)
def test_nineteen_intervals_of_twenty_hold_the_value(population, prompts):
    coverage = measure_coverage(population, prompts)
    print(f"{population}, {prompts} prompts: {coverage:.1%} of {DATA_SETS}")  # shown by pytest -rP
    assert 0.93 <= coverage <= 0.97


def test_as_many_observations_as_samples_would_be_too_wide(monkeypatch):
    """Planted: Kish's number alone, which takes the pairs of a sample for one observation."""

    def count_samples(sums, *_):
        squares = (sums.weights**2).sum(0)
        return np.maximum(sums.weights.sum(0) ** 2, 1e-9) / np.maximum(squares, 1e-9)

    monkeypatch.setattr(length_control, "_count_effective", count_samples)
    assert measure_coverage(Rewards(1.0, 1.0), 100) > 0.975


def test_strata_of_the_same_samples_are_not_independent(monkeypatch):
    """Planted: no correlations, where a prompt's pairs are right or wrong together in both strata."""
    draw = np.random.default_rng(5)
    right = draw.random((300, 1)) < 0.7
    margins, differences = np.repeat(np.where(right, 1.0, -1.0), 2, axis=1), np.tile([9.0, -9.0], (300, 1))
    width = np.ptp(control_length(make_pairs(margins, differences))[1:3])
    monkeypatch.setattr(length_control, "_correlate", lambda _: np.eye(3))
    assert np.ptp(control_length(make_pairs(margins, differences))[1:3]) == pytest.approx(width / 2**0.5, rel=0.02)


# --- planted models --------------------------------------------------------------------------------------------------


class LengthReader(NamedTuple):
    """A model whose reward is a noisy function of length, on pairs whose better answer is the longer one in 75 %."""

    value: float = 0.5

    def draw(self, draw, prompts):
        """Margins and length differences of prompts with two answers."""
        differences = draw_differences(draw, prompts)
        return np.tanh(differences / 100) + draw.normal(0, 0.2, prompts), differences


class LengthBlind(NamedTuple):
    """A model that does not depend on length, on the same pairs: it is right in 70 %."""

    value: float = 0.7

    def draw(self, draw, prompts):
        """Margins and length differences of prompts with two answers."""
        return np.where(draw.random(prompts) < self.value, 1.0, -1.0), draw_differences(draw, prompts)


def draw_differences(draw, number):
    return draw.integers(1, 200, number) * np.where(draw.random(number) < 0.75, 1.0, -1.0)


def test_a_model_that_reads_the_length_looks_good_until_length_is_controlled():
    pairs = make_pairs(*LengthReader().draw(np.random.default_rng(0), 2000))
    found = control_length(pairs)
    assert found.low < 0.5 < found.high < 0.53
    assert pairs.accuracy > 0.7
    assert 0.93 <= measure_coverage(LengthReader(), 1000) <= 0.97


def test_a_model_that_does_not_see_the_length_keeps_its_accuracy():
    pairs = make_pairs(*LengthBlind().draw(np.random.default_rng(0), 2000))
    found = control_length(pairs)
    assert found.low < 0.7 < found.high
    assert found.low < pairs.accuracy < found.high
    assert 0.93 <= measure_coverage(LengthBlind(), 1000) <= 0.97


def test_a_length_that_decides_all_is_exactly_one_half():
    differences = np.array([5.0, 80.0, 3.0, 0.0, -7.0])
    found = control_length(make_pairs(np.cbrt(differences), differences))
    assert found.value == pytest.approx(0.5)
    assert make_pairs(differences, differences).accuracy == pytest.approx(0.7)


# --- definition and invariances --------------------------------------------------------------------------------------

margins = st.sampled_from([-2.0, -1.0, 0.0, 1.0, 2.0])
differences = st.integers(-3, 3).map(float)
samples = st.lists(st.lists(st.tuples(margins, differences), min_size=1, max_size=4), min_size=1, max_size=8)


def pairs_of(drawn):
    rows = [(number, margin, longer) for number, sample in enumerate(drawn) for margin, longer in sample]
    sample, margins, longer = zip(*rows, strict=True)
    return PairMargins(np.array(sample), np.array(margins), np.array(longer))


def control(drawn):
    """The accuracy of samples that have both strata."""
    longer = {pair[1] > 0 for sample in drawn for pair in sample if pair[1]}
    assume(longer == {True, False})
    return control_length(pairs_of(drawn))


def close(one, other):
    assert one[:3] == pytest.approx(other[:3], abs=1e-9)


@given(samples)
def test_the_value_is_its_definition_in_plain_arithmetic(drawn):
    weights, wins = [0.0] * 3, [0.0] * 3
    for sample in drawn:
        for margin, longer in sample:
            stratum = EQUAL if longer == 0 else LONGER if longer > 0 else SHORTER
            weights[stratum] += 1 / len(sample)
            wins[stratum] += (margin > 0) / len(sample) + (margin == 0) / len(sample) / 2
    found = control(drawn)
    share = weights[EQUAL] / len(drawn)
    by_length = (wins[LONGER] / weights[LONGER] + wins[SHORTER] / weights[SHORTER]) / 2
    assert found.value == pytest.approx(wins[EQUAL] / len(drawn) + (1 - share) * by_length)
    assert 0 <= found.low <= found.value + 1e-12
    assert found.value - 1e-12 <= found.high <= 1


@given(samples)
def test_opposite_rewards_are_the_mirror(drawn):
    found = control(drawn)
    mirror = control([[(-margin, longer) for margin, longer in sample] for sample in drawn])
    close(mirror, (1 - found.value, 1 - found.high, 1 - found.low))


@given(samples)
def test_exchanged_labels_are_the_mirror_and_exchanged_twice_change_nothing(drawn):
    found = control(drawn)
    exchanged = control([[(-margin, -longer) for margin, longer in sample] for sample in drawn])
    close(exchanged, (1 - found.value, 1 - found.high, 1 - found.low))
    close(control([[(margin, -longer) for margin, longer in sample] for sample in drawn]), found)


@given(samples, st.randoms())
def test_order_and_scale_and_size_of_a_difference_change_nothing(drawn, random):
    found = control(drawn)
    shuffled = [random.sample(sample, len(sample)) for sample in random.sample(drawn, len(drawn))]
    close(control(shuffled), found)
    close(
        control([[(margin**3, math.copysign(longer**2, longer)) for margin, longer in sample] for sample in drawn]),
        found,
    )


@given(samples)
def test_more_of_the_same_narrows_the_interval_and_keeps_the_value(drawn):
    found, more = control(drawn), control(drawn * 4)
    assert more.value == pytest.approx(found.value)
    assert more.high - more.low < found.high - found.low


@pytest.mark.parametrize(
    ("differences", "reason"),
    [
        ([5.0, 9.0, 0.0], "the better answer is never the shorter one"),
        ([-5.0, 0.0], "the better answer is never the longer one"),
        ([0.0, 0.0], "both answers of every pair have the same length"),
    ],
)
def test_without_a_stratum_there_is_no_value_but_a_reason(differences, reason):
    found = control_length(make_pairs(np.ones(len(differences)), differences))
    assert found == (None, None, None, reason)


def test_every_group_has_its_own_length_controlled_accuracy():
    rows = [(1.0, 5, "a"), (1.0, -5, "a"), (-1.0, -5, "b"), (1.0, -5, "b")]
    cases = [
        ScoredSample(number, 0, {"kind": kind}, [margin, 0.0], [0, 1], [20 + longer, 20])
        for number, (margin, longer, kind) in enumerate(rows)
    ]
    found = evaluate_samples(cases, ["kind"])
    assert found["length_controlled_accuracy"] == pytest.approx((1 + 2 / 3) / 2)
    assert found["by"]["kind"]["a"]["length_controlled_accuracy"] == 1.0
    assert found["by"]["kind"]["b"]["length_controlled_accuracy"] is None
    assert found["by"]["kind"]["b"]["length_controlled_reason"] == "the better answer is never the longer one"
