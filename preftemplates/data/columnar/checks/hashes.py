"""Hashes of 64 bits for many values at once; they are the same only within one process."""

from __future__ import annotations

from random import SystemRandom
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from preftemplates.data.columnar.turns import Numbers

_MASK = 2**64 - 1
_BASE = SystemRandom().getrandbits(64) | 5
"""The base whose powers weight the bytes of a text; odd, so that it has an inverse."""

_INVERSE = pow(_BASE, -1, 2**64)


def mix(values: Numbers) -> Numbers:
    """Mix numbers of 64 bits so that all bits of each result depend on all bits of its value.

    Source: the finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
    """
    mixed = np.asarray(values).astype(np.uint64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))


def mix_all(*values: Numbers | int) -> Numbers:
    """Return hashes of several numbers at each place; their order matters.

    >>> one, two = np.arange(2, dtype=np.uint64), np.ones(2, np.uint64)
    >>> (mix_all(one, two) == mix_all(two, one)).tolist()
    [False, True]
    """
    hashed: Numbers = np.zeros(1, np.uint64)
    for value in values:
        number = np.uint64(value & _MASK) if isinstance(value, int) else value.astype(np.uint64)
        hashed = mix(hashed * np.uint64(_BASE) + number + np.uint64(0x9E3779B97F4A7C15))
    return hashed


def hash_values(values: Iterable[Any]) -> Numbers:
    """Return the hash of each value."""
    return np.array([hash(value) & _MASK for value in values], np.uint64)


class PowerTable:
    """The powers of the base, which weight the items of sequences, and the powers of its inverse."""

    def __init__(self) -> None:
        self.powers = self.inverses = np.ones(1, np.uint64)

    def reach(self, count: int) -> None:
        """Compute at least this many powers."""
        if count > len(self.powers):
            count = max(count, 2 * len(self.powers))
            self.powers, self.inverses = (_list_powers(base, count) for base in (_BASE, _INVERSE))


def _list_powers(base: int, count: int) -> Numbers:
    powers = np.full(count, base, np.uint64)
    powers[0] = 1
    return np.cumprod(powers, dtype=np.uint64)


_TABLE = PowerTable()

_LONG = 32
"""The average length from which the items of each sequence are weighted separately."""


def _weigh(starts: Numbers, counts: Numbers, total: int) -> Numbers:
    """Return the powers that weight the items of sequences."""
    if total > _LONG * len(counts):
        return np.concatenate([_TABLE.powers[:count] for count in counts.tolist()])
    return np.asarray(_TABLE.powers[np.arange(total) - np.repeat(starts, counts)])


class Sequences:
    """Sequences of numbers, any parts of which are hashed at once.

    A hash is the sum of a part's items, weighted by powers that depend only on the place within the part.

    Args:
        items: the items of all sequences, one after another; none is 0.
        starts: the place of the first item of each sequence.
        counts: the number of items of each sequence.

    Example:
        >>> sequences = Sequences(np.array([1, 2, 3, 1, 2]), np.array([0, 3]), np.array([3, 2]))
        >>> first, second = sequences.hash_parts(np.array([0, 3]), np.array([2, 5]), np.array([0, 1]))
        >>> bool(first == second)
        True
    """

    def __init__(self, items: Numbers, starts: Numbers, counts: Numbers) -> None:
        _TABLE.reach(int(counts.max(initial=0)) + 1)
        self._sums = np.zeros(len(items) + 1, np.uint64)
        weights = _weigh(starts, counts, len(items))
        np.cumsum(np.multiply(weights, items, out=weights, dtype=np.uint64, casting="unsafe"), out=self._sums[1:])
        self._starts, self._counts = starts, counts

    def hash_parts(self, starts: Numbers, ends: Numbers, which: Numbers) -> Numbers:
        """Return the hashes of parts.

        Args:
            starts: where each part begins, among all items.
            ends: where each part ends.
            which: the sequence that each part belongs to.
        """
        sums = self._sums[ends] - self._sums[starts]
        return mix(sums * _TABLE.inverses[starts - self._starts[which]])

    def hash_whole(self) -> Numbers:
        """Return the hash of each sequence."""
        ends = self._starts + self._counts
        return self.hash_parts(self._starts, ends, np.arange(len(self._starts)))
