"""Read what messages hold, such as tool calls, results and parts, in the same way from every source."""

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
    """The changes that reading a row has made to its tools and to the arguments of calls.

    Attributes:
        nulls: how many null members of objects were dropped, by place: `cells` for values that a table may have filled
            in, `texts` for JSON texts, in which somebody wrote them.
        reformatted: how many JSON texts of arguments differ from their canonical text.
        parsed: the paths of the JSON texts that were parsed.
    """

    nulls: Counter[str] = field(default_factory=Counter)
    reformatted: int = 0
    parsed: set[str] = field(default_factory=set)

    def count_changes(self, is_table: bool) -> Counter[str]:
        """Count the changes by kind; nulls of a table's values do not count, as the table may have added them."""
        nulls = self.nulls["texts"] + (0 if is_table else self.nulls["cells"])
        counts = {str(ReadingChange.NULL_MEMBER): nulls, str(ReadingChange.REFORMATTED): self.reformatted}
        return Counter({change: count for change, count in counts.items() if count})


def drop_nulls(value: Any, nulls: Counter[str], where: str = "cells") -> Any:
    """Return JSON-like data without the null members of its objects; nulls in lists stay. NaN counts as null.

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
    """Return a message in canonical form: Python lists and objects, and the arguments of calls as objects.

    Keys with a null value are dropped, except `content`. So are the null members of parts, calls and arguments.

    Args:
        message: the message.
        steps: the path of the message in the row, for errors.
        reading: counts the changes.

    Raises:
        RowError: `wrong_type` if the arguments of a call are neither an object nor its JSON text.
    """
    # walking a message that contains itself would exceed the recursion limit
    if is_text_message(message) or not _is_walkable(message):
        return dict(message)
    cleaned: dict[str, Any] = {}
    for key, value in message.items():
        # calls may be JSON text; a null content stays, since chat templates look the key up
        if (type(value) is str and key not in _CALL_KEYS) or (value is None and key == "content"):
            cleaned[key] = value
        elif value is not None:
            cleaned[key] = _clean_value(key, value, (*steps, key), reading)
    return cleaned


def is_text_message(message: Mapping[str, Any]) -> bool:
    """Return whether a message is just a role and a string, as most are, so that its container does not matter."""
    return (
        len(message) == 2 and type(message.get("role")) in _TEXT_TYPES and type(message.get("content")) in _TEXT_TYPES
    )


_TEXT_TYPES = frozenset({str, Traced})  # exact types: another subclass, such as numpy.str_, is made plain


def _is_walkable(message: Mapping[str, Any]) -> bool:
    """Return whether a message is finite and not too large; any other is rejected later, where it is checked."""
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
    if key in MEDIA_KEYS:  # not walked: the items may be images of PIL
        return list(value) if isinstance(value, tuple) else value
    if key == "content" and isinstance(value, list | tuple):
        return [_clean_part(part) for part in value]
    if key == "content":
        return drop_nulls(value, Counter())
    _refuse_moments(value, steps)
    return to_plain(value, integers=True)


def _clean_part(part: Any) -> Any:
    """Return a part without its null members, with which tables fill it; other members stay as they are."""
    part = unwrap(part)
    if not isinstance(part, Mapping):
        return part
    given = {key: item for key, item in part.items() if item is not None}
    return plain_data(given) if read_medium(given) else given  # a medium's path is opened, so it must be plain


def _clean_calls(calls: Any, steps: Steps, reading: Reading) -> Any:
    calls = unwrap(calls)
    if isinstance(calls, str):
        text, calls = calls, read_json_as(plain(calls), list)
        if isinstance(calls, str):
            raise _make_error(text, steps, "a list of calls or its JSON text")
        reading.parsed.add(spell_path(steps))  # JSON escapes move characters, so its parts have no offsets in the text
    if not isinstance(calls, list | tuple):
        return calls
    return [_clean_call(call, (*steps, index), reading) for index, call in enumerate(calls)]


def _clean_call(call: Any, steps: Steps, reading: Reading) -> Any:
    call = unwrap(call)
    if not isinstance(call, Mapping):
        return call
    if not isinstance(unwrap(call.get("function")), Mapping):  # a flat call: its name and arguments are its own keys
        return _clean_function(call, steps, reading)
    function = _clean_function(call["function"], (*steps, "function"), reading)
    others = drop_nulls({key: value for key, value in call.items() if key != "function"}, Counter())
    # in the order of the row, because `tojson` does not sort keys
    return {key: function if key == "function" else others[key] for key in call if key == "function" or key in others}


def _clean_function(function: Any, steps: Steps, reading: Reading) -> Any:
    """Return a function call's name and arguments, with the arguments as an object."""
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
    value = to_object(value) if isinstance(value, list) else value  # PyArrow gives a map as a list of pairs
    if not isinstance(value, Mapping):
        raise _make_error(value, steps, _ARGUMENTS)
    cleaned: dict[str, Any] = drop_nulls(value, reading.nulls)
    check_is_json(cleaned, steps)
    return cleaned


