"""Normal forms of many prompts at once, and the hashes by which their near copies are found, as columns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from preftemplates.data.columnar.checks.hashes import Sequences, mix, mix_all
from preftemplates.data.columnar.checks.normal_texts import NormalTexts, normalise_texts
from preftemplates.data.columnar.turns import list_ranges
from preftemplates.data.normal_prompt import (
    MAX_COMPARED_WORDS,
    MAX_CORES,
    MAX_REMOVED,
    MAX_UNMARKED,
    MIN_WORDS,
    SHORT,
    SIGNED,
    ChangeRule,
)

if TYPE_CHECKING:
    from preftemplates.data.columnar.kernels import Mask
    from preftemplates.data.columnar.turns import Numbers, PartTurns


class PromptBatch(NamedTuple):
    """Prompts in the form in which they are compared, each with at least one turn.

    Attributes:
        turns: the turns of each prompt that are not system messages, one after another.
        contexts: a hash of everything asked that is not text, such as tools and images; 0 if there is nothing.
        spellings: a hash of the turns as they are spelled.
        full_spellings: the same with the system messages.
    """

    turns: PartTurns
    contexts: Numbers
    spellings: Numbers
    full_spellings: Numbers


class Keys(NamedTuple):
    """Keys of prompts, any number per prompt.

    Attributes:
        keys: the keys, those of each prompt in order.
        prompts: the number of the prompt of each key.
    """

    keys: Numbers
    prompts: Numbers


class Items(NamedTuple):
    """The items by which prompts are compared, one after another.

    Attributes:
        hashes: a hash of 32 bits for each word of the long prompts, or for each clause of the longest.
        starts: where the items of each prompt begin.
        counts: how many items each prompt has; 0 if it is not long.
    """

    hashes: Numbers
    starts: Numbers
    counts: Numbers


@dataclass(frozen=True, eq=False)
class NormalPrompts:
    """The normal forms of prompts, each like `NormalPrompt`.

    Args:
        batch: the prompts.
    """

    batch: PromptBatch

    @cached_property
    def texts(self) -> NormalTexts:
        """Return the normal forms of all turns."""
        is_last = np.zeros(len(self.batch.turns.roles), bool)
        is_last[self._lasts] = True
        return normalise_texts(self.batch.turns.contents, is_last)

    @cached_property
    def _firsts(self) -> Numbers:
        """Return the number of the first turn of each prompt."""
        counts = self.batch.turns.counts
        return np.asarray(np.cumsum(counts) - counts)

    @cached_property
    def _lasts(self) -> Numbers:
        """Return the number of the last turn of each prompt."""
        return self._firsts + self.batch.turns.counts - 1

    @cached_property
    def have_words(self) -> Mask:
        """Return which prompts have words; the others have no normal form."""
        return self._sum_turns(np.diff(self.texts.words)) > 0

    def _sum_turns(self, values: Numbers) -> Numbers:
        """Sum a number of each turn, for each prompt."""
        sums = np.append(np.zeros(1, values.dtype), np.cumsum(values, dtype=values.dtype))
        return np.asarray(sums[self._firsts + self.batch.turns.counts] - sums[self._firsts])

    @cached_property
    def _weights(self) -> Numbers:
        """Return the cumulative weight of words before each word of all turns, with the total at the end."""
        return np.append(0.0, np.cumsum(self.texts.weights))

    @cached_property
    def turn_sizes(self) -> Numbers:
        """Return the number of words in each turn."""
        return np.diff(self._weights[self.texts.words])

    @cached_property
    def signs(self) -> Numbers:
        """Return a hash of the punctuation of numbers in each short prompt; 0 if there is none."""
        return np.where(self.turn_sizes[self._lasts] < MIN_WORDS, self.texts.signs[self._lasts], np.uint64(0))

    @cached_property
    def are_long(self) -> Mask:
        """Return in which prompts most remains when one word changes."""
        return self._sum_turns(self.turn_sizes) >= MIN_WORDS

    @cached_property
    def _contexts(self) -> Numbers:
        """Return a hash of what all kinds of copies leave unchanged: context and roles."""
        turns = self.batch.turns
        roles = Sequences(turns.roles.astype(np.int64) + 1, self._firsts, turns.counts).hash_whole()
        return mix_all(self.batch.contexts, roles, turns.counts)

    @cached_property
    def _letters(self) -> Numbers:
        """Return a hash of the characters of each turn."""
        return mix(self.texts.letters.hash_whole()) | np.uint64(1)

    @cached_property
    def _histories(self) -> Numbers:
        """Return a hash of context, roles and the turns before the last."""
        turns = Sequences(self._letters, self._firsts, self.batch.turns.counts)
        return mix_all(self._contexts, turns.hash_parts(self._firsts, self._lasts, np.arange(len(self._lasts))))

    def _make_whole(self, signs: Numbers | int) -> Numbers:
        return mix_all(self._histories, signs, self._letters[self._lasts])

    @cached_property
    def whole(self) -> Numbers:
        """Return the key of the last turn as it is."""
        return self._make_whole(self.signs)

    @cached_property
    def whole_of_others(self) -> Numbers:
        """Return the key by which a prompt finds its copies without signs, or with some."""
        return np.where(self.signs != 0, self._make_whole(0), self.whole_with_any_signs)

    @cached_property
    def whole_with_any_signs(self) -> Numbers:
        """Return the key by which copies that lost their signs find a prompt."""
        return self._make_whole(SIGNED)

    @cached_property
    def cores(self) -> Keys:
        """Return the keys of what is left of the last turn without the sentences that may be a wrapper."""
        prompts, starts, ends = self._find_cores()
        words = np.append(self.texts.parts, self.texts.words[-1])
        lasts = self._lasts[prompts]
        stops = np.where(ends == self.texts.part_bounds[lasts + 1], self.texts.words[lasts + 1], words[ends])
        begins = words[starts]
        # hashed like whole turns, among which cores are looked up
        letters = mix(self.texts.hash_parts(begins, stops, lasts)) | np.uint64(1)
        histories, signs = self._histories[prompts], self.texts.signs[lasts]
        is_signed = (signs != 0) & (self._weights[stops] - self._weights[begins] < MIN_WORDS)
        plain, signed = mix_all(histories, 0, letters), mix_all(histories, signs, letters)[is_signed]
        order = np.argsort(
            np.concatenate([np.arange(len(plain)) * 2 + 1, np.flatnonzero(is_signed) * 2]), kind="stable"
        )
        return Keys(np.concatenate([plain, signed])[order], np.concatenate([prompts, prompts[is_signed]])[order])

    def _find_cores(self) -> tuple[Numbers, Numbers, Numbers]:
        """Return the prompts, and the first and last parts of their cores, the longest cores first."""
        texts = self.texts
        rows = np.flatnonzero(np.diff(texts.part_bounds)[self._lasts] > 1)
        lasts = self._lasts[rows]
        firsts, stops = texts.part_bounds[lasts], texts.part_bounds[lasts + 1]
        row, starts, ends = _pair_parts(texts.is_clause, firsts, stops)
        reaches_end = ends == stops[row]
        fine = (ends > starts) & ((starts > firsts[row]) | ~reaches_end)
        row, starts, ends, reaches_end = row[fine], starts[fine], ends[fine], reaches_end[fine]
        words = self._weights[np.append(texts.parts, texts.words[-1])]
        total, before = self.turn_sizes[lasts][row], words[starts] - words[firsts[row]]
        until = np.where(reaches_end, total, words[ends] - words[firsts[row]])
        clauses = np.append(0, np.cumsum(texts.is_clause))
        removed = clauses[starts] - clauses[firsts[row]] + clauses[stops[row]] - clauses[ends]
        is_marked = texts.is_clause[starts] & (reaches_end | np.append(texts.is_clause, False)[ends])
        core, after = until - before, total - until
        fine = ((total <= SHORT) | (removed <= MAX_REMOVED + 2)) & _may_wrap(core, before, after)
        fine &= is_marked | (core >= np.where(after == 1, 5, 4))
        row, starts, ends = row[fine], starts[fine], ends[fine]
        order = np.lexsort((starts - ends, row))
        rank = np.arange(len(row)) - np.searchsorted(row, row)
        order = order[rank < MAX_CORES]
        return rows[row[order]], starts[order], ends[order]

    @cached_property
    def _clauses(self) -> Numbers:
        """Return the number of the first word of each clause."""
        return self.texts.parts[self.texts.is_clause]

    @cached_property
    def _clause_bounds(self) -> Numbers:
        """Return the number of the first clause of each turn, with the total at the end."""
        return np.searchsorted(self._clauses, self.texts.words)

    @cached_property
    def _clause_hashes(self) -> Numbers:
        ends = np.append(self._clauses[1:], self.texts.words[-1])
        turns = np.repeat(np.arange(len(self.texts.signs)), np.diff(self._clause_bounds))
        return mix(self.texts.hash_parts(self._clauses, ends, turns))

    @cached_property
    def _words(self) -> Numbers:
        return self.texts.hash_words()

    @cached_property
    def reordered(self) -> Keys:
        """Return the keys of the sentences in any order, for prompts that have several."""
        by_words = _hash_sets(self._words, self.texts.words)
        by_clauses = _hash_sets(self._clause_hashes, self._clause_bounds)
        counts = self.batch.turns.counts
        sets = np.where(np.repeat(self.are_long, counts), by_words, by_clauses) | np.uint64(1)
        turns = Sequences(sets, self._firsts, counts)
        several = self._sum_turns((np.diff(self._clause_bounds) > 1).astype(np.int64)) > 0
        signs = np.where(self.are_long, np.uint64(0), self.signs)
        keys = mix_all(self._contexts, signs, self.are_long, turns.hash_whole())
        prompts = np.flatnonzero(self.are_long | several)
        return Keys(keys[prompts], prompts)

    @cached_property
    def _item_hashes(self) -> tuple[Numbers, Numbers, Numbers]:
        """Return hashes of the words or clauses of each long prompt, where those of each prompt are, and how many."""
        word_counts = self._sum_turns(np.diff(self.texts.words))
        has_clauses = self.are_long & (word_counts > MAX_COMPARED_WORDS)
        clause_counts = self._sum_turns(np.diff(self._clause_bounds))
        first_words, first_clauses = self.texts.words[self._firsts], self._clause_bounds[self._firsts]
        counts = np.where(has_clauses, clause_counts, word_counts) * self.are_long
        both = np.concatenate([self._words, self._clause_hashes]) if has_clauses.any() else self._words
        starts = np.where(has_clauses, first_clauses + len(self._words), first_words)
        return both[list_ranges(starts, counts)], np.cumsum(counts) - counts, counts

    @cached_property
    def items(self) -> Items:
        """Return the items by which long prompts are compared."""
        hashes, starts, counts = self._item_hashes
        return Items(hashes.astype(np.uint32), starts, counts)

    @cached_property
    def _item_sequences(self) -> Sequences:
        hashes, starts, counts = self._item_hashes
        return Sequences(hashes | np.uint64(1), starts, counts)

    def make_halves(self, prompts: Numbers, more: int) -> Numbers:
        """Return the keys of prompts that begin, and that end, like some prompts.

        Args:
            prompts: the prompts.
            more: by how many words the other prompts are longer than these.

        Returns:
            Two keys for each prompt.
        """
        _, starts, counts = self.items
        starts, counts, others = starts[prompts], counts[prompts], counts[prompts] + more
        lengths = _round_down(others // 2)
        contexts = self._contexts[prompts]
        heads = self._item_sequences.hash_parts(starts, starts + lengths, prompts)
        tails = self._item_sequences.hash_parts(starts + counts - lengths, starts + counts, prompts)
        return np.stack(
            [mix_all(contexts, others, side, hashes) for side, hashes in enumerate((heads, tails))], axis=1
        )

    def describe_change(self, prompt: int) -> ChangeRule:
        """Return the change in a prompt that a near copy allows."""
        turns = range(self._firsts[prompt], self._firsts[prompt] + self.batch.turns.counts[prompt])
        words, sizes = np.diff(self.texts.words)[turns.start : turns.stop], self.turn_sizes[turns.start : turns.stop]
        if words.sum() <= MAX_COMPARED_WORDS:
            return ChangeRule([*zip(words.tolist(), sizes.tolist(), strict=True)], None)
        first, last = self._clause_bounds[turns.start], self._clause_bounds[turns.stop]
        starts = self.texts.letter_places[np.append(self._clauses, self.texts.words[-1])]
        return ChangeRule([], np.diff(starts[first : last + 1]).tolist())


def _pair_parts(is_clause: Mask, firsts: Numbers, stops: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Pair the parts at which a core of a turn may begin with the parts at which it may end.

    Returns:
        The number of the turn, and of both parts, of each pair.
    """
    starts: list[Numbers] = []
    ends: list[Numbers] = []
    start_rows: list[Numbers] = []
    end_rows: list[Numbers] = []
    rows = np.arange(len(firsts))
    limits = ((is_clause, MAX_REMOVED + 1, MAX_REMOVED), (~is_clause, MAX_UNMARKED, MAX_UNMARKED))
    for mask, max_starts, max_ends in limits:
        places = np.flatnonzero(mask)
        low, high = np.searchsorted(places, firsts), np.searchsorted(places, stops)
        first_ones, last_ones = np.minimum(high - low, max_starts), np.minimum(high - low, max_ends)
        starts.append(places[list_ranges(low, first_ones)])
        ends.append(places[list_ranges(high - last_ones, last_ones)])
        start_rows.append(np.repeat(rows, first_ones))
        end_rows.append(np.repeat(rows, last_ones))
    start_row, start = _sort_by_row(start_rows, starts)
    end_row, end = _sort_by_row([*end_rows, rows], [*ends, stops])
    counts = np.bincount(end_row, minlength=len(firsts))
    before = np.cumsum(counts) - counts
    repeats = counts[start_row]
    return np.repeat(start_row, repeats), np.repeat(start, repeats), end[list_ranges(before[start_row], repeats)]


