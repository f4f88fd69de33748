"""Messages: their roles and content keys, and how messages from rows are normalised and checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, NotRequired

from typing_extensions import TypedDict

from preftemplates.core.paths import spell_path
from preftemplates.core.provenance import plain
from preftemplates.errors import Code, RowError, did_you_mean, one_line, preview

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

ROLES = ("system", "developer", "user", "assistant", "tool")
"""The roles that a message may have; a style may declare more."""

CONTENT_KEYS = (
    "tool_calls",
    "function_call",
    "reasoning_content",
    "reasoning",
    "thinking",
    "images",
    "audio",
    "videos",
)
"""The keys besides `content` that carry content: a text without one of them would lose something."""

CONTENT_TOKENS = ("<think>", "</think>", "<tool_call>", "</tool_call>")
"""Marks that an assistant writes itself; content may become the token of that name, if a tokenizer has one."""

SURROGATE = "holds a lone surrogate, which is not a character"

MAX_DEPTH = 250
"""How deeply a value, or what a message holds, may be nested; deeper ones could not be traversed."""

_MAX_VALUES = 1_000_000
"""The most values that a message may hold."""

_MAX_DIGITS = 4300
"""The most digits that a whole number may have: as many as Python converts to a string."""

_TOO_LARGE = 10**_MAX_DIGITS


class Message(TypedDict):
    """One turn: a role, and content that is text, typed parts or None; other keys are kept as they are."""

    role: str
    content: NotRequired[str | list[dict[str, Any]] | None]


Message.__pydantic_config__ = {"extra": "allow", "strict": True}  # type: ignore[attr-defined]


def normalise_message(message: Any, index: int) -> Message:
    """Return a message as a new dict without null keys, with a plain role and text or parts as its content.

    A content of None stays, because chat templates look it up: a message of tool calls alone has it.

    Args:
        message: any mapping.
        index: its place among the messages, for errors.

    Raises:
        RowError: it is not a mapping, has no role, its content is neither text nor a list of typed parts, or it fails
            `check_jsonlike`.
    """
    if type(message) is dict and is_simple(message):
        return message.copy()  # type: ignore[return-value]
    if not isinstance(message, Mapping):
        fault = f"expected role and content, got {preview(message)}"
        raise make_message_error(fault, index, code=Code.WRONG_TYPE, value=message)
    normal = {key: value for key, value in message.items() if value is not None or key == "content"}
    role, content = normal.get("role"), normal.get("content")
    if not isinstance(role, str):
        fault = f"expected a role, got {preview(role)}"
        raise make_message_error(fault, index, "role", code=Code.BAD_ROLE, value=role)
    if content is None and not normal.keys() - {"role", "content"}:
        fault = f"a turn of {preview(role)} has no content"
        raise make_message_error(fault, index, "content", code=Code.MISSING_FIELD)
    if content is not None and not isinstance(content, str | list):
        fault = f"expected text or typed parts, got {preview(content)}"
        raise make_message_error(fault, index, "content", code=Code.WRONG_TYPE, value=content)
    if len(normal) > 2 or not _is_ascii_text(content):
        check_jsonlike(normal, index)
    normal["role"] = plain(role)
    return normal  # type: ignore[return-value]


def check_roles(messages: Iterable[Message], roles: Collection[str], start: int = 0) -> None:
    """Check that every role is among `roles`; `start` is the index of the first message, for errors.

    Raises:
        RowError: `bad_role`, with the nearest role.
    """
    for index, message in enumerate(messages, start):
        role = message["role"]
        if role not in roles:
            reason = f"expected one of the roles {', '.join(roles)}; got {preview(role)}.{did_you_mean(role, roles)}"
            raise make_message_error(reason, index, "role", code=Code.BAD_ROLE, value=role)


def check_response(messages: Sequence[Message], response: str) -> None:
    """Check that a response begins and ends with an assistant's message.

    A prompt cannot lead to any other beginning, and a model would learn any other ending as an answer that nobody
    gave.

    Raises:
        RowError: `bad_turns`.
    """
    if not messages or messages[0]["role"] != "assistant":
        found = f"begins with a turn of {preview(messages[0]['role'])}" if messages else "has no message"
        raise RowError(f"{response} {found}, expected an answer", code=Code.BAD_TURNS)
    if messages[-1]["role"] != "assistant":
        last = preview(messages[-1]["role"])
        raise RowError(f"{response} ends with a turn of {last}, expected an answer", code=Code.BAD_TURNS)


def check_content_parts(messages: Iterable[Message]) -> None:
    """Check that every part of a content has a type, and that a text part has text.

    Raises:
        RowError: `wrong_type`.
    """
    for index, message in enumerate(messages):
        content = message.get("content")
        if not isinstance(content, list):
            continue
        for at, part in enumerate(content):
            kind = part.get("type") if isinstance(part, Mapping) else None
            if not isinstance(kind, str) or (kind == "text" and not isinstance(part.get("text"), str)):
                fault = f"expected a part with a type, and with a text if the type is 'text'; got {preview(part)}"
                raise make_message_error(fault, index, "content", at, code=Code.WRONG_TYPE, value=part)


def list_message_texts(messages: Iterable[Message]) -> list[str]:
    """Return all texts of messages, including those in typed parts."""
    texts: list[str] = []
    for message in messages:
        content = message.get("content")
        if isinstance(content, str):
            texts.append(content)
        else:
            texts += [part["text"] for part in content or () if isinstance(part.get("text"), str)]
    return texts


def check_jsonlike(value: Any, index: int, path: tuple[str | int, ...] = (), room: list[int] | None = None) -> None:
    """Check that a value can be traversed, and that every process and file format writes it in the same way.

    Numbers may be NaN and infinite, since chat templates print them as transformers does. An object of another type,
    such as an image, passes: it is the user's data, and code that prints it reports that it has no text.

    Args:
        value: a message, or a value inside it.
        index: the message's place among the others, for errors.
        path: the path of the value in the message, for errors.
        room: how many more values the message may hold; a list that occurs in several places counts in each of them.

    Raises:
        RowError: `wrong_type` for a key that is not a string; `bad_text` for a lone surrogate; `bad_number` for a
            whole number of more than 4,300 digits; `too_deep` for lists and mappings nested more than 250 deep or
            inside themselves, and for more than a million values.

    Example:
        >>> check_jsonlike({"role": "user", "args": [1, {2: "b"}]}, 3)
        Traceback (most recent call last):
        preftemplates.errors.RowError: message 3: args[1] has the key 2, expected a string [wrong_type]
    """
    if isinstance(value, str):
        if has_surrogate(value):
            raise _message_error(SURROGATE, Code.BAD_TEXT, value, index, path)
    elif isinstance(value, int):
        if not -_TOO_LARGE < value < _TOO_LARGE:
            raise _message_error(
                f"is a number with more than {_MAX_DIGITS:,} digits", Code.BAD_NUMBER, None, index, path
            )
    elif isinstance(value, dict | list | tuple | Mapping):
        room = [_MAX_VALUES] if room is None else room
        _check_size(value, index, path, room)
        for key, item in _list_items(value, index, path):
            if not _is_ascii_text(item):
                check_jsonlike(item, index, (*path, key), room)


def _check_size(value: Any, index: int, path: tuple[str | int, ...], room: list[int]) -> None:
    if len(path) > MAX_DEPTH:
        raise _message_error(f"is nested more than {MAX_DEPTH} deep", Code.TOO_DEEP, None, index, path[:1])
    room[0] -= len(value)
    if room[0] < 0:
        raise _message_error(f"holds more than {_MAX_VALUES:,} values", Code.TOO_DEEP, None, index, path[:1])


def _list_items(value: Any, index: int, path: tuple[str | int, ...]) -> Iterator[tuple[Any, Any]]:
    """Yield the items of a list or mapping by index or by checked key."""
    if isinstance(value, list | tuple):
        yield from enumerate(value)
        return
    for key, item in value.items():
        if not _is_ascii_text(key):
            _check_key(key, index, path)
        yield key, item


def _check_key(key: Any, index: int, path: tuple[str | int, ...]) -> None:
    """Check that a key of a mapping is a string and is valid Unicode.

    Raises:
        RowError: `wrong_type` or `bad_text`.
    """
    if not isinstance(key, str):
        raise _message_error(f"has the key {preview(key)}, expected a string", Code.WRONG_TYPE, key, index, path)
    if has_surrogate(key):
        raise _message_error(f"has the key {preview(key)}, which {SURROGATE}", Code.BAD_TEXT, key, index, path)


class MessagePlace(NamedTuple):
    """A place in one of several messages.

    Attributes:
        message: the message's index.
        steps: the keys and indices that lead from the message to the place.
        fault: what is wrong there, without the place.
    """

    message: int
    steps: tuple[str | int, ...]
    fault: str


def make_message_error(fault: str, index: int, *steps: str | int, **facts: Any) -> RowError:
    """Return the error for a place in a message, with the message's index in its text.

    Args:
        fault: what is wrong there.
        index: the message's index.
        steps: the keys and indices that lead from the message to the place.
        facts: the facts of the error.
    """
    place = f"message {index}" + (f": {one_line(spell_path(steps))}" if steps and steps != ("role",) else "")
    is_sentence = fault.partition(" ")[0] in ("has", "holds", "is")
    error = RowError(f"{place}{' ' if is_sentence else ': '}{fault}", **facts)
    error.message_place = MessagePlace(index, steps, fault)
    return error


def locate_message_error(error: RowError, *place: str | int) -> RowError:
    """Return the same error with the path of the value in the row, now that the column of the messages is known.

    >>> error = make_message_error("expected a role, got None", 1, "role", code=Code.BAD_ROLE)
    >>> str(locate_message_error(error, "chosen"))
    "column 'chosen[1].role': expected a role, got None [bad_role]"
    """
    where: MessagePlace | None = error.message_place
    if where is None or error.column is not None:
        return error
    path = spell_path((*place, where.message, *where.steps))
    return RowError(where.fault, **{**error.facts, "column": path})


def _message_error(fault: str, code: Code, value: Any, index: int, path: tuple[str | int, ...]) -> RowError:
    return make_message_error(fault, index, *path, code=code, value=value)


def has_surrogate(text: str) -> bool:
    r"""Return whether a text holds a lone surrogate and so is not valid Unicode.

    >>> has_surrogate("\ud83e"), has_surrogate("🪴")
    (True, False)
    """
    if text.isascii():  # Python stores this flag, so the common case is fast
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def is_simple(message: Mapping[str, Any]) -> bool:
    """Return whether a message is just a role and an ASCII text, as most are; it then needs no further checks."""
    return len(message) == 2 and type(message.get("role")) is str and _is_ascii_text(message.get("content"))


def _is_ascii_text(value: Any) -> bool:
    """Return whether a value is an ASCII text, as most are; it then needs no further checks."""
    return isinstance(value, str) and value.isascii()
