"""Metrics of a reward model on held-out pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def accuracy(differences: Floats) -> tuple[float, float]:
    """The share of pairs whose chosen answer has the higher reward, a tie counting one half, and its standard error.

    >>> accuracy(np.array([1.0, -1.0, 0.0, 2.0]))[0]
    0.625
    """
    wins = np.where(differences > 0, 1.0, np.where(differences == 0, 0.5, 0.0))
    error = float(wins.std(ddof=1) / np.sqrt(len(wins))) if len(wins) > 1 else float("nan")
    return float(wins.mean()), error


def log_loss(differences: Floats) -> float:
    """The mean of -log sigmoid(difference), in nats a pair.

    >>> round(log_loss(np.zeros(4)), 6)  # ln 2
    0.693147
    """
    return float(np.logaddexp(0.0, -differences).mean())


def summary(chosen: Floats, rejected: Floats) -> dict[str, float]:
    """Accuracy, log loss, and mean and deviation of both sides and of the margin.

    Args:
        chosen: rewards of the chosen answers, shape (B,).
        rejected: rewards of the rejected answers, shape (B,).
    """
    margin = chosen - rejected
    share, error = accuracy(margin)
    return {
        "pairs": float(len(margin)),
        "accuracy": share,
        "accuracy_stderr": error,
        "loss": log_loss(margin),
        "chosen_mean": float(chosen.mean()),
        "chosen_std": float(chosen.std()),
        "rejected_mean": float(rejected.mean()),
        "rejected_std": float(rejected.std()),
        "margin_mean": float(margin.mean()),
        "margin_std": float(margin.std()),
    }


def shortcuts(
    chosen_lengths: Sequence[int], rejected_lengths: Sequence[int], first: Sequence[bool | None]
) -> dict[str, float]:
    """The accuracy of rules that read no text: the longer answer wins, the first listed wins.

    Args:
        chosen_lengths: in tokens.
        rejected_lengths: in tokens.
        first: for each pair, whether the chosen answer is the first listed; None where that is not known.
    """
    lengths = np.array(chosen_lengths, dtype=np.float64) - np.array(rejected_lengths, dtype=np.float64)
    found = {"longer_wins": accuracy(lengths)[0]}
    known = [bool(one) for one in first if one is not None]
    if known:
        found["first_listed_wins"] = sum(known) / len(known)
    return found
