"""Parsing: the messages of a text, for layouts whose turns begin with distinct markers."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from preftemplates.core.messages import Message
from preftemplates.errors import Code, RowError, StyleContractError, preview

if TYPE_CHECKING:
    from collections.abc import Sequence

    from preftemplates.styles.reasoning import Reasoning


class _Turn(Protocol):
    """The text before and after the content of a role's turn."""

    @property
    def role(self) -> str:
        """The role."""

    @property
    def head(self) -> str:
        """The text before the content."""

    @property
    def tail(self) -> str:
        """The text after the content."""


class TurnLayout(Protocol):
    """A layout that writes each turn between two texts of its role."""

    def __hash__(self) -> int:
        """Return a hash, by which the grammar of the layout is cached."""

    @property
    def opening(self) -> str:
        """The text before everything else."""

    @property
    def closing(self) -> str:
        """The text after everything else."""

    @property
    def generation_prompt(self) -> str:
        """The text that replaces the closing in a prompt."""

    @property
    def turns(self) -> Sequence[_Turn]:
        """The turns, one per role."""

    @property
    def reasoning(self) -> Reasoning:
        """The policy for the thinking in assistant's turns."""

    def text(self, messages: Sequence[Message], add_generation_prompt: bool) -> str:
        """Return the text of a conversation."""


def is_reversible(layout: TurnLayout) -> bool:
    """Return whether the turns of a text can be separated: each begins with a marker of its role alone."""
    heads = [turn.head.strip() for turn in layout.turns]
    # other policies drop thinking, which no parser can restore
    return all(heads) and len(set(heads)) == len(heads) and layout.reasoning == "keep"


def parse_conversation(layout: TurnLayout, text: str) -> list[Message]:
    """Return the messages of a text; a generation prompt at its end is not a message.

    A turn ends where the next one begins. A content that spells the end of its turn and the beginning of another would
    therefore be read as two turns, so such a text is rejected.

    Args:
        layout: a reversible layout.
        text: the text.

    Raises:
        RowError: `bad_turns` if no turn begins at a position, or the text can be read in two ways.
    """
    if not text.startswith(layout.opening):
        raise _make_unreadable_error(text, 0, f"expected it to begin with {preview(layout.opening)}")
    at, end = len(layout.opening), len(text)
    # a turn with an empty answer may end with the same text; `_check_unambiguous` rejects it
    asking = text.endswith(layout.generation_prompt)
    if not asking and layout.closing:
        if not text.endswith(layout.closing):
            raise _make_unreadable_error(text, end, f"expected it to end with {preview(layout.closing)}")
        end -= len(layout.closing)
    grammar, messages = _Grammar.of(layout), list[Message]()
    while at < end and not (asking and at == len(text) - len(layout.generation_prompt)):
        at, message = grammar.turn(text, at, end)
        messages.append(message)
    _check_unambiguous(layout, messages, text, asking)
    return messages


class _Grammar:
    """The beginnings and ends of turns."""

    def __init__(self, layout: TurnLayout) -> None:
        # longest first, since the head of one role may begin with that of another
        self.turns = sorted(layout.turns, key=lambda turn: -len(turn.head))
        heads = "|".join(re.escape(turn.head) for turn in self.turns)
        following = f"(?={heads}|{re.escape(layout.generation_prompt)}\\Z|\\Z)"
        self.ends = {turn.role: re.compile(re.escape(turn.tail) + following) for turn in layout.turns}

    @staticmethod
    @lru_cache(maxsize=64)
    def of(layout: TurnLayout) -> _Grammar:
        """Return the grammar of a layout, from the cache if possible."""
        return _Grammar(layout)

    def turn(self, text: str, at: int, end: int) -> tuple[int, Message]:
        """Return the end of the turn that begins at `at`, and its message."""
        turn: _Turn | None = next((turn for turn in self.turns if text.startswith(turn.head, at)), None)
        if turn is None:
            raise _make_unreadable_error(text, at, "no turn begins there")
        start = at + len(turn.head)
        # the pattern takes `end` for the end of the text, so its `\Z` matches before the closing
        ending = self.ends[turn.role].search(text, start, end)
        if ending is None:
            raise _make_unreadable_error(text, start, f"the turn of {turn.role} does not end")
        return ending.end(), {"role": turn.role, "content": text[start : ending.start()]}


def find_turn_marks(layout: TurnLayout) -> frozenset[str]:
    """Return the texts that tell turns apart; a content that spells one of them cannot be parsed back."""
    marks = (mark.rstrip() for turn in layout.turns for mark in (turn.head, turn.tail))
    return frozenset(filter(None, marks))


def _check_unambiguous(layout: TurnLayout, messages: list[Message], text: str, asking: bool) -> None:
    """Reject a text that could also be another conversation's: a content spells a mark, or an answer is empty."""
    marks = find_turn_marks(layout)
    for index, message in enumerate(messages):
        spelled = next((mark for mark in marks if mark in str(message.get("content"))), None)
        if spelled is not None:
            raise RowError(f"message {index} contains {preview(spelled)}, which marks a turn", code=Code.BAD_TURNS)
    for generation in (False, True):
        if layout.text(messages, generation) == text:
            break
    else:
        raise _make_unreadable_error(text, 0, "it can be read in two ways")
    answer: Message = {"role": "assistant", "content": ""}
    if asking and layout.text([*messages, answer], False) == text:
        raise _make_unreadable_error(text, len(text), "it may end with an empty answer or with a generation prompt")


def make_irreversible_error() -> StyleContractError:
    """Return the error for a layout whose texts cannot be parsed."""
    return StyleContractError("the style is not reversible: its turns cannot be distinguished")


def _make_unreadable_error(text: str, at: int, why: str) -> RowError:
    near = preview(text[max(0, at - 10) : at + 30])
    return RowError(f"the text cannot be parsed at character {at} ({near}): {why}", code=Code.BAD_TURNS)
