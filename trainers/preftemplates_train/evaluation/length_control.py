"""Length control: the accuracy of a model if the better answer were shorter as often as longer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from preftemplates_train.evaluation.metrics import Floats, compute_wilson_interval, score_wins

if TYPE_CHECKING:
    from preftemplates_train.evaluation.scored_samples import PairMargins

LENGTH_STRATA = ("equal", "longer", "shorter")
"""The strata by the length of the better answer in tokens, compared with the worse one, in the order of all arrays."""


class LengthControlledAccuracy(NamedTuple):
    """An accuracy that does not depend on how often the better answer is the longer one.

    Attributes:
        value: the accuracy; None if it is undefined.
        low: the lower bound of its 95 % interval.
        high: the upper bound of its 95 % interval.
        reason: why the accuracy is undefined; None if it is defined.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str | None = None

    def as_figures(self) -> dict[str, Any]:
        """Return the figures, by the keys that `evaluate` writes."""
        return {
            "length_controlled_accuracy": self.value,
            "length_controlled_low": self.low,
            "length_controlled_high": self.high,
            "length_controlled_reason": self.reason,
        }


class _StratumSums(NamedTuple):
    """The pairs of N samples by stratum.

    Attributes:
        weights: the weight of each sample's pairs in each stratum, shape (N, 3); the weights of a sample add up to 1.
        wins: the weight of those pairs that the model gets right, shape (N, 3).
    """

    weights: Floats
    wins: Floats

    @classmethod
    def from_pairs(cls, pairs: PairMargins) -> _StratumSums:
        """Sum up the pairs of each sample and stratum; a tie of two rewards is half a win."""
        samples, number_of = np.unique(pairs.sample, return_inverse=True)
        stratum = np.where(pairs.length_differences == 0, 0, np.where(pairs.length_differences > 0, 1, 2))
        cells, shape = number_of * len(LENGTH_STRATA) + stratum, (len(samples), len(LENGTH_STRATA))
        wins = pairs.weights * score_wins(pairs.margins)
        weight_sums, win_sums = (
            np.bincount(cells, values, shape[0] * shape[1]).reshape(shape).astype(np.float64)
            for values in (pairs.weights, wins)
        )
        return cls(weight_sums, win_sums)


def control_length(pairs: PairMargins) -> LengthControlledAccuracy:
    """Return the length-controlled accuracy of pairs, with a 95 % interval.

    The pairs are in three strata: the better answer is the longer one in tokens, the shorter one, or both are equally
    long. The value is `p * equal + (1 - p) * (longer + shorter) / 2`, where p is the share of pairs of equal length,
    and the other names are the accuracies within the strata. So it is the accuracy of the model if the better answer
    were the shorter one as often as the longer one. A model whose reward always rises with the length, or always
    falls, gets exactly one half. A model that does not depend on length keeps its accuracy.

    This is the balanced accuracy of K. H. Brodersen, C. S. Ong, K. E. Stephan and J. M. Buhmann, The Balanced Accuracy
    and Its Posterior Distribution, ICPR 2010, whose two classes are here "the better answer is longer" and "shorter";
    in the words of survey statistics, a post-stratified mean. `_combine_limits` has the source of the interval.

    Args:
        pairs: the pairs. The pairs of a sample together have the weight of a single pair.

    Returns:
        The accuracy; without a value if the better answer is never the longer one, or never the shorter one.

    >>> answers = np.array([0, 1, 2, 3]), np.array([1.0, 2.0, 1.0, -1.0]), np.array([9.0, 9.0, 9.0, -9.0])
    >>> from preftemplates_train.evaluation.scored_samples import PairMargins
    >>> control_length(PairMargins(*answers)).value  # always right where the better answer is longer, else never
    0.5
    """
    sums = _StratumSums.from_pairs(pairs)
    _, longer, shorter = sums.weights.sum(axis=0)
    if not longer and not shorter:
        return LengthControlledAccuracy(reason="both answers of every pair have the same length")
    if not longer or not shorter:
        side = "shorter" if longer else "longer"
        return LengthControlledAccuracy(reason=f"the better answer is never the {side} one")
    return _combine_limits(sums)


