"""Metrics of a reward model on held-out pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

Z = 1.959963984540054
"""How many standard errors a 95 % interval reaches to either side."""

BINS = 10
"""In how many bins of equal width calibration is read."""

SHORTCUTS = {
    "longer_wins": ("the longer answer wins", "the shorter answer wins"),
    "first_listed_wins": ("the first listed wins", "the last listed wins"),
}
"""Rules that read no text, each with its opposite."""


def wins(differences: Floats) -> Floats:
    """1 where the chosen answer has the higher reward, 0 where the other has it, and one half in a tie."""
    return np.where(differences > 0, 1.0, np.where(differences == 0, 0.5, 0.0))


def accuracy(differences: Floats) -> tuple[float, float]:
    """The share of pairs whose chosen answer has the higher reward, a tie counting one half, and its standard error.

    >>> accuracy(np.array([1.0, -1.0, 0.0, 2.0]))[0]
    0.625
    """
    won = wins(differences)
    error = float(won.std(ddof=1) / np.sqrt(len(won))) if len(won) > 1 else float("nan")
    return float(won.mean()), error


def wilson(share: float, number: int) -> tuple[float, float]:
    """The 95 % interval of a mean of independent numbers from 0 to 1: Wilson's score interval.

    E. B. Wilson, Probable Inference, the Law of Succession, and Statistical Inference, 1927; recommended for small
    numbers and for shares near 0 and 1 by L. D. Brown, T. T. Cai and A. DasGupta, Interval Estimation for a Binomial
    Proportion, 2001. It is made for numbers that are 0 or 1. Others of the same mean, such as a tie's one half, vary
    less: for them it is wider than it need be.

    Args:
        share: the mean.
        number: of how many.

    >>> [round(bound, 4) for bound in wilson(0.5, 10)]
    [0.2366, 0.7634]
    """
    centre = (share + Z**2 / (2 * number)) / (1 + Z**2 / number)
    half = Z / (1 + Z**2 / number) * math.sqrt(share * (1 - share) / number + Z**2 / (4 * number**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def sign_test(ahead: int, behind: int) -> float:
    """How probable it is that two equal models differ at least so much on the same rows: the exact sign test.

    Two-sided; W. J. Dixon and A. M. Mood, The Statistical Sign Test, 1946. Where each model is right or wrong, it is
    the exact form of the test of Q. McNemar, Note on the Sampling Error of the Difference Between Correlated
    Proportions, 1947. Rows on which both do as well say nothing of which is better.

    Args:
        ahead: on how many rows the first does better.
        behind: on how many it does worse.

    >>> sign_test(5, 0)  # twice the chance that five coins all show the same named side
    0.0625
    """
    number, fewer = ahead + behind, min(ahead, behind)
    logs = [math.lgamma(number + 1) - math.lgamma(k + 1) - math.lgamma(number - k + 1) for k in range(fewer + 1)]
    return min(1.0, round(2 * sum(math.exp(log - number * math.log(2)) for log in logs), 12))


def calibration(differences: Floats, weights: Floats) -> tuple[float, list[dict[str, float]]]:
    """The expected calibration error of sigmoid(difference), and the bins that it is made of.

    A model that gives two answers the rewards a and b is sure to the degree sigmoid(|a - b|), from 0.5 to 1, that the
    one with the higher reward is better. The error is the mean over all pairs of how far the mean sureness of a pair's
    bin is from the share of that bin in which the model is right; the bins have equal widths. M. P. Naeini, G. F.
    Cooper and M. Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian Binning, 2015; C. Guo, G. Pleiss,
    Y. Sun and K. Q. Weinberger, On Calibration of Modern Neural Networks, 2017, equation 3.

    Args:
        differences: of the rewards, better answer minus worse, shape (P,).
        weights: of the pairs, shape (P,).

    >>> calibration(np.array([0.0, 0.0]), np.ones(2))[0]  # unsure, and neither right nor wrong
    0.0
    """
    sure = 1 / (1 + np.exp(-np.abs(differences)))
    places = np.minimum(((sure - 0.5) * 2 * BINS).astype(int), BINS - 1)
    found = []
    for place in range(BINS):
        there = places == place
        if there.any():
            own = weights[there] / weights[there].sum()
            found.append(
                {
                    "from": 0.5 + place / (2 * BINS),
                    "to": 0.5 + (place + 1) / (2 * BINS),
                    "share": float(weights[there].sum() / weights.sum()),
                    "sure": float(own @ sure[there]),
                    "right": float(own @ wins(differences[there])),
                }
            )
    return sum(one["share"] * abs(one["sure"] - one["right"]) for one in found), found


def finite(found: Any) -> Any:
    """The same, with null for what is no finite number: of a single pair there is no standard error."""
    if isinstance(found, dict):
        return {name: finite(value) for name, value in found.items()}
    if isinstance(found, list):
        return [finite(value) for value in found]
    return None if isinstance(found, float) and not math.isfinite(found) else found


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
