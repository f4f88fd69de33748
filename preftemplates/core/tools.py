"""The list of tools that may be called, as the text of a strict JSON list."""

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
"""What a JSON text holds in which something is null, or a number may be a whole float."""


def is_json_list(text: str) -> bool:
    """Whether a text is a JSON list of objects."""
    try:
        tools = read_json(text)
        check_jsonlike(tools, 0)
    except (RowError, ValueError, RecursionError):
        return False
    return isinstance(tools, list) and all(isinstance(tool, dict) for tool in tools)


def clean_tools(tools: Any, reading: Reading, is_written: bool = True) -> Any:
    """Return the text of a list of tools without null members of objects, which tables fill in; a list as its text.

    A text in which nothing is null stays as it is, and so does a value that is not a list of objects.

    Args:
        tools: the text of a JSON list, or the list.
        reading: counts the members.
        is_written: whether the row has the text, so that somebody wrote the nulls.
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
