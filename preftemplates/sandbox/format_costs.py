"""How long the texts become that `%`, `format` and `replace` make."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from string import Formatter
from typing import Any

from preftemplates.core.provenance import plain
from preftemplates.sandbox.budget import Budget, over, refuse

WIDTH = 999
"""The greatest width or precision; a number that is written with it has at most twice as many characters."""

PER_FIELD = 2048
"""Bytes charged for a field of a format: it takes that long."""

PERCENT = re.compile(r"%(?:\([^()]*\))?(?P<flags>[#0\- +]*)(?P<numbers>[\d.*]*)[hlL]?(?P<kind>.|\Z)", re.DOTALL)
"""One conversion of a text that is formatted by `%`."""


def check_percent(budget: Budget, template: str, values: Any) -> None:
    """Count `template % values`.

    Raises:
        StyleLimitError: it would be too long.
    """
    budget.spend(len(template))
    count = 0
    for found in PERCENT.finditer(template):
        count += 1
        budget.spend(PER_FIELD)
        _check_widths(found["numbers"])
    given = values.values() if isinstance(values, Mapping) else values if isinstance(values, tuple) else (values,)
    _count(budget, template, count, given)


def check_braces(budget: Budget, template: str, args: Sequence[Any], named: Mapping[str, Any]) -> None:
    """Count `template.format(*args, **named)`.

    Raises:
        StyleRefusedError: a field names something inside a value.
        StyleLimitError: it would be too long.
    """
    budget.spend(len(template))
    count = 0
    for _, name, spec, _ in Formatter().parse(plain(template)):
        budget.spend(PER_FIELD)
        if name is not None:
            count += 1
            if re.search(r"[.\[]", name):
                refuse(f"formats a text with the field {name[:40]!r}; a field names a value, and nothing inside it")
            if "{" in (spec or ""):
                refuse("formats a text with a width that is a field")
            _check_widths(spec or "")
    _count(budget, template, count, [*args, *named.values()])


def _check_widths(spec: str) -> None:
    if "*" in spec or any(len(digits) > 3 for digits in re.findall(r"\d+", spec)):
        over(f"formats a text with a width over {WIDTH}")


def _count(budget: Budget, template: str, fields: int, values: Iterable[Any]) -> None:
    """Count a text of this many fields; each may show the longest value."""
    longest = max((_shown(budget, value) for value in values), default=0) * growth(template)
    length = len(template) + fields * (longest + 2 * WIDTH)
    if length > 100 * WIDTH:
        budget.text(length, "")
        budget.spend(4 * length)
    else:
        budget.spend(len(template) + 64 * (fields + 1))


def growth(text: str) -> int:
    """How many times as long a text becomes that is added to another: one that is safe escapes it."""
    return 6 if hasattr(text, "__html__") else 1


def _shown(budget: Budget, value: Any) -> int:
    return 10 * len(value) if isinstance(value, str) else budget.weigh(value, printing=True)


def replaced(text: str, old: str, new: str, count: int = -1) -> int:
    """The length of `text.replace(old, new, count)` at most."""
    found = text.count(old) if old else len(text) + 1
    return len(text) + max(0, len(new) - len(old)) * (min(found, count) if count >= 0 else found)
