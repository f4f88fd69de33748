"""Views: the forms in which a dialect's table may ask for messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from preftemplates.core.messages import Message
from preftemplates.core.provenance import plain_data
from preftemplates.errors import Code, RowError, preview

ViewKind = Literal["messages", "message", "text", "turns"]
"""What a view yields: a list of messages, one message, a text, or a list of pairs of texts."""


@dataclass(frozen=True)
class Spelling:
    """How a dialect spells one message.

    Attributes:
        role: the key of the role.
        content: the key of the content.
        roles: other names for roles; those that are not named stay.
        only: whether a role that is not named is refused, and what a message holds beside role and content.
        dropped: the keys of a message that are refused.
    """

    role: str = "role"
    content: str = "content"
    roles: tuple[tuple[str, str], ...] = ()
    only: bool = False
    dropped: tuple[str, ...] = ()

    @property
    def identity(self) -> Any:
        """How messages are spelled as JSON-like data, for digests."""
        keys = {"role_key": self.role, "content_key": self.content}
        return {**keys, "roles": dict(self.roles), "only": self.only, "dropped": self.dropped}

    def spell(self, message: Message) -> dict[str, Any]:
        """The message in the dialect's words.

        Raises:
            RowError: `bad_role`, where the dialect has no name for its role; `unsupported_content`, where it has no
                place for what the message holds beside its content, or uses that place for the role or the content.
        """
        names = dict(self.roles)
        if self.only and message["role"] not in names:
            raise RowError(
                f"the dialect has no turn for the role {preview(message['role'])}", code=Code.BAD_ROLE,
                value=message["role"],
            )  # fmt: skip
        if self.only and set(message) - {"role", "content"}:
            _text(message)
        for name in set(self.dropped) & set(message):
            raise RowError(
                f"the dialect's framework drops {name!r} in silence",
                code=Code.UNSUPPORTED_CONTENT, value=message[name],  # type: ignore[literal-required]
            )  # fmt: skip
        keys = {"role": self.role, "content": self.content}
        for name in set(keys.values()) & (set(message) - set(keys)):
            raise RowError(
                f"the dialect has {preview(name)} for something else than the message has",
                code=Code.UNSUPPORTED_CONTENT, value=message[name],  # type: ignore[literal-required]
            )  # fmt: skip
        spelled = {keys.get(key, key): value for key, value in message.items()}
        return {**plain_data(spelled), self.role: names.get(message["role"], message["role"])}


def as_messages(messages: Sequence[Message], spelling: Spelling) -> list[dict[str, Any]]:
    """All messages."""
    return [spelling.spell(message) for message in messages]


def one_message(messages: Sequence[Message], spelling: Spelling) -> dict[str, Any]:
    """The only message.

    Raises:
        RowError: `bad_turns`, where there are others.
    """
    return spelling.spell(_only(messages))


def content(messages: Sequence[Message], spelling: Spelling) -> str:
    """The text of the only message, without a style.

    Raises:
        RowError: `bad_turns`, where there are others; `unsupported_content`, where it is more than text.
    """
    return _text(_only(messages))


def system(messages: Sequence[Message], spelling: Spelling) -> str:
    """The text of the system message that opens a conversation; empty where there is none."""
    return _text(messages[0]) if messages and messages[0]["role"] == "system" else ""


def without_system(messages: Sequence[Message], spelling: Spelling) -> list[dict[str, Any]]:
    """All messages but the system message that opens a conversation."""
    return as_messages(_turns(messages), spelling)


def history(messages: Sequence[Message], spelling: Spelling) -> list[list[str]]:
    """The questions and answers before the last question, as pairs of texts.

    Raises:
        RowError: `bad_turns`, where questions and answers do not alternate; `unsupported_content`, where one is more
            than text.
    """
    turns = _turns(messages)
    roles = [message["role"] for message in turns]
    if roles != ["user", "assistant"] * (len(roles) // 2) + ["user"]:
        raise RowError("the dialect has questions and answers in turn only, and a question last", code=Code.BAD_TURNS)
    texts = [_text(message) for message in turns[:-1]]
    return [list(pair) for pair in zip(texts[::2], texts[1::2], strict=True)]


def question(messages: Sequence[Message], spelling: Spelling) -> str:
    """The text of the last message, a user's.

    Raises:
        RowError: as `history`.
    """
    history(messages, spelling)
    return _text(messages[-1])


VIEWS: dict[str, tuple[ViewKind, Callable[[Sequence[Message], Spelling], Any]]] = {
    "messages": ("messages", as_messages),
    "message": ("message", one_message),
    "content": ("text", content),
    "system": ("text", system),
    "without_system": ("messages", without_system),
    "history": ("turns", history),
    "question": ("text", question),
}
"""The views by the name that a table gives them behind a dot, each with what it yields."""


def _turns(messages: Sequence[Message]) -> Sequence[Message]:
    return messages[1:] if messages and messages[0]["role"] == "system" else messages


def _only(messages: Sequence[Message]) -> Message:
    if len(messages) != 1:
        raise RowError(f"the dialect has room for one message here, got {len(messages)}", code=Code.BAD_TURNS)
    return messages[0]


def _text(message: Mapping[str, Any]) -> str:
    text = message.get("content")
    if not isinstance(text, str) or set(message) - {"role", "content"}:
        raise RowError(
            f"the dialect has room for text only in a turn of {preview(message['role'])}",
            code=Code.UNSUPPORTED_CONTENT, value=text,
        )  # fmt: skip
    return str("".join((text,)))
