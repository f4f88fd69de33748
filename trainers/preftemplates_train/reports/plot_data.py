"""The data of the report's plots: finite points of curves, and bins of histograms."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from preftemplates_train.evaluation.metrics import Floats

MOST_POINTS = 400
"""A longer curve is drawn as means of neighbouring points."""

MOST_BINS = 60

NARROWEST_RANGE = 1e-100
"""The narrowest range that is divided into bins."""


class CurvePoints(NamedTuple):
    """Finite values at steps, and the number of values that are not finite."""

    steps: Floats
    values: Floats
    not_finite: int = 0


class FiniteRewards(NamedTuple):
    """Rewards of both sides of pairs, finite and with finite differences, and the number of all other pairs."""

    chosen: Floats
    rejected: Floats
    not_finite: int = 0


def select_points(history: Sequence[Mapping[str, float]], name: str) -> CurvePoints:
    """Return the values of a history by their name, in order."""
    entries = [(entry["step"], entry[name]) for entry in history if name in entry]
    steps, values = np.array(entries, dtype=np.float64).reshape(-1, 2).T
    is_finite = np.isfinite(values)
    return CurvePoints(steps[is_finite], values[is_finite], int((~is_finite).sum()))


def thin_points(points: CurvePoints) -> CurvePoints:
    """Return at most `MOST_POINTS` points, each the mean of neighbouring points."""
    if len(points.steps) <= MOST_POINTS:
        return points
    steps, values = (
        np.array([part.mean() for part in np.array_split(side, MOST_POINTS)]) for side in (points.steps, points.values)
    )
    return CurvePoints(steps, values, points.not_finite)


def select_finite_rewards(chosen: Sequence[float], rejected: Sequence[float]) -> FiniteRewards:
    """Return the pairs that can be drawn.

    Raises:
        ValueError: the numbers of chosen and rejected rewards differ.
    """
    if len(chosen) != len(rejected):
        raise ValueError(f"got {len(chosen)} rewards of chosen answers and {len(rejected)} of rejected answers")
    left, right = np.asarray(chosen, dtype=np.float64), np.asarray(rejected, dtype=np.float64)
    with np.errstate(all="ignore"):
        is_finite = np.isfinite(left - right)
    return FiniteRewards(left[is_finite], right[is_finite], int((~is_finite).sum()))


def choose_reward_edges(rewards: FiniteRewards) -> Floats:
    """Return the edges of the bins that both sides share."""
    both = np.concatenate([rewards.chosen, rewards.rejected])
    low, high = float(both.min()), float(both.max())
    if high - low <= max(NARROWEST_RANGE, 1e-9 * max(abs(low), abs(high))):  # all equal, up to rounding
        half = 0.5 * max(1.0, abs(low))
        low, high = low - half, high + half
    return np.linspace(low, high, _count_bins(len(both) // 2) + 1, dtype=np.float64)


def choose_difference_edges(differences: Floats) -> Floats:
    """Return the edges of the differences' bins; one of the edges is zero."""
    low, high = min(0.0, float(differences.min())), max(0.0, float(differences.max()))
    if high - low < NARROWEST_RANGE:
        low, high = -1.0, 1.0
    width = (high - low) / _count_bins(len(differences))
    return np.arange(math.floor(low / width), math.ceil(high / width) + 1, dtype=np.float64) * width


def count_in_bins(values: Floats, edges: Floats) -> NDArray[np.int64]:
    """Return the number of values in each bin, including those that rounding puts beyond the outer edges."""
    return np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0]


def _count_bins(pairs: int) -> int:
    """Return the number of bins by Rice's rule, within bounds."""
    return min(MOST_BINS, max(10, math.ceil(2 * math.cbrt(pairs))))
