"""Near copies of prompts: which earlier prompt a prompt repeats in another case, order, wrapper or with another word."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any, NamedTuple

from preftemplates.core.digest import short_digest
from preftemplates.core.messages import CONTENT_KEYS, Message, list_message_texts
from preftemplates.data.hash_table import HashTable
from preftemplates.data.normal_text import NormalText, normalise_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MAX_PROMPTS = 1_000_000
"""So many prompts are remembered; later rows are compared with these alone."""

MIN_WORDS = 12
"""A prompt, and the turn that differs, has so many words where a changed word or another order makes it no other one.

In a shorter prompt the changed word is often what is asked about, as in the generated set's verbs and objects.
"""

_MASK = 2**64 - 1
_SIGNED = -1
"""Stands in keys for signs of any kind, by which a copy without them is found."""

_MAX_REMOVED = 4
"""So many clauses of a wrapper are before a short prompt, and as many after it; fewer of a long one."""
_SHORT = 64
"""A prompt of so many words is short: wherever it may be wrapped is looked at."""

_MAX_UNMARKED = 3
"""So many places near each end are tried where a comma or a capital alone tells a wrapper from the prompt."""

_MAX_VARIANTS = 4
"""Where so many prompts share one half, it is a template's: the other half is what they ask."""
_MAX_COMPARED_WORDS = 512
"""Longer prompts are compared clause by clause, so that little of them is remembered."""
_MAX_CHANGED_SHARE = 0.1
"""The clause of such a prompt that may hold the changed word has this share of its letters at most."""
_MAX_CHANGED_CHARACTERS = 3
"""So many characters of a script without spaces are one word."""

RECASED = "other case, punctuation or whitespace"
OTHER_SYSTEM = "another system message"
WRAPPED = "other sentences around it"
UNWRAPPED = "without the sentences around it"
REORDERED = "the same sentences in another order"
ONE_WORD = "one word changed"


class NearCopy(NamedTuple):
    """An earlier prompt that is nearly the same.

    Attributes:
        row: the row of the earlier prompt.
        difference: what differs, in words.
    """

    row: int
    difference: str


class _Half(NamedTuple):
    """Hashes of the first and of the last words of a prompt, for prompts of one length."""

    first: int
    last: int


