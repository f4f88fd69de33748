"""Jinja environments that run templates on columns: code that looks into a text fails, or becomes a guard."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Any

from jinja2.sandbox import ImmutableSandboxedEnvironment

from preftemplates.core.provenance import plain
from preftemplates.data.columnar.column_texts import ColumnText, Trace, UntraceableError, concat_texts, holds_columns
from preftemplates.data.columnar.column_turns import ColumnTurns
from preftemplates.data.columnar.message_filters import COLUMNAR_FILTERS
from preftemplates.data.columnar.numbers import ColumnNumber
from preftemplates.errors import one_line
from preftemplates.sandbox.tracing import TracedEnvironment
from preftemplates.styles.environment import ChatTemplateEnvironment, read_moment
from preftemplates.templates.expression_environment import ExpressionEnvironment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

CURRENT_TRACE: ContextVar[Trace] = ContextVar("CURRENT_TRACE")
"""The current run in this thread."""


@contextmanager
def run_traced(trace: Trace) -> Iterator[None]:
    """Let templates in the block record their questions.

    Raises:
        UntraceableError: no plan can be made, whatever error reports it.
    """
    token = CURRENT_TRACE.set(trace)
    try:
        yield
    except UntraceableError:
        raise
    except Exception as error:
        reason = trace.fault or f"the template fails on it: {one_line(str(error), 200)}"
        raise UntraceableError(reason) from error
    finally:
        CURRENT_TRACE.reset(token)
    if trace.fault:  # the template may have caught the error
        raise UntraceableError(trace.fault)


class ColumnarMixin(TracedEnvironment):
    """Differences of an environment in which texts are columns."""

    def __init__(self) -> None:
        super().__init__()
        self.filters = {name: _guard_filter(name, function) for name, function in self.filters.items()}
        self.filters["join"] = _guard_filter("join", self._join_texts)
        tests: dict[str, Any] = {**self.tests}
        self.tests = {name: _guard_test(name, function) for name, function in tests.items()}

    @staticmethod
    def concat(parts: Iterable[Any]) -> Any:
        """Join texts."""
        return concat_texts(CURRENT_TRACE.get(), parts)

    @staticmethod
    def text_of(value: Any) -> Any:
        """Return the text of a value, as `{{ value }}` prints it."""
        return value if isinstance(value, ColumnText) else TracedEnvironment.text_of(value)

    def call(self, context: Any, function: Any, /, *args: Any, **options: Any) -> Any:
        """Call a function; allow columns as arguments of a text's `join`."""
        owner = getattr(function, "__self__", None)
        if isinstance(owner, str) and getattr(function, "__name__", "") == "join" and holds_columns(list(args)):
            return self._join_texts(args[0], owner)
        return ImmutableSandboxedEnvironment.call(self, context, function, *args, **options)

    def _join_texts(self, value: Any, d: Any = "", attribute: str | int | None = None) -> Any:
        """Join texts like Jinja's filter `join`."""
        if attribute is not None:
            CURRENT_TRACE.get().fail("texts are joined with an attribute")
        spaced = [part for item in value for part in (d, self.text_of(item))]
        return self.concat(spaced[1:])


_TEXT_FILTERS = ("count", "default", "d", "length", "replace", "string", "trim")
"""Filters that accept a text, because they call only its methods or do nothing with it."""

_LIST_FILTERS = (
    "first", "last", "length", "count", "list", "map", "select", "selectattr", "reject", "rejectattr", "reverse",
    "join", "items",
)  # fmt: skip
"""Filters of lists that may contain texts: they use only `==` and other operators on the texts."""

_CONSTANT_ANSWERS = {
    "string": True, "defined": True, "undefined": False, "none": False, "mapping": False, "number": False,
    "integer": False, "float": False, "boolean": False, "true": False, "false": False, "iterable": True,
    "sequence": True, "callable": False,
}  # fmt: skip
"""The results of tests that are the same for any text."""

