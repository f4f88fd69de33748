"""The further losses: each is its formula, with the gradient of the closed form, and knows its special cases."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from preftemplates_train.model.losses import (
    bradley_terry,
    centring,
    plackett_luce,
    pointwise,
    regression,
    safety_cost,
)

REWARDS = st.floats(-20, 20)
SHARES = st.floats(0, 1)


def tensors(*columns, requires_grad=True):
    return [torch.tensor(column, dtype=torch.float64, requires_grad=requires_grad) for column in columns]


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def close(found, wanted):
    torch.testing.assert_close(
        found, torch.tensor(wanted, dtype=torch.float64).reshape(found.shape), rtol=1e-9, atol=1e-9
    )


@given(
    st.lists(st.tuples(REWARDS, REWARDS, st.floats(0, 5), SHARES, st.floats(0.5, 3)), min_size=1, max_size=5), SHARES
)
def test_margin_probability_strength_and_smoothing_have_the_gradient_of_the_closed_form(rows, smoothing):
    chosen, rejected = tensors(*zip(*[row[:2] for row in rows], strict=True))
    margin, probability, strength = tensors(*zip(*[row[2:] for row in rows], strict=True), requires_grad=False)
    loss = bradley_terry(
        chosen, rejected, margin=margin, probability=probability, strength=strength, label_smoothing=smoothing
    )
    loss.backward()
    wanted, slopes = 0.0, []
    for c, r, m, p, s in rows:
        right, ahead = p * (1 - smoothing) + (1 - p) * smoothing, c - r - m
        wanted += s * (right * math.log1p(math.exp(-ahead)) + (1 - right) * math.log1p(math.exp(ahead))) / len(rows)
        slopes.append(s * (sigmoid(ahead) - right) / len(rows))
    close(loss, wanted)
    close(chosen.grad, slopes)
    close(rejected.grad, [-slope for slope in slopes])


@given(REWARDS, REWARDS, st.floats(0, 0.5))
def test_a_probability_of_one_and_no_margin_leave_the_plain_loss(chosen, rejected, smoothing):
    sides = tensors([chosen], [rejected], requires_grad=False)
    one, zero = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    plain = bradley_terry(*sides)
    torch.testing.assert_close(bradley_terry(*sides, probability=one, margin=zero, strength=one), plain)
    torch.testing.assert_close(bradley_terry(*sides, probability=zero), bradley_terry(*sides[::-1]))
    torch.testing.assert_close(
        bradley_terry(*sides, label_smoothing=smoothing), bradley_terry(*sides, probability=one - smoothing)
    )


@given(REWARDS, st.floats(0.1, 20), st.floats(0, 0.49))
def test_labels_of_which_half_are_wrong_say_nothing_and_those_of_which_fewer_are_do(rejected, ahead, smoothing):
    sides = tensors([rejected + ahead], [rejected], requires_grad=False)
    half, turned = (bradley_terry(*pair, label_smoothing=0.5) for pair in (sides, sides[::-1]))
    torch.testing.assert_close(half, turned)
    assert bradley_terry(*sides, label_smoothing=smoothing) < bradley_terry(*sides[::-1], label_smoothing=smoothing)


@given(st.lists(st.tuples(REWARDS, REWARDS), min_size=1, max_size=5))
def test_centring_pulls_the_sum_of_a_pair_to_zero(rows):
    chosen, rejected = tensors(*zip(*rows, strict=True))
    loss = centring(chosen, rejected)
    loss.backward()
    close(loss, sum((c + r) ** 2 for c, r in rows) / len(rows))
    close(chosen.grad, [2 * (c + r) / len(rows) for c, r in rows])
    torch.testing.assert_close(chosen.grad, rejected.grad)


def likelihood(rewards, order):
    """That answers are drawn in this order."""
    left, product = list(order), 1.0
    for place in order:
        product *= math.exp(rewards[place]) / sum(math.exp(rewards[other]) for other in left)
        left.remove(place)
    return product


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=4))
def test_the_likelihoods_of_all_rankings_add_up_to_one_and_each_is_the_formulas(rewards):
    total = 0.0
    for order in itertools.permutations(range(len(rewards))):
        ranks = [order.index(place) for place in range(len(rewards))]
        (held,) = tensors([rewards])
        loss = plackett_luce(held, torch.tensor([ranks]))
        loss.backward()
        close(loss, -math.log(likelihood(rewards, order)))
        slopes = [0.0] * len(rewards)
        for number, drawn in enumerate(order[:-1]):
            behind = order[number:]
            among = sum(math.exp(rewards[other]) for other in behind)
            slopes[drawn] -= 1
            for other in behind:
                slopes[other] += math.exp(rewards[other]) / among
        close(held.grad, slopes)
        total += math.exp(-loss.item())
    assert total == pytest.approx(1)


@given(st.lists(st.tuples(REWARDS, REWARDS), min_size=1, max_size=4))
def test_a_ranking_of_two_is_a_pair(rows):
    chosen, rejected = tensors(*zip(*rows, strict=True), requires_grad=False)
    ranking = plackett_luce(torch.stack([rejected, chosen], 1), torch.tensor([[1, 0]] * len(rows)))
    torch.testing.assert_close(ranking, bradley_terry(chosen, rejected))


@given(st.lists(REWARDS, min_size=3, max_size=3), REWARDS)
def test_an_answer_that_is_not_there_changes_no_loss_and_gets_no_gradient(rewards, other):
    (three,) = tensors([rewards], requires_grad=False)
    (four,) = tensors([[*rewards, other]])
    loss = plackett_luce(four, torch.tensor([[2, 0, 1, -1]]))
    torch.testing.assert_close(loss.detach(), plackett_luce(three, torch.tensor([[2, 0, 1]])))
    loss.backward()
    assert four.grad[0, 3] == 0
    assert torch.isfinite(four.grad).all()


def test_answers_of_one_rank_are_not_told_apart():
    (rewards,) = tensors([[1.0, 3.0, -1.0, 2.0]])
    loss = plackett_luce(rewards, torch.tensor([[0, 0, 1, 1]]))
    among = math.log(sum(math.exp(reward) for reward in (1.0, 3.0, -1.0, 2.0)))
    close(loss, 2 * among - 4.0)
    assert plackett_luce(rewards, torch.tensor([[5, 5, 5, 5]])).item() == 0


@given(st.lists(st.tuples(REWARDS, SHARES), min_size=1, max_size=5))
def test_a_point_is_pulled_to_its_label(rows):
    rewards, labels = tensors(*zip(*rows, strict=True))
    loss = pointwise(rewards, labels.detach())
    loss.backward()
    close(loss, sum(y * math.log1p(math.exp(-r)) + (1 - y) * math.log1p(math.exp(r)) for r, y in rows) / len(rows))
    close(rewards.grad, [(sigmoid(r) - y) / len(rows) for r, y in rows])


@given(st.lists(st.tuples(REWARDS, REWARDS), min_size=1, max_size=5))
def test_a_score_is_predicted(rows):
    rewards, scores = tensors(*zip(*rows, strict=True))
    loss = regression(rewards, scores.detach())
    loss.backward()
    close(loss, sum((r - s) ** 2 for r, s in rows) / len(rows))
    close(rewards.grad, [2 * (r - s) / len(rows) for r, s in rows])


@given(st.lists(st.tuples(REWARDS, REWARDS, st.booleans(), st.booleans()), min_size=1, max_size=5))
def test_a_cost_has_a_sign(rows):
    worse, better = tensors(*zip(*[row[:2] for row in rows], strict=True))
    unsafe = [torch.tensor(column) for column in zip(*[row[2:] for row in rows], strict=True)]
    loss = safety_cost(worse, better, *unsafe)
    loss.backward()
    sign = {True: 1, False: -1}
    close(
        loss,
        sum(
            math.log1p(math.exp(b - w)) + math.log1p(math.exp(-sign[x] * w)) + math.log1p(math.exp(-sign[y] * b))
            for w, b, x, y in rows
        )
        / len(rows),
    )
    close(worse.grad, [(-sigmoid(b - w) - sign[x] * sigmoid(-sign[x] * w)) / len(rows) for w, b, x, y in rows])
    close(better.grad, [(sigmoid(b - w) - sign[y] * sigmoid(-sign[y] * b)) / len(rows) for w, b, x, y in rows])


@pytest.mark.parametrize(
    "faulty",
    [
        lambda worse, better, x, y: safety_cost(better, worse, x, y),
        lambda worse, better, x, y: safety_cost(worse, better, ~x, ~y),
    ],
    ids=["exchanged", "the other sign"],
)
def test_a_cost_of_the_wrong_sign_is_told(faulty):
    worse, better, yes = torch.tensor([4.0]), torch.tensor([-4.0]), torch.tensor([True])
    assert safety_cost(worse, better, yes, ~yes) < 0.1
    assert faulty(worse, better, yes, ~yes) > 4
