"""Losses on rewards: pure functions of tensors, each a mean over its rows."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def bradley_terry(
    chosen: Tensor,
    rejected: Tensor,
    *,
    margin: Tensor | None = None,
    probability: Tensor | None = None,
    strength: Tensor | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return the negative log likelihood that each chosen answer beats its rejected one, averaged over the pairs.

    `mean(-log sigmoid(chosen - rejected))`: Bradley and Terry, "Rank analysis of incomplete block designs" (1952), as
    in Ouyang et al., "Training language models to follow instructions with human feedback" (2022), equation 1. Adding
    a constant to both rewards leaves it; a tie costs ln 2.

    Args:
        chosen: rewards of the chosen answers, shape (B,).
        rejected: rewards of the rejected answers, shape (B,).
        margin: by how much a chosen answer should be ahead, shape (B,): it is taken off the difference (Touvron et
            al., "Llama 2", 2023, equation 2).
        probability: how probable it is that the chosen answer is the better one, shape (B,): the cross entropy of that
            (Liu et al., "Reward modeling with ordinal feedback", 2024).
        strength: how many times a pair counts, shape (B,): the scaled loss of Wang et al., "HelpSteer2-Preference"
            (2024), whose strengths are 1, 2 and 3.
        label_smoothing: the probability that a label is wrong: it mixes in the loss of the exchanged pair (Mitchell,
            "A note on DPO with noisy preferences", 2023).

    Returns:
        A scalar in nats a pair.

    Example:
        >>> import torch
        >>> round(bradley_terry(torch.zeros(3), torch.zeros(3)).item(), 6)  # ln 2
        0.693147
        >>> half = torch.tensor([0.5])
        >>> round(bradley_terry(torch.tensor([2.0]), torch.zeros(1), probability=half).item(), 4)
        1.1269
    """
    ahead = chosen - rejected if margin is None else chosen - rejected - margin
    losses = -functional.logsigmoid(ahead)
    if probability is not None or label_smoothing:
        right = 1.0 if probability is None else probability
        right = right * (1 - label_smoothing) + (1 - right) * label_smoothing
        losses = losses + (1 - right) * ahead  # -log sigmoid(-a) is -log sigmoid(a) + a
    return (losses if strength is None else strength * losses).mean()


def centring(*rewards: Tensor) -> Tensor:
    """Return how far the rewards of a prompt's answers are from zero, squared and averaged.

    `mean((chosen + rejected) ** 2)`: Eisenstein et al., "Helping or herding?" (2023), there for pairs. Added to a loss
    that knows differences only, it says where zero lies.

    Args:
        rewards: one or more tensors of shape (B,), an answer of each prompt in each.

    Example:
        >>> import torch
        >>> centring(torch.tensor([1.0, 2.0]), torch.tensor([-1.0, 0.0])).item()
        2.0
    """
    return torch.stack(rewards).sum(0).square().mean()


def plackett_luce(rewards: Tensor, ranks: Tensor) -> Tensor:
    """Return the negative log likelihood of a ranking: the best answer is drawn from all, the next from the rest, ...

    Plackett, "The analysis of permutations" (1975); Luce, "Individual choice behavior" (1959). With two answers it is
    `bradley_terry`. Answers of one rank are each drawn from all that are not before them, as Breslow does for ties in
    survival times (1974); those of the last rank are not drawn at all, since none comes after them.

    Args:
        rewards: shape (B, K).
        ranks: likewise; the lower the better, and below zero for places without an answer.

    Returns:
        A scalar in nats a ranking.

    Example:
        >>> import torch
        >>> round(plackett_luce(torch.zeros(1, 3), torch.tensor([[0, 1, 2]])).item(), 4)  # ln 6
        1.7918
    """
    exists = ranks >= 0
    competes = (ranks[:, None, :] >= ranks[:, :, None]) & exists[:, None, :]
    drawn = exists & (ranks < ranks.amax(1, keepdim=True))
    rivals = rewards[:, None, :].expand(competes.shape).masked_fill(~competes, float("-inf"))
    rivals = torch.where(drawn[:, :, None], rivals, rewards[:, None, :])
    totals = torch.where(drawn, torch.logsumexp(rivals, dim=2), 0.0)
    return (totals - torch.where(drawn, rewards, 0.0)).sum(1).mean()


def pointwise(rewards: Tensor, desirable: Tensor) -> Tensor:
    """Return the negative log likelihood that each answer is as good as its label says, for rows without pairs.

    The cross entropy of `sigmoid(reward)`: Cobbe et al., "Training verifiers to solve math word problems" (2021).

    Args:
        rewards: shape (B,).
        desirable: likewise; True or 1 for a good answer, or the probability of one.

    Example:
        >>> import torch
        >>> round(pointwise(torch.tensor([0.0, 2.0]), torch.tensor([True, False])).item(), 4)
        1.41
    """
    return functional.binary_cross_entropy_with_logits(rewards, desirable.to(rewards.dtype))


def regression(rewards: Tensor, scores: Tensor) -> Tensor:
    """Return the mean squared error of rewards as predictions of scores: Wang et al., "HelpSteer2" (2024), 4.1.

    Args:
        rewards: shape (B,).
        scores: likewise.

    Example:
        >>> import torch
        >>> regression(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0])).item()
        2.0
    """
    return functional.mse_loss(rewards, scores.to(rewards.dtype))


def safety_cost(worse: Tensor, better: Tensor, worse_unsafe: Tensor, better_unsafe: Tensor) -> Tensor:
    """Return the loss of a cost model: the more harmful answer costs more, and harmful answers cost more than zero.

    `mean(-log sigmoid(worse - better) - log sigmoid(s_worse worse) - log sigmoid(s_better better))`, where s is 1 for
    an unsafe answer and -1 for a safe one: Dai et al., "Safe RLHF" (2023), equation 6.

    Args:
        worse: costs of the more harmful answers, shape (B,).
        better: costs of the less harmful ones, likewise.
        worse_unsafe: whether these are unsafe at all, likewise.
        better_unsafe: likewise.

    Example:
        >>> import torch
        >>> zero, yes = torch.zeros(1), torch.tensor([True])
        >>> round(safety_cost(zero, zero, yes, ~yes).item(), 6)  # 3 ln 2
        2.079442
    """
    signs = [unsafe.to(worse.dtype) * 2 - 1 for unsafe in (worse_unsafe, better_unsafe)]
    return (
        bradley_terry(worse, better)
        - (functional.logsigmoid(signs[0] * worse) + functional.logsigmoid(signs[1] * better)).mean()
    )
