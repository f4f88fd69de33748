"""What messages hold, as it is read from any source: calls of tools, results, parts, and keys without a value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from typing import TYPE_CHECKING, Any

from preftemplates.core.containers import is_gap, to_integer, to_object, to_plain, unwrap
from preftemplates.core.json_text import read_json, read_json_as, write_json
from preftemplates.core.media import MEDIA_KEYS, read_medium
from preftemplates.core.messages import CONTENT_KEYS, check_jsonlike
from preftemplates.core.paths import Steps, name_cell, spell_path
from preftemplates.core.provenance import Traced, derived, plain, plain_data
from preftemplates.errors import Code, ReadingChange, RowError, preview

if TYPE_CHECKING:
    from collections.abc import Sequence

_CALL_KEYS = ("tool_calls", "function_call")


@dataclass
class Reading:
    """What reading a row has changed in tools and in the arguments of calls.

    Attributes:
        nulls: how many null members of objects were dropped, by where they were: in `cells`, where a table may have
            filled them in, or in `texts` of JSON, where they were written.
        reformatted: how many JSON texts of arguments have another canonical text.
        parsed: the paths of the JSON texts that were read.
    """

    nulls: Counter[str] = field(default_factory=Counter)
    reformatted: int = 0
    parsed: set[str] = field(default_factory=set)

    def count_changes(self, is_table: bool) -> Counter[str]:
        """Return how often what was changed; of the cells of a table, nobody knows whether a null was written."""
        nulls = self.nulls["texts"] + (0 if is_table else self.nulls["cells"])
        counts = {str(ReadingChange.NULL_MEMBER): nulls, str(ReadingChange.REFORMATTED): self.reformatted}
        return Counter({change: count for change, count in counts.items() if count})


def drop_nulls(value: Any, nulls: Counter[str], where: str = "cells") -> Any:
    """Return JSON-like data without the null members of its objects; nulls in lists stay. NaN is null.

    >>> drop_nulls({"city": "Turku", "zone": None, "days": [1.0, None]}, Counter())
    {'city': 'Turku', 'days': [1, None]}
    """
    value = unwrap(value)
    if isinstance(value, str) or is_gap(value):
        return value if isinstance(value, str) else None
    if isinstance(value, list):
        value = to_object(value)
    if isinstance(value, Mapping):
        kept = {key: drop_nulls(item, nulls, where) for key, item in value.items()}
        nulls[where] += sum(item is None for item in kept.values())
        return {key: item for key, item in kept.items() if item is not None}
    if isinstance(value, list | tuple):
        return [drop_nulls(item, nulls, where) for item in value]
    return to_integer(value)


def clean_message(message: Mapping[str, Any], steps: Steps, reading: Reading) -> dict[str, Any]:
    """Return a message as every source gives it: lists and objects are Python's, and the arguments of calls objects.

    Keys without a value are absent, apart from `content`; so are the null members of parts, calls and arguments.

    Args:
        message: the message.
        steps: where the row has it, for errors.
        reading: counts what is changed.

    Raises:
        RowError: `wrong_type` where the arguments of a call are neither an object nor its JSON text.
    """
    if is_text_message(message) or not _is_walkable(message):
        return dict(message)
    cleaned: dict[str, Any] = {}
    for key, value in message.items():
        if (type(value) is str and key not in _CALL_KEYS) or (value is None and key == "content"):
            cleaned[key] = value
        elif value is not None:
            cleaned[key] = _clean_value(key, value, (*steps, key), reading)
    return cleaned


def is_text_message(message: Mapping[str, Any]) -> bool:
    """Return whether a message is a role and a text, as most are: nothing in it depends on a container."""
    return (
        len(message) == 2 and type(message.get("role")) in _TEXT_TYPES and type(message.get("content")) in _TEXT_TYPES
    )


_TEXT_TYPES = frozenset({str, Traced})


def _is_walkable(message: Mapping[str, Any]) -> bool:
    """Whether a message ends, and is not too large; one that does not is refused where it is checked."""
    if all(isinstance(value, str) for value in message.values()):
        return True
    try:
        check_jsonlike(message, 0)
    except RowError as error:
        return error.code is not Code.TOO_DEEP
    return True


def _clean_value(key: str, value: Any, steps: Steps, reading: Reading) -> Any:
    if key == "tool_calls":
        return _clean_calls(value, steps, reading)
    if key == "function_call":
        return _clean_function(value, steps, reading)
    value = unwrap(value)
    if key in MEDIA_KEYS:
        return list(value) if isinstance(value, tuple) else value
    if key == "content" and isinstance(value, list | tuple):
        return [_clean_part(part) for part in value]
    if key == "content":
        return drop_nulls(value, Counter())
    _refuse_moments(value, steps)
    return to_plain(value, integers=True)


def _clean_part(part: Any) -> Any:
    """A part without members that are null, as tables fill them in; what is not text in it stays as it is."""
    part = unwrap(part)
    if not isinstance(part, Mapping):
        return part
    given = {key: item for key, item in part.items() if item is not None}
    return plain_data(given) if read_medium(given) else given  # a path is opened, and no text of the conversation


def _clean_calls(calls: Any, steps: Steps, reading: Reading) -> Any:
    calls = unwrap(calls)
    if isinstance(calls, str):
        text, calls = calls, read_json_as(plain(calls), list)
        if isinstance(calls, str):
            raise _make_error(text, steps, "a list of calls or its JSON text")
        reading.parsed.add(spell_path(steps))
    if not isinstance(calls, list | tuple):
        return calls
    return [_clean_call(call, (*steps, index), reading) for index, call in enumerate(calls)]


def _clean_call(call: Any, steps: Steps, reading: Reading) -> Any:
    call = unwrap(call)
    if not isinstance(call, Mapping):
        return call
    if not isinstance(unwrap(call.get("function")), Mapping):
        return _clean_function(call, steps, reading)
    function = _clean_function(call["function"], (*steps, "function"), reading)
    others = drop_nulls({key: value for key, value in call.items() if key != "function"}, Counter())
    return {key: function if key == "function" else others[key] for key in call if key == "function" or key in others}


def _clean_function(function: Any, steps: Steps, reading: Reading) -> Any:
    """A name and arguments, which become an object."""
    function = unwrap(function)
    if not isinstance(function, Mapping):
        return function
    cleaned: dict[str, Any] = {}
    for key, value in function.items():
        if key == "arguments" and value is not None:
            cleaned[key] = _clean_arguments(value, (*steps, key), reading)
        elif value is not None:
            cleaned[key] = drop_nulls(value, reading.nulls)
    return cleaned


def _clean_arguments(arguments: Any, steps: Steps, reading: Reading) -> dict[str, Any]:
    value = unwrap(arguments)
    if isinstance(value, str):
        return _read_arguments(value, steps, reading)
    value = to_object(value) if isinstance(value, list) else value
    if not isinstance(value, Mapping):
        raise _make_error(value, steps, _ARGUMENTS)
    cleaned: dict[str, Any] = drop_nulls(value, reading.nulls)
    check_is_json(cleaned, steps)
    return cleaned


def _read_arguments(text: str, steps: Steps, reading: Reading) -> dict[str, Any]:
    """The object that a JSON text of arguments spells."""
    try:
        value = read_json(plain(text))
    except (ValueError, RecursionError):
        raise _make_error(text, steps, _ARGUMENTS) from None
    if not isinstance(value, dict) or not _is_walkable(value):
        raise _make_error(text, steps, _ARGUMENTS)
    cleaned: dict[str, Any] = drop_nulls(value, reading.nulls, "texts")
    reading.reformatted += write_json(cleaned) != text
    reading.parsed.add(spell_path(steps))
    return _derive(cleaned, text) if isinstance(text, Traced) else cleaned


def _derive(value: Any, source: str) -> Any:
    """The same value, whose texts know the text that they were read from."""
    if isinstance(value, str):
        return derived(value, [source])
    if isinstance(value, dict):
        return {key: _derive(item, source) for key, item in value.items()}
    return [_derive(item, source) for item in value] if isinstance(value, list) else value


_ARGUMENTS = "an object or its JSON text"


def _make_error(value: Any, steps: Steps, expected: str) -> RowError:
    return RowError(
        f"expected {expected}, got {preview(value)}", code=Code.WRONG_TYPE, column=name_cell(steps), value=value
    )


def check_is_json(value: Any, steps: Steps) -> None:
    """Refuse data in which something has no JSON, such as a moment in time.

    Raises:
        RowError: `wrong_type`, with the path and the fix.
    """
    if isinstance(value, Mapping | list | tuple):
        for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
            check_is_json(item, (*steps, key))
    elif not isinstance(value, str | int | float | None):
        raise RowError(
            f"expected JSON, got {preview(value)}{describe_fix(value)}",
            code=Code.WRONG_TYPE, column=name_cell(steps), value=value,
        )  # fmt: skip


def _refuse_moments(value: Any, steps: Steps) -> None:
    """Refuse a moment in time among the metadata of a turn, of which no output has a value."""
    if isinstance(value, Mapping | list | tuple):
        for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
            _refuse_moments(item, (*steps, key))
    elif describe_fix(value):
        raise RowError(
            f"expected text or a number, got {preview(value)}{describe_fix(value)}",
            code=Code.WRONG_TYPE, column=name_cell(steps), value=value,
        )  # fmt: skip


def describe_fix(value: Any) -> str:
    """Return how a row is read as it was written, where a reader has made a moment in time of a text; or nothing.

    >>> import datetime
    >>> describe_fix(datetime.date(2024, 5, 1)).partition(", in datasets")[0]
    '; the reader made it of a text: read the column as text'
    """
    if isinstance(value, date | time | timedelta) or getattr(getattr(value, "dtype", None), "kind", "") in ("m", "M"):
        return f"; the reader made it of a text: {_READ_AS_TEXT}"
    return ""


_READ_AS_TEXT = "read the column as text, in datasets with features=Features({...: Value('string')})"


def settle_content(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a message whose content is what chat templates take, in the one way in which it can be written.

    A content of one part that is a text is that text. The result of a tool that is an object is its JSON text, with
    sorted keys, since tables have an order of their own. Calls without a content have the content None.

    >>> settle_content({"role": "tool", "content": {"celsius": 31, "at": "noon"}})["content"]
    '{"at": "noon", "celsius": 31}'
    >>> settle_content({"role": "user", "content": [{"type": "text", "text": "Hi"}]})["content"]
    'Hi'
    """
    content = message.get("content")
    if isinstance(content, str):
        return message
    if content is None:
        return {**message, "content": None} if "content" not in message and _has_calls(message) else message
    if isinstance(content, Mapping) and message.get("role") == "tool":
        return {**message, "content": derived(_write_result(content), [content])}
    text = _find_lone_text(content)
    return message if text is None else {**message, "content": text}


