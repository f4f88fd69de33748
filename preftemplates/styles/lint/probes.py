"""The texts that a layout gives for probe conversations, on a fixed day and within a time limit."""

from __future__ import annotations

import json
import re
import time
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from preftemplates.core.provenance import plain
from preftemplates.errors import PrefTemplatesError, StyleLimitError, preview
from preftemplates.styles.environment import CLOCK
from preftemplates.styles.lint.conversations import (
    ANSWER,
    FIRST_THOUGHT,
    ONE_TURN,
    SYSTEM,
    TWO_TURNS,
    make_thinking_answer,
    make_turn,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from preftemplates.core.messages import Message
    from preftemplates.styles.layout import Layout

PROBE_DAYS = datetime(2024, 2, 3, 4, 5, 6), datetime(2031, 10, 29, 17, 38, 49)
"""Two days that differ in every part of a date."""

MAX_PROBE_SECONDS = 5
"""The seconds that all conversations may take together; everyday templates take a hundredth of a second."""

ODD_CHARACTERS = "<b>&\"'</b>  {{ x }} %s \\n\n\n\tÜber\u00e4 ﬁ 茶"
"""Characters that operations on text often escape, fold or split."""

LONG_TEXT = " ".join(["basil"] * 600)
"""A text longer than a template might cut contents to."""

THINKING_ANSWERS = make_thinking_answer(FIRST_THOUGHT, ANSWER), f"<think>{FIRST_THOUGHT}</think>{ANSWER}"
"""An answer after its thinking, in two spellings."""

WORD = re.compile(r"[^\W\d_]{2,}|[\u3040-\u30ff\u4e00-\u9fff]")

_TEMPLATE_LINE = re.compile(r"\(line (\d+) of the template\)")


def add_tools(layout: Layout, tools: Sequence[Any]) -> Layout:
    """Return the layout with tools, if it is a chat template and there are any."""
    return layout.with_tools(json.dumps([*tools])) if tools and layout.source is not None else layout


class ProbeTexts:
    """The texts that a layout gives for conversations; None if it rejects one."""

    def __init__(self, layout: Layout, day: datetime = PROBE_DAYS[0]) -> None:
        self.layout = layout.with_reasoning("keep")
        self.day = day
        self.errors: dict[str, PrefTemplatesError] = {}
        self.exhausted: str | None = None
        """The reason why nothing more is rendered."""
        self.seconds = 0.0
        self._texts: dict[str, str | None] = {}

    @property
    def source(self) -> str | None:
        """The chat template, if the layout renders one; other layouts declare what they reject."""
        return self.layout.source

    def render(self, messages: Iterable[Message], generate: bool = False, tools: Sequence[Any] = ()) -> str | None:
        """Return the text of a conversation, rendered at most once."""
        conversation = [*messages]
        key = repr((conversation, generate, bool(tools)))
        if key not in self._texts:
            self._texts[key] = self._render(add_tools(self.layout, tools), conversation, generate, key)
        return self._texts[key]

    def _render(self, layout: Layout, messages: Sequence[Message], generate: bool, key: str) -> str | None:
        if self.exhausted or any(message["role"] not in layout.roles for message in messages):
            return None
        clock, start = CLOCK.set(lambda: self.day), time.perf_counter()
        try:
            return plain(layout.text(messages, generate))
        except PrefTemplatesError as error:
            self.errors[key] = error
            if isinstance(error, StyleLimitError):
                self.exhausted = error.message
            return None
        finally:
            CLOCK.reset(clock)
            self.seconds += time.perf_counter() - start
            if self.seconds > MAX_PROBE_SECONDS and not self.exhausted:
                self.exhausted = f"the conversations of this check take more than {MAX_PROBE_SECONDS} seconds"

    def get_error(self, messages: Iterable[Message], generate: bool = False, tools: Sequence[Any] = ()) -> str:
        """Return the reason why a conversation has no text."""
        error = self.errors.get(repr(([*messages], generate, bool(tools))))
        return error.message if error else "it has no turn for a role"

    @cached_property
    def required_opening(self) -> tuple[Message, ...]:
        """The messages that must come before a user's turn: none, or a system message."""
        system = (make_turn("system", SYSTEM),)
        return system if self.render(ONE_TURN) is None and self.render([*system, *ONE_TURN]) is not None else ()

    def render_turns(self, *messages: Message, generate: bool = False) -> str | None:
        """Return the text of messages after the required opening."""
        return self.render([*self.required_opening, *messages], generate)

    @cached_property
    def one_turn(self) -> str | None:
        """The text of a question and its answer."""
        return self.render_turns(*ONE_TURN)

    @cached_property
    def two_turns(self) -> str | None:
        """The text of two questions and answers."""
        return self.render_turns(*TWO_TURNS)

    @cached_property
    def with_system(self) -> str | None:
        """The text of a system message, a question and its answer."""
        return self.render([make_turn("system", SYSTEM), *ONE_TURN])

    @cached_property
    def longest_conversation(self) -> list[Message]:
        """The longest everyday conversation that the layout renders."""
        turns = TWO_TURNS if self.two_turns is not None else ONE_TURN
        system = [] if self.with_system is None or is_lost(SYSTEM, self.with_system) else [make_turn("system", SYSTEM)]
        if self.render([*system, *turns]) is not None:
            return [*system, *turns]
        return [*self.required_opening, *turns]

    @cached_property
    def changed_thinking(self) -> tuple[str, str] | None:
        """The first answer with thinking that is not printed unchanged, and the text that is printed."""
        for answer in THINKING_ANSWERS:
            text = self.render_turns(ONE_TURN[0], make_turn("assistant", answer))
            if text is not None and answer not in text:
                return answer, text
        return None

    @cached_property
    def rewritten_contents(self) -> dict[str, tuple[str, str]]:
        """The first content per role that is not printed unchanged, and the text that is printed."""
        rewritten: dict[str, tuple[str, str]] = {}
        messages = self.longest_conversation
        usual = self.render(messages) or ""
        for ending in (ODD_CHARACTERS, LONG_TEXT):
            longer = [
                make_turn(message["role"], f"{message['content']} {ending} {index}.")
                for index, message in enumerate(messages)
            ]
            text = self.render(longer)
            for before, message in zip(messages, longer, strict=True):
                role, content = message["role"], str(message["content"])
                is_kept = text is None or content in text or is_lost(str(before["content"]), usual)
                if not is_kept and role not in rewritten:
                    rewritten[role] = content, text or ""
        return rewritten


def is_lost(content: str, text: str) -> bool:
    """Return whether a content is missing from a text; other case, and other text between its words, do not count."""
    return content not in text and not all(word in text.casefold() for word in WORD.findall(content.casefold()))


def remove_contents(text: str, contents: Iterable[str]) -> str:
    """Return a text without the contents of its messages."""
    for content in contents:
        text = text.replace(content, "\n")
    return text


def shorten(text: str, size: int = 24) -> str:
    """Return the beginning of a text, escaped and quoted."""
    return preview(text if len(text) <= size else text[: size - 1] + "…")


def shorten_difference(first: str, second: str) -> tuple[str, str]:
    """Return excerpts of two texts from shortly before their first difference."""
    pairs = enumerate(zip(first, second, strict=False))
    at = next((i for i, (a, b) in pairs if a != b), min(len(first), len(second)))
    begin = max(0, at - 10)
    return shorten(first[begin:]), shorten(second[begin:])


def split_template_line(reason: str) -> tuple[str, int | None]:
    """Return the reason of an error without the template's line, and that line, if it is known.

    >>> split_template_line("(line 3 of the template): 'x' is undefined")
    (": 'x' is undefined", 3)
    """
    line = _TEMPLATE_LINE.search(reason)
    return _TEMPLATE_LINE.sub("", reason), int(line[1]) if line else None
