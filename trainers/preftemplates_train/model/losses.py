"""Losses on rewards: pure functions of tensors, each a mean over its rows."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def compute_objective(
    objective: str, rewards: Tensor, batch: Mapping[str, Any], label_smoothing: float = 0.0
) -> Tensor:
    """Return the loss of a batch for an objective, as a mean over its groups.

    Args:
        objective: the name, a value of `--objective`.
        rewards: the rewards of the batch's texts, shape (S,).
        batch: the index tensors and labels of its samples, as returned by `index_samples`.
        label_smoothing: the probability that a label is wrong, as in `bradley_terry`.

    Example:
        >>> import torch
        >>> pair = {"samples": torch.tensor([[0, 1]])}
        >>> round(compute_objective("preference", torch.zeros(2), pair).item(), 6)  # ln 2
        0.693147
    """
    return BATCH_LOSSES[objective](rewards, batch, label_smoothing)


def _compute_ranking_loss(rewards: Tensor, batch: Mapping[str, Any], _label_smoothing: float) -> Tensor:
    sizes = list(batch["sizes"])
    return plackett_luce(
        pad_sequence(list(rewards.split(sizes)), batch_first=True),
        pad_sequence(list(batch["ranks"].split(sizes)), batch_first=True, padding_value=-1),
    )


def _compute_pair_loss(
    rewards: Tensor, batch: Mapping[str, Any], label_smoothing: float, label: str | None = None
) -> Tensor:
    # a batch lacks a label with a default, such as the margin, if none of its samples has one
    labels = {} if label is None or label not in batch else {label: batch[label]}
    chosen, rejected = rewards[batch["samples"]].unbind(1)
    return bradley_terry(chosen, rejected, **labels, strength=batch.get("share"), label_smoothing=label_smoothing)


def _compute_pointwise_loss(rewards: Tensor, batch: Mapping[str, Any], label_smoothing: float) -> Tensor:
    desirable = batch["label"] * (1 - label_smoothing) + (1 - batch["label"]) * label_smoothing
    return pointwise(rewards[batch["samples"][:, 0]], desirable, strength=batch.get("share"))


def _compute_regression_loss(rewards: Tensor, batch: Mapping[str, Any], _label_smoothing: float) -> Tensor:
    return regression(rewards[batch["samples"][:, 0]], batch["score"], strength=batch.get("share"))


def _compute_safety_loss(rewards: Tensor, batch: Mapping[str, Any], _label_smoothing: float) -> Tensor:
    """Return the loss of a cost model whose costs are minus the rewards."""
    chosen, rejected = rewards[batch["samples"]].unbind(1)
    return safety_cost(
        -rejected, -chosen, 1 - batch["rejected_safe"], 1 - batch["chosen_safe"], strength=batch.get("share")
    )


BATCH_LOSSES: Mapping[str, Callable[[Tensor, Mapping[str, Any], float], Tensor]] = {
    "preference": _compute_pair_loss,
    "margin": partial(_compute_pair_loss, label="margin"),
    "probability": partial(_compute_pair_loss, label="probability"),
    "plackett_luce": _compute_ranking_loss,
    "pointwise": _compute_pointwise_loss,
    "regression": _compute_regression_loss,
    "safety_cost": _compute_safety_loss,
}
"""The loss of each objective, from the rewards, the batch and the label smoothing."""


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
    a constant to both rewards does not change it; a tie costs ln 2.

    Args:
        chosen: rewards of the chosen answers, shape (B,).
        rejected: rewards of the rejected answers, shape (B,).
        margin: by how much a chosen answer should be ahead, shape (B,); it is subtracted from the difference (Touvron
            et al., "Llama 2", 2023, equation 2).
        probability: the probability that the chosen answer is the better one, shape (B,); the loss is the cross
            entropy (Liu et al., "Reward modeling with ordinal feedback", 2024).
        strength: the weight of each pair, shape (B,): the scaled loss of Wang et al., "HelpSteer2-Preference" (2024),
            whose strengths are 1, 2 and 3.
        label_smoothing: the probability that a label is wrong, which is the weight of the loss of the swapped pair
            (Mitchell, "A note on DPO with noisy preferences", 2023).

    Returns:
        A scalar in nats per pair.

    Example:
        >>> import torch
        >>> round(bradley_terry(torch.zeros(3), torch.zeros(3)).item(), 6)  # ln 2
        0.693147
        >>> half = torch.tensor([0.5])
        >>> round(bradley_terry(torch.tensor([2.0]), torch.zeros(1), probability=half).item(), 4)
        1.1269
    """
    ahead = chosen - rejected if margin is None else chosen - rejected - margin
    losses = -functional.logsigmoid(ahead)  # in float32, log(sigmoid(-200)) is -inf
    if probability is not None or label_smoothing:
        right = 1.0 if probability is None else probability
        right = right * (1 - label_smoothing) + (1 - right) * label_smoothing
        losses = losses + (1 - right) * ahead  # -log sigmoid(-a) is -log sigmoid(a) + a
    return (losses if strength is None else strength * losses).mean()


