"""The normal form of a prompt, and the hashes by which its near copies are found."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, chain, islice
from operator import mul
from typing import TYPE_CHECKING, Any, NamedTuple

from preftemplates.core.digest import short_digest
from preftemplates.core.messages import CONTENT_KEYS, Message, list_message_texts
from preftemplates.core.provenance import plain
from preftemplates.data.normal_text import NormalText, normalise_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MIN_WORDS = 12
"""How many words a prompt, and the turn that differs, must have for a changed word or order to make a near copy.

In a shorter prompt, the changed word is often the subject of the question, as in the generated set's verbs and
objects.
"""

KEY_MASK = 2**64 - 1
"""Keys are hashes of 64 bits."""

SIGNED = -1
"""Stands for signs of any kind in keys, by which a copy without signs is found."""

MAX_REMOVED = 4
"""How many clauses of a wrapper may be before a short prompt, and as many after it; fewer for a long prompt."""
SHORT = 64
"""The most words of a short prompt, in which every possible wrapper is tried."""

MAX_UNMARKED = 5
"""How many places near each end are tried where only a comma or capital separates a wrapper from the prompt."""

MAX_CORES = 32
"""How many parts of a prompt are remembered that a wrapper may surround, the longest ones first."""

MAX_COMPARED_WORDS = 512
"""Longer prompts are compared clause by clause, so that they take less memory."""
_MAX_CHANGED_SHARE = 0.1
"""The largest share of a long prompt's characters that the clause with the changed word may have."""
MAX_CHANGED = 3
"""How many characters of a script without spaces make one word."""


class PromptHalves(NamedTuple):
    """Hashes of the first and of the last words of a prompt, for prompts of one length."""

    first: int
    last: int


class ChangeRule(NamedTuple):
    """The change that a near copy allows: one word in a long turn, or one short clause of a long prompt.

    Attributes:
        turns: for each turn, the number of its items and of its words; in a script without spaces, a character is half
            a word.
        clauses: the length of each clause of a long prompt, which is compared by clauses; otherwise None.
    """

    turns: Sequence[tuple[int, float]]
    clauses: Sequence[int] | None

    def allows(self, place: int, count: int) -> bool:
        """Return whether this many words or clauses at a place may change."""
        if self.clauses is not None:
            clause = self.clauses[min(place, len(self.clauses) - 1)]
            return count <= 1 and clause <= _MAX_CHANGED_SHARE * sum(self.clauses)
        items, size = self.turns[_find_part([items for items, _ in self.turns], place)]
        return size >= MIN_WORDS and count <= (MAX_CHANGED if items > 1.5 * size else 1)


