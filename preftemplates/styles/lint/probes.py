"""The texts that a layout gives of conversations, on one day and within a time."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol, TypeVar

from preftemplates.core.messages import Message
from preftemplates.core.provenance import plain
from preftemplates.errors import PrefTemplatesError, StyleLimitError
from preftemplates.styles.chat_template import ChatTemplate
from preftemplates.styles.environment import CLOCK
from preftemplates.styles.fragments import Fragments
from preftemplates.styles.lint.conversations import ONE_TURN, SYSTEM, TWO_TURNS, turn

DAYS = datetime(2024, 2, 3, 4, 5, 6), datetime(2031, 10, 29, 17, 38, 49)
"""Two days on which each part of a date is another one."""

SECONDS = 5
"""So long the conversations may take in all; everyday templates take a hundredth of a second."""


class Layout(Protocol):
    """What the check needs of a layout: `Fragments` and `ChatTemplate` have it."""

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that have a turn."""

    @property
    def stop(self) -> str:
        """What ends an answer."""

    def text(self, messages: Sequence[Message], add_generation_prompt: bool) -> str:
        """The text of a conversation."""


L = TypeVar("L")


def with_tools(layout: L, tools: Sequence[Any]) -> L:
    """The same layout, which finds tools where it is a chat template and there are some."""
    if not isinstance(layout, ChatTemplate) or not tools:
        return layout
    others = [item for item in layout.defaults if item[0] != "tools"]
    return replace(layout, defaults=tuple(sorted([*others, ("tools", json.dumps(tools))])))


class Texts:
    """The texts that a layout gives; None where it refuses."""

    def __init__(self, layout: Layout, day: datetime = DAYS[0]) -> None:
        self.layout = layout
        if isinstance(layout, ChatTemplate | Fragments):
            self.layout = replace(layout, reasoning="keep")
        self.day = day
        self.errors: dict[str, PrefTemplatesError] = {}
        self.exhausted: str | None = None
        """Why nothing more is rendered."""
        self.seconds = 0.0
        self._known: dict[str, str | None] = {}

    @property
    def template(self) -> ChatTemplate | None:
        """The layout, if it is a chat template."""
        return self.layout if isinstance(self.layout, ChatTemplate) else None

    def of(self, messages: Iterable[Message], generate: bool = False, tools: Sequence[Any] = ()) -> str | None:
        """The text of a conversation, rendered once."""
        asked = [*messages]
        key = repr((asked, generate, bool(tools)))
        if key not in self._known:
            self._known[key] = self._render(with_tools(self.layout, tools), asked, generate, key)
        return self._known[key]

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
            if self.seconds > SECONDS and not self.exhausted:
                self.exhausted = f"the conversations of this check take more than {SECONDS} seconds"

    def error(self, messages: Iterable[Message], generate: bool = False, tools: Sequence[Any] = ()) -> str:
        """Why there is no text of a conversation."""
        error = self.errors.get(repr(([*messages], generate, bool(tools))))
        return error.message if error else "it has no turn for a role"

    @cached_property
    def opening(self) -> tuple[Message, ...]:
        """What must stand in front of a user's turn: nothing, or a system message."""
        system = (turn("system", SYSTEM),)
        return system if self.of(ONE_TURN) is None and self.of([*system, *ONE_TURN]) is not None else ()

    def talk(self, *messages: Message, generate: bool = False) -> str | None:
        """The text of messages behind the opening."""
        return self.of([*self.opening, *messages], generate)

    @cached_property
    def one(self) -> str | None:
        """The text of a question and its answer."""
        return self.talk(*ONE_TURN)

    @cached_property
    def two(self) -> str | None:
        """The text of two questions and answers."""
        return self.talk(*TWO_TURNS)

    @cached_property
    def system(self) -> str | None:
        """The text of a system message, a question and its answer."""
        return self.of([turn("system", SYSTEM), *ONE_TURN])
