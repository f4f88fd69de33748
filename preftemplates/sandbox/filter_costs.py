"""Wrappers that charge the cost of filters, tests and functions to the budget before they run."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from jinja2.filters import do_tojson
from jinja2.runtime import Undefined

from preftemplates.core.provenance import Traced
from preftemplates.sandbox.budget import BYTES_PER_VALUE, CURRENT_BUDGET, Budget, raise_over_limit
from preftemplates.sandbox.format_costs import MAX_WIDTH, count_percent_format, estimate_replaced_length
from preftemplates.sandbox.method_costs import BYTES_PER_PART, BYTES_PER_TRACED_PART, count_join

_Function = Callable[..., Any]
_Cost = Callable[..., Any]
"""Takes the budget and the filter's arguments; returns a replacement for the first argument, or None to keep it."""

_LAZY_FILTERS = frozenset({"items", "map", "reject", "rejectattr", "select", "selectattr", "slice", "unique"})
"""Filters that Jinja implements as generators."""

_MAX_DIGITS = 30
"""The most digits a number may be rounded to."""


def count_filter(name: str, function: _Function) -> _Function:
    """Wrap a filter so that its cost is charged before it runs."""
    cost: _Cost = _count_html_json if function is do_tojson else _COSTS.get(name, _count_values)
    path_at = _PATH_ARGUMENTS.get(name)
    at = int(hasattr(function, "jinja_pass_arg"))  # Jinja passes such a filter the environment or context first

    @wraps(function)  # also copies `jinja_pass_arg`, which Jinja reads from the wrapper
    def filter(*args: Any, **named: Any) -> Any:
        if path_at is not None:
            _check_path(named.get("attribute") or (args[at + path_at :] or (None,))[0])
        budget = CURRENT_BUDGET.get()
        if cost is not _count_nothing:  # a filter may hash, compare or print any argument, if only in an error
            for argument in (*args[at + 1 :], *named.values()):
                budget.count_compared(argument)
        changed = cost(budget, *args[at:], **named)
        if changed is not None:
            args = (*args[:at], changed, *args[at + 1 :])
        value = function(*args, **named)
        # `sum` adds numbers by itself, not by `Budget.add`
        return budget.check_number(value) if isinstance(value, int) else value

    if name in _LAZY_FILTERS:
        return _make_eager(filter)
    return _add_shortcut(filter, _METHODS_OF_FILTERS[name]) if name in _METHODS_OF_FILTERS else filter


_PATH_ARGUMENTS = {
    "groupby": 1, "join": 2, "map": 1, "max": 2, "min": 2, "rejectattr": 1, "selectattr": 1, "sort": 3, "sum": 1,
    "unique": 2,
}  # fmt: skip
"""The position of the argument that names an attribute, of filters that look one up in each value."""

_MAX_PATH_STEPS = 16
"""The most steps of an attribute path."""


def _check_path(path: Any) -> None:
    if isinstance(path, str) and (len(path) > MAX_WIDTH or path.count(".") + path.count(",") >= _MAX_PATH_STEPS):
        raise_over_limit(f"looks up an attribute by more than {_MAX_PATH_STEPS} steps or {MAX_WIDTH} characters")


_METHODS_OF_FILTERS: dict[str, Any] = {
    "capitalize": str.capitalize,
    "lower": str.lower,
    "trim": str.strip,
    "upper": str.upper,
}
"""Filters that do the same to a string as one of its methods."""


def _add_shortcut(function: _Function, method: Any) -> _Function:
    """Wrap a filter to call the method directly on a short string: most templates pass every content through one."""

    @wraps(function)
    def filter(value: Any, *args: Any, **named: Any) -> Any:
        budget = CURRENT_BUDGET.get()
        if type(value) is str and not args and not named and len(value) <= budget.small:
            budget.spend(4 * len(value) + 64)
            return method(value)
        if type(value) is Traced and not args and not named:
            budget.count_text(len(value), value)
            return getattr(value, method.__name__)()  # `str.upper(value)` would lose its pieces
        return function(value, *args, **named)

    return filter


def _make_eager(function: _Function) -> _Function:
    """Wrap a filter to compute all its values at once: deeply nested generators can crash the interpreter."""

    @wraps(function)
    def filter(*args: Any, **named: Any) -> Any:
        budget = CURRENT_BUDGET.get()
        values = [*budget.count_iterations(function(*args, **named))]
        # a list could be printed, indexed and measured, which Jinja's generators cannot
        return iter(budget.count_container(len(values), values))

    return filter


def _count_nothing(budget: Budget, _value: Any = None, *_args: Any, **_named: Any) -> None:
    budget.spend(64)


