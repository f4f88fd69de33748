"""The tools that may be called, as the text of a strict JSON list."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from preftemplates.core.json_text import read_json, write_json
from preftemplates.core.message_values import check_is_json, drop_nulls
from preftemplates.core.messages import check_jsonlike
from preftemplates.core.provenance import derived
from preftemplates.errors import RowError

if TYPE_CHECKING:
    from preftemplates.core.message_values import Reading


_MAY_CHANGE = re.compile(r"null|[0-9][.eE]")
"""Matches JSON texts that may hold a null, or a number that may be a whole float."""


def is_json_list(text: str) -> bool:
    """Return whether a text is a JSON list of objects."""
    try:
        tools = read_json(text)
        check_jsonlike(tools, 0)
    except (RowError, ValueError, RecursionError):
        return False
    return isinstance(tools, list) and all(isinstance(tool, dict) for tool in tools)


def clean_tools(tools: Any, reading: Reading, is_written: bool = True) -> Any:
    """Return a list of tools as JSON text without null members of objects, with which tables fill objects.

    A text without nulls stays as it is, and so does a value that is not a list of objects.

    Args:
        tools: the text of a JSON list, or the list.
        reading: counts the dropped members.
        is_written: whether the row has the text itself, so that somebody wrote its nulls.
    """
    if isinstance(tools, str):
        if not _MAY_CHANGE.search(tools) or not is_json_list(tools):
            return tools
        value = read_json(tools)
    elif isinstance(tools, list) and all(isinstance(tool, Mapping) for tool in tools):
        value = tools
    else:
        return tools
    cleaned = drop_nulls(value, reading.nulls, "texts" if is_written else "cells")
    check_is_json(cleaned, ("tools",))
    if isinstance(tools, str) and write_json(cleaned) == write_json(value):
        return tools
    return derived(write_json(cleaned), [tools]) if cleaned else None