@dataclass(frozen=True)
class NormalPrompt:
    """A prompt in the form in which it is compared: the words of its turns, apart from system messages.

    Attributes:
        turns: the normal form of each turn that is not a system message.
        roles: the speaker of each of these turns.
        context: a hash of everything asked that is not text, such as tools and images; 0 if there is nothing.
        spelling: a hash of the turns as they are spelled.
        full_spelling: the same with the system messages.
    """

    turns: tuple[NormalText, ...]
    roles: tuple[str, ...]
    context: int
    spelling: int
    full_spelling: int

    def with_context(self, context: Sequence[Any]) -> NormalPrompt:
        """Return the prompt together with more context, such as columns that are not read."""
        return replace(self, context=hash((self.context, short_digest([*context])))) if context else self

    @cached_property
    def history(self) -> int:
        """Return a hash of what most kinds of near copies leave unchanged: context, roles and earlier turns."""
        return hash((self.context, self.roles, *(turn.letters for turn in self.turns[:-1])))

    @property
    def signs(self) -> int:
        """Return a hash of the punctuation of numbers in a short prompt, where it matters; 0 if there is none."""
        return self.turns[-1].signs if self.turns[-1].size < MIN_WORDS else 0

    @cached_property
    def words(self) -> array[int]:
        """Return a hash of each word of all turns, or of each clause of a long prompt."""
        if not self._has_clauses:
            return array("I", chain.from_iterable(turn.words for turn in self.turns))
        hashes = (hash(clause) & 0xFFFFFFFF for turn in self.turns for clause in turn.clauses)
        return array("I", hashes)

    @cached_property
    def _has_clauses(self) -> bool:
        return sum(len(turn.words) for turn in self.turns) > MAX_COMPARED_WORDS

    @property
    def whole(self) -> int:
        """Return the key of the last turn as it is."""
        return self._make_key(self.signs, self.turns[-1].letters)

    @property
    def whole_of_others(self) -> int:
        """Return the key by which a prompt finds copies without signs, or with some."""
        return self._make_key(0 if self.signs else SIGNED, self.turns[-1].letters)

    @property
    def whole_with_any_signs(self) -> int:
        """Return the key by which copies that lost their signs find this prompt."""
        return self._make_key(SIGNED, self.turns[-1].letters)

    @cached_property
    def cores(self) -> list[int]:
        """Return the keys of what is left of the last turn without the sentences that may be a wrapper."""
        turn, keys = self.turns[-1], []
        for start, end in islice(sorted(_find_cores(turn), key=lambda core: core[0] - core[1]), MAX_CORES):
            letters = turn.letters[turn.starts[start] : turn.starts[end]]
            if turn.signs and sum(turn.sizes[start:end]) < MIN_WORDS:
                keys.append(self._make_key(turn.signs, letters))
            keys.append(self._make_key(0, letters))
        return keys

    @cached_property
    def reordered(self) -> int | None:
        """Return the key of the sentences in any order; None if there are too few."""
        turns = self.turns
        if self.is_long:  # sums do not depend on the order, and are faster than sorting
            sums = ((len(turn.words), sum(turn.words), sum(map(mul, turn.words, turn.words))) for turn in turns)
            return self._make_key(0, tuple(sums))
        if all(len(turn.clauses) < 2 for turn in turns):
            return None
        return self._make_key(self.signs, tuple(tuple(sorted(turn.clauses)) for turn in turns))

    @cached_property
    def is_long(self) -> bool:
        """Return whether most of the prompt remains when one word changes."""
        return sum(turn.size for turn in self.turns) >= MIN_WORDS

    def make_halves(self, count: int) -> PromptHalves:
        """Return the keys of a prompt with this many words that begins, or ends, like this one."""
        length = _round_down(count // 2)
        words = self.words
        salt = (self.context, self.roles, count)
        first, last = words[:length].tobytes(), words[-length:].tobytes()
        return PromptHalves(hash((*salt, 0, first)) & KEY_MASK, hash((*salt, 1, last)) & KEY_MASK)

    @property
    def change_rule(self) -> ChangeRule:
        """Return the change that a near copy allows."""
        if self._has_clauses:
            return ChangeRule([], [len(clause) for turn in self.turns for clause in turn.clauses])
        return ChangeRule([(len(turn.words), turn.size) for turn in self.turns], None)

    def _make_key(self, signs: int, content: object) -> int:
        return (
            hash((self.history if isinstance(content, bytes) else self.context, self.roles, signs, content)) & KEY_MASK
        )


def normalise_prompt(messages: Sequence[Message], tools: Any = None) -> NormalPrompt | None:
    """Return the normal form of a prompt; None if it has no words.

    >>> prompt = normalise_prompt([{"role": "user", "content": "How do I boil an egg?"}])
    >>> [turn.letters for turn in prompt.turns]
    [b'howdoiboilanegg']
    """
    spoken = list_spoken(messages)
    texts = [plain("\n".join(list_message_texts([message]))) for message in spoken]
    turns = tuple(
        normalise_text(text, with_openings=number == len(texts)) for number, text in enumerate(texts, start=1)
    )
    if not turns or not any(turn.letters for turn in turns):
        return None
    roles = tuple(message["role"] for message in spoken)
    others = list_others(spoken, tools)
    context = hash(short_digest(others)) if others else 0
    spelling = hash((roles, *texts))
    full_spelling = spelling if len(spoken) == len(messages) else hash((spelling, *list_message_texts(messages)))
    return NormalPrompt(turns, roles, context, spelling & KEY_MASK, full_spelling & KEY_MASK)


def list_spoken(messages: Sequence[Message]) -> Sequence[Message]:
    """Return the messages that are not system messages; all of them if there are no others."""
    return [message for message in messages if message["role"] not in ("system", "developer")] or messages


def list_others(messages: Sequence[Message], tools: Any) -> list[Any]:
    """Return everything asked besides text; empty if there is nothing.

    >>> list_others([{"role": "user", "content": "Hi"}], None), list_others([], "[]")
    ([], ['[]', []])
    """
    others = [part for message in messages for part in _list_other_parts(message)]
    return [tools, others] if others or tools is not None else []


def _list_other_parts(message: Message) -> Iterator[object]:
    """Yield what a message holds besides text."""
    content = message.get("content")
    if isinstance(content, list):
        yield from (part for part in content if part.get("type") != "text")
    yield from (value for key in CONTENT_KEYS if (value := message.get(key)))


def _find_cores(turn: NormalText) -> Iterator[tuple[int, int]]:
    """Yield the parts, as start and end, that may be the prompt with the other sentences wrapped around it."""
    sizes = [0, *accumulate(turn.sizes)]
    total, last = sizes[-1], len(sizes) - 1
    clauses = [index for index, is_clause in enumerate(turn.is_clause) if is_clause]
    others = [index for index, is_clause in enumerate(turn.is_clause) if not is_clause]
    starts = [*clauses[: MAX_REMOVED + 1], *others[:MAX_UNMARKED]]
    ends = [*clauses[-MAX_REMOVED:], *others[-MAX_UNMARKED:], last]
    for start in starts:
        for end in ends:
            removed = bisect_left(clauses, start) + len(clauses) - bisect_left(clauses, end)
            if end <= start or end - start == last or (total > SHORT and removed > MAX_REMOVED + 2):
                continue
            core, before, after = sizes[end] - sizes[start], sizes[start], total - sizes[end]
            is_marked = turn.is_clause[start] and (end == last or turn.is_clause[end])
            if _may_wrap(core, before, after) and (is_marked or core >= (5 if after == 1 else 4)):
                yield start, end


def _may_wrap(core: float, before: float, after: float) -> bool:
    """Return whether sentences with these numbers of words can wrap a prompt that is more than a phrase in them.

    A phrase of one or two words at the start of a longer prompt is a greeting or the like.
    """
    around = before + after
    if core < 3:
        return max(before, after) <= 4 and before > 0
    if core < 5:
        return around <= (24 if before else 16)
    return around <= min(20 + 2 * core, 80)


def _round_down(count: int) -> int:
    """Keep only the two highest bits of a number, so that most neighbouring numbers become equal.

    >>> [_round_down(count) for count in (6, 7, 8, 11, 12, 100)]
    [6, 6, 8, 8, 12, 96]
    """
    shift = max(count.bit_length() - 2, 0)
    return count >> shift << shift


def _find_part(counts: Sequence[int], place: int) -> int:
    """Return the part in which a place is, given the lengths of the parts; the end is in the last part."""
    return min(bisect_right(list(accumulate(counts)), place), len(counts) - 1)
