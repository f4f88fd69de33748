"""Jinja's sandbox with resource limits: the environment that compiles and renders untrusted templates."""

from __future__ import annotations

from types import BuiltinMethodType, MethodType, TracebackType
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateSyntaxError, nodes
from jinja2.environment import Template
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.filters import _GroupTuple
from jinja2.runtime import Context, LoopContext, Macro, Undefined
from jinja2.utils import Namespace, object_type_repr

from preftemplates.core.provenance import Traced, concat
from preftemplates.errors import (
    PREVIEW_LENGTH,
    Code,
    PrefTemplatesError,
    RowError,
    StyleLimitError,
    StyleRefusedError,
    StyleSyntaxError,
    one_line,
    preview,
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
from preftemplates.sandbox.filter_costs import count_filter, count_test, limit_clock, limit_message, limit_pairs
from preftemplates.sandbox.format_costs import count_brace_format, count_percent_format
from preftemplates.sandbox.limits import Limits
from preftemplates.sandbox.method_costs import CONSTANT_TIME_METHODS, count_method, require_simple_arguments
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
"""Readable attributes by type; a namespace may be read entirely, and any other type not at all."""

RESOURCE_ERRORS = (RecursionError, MemoryError, OverflowError)
"""Exceptions that Python raises when something takes too many resources."""


_LIMITED_FUNCTIONS: dict[str, Callable[[Callable[..., Any]], Callable[..., Any]]] = {
    "dict": limit_pairs, "namespace": limit_pairs, "raise_exception": limit_message, "strftime_now": limit_clock,
}  # fmt: skip
"""How to limit each function that templates may call; `range` has a limit of its own."""


class TestedUndefined(Undefined):
    """An undefined value: it may be tested, but printing it raises an error."""

    __slots__ = ()

    def __str__(self) -> str:
        raise_refusal(f"prints {describe_value(self)}")

    def __format__(self, spec: str) -> str:
        return str(self)


class BoundedTemplate(Template):
    """A compiled template that renders within the limits of its environment."""

    def render(self, *args: Any, **variables: Any) -> str:
        """Render within the limits of the environment and return the text."""
        environment = self.environment
        assert isinstance(environment, BoundedEnvironment)
        return render_bounded(self, dict(*args, **variables), environment.limits)


class BoundedEnvironment(TracedEnvironment):
    """Jinja's sandbox with resource limits for untrusted templates.

    As the first base class, it restricts what the other bases set up: filters, tests and functions outside the
    allowlist are removed, and the rest are charged to the budget.

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
        for name, limit in _LIMITED_FUNCTIONS.items():
            if name in self.globals:
                self.globals[name] = limit(self.globals[name])

    @property
    def budget(self) -> Budget:
        """The budget of the render that is in progress."""
        return CURRENT_BUDGET.get()

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        check_source(source, self.limits, self)  # first, since Jinja's parser recurses at each level of nesting
        tree = super()._parse(source, name, filename)
        check_tree(tree)
        return tree

    def from_string(self, source: Any, *args: Any, **options: Any) -> Template:
        """Compile a template.

        Raises:
            StyleSyntaxError: the source does not parse.
            StyleRefusedError: the source does something no untrusted template may do.
            StyleLimitError: the source exceeds the limits.
        """
        try:
            return super().from_string(source, *args, **options)
        except Exception as error:  # noqa: BLE001  Jinja's parser and compiler raise anything on untrusted sources
            failure = _convert_compile_error(error)
        raise failure

    def text_of(self, value: Any) -> str:  # type: ignore[override]
        """Return the text of a value, as `{{ value }}` prints it; values without a text raise an error."""
        if isinstance(value, str):
            return value
        # str() of a container writes its whole contents, so it is weighed first
        if type(value) not in UNTRACED_TYPES:
            budget = CURRENT_BUDGET.get()
            budget.spend(10 * budget.weigh(value, printing=True))
        return super().text_of(value)

    def is_safe_attribute(self, obj: Any, attr: str, _value: Any) -> bool:
        """Return whether a template may read an attribute; the keys of data are not attributes."""
        allowed = _READABLE_ATTRIBUTES.get(type(obj))
        if allowed is None:
            allowed = next(
                (names for kind, names in _READABLE_ATTRIBUTES.items() if isinstance(obj, kind)), frozenset()
            )
        return attr in allowed or (isinstance(obj, Namespace) and not attr.startswith("_"))

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return `obj.attribute`."""
        if isinstance(obj, str):
            if attribute not in _TEXT_ATTRIBUTES:
                return self.undefined(obj=obj, name=attribute)
            if attribute in _PLAIN_METHODS:  # `format` takes Jinja's path, which calls `wrap_str_format`
                return getattr(obj, attribute)
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return `obj[argument]`."""
        # some templates check the type of each character this way, so it is worth a shortcut
        if type(argument) is str and isinstance(obj, str) and argument not in _TEXT_ATTRIBUTES:
            return self.undefined(obj=obj, name=argument[:PREVIEW_LENGTH])
        if isinstance(argument, tuple):
            CURRENT_BUDGET.get().count_key(argument)
        value = super().getitem(obj, argument)
        if isinstance(value, Undefined) and value._undefined_name is argument and not _is_short(argument):
            # the error about a missing key contains the repr of the key, which may be a list of any size
            value = self.undefined(f"{object_type_repr(obj)} has no element {_describe_key(argument)}")
        return value

    def is_safe_callable(self, obj: Any) -> bool:
        """Return whether a template may call an object."""
        # Jinja asks the object, but a namespace would answer with a value of the template, and the error show them all
        return isinstance(obj, Namespace) or super().is_safe_callable(obj)

    def call_method(self, context: Context, obj: Any, name: str, *args: Any) -> Any:
        """Return `obj.name(*args)`."""
        # shortcuts for the common types; all other objects take Jinja's checked path at the end
        kind = type(obj)
        if kind is str:
            # other arguments take Jinja's path, since `TracedEnvironment.call` keeps the pieces of `",".join(parts)`
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
        """Call a function, a macro or a method, and charge its cost first."""
        budget = CURRENT_BUDGET.get()
        owner = function.__self__ if isinstance(function, BuiltinMethodType | MethodType) else None
        if isinstance(owner, str | dict | list | tuple):
            args = tuple(count_method(budget, owner, function.__name__, args))
            require_simple_arguments(function.__name__, options.values())
        elif isinstance(function, Macro):
            budget.spend(256 + 8 * (len(args) + len(options)))
        else:
            budget.spend(512 + 100 * (len(args) + len(options)))
            for value in args:  # `loop.changed` compares its arguments, and `dict` hashes the keys in a list of pairs
                budget.count_compared(value)
        return super().call(context, function, *args, **options)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Return `left % right`; the budget computes the other operators."""
        budget = CURRENT_BUDGET.get()
        if isinstance(left, str):
            count_percent_format(budget, left, right)
        return budget.check_number(super().call_binop(context, operator, left, right))

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """Return `str.format` of a string with its cost charged."""
        formatted = super().wrap_str_format(value)
        if formatted is None or value.__name__ != "format":
            return None  # without a wrapper, `is_safe_attribute` rejects `format_map`

        def counted_format(*args: Any, **named: Any) -> str:
            count_brace_format(CURRENT_BUDGET.get(), value.__self__, args, named)
            return formatted(*args, **named)

        return counted_format


def _is_short(key: Any) -> bool:
    return len(key) <= PREVIEW_LENGTH if isinstance(key, str) else key is None or isinstance(key, int | float)


def _describe_key(key: Any) -> str:
    return preview(key) if isinstance(key, str) else f"with a key of type {type(key).__name__!r}"


_TEXT_ATTRIBUTES = frozenset(dir(TracedMarkup))
_PLAIN_METHODS = TEXT_METHODS - {"format", "format_map"}
"""Methods of strings that call nothing on their arguments."""


def render_bounded(template: Template, variables: Mapping[str, Any], limits: Limits) -> str:
    """Render a template within limits and return the text.

    Args:
        template: a template compiled by a `BoundedEnvironment`.
        variables: the template's variables by name.
        limits: the resources that the render may use.

    Raises:
        TemplateError: the template raised it by `raise_exception`; a subclass is never raised.
        StyleRefusedError: it did something no untrusted template may do; `line` is one of the source, here and below.
        StyleLimitError: it exceeded the limits.
        RowError: `refused_by_style`, if it failed in another way.
    """
    budget = Budget(limits)
    token = CURRENT_BUDGET.set(budget)
    rendering: Any = template.root_render_func(template.new_context(dict(variables)))
    try:
        text: str = concat(budget.collect_output(rendering))
        return text
    except Exception as error:  # noqa: BLE001  a template can make any value raise anything
        # `collect_output` raises errors outside the template's code, but the suspended generator knows its line
        at = _find_line(error.__traceback__, template) or (rendering.gi_frame and rendering.gi_frame.f_lineno)
        failure = _convert_render_error(error, template.get_corresponding_lineno(at) if at else None)
    finally:
        CURRENT_BUDGET.reset(token)
    raise failure  # outside the handler, so that the error does not keep the render's values alive


def _convert_render_error(error: Exception, line: int | None) -> Exception:
    """Convert an exception of a failed render to the error to raise."""
    reason = one_line(str(error), 200)
    if isinstance(error, PrefTemplatesError):
        return error.located(line=line)
    # a TemplateError itself is what `raise_exception` raises: callers handle it, so it passes through
    if type(error) is TemplateError:
        return TemplateError(error.message)
    if isinstance(error, RESOURCE_ERRORS):
        return StyleLimitError(
            f"the chat template needs too many resources: {reason or type(error).__name__}",
            code=Code.OVER_LIMIT,
            line=line,
        )
    if isinstance(error, SecurityError):
        return StyleRefusedError(f"the chat template was stopped: {reason}", code=Code.REFUSED_BY_STYLE, line=line)
    return RowError(f"the style's chat template raised: {reason}", code=Code.REFUSED_BY_STYLE, line=line)


def _find_line(traceback: TracebackType | None, template: Template) -> int | None:
    """Return the line of the template's compiled code at which an error was raised."""
    line = None
    while traceback is not None:
        # Jinja runs the code of each template in globals of its own, which its macros share
        if traceback.tb_frame.f_globals is template.root_render_func.__globals__:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line


def _convert_compile_error(error: Exception) -> Exception:
    """Convert an exception of a failed compilation to the error to raise."""
    if isinstance(error, PrefTemplatesError):
        return error
    if isinstance(error, TemplateSyntaxError):
        return StyleSyntaxError(f"the chat template does not parse: {error.message}", line=error.lineno)
    reason = one_line(error.msg if isinstance(error, SyntaxError) else str(error), 200)
    # CPython 3.11 compiles at most 20 loops inside each other ("too many statically nested blocks"), 99 levels of
    # indentation (IndentationError) and 200 of parentheses ("too many nested parentheses")
    if isinstance(error, (*RESOURCE_ERRORS, IndentationError)) or "nested" in reason:
        return StyleLimitError(f"the chat template is nested too deeply: {reason}")
    return StyleSyntaxError(f"the chat template does not parse: {reason}")
