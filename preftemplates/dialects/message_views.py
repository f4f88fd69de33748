"""Message views: the forms in which a dialect's table may ask for messages."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from preftemplates.core.media import MEDIA_COLUMNS
from preftemplates.core.provenance import plain_data
from preftemplates.dialects.chat_api import spell_api_messages
from preftemplates.errors import Code, RowError, preview

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from preftemplates.core.messages import Message
    from preftemplates.dialects.media import MediaSpelling

ViewKind = Literal["messages", "message", "text", "turns"]
"""The type of a view's value: a list of messages, one message, a text, or a list of pairs of texts."""


@dataclass(frozen=True)
class MessageKeys:
    """The keys and role names with which a dialect spells a message.

    Attributes:
        role: the key of the role.
        content: the key of the content.
        roles: the framework's names for roles; other roles stay unchanged.
        only: whether roles without a name are rejected, and any value next to role and content.
        dropped: keys of a message that are rejected.
        calls_role: the role of a turn that calls tools, with the calls as JSON text; empty if there is none.
        media: how a medium is shown.
    """

    role: str = "role"
    content: str = "content"
    roles: tuple[tuple[str, str], ...] = ()
    only: bool = False
    dropped: tuple[str, ...] = ()
    calls_role: str = ""
    media: MediaSpelling = "inline"

    @property
    def identity(self) -> Any:
        """The spelling of messages as JSON-like data, for digests."""
        keys = {"role_key": self.role, "content_key": self.content}
        calls = {"calls_role": self.calls_role} if self.calls_role else {}
        media = {} if self.media == "inline" else {"media": self.media}
        return {**keys, "roles": dict(self.roles), "only": self.only, "dropped": self.dropped, **calls, **media}

    def spell(self, message: Message) -> dict[str, Any]:
        """Return the message in the dialect's keys and role names.

        Raises:
            RowError: `bad_role` if the dialect has no name for the role; `unsupported_content` if it has no place for
                a value next to the content, or uses the name of its key for the role or the content.
        """
        names = dict(self.roles)
        if self.only and message["role"] not in names:
            raise RowError(
                f"the dialect has no turn for the role {preview(message['role'])}", code=Code.BAD_ROLE,
                value=message["role"],
            )  # fmt: skip
        if self.calls_role and message.get("tool_calls"):
            return {self.role: self.calls_role, self.content: _write_calls(message)}
        if self.only and set(message) - {"role", "content"}:
            _read_text(message)
        for name in filter(message.__contains__, self.dropped):
            raise RowError(
                f"the dialect's framework silently drops {name!r}",
                code=Code.UNSUPPORTED_CONTENT, value=message[name],  # type: ignore[literal-required]
            )  # fmt: skip
        keys = {"role": self.role, "content": self.content}
        for name in (self.role, self.content):
            if name in keys or name not in message:
                continue
            raise RowError(
                f"the dialect uses the key {preview(name)} for the {'role' if name == self.role else 'content'},"
                " but the message has another value there",
                code=Code.UNSUPPORTED_CONTENT, value=message[name],  # type: ignore[literal-required]
            )  # fmt: skip
        spelled: dict[str, Any] = plain_data({keys.get(key, key): value for key, value in message.items()})
        spelled[self.role] = names.get(message["role"], message["role"])
        return spelled


class MessageView(NamedTuple):
    """A form in which a table may ask for messages.

    Attributes:
        kind: the type of its value.
        build: the function that builds the value.
        needs_prompt: whether the spelling of a response depends on the turns before it; `build` then gets these turns
            as a third argument.
        media: the kinds of media that typed parts of the messages may show.
    """

    kind: ViewKind
    build: Callable[..., Any]
    needs_prompt: bool = False
    media: tuple[str, ...] = ()


def _spell_messages(messages: Sequence[Message], keys: MessageKeys) -> list[dict[str, Any]]:
    """Spell all messages."""
    return [keys.spell(message) for message in messages]


def _spell_only_message(messages: Sequence[Message], keys: MessageKeys) -> dict[str, Any]:
    """Spell a single message.

    Raises:
        RowError: `bad_turns` if there are several messages.
    """
    return keys.spell(_require_single(messages))


