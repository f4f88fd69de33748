"""Jinja's sandbox with resource limits, in which untrusted templates compile and render."""

from __future__ import annotations

from types import BuiltinMethodType, MethodType, TracebackType
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateSyntaxError, nodes
from jinja2.environment import Template
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.filters import _GroupTuple
from jinja2.runtime import Context, LoopContext, Macro, Undefined
from jinja2.utils import Namespace

from preftemplates.core.provenance import Traced, concat
from preftemplates.errors import (
    Code,
    PrefTemplatesError,
    RowError,
    StyleLimitError,
    StyleRefusedError,
    StyleSyntaxError,
    one_line,
)
from preftemplates.sandbox.admission import check_source, check_tree
from preftemplates.sandbox.allowlist import (
    ALLOWED_FILTERS,
    ALLOWED_GLOBALS,
    ALLOWED_TESTS,
    LIST_METHODS,
    LOOP_ATTRIBUTES,
    MACRO_ATTRIBUTES,
    MAPPING_METHODS,
    TEXT_METHODS,
)
from preftemplates.sandbox.budget import CURRENT_BUDGET, Budget, describe_value, raise_refusal
from preftemplates.sandbox.codegen import BoundedCodeGenerator
from preftemplates.sandbox.filter_costs import count_filter, count_test, limit_clock, limit_message
from preftemplates.sandbox.format_costs import count_brace_format, count_percent_format
from preftemplates.sandbox.limits import Limits
from preftemplates.sandbox.method_costs import CONSTANT_TIME_METHODS, count_method
from preftemplates.sandbox.tracing import UNTRACED_TYPES, TracedEnvironment, TracedMarkup

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_READABLE_ATTRIBUTES: dict[type, frozenset[str]] = {
    _GroupTuple: LIST_METHODS | {"grouper", "list"},
    **dict.fromkeys((str, Traced, TracedMarkup), TEXT_METHODS),
    dict: MAPPING_METHODS,
    list: LIST_METHODS,
    tuple: LIST_METHODS,
    LoopContext: LOOP_ATTRIBUTES,
    Macro: MACRO_ATTRIBUTES,
}
"""What a template may read of a value, by the value's type; all of a namespace, and nothing of any other."""

RESOURCE_ERRORS = (RecursionError, MemoryError, OverflowError)
"""What Python raises where something needs too much."""


class TestedUndefined(Undefined):
    """What is not defined: it may be tested, and never becomes text."""

    __slots__ = ()

    def __str__(self) -> str:
        raise_refusal(f"prints {describe_value(self)}")

    def __format__(self, spec: str) -> str:
        return str(self)


class BoundedTemplate(Template):
    """A compiled template that renders within the limits of its environment."""

    def render(self, *args: Any, **variables: Any) -> str:
        """The text."""
        environment = self.environment
        assert isinstance(environment, BoundedEnvironment)
        return render_bounded(self, dict(*args, **variables), environment.limits)


