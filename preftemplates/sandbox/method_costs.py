"""The costs of the methods of strings, lists and mappings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jinja2.runtime import Undefined

from preftemplates.core.provenance import Traced
from preftemplates.sandbox.format_costs import estimate_replaced_length, get_escape_growth

if TYPE_CHECKING:
    from collections.abc import Iterable

    from preftemplates.sandbox.budget import Budget

CONSTANT_TIME_METHODS = frozenset({"endswith", "get", "items", "keys", "startswith", "values"})
"""Methods that take constant time if their arguments are short."""

_STRIPPING_METHODS = frozenset({"lstrip", "rstrip", "strip"})
"""Methods that look each character up in their argument."""

_REVERSE_METHODS = frozenset({"rfind", "rindex", "rpartition", "rsplit"})
"""Methods that search from the end; Python compares the whole argument at each position."""

BYTES_PER_PART = 72
BYTES_PER_TRACED_PART = 320
"""Bytes charged for a short string, and for one that tracks its origin."""


def count_method(budget: Budget, owner: Any, name: str, args: tuple[Any, ...]) -> list[Any]:
    """Charge a method call that is about to happen, and return the arguments to call it with.

    A split is charged for as many parts as it could give, at whitespace or at the separator.
    """
    arguments = [*args]
    if isinstance(owner, str):
        if name == "join" and arguments and not isinstance(arguments[0], list | tuple | str):
            arguments[0] = [*budget.count_iterations(arguments[0])]  # counting uses the iterator up
        _count_text_method(budget, owner, name, arguments)
    elif isinstance(owner, dict):
        for value in arguments[:1]:
            budget.count_key(value)
        budget.spend(64 + 100 * len(owner) * (name == "copy"))
    elif isinstance(owner, list | tuple):
        for value in arguments[:1]:
            budget.count_search(owner, value)
        budget.spend(64 + 8 * len(owner))
    return arguments


_SIMPLE_TYPES = frozenset({str, Traced, int, bool, type(None)})


def require_simple_arguments(name: str, args: Iterable[Any]) -> None:
    """Reject arguments of a string's method that are neither text nor numbers.

    Python rejects them as well, but `replace` of a traced string compares its arguments first, and that of safe markup
    writes their text: both would walk a list that nothing has weighed.

    Raises:
        TypeError: an argument is a container or another object.
    """
    if _SIMPLE_TYPES.issuperset(map(type, args)):
        return
    for value in args:
        if not (value is None or isinstance(value, str | int | float | Undefined)):
            raise TypeError(f"{name}() takes text and numbers, got a value of type {type(value).__name__!r}")


def _count_text_method(budget: Budget, owner: str, name: str, args: list[Any]) -> None:
    if name in CONSTANT_TIME_METHODS:
        # `startswith` and `endswith` try each text of a tuple
        texts = args[0] if args and isinstance(args[0], tuple) else args[:1]
        budget.spend(64 + sum([16 + len(text) // 16 for text in texts if isinstance(text, str)]))
        return
    if name != "join":
        require_simple_arguments(name, args)
    # a character may become three in another case: `"ΐ".upper()`
    budget.count_text(3 * len(owner) if len(owner) < 1000 else len(owner), owner)
    first = args[0] if args else None
    if name in _REVERSE_METHODS | _STRIPPING_METHODS and isinstance(first, str):
        budget.spend(len(owner) * (len(first) // 16))
    if name in ("split", "rsplit", "splitlines"):
        _count_parts(budget, owner, first if isinstance(first, str) else None)
    elif name == "replace" and len(args) > 1 and isinstance(first, str) and isinstance(args[1], str):
        most = args[2] if len(args) > 2 and isinstance(args[2], int) else -1
        budget.count_text(
            estimate_replaced_length(owner, first, args[1], most) * get_escape_growth(owner), owner, args[1]
        )
    elif name == "join" and isinstance(first, list | tuple | str):
        count_join(budget, owner, first)


def _count_parts(budget: Budget, text: str, separator: str | None) -> None:
    """Charge the parts of a split string."""
    count = text.count(separator) if separator else len(text) // 2
    part_cost = BYTES_PER_PART if type(text) is str else BYTES_PER_TRACED_PART
    # counting the words is itself a split, so it is left out for texts that may have very many
    if count * part_cost > 4096:
        budget.spend(part_cost * (count if separator else min(count, len(text.split()) if count < 4096 else count)))


def count_join(budget: Budget, separator: str, parts: Any) -> None:
    """Charge `separator.join(parts)`, including the conversion of each part to a string."""
    budget.spend(16 * len(parts))
    texts = [part for part in parts if isinstance(part, str)]
    length = sum(map(len, texts)) + len(separator) * len(parts)
    if len(texts) < len(parts):
        length += sum(budget.weigh(part, printing=True) for part in parts if not isinstance(part, str))
    budget.count_text(length * get_escape_growth(separator), separator, *texts)