def centring(*rewards: Tensor) -> Tensor:
    """Return the squared sum of the rewards of a prompt's answers, averaged over the prompts.

    `mean((chosen + rejected) ** 2)`: Eisenstein et al., "Helping or herding?" (2023), there for pairs. A loss of
    differences does not determine the zero of the rewards; this term does.

    Args:
        rewards: one or more tensors of shape (B,), each with one answer per prompt.

    Example:
        >>> import torch
        >>> centring(torch.tensor([1.0, 2.0]), torch.tensor([-1.0, 0.0])).item()
        2.0
    """
    return torch.stack(rewards).sum(0).square().mean()


def plackett_luce(rewards: Tensor, ranks: Tensor) -> Tensor:
    """Return the negative log likelihood of a ranking: the best answer is drawn from all, the next from the rest, etc.

    Plackett, "The analysis of permutations" (1975); Luce, "Individual choice behavior" (1959). With two answers it is
    `bradley_terry`. Tied answers are each drawn from all answers of the same or a worse rank, as Breslow does for ties
    in survival times (1974); answers of the last rank are not drawn, because no answer is worse.

    Args:
        rewards: shape (B, K).
        ranks: the rank of each answer, shape (B, K); lower is better, and a negative rank marks padding.

    Returns:
        A scalar in nats per ranking.

    Example:
        >>> import torch
        >>> round(plackett_luce(torch.zeros(1, 3), torch.tensor([[0, 1, 2]])).item(), 4)  # ln 6
        1.7918
    """
    exists = ranks >= 0
    # competes[b, i, j]: whether j is one of the answers that i is drawn from
    competes = (ranks[:, None, :] >= ranks[:, :, None]) & exists[:, None, :]
    drawn = exists & (ranks < ranks.amax(1, keepdim=True))
    rivals = rewards[:, None, :].expand(competes.shape).masked_fill(~competes, float("-inf"))
    totals = torch.where(drawn, torch.logsumexp(rivals, dim=2), 0.0)
    return (totals - torch.where(drawn, rewards, 0.0)).sum(1).mean()


def pointwise(rewards: Tensor, desirable: Tensor, *, strength: Tensor | None = None) -> Tensor:
    """Return the negative log likelihood that each answer is as good as its label says, for rows without pairs.

    The cross entropy of `sigmoid(reward)`: Cobbe et al., "Training verifiers to solve math word problems" (2021).

    Args:
        rewards: shape (B,).
        desirable: shape (B,); True or 1 for a good answer, or the probability that it is good.
        strength: the weight of each answer, shape (B,).

    Example:
        >>> import torch
        >>> round(pointwise(torch.tensor([0.0, 2.0]), torch.tensor([True, False])).item(), 4)
        1.41
    """
    return functional.binary_cross_entropy_with_logits(rewards, desirable.to(rewards.dtype), weight=strength)


def regression(rewards: Tensor, scores: Tensor, *, strength: Tensor | None = None) -> Tensor:
    """Return the mean squared error of rewards as predictions of scores: Wang et al., "HelpSteer2" (2024), 4.1.

    Args:
        rewards: shape (B,).
        scores: shape (B,).
        strength: the weight of each answer, shape (B,).

    Example:
        >>> import torch
        >>> regression(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0])).item()
        2.0
    """
    errors = (rewards - scores.to(rewards.dtype)).square()
    return (errors if strength is None else strength * errors).mean()


def safety_cost(
    worse: Tensor, better: Tensor, worse_unsafe: Tensor, better_unsafe: Tensor, *, strength: Tensor | None = None
) -> Tensor:
    """Return the loss of a cost model: the more harmful answer costs more, and harmful answers cost more than zero.

    `mean(-log sigmoid(worse - better) - log sigmoid(s_worse worse) - log sigmoid(s_better better))`, where s is 1 for
    an unsafe answer and -1 for a safe one: Dai et al., "Safe RLHF" (2023), equation 6.

    Args:
        worse: costs of the more harmful answers, shape (B,).
        better: costs of the less harmful answers, shape (B,).
        worse_unsafe: whether the more harmful answers are unsafe, shape (B,).
        better_unsafe: whether the less harmful answers are unsafe, shape (B,).
        strength: the weight of each pair, shape (B,).

    Example:
        >>> import torch
        >>> zero, yes = torch.zeros(1), torch.tensor([True])
        >>> round(safety_cost(zero, zero, yes, ~yes).item(), 6)  # 3 ln 2
        2.079442
    """
    signs = [unsafe.to(worse.dtype) * 2 - 1 for unsafe in (worse_unsafe, better_unsafe)]
    ahead = torch.stack([worse - better, signs[0] * worse, signs[1] * better])
    losses = -functional.logsigmoid(ahead).sum(0)
    return (losses if strength is None else strength * losses).mean()