def _has_calls(message: Mapping[str, Any]) -> bool:
    """Whether a message carries calls or anything else without a content."""
    return any(message.get(key) is not None for key in CONTENT_KEYS)


def _write_result(result: Mapping[str, Any]) -> str:
    cleaned = drop_nulls(result, Counter())
    check_is_json(cleaned, ("content",))
    return write_json(_sort_keys(cleaned))


def _sort_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sort_keys(value[key]) for key in sorted(value, key=str)}
    return [_sort_keys(item) for item in value] if isinstance(value, list) else value


def _find_lone_text(content: Any) -> str | None:
    """The text of the only part, if that is a text and nothing else."""
    if not isinstance(content, list) or len(content) != 1 or not isinstance(content[0], Mapping):
        return None
    text = content[0].get("text")
    others = [key for key, value in content[0].items() if value is not None and key not in ("type", "text")]
    return text if content[0].get("type") == "text" and isinstance(text, str) and not others else None


def make_comparable(message: Mapping[str, Any]) -> Any:
    """Return what makes a message the same turn as another one: its role, its content and what carries content.

    Metadata is not part of it, such as a time, or the id of a turn or a call.
    """
    if is_text_message(message):
        return message
    settled = settle_content(clean_message(message, (), Reading()))
    comparable = {key: settled[key] for key in _COMPARED_KEYS if settled.get(key) is not None}
    calls = comparable.get("tool_calls")
    if isinstance(calls, list):
        comparable["tool_calls"] = [_drop_id(call) for call in calls]
    return comparable


_COMPARED_KEYS = ("role", "content", "name", *CONTENT_KEYS)


def _drop_id(call: Any) -> Any:
    return {key: value for key, value in call.items() if key != "id"} if isinstance(call, Mapping) else call


def list_comparable(messages: Sequence[Any]) -> list[Any]:
    """Return what is compared of each message of a conversation; what is not a message is compared as it is."""
    return [make_comparable(message) if isinstance(message, Mapping) else message for message in messages]
