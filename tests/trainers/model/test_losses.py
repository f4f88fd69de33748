"""Law 12: the Bradley-Terry loss knows differences only, and exchanging the sides gives its mirror."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from preftemplates_train.model.losses import bradley_terry, plackett_luce

REWARDS = st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=1, max_size=8)


def sides(pairs, requires_grad=False):
    both = torch.tensor(pairs, dtype=torch.float64)
    return [both[:, side].clone().requires_grad_(requires_grad) for side in (0, 1)]


def shift_invariant(loss, chosen, rejected, constant):
    torch.testing.assert_close(
        loss(chosen + constant, rejected + constant), loss(chosen, rejected), rtol=0, atol=1e-10
    )


def mirrored(loss, chosen, rejected):
    """log sigmoid(-d) = log sigmoid(d) - d."""
    difference = (chosen - rejected).mean()
    torch.testing.assert_close(loss(rejected, chosen), loss(chosen, rejected) + difference, rtol=0, atol=1e-10)


@given(REWARDS, st.floats(-100, 100))
def test_law_12_a_constant_on_both_rewards_leaves_the_loss(pairs, constant):
    shift_invariant(bradley_terry, *sides(pairs), constant)


@given(REWARDS)
def test_law_12_exchanging_the_rewards_gives_the_mirror(pairs):
    mirrored(bradley_terry, *sides(pairs))


@given(REWARDS)
def test_the_gradient_is_that_of_the_closed_form(pairs):
    chosen, rejected = sides(pairs, requires_grad=True)
    bradley_terry(chosen, rejected).backward()
    wanted = -torch.sigmoid(rejected - chosen).detach() / len(pairs)
    torch.testing.assert_close(chosen.grad, wanted, rtol=0, atol=1e-12)
    torch.testing.assert_close(rejected.grad, -wanted, rtol=0, atol=1e-12)


@given(REWARDS)
def test_the_loss_is_the_mean_over_pairs_of_the_formula(pairs):
    wanted = sum(math.log1p(math.exp(-(c - r))) if c - r > -700 else r - c for c, r in pairs) / len(pairs)
    assert bradley_terry(*sides(pairs)).item() == pytest.approx(wanted, abs=1e-10)


def test_a_tie_costs_ln_2():
    assert bradley_terry(torch.zeros(4), torch.zeros(4)).item() == pytest.approx(math.log(2))


@pytest.mark.parametrize(
    "faulty",
    [
        lambda chosen, _: -torch.nn.functional.logsigmoid(chosen).mean(),
        lambda chosen, rejected: -torch.nn.functional.logsigmoid(chosen / rejected).mean(),
    ],
    ids=["one side only", "a ratio"],
)
def test_a_loss_that_knows_more_than_differences_is_caught(faulty):
    with pytest.raises(AssertionError):
        shift_invariant(faulty, torch.tensor([1.0, 2.0]), torch.tensor([3.0, 1.0]), 5.0)


@pytest.mark.parametrize(
    "faulty",
    [
        lambda chosen, rejected: torch.nn.functional.mse_loss(chosen, rejected),
        lambda chosen, rejected: torch.relu(1 - chosen + rejected).mean(),
    ],
    ids=["squares", "a hinge"],
)
def test_a_loss_without_the_mirror_is_caught(faulty):
    with pytest.raises(AssertionError):
        mirrored(faulty, torch.tensor([1.0, 2.0]), torch.tensor([0.5, 1.75]))


@given(REWARDS, st.floats(0.5, 3))
def test_fault_11_a_margin_counts_in_the_loss_written_as_the_logarithm_of_one_plus_an_exponential_too(pairs, margin):
    chosen, rejected = sides(pairs)
    with_margin = bradley_terry(chosen, rejected, margin=torch.full_like(chosen, margin))
    torch.testing.assert_close(with_margin, torch.log1p(torch.exp(rejected - chosen + margin)).mean())
    assert with_margin > bradley_terry(chosen, rejected)


@given(st.lists(st.lists(st.tuples(st.floats(-1e4, 1e4), st.integers(-1, 3)), min_size=3, max_size=3), min_size=1))
def test_a_ranking_has_the_loss_and_the_gradient_of_the_draws_one_by_one(groups):
    """A rank of -1 is padding, also for all answers of a group."""
    both = torch.tensor(groups, dtype=torch.float64)
    ranks, (rewards, plain) = both[..., 1].long(), (both[..., 0].clone().requires_grad_() for _ in range(2))
    losses = [plain.sum() * 0]
    for row, group in zip(plain, ranks.tolist(), strict=True):
        for at, rank in enumerate(group):
            if 0 <= rank < max(group):
                losses.append(torch.logsumexp(row[[other >= rank for other in group]], 0) - row[at])
    loss, wanted = plackett_luce(rewards, ranks), torch.stack(losses).sum() / len(groups)
    loss.backward()
    wanted.backward()
    torch.testing.assert_close(loss, wanted)
    torch.testing.assert_close(rewards.grad, plain.grad)