_COMPARING_TESTS = ("eq", "equalto", "==", "ne", "!=", "in")
"""Tests that use only the operators of a text."""


def _guard_filter(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter that accepts columns only where it treats them like texts."""

    @wraps(function)
    def filter(*args: Any, **options: Any) -> Any:
        if holds_columns([*args, *options.values()]):
            return _apply_filter(name, function, args, options)
        return function(*args, **options)

    return filter


def _apply_filter(name: str, function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    trace = CURRENT_TRACE.get()
    if name == "last" and isinstance(args[-1], ColumnTurns):
        return args[-1][-1]
    if name == "abs" and isinstance(args[0], ColumnNumber):
        return abs(args[0])
    # the first argument of some filters is the environment or the context
    text = next((arg for arg in args if isinstance(arg, ColumnText)), None)
    if text is None and name in _LIST_FILTERS:
        return function(*args, **options)
    if text is None or name not in _TEXT_FILTERS:
        trace.fail(f"the filter {name} is applied to a text")
    if name == "trim":
        return text.strip(*args[1:], **options)
    if name in ("length", "count"):
        return text.length()
    return function(*args, **options)


def _guard_test(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a test that gives for a column the result that it gives for a text."""

    @wraps(function)
    def test(*args: Any, **options: Any) -> Any:
        asked = next((arg for arg in args if isinstance(arg, ColumnText)), None)
        if asked is None or name in _COMPARING_TESTS:
            return function(*args, **options)
        if name not in _CONSTANT_ANSWERS:
            CURRENT_TRACE.get().fail(f"the test {name} is applied to a text")
        return _CONSTANT_ANSWERS[name]

    return test


class ColumnarChatTemplateEnvironment(ColumnarMixin, ChatTemplateEnvironment):
    """Runs chat templates on columns, and records the times that they write."""

    def __init__(self) -> None:
        super().__init__()
        self.globals["strftime_now"] = _note_moment


_DAILY = frozenset("aAbBdjmUwWyYuVGxeDFhC")
"""The conversions of `strftime` that change only from one day to the next."""


def _note_moment(format: Any) -> str:
    """Return what `strftime_now` writes; the plan is valid until the end of that day."""
    trace = CURRENT_TRACE.get()
    if not isinstance(format, str):
        trace.fail("the format of a date depends on the row")
    conversions = plain(format).replace("%%", "").replace("%-", "%").split("%")[1:]
    if not all(conversion[:1] in _DAILY for conversion in conversions):
        trace.fail("the time of day is written")
    trace.moments[plain(format)] = read_moment().strftime(plain(format))
    return trace.moments[plain(format)]


class ColumnarExpressionEnvironment(ColumnarMixin, ExpressionEnvironment):
    """Runs the expressions of templates on columns."""

    def with_filters(self, functions: Mapping[str, Callable[..., Any]]) -> ColumnarExpressionEnvironment:
        """Return the environment with registered filters, which accept columns only where they support them."""
        environment = self.overlay()
        environment.filters = {**self.filters, **{name: _adapt_filter(name, functions[name]) for name in functions}}
        return environment


_BUNDLED_FILTERS = "preftemplates.templates.filters."


def _adapt_filter(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a registered filter, or its equivalent for columns."""
    is_bundled = function.__module__.startswith(_BUNDLED_FILTERS)

    @wraps(function)
    def filter(*args: Any, **options: Any) -> Any:
        if not holds_columns([*args, *options.values()]):
            return function(*args, **options)
        if name not in COLUMNAR_FILTERS or not is_bundled:
            CURRENT_TRACE.get().fail(f"the filter {name} is applied to a column")
        return COLUMNAR_FILTERS[name](CURRENT_TRACE.get(), function, *args, **options)

    return filter


CHAT_TEMPLATES = ColumnarChatTemplateEnvironment()
EXPRESSIONS = ColumnarExpressionEnvironment()
