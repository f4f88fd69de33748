"""Differences between two styles on the same conversations."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from preftemplates.errors import RowError, UnknownNameError, did_you_mean, one_line, preview
from preftemplates.styles.environment import FixedMoment
from preftemplates.styles.lint.conversations import CONVERSATIONS, ProbeConversation
from preftemplates.styles.lint.probes import add_tools
from preftemplates.styles.style import Style

if TYPE_CHECKING:
    from collections.abc import Iterable


class Agreement(StrEnum):
    """The outcome of two styles on one conversation."""

    EQUAL = "equal"
    DIFFERS = "differs"
    ONLY_A = "only_a"
    ONLY_B = "only_b"
    BOTH_REFUSE = "both_refuse"

    @property
    def alike(self) -> bool:
        """Whether it makes no difference which of the two styles is used."""
        return self in (Agreement.EQUAL, Agreement.BOTH_REFUSE)


class Difference(NamedTuple):
    """The results of two styles on one conversation: the text of each, or the reason why there is none."""

    name: str
    a: str | None
    b: str | None
    reason_a: str | None = None
    reason_b: str | None = None

    @property
    def verdict(self) -> Agreement:
        """Whether the texts are equal, or which of them exists."""
        if self.a is None:
            return Agreement.BOTH_REFUSE if self.b is None else Agreement.ONLY_B
        if self.b is None:
            return Agreement.ONLY_A
        return Agreement.EQUAL if self.a == self.b else Agreement.DIFFERS

    def as_json(self) -> dict[str, Any]:
        """Return the difference as plain data, without absent values."""
        facts = {key: value for key, value in self._asdict().items() if value is not None}
        return {"name": facts.pop("name"), "verdict": str(self.verdict), **facts}


def compare_styles(a: Style, b: Style, names: Iterable[str] = CONVERSATIONS) -> tuple[Difference, ...]:
    """Compare two styles on the fixed conversations, and return all results in order, equal ones included.

    Example:
        >>> from preftemplates import get_style
        >>> zephyr, human_assistant = get_style("zephyr"), get_style("human-assistant")
        >>> differences = compare_styles(zephyr, human_assistant, ["one turn", "a system message"])
        >>> [(difference.name, str(difference.verdict)) for difference in differences]
        [('one turn', 'differs'), ('a system message', 'only_a')]

    Args:
        a: a style.
        b: another one.
        names: names of conversations in `preftemplates.styles.lint.conversations.CONVERSATIONS`; by default all.

    Raises:
        UnknownNameError: there is no conversation with one of these names.
    """
    with FixedMoment():  # texts that show the time must not differ by it
        return tuple(_compare_texts(name, find_conversation(name), a, b) for name in names)


def find_conversation(name: str) -> ProbeConversation:
    """Return the fixed conversation with a name.

    Raises:
        UnknownNameError: there is none; the message suggests the nearest name.
    """
    if name not in CONVERSATIONS:
        names = ", ".join(map(repr, CONVERSATIONS))
        guess = did_you_mean(name, CONVERSATIONS)
        raise UnknownNameError(f"no conversation {preview(name)}.{guess or f' There are: {names}'}")
    return CONVERSATIONS[name]


def _compare_texts(name: str, conversation: ProbeConversation, a: Style, b: Style) -> Difference:
    (text_a, reason_a), (text_b, reason_b) = _render(a, conversation), _render(b, conversation)
    return Difference(name, text_a, text_b, reason_a, reason_b)


def _render(style: Style, conversation: ProbeConversation) -> tuple[str | None, str | None]:
    """Return the text of a conversation, or the reason why there is none as one printable line."""
    style_with_tools = Style.of(add_tools(style.layout, conversation.tools), style.name)
    try:
        return style_with_tools.render(conversation.messages, conversation.add_generation_prompt).text, None
    except RowError as error:
        return None, one_line(error.message, 200)
