"""Strict JSON: no NaN, no key twice, no number that a float cannot hold."""

from __future__ import annotations

import json
import math
from typing import Any


def read_json(text: str) -> Any:
    """Return the value of a JSON text.

    >>> read_json('{"herb": "dill"}')
    {'herb': 'dill'}

    Raises:
        ValueError: the text is not JSON, or an object names a key twice.
        RecursionError: it is nested too deeply.
    """
    return json.loads(text, parse_constant=_refuse_constant, parse_float=_read_float, object_pairs_hook=_read_object)


def read_json_as(text: str, kind: type) -> Any:
    """Return the object or list that a JSON text spells; the text itself, where it spells none.

    >>> read_json_as("[1]", list), read_json_as("[1]", dict), read_json_as("Turku", dict)
    ([1], '[1]', 'Turku')
    """
    if text.lstrip()[:1] not in ("[", "{"):
        return text
    try:
        value = read_json(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, kind) else text


def write_json(value: Any) -> str:
    """Return the canonical JSON text of a value: keys in their order, and characters as they are.

    >>> write_json({"at": "café"})
    '{"at": "café"}'
    """
    return json.dumps(value, ensure_ascii=False)


def _refuse_constant(name: str) -> Any:
    """Refuse NaN and Infinity, which Python reads and JSON has not."""
    raise ValueError(f"{name} is not a number in JSON")


def _read_float(text: str) -> float:
    """A number that is finite as a float."""
    return float(text) if math.isfinite(float(text)) else _refuse_constant(text)


def _read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; one that has a key twice is refused, since a value would be lost."""
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("an object has a key twice")
    return members
