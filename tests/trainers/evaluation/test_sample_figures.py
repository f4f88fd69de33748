"""Figures of single answers and of safety: each is its definition, and every kind has the figures that are named."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from preftemplates_train.data.score_scale import UNSCALED, ScoreScale
from preftemplates_train.evaluation.metrics import summarize_rewards
from preftemplates_train.evaluation.sample_figures import (
    SampleRewards,
    compute_auc,
    compute_rank_correlation,
    measure_samples,
    rank_values,
    score_each_sample,
)
from preftemplates_train.settings.objectives import FIGURES, OBJECTIVES

REWARDS = st.sampled_from([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0])
MANY = st.lists(REWARDS, min_size=1, max_size=12)


def measure(name, rewards, scale=UNSCALED, **labels):
    columns = {label: np.array(values, dtype=float) for label, values in labels.items()}
    rewards = np.array(rewards, dtype=float)
    samples = SampleRewards(rewards[:, None] if rewards.ndim == 1 else rewards, columns, scale)
    return measure_samples(OBJECTIVES[name], samples)


@pytest.mark.parametrize(
    ("name", "rewards", "labels"),
    [
        ("preference", [[1.0, 0.0]], {}),
        ("safety_cost", [[1.0, 0.0]], {"chosen_safe": [1], "rejected_safe": [0]}),
        ("pointwise", [1.0, 2.0], {"label": [1, 0]}),
        ("regression", [1.0, 2.0], {"score": [1, 0]}),
    ],
)
def test_every_kind_has_the_figures_that_are_named(name, rewards, labels):
    assert set(measure(name, rewards, **labels)) == set(FIGURES[OBJECTIVES[name].figures])


@given(MANY, MANY)
def test_the_area_under_the_curve_is_how_often_a_good_answer_has_the_higher_reward(good, bad):
    wins = [1.0 if one > other else 0.5 if one == other else 0.0 for one in good for other in bad]
    assert compute_auc(np.array(good), np.array(bad)) == pytest.approx(sum(wins) / len(wins))


def test_there_is_no_area_without_both_kinds_of_answers():
    assert math.isnan(compute_auc(np.array([1.0]), np.array([])))
    assert math.isnan(compute_auc(np.array([]), np.array([1.0])))


@given(MANY)
def test_equal_values_share_the_mean_of_their_ranks(values):
    expected = [
        1 + sum(other < value for other in values) + (sum(other == value for other in values) - 1) / 2
        for value in values
    ]
    assert rank_values(np.array(values)).tolist() == pytest.approx(expected)


@given(st.lists(st.tuples(REWARDS, REWARDS), min_size=2, max_size=12))
def test_the_rank_correlation_is_that_of_the_ranks_and_knows_the_order_alone(pairs):
    first, second = np.array(pairs).T
    correlation = compute_rank_correlation(first, second)
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert math.isnan(correlation)
        return
    assert correlation == pytest.approx(np.corrcoef(rank_values(first), rank_values(second))[0, 1], abs=1e-9)
    assert correlation == pytest.approx(compute_rank_correlation(np.exp(first), second**3), abs=1e-9)


def test_the_sign_of_a_reward_is_right_wrong_or_a_half():
    figures = measure("pointwise", [2.0, -1.0, 0.0, 3.0], label=[1, 0, 1, 0])
    assert figures["accuracy"] == pytest.approx(2.5 / 4)
    assert figures["accuracy_stderr"] == pytest.approx(np.std([1, 1, 0.5, 0], ddof=1) / 2)
    losses = [math.log1p(math.exp(-ahead)) for ahead in (2.0, 1.0, 0.0, -3.0)]
    assert figures["loss"] == pytest.approx(sum(losses) / 4)
    assert (figures["good_mean"], figures["bad_mean"], figures["answers"]) == (1.0, 1.0, 4.0)


@pytest.mark.parametrize(("labels", "share", "majority"), [([1, 1, 1, 0], 0.75, 0.75), ([0, 0, 1, 0], 0.25, 0.75)])
def test_the_majority_is_the_more_frequent_label(labels, share, majority):
    figures = measure("pointwise", [1.0, 1.0, 1.0, 1.0], label=labels)
    assert (figures["good_share"], figures["majority_accuracy"]) == (share, majority)
    assert figures["accuracy"] == share  # this model calls all of them good


def test_errors_of_scores_are_in_their_units_next_to_those_of_the_training_mean():
    scale = ScoreScale(mean=50.0, deviation=10.0)
    scores, predicted = np.array([40.0, 60.0, 80.0]), np.array([45.0, 55.0, 80.0])
    figures = measure("regression", scale.standardise(predicted), scale, score=scale.standardise(scores))
    assert figures["rmse"] == pytest.approx(math.sqrt(np.square(predicted - scores).mean()))
    assert figures["rmse_of_mean"] == pytest.approx(math.sqrt(np.square(50 - scores).mean()))
    explained = 1 - np.square(predicted - scores).sum() / np.square(50 - scores).sum()
    assert figures["variance_explained"] == pytest.approx(explained)
    assert figures["spearman"] == pytest.approx(1)


def test_always_predicting_the_mean_explains_nothing():
    figures = measure("regression", [0.0, 0.0], score=[1.0, -2.0])
    assert (figures["variance_explained"], figures["rmse"]) == (0, figures["rmse_of_mean"])
    assert math.isnan(figures["spearman"])


def test_safety_has_the_figures_of_pairs_and_those_of_the_signs():
    rewards = [[2.0, -1.0], [1.0, 0.5], [-0.5, -2.0]]
    figures = measure("safety_cost", rewards, chosen_safe=[1, 1, 1], rejected_safe=[0, 0, 0])
    chosen, rejected = np.array(rewards).T
    assert {name: figures[name] for name in FIGURES["pairs"]} == summarize_rewards(chosen, rejected)
    assert figures["safe_accuracy"] == pytest.approx(4 / 6)
    assert figures["safe_accuracy_stderr"] == pytest.approx(np.std([1, 0.5, 0.5], ddof=1) / math.sqrt(3))
    assert figures["safe_majority_accuracy"] == 0.5


@given(st.lists(st.tuples(REWARDS, st.booleans()), min_size=1, max_size=12))
def test_the_accuracy_is_the_mean_over_samples(drawn):
    rewards, labels = (np.array(column, dtype=float) for column in zip(*drawn, strict=True))
    samples = SampleRewards(rewards[:, None], {"label": labels})
    accuracy = measure_samples(OBJECTIVES["pointwise"], samples)["accuracy"]
    assert score_each_sample(OBJECTIVES["pointwise"], samples).mean() == pytest.approx(accuracy)
    pairs = SampleRewards(np.stack([rewards, labels], axis=1))
    accuracy = measure_samples(OBJECTIVES["preference"], pairs)["accuracy"]
    assert score_each_sample(OBJECTIVES["preference"], pairs).mean() == pytest.approx(accuracy)


def test_samples_that_are_selected_keep_their_labels_and_scale():
    samples = SampleRewards(np.array([[1.0], [2.0], [3.0]]), {"score": np.array([4.0, 5.0, 6.0])}, ScoreScale(1, 2))
    selected = samples.select(np.array([True, False, True]))
    assert selected.rewards.tolist() == [[1.0], [3.0]]
    assert selected.labels["score"].tolist() == [4.0, 6.0]
    assert selected.scale == ScoreScale(1, 2)


def test_samples_of_pairs_have_the_choices_of_the_rules_and_keep_them_when_selected():
    text = SimpleNamespace(first_listed=True)
    pairs = [SimpleNamespace(ids=([1] * length, [1]), labels={}, sample=text) for length in (3, 1, 5)]
    samples = SampleRewards.collect(np.zeros((3, 2)), pairs, OBJECTIVES["preference"], UNSCALED)
    assert {name: choice.tolist() for name, choice in samples.choices.items()} == {"longer_wins": [2, 0, 4]}
    assert samples.select(np.array([True, False, True])).choices["longer_wins"].tolist() == [2, 4]
