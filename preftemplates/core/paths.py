"""Paths of values in a row, such as `chosen[1].content`, spelled and parsed by one grammar.

A path is a column followed by the keys and indexes that lead to a value. A key that could be mistaken for steps is
quoted as in JSON: `["better.id"].text`. The empty path has no steps and means the whole row.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from preftemplates.errors import preview

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

Step = str | int
"""The key of a mapping or the index of a list."""

Steps = tuple[Step, ...]
"""The steps from a row to a value in it: the column first."""

_STEP = re.compile(
    r'(?:\A|(?<!\A)\.)([^.\[\]"]+)|\[(0|-?[1-9][0-9]*)\]'
    r'|\[("(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")\]'
)
"""One step of a path: a plain key, an index, or a quoted key."""

_AMBIGUOUS = re.compile(r"[.\[\]\"]")
"""The characters that a plain key cannot contain."""


def extend_path(path: str, step: Any) -> str:
    """Return the path of the item under a key or index of the value at `path`; only an int counts as an index.

    >>> extend_path("0", "name"), extend_path("0", "a.b"), extend_path("0", 2), extend_path("", "a.b")
    ('0.name', '0["a.b"]', '0[2]', '["a.b"]')
    """
    if type(step) is int:
        return f"{path}[{step}]"
    key = str(step)
    if key.isidentifier() or (key and not _AMBIGUOUS.search(key)):
        return f"{path}.{key}" if path else key
    return f"{path}[{json.dumps(key, ensure_ascii=False)}]"


def spell_path(steps: Iterable[Any]) -> str:
    """Return the path that consists of these steps.

    >>> spell_path(["chosen", 1, "content"]), spell_path(["better.id"]), spell_path([])
    ('chosen[1].content', '["better.id"]', '')
    """
    path = ""
    for step in steps:
        path = extend_path(path, step)
    return path


def parse_path(path: str) -> Steps:
    """Return the steps of a path: the inverse of `spell_path`.

    >>> parse_path('chosen[1]["a.b"].content')
    ('chosen', 1, 'a.b', 'content')

    Raises:
        ValueError: the text is not a path.
    """
    steps: list[Step] = []
    end = 0
    for match in _STEP.finditer(path):
        if match.start() != end:
            break
        steps.append(_read_step(match))
        end = match.end()
    if end != len(path):
        raise ValueError(f"{preview(path)}: expected a path such as 'chosen[1].content', got {preview(path[end:])}")
    return tuple(steps)


def _read_step(match: re.Match[str]) -> Step:
    key, index, quoted = match.groups()
    if key is not None:
        return key
    return int(index) if quoted is None else str(json.loads(quoted))


def split_path(path: str) -> tuple[Step | None, str]:
    """Split a path into its first step and the rest; the step is None for the empty path.

    >>> split_path("0.content[1].text"), split_path('["better.id"]'), split_path("")
    (('0', 'content[1].text'), ('better.id', ''), (None, ''))

    Raises:
        ValueError: the text does not begin with a step.
    """
    first, _, rest = path.partition(".")
    if first.isdecimal() or first.isidentifier():  # the fast path for most paths in messages
        return first, rest
    match = _STEP.match(path)
    if match is None and path:
        raise ValueError(f"{preview(path)}: expected a path such as 'chosen[1].content'")
    return (None, "") if match is None else (_read_step(match), path[match.end() :].removeprefix("."))


def column_of(path: str) -> str | None:
    """Return the column that a path begins with, under its name in the row; None for the empty path.

    >>> column_of("chosen[1].content"), column_of('["better.id"].text'), column_of('[""]'), column_of("")
    ('chosen', 'better.id', '', None)
    """
    first = split_path(path)[0]
    return None if first is None else str(first)


def name_cell(steps: Steps) -> str:
    """Return the name of a value in errors: a column's own name, or the path of a part of a column.

    >>> name_cell(("better.id",)), name_cell(("better.id", "text"))
    ('better.id', '["better.id"].text')
    """
    return str(steps[0]) if len(steps) == 1 else spell_path(steps)


def leads_into(path: str, inner: str) -> bool:
    """Return whether one path equals another or is a prefix of its steps.

    >>> leads_into("0.content", "0.content[1]"), leads_into("0.content", "0.contents"), leads_into("", "0")
    (True, False, True)
    """
    return not path or path == inner or (inner.startswith(path) and inner[len(path)] in ".[")


def ends_in_key(path: str, key: str) -> bool:
    """Return whether the last of several steps is this key; the key must be one that needs no quotes.

    >>> ends_in_key("content[0].type", "type"), ends_in_key("type", "type"), ends_in_key('content["a.type"]', "type")
    (True, False, False)
    """
    return path.endswith(f".{key}")  # a quoted key ends in a bracket


def find_common_path(paths: Iterable[str]) -> str:
    """Return the longest path with whose steps all paths begin.

    >>> find_common_path(["a[1].b", "a[1].c"]), find_common_path(["a", "b"])
    ('a[1]', '')
    """
    paths = list(paths)
    shortest, common = min(paths, key=len), ""
    for match in _STEP.finditer(shortest):
        candidate = shortest[: match.end()]
        if not all(leads_into(candidate, path) for path in paths):
            break
        common = candidate
    return common


def get_row_key(name: str, info: FieldInfo) -> str:
    """Return the key under which a row holds a model's field: its alias, which may be empty, or its name."""
    return name if info.alias is None else info.alias


def list_parts(value: Any, path: str) -> Iterable[tuple[Any, str]]:
    """Return the parts of a list, mapping or nested row with their paths; nothing for any other value."""
    if isinstance(value, Mapping):
        return [(item, extend_path(path, key)) for key, item in value.items()]
    if isinstance(value, BaseModel):
        infos = type(value).model_fields
        return [(getattr(value, name), extend_path(path, get_row_key(name, infos[name]))) for name in infos]
    if isinstance(value, list | tuple):
        return [(item, f"{path}[{index}]") for index, item in enumerate(value)]
    return ()
