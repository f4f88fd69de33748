"""The interface of layouts, which role templates and chat templates implement and all other code uses."""

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
    """A layout turns messages into text.

    `Fragments` and `ChatTemplate` implement it, and other classes may. A layout is immutable and hashable, and two
    layouts are equal if they hold the same data.
    """

    # --- what it is ------------------------------------------------------------------------------------------------

    @property
    def opening(self) -> str:
        """The text written once, before everything else."""

    @property
    def closing(self) -> str:
        """The text written once, after everything else, unless the text ends with a generation prompt."""

    @property
    def stop(self) -> str:
        """The text that ends an assistant's turn; empty if nothing does."""

    @property
    def stops(self) -> tuple[str, ...]:
        """All texts that end an assistant's turn: `stop`, and those that appear only before another turn."""

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that have a turn."""

    @property
    def reasoning(self) -> Reasoning:
        """The policy for the thinking in assistant's turns."""

    @property
    def source(self) -> str | None:
        """The chat template that the layout renders; None if it does not render one."""

    @property
    def variables(self) -> Mapping[str, Any]:
        """The variables of that chat template next to the messages."""

    @property
    def limits(self) -> Limits | None:
        """The resources that a render may use; None for a trusted layout."""

    @property
    def isolate(self) -> bool:
        """Whether the layout renders in a separate process."""

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
        """Yield the text of the prompt with the generation prompt, then the text of the prompt with each response.

        The texts and errors are those of `text`. If the texts show the time, all show the same moment.
        """

    def render(self, messages: Sequence[Message], add_generation_prompt: bool) -> Rendered:
        """Return the text of a conversation, with its spans and changes on demand.

        Raises:
            RowError: the layout cannot write the messages.
        """

    def export(self) -> str:
        """Return the layout as a Hugging Face chat template, with the header from which it can be read back."""

    # --- the same layout with something else -----------------------------------------------------------------------

    def between(self, opening: str, closing: str) -> Layout:
        """Return the layout with another opening and closing."""

    def with_reasoning(self, reasoning: Reasoning) -> Layout:
        """Return the layout with another policy for thinking."""

    def with_date(self, moment: datetime) -> Layout:
        """Return the layout with a fixed moment for each date or time that it asks for."""

    def with_token(self, name: str, token: str) -> Layout:
        """Return the layout with another value for `bos_token` or `eos_token` in its chat template."""

    @property
    def prints_tools(self) -> bool:
        """Whether the layout prints tools, or rejects them itself."""

    def with_tools(self, tools: str) -> Layout:
        """Return the layout with a list of tools, given as JSON text.

        Raises:
            RowError: `unsupported_content` if there is no place for tools; `wrong_type` if it is not a JSON list of
                objects.
        """

    def without_tools(self) -> Layout:
        """Return the layout without tools."""

    # --- parsing ---------------------------------------------------------------------------------------------------

    @property
    def reversible(self) -> bool:
        """Whether `parse` can read the texts of the layout."""

    @property
    def turn_marks(self) -> frozenset[str]:
        """The texts that tell turns apart; a content that spells one of them cannot be parsed back."""

    def parse(self, text: str) -> list[Message]:
        """Return the messages of a text; a generation prompt at its end is not a message.

        Raises:
            RowError: `bad_turns` if it is not a text of this layout, or is also the text of another conversation.
            StyleContractError: the layout is not reversible.
        """
