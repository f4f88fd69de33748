"""Find near copies of prompts: earlier prompts with other punctuation, added sentences or one changed word."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, NamedTuple

from preftemplates.data.hash_table import HashTable
from preftemplates.data.normal_prompt import KEY_MASK, MIN_WORDS, NormalPrompt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_PROMPTS = 1_000_000
"""The most prompts that are remembered; later rows are compared only with these."""

MAX_VARIANTS = 4
"""If this many prompts share one half, the half is a template, and the question is in the other half."""
RECASED = "different case, punctuation or whitespace"
OTHER_SYSTEM = "a different system message"
WRAPPED = "with other sentences around it"
UNWRAPPED = "without the sentences around it"
REORDERED = "the same sentences in a different order"
ONE_WORD = "one word changed"


class NearCopy(NamedTuple):
    """An earlier prompt that is nearly the same.

    Attributes:
        row: the row of the earlier prompt.
        difference: the difference, in words.
    """

    row: int
    difference: str


class NearCopyIndex:
    """Finds the earlier prompt of which a prompt is a near copy, in a time that does not grow with their number.

    A prompt is looked up by hashes: of its words, of its sentences in any order, of the rest without the first and
    last sentences, and of its halves. Only prompts that share a half are compared, at most four. In a near copy, all
    turns but the last are the same, unless one word or the order of sentences differs.

    Prompts with the same spelling are exact copies and are not reported.

    Args:
        max_prompts: how many prompts are remembered, with less than 1 KiB each.

    Attributes:
        compared: how often two prompts were compared word by word.
        forgotten: how many prompts arrived when the index was full.

    Example:
        >>> from preftemplates.data.normal_prompt import normalise_prompt
        >>> index = NearCopyIndex()
        >>> for row, text in enumerate(("How do I boil an egg?", "Tell me: how do I boil an egg? Be brief.")):
        ...     prompt = normalise_prompt([{"role": "user", "content": text}])
        ...     print(index.find(prompt), index.add(prompt, row))
        None True
        NearCopy(row=0, difference='with other sentences around it') True
    """

    def __init__(self, max_prompts: int = MAX_PROMPTS) -> None:
        self.compared = self.forgotten = 0
        self._max_prompts = max_prompts
        self._whole, self._cores, self._orders, self._halves = (HashTable() for _ in range(4))
        self._rows = array("q")
        self._spellings, self._full_spellings = array("Q"), array("Q")
        self._words, self._word_ends = array("I"), array("Q", [0])

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def bytes_held(self) -> int:
        """Return the memory of the index in bytes."""
        tables = (self._whole, self._cores, self._orders, self._halves)
        arrays = (self._rows, self._spellings, self._full_spellings, self._word_ends)
        return sum(table.bytes_held for table in tables) + sum(8 * len(one) for one in arrays) + 4 * len(self._words)

    def find(self, prompt: NormalPrompt) -> NearCopy | None:
        """Return the first earlier prompt of which this one is a near copy; None if there is none."""
        same = self._find_same(prompt)
        if same is not None:
            return self._describe_same(prompt, same)
        for entry, difference in self._find_alike(prompt):
            if entry is not None:
                return NearCopy(self._rows[entry], difference)
        return None

    def add(self, prompt: NormalPrompt, row: int) -> bool:
        """Remember the prompt of a row; return False only if the index is full."""
        if self._whole.get(prompt.whole) is not None:
            return True
        if len(self) >= self._max_prompts:
            self.forgotten += 1
            return False
        entry = len(self)
        self._rows.append(row)
        self._spellings.append(prompt.spelling)
        self._full_spellings.append(prompt.full_spelling)
        if prompt.is_long:
            self._words.extend(prompt.words)
        self._word_ends.append(len(self._words))
        for table, key in self._list_keys(prompt):
            table.setdefault(key, entry)
        return True

    def _list_keys(self, prompt: NormalPrompt) -> Iterator[tuple[HashTable, int]]:
        """Yield the keys of a prompt, each with its table."""
        yield self._whole, prompt.whole
        if prompt.signs:
            yield self._whole, prompt.whole_with_any_signs
        yield from ((self._cores, key) for key in prompt.cores)
        if prompt.reordered is not None:
            yield self._orders, prompt.reordered
        if prompt.is_long and len(prompt.words) >= MIN_WORDS:
            for key in prompt.make_halves(len(prompt.words)):
                variants = range(MAX_VARIANTS)
                free = next((n for n in variants if self._halves.get(key + n & KEY_MASK) is None), None)
                if free is not None:
                    yield self._halves, key + free & KEY_MASK

    def _find_same(self, prompt: NormalPrompt) -> int | None:
        """Return the entry of a prompt with the same words in the same order."""
        entry = self._whole.get(prompt.whole)
        return self._whole.get(prompt.whole_of_others) if entry is None else entry

    def _describe_same(self, prompt: NormalPrompt, entry: int) -> NearCopy | None:
        if self._full_spellings[entry] == prompt.full_spelling:
            return None
        is_spelled_alike = self._spellings[entry] == prompt.spelling
        return NearCopy(self._rows[entry], OTHER_SYSTEM if is_spelled_alike else RECASED)

    def _find_alike(self, prompt: NormalPrompt) -> Iterator[tuple[int | None, str]]:
        """Yield entries of prompts with other words or another order."""
        yield from ((self._whole.get(core), WRAPPED) for core in prompt.cores)
        yield self._cores.get(prompt.whole), UNWRAPPED
        if prompt.reordered is not None:
            yield self._orders.get(prompt.reordered), REORDERED
        if prompt.is_long and len(prompt.words) >= MIN_WORDS:
            yield self._find_one_word_off(prompt), ONE_WORD

    def _find_one_word_off(self, prompt: NormalPrompt) -> int | None:
        """Return the entry of a prompt that has one word changed, added or removed."""
        words = len(prompt.words)
        for count in (words, words - 1, words + 1):
            for key in prompt.make_halves(count):
                for entry in self._list_variants(key):
                    if self._is_one_word_off(prompt, entry):
                        return entry
        return None

    def _list_variants(self, key: int) -> Iterable[int]:
        """Return the entries that share a half; none if the half is a template."""
        entries = [self._halves.get(key + number & KEY_MASK) for number in range(MAX_VARIANTS)]
        found = [entry for entry in entries if entry is not None]
        return found if len(found) < MAX_VARIANTS else ()

    def _is_one_word_off(self, prompt: NormalPrompt, entry: int) -> bool:
        self.compared += 1
        other = self._words[self._word_ends[entry] : self._word_ends[entry + 1]]
        return prompt.change_rule.allows(*_find_changed_part(prompt.words, other))


def _find_changed_part(one: array[int], other: array[int]) -> tuple[int, int]:
    """Return where two sequences differ: the first place, and how many items of the longer one from there on.

    >>> _find_changed_part(array("I", [1, 2, 3]), array("I", [1, 5, 3]))
    (1, 1)
    """
    start = _count_common(one, other)
    end = _count_common(one[start:][::-1], other[start:][::-1])
    return start, max(len(one), len(other)) - start - end


def _count_common(one: array[int], other: array[int]) -> int:
    """Return how many items at the start are the same.

    >>> _count_common(array("I", [1, 2]), array("I", [1, 3])), _count_common(array("I"), array("I", [1]))
    (1, 0)
    """
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