class BoundedEnvironment(TracedEnvironment):
    """Jinja's sandbox, in which an untrusted template stays within its limits.

    As the first base of a class it bounds what the other bases set up: filters, tests and functions that are not in
    the vocabulary go, and the others are counted.

    >>> BoundedEnvironment().from_string("{{ 'a' * 10 ** 9 }}").render()
    Traceback (most recent call last):
    preftemplates.errors.StyleLimitError: line 1: the chat template makes a text of 1,000,000,000 characters; \
16,777,216 are allowed [over_limit]
    """

    code_generator_class = BoundedCodeGenerator
    template_class = BoundedTemplate

    def __init__(self, limits: Limits | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.limits = limits or Limits()
        self.undefined = TestedUndefined
        self.filters = {name: count_filter(name, self.filters[name]) for name in ALLOWED_FILTERS & self.filters.keys()}
        tests: dict[str, Any] = {**self.tests}
        self.tests = {name: count_test(name, tests[name]) for name in ALLOWED_TESTS}
        self.globals: dict[str, Any] = {name: self.globals[name] for name in ALLOWED_GLOBALS & self.globals.keys()}
        for name, limited in (("strftime_now", limit_clock), ("raise_exception", limit_message)):
            if name in self.globals:
                self.globals[name] = limited(self.globals[name])

    @property
    def budget(self) -> Budget:
        """What the render that is going on may still spend."""
        return CURRENT_BUDGET.get()

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        check_source(source, self.limits, self)
        tree = super()._parse(source, name, filename)
        check_tree(tree)
        return tree

    def from_string(self, source: Any, *args: Any, **options: Any) -> Template:
        """The compiled template.

        Raises:
            StyleSyntaxError: it does not parse.
            StyleRefusedError: it does what no untrusted template may do.
            StyleLimitError: it needs more than its limits allow.
        """
        try:
            return super().from_string(source, *args, **options)
        except Exception as error:  # noqa: BLE001  Jinja's parser and compiler raise anything on untrusted sources
            failure = _convert_compile_error(error)
        raise failure

    def text_of(self, value: Any) -> str:  # type: ignore[override]
        """The text of a value, as `{{ value }}` prints it; what is not defined has none, nor what has an address."""
        if isinstance(value, str):
            return value
        if type(value) not in UNTRACED_TYPES:
            budget = CURRENT_BUDGET.get()
            budget.spend(10 * budget.weigh(value, printing=True))
        return super().text_of(value)

    def is_safe_attribute(self, obj: Any, attr: str, _value: Any) -> bool:
        """Whether a template may read an attribute; what data holds under a key is no attribute."""
        allowed = _READABLE_ATTRIBUTES.get(type(obj))
        if allowed is None:
            allowed = next(
                (names for kind, names in _READABLE_ATTRIBUTES.items() if isinstance(obj, kind)), frozenset()
            )
        return attr in allowed or (isinstance(obj, Namespace) and not attr.startswith("_"))

    def getattr(self, obj: Any, attribute: str) -> Any:
        """`obj.attribute`."""
        if isinstance(obj, str):
            if attribute not in _TEXT_ATTRIBUTES:
                return self.undefined(obj=obj, name=attribute)
            if attribute in _PLAIN_METHODS:
                return getattr(obj, attribute)
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """`obj[argument]`."""
        # some templates ask each letter for its type
        if type(argument) is str and isinstance(obj, str) and argument not in _TEXT_ATTRIBUTES:
            return self.undefined(obj=obj, name=argument)
        if isinstance(argument, tuple):
            CURRENT_BUDGET.get().count_key(argument)
        return super().getitem(obj, argument)

    def call_method(self, context: Context, obj: Any, name: str, *args: Any) -> Any:
        """`obj.name(*args)`."""
        kind = type(obj)
        if kind is str:
            if name in _PLAIN_METHODS and all(type(arg) is str for arg in args):
                return getattr(obj, name)(*count_method(CURRENT_BUDGET.get(), obj, name, args))
        elif kind is Traced:
            if name in _PLAIN_METHODS:
                return getattr(obj, name)(*count_method(CURRENT_BUDGET.get(), obj, name, args))
        elif kind is dict and name in CONSTANT_TIME_METHODS and name in MAPPING_METHODS:
            for key in args[:1]:
                CURRENT_BUDGET.get().count_key(key)
            return getattr(obj, name)(*args)
        return self.call(context, self.getattr(obj, name), *args)

    def call(self, context: Context, function: Any, /, *args: Any, **options: Any) -> Any:
        """Call a function, a macro or a method."""
        budget = CURRENT_BUDGET.get()
        owner = function.__self__ if isinstance(function, BuiltinMethodType | MethodType) else None
        if isinstance(owner, str | dict | list | tuple):
            args = tuple(count_method(budget, owner, function.__name__, args))
        elif isinstance(function, Macro):
            budget.spend(256 + 8 * len(args))
        else:
            budget.spend(512 + 100 * (len(args) + len(options)))
            for value in args:
                budget.count_compared(value)
        return super().call(context, function, *args, **options)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """`left % right`; the other operators are the budget's."""
        budget = CURRENT_BUDGET.get()
        if isinstance(left, str):
            count_percent_format(budget, left, right)
        return budget.check_number(super().call_binop(context, operator, left, right))

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """`format` of a text, counted."""
        formatted = super().wrap_str_format(value)
        if formatted is None or value.__name__ != "format":
            return None

        def counted_format(*args: Any, **named: Any) -> str:
            count_brace_format(CURRENT_BUDGET.get(), value.__self__, args, named)
            return formatted(*args, **named)

        return counted_format


_TEXT_ATTRIBUTES = frozenset(dir(TracedMarkup))
_PLAIN_METHODS = TEXT_METHODS - {"format", "format_map"}
"""Methods of texts that call nothing of their arguments'."""


def render_bounded(template: Template, variables: Mapping[str, Any], limits: Limits) -> str:
    """Return the text of a template.

    Args:
        template: compiled by a `BoundedEnvironment`.
        variables: what the template finds, by name.
        limits: how much it may need.

    Raises:
        TemplateError: the template raised it itself, by `raise_exception`; no subclass of it is raised.
        StyleRefusedError: it did what no untrusted template may do; `line` is the template's own, here and below.
        StyleLimitError: it needed more than its limits allow.
        RowError: `refused_by_style`, when it failed in another way.
    """
    budget = Budget(limits)
    token = CURRENT_BUDGET.set(budget)
    rendering: Any = template.root_render_func(template.new_context(dict(variables)))
    try:
        text: str = concat(budget.collect_output(rendering))
        return text
    except Exception as error:  # noqa: BLE001  a template can make any value raise anything
        at = _find_line(error.__traceback__, template) or (rendering.gi_frame and rendering.gi_frame.f_lineno)
        failure = _convert_render_error(error, template.get_corresponding_lineno(at) if at else None)
    finally:
        CURRENT_BUDGET.reset(token)
    raise failure  # apart, so that the render's values are not kept with the error


def _convert_render_error(error: Exception, line: int | None) -> Exception:
    """The error that a failed render raises."""
    reason = one_line(str(error), 200)
    if isinstance(error, PrefTemplatesError):
        return error.located(line=line)
    if type(error) is TemplateError:
        return TemplateError(error.message)
    if isinstance(error, RESOURCE_ERRORS):
        return StyleLimitError(
            f"the chat template needs too much: {reason or type(error).__name__}", code=Code.OVER_LIMIT, line=line
        )
    if isinstance(error, SecurityError):
        return StyleRefusedError(f"the chat template was stopped: {reason}", code=Code.REFUSED_BY_STYLE, line=line)
    return RowError(f"the style's chat template raised: {reason}", code=Code.REFUSED_BY_STYLE, line=line)


def _find_line(traceback: TracebackType | None, template: Template) -> int | None:
    """The line of the template's code at which an error was raised."""
    line = None
    while traceback is not None:
        if traceback.tb_frame.f_globals is template.root_render_func.__globals__:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line


def _convert_compile_error(error: Exception) -> Exception:
    """The error that a source raises that does not compile."""
    if isinstance(error, PrefTemplatesError):
        return error
    if isinstance(error, TemplateSyntaxError):
        return StyleSyntaxError(f"the chat template does not parse: {error.message}", line=error.lineno)
    reason = one_line(error.msg if isinstance(error, SyntaxError) else str(error), 200)
    if isinstance(error, (*RESOURCE_ERRORS, IndentationError)) or "nested" in reason:
        return StyleLimitError(f"the chat template is nested too deeply: {reason}")
    return StyleSyntaxError(f"the chat template does not parse: {reason}")
