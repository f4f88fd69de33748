"""Find near copies among many prompts at once, the same ones that `NearCopyIndex` finds one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from preftemplates.data.columnar.checks.growing import Growing
from preftemplates.data.columnar.checks.key_table import KeyTable
from preftemplates.data.columnar.turns import list_ranges
from preftemplates.data.near_copies import (
    MAX_PROMPTS,
    MAX_VARIANTS,
    ONE_WORD,
    OTHER_SYSTEM,
    RECASED,
    REORDERED,
    UNWRAPPED,
    WRAPPED,
    NearCopy,
)
from preftemplates.data.normal_prompt import MAX_CHANGED, MIN_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from preftemplates.data.columnar.checks.normal_prompts import Keys, NormalPrompts
    from preftemplates.data.columnar.kernels import Mask
    from preftemplates.data.columnar.turns import Numbers

_MAX_ITEMS = 1 << 20
"""How many words are compared at once."""

_DIFFERENCES = (WRAPPED, UNWRAPPED, REORDERED)


class ColumnarNearCopyIndex:
    """Finds the earlier prompts of which prompts are near copies, as `NearCopyIndex` does.

    Args:
        max_prompts: how many prompts are remembered, with less than 1 KiB each.

    Attributes:
        compared: how often two prompts were compared word by word.
        forgotten: how many prompts arrived when the index was full.
    """

    def __init__(self, max_prompts: int = MAX_PROMPTS) -> None:
        self.compared = self.forgotten = 0
        self._max_prompts = max_prompts
        self._whole, self._cores, self._orders, self._halves = (KeyTable() for _ in range(4))
        self._rows = Growing(np.int64)
        self._spellings, self._full_spellings = Growing(np.uint64), Growing(np.uint64)
        self._words, self._word_ends = Growing(np.uint32), Growing(np.int64)

    def __len__(self) -> int:
        return len(self._rows.values)

    @property
    def bytes_held(self) -> int:
        """Return the memory of the index in bytes."""
        tables = (self._whole, self._cores, self._orders, self._halves)
        return sum(table.bytes_held for table in tables) + 32 * len(self) + 4 * len(self._words.values)

    def add(self, prompts: NormalPrompts, rows: Numbers) -> None:
        """Remember the prompts of rows."""
        self._add(prompts, rows)

    def find(self, prompts: NormalPrompts) -> dict[int, NearCopy]:
        """Return for each prompt that is a near copy the first remembered prompt that it is a copy of."""
        return dict(self._find(prompts, np.full(len(prompts.whole), len(self))))

    def find_and_add(self, prompts: NormalPrompts, rows: Numbers) -> dict[int, NearCopy]:
        """Remember the prompts of rows, and return which are near copies of earlier ones, also among themselves."""
        known = self._add(prompts, rows)
        return dict(self._find(prompts, known))

    def _add(self, prompts: NormalPrompts, rows: Numbers) -> Numbers:
        """Remember prompts, and return how many were remembered before each."""
        new = self._select_new(prompts)
        known = len(self) + np.cumsum(new) - new
        added = np.flatnonzero(new)
        entries = known[added]
        self._rows.extend(rows[added])
        self._spellings.extend(prompts.batch.spellings[added])
        self._full_spellings.extend(prompts.batch.full_spellings[added])
        items, starts, counts = prompts.items
        self._word_ends.extend(len(self._words.values) + np.cumsum(counts[added]))
        self._words.extend(items[list_ranges(starts[added], counts[added])])
        self._whole.setdefault(prompts.whole[added], entries)
        signed = added[prompts.signs[added] != 0]
        self._whole.setdefault(prompts.whole_with_any_signs[signed], known[signed])
        for table, keys in ((self._cores, prompts.cores), (self._orders, prompts.reordered)):
            is_new = new[keys.prompts]
            table.setdefault(keys.keys[is_new], known[keys.prompts[is_new]])
        self._add_halves(prompts, added[prompts.items.counts[added] >= MIN_WORDS], known)
        return known

    def _select_new(self, prompts: NormalPrompts) -> Mask:
        """Return which prompts should be remembered, and count those for which there is no room."""
        new = np.zeros(len(prompts.whole), bool)
        waiting = np.flatnonzero(prompts.have_words & (self._whole.get(prompts.whole) < 0))
        if len(waiting):
            _, firsts, copies = np.unique(prompts.whole[waiting], return_index=True, return_inverse=True)
            room = self._max_prompts - len(self)
            kept = np.sort(firsts)[:room]
            new[waiting[kept]] = True
            self.forgotten += int((~np.isin(firsts, kept)[copies]).sum())
        return new

    def _add_halves(self, prompts: NormalPrompts, added: Numbers, known: Numbers) -> None:
        """Store each half in the first free slot of its variants, or nowhere if the half is a template."""
        keys = prompts.make_halves(added, 0).ravel()
        entries = np.repeat(known[added], 2)
        held = np.zeros(len(keys), np.int64)
        for number in range(MAX_VARIANTS):
            held += self._halves.get(keys + np.uint64(number)) >= 0
        order = np.argsort(keys, kind="stable")
        is_first = np.append(True, np.diff(keys[order]) != 0)[: len(keys)]
        firsts = np.maximum.accumulate(np.where(is_first, np.arange(len(keys)), 0))
        places = held[order] + np.arange(len(keys)) - firsts
        free = places < MAX_VARIANTS
        self._halves.setdefault(keys[order][free] + places[free].astype(np.uint64), entries[order][free])

    def _find(self, prompts: NormalPrompts, known: Numbers) -> Iterator[tuple[int, NearCopy]]:
        """Yield the prompts that are near copies of one of the first `known` prompts, which differ per prompt."""
        same, other = (self._get(self._whole, keys, known) for keys in (prompts.whole, prompts.whole_of_others))
        same = np.where(same >= 0, same, other)
        has_same = same >= 0
        differs = has_same & prompts.have_words
        differs[has_same] &= self._full_spellings.values[same[has_same]] != prompts.batch.full_spellings[has_same]
        for index in np.flatnonzero(differs).tolist():
            entry = same[index]
            is_alike = self._spellings.values[entry] == prompts.batch.spellings[index]
            yield index, NearCopy(int(self._rows.values[entry]), OTHER_SYSTEM if is_alike else RECASED)
        others = prompts.have_words & ~has_same
        found = np.full((3, len(known)), -1)
        found[0] = self._get_first(self._whole, prompts.cores, known)
        found[1] = self._get(self._cores, prompts.whole, known)
        found[2] = self._get_first(self._orders, prompts.reordered, known)
        alike = others & (found >= 0).any(axis=0)
        for index in np.flatnonzero(alike).tolist():
            kind = int(np.argmax(found[:, index] >= 0))
            yield index, NearCopy(int(self._rows.values[found[kind, index]]), _DIFFERENCES[kind])
        rest = np.flatnonzero(others & ~alike & (prompts.items.counts >= MIN_WORDS))
        for index, entry in self._find_one_word_off(prompts, rest, known):
            yield index, NearCopy(int(self._rows.values[entry]), ONE_WORD)

    def _get(self, table: KeyTable, keys: Numbers, known: Numbers) -> Numbers:
        """Return the entries of keys among the first `known` entries; -1 for none."""
        entries = table.get(keys)
        return np.where(entries < known, entries, -1)

    def _get_first(self, table: KeyTable, keys: Keys, known: Numbers) -> Numbers:
        """Return the first entry with one of the keys of each prompt."""
        entries = self._get(table, keys.keys, known[keys.prompts])
        found = np.full(len(known), -1)
        hits = np.flatnonzero(entries >= 0)[::-1]
        found[keys.prompts[hits]] = entries[hits]  # in reverse order, so that the first is written last
        return found

    def _find_one_word_off(self, prompts: NormalPrompts, rows: Numbers, known: Numbers) -> Iterator[tuple[int, int]]:
        """Yield prompts with one word changed, added or removed compared with an entry, and the first such entry."""
        found: set[int] = set()
        for which, entries in self._list_variants(prompts, rows, known):
            self.compared += len(which)
            places, counts = self._find_changes(prompts, which, entries)
            for at in np.flatnonzero(counts <= MAX_CHANGED).tolist():
                index = int(which[at])
                if index not in found and prompts.describe_change(index).allows(int(places[at]), int(counts[at])):
                    found.add(index)
                    yield index, int(entries[at])

    def _list_variants(
        self, prompts: NormalPrompts, rows: Numbers, known: Numbers
    ) -> Iterator[tuple[Numbers, Numbers]]:
        """Yield prompts, each with an entry that shares a half, unless the half is a template."""
        keys = np.concatenate([prompts.make_halves(rows, more) for more in (0, -1, 1)], axis=1)
        rows = np.repeat(rows, keys.shape[1])
        entries = self._get(self._halves, keys.ravel(), known[rows])
        hits = np.flatnonzero(entries >= 0)
        rows, keys = rows[hits], keys.ravel()[hits]
        variants = keys[:, None] + np.arange(MAX_VARIANTS, dtype=np.uint64)
        found = self._get(self._halves, variants.ravel(), np.repeat(known[rows], MAX_VARIANTS)).reshape(variants.shape)
        found[(found >= 0).all(axis=1)] = -1
        pairs, _ = np.nonzero(found >= 0)
        which, entries = rows[pairs], found[found >= 0]
        sizes = np.cumsum(prompts.items.counts[which]) // _MAX_ITEMS
        for part in np.split(np.arange(len(which)), np.flatnonzero(np.diff(sizes)) + 1):
            yield which[part], entries[part]

    def _find_changes(self, prompts: NormalPrompts, which: Numbers, entries: Numbers) -> tuple[Numbers, Numbers]:
        """Return where each prompt and an entry differ, and how many items of the longer one from there on."""
        items, starts, counts = prompts.items
        starts, counts = starts[which], counts[which]
        bounds = np.append(0, self._word_ends.values)
        others, other_counts = bounds[entries], bounds[entries + 1] - bounds[entries]
        words = self._words.values
        common = np.minimum(counts, other_counts)
        first = _count_common(items, words, starts, others, common)
        ends, other_ends = len(items) - starts - counts, len(words) - others - other_counts
        last = _count_common(items[::-1], words[::-1], ends, other_ends, common - first)
        return first, np.maximum(counts, other_counts) - first - last


def _count_common(one: Numbers, other: Numbers, starts: Numbers, other_starts: Numbers, counts: Numbers) -> Numbers:
    """Return how many items are the same at the start of two parts of the same length, for each pair of parts."""
    differs = one[list_ranges(starts, counts)] != other[list_ranges(other_starts, counts)]
    ends = np.cumsum(counts)
    faults = np.append(np.flatnonzero(differs), len(differs))
    return np.asarray(np.minimum(faults[np.searchsorted(faults, ends - counts)], ends) - (ends - counts))