def _count_values(budget: Budget, value: Any = None, *_args: Any, **_named: Any) -> None:
    """Charge one look at each value."""
    if isinstance(value, str):
        budget.spend(len(value) * (BYTES_PER_PART if type(value) is str else BYTES_PER_TRACED_PART))
    elif hasattr(value, "__len__"):
        budget.spend(BYTES_PER_VALUE * len(value))
    budget.spend(64)


def _count_text(budget: Budget, value: Any = "", *_args: Any, **_named: Any) -> None:
    """Charge the conversion of a value to a string, and one copy of it."""
    if isinstance(value, str):
        budget.count_text(len(value), value)
    else:
        budget.spend(10 * budget.weigh(value, printing=True))


def _count_trim(budget: Budget, value: Any = "", chars: Any = None) -> None:
    """Charge a look-up of each character at the ends among those to be trimmed."""
    _count_text(budget, value)
    if isinstance(value, str) and isinstance(chars, str):
        budget.spend(len(value) * (len(chars) // 16))


def _count_escape(budget: Budget, value: Any = "", *_args: Any, **_named: Any) -> None:
    """Charge five characters per character, the most that an escape takes."""
    if isinstance(value, str):
        budget.count_text(5 * len(value), value)
    else:
        budget.spend(50 * budget.weigh(value, printing=True))


def _count_comparisons(budget: Budget, value: Any = None, *_args: Any, **_named: Any) -> Any:
    """Charge the comparisons of a sort; return the values if they came from an iterator, such as `loop`."""
    values = value if isinstance(value, str | dict | list | tuple | Undefined) else [*budget.count_iterations(value)]
    count = len(values)
    # a sort compares each value about log2(count) times
    budget.spend((budget.weigh(values) + 64) * (count.bit_length() + 1))
    return None if values is value else values


def _count_replace(budget: Budget, value: Any, old: Any, new: Any, count: Any = None) -> None:
    for argument in (value, old, new):
        _count_text(budget, argument)
    text, old, new = (argument if isinstance(argument, str) else str(argument) for argument in (value, old, new))
    budget.count_text(estimate_replaced_length(text, old, new, -1 if count is None else count), text, new)


def _count_join(budget: Budget, value: Any, d: Any = "", attribute: Any = None) -> list[Any]:
    values = [*budget.count_iterations(value)]
    if not isinstance(d, str) and budget.weigh(d, printing=True) > MAX_WIDTH:
        raise_over_limit(f"joins texts with a separator of more than {MAX_WIDTH} characters")
    if attribute is None:
        # by the check above, no other separator is longer than this
        count_join(budget, d if isinstance(d, str) else " " * MAX_WIDTH, values)
    else:
        budget.spend(10 * budget.weigh(values))
    return values


def _count_format(budget: Budget, value: Any, *args: Any, **named: Any) -> None:
    count_percent_format(budget, value, named or args)


def _count_indent(budget: Budget, value: Any, width: Any = 4, *_args: Any, **_named: Any) -> None:
    _count_text(budget, value)
    indentation = width if isinstance(width, str) else ""
    width = len(width) if isinstance(width, str) else width
    if not isinstance(value, str) or not isinstance(width, int) or width > MAX_WIDTH:
        raise_over_limit(f"indents by more than {MAX_WIDTH} characters, or indents a value that is not text")
    # the filter breaks lines where `splitlines` does, such as at U+2028
    lines = len(value) if len(value) < 100 else value.count("\n") + len(value.splitlines())
    budget.count_text(len(value) + width * (lines + 1), value, indentation)


def _count_tojson(
    budget: Budget, value: Any, ensure_ascii: Any = False, indent: Any = None, *args: Any, **named: Any
) -> None:
    if isinstance(indent, int | str) and (indent if isinstance(indent, int) else len(indent)) > _MAX_DIGITS:
        raise_over_limit(f"indents JSON by more than {_MAX_DIGITS} characters")
    separators = named.get("separators") or (args[0] if args else None) or ()
    room = sum(len(mark) for mark in separators if isinstance(mark, str))
    if room > _MAX_DIGITS:
        raise_over_limit(f"separates JSON by more than {_MAX_DIGITS} characters")
    length = 10 * len(value) if isinstance(value, str) else budget.weigh(value)  # a character is escaped
    if ensure_ascii:  # one beyond the basic plane becomes twelve, two surrogates: `\\ud83d\\ude00`
        length += length // 5
    budget.spend(length * (1 if indent is None else _MAX_DIGITS))
    if length > budget.limits.string:
        raise_over_limit(f"makes a text of more than {budget.limits.string:,} characters")


def _count_html_json(budget: Budget, value: Any, indent: Any = None) -> None:
    """Charge Jinja's own `tojson`, which writes ASCII."""
    _count_tojson(budget, value, True, indent)


def _require_number(budget: Budget, value: Any = None, *_args: Any, **_named: Any) -> None:
    """Reject a value that is not a number, since `%` formats a string and `*` repeats it."""
    budget.spend(64)
    if not isinstance(value, int | float):
        raise TypeError(f"expected a number, got a value of type {type(value).__name__!r}")


def _count_round(budget: Budget, value: Any, precision: Any = 0, *_args: Any, **_named: Any) -> None:
    _require_number(budget, value)
    # the methods `ceil` and `floor` compute 10**precision
    if not isinstance(precision, int) or abs(precision) > _MAX_DIGITS:
        raise_over_limit(f"rounds to more than {_MAX_DIGITS} digits")


def _count_int(budget: Budget, value: Any = None, *_args: Any, **_named: Any) -> None:
    budget.spend(64)
    # CPython limits the digits that int() reads, but not in bases such as 16: `text | int(0, 16)`
    if isinstance(value, str) and len(value) > MAX_WIDTH:
        raise_over_limit(f"reads a number from more than {MAX_WIDTH} characters")
    budget.count_compared(value)  # an error about a value that is not a number may show it


def _count_slices(budget: Budget, value: Any, slices: Any, *_args: Any, **_named: Any) -> list[Any]:
    """Charge a list per slice, even an empty one."""
    values = [*budget.count_iterations(value)]
    if isinstance(slices, int):
        budget.spend(2 * BYTES_PER_VALUE * slices)
    return values


def _count_sum(budget: Budget, value: Any, _attribute: Any = None, start: Any = 0, **_named: Any) -> list[Any]:
    _require_number(budget, start)  # sum() of lists would copy the sum so far for each of them
    return [*budget.count_iterations(value)]


_COSTS: dict[str, _Cost] = {
    **dict.fromkeys(("d", "default", "count", "length", "first", "string"), _count_nothing),
    **dict.fromkeys(("capitalize", "lower", "safe", "title", "upper"), _count_text),
    **dict.fromkeys(("dictsort", "groupby", "max", "min", "sort", "unique"), _count_comparisons),
    "abs": _require_number, "e": _count_escape, "escape": _count_escape, "replace": _count_replace,
    "join": _count_join, "format": _count_format, "indent": _count_indent, "tojson": _count_tojson,
    "round": _count_round, "int": _count_int, "float": _count_int, "sum": _count_sum, "trim": _count_trim,
    "slice": _count_slices,
}  # fmt: skip


def count_test(name: str, function: _Function) -> _Function:
    """Wrap a test so that its cost is charged, if it looks at more than the types of its arguments."""
    if name in ("divisibleby", "even", "odd"):
        return _count_before(function, _require_number)
    if name in ("lower", "upper"):
        return _count_before(function, _count_text)
    if name == "in" or name in _COMPARING_TESTS:
        return _count_before(function, _count_contained if name == "in" else _count_compared)
    return function


_COMPARING_TESTS = frozenset((
    "!=", "<", "<=", "==", ">", ">=", "eq", "equalto", "ge", "greaterthan", "gt", "le", "lessthan", "lt", "ne",
))  # fmt: skip


def _count_before(function: _Function, cost: _Cost) -> _Function:
    @wraps(function)
    def test(*args: Any, **named: Any) -> Any:
        cost(CURRENT_BUDGET.get(), *args, **named)
        return function(*args, **named)

    return test


def _count_compared(budget: Budget, *values: Any) -> None:
    for value in values:
        budget.count_compared(value)


def _count_contained(budget: Budget, item: Any, container: Any) -> None:
    budget.contains(item, container) if isinstance(container, str | dict) else budget.count_search(container, item)


def limit_clock(function: _Function) -> _Function:
    """Wrap `strftime_now` to accept only short formats."""

    @wraps(function)
    def strftime_now(format: str) -> str:
        if len(format) > MAX_WIDTH:
            raise_over_limit(f"writes the date with a format of more than {MAX_WIDTH} characters")
        return str(function(format))

    return strftime_now


def limit_pairs(function: _Function) -> _Function:
    """Wrap `dict` or `namespace` to count the keys of pairs; those in an iterator cannot be weighed from outside."""

    @wraps(function, updated=())
    def make(*args: Any, **items: Any) -> Any:
        return function(*(_list_pairs(CURRENT_BUDGET.get(), value) for value in args), **items)

    return make


def _list_pairs(budget: Budget, value: Any) -> Any:
    if isinstance(value, dict | Undefined):  # a dict keeps the hashes of its keys
        return value
    pairs = [tuple(pair) for pair in budget.count_iterations(value)]
    for pair in pairs:
        budget.count_key(pair[:1])
    return pairs


def limit_message(function: _Function) -> _Function:
    """Wrap `raise_exception` to charge its message."""

    @wraps(function)
    def raise_exception(message: Any = "") -> Any:
        _count_text(CURRENT_BUDGET.get(), message)
        return function(message)

    return raise_exception