def _read_arguments(text: str, steps: Steps, reading: Reading) -> dict[str, Any]:
    """Parse the JSON text of arguments into an object."""
    try:
        value = read_json(plain(text))
    except (ValueError, RecursionError):  # json.loads recurses: "[" * 10_000
        raise _make_error(text, steps, _ARGUMENTS) from None
    if not isinstance(value, dict) or not _is_walkable(value):
        raise _make_error(text, steps, _ARGUMENTS)
    cleaned: dict[str, Any] = drop_nulls(value, reading.nulls, "texts")
    # a chat template that printed the text prints the object's JSON, which may be another text
    reading.reformatted += write_json(cleaned) != text
    reading.parsed.add(spell_path(steps))
    return _derive(cleaned, text) if isinstance(text, Traced) else cleaned


def _derive(value: Any, source: str) -> Any:
    """Return the same value with its strings derived from the text that they were parsed from."""
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
    """Check that data has a JSON form; a date or time, for example, has none.

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
    """Raise an error for a date or time in a turn's metadata, since no output format has a value for it."""
    if isinstance(value, Mapping | list | tuple):
        for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
            _refuse_moments(item, (*steps, key))
    elif describe_fix(value):
        raise RowError(
            f"expected text or a number, got {preview(value)}{describe_fix(value)}",
            code=Code.WRONG_TYPE, column=name_cell(steps), value=value,
        )  # fmt: skip


def describe_fix(value: Any) -> str:
    """Return advice on how to keep a text that a reader converted to a date or time; empty for other values.

    >>> import datetime
    >>> describe_fix(datetime.date(2024, 5, 1)).partition(" (in datasets")[0]
    '; the reader converted it from text: read the column as text'
    """
    # datetime and pandas.Timestamp are dates; m and M are the kinds of NumPy's timedelta64 and datetime64
    if isinstance(value, date | time | timedelta) or getattr(getattr(value, "dtype", None), "kind", "") in ("m", "M"):
        return f"; the reader converted it from text: {_READ_AS_TEXT}"
    return ""


_READ_AS_TEXT = "read the column as text (in datasets, with features=Features({...: Value('string')}))"


def settle_content(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a message with its content in the one form that chat templates take.

    A content with a single text part becomes that text. A tool result that is an object becomes its JSON text with
    sorted keys, because tables have an order of their own. A message of calls without content gets the content None.

    >>> settle_content({"role": "tool", "content": {"celsius": 31, "at": "noon"}})["content"]
    '{"at": "noon", "celsius": 31}'
    >>> settle_content({"role": "user", "content": [{"type": "text", "text": "Hi"}]})["content"]
    'Hi'
    """
    content = message.get("content")
    if isinstance(content, str):
        return message
    if content is None:  # a table has a content in each message, and the same rows must give the same samples
        return {**message, "content": None} if "content" not in message and _has_calls(message) else message
    if isinstance(content, Mapping) and message.get("role") == "tool":
        return {**message, "content": derived(_write_result(content), [content])}
    text = _find_lone_text(content)
    return message if text is None else {**message, "content": text}


def _has_calls(message: Mapping[str, Any]) -> bool:
    """Return whether a message carries calls or anything else besides its content."""
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
    """Return the text of the only part, if the part holds nothing else."""
    if not isinstance(content, list) or len(content) != 1 or not isinstance(content[0], Mapping):
        return None
    text = content[0].get("text")
    others = [key for key, value in content[0].items() if value is not None and key not in ("type", "text")]
    return text if content[0].get("type") == "text" and isinstance(text, str) and not others else None


def make_comparable(message: Mapping[str, Any]) -> Any:
    """Return what makes two messages the same turn: role, content and the other keys that carry content.

    Metadata, such as a time or the id of a turn or call, is left out.
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
    """Return the comparable form of each message in a conversation; items that are not messages stay as they are."""
    return [make_comparable(message) if isinstance(message, Mapping) else message for message in messages]
