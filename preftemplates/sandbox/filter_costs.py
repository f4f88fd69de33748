"""The filters, tests and functions of a bounded environment: those that it had, with what they cost counted."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from preftemplates.sandbox.budget import CURRENT, PER_VALUE, Budget, over
from preftemplates.sandbox.format_costs import WIDTH, check_percent, replaced
from preftemplates.sandbox.method_costs import PER_PART, PER_TRACED_PART, count_join

Function = Callable[..., Any]
Cost = Callable[..., Any]
"""Called with the budget and what the filter is given; gives what the filter is to be given in its place, or None."""

LAZY = frozenset({"items", "map", "reject", "rejectattr", "select", "selectattr", "unique"})
"""Filters that Jinja writes as generators."""

DIGITS = 30
"""To how many digits a number may be rounded."""


def counted(name: str, function: Function) -> Function:
    """A filter that is counted before it is used."""
    cost: Cost = COSTS.get(name, _shallow)
    path_at = PATHS.get(name)
    at = int(hasattr(function, "jinja_pass_arg"))

    @wraps(function)
    def filter(*args: Any, **named: Any) -> Any:
        if path_at is not None:
            _check_path(named.get("attribute") or (args[at + path_at :] or (None,))[0])
        changed = cost(CURRENT.get(), *args[at:], **named)
        if changed is not None:
            args = (*args[:at], changed, *args[at + 1 :])
        value = function(*args, **named)
        return CURRENT.get().whole(value) if isinstance(value, int) else value

    if name in LAZY:
        return _eager(filter)
    return _shortened(filter, METHODS[name]) if name in METHODS else filter


PATHS = {
    "groupby": 1, "join": 2, "map": 1, "max": 2, "min": 2, "rejectattr": 1, "selectattr": 1, "sort": 3, "sum": 1,
    "unique": 2,
}  # fmt: skip
"""Filters that look an attribute up in each value, and which of their arguments names it."""

STEPS = 16
"""So many steps lead to an attribute at most."""


def _check_path(path: Any) -> None:
    if isinstance(path, str) and (len(path) > WIDTH or path.count(".") + path.count(",") >= STEPS):
        over(f"looks up an attribute by more than {STEPS} steps or {WIDTH} characters")


METHODS: dict[str, Any] = {"capitalize": str.capitalize, "lower": str.lower, "trim": str.strip, "upper": str.upper}
"""Filters that do to a plain text what a method does."""


def _shortened(function: Function, method: Callable[[str], str]) -> Function:
    """A filter that goes straight to the method: most templates put every content through one."""

    @wraps(function)
    def filter(value: Any, *args: Any, **named: Any) -> Any:
        budget = CURRENT.get()
        if type(value) is str and not args and not named and len(value) <= budget.small:
            budget.spend(4 * len(value) + 64)
            return method(value)
        return function(value, *args, **named)

    return filter


def _eager(function: Function) -> Function:
    """A filter whose values are all made at once, and given one by one: generators in generators can crash Python."""

    @wraps(function)
    def filter(*args: Any, **named: Any) -> Any:
        budget = CURRENT.get()
        values = [*budget.each(function(*args, **named))]
        return iter(budget.held(len(values), values))

    return filter


def _free(budget: Budget, value: Any = None, *args: Any, **named: Any) -> None:
    budget.spend(64)


def _shallow(budget: Budget, value: Any = None, *args: Any, **named: Any) -> None:
    """Each value is looked at once."""
    if isinstance(value, str):
        budget.spend(len(value) * (PER_PART if type(value) is str else PER_TRACED_PART))
    elif hasattr(value, "__len__"):
        budget.spend(PER_VALUE * len(value))
    for given in args:
        budget.weighed(given)
    budget.spend(64)


def _textual(budget: Budget, value: Any = "", *args: Any, **named: Any) -> None:
    """The value is made a text, and written once more."""
    if isinstance(value, str):
        budget.text(len(value), value)
    else:
        budget.spend(10 * budget.weigh(value, printing=True))


def _trim(budget: Budget, value: Any = "", chars: Any = None) -> None:
    """Each character at the ends is looked up among those to be cut off."""
    _textual(budget, value)
    if isinstance(value, str) and isinstance(chars, str):
        budget.spend(len(value) * (len(chars) // 16))


def _escape(budget: Budget, value: Any = "", *args: Any, **named: Any) -> None:
    """A character is written as five at most."""
    if isinstance(value, str):
        budget.text(5 * len(value), value)
    else:
        budget.spend(50 * budget.weigh(value, printing=True))


def _deep(budget: Budget, value: Any = None, *args: Any, **named: Any) -> Any:
    """Values are compared with each other."""
    values = value if hasattr(value, "__len__") else [*budget.each(value)]
    count = len(values)
    budget.spend((budget.weigh(values) + 64) * (count.bit_length() + 1))
    return None if values is value else values


def _replace(budget: Budget, value: Any, old: Any, new: Any, count: Any = None) -> None:
    _textual(budget, value)
    text, old, new = (given if isinstance(given, str) else str(given) for given in (value, old, new))
    budget.text(replaced(text, old, new, -1 if count is None else count), text, new)


def _join(budget: Budget, value: Any, d: Any = "", attribute: Any = None) -> list[Any]:
    values = [*budget.each(value)]
    if not isinstance(d, str) and budget.weigh(d, printing=True) > WIDTH:
        over(f"joins by a value of more than {WIDTH} characters")
    if attribute is None:
        count_join(budget, d if isinstance(d, str) else " " * WIDTH, values)
    else:
        budget.spend(10 * budget.weigh(values))
    return values


def _format(budget: Budget, value: Any, *args: Any, **named: Any) -> None:
    check_percent(budget, value, named or args)


def _indent(budget: Budget, value: Any, width: Any = 4, first: Any = False, blank: Any = False) -> None:
    _textual(budget, value)
    width = len(width) if isinstance(width, str) else width
    if not isinstance(value, str) or not isinstance(width, int) or width > WIDTH:
        over(f"indents by more than {WIDTH} characters, or what is no text")
    lines = len(value) if len(value) < 100 else value.count("\n") + len(value.splitlines())
    budget.text(len(value) + width * (lines + 1), value)


def _tojson(
    budget: Budget, value: Any, ensure_ascii: Any = False, indent: Any = None, *args: Any, **named: Any
) -> None:
    if isinstance(indent, int | str) and (indent if isinstance(indent, int) else len(indent)) > DIGITS:
        over(f"indents JSON by more than {DIGITS} characters")
    separators = named.get("separators") or (args[0] if args else None) or ()
    room = sum(len(mark) for mark in separators if isinstance(mark, str))
    if room > DIGITS:
        over(f"separates JSON by more than {DIGITS} characters")
    length = 10 * len(value) if isinstance(value, str) else budget.weigh(value)  # a character is escaped
    budget.spend(length * (1 if indent is None else DIGITS))
    if length > budget.limits.string:
        over(f"makes a text of more than {budget.limits.string:,} characters")


def _numeric(budget: Budget, value: Any = None, *args: Any, **named: Any) -> None:
    """Whatever is not a number is refused, since `%` formats a text and `*` repeats it."""
    budget.spend(64)
    if not isinstance(value, int | float):
        raise TypeError(f"a number is needed here, got a value of type {type(value).__name__!r}")


def _round(budget: Budget, value: Any, precision: Any = 0, method: Any = "common") -> None:
    _numeric(budget, value)
    if not isinstance(precision, int) or abs(precision) > DIGITS:
        over(f"rounds to more than {DIGITS} digits")


def _int(budget: Budget, value: Any = None, *args: Any, **named: Any) -> None:
    budget.spend(64)
    if isinstance(value, str) and len(value) > WIDTH:
        over(f"reads a number from more than {WIDTH} characters")


def _sum(budget: Budget, value: Any, attribute: Any = None, start: Any = 0) -> list[Any]:
    _numeric(budget, start)
    return [*budget.each(value)]


COSTS: dict[str, Cost] = {
    **dict.fromkeys(("d", "default", "count", "length", "first", "string"), _free),
    **dict.fromkeys(("capitalize", "lower", "safe", "title", "upper"), _textual),
    **dict.fromkeys(("dictsort", "groupby", "max", "min", "sort", "unique"), _deep),
    "abs": _numeric, "e": _escape, "escape": _escape, "replace": _replace, "join": _join, "format": _format,
    "indent": _indent, "tojson": _tojson, "round": _round, "int": _int, "float": _int, "sum": _sum, "trim": _trim,
}  # fmt: skip


def counted_test(name: str, function: Function) -> Function:
    """A test that is counted, if it looks at more than the type of what it is given."""
    if name in ("divisibleby", "even", "odd"):
        return _checked(function, _numeric)
    if name in ("in", "lower", "upper") or name in COMPARING:
        return _checked(function, _contained if name == "in" else _compared)
    return function


COMPARING = frozenset((
    "!=", "<", "<=", "==", ">", ">=", "eq", "equalto", "ge", "greaterthan", "gt", "le", "lessthan", "lt", "ne",
))  # fmt: skip


def _checked(function: Function, cost: Cost) -> Function:
    @wraps(function)
    def test(*args: Any, **named: Any) -> Any:
        cost(CURRENT.get(), *args, **named)
        return function(*args, **named)

    return test


def _compared(budget: Budget, *values: Any) -> None:
    for value in values:
        budget.weighed(value)


def _contained(budget: Budget, item: Any, container: Any) -> None:
    budget.contains(item, container) if isinstance(container, str | dict) else budget.search(container, item)


def limited_clock(function: Function) -> Function:
    """`strftime_now` of a short format."""

    @wraps(function)
    def strftime_now(format: str) -> str:
        if len(format) > WIDTH:
            over(f"writes the date with a format of more than {WIDTH} characters")
        return str(function(format))

    return strftime_now


def limited_message(function: Function) -> Function:
    """`raise_exception` of a text."""

    @wraps(function)
    def raise_exception(message: Any = "") -> Any:
        _textual(CURRENT.get(), message)
        return function(message)

    return raise_exception
