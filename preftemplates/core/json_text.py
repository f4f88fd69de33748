"""Strict JSON: no NaN, no repeated key, no number that a float cannot hold."""

from __future__ import annotations

import json
import math
from typing import Any


def read_json(text: str) -> Any:
    """Parse a JSON text strictly.

    >>> read_json('{"herb": "dill"}')
    {'herb': 'dill'}

    Raises:
        ValueError: the text is not JSON, or an object names a key twice.
        RecursionError: the JSON is nested too deeply.
    """
    return json.loads(text, parse_constant=_refuse_constant, parse_float=_read_float, object_pairs_hook=_read_object)


def read_json_as(text: str, kind: type) -> Any:
    """Parse a JSON text of one kind, an object or a list; return any other text unchanged.

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
    """Return the canonical JSON text of a value: keys in their order, characters unescaped.

    >>> write_json({"at": "café"})
    '{"at": "café"}'
    """
    return json.dumps(value, ensure_ascii=False)


def _refuse_constant(name: str) -> Any:
    """Raise an error for NaN and Infinity, which Python reads although JSON does not have them."""
    raise ValueError(f"{name} is not a finite number")


def _read_float(text: str) -> float:
    """Read a number and check that a float can hold it."""
    return float(text) if math.isfinite(float(text)) else _refuse_constant(text)


def _read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object; raise an error for a repeated key, because one of its values would be lost."""
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("an object has a key twice")
    return members