def _combine_limits(sums: _StratumSums) -> LengthControlledAccuracy:
    """Return the accuracy with its 95 % interval, from the limits of each stratum.

    MOVER, the method of variance estimates recovery: the distance of each limit of a sum from its estimate is the root
    of the squared distances of its parts, with their correlations where they are estimated from the same samples.
    G. Y. Zou and A. Donner, Construction of Confidence Limits About Effect Measures: A General Approach, 2008; for
    binomial proportions G. Y. Zou, W. Huang and X. Zhang, A Note on Confidence Interval Estimation for a Linear
    Function of Binomial Proportions, 2009; for two of them R. G. Newcombe's hybrid score intervals, 1998. The parts
    are the accuracies of the strata and the share of pairs of equal length, which is an estimate too. All limits are
    Wilson's.
    """
    share = float(sums.weights[:, 0].mean())
    coefficients = np.array([share, (1 - share) / 2, (1 - share) / 2])
    totals = np.where(sums.weights.any(axis=0), sums.weights.sum(axis=0), 1.0)
    accuracies = sums.wins.sum(axis=0) / totals
    deviations = (sums.wins - accuracies * sums.weights) / totals
    numbers = _count_effective(sums, accuracies, deviations)
    limits = np.array([compute_wilson_interval(*part) for part in zip(accuracies, numbers, strict=True)])
    distances = coefficients[:, None] * np.abs(limits - accuracies[:, None])
    squares = np.einsum("ik,ij,jk->k", distances, _correlate(deviations), distances)
    squares += _square_share_distances(share, accuracies, len(sums.weights))
    below, above = np.sqrt(np.maximum(squares, 0)).tolist()
    value = float(coefficients @ accuracies)
    return LengthControlledAccuracy(value, max(0.0, value - below), min(1.0, value + above))


def _square_share_distances(share: float, accuracies: Floats, number: int) -> Floats:
    """Return the squares of how far the limits of the share of equal pairs move the value down and up, shape (2,)."""
    slope = float(accuracies[0] - (accuracies[1] + accuracies[2]) / 2) if share else 0.0
    moves = slope * (np.array(compute_wilson_interval(share, number)) - share)
    return np.asarray(np.sort(moves) ** 2, dtype=np.float64)


def _count_effective(sums: _StratumSums, accuracies: Floats, deviations: Floats) -> Floats:
    """Return the effective number of independent pairs in the samples of each stratum, shape (3,).

    The lower limit is L. Kish's effective number of samples (Survey Sampling, 1965), which assumes that the pairs of a
    sample are all right or all wrong together. If they are not, the number is larger: it is the one that gives the
    variance between samples. E. L. Korn and B. I. Graubard, Confidence Intervals for Proportions With Small Expected
    Number of Positive Counts Estimated From Survey Data, 1998.
    """
    squares = (sums.weights**2).sum(axis=0)
    kish = np.where(squares > 0, sums.weights.sum(axis=0) ** 2 / np.where(squares > 0, squares, 1), 1.0)
    variances, binomial = (deviations**2).sum(axis=0), accuracies * (1 - accuracies)
    known = variances > 1e-12 * binomial / kish  # less is rounding: all samples are equal
    between = np.where(known, binomial * (1 - 1 / kish) / np.where(known, variances, 1), 0.0)
    return np.maximum(kish, between)


def _correlate(deviations: Floats) -> Floats:
    """Return the correlations of the strata's accuracies, shape (3, 3): a sample may have pairs in several strata."""
    covariances = deviations.T @ deviations
    errors = np.sqrt(np.diag(covariances))
    scale = np.where(errors > 0, errors, 1.0)
    correlations = covariances / np.outer(scale, scale)
    np.fill_diagonal(correlations, 1.0)
    return np.asarray(correlations, dtype=np.float64)
