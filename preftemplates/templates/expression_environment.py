"""The Jinja environments that evaluate the expressions of templates, with limits for those in files."""

from __future__ import annotations

from functools import cached_property, lru_cache, wraps
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, StrictUndefined
from jinja2.nodes import EvalContext
from jinja2.runtime import Context
from pydantic import BaseModel

from preftemplates.errors import Code, RowError, preview
from preftemplates.sandbox.allowlist import ALLOWED_TESTS
from preftemplates.sandbox.bounded import BoundedEnvironment
from preftemplates.sandbox.budget import CURRENT_BUDGET
from preftemplates.sandbox.filter_costs import count_filter
from preftemplates.sandbox.limits import Limits
from preftemplates.sandbox.tracing import TracedEnvironment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Filters = Mapping[str, Callable[..., Any]]

BUILTIN_FILTERS = (
    "abs", "default", "first", "int", "items", "last", "length", "list", "lower", "map", "max", "min", "reject",
    "rejectattr", "replace", "reverse", "round", "select", "selectattr", "slice", "sort", "sum", "tojson", "trim",
    "unique", "upper",
)  # fmt: skip
"""Jinja's own filters that expressions may use: they neither reach into objects nor depend on chance."""

BUILTIN_NAMES = frozenset({*BUILTIN_FILTERS, "join"})

FILE_LIMITS = Limits()
"""The limits of a template in a file: for each expression, and for all expressions of a row together."""


class RowContext(Context):
    """The values of a row by name, without the state that Jinja's own context keeps for statements.

    It is four times as fast to create, and each expression of each row needs one.
    """

    def __init__(self, environment: Environment, values: Mapping[str, Any]) -> None:
        self.environment = environment
        self.parent = values  # type: ignore[assignment]  # it is only read
        self.vars, self.exported_vars, self.blocks = {}, set(), {}
        self.name, self.globals_keys = None, set()

    @cached_property
    def eval_ctx(self) -> EvalContext:  # type: ignore[override]
        """The settings that filters may ask for, created on demand since few do."""
        return EvalContext(self.environment)


def describe_missing_field(row: BaseModel, name: str) -> str:
    """Return which fields an object of a row has instead of one that it lacks.

    >>> from preftemplates import RowModel
    >>> from pydantic import Field
    >>> class Turn(RowModel):
    ...     speaker: str = Field(alias="by")
    >>> turn = Turn(by="me")
    >>> describe_missing_field(turn, "by"), describe_missing_field(turn, "text")
    ("'by' is declared as 'speaker'", "an object has no field 'text'; it has 'speaker'")
    """
    fields = type(row).model_fields
    for field, info in fields.items():
        if name in (info.alias, info.validation_alias):
            return f"{name!r} is declared as {field!r}"
    known = ", ".join(map(repr, fields))
    return f"an object has no field {preview(name)}; it has {known}"


class UndefinedValue(StrictUndefined):
    """An undefined value; the error about a missing field of an object names the fields that it has."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        if isinstance(self._undefined_obj, BaseModel) and isinstance(self._undefined_name, str):
            return describe_missing_field(self._undefined_obj, self._undefined_name)
        return super()._undefined_message


class ExpressionEnvironment(TracedEnvironment):
    """The environment of expressions: it has no globals, and every undefined name is an error."""

    def __init__(self) -> None:
        super().__init__(undefined=UndefinedValue, keep_trailing_newline=True, autoescape=False)
        self.globals.clear()
        self.filters = {name: self.filters[name] for name in BUILTIN_NAMES}
        tests: dict[str, Any] = {**self.tests}
        self.tests = {name: tests[name] for name in ALLOWED_TESTS}
        self.filters["int"] = _require_whole_number(self.filters["int"])


def _require_whole_number(read_int: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap Jinja's `int` to reject a value that is not a number, instead of returning 0."""

    def whole_number(value: Any, *default: Any, **options: Any) -> Any:
        if default or "default" in options:
            return read_int(value, *default, **options)
        number = read_int(value, default=None, **options)
        if number is None:
            raise RowError(f"expected a whole number, got {preview(value)}", code=Code.BAD_LABEL, value=value)
        return number

    return whole_number


ENVIRONMENT = ExpressionEnvironment()


class BoundedExpressionEnvironment(BoundedEnvironment, ExpressionEnvironment):
    """The environment of expressions in files, with resource limits."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        self.undefined = UndefinedValue
        self.filters = {name: count_filter(name, ENVIRONMENT.filters[name]) for name in BUILTIN_NAMES}

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Return whether an expression may read an attribute; objects of a row have those that their type declares."""
        if isinstance(obj, BaseModel):
            return attr in type(obj).model_fields
        return super().is_safe_attribute(obj, attr, value)


@lru_cache(maxsize=8)
def _get_bounded_environment(limits: Limits) -> BoundedExpressionEnvironment:
    return BoundedExpressionEnvironment(limits)


def choose_environment(limits: Limits | None, filters: Filters) -> TracedEnvironment:
    """Return an environment that keeps these filters, whatever is registered later.

    Args:
        limits: the limits for evaluating expressions; None for trusted ones.
        filters: the registered filters, by name.
    """
    shared = ENVIRONMENT if limits is None else _get_bounded_environment(limits)
    if not filters:
        return shared
    environment = shared.overlay()
    counted = filters if limits is None else {name: _count_registered(filter) for name, filter in filters.items()}
    environment.filters = {**shared.filters, **counted}
    return environment


def _count_registered(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a registered filter to count the values that go in and come out."""

    @wraps(function)
    # the filter's own work cannot be counted, so its input and output bound it
    def filter(*args: Any, **named: Any) -> Any:
        budget = CURRENT_BUDGET.get()
        for value in (*args, *named.values()):
            budget.count_values(value)
        return budget.count_values(function(*args, **named))

    return filter
