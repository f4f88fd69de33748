"""A table from 64-bit hashes to numbers, which looks up many hashes at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from preftemplates.data.columnar.turns import Numbers

_FIRST_PLACES = 1024
_NO_KEY = np.uint64(0)
"""Marks a free slot, so no key may be 0."""


class KeyTable:
    """Map 64-bit hashes to numbers below 2**32; the first number of a hash is kept.

    It does for many keys at once what `preftemplates.data.hash_table.HashTable` does for one.

    Example:
        >>> table = KeyTable()
        >>> table.setdefault(np.array([5, 7, 5], np.uint64), np.array([0, 1, 2])).tolist()
        [0, 1, 0]
        >>> table.get(np.array([7, 8], np.uint64)).tolist()
        [1, -1]
    """

    def __init__(self) -> None:
        self._keys = np.zeros(_FIRST_PLACES, np.uint64)
        self._values = np.zeros(_FIRST_PLACES, np.uint32)
        self._used = 0

    def __len__(self) -> int:
        return int(np.count_nonzero(self._keys))

    @property
    def bytes_held(self) -> int:
        """Return the memory of the entries in bytes."""
        return self._keys.nbytes + self._values.nbytes

    def get(self, keys: Numbers) -> Numbers:
        """Return the number of each hash; -1 if there is none."""
        keys = np.where(keys == _NO_KEY, np.uint64(1), keys)
        found = np.full(len(keys), -1, np.int64)
        waiting, places = np.arange(len(keys)), self._find_first_places(keys)
        while len(waiting):
            held = self._keys[places]
            is_hit = held == keys[waiting]
            found[waiting[is_hit]] = self._values[places[is_hit]]
            waiting, places = self._go_on(waiting, places, ~is_hit & (held != _NO_KEY))
        return found

    def setdefault(self, keys: Numbers, values: Numbers) -> Numbers:
        """Store, in order, the numbers of hashes that have none, and return the number that each hash has now."""
        keys = np.where(keys == _NO_KEY, np.uint64(1), keys)
        self._make_room(len(keys))
        self._enter(keys, values)
        return self.get(keys)

    def _enter(self, keys: Numbers, values: Numbers) -> None:
        waiting, places = np.arange(len(keys)), self._find_first_places(keys)
        while len(waiting):
            is_free = self._keys[places] == _NO_KEY
            free, entered = places[is_free][::-1], waiting[is_free][::-1]
            self._keys[free] = keys[entered]  # reversed, so that the first of several keys stays
            self._values[free] = values[entered]
            waiting, places = self._go_on(waiting, places, self._keys[places] != keys[waiting])

    def _go_on(self, waiting: Numbers, places: Numbers, mask: Numbers) -> tuple[Numbers, Numbers]:
        """Return the keys that are looked up in the next slot, and these slots."""
        return waiting[mask], (places[mask] + 1) & (len(self._keys) - 1)

    def _find_first_places(self, keys: Numbers) -> Numbers:
        return (keys & np.uint64(len(self._keys) - 1)).astype(np.int64)

    def _make_room(self, count: int) -> None:
        """Make room for this many more keys."""
        self._used += count  # an upper bound, since some keys may be there already
        if 3 * self._used > 2 * len(self._keys):
            held = self._keys != _NO_KEY
            keys, values = self._keys[held], self._values[held]
            self._used = len(keys) + count
            places = len(self._keys)
            while 3 * self._used > 2 * places:
                places *= 2
            if places > len(self._keys):
                self._keys, self._values = np.zeros(places, np.uint64), np.zeros(places, np.uint32)
                self._enter(keys, values)
