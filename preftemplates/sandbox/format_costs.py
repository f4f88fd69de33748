"""Estimates of the lengths of the strings that `%`, `format` and `replace` make."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from string import Formatter
from typing import Any

from preftemplates.core.provenance import plain
from preftemplates.sandbox.budget import Budget, raise_over_limit, raise_refusal

MAX_WIDTH = 999
"""The greatest width or precision; a number that is written with it has at most twice as many characters."""

_BYTES_PER_FIELD = 2048
"""Bytes charged for a field of a format: formatting one takes about the time of writing that many bytes."""

_PERCENT = re.compile(r"%(?P<name>\([^()]*\))?(?P<flags>[#0\- +]*)(?P<numbers>[\d.*]*)[hlL]?(?P<kind>.|\Z)", re.DOTALL)
"""Matches one conversion of a `%` format."""


def count_percent_format(budget: Budget, template: str, values: Any) -> None:
    """Charge `template % values` to the budget.

    Raises:
        StyleLimitError: the result would be too long.
    """
    budget.spend(len(template))
    count, names = 0, 0
    # the pattern also matches what Python rejects, such as `%y`: a conversion that it missed would cost nothing
    for conversion in _PERCENT.finditer(template):
        count += 1
        names += conversion["name"] is not None
        budget.spend(_BYTES_PER_FIELD)
        _check_widths(conversion["numbers"])
    arguments: Iterable[Any] = values if isinstance(values, tuple) else (values,)
    if isinstance(values, Mapping) and names == count:  # without a name, `%s` shows the whole mapping
        arguments = values.values()
    _count_fields(budget, template, count, arguments)


def count_brace_format(budget: Budget, template: str, args: Sequence[Any], named: Mapping[str, Any]) -> None:
    """Charge `template.format(*args, **named)` to the budget.

    Raises:
        StyleRefusedError: a field names an attribute or item of a value.
        StyleLimitError: the result would be too long.
    """
    budget.spend(len(template))
    count = 0
    for _, name, spec, _ in Formatter().parse(plain(template)):
        budget.spend(_BYTES_PER_FIELD)
        if name is not None:
            count += 1
            if re.search(r"[.\[]", name):
                raise_refusal(
                    f"formats a text with the field {name[:40]!r}; a field may name a value,"
                    " but no attribute or item of it"
                )
            if "{" in (spec or ""):  # the width is known only once the inner field is formatted: `{:{}}`
                raise_refusal("formats a text with a width that is a field")
            _check_widths(spec or "")
    _count_fields(budget, template, count, [*args, *named.values()])


def _check_widths(spec: str) -> None:
    if "*" in spec or any(len(digits) > 3 for digits in re.findall(r"\d+", spec)):
        raise_over_limit(f"formats a text with a width over {MAX_WIDTH}")


def _count_fields(budget: Budget, template: str, fields: int, values: Iterable[Any]) -> None:
    """Charge a string with this many fields, each of which may show the longest value."""
    longest = max((_estimate_length(budget, value) for value in values), default=0) * get_escape_growth(template)
    length = len(template) + fields * (longest + 2 * MAX_WIDTH)
    if length > 100 * MAX_WIDTH:
        # without the parts, the text counts as ASCII, so four more bytes per character are charged
        budget.count_text(length, "")
        budget.spend(4 * length)
    else:
        budget.spend(len(template) + 64 * (fields + 1))


def get_escape_growth(text: str) -> int:
    """Return how many times longer a string can get when it is added to this one: safe markup escapes it."""
    return 6 if hasattr(text, "__html__") else 1


def _estimate_length(budget: Budget, value: Any) -> int:
    # `%r` of a string writes a character as up to ten: `\U0010ffff`
    return 10 * len(value) if isinstance(value, str) else budget.weigh(value, printing=True)


def estimate_replaced_length(text: str, old: str, new: str, count: int = -1) -> int:
    """Return the most characters that `text.replace(old, new, count)` can have."""
    # an empty text occurs before each character and at the end
    occurrences = text.count(old) if old else len(text) + 1
    return len(text) + max(0, len(new) - len(old)) * (min(occurrences, count) if count >= 0 else occurrences)
