"""The values that a run logs for its training samples, in addition to the loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from preftemplates_train.settings.objectives import FigureKind


def compute_logged_values(kind: FigureKind, rewards: Tensor, batch: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the values whose means over N samples are logged, by TRL's names, each of shape (N,).

    Args:
        kind: the kind of metrics of the objective.
        rewards: the rewards of the samples' texts, shape (N, K).
        batch: the labels, as returned by `index_samples`.

    Example:
        >>> values = compute_logged_values("pairs", torch.tensor([[2.0, 0.5], [1.0, 1.0]]), {})
        >>> {name: each.tolist() for name, each in values.items()}
        {'accuracy': [1.0, 0.5], 'margin': [1.5, 0.0]}
    """
    return LOGGED_VALUES[kind](rewards, batch)


def _compare_pairs(rewards: Tensor, _batch: Mapping[str, Any]) -> dict[str, Tensor]:
    margins = rewards[:, 0] - rewards[:, 1]
    return {"accuracy": _count_wins(margins), "margin": margins}


def _compare_with_verdicts(rewards: Tensor, batch: Mapping[str, Any]) -> dict[str, Tensor]:
    return {"accuracy": _count_wins(torch.where(batch["label"] > 0.5, rewards[:, 0], -rewards[:, 0]))}


def _count_wins(margins: Tensor) -> Tensor:
    """Return 1 where a margin is above zero, 0 where it is below, and one half for a tie."""
    return (margins > 0).to(margins.dtype) + 0.5 * (margins == 0).to(margins.dtype)


LOGGED_VALUES: Mapping[FigureKind, Callable[[Tensor, Mapping[str, Any]], dict[str, Tensor]]] = {
    "pairs": _compare_pairs,
    "safety": _compare_pairs,
    "verdicts": _compare_with_verdicts,
    "scores": lambda _rewards, _batch: {},
}
"""The functions that compute the values of each kind of figures."""