def _read_only_content(messages: Sequence[Message], _: MessageKeys) -> str:
    """Return the text of a single message, without a style.

    Raises:
        RowError: `bad_turns` if there are several messages; `unsupported_content` if the message is more than text.
    """
    return _read_text(_require_single(messages))


def _spell_flat(messages: Sequence[Message], keys: MessageKeys) -> list[dict[str, Any]]:
    """Spell all messages for frameworks that read them as a table, which gives nested values the keys of all others.

    Raises:
        RowError: `unsupported_content` if a message holds a list or an object, such as tool calls.
    """
    for message in messages:
        for key, value in message.items():
            if isinstance(value, list | dict):
                raise RowError(
                    f"the dialect's framework reads messages as a table, which would add keys to {preview(key)}",
                    code=Code.UNSUPPORTED_CONTENT, value=value,
                )  # fmt: skip
    return _spell_messages(messages, keys)


def _spell_for_api(
    messages: Sequence[Message], _: MessageKeys, before: Sequence[Message] = ()
) -> list[dict[str, Any]]:
    """Spell all messages in the form of OpenAI's API (`preftemplates.dialects.chat_api`)."""
    return spell_api_messages([*before, *messages])[len(before) :]


def _spell_only_for_api(messages: Sequence[Message], _: MessageKeys, before: Sequence[Message] = ()) -> dict[str, Any]:
    """Spell a single message in the form of OpenAI's API.

    Raises:
        RowError: `bad_turns` if there are several messages; as in `spell_api_messages`.
    """
    return spell_api_messages([*before, _require_single(messages)])[-1]


def _read_system(messages: Sequence[Message], _: MessageKeys) -> str:
    """Return the text of the system message that opens a conversation; empty if there is none."""
    return _read_text(messages[0]) if messages and messages[0]["role"] == "system" else ""


def _spell_without_system(messages: Sequence[Message], keys: MessageKeys) -> list[dict[str, Any]]:
    """Spell all messages except a system message at the start."""
    return _spell_messages(_skip_system(messages), keys)


