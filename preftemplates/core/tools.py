"""The list of tools that may be called, as the text of a strict JSON list."""

from __future__ import annotations

import json
import math
from typing import Any

from preftemplates.core.messages import check_jsonlike
from preftemplates.errors import RowError


def is_json_list(text: str) -> bool:
    """Whether a text is a JSON list of objects."""
    try:
        listed = json.loads(text, parse_constant=_no_number, parse_float=_number, object_pairs_hook=_each_key_once)
        check_jsonlike(listed, 0)
    except (RowError, ValueError, RecursionError):
        return False
    return isinstance(listed, list) and all(isinstance(item, dict) for item in listed)


def _no_number(name: str) -> Any:
    """Refuse NaN and Infinity, which Python reads and JSON has not."""
    raise ValueError(f"{name} is no number in JSON")


def _number(text: str) -> float:
    """A number that is finite as a float."""
    return float(text) if math.isfinite(float(text)) else _no_number(text)


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; one that has a key twice is refused, since a value would be lost."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("an object has a key twice")
    return made