@dataclass(frozen=True)
class NormalPrompt:
    """A prompt as it is compared: the words of its turns; system messages stand apart.

    Attributes:
        turns: the normal form of each turn that is no system message.
        roles: who speaks in each.
        context: a hash of what is asked and is no text: tools, images; 0 if there is nothing.
        spelling: a hash of the turns as they are spelled.
        full_spelling: the same with the system messages.
    """

    turns: tuple[NormalText, ...]
    roles: tuple[str, ...]
    context: int
    spelling: int
    full_spelling: int

    def with_context(self, context: Sequence[Any]) -> NormalPrompt:
        """Return the prompt as one that is asked together with more, such as columns that are not read."""
        return replace(self, context=hash((self.context, short_digest([*context])))) if context else self

    @cached_property
    def history(self) -> int:
        """A hash of what all ways of copying but the last two leave as it is: context, roles and earlier turns."""
        return hash((self.context, self.roles, *(turn.letters for turn in self.turns[:-1])))

    @cached_property
    def signs(self) -> int:
        """A hash of the signs that are no decoration; 0 if there are none."""
        signs = [turn.signs for turn in self.turns]
        return hash(tuple(signs)) if any(signs) else 0

    @cached_property
    def words(self) -> array[int]:
        """A hash of each word of all turns, or of each clause of a long prompt."""
        if not self._has_clauses:
            return array("I", chain.from_iterable(turn.words for turn in self.turns))
        hashes = (hash(clause) & 0xFFFFFFFF for turn in self.turns for clause in turn.clauses)
        return array("I", hashes)

    @cached_property
    def _has_clauses(self) -> bool:
        return sum(len(turn.words) for turn in self.turns) > _MAX_COMPARED_WORDS

    @property
    def whole(self) -> int:
        """The key of the last turn as it is."""
        return self._make_key(self.signs, self.turns[-1].letters)

    @property
    def whole_of_others(self) -> int:
        """The key under which a prompt finds its copies without signs, or with some."""
        return self._make_key(0 if self.signs else _SIGNED, self.turns[-1].letters)

    @property
    def whole_with_any_signs(self) -> int:
        """The key by which copies that lost their signs find this prompt."""
        return self._make_key(_SIGNED, self.turns[-1].letters)

    @cached_property
    def cores(self) -> list[int]:
        """The keys of what is left of the last turn without the sentences that may be a wrapper."""
        letters, starts = self.turns[-1].letters, self.turns[-1].starts
        return [self._make_key(self.signs, letters[starts[i] : starts[j]]) for i, j in _find_cores(self.turns[-1])]

    @cached_property
    def reordered(self) -> int | None:
        """The key of the sentences in any order; None if there are too few."""
        turns = self.turns
        if self.is_long:
            return self._make_key(self.signs, tuple(tuple(sorted(turn.words)) for turn in turns))
        if all(len(turn.clauses) < 2 for turn in turns):
            return None
        return self._make_key(self.signs, tuple(tuple(sorted(turn.clauses)) for turn in turns))

    @cached_property
    def is_long(self) -> bool:
        """Whether a changed word leaves most of the prompt."""
        return sum(turn.size for turn in self.turns) >= MIN_WORDS

    def make_halves(self, count: int) -> _Half:
        """Return the keys of a prompt with this many words that begins, or ends, as this one does."""
        length = _round_down(count // 2)
        words = self.words
        salt = (self.context, self.roles, self.signs, count)
        first, last = words[:length].tobytes(), words[-length:].tobytes()
        return _Half(hash((*salt, 0, first)) & _MASK, hash((*salt, 1, last)) & _MASK)

    def may_change(self, place: int, count: int) -> bool:
        """Whether so many items of `words` at a place may change in a near copy: one word in a turn that is long."""
        if not self._has_clauses:
            turn = self.turns[_find_part([len(turn.words) for turn in self.turns], place)]
            is_spaceless = len(turn.words) > 1.5 * turn.size
            return turn.size >= MIN_WORDS and count <= (_MAX_CHANGED_CHARACTERS if is_spaceless else 1)
        sizes = [len(clause) for turn in self.turns for clause in turn.clauses]
        return count <= 1 and sizes[min(place, len(sizes) - 1)] <= _MAX_CHANGED_SHARE * sum(sizes)

    def _make_key(self, signs: int, content: object) -> int:
        return hash((self.history if isinstance(content, bytes) else self.context, self.roles, signs, content)) & _MASK


def normalise_prompt(messages: Sequence[Message], tools: Any = None) -> NormalPrompt | None:
    """Return the normal form of a prompt; None if it has no words.

    >>> prompt = normalise_prompt([{"role": "user", "content": "How do I boil an egg?"}])
    >>> [turn.letters for turn in prompt.turns]
    [b'howdoiboilanegg']
    """
    spoken = [message for message in messages if message["role"] not in ("system", "developer")] or messages
    texts = ["\n".join(list_message_texts([message])) for message in spoken]
    turns = tuple(map(normalise_text, texts))
    if not turns or not any(turn.letters for turn in turns):
        return None
    roles = tuple(message["role"] for message in spoken)
    others = [part for message in spoken for part in _list_other_parts(message)]
    context = hash(short_digest([tools, others])) if others or tools is not None else 0
    spelling = hash((roles, *texts))
    full_spelling = spelling if len(spoken) == len(messages) else hash((spelling, *list_message_texts(messages)))
    return NormalPrompt(turns, roles, context, spelling & _MASK, full_spelling & _MASK)


def _list_other_parts(message: Message) -> Iterator[object]:
    """Yield what a message holds besides text."""
    content = message.get("content")
    if isinstance(content, list):
        yield from (part for part in content if part.get("type") != "text")
    yield from (value for key in CONTENT_KEYS if (value := message.get(key)))


def _find_cores(turn: NormalText) -> Iterator[tuple[int, int]]:
    """Yield the parts from one number up to another that may be a prompt, the others being sentences around it."""
    sizes = [0, *accumulate(turn.sizes)]
    total, last = sizes[-1], len(sizes) - 1
    clauses = [index for index, is_clause in enumerate(turn.is_clause) if is_clause]
    others = [index for index, is_clause in enumerate(turn.is_clause) if not is_clause]
    starts = [*clauses[: _MAX_REMOVED + 1], *others[:_MAX_UNMARKED]]
    ends = [*clauses[-_MAX_REMOVED:], *others[-_MAX_UNMARKED:], last]
    for start in starts:
        for end in ends:
            removed = bisect_left(clauses, start) + len(clauses) - bisect_left(clauses, end)
            if end <= start or end - start == last or (total > _SHORT and removed > _MAX_REMOVED):
                continue
            core, before, after = sizes[end] - sizes[start], sizes[start], total - sizes[end]
            is_marked = turn.is_clause[start] and (end == last or turn.is_clause[end])
            if _may_wrap(core, before, after) and (is_marked or core >= (5 if after == 1 else 4)):
                yield start, end


def _may_wrap(core: float, before: float, after: float) -> bool:
    """Whether sentences of so many words around a prompt may be a wrapper, and the prompt no phrase among them.

    A phrase of one or two words that opens a longer prompt is a greeting or the like.
    """
    around, is_inside = before + after, before > 0 and after > 0
    if core < 3:
        return around <= 12 if is_inside else 0 < before <= 4
    if core < 5:
        return around <= (24 if before else 12)
    return around <= min(20 + 2 * core, 80)


def _round_down(count: int) -> int:
    """Return the number with its two highest bits alone, so that it is the same for most neighbouring numbers.

    >>> [_round_down(count) for count in (6, 7, 8, 11, 12, 100)]
    [6, 6, 8, 8, 12, 96]
    """
    shift = max(count.bit_length() - 2, 0)
    return count >> shift << shift


class NearCopyIndex:
    """Finds the earlier prompt of which a prompt is a near copy, in time that does not grow with their number.

    A prompt is looked up by hashes: of its words, of its sentences in any order, of what is left without the first and
    last sentences, and of its halves. Only prompts that share a half are compared, at most four. All turns but the
    last are the same in a near copy, unless one word or the order of sentences differs.

    Prompts that are spelled alike are copies, but no near ones.

    Args:
        max_prompts: how many prompts are remembered, at less than 1 KiB each.

    Attributes:
        compared: how often two prompts were compared word by word.
        forgotten: how many prompts came when the index was full.

    Example:
        >>> index = NearCopyIndex()
        >>> for row, text in enumerate(("How do I boil an egg?", "Tell me: how do I boil an egg? Be brief.")):
        ...     prompt = normalise_prompt([{"role": "user", "content": text}])
        ...     print(index.find(prompt), index.add(prompt, row))
        None True
        NearCopy(row=0, difference='other sentences around it') True
    """

    def __init__(self, max_prompts: int = MAX_PROMPTS) -> None:
        self.compared = self.forgotten = 0
        self._max_prompts = max_prompts
        self._whole, self._cores, self._orders, self._halves = (HashTable() for _ in range(4))
        self._rows = array("q")
        self._spellings, self._full_spellings = array("Q"), array("Q")
        self._words, self._word_ends = bytearray(), array("Q", [0])

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def bytes_held(self) -> int:
        """The memory of the index, in bytes."""
        tables = (self._whole, self._cores, self._orders, self._halves)
        arrays = (self._rows, self._spellings, self._full_spellings, self._word_ends)
        return sum(table.bytes_held for table in tables) + sum(8 * len(one) for one in arrays) + len(self._words)

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
        """Remember the prompt of a row; return whether there was room, or no need."""
        if self._whole.get(prompt.whole) is not None:
            return True
        if len(self) >= self._max_prompts:
            self.forgotten += 1
            return False
        entry = len(self)
        self._rows.append(row)
        self._spellings.append(prompt.spelling)
        self._full_spellings.append(prompt.full_spelling)
        self._words += _shorten(prompt.words) if prompt.is_long else b""
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
                variants = range(_MAX_VARIANTS)
                free = next((n for n in variants if self._halves.get(key + n & _MASK) is None), None)
                if free is not None:
                    yield self._halves, key + free & _MASK

    def _find_same(self, prompt: NormalPrompt) -> int | None:
        """Return the entry of a prompt with the same words in one order."""
        entry = self._whole.get(prompt.whole)
        return self._whole.get(prompt.whole_of_others) if entry is None else entry

    def _describe_same(self, prompt: NormalPrompt, entry: int) -> NearCopy | None:
        if self._full_spellings[entry] == prompt.full_spelling:
            return None
        is_spelled_alike = self._spellings[entry] == prompt.spelling
        return NearCopy(self._rows[entry], OTHER_SYSTEM if is_spelled_alike else RECASED)

    def _find_alike(self, prompt: NormalPrompt) -> Iterator[tuple[int | None, str]]:
        """Yield entries of prompts with other words, or with another order of them."""
        yield from ((self._whole.get(core), WRAPPED) for core in prompt.cores)
        yield self._cores.get(prompt.whole), UNWRAPPED
        if prompt.reordered is not None:
            yield self._orders.get(prompt.reordered), REORDERED
        if prompt.is_long and len(prompt.words) >= MIN_WORDS:
            yield self._find_one_word_off(prompt), ONE_WORD

    def _find_one_word_off(self, prompt: NormalPrompt) -> int | None:
        """Return the entry of a prompt that has one other word, or one more or less."""
        words = _shorten(prompt.words)
        for count in (len(words), len(words) - 1, len(words) + 1):
            for key in prompt.make_halves(count):
                for entry in self._list_variants(key):
                    if self._is_one_word_off(prompt, words, entry):
                        return entry
        return None

    def _list_variants(self, key: int) -> Iterable[int]:
        """Return the entries that share a half; none if it is a template's."""
        entries = [self._halves.get(key + number & _MASK) for number in range(_MAX_VARIANTS)]
        found = [entry for entry in entries if entry is not None]
        return found if len(found) < _MAX_VARIANTS else ()

    def _is_one_word_off(self, prompt: NormalPrompt, words: bytes, entry: int) -> bool:
        self.compared += 1
        other = bytes(self._words[self._word_ends[entry] : self._word_ends[entry + 1]])
        start = _count_common(words, other)
        end = _count_common(words[start:][::-1], other[start:][::-1])
        return prompt.may_change(start, max(len(words), len(other)) - start - end)


def _shorten(hashes: array[int]) -> bytes:
    """Return one byte of each hash: enough to compare texts that share half of their words."""
    return hashes.tobytes()[:: hashes.itemsize]


def _find_part(counts: Sequence[int], place: int) -> int:
    """Return in which of parts of these lengths a place is; the end is in the last."""
    return min(bisect_right(list(accumulate(counts)), place), len(counts) - 1)


def _count_common(one: bytes, other: bytes) -> int:
    """Return how many bytes at the beginning are the same.

    >>> _count_common(b"abcd", b"abxd"), _count_common(b"ab", b"abc"), _count_common(b"", b"a")
    (2, 2, 0)
    """
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
