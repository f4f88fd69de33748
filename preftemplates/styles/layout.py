"""The interface of layouts, which fragments and chat templates satisfy, and through which everybody else uses them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from preftemplates.core.messages import Message
    from preftemplates.core.spans import Rendered
    from preftemplates.sandbox.limits import Limits
    from preftemplates.styles.reasoning import Reasoning

PROBE_TEXT = "q8Zk3vXw"
"""A content that no layout writes by itself."""


class Layout(Protocol):
    """How messages become text.

    `Fragments` and `ChatTemplate` satisfy it, and another class may. A layout never changes, it is hashable, and two
    layouts are equal if they hold the same data.
    """

    # --- what it is ------------------------------------------------------------------------------------------------

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
    def stops(self) -> tuple[str, ...]:
        """The texts that end an assistant's turn somewhere: `stop`, and those that do so only before another turn."""

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that have a turn."""

    @property
    def reasoning(self) -> Reasoning:
        """The policy for the thinking in assistant's turns."""

    @property
    def source(self) -> str | None:
        """The text of the chat template that the layout renders; None if it renders none."""

    @property
    def variables(self) -> Mapping[str, Any]:
        """What that chat template finds by name besides the messages."""

    @property
    def limits(self) -> Limits | None:
        """The resources that a render may use; None for a trusted layout."""

    @property
    def isolate(self) -> bool:
        """Whether it renders in a process of its own."""

    @property
    def identity(self) -> Any:
        """The layout as JSON-like data, for digests."""

    # --- texts -----------------------------------------------------------------------------------------------------

    def text(self, messages: Sequence[Message], add_generation_prompt: bool) -> str:
        """Return the text of a conversation.

        Raises:
            RowError: the layout cannot write the messages.
        """

    def texts(self, prompt: Sequence[Message], responses: Sequence[Sequence[Message]]) -> Iterator[str]:
        """Yield the text of a prompt, with the generation prompt, then for each response that of prompt and response.

        They are the texts that `text` returns, of one moment if they show the time, and so are the errors.
        """

    def render(self, messages: Sequence[Message], add_generation_prompt: bool) -> Rendered:
        """Return the text of a conversation, with its spans and changes on demand; they belong to this very text.

        Raises:
            RowError: the layout cannot write the messages.
        """

    def export(self) -> str:
        """Return the layout as a Hugging Face chat template, with the header from which it can be read back."""

    # --- the same layout with something else -----------------------------------------------------------------------

    def between(self, opening: str, closing: str) -> Layout:
        """Return the same layout with other text at its start and at its end."""

    def with_reasoning(self, reasoning: Reasoning) -> Layout:
        """Return the same layout with another policy for thinking."""

    def with_date(self, moment: datetime) -> Layout:
        """Return the same layout, which finds this moment wherever it asks for the date or time."""

    def with_token(self, name: str, token: str) -> Layout:
        """Return the same layout, whose chat template finds this text as `bos_token` or `eos_token`."""

    @property
    def prints_tools(self) -> bool:
        """Whether the layout writes the tools that it is given, or rejects them itself."""

    def with_tools(self, tools: str) -> Layout:
        """Return the same layout with the text of a JSON list as the tools that may be called.

        Raises:
            RowError: `unsupported_content`: there is no place for tools; `wrong_type`: it is not such a text.
        """

    def without_tools(self) -> Layout:
        """Return the layout without tools: itself if it has none."""

    # --- parsing ---------------------------------------------------------------------------------------------------

    @property
    def reversible(self) -> bool:
        """Whether `parse` reads texts of the layout."""

    @property
    def turn_marks(self) -> frozenset[str]:
        """The texts that tell turns apart; a content that spells one of these is not read back."""

    def parse(self, text: str) -> list[Message]:
        """Return the messages whose text it is; a generation prompt at its end is no message.

        Raises:
            RowError: `bad_turns`: it is not a text of this layout, or may be another conversation's too.
            StyleContractError: the layout is not reversible.
        """