def _sort_by_row(rows: list[Numbers], values: list[Numbers]) -> tuple[Numbers, Numbers]:
    row = np.concatenate(rows)
    order = np.argsort(row, kind="stable")
    return row[order], np.concatenate(values)[order]


def _may_wrap(core: Numbers, before: Numbers, after: Numbers) -> Mask:
    """Return whether sentences with these numbers of words can wrap a prompt, as the row path decides it."""
    around = before + after
    longest = np.where(core < 5, np.where(before > 0, 24, 16), np.minimum(20 + 2 * core, 80))
    return np.where(core < 3, (np.maximum(before, after) <= 4) & (before > 0), around <= longest)


def _hash_sets(items: Numbers, bounds: Numbers) -> Numbers:
    """Return a hash of the items between bounds that does not depend on their order."""
    numbers = mix(items)
    sums = np.append(np.zeros(1, np.uint64), np.cumsum(numbers, dtype=np.uint64))
    return mix_all(np.diff(bounds), sums[bounds[1:]] - sums[bounds[:-1]])


def _round_down(counts: Numbers) -> Numbers:
    """Keep only the two highest bits of numbers, as the row path does."""
    shifts = np.maximum(np.frexp(counts.astype(np.float64))[1] - 2, 0)
    return np.asarray(counts >> shifts << shifts)
