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
        tools = json.loads(
            text, parse_constant=_refuse_constant, parse_float=_read_float, object_pairs_hook=_read_object
        )
        check_jsonlike(tools, 0)
    except (RowError, ValueError, RecursionError):
        return False
    return isinstance(tools, list) and all(isinstance(tool, dict) for tool in tools)


def _refuse_constant(name: str) -> Any:
    """Refuse NaN and Infinity, which Python reads and JSON has not."""
    raise ValueError(f"{name} is no number in JSON")


def _read_float(text: str) -> float:
    """A number that is finite as a float."""
    return float(text) if math.isfinite(float(text)) else _refuse_constant(text)


def _read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; one that has a key twice is refused, since a value would be lost."""
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("an object has a key twice")
    return members