def _read_history(messages: Sequence[Message], _: MessageKeys) -> list[list[str]]:
    """Return the questions and answers before the last question, as pairs of texts.

    Raises:
        RowError: `bad_turns` if questions and answers do not alternate; `unsupported_content` if one is more than
            text.
    """
    turns = _skip_system(messages)
    roles = [message["role"] for message in turns]
    if roles != ["user", "assistant"] * (len(roles) // 2) + ["user"]:
        raise RowError(
            "the dialect needs alternating questions and answers, with a question last", code=Code.BAD_TURNS
        )
    texts = [_read_text(message) for message in turns[:-1]]
    return [list(pair) for pair in zip(texts[::2], texts[1::2], strict=True)]


def _spell_in_turn(messages: Sequence[Message], keys: MessageKeys, *, ends: str) -> list[dict[str, Any]]:
    """Spell all messages; turns of a user or tool must alternate with an assistant's, after an optional system turn.

    Raises:
        RowError: `bad_turns` if they do not alternate, or the last turn is not of the kind `ends`.
    """
    spelled = _spell_messages(messages, keys)
    turns = _skip_system(messages)
    kinds = ["asks" if message["role"] in ("user", "tool") else message["role"] for message in turns]
    if not kinds or kinds[-1] != ends or kinds != [("asks", "assistant")[turn % 2] for turn in range(len(kinds))]:
        raise RowError(
            "the dialect needs turns of a user or tool that alternate with the assistant's, with a user's first",
            code=Code.BAD_TURNS,
        )
    return spelled


def _read_question(messages: Sequence[Message], keys: MessageKeys) -> str:
    """Return the text of the last message, a user's.

    Raises:
        RowError: as in `_read_history`.
    """
    _read_history(messages, keys)
    return _read_text(messages[-1])


def _spell_dialogue(messages: Sequence[Message], keys: MessageKeys) -> list[dict[str, Any]]:
    """Spell messages that are text only, in which questions and answers alternate and an answer is last.

    Raises:
        RowError: `bad_turns` or `unsupported_content` for any other messages.
    """
    if [message["role"] for message in messages] != ["user", "assistant"] * (len(messages) // 2):
        raise RowError("the dialect needs alternating questions and answers, with an answer last", code=Code.BAD_TURNS)
    return [{keys.role: keys.spell(message)[keys.role], keys.content: _read_text(message)} for message in messages]


def _spell_conversation(messages: Sequence[Message], keys: MessageKeys) -> list[dict[str, Any]]:
    """Spell a dialogue that a system message may open.

    Raises:
        RowError: as in `_spell_dialogue`, and for a conversation without a question.
    """
    turns = _skip_system(messages)
    if not turns:
        raise RowError("the dialect needs at least a question and its answer", code=Code.BAD_TURNS)
    return _spell_messages(messages[: len(messages) - len(turns)], keys) + _spell_dialogue(turns, keys)


_ALL_MEDIA = tuple(MEDIA_COLUMNS)

MESSAGE_VIEWS: dict[str, MessageView] = {
    "messages": MessageView("messages", _spell_messages, media=_ALL_MEDIA),
    "message": MessageView("message", _spell_only_message, media=_ALL_MEDIA),
    "content": MessageView("text", _read_only_content),
    "flat_messages": MessageView("messages", _spell_flat),
    "openai_messages": MessageView("messages", _spell_for_api, needs_prompt=True, media=("image",)),
    "openai_message": MessageView("message", _spell_only_for_api, needs_prompt=True, media=("image",)),
    "system": MessageView("text", _read_system),
    "without_system": MessageView("messages", _spell_without_system, media=_ALL_MEDIA),
    "dialogue": MessageView("messages", _spell_dialogue),
    "conversation": MessageView("messages", _spell_conversation),
    "history": MessageView("turns", _read_history),
    "question": MessageView("text", _read_question),
    "asking": MessageView("messages", partial(_spell_in_turn, ends="asks"), media=_ALL_MEDIA),
    "answering": MessageView("messages", partial(_spell_in_turn, ends="assistant"), media=_ALL_MEDIA),
}
"""The views by the names that tables give them after a dot."""


def _skip_system(messages: Sequence[Message]) -> Sequence[Message]:
    return messages[1:] if messages and messages[0]["role"] == "system" else messages


def _require_single(messages: Sequence[Message]) -> Message:
    if len(messages) != 1:
        raise RowError(f"the dialect has a place for one message, but there are {len(messages)}", code=Code.BAD_TURNS)
    return messages[0]


def _read_text(message: Mapping[str, Any]) -> str:
    text = message.get("content")
    if not isinstance(text, str) or set(message) - {"role", "content"}:
        raise RowError(
            f"the dialect accepts only text in a turn of {preview(message['role'])}",
            code=Code.UNSUPPORTED_CONTENT, value=text,
        )  # fmt: skip
    return str("".join((text,)))


def _write_calls(message: Mapping[str, Any]) -> str:
    """Return the calls of a turn that only calls functions as JSON text: one object, or a list of several.

    Raises:
        RowError: `unsupported_content` if the turn or a call holds anything that the text has no place for.
    """
    calls = [_read_call(call) for call in message["tool_calls"]]
    if message.get("content") or set(message) - {"role", "content", "tool_calls"} or None in calls:
        raise RowError(
            "the dialect accepts only tool calls with a name and arguments, in a turn without text",
            code=Code.UNSUPPORTED_CONTENT, value=message["tool_calls"],
        )  # fmt: skip
    return json.dumps(plain_data(calls[0] if len(calls) == 1 else calls), ensure_ascii=False)


def _read_call(call: Any) -> dict[str, Any] | None:
    """Return the name and arguments of a call; None if it is not a function call or holds more."""
    function = call.get("function") if isinstance(call, dict) and call.get("type", "function") == "function" else None
    if not isinstance(function, dict) or set(call) - {"type", "function"} or set(function) != {"name", "arguments"}:
        return None
    return function if isinstance(function["name"], str) and isinstance(function["arguments"], dict) else None
