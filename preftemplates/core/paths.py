"""Paths of values in a row, such as `chosen[1].content`: how they are spelled, and their steps."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

PATH_STEP = re.compile(r"""^[^.\[\]"]+|\.[^.\[\]"]+|\[\d+\]|\["(?:[^"\\]|\\.)*"\]""")
"""One step of a path."""


def extend_path(path: str, key: Any) -> str:
    """The path of what a mapping at `path` holds under a key; a key that looks like steps itself is quoted.

    >>> extend_path("0", "name"), extend_path("0", "a.b")
    ('0.name', '0["a.b"]')
    """
    key = str(key)
    if key.isidentifier() or (key and not _AMBIGUOUS.search(key)):
        return f"{path}.{key}"
    return f"{path}[{json.dumps(key, ensure_ascii=False)}]"


_AMBIGUOUS = re.compile(r"[.\[\]\"]")
"""What a key has that cannot stand in a path as it is."""


def list_parts(value: Any, path: str) -> Iterable[tuple[Any, str]]:
    """The parts of a list, mapping or nested row, with their paths; nothing for a value without parts."""
    if isinstance(value, Mapping):
        return [(item, extend_path(path, key)) for key, item in value.items()]
    if isinstance(value, BaseModel):
        infos = type(value).model_fields
        return [(getattr(value, name), extend_path(path, infos[name].alias or name)) for name in infos]
    if isinstance(value, list | tuple):
        return [(item, f"{path}[{index}]") for index, item in enumerate(value)]
    return ()
