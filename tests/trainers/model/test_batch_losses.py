"""The loss of a batch is the mean over its groups, with the gradient of the closed form, for each objective."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from preftemplates_train.data.collators import PaddedCollator
from preftemplates_train.model.losses import compute_objective

REWARDS = st.floats(-15, 15)


def make_batch(groups):
    """The tensors of groups of samples, each as the number of its texts and its labels; no two texts are the same."""
    number, features = 0, []
    for index, group in enumerate(groups):
        samples = []
        for texts, labels in group:
            samples.append({"ids": tuple([1 + number + text] for text in range(texts)), **labels})
            number += texts
        features.append({"index": index, "samples": samples})
    return PaddedCollator(0)(features), number


def sigmoid(value):
    return 1 / (1 + math.exp(-value))


def check(objective, groups, draw, slope, smoothing=0.0):
    """Compare the gradient with that of the mean over groups of the mean over samples of a closed form."""
    batch, number = make_batch(groups)
    rewards = torch.tensor(draw(number), dtype=torch.float64, requires_grad=True)
    compute_objective(objective, rewards, batch, smoothing).backward()
    values, expected, at = rewards.tolist(), [], 0
    for group in groups:
        for texts, labels in group:
            slopes = slope(values[at : at + texts], labels)
            expected += [each / len(group) / len(groups) for each in slopes]
            at += texts
    assert rewards.grad.tolist() == pytest.approx(expected, rel=1e-5, abs=1e-7)


VERDICTS = st.lists(st.lists(st.booleans(), min_size=1, max_size=3), min_size=1, max_size=4)


@given(VERDICTS, st.sampled_from([0.0, 0.2]), st.data())
def test_a_point_is_pulled_to_its_label(verdicts, smoothing, data):
    groups = [[(1, {"label": float(label)}) for label in group] for group in verdicts]

    def slope(rewards, labels):
        right = labels["label"] * (1 - smoothing) + (1 - labels["label"]) * smoothing
        return [sigmoid(rewards[0]) - right]

    check("pointwise", groups, lambda number: data.draw(st.lists(REWARDS, min_size=number, max_size=number)), slope,
          smoothing)  # fmt: skip


@given(st.lists(st.lists(st.floats(-3, 3), min_size=1, max_size=3), min_size=1, max_size=4), st.data())
def test_a_reward_is_pulled_to_its_score(scores, data):
    groups = [[(1, {"score": score}) for score in group] for group in scores]
    check(
        "regression",
        groups,
        lambda number: data.draw(st.lists(REWARDS, min_size=number, max_size=number)),
        lambda rewards, labels: [2 * (rewards[0] - labels["score"])],
    )


FLAGS = st.lists(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=3), min_size=1, max_size=3)


@given(FLAGS, st.data())
def test_a_safe_answer_is_pulled_above_zero_and_the_safer_one_above_the_other(flags, data):
    """The cost is minus the reward: Dai et al., Safe RLHF, 2023, equation 6."""
    groups = [
        [(2, {"chosen_safe": float(chosen), "rejected_safe": float(rejected)}) for chosen, rejected in group]
        for group in flags
    ]

    def slope(rewards, labels):
        ahead = sigmoid(rewards[0] - rewards[1]) - 1
        signs = [1 if labels[name] else -1 for name in ("chosen_safe", "rejected_safe")]
        of_signs = [-sign * sigmoid(-sign * reward) for sign, reward in zip(signs, rewards, strict=True)]
        return [ahead + of_signs[0], -ahead + of_signs[1]]

    check("safety_cost", groups, lambda number: data.draw(st.lists(REWARDS, min_size=number, max_size=number)), slope)


def test_a_safety_loss_is_small_only_if_order_and_signs_are_right():
    batch, _ = make_batch([[(2, {"chosen_safe": 1.0, "rejected_safe": 0.0})]])
    losses = {
        rewards: compute_objective("safety_cost", torch.tensor(rewards), batch).item()
        for rewards in ((6.0, -6.0), (-6.0, 6.0), (12.0, 6.0), (-6.0, -12.0))
    }
    assert losses.pop((6.0, -6.0)) < 0.1
    assert min(losses.values()) > 3
