"""The fit of a head: the minimum of a convex function, whatever the shapes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from preftemplates_train.errors import TrainingError
from preftemplates_train.heads.fit import Scaling, fit_head
from preftemplates_train.model.losses import bradley_terry, plackett_luce


def draw(texts, width, seed):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(texts, width)))


def pair_loss(rewards):
    return bradley_terry(rewards[0::2], rewards[1::2])


def solve_by_newton(differences, penalty):
    """Logistic regression on differences, by another method and without a step towards it from ours."""
    differences = differences.numpy()
    weights = np.zeros(differences.shape[1])
    for _ in range(100):
        wrong = 1 / (1 + np.exp(differences @ weights))
        gradient = penalty * weights - differences.T @ wrong / len(differences)
        curve = differences.T * (wrong * (1 - wrong)) @ differences / len(differences)
        weights = weights - np.linalg.solve(curve + penalty * np.eye(len(weights)), gradient)
    return weights


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 30), st.floats(0.001, 30), st.integers(0, 10**6))
def test_the_fit_of_pairs_is_that_of_newton(pairs, width, penalty, seed):
    features = draw(2 * pairs, width, seed)
    head = fit_head(features, pair_loss, penalty)
    expected = solve_by_newton(features[0::2] - features[1::2], penalty)
    np.testing.assert_allclose(head.weights.numpy(), expected, atol=1e-6 / penalty)
    assert head.bias == 0


LOSSES = {
    "margin": lambda rewards: bradley_terry(rewards[0::2], rewards[1::2], margin=torch.linspace(0, 2, 20)),
    "probability": lambda rewards: bradley_terry(rewards[0::2], rewards[1::2], probability=torch.linspace(0.5, 1, 20)),
    "plackett_luce": lambda rewards: plackett_luce(rewards.view(10, 4), torch.arange(4).expand(10, 4)),
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("width", [3, 100])
def test_no_step_from_the_fit_makes_the_function_smaller(name, width):
    features, penalty = draw(40, width, 0), 0.1
    head = fit_head(features, LOSSES[name], penalty)

    def value(weights):
        return float(LOSSES[name](features @ weights) + 0.5 * penalty * weights.square().sum())

    least = value(head.weights)
    for direction in draw(50, width, 1):
        for length in (1e-3, 0.1, 1.0):
            assert value(head.weights + length * direction) > least


def test_a_bias_has_no_penalty():
    features = draw(50, 4, 0)
    head = fit_head(features, lambda rewards: (rewards - 7.0).square().mean(), 100.0, with_bias=True)
    assert head.bias == pytest.approx(7.0, abs=0.05)
    assert head.weights.abs().max() < 0.05


def test_a_start_changes_nothing_but_the_way():
    features = draw(60, 80, 0)
    far = fit_head(features, pair_loss, 10.0)
    for start in (None, far):
        head = fit_head(features, pair_loss, 0.01, start=start)
        torch.testing.assert_close(head.weights, fit_head(features, pair_loss, 0.01).weights, atol=1e-4, rtol=0)


def test_a_loss_without_a_minimum_is_an_error(monkeypatch):
    monkeypatch.setattr("preftemplates_train.heads.fit.MOST_STEPS", 1)
    with pytest.raises(TrainingError, match="the head's fit did not converge"):
        fit_head(draw(40, 10, 0), pair_loss, 1e-6)


@given(st.integers(2, 20), st.integers(1, 8), st.integers(0, 10**6))
def test_folding_a_scaling_moves_no_reward(texts, width, seed):
    features = draw(texts, width, seed) * 7 + 3
    features[:, 0] = 2.5  # a constant feature
    scaling = Scaling.measure(features)
    head = fit_head(scaling.apply(features), lambda rewards: (rewards - features[:, -1]).square().mean(), 1.0)
    torch.testing.assert_close(scaling.fold(head).apply(features), head.apply(scaling.apply(features)))


def test_features_that_hardly_vary_get_no_weight_that_rounding_decides():
    """In float32, as the model computes, the rewards are those of the fit."""
    features = draw(80, 6, 0)
    features[:, 0] = 0.999 + 1e-6 * features[:, 0]
    scaling = Scaling.measure(features)
    head = scaling.fold(fit_head(scaling.apply(features), pair_loss, 0.001))
    rounded = head.weights.float(), head.bias.float()
    rewards = features.float() @ rounded[0] + rounded[1]
    torch.testing.assert_close(rewards.double(), head.apply(features), rtol=0, atol=1e-5)
