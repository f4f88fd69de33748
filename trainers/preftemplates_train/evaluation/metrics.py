"""Metrics of a reward model on held-out pairs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

Floats = NDArray[np.float64]

Z_95 = 1.959963984540054
"""The half width of a 95 % interval in standard errors."""

CALIBRATION_BINS = 10
"""The number of bins of equal width for the calibration."""

METRIC_RULES = {
    "longer_wins": ("the longer answer wins", "the shorter answer wins"),
    "first_listed_wins": ("the first listed wins", "the last listed wins"),
    "more_list_marks_wins": ("more list marks win", "fewer list marks win"),
}
"""Content-blind rules, each with its opposite."""

MAJORITY_RULE = "always the more frequent label"
"""The rule that single answers are compared with."""


def score_wins(differences: Floats) -> Floats:
    """Return 1 where the chosen answer has the higher reward, 0 where the other has it, and one half for a tie."""
    return np.where(differences > 0, 1.0, np.where(differences == 0, 0.5, 0.0))


def compute_accuracy(differences: Floats) -> tuple[float, float]:
    """Return the share of pairs whose chosen answer has the higher reward, and its standard error; a tie is a half.

    >>> compute_accuracy(np.array([1.0, -1.0, 0.0, 2.0]))[0]
    0.625
    """
    wins = score_wins(differences)
    error = float(wins.std(ddof=1) / np.sqrt(len(wins))) if len(wins) > 1 else float("nan")
    return float(wins.mean()), error


def compute_wilson_interval(share: float, number: float) -> tuple[float, float]:
    """Return the 95 % interval of a mean of independent numbers from 0 to 1: Wilson's score interval.

    E. B. Wilson, Probable Inference, the Law of Succession, and Statistical Inference, 1927; recommended for small
    numbers and for shares near 0 and 1 by L. D. Brown, T. T. Cai and A. DasGupta, Interval Estimation for a Binomial
    Proportion, 2001. It is derived for numbers that are 0 or 1. Other numbers with the same mean, such as the one half
    of a tie, vary less, so for them the interval is wider than necessary.

    Args:
        share: the mean.
        number: the number of values, or their effective number if they are not independent.

    >>> [round(bound, 4) for bound in compute_wilson_interval(0.5, 10)]
    [0.2366, 0.7634]
    """
    centre = (share + Z_95**2 / (2 * number)) / (1 + Z_95**2 / number)
    half = Z_95 / (1 + Z_95**2 / number) * math.sqrt(share * (1 - share) / number + Z_95**2 / (4 * number**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def compute_sign_test(ahead: int, behind: int) -> float:
    """Return the probability that two equal models differ at least this much on the same rows: the exact sign test.

    Two-sided; W. J. Dixon and A. M. Mood, The Statistical Sign Test, 1946. If each model is either right or wrong, it
    is the exact form of the test of Q. McNemar, Note on the Sampling Error of the Difference Between Correlated
    Proportions, 1947. Rows on which both do equally well do not count.

    Args:
        ahead: the number of rows on which the first does better.
        behind: the number of rows on which it does worse.

    >>> compute_sign_test(5, 0)  # twice the chance that five coins all show the same named side
    0.0625
    """
    number, fewer = ahead + behind, min(ahead, behind)
    logs = [math.lgamma(number + 1) - math.lgamma(k + 1) - math.lgamma(number - k + 1) for k in range(fewer + 1)]
    return min(1.0, round(2 * sum(math.exp(log - number * math.log(2)) for log in logs), 12))


def compute_calibration(differences: Floats, weights: Floats) -> tuple[float, list[dict[str, float]]]:
    """Return the expected calibration error of sigmoid(difference), and the bins from which it is computed.

    If two answers have the rewards a and b, the model's confidence that the one with the higher reward is better is
    sigmoid(|a - b|), from 0.5 to 1. The error is the mean over all pairs of the distance between the mean confidence
    of a pair's bin and the share of that bin in which the model is right; the bins have equal widths. M. P. Naeini,
    G. F. Cooper and M. Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian Binning, 2015; C. Guo,
    G. Pleiss, Y. Sun and K. Q. Weinberger, On Calibration of Modern Neural Networks, 2017, equation 3.

    Args:
        differences: the rewards of the better answers minus those of the worse ones, shape (P,).
        weights: the weights of the pairs, shape (P,).

    >>> compute_calibration(np.array([0.0, 0.0]), np.ones(2))[0]  # unsure, and neither right nor wrong
    0.0
    """
    confidences = 1 / (1 + np.exp(-np.abs(differences)))
    bin_of = np.minimum(((confidences - 0.5) * 2 * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    bins = []
    for number in range(CALIBRATION_BINS):
        mask = bin_of == number
        if mask.any():
            shares = weights[mask] / weights[mask].sum()
            bins.append(
                {
                    "from": 0.5 + number / (2 * CALIBRATION_BINS),
                    "to": 0.5 + (number + 1) / (2 * CALIBRATION_BINS),
                    "share": float(weights[mask].sum() / weights.sum()),
                    "sure": float(shares @ confidences[mask]),
                    "right": float(shares @ score_wins(differences[mask])),
                }
            )
    return sum(entry["share"] * abs(entry["sure"] - entry["right"]) for entry in bins), bins


def compute_log_loss(differences: Floats) -> float:
    """Return the mean of -log sigmoid(difference), in nats per pair.

    >>> round(compute_log_loss(np.zeros(4)), 6)  # ln 2
    0.693147
    """
    return float(np.logaddexp(0.0, -differences).mean())


def summarize_rewards(chosen: Floats, rejected: Floats) -> dict[str, float]:
    """Return the accuracy, the log loss, and the mean and deviation of both sides and of the margin.

    Args:
        chosen: rewards of the chosen answers, shape (B,).
        rejected: rewards of the rejected answers, shape (B,).
    """
    margin = chosen - rejected
    share, error = compute_accuracy(margin)
    return {
        "pairs": float(len(margin)),
        "accuracy": share,
        "accuracy_stderr": error,
        "loss": compute_log_loss(margin),
        "chosen_mean": float(chosen.mean()),
        "chosen_std": float(chosen.std()),
        "rejected_mean": float(rejected.mean()),
        "rejected_std": float(rejected.std()),
        "margin_mean": float(margin.mean()),
        "margin_std": float(margin.std()),
    }


def choose_by_rules(
    chosen_lengths: Sequence[int], rejected_lengths: Sequence[int], first_listed: Sequence[bool | None]
) -> dict[str, Floats]:
    """Return what content-blind rules choose: above zero the chosen answer, below zero the other, NaN if unknown.

    Args:
        chosen_lengths: the lengths of the chosen answers, in tokens.
        rejected_lengths: the lengths of the rejected answers, in tokens.
        first_listed: for each pair, whether the chosen answer is the first listed; None if that is unknown.
    """
    lengths = (np.array(side, dtype=np.float64) for side in (chosen_lengths, rejected_lengths))
    choices = {"longer_wins": np.subtract(*lengths)}
    first = np.array([np.nan if is_first is None else 2.0 * is_first - 1 for is_first in first_listed])
    known = first[~np.isnan(first)]
    if len(set(known.tolist())) > 1:  # otherwise the better answer has its own column, which names it
        choices["first_listed_wins"] = first
    return choices


def measure_shortcuts(
    chosen_lengths: Sequence[int], rejected_lengths: Sequence[int], first_listed: Sequence[bool | None]
) -> dict[str, float]:
    """Return the accuracy of content-blind rules, with the arguments of `choose_by_rules`."""
    choices = choose_by_rules(chosen_lengths, rejected_lengths, first_listed)
    return {name: compute_accuracy(choice[~np.isnan(choice)])[0] for name, choice in choices.items()}
