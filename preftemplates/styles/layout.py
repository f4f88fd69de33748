"""The interface that every layout satisfies, whether it is written as fragments or as a chat template."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from preftemplates.core.messages import Message
    from preftemplates.core.spans import Change, Span
    from preftemplates.styles.reasoning import Reasoning

PROBE_TEXT = "q8Zk3vXw"
"""A content that no layout writes by itself."""


class Layout(Protocol):
    """How messages become text; `Fragments` and `ChatTemplate` satisfy it, and both are frozen dataclasses."""

    @property
    def opening(self) -> str:
        """The text that is written once, before everything else."""

    @property
    def closing(self) -> str:
        """The text that is written once, after everything else, unless the text ends with a generation prompt."""

    @property
    def stop(self) -> str:
        """The text that ends an assistant's turn; empty where nothing does."""

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that have a turn."""

    @property
    def reasoning(self) -> Reasoning:
        """The policy for the thinking in assistant's turns."""

    @property
    def identity(self) -> Any:
        """The layout as JSON-like data, for digests."""

    def text(self, messages: Sequence[Message], add_generation_prompt: bool) -> str:
        """Return the text of a conversation."""

    def spans(self, messages: Sequence[Message], add_generation_prompt: bool) -> tuple[Span, ...]:
        """Return the spans that partition the text."""

    def changes(self, messages: Sequence[Message], add_generation_prompt: bool) -> tuple[Change, ...]:
        """Return what the layout did to the messages."""

    def between(self, opening: str, closing: str) -> Layout:
        """Return the same layout with other text at its start and at its end."""

    def with_reasoning(self, reasoning: Reasoning) -> Layout:
        """Return the same layout with another policy for thinking."""
