"""A table from 64-bit hashes to row indices that takes about 25 bytes per entry."""

from __future__ import annotations

from array import array

_ABSENT = 0
"""Marks a free slot, so no key may be 0."""

_FIRST_PLACES = 1024


class HashTable:
    """Map 64-bit hashes to numbers below 2**32; the first number of a hash is kept.

    A dict with the same entries takes four times the memory.

    Example:
        >>> table = HashTable()
        >>> table.setdefault(12345, 7), table.setdefault(12345, 8), table.get(12345), table.get(1)
        (7, 7, 7, None)
    """

    def __init__(self) -> None:
        self._used = 0
        self._keys = array("Q", bytes(8 * _FIRST_PLACES))
        self._values = array("I", bytes(4 * _FIRST_PLACES))

    def __len__(self) -> int:
        return self._used

    @property
    def bytes_held(self) -> int:
        """Return the memory of the entries in bytes."""
        return len(self._keys) * (self._keys.itemsize + self._values.itemsize)

    def get(self, key: int) -> int | None:
        """Return the number of a hash; None if there is none."""
        place = self._find_place(key or 1)
        return self._values[place] if self._keys[place] else None

    def setdefault(self, key: int, value: int) -> int:
        """Store a number unless the hash has one, and return the number that the hash has now."""
        place = self._find_place(key or 1)
        if self._keys[place]:
            return self._values[place]
        self._keys[place], self._values[place] = key or 1, value
        self._used += 1
        if 3 * self._used > 2 * len(self._keys):
            self._grow()
        return value

    def _find_place(self, key: int) -> int:
        """Return the slot of a key, or the free slot where it belongs."""
        keys = self._keys
        mask = len(keys) - 1
        place = key & mask
        while (found := keys[place]) != key and found != _ABSENT:
            place = (place + 1) & mask
        return place

    def _grow(self) -> None:
        keys, values = self._keys, self._values
        self._keys, self._values = array("Q", bytes(16 * len(keys))), array("I", bytes(8 * len(values)))
        for key, value in zip(keys, values, strict=True):
            if key:
                place = self._find_place(key)
                self._keys[place], self._values[place] = key, value
