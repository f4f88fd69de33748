"""Expressions: the Jinja in which a template declares what it takes from a row.

A field is text with `{{ expressions }}`, without statements. The free names of its expressions are the columns that it
reads. A field that is exactly one expression keeps the type of its value.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, overload

from jinja2 import TemplateSyntaxError, Undefined, UndefinedError, nodes
from pydantic import BaseModel

from preftemplates.core.provenance import Traced, concat
from preftemplates.core.registry import DefinitionSite, Registry
from preftemplates.errors import (
    Code,
    DefinitionError,
    RowError,
    StyleError,
    StyleLimitError,
    StyleRefusedError,
    did_you_mean,
    one_line,
    preview,
)
from preftemplates.sandbox.admission import check_source
from preftemplates.sandbox.bounded import RESOURCE_ERRORS
from preftemplates.sandbox.budget import CURRENT_BUDGET, describe_without_subject, share_budget
from preftemplates.templates.comparisons import (
    find_nodes,
    list_choices,
    list_compared_columns,
    list_comparisons,
    list_paths,
)
from preftemplates.templates.expression_environment import (
    BUILTIN_NAMES,
    ENVIRONMENT,
    RowContext,
    choose_environment,
    describe_missing_field,
)

if TYPE_CHECKING:
    from jinja2.environment import Environment
    from jinja2.environment import Template as JinjaTemplate

    from preftemplates.sandbox.limits import Limits

Filter = TypeVar("Filter", bound=Callable[..., Any])

Filters = Mapping[str, Callable[..., Any]]

_RESERVED_NAMES = ("self", "super", "loop", "caller")
"""Names with a fixed meaning in Jinja; columns with these names are renamed internally."""


FILTERS: Registry[Callable[..., Any]] = Registry("filter", "preftemplates.templates.filters", "preftemplates.filters")


@overload
def register_filter(function: Filter, /) -> Filter: ...
@overload
def register_filter(function: str, /) -> Callable[[Filter], Filter]: ...
def register_filter(function: Any, /) -> Any:
    r"""Register a function as a filter for the expressions of templates, under its own name or the given one.

    A filter takes the value before the `|`, and further arguments in parentheses. It must cut text with slices and
    string methods, so that the spans of the result stay exact, and raise `RowError` with a code for a row that it
    cannot use.

    Example:
        >>> @register_filter
        ... def first_line(text):
        ...     return text.split("\n")[0]

    Raises:
        DefinitionError: Jinja or another function already has the name.
    """
    if isinstance(function, str):
        return lambda decorated: _register_filter(function, decorated)
    return _register_filter(function.__name__, function)


def _register_filter(name: str, function: Filter) -> Filter:
    if name in BUILTIN_NAMES:
        raise DefinitionError(
            f"Jinja already has a filter {name!r}; give the function another name: @register_filter('...')"
        )
    FILTERS.register(name, function, DefinitionSite.of(function))
    ENVIRONMENT.filters[name] = function
    return function


class Argument(NamedTuple):
    """An argument of a filter: its value if it is a constant, and the columns that it reads."""

    value: Any
    names: frozenset[str]


class Expression:
    """One `{{ expression }}`, parsed on creation and compiled at the first evaluation.

    Attributes:
        source: the field that contains it, for messages.
        limits: the limits for its evaluation; None for a trusted one.
        names: its free names, which are columns of the row.
        name: the column, if the expression is only its name.
        choosing: the columns that choose an item in `[...]`, or in the parentheses of `.get(...)`.
        compared: the columns compared directly with texts, with each text.
        choices: the choices that the whole expression makes by a column that is compared with constants.
        paths: the value paths that it reads.
        naming: the columns compared with constants, as in `winner == 'model_a'`, so that all other values count alike.
        filters: the names of the registered filters that it uses.
        functions: these filters by name.
    """

    def __init__(
        self, node: nodes.Expr, source: str, filters: Filters | None = None, limits: Limits | None = None
    ) -> None:
        self.node = node
        self.source = source
        self.limits = limits
        self.names = frozenset(name.name for name in find_nodes(node, nodes.Name))
        self.filters = frozenset(_list_filter_names(node)) - BUILTIN_NAMES
        self.name = node.name if isinstance(node, nodes.Name) else None
        choices = [item.arg for item in find_nodes(node, nodes.Getitem)]
        choices += [item for call in find_nodes(node, nodes.Call) if _is_get(call) for item in call.args[:1]]
        self.choosing = frozenset(name.name for choice in choices for name in find_nodes(choice, nodes.Name))
        self.naming = frozenset(list_compared_columns(node))
        self.compared = frozenset((name, value) for name, value in list_comparisons(node) if isinstance(value, str))
        self.choices = tuple(list_choices(node))
        self.paths = frozenset(list_paths(node))
        self._compiled: JinjaTemplate | None = None
        self._is_renamed = not self.names.isdisjoint(_RESERVED_NAMES)
        self._check(filters or {})
        self.functions = {name: (filters or {}).get(name) or FILTERS.get(name) for name in self.filters}
        self._environment = choose_environment(limits, self.functions)

    def _check(self, filters: Filters) -> None:
        for attribute in find_nodes(self.node, nodes.Getattr):
            if attribute.attr.startswith("_"):
                raise DefinitionError(
                    f"{preview(self.source)} reads {attribute.attr!r}; names that begin with _ are not allowed"
                )
        for name in self.filters - set(filters):
            names = {*FILTERS.names(), *BUILTIN_NAMES}
            if name not in names:
                raise DefinitionError(
                    f"{preview(self.source)} uses an unknown filter {name!r}." + did_you_mean(name, names)
                )
        for test in find_nodes(self.node, nodes.Test):
            if test.name not in ENVIRONMENT.tests:
                guess = did_you_mean(test.name, ENVIRONMENT.tests)
                raise DefinitionError(f"{preview(self.source)} uses an unknown test {test.name!r}.{guess}")
        for used in find_nodes(self.node, nodes.Filter):
            if used.name in self.filters and used.dyn_args is None and used.dyn_kwargs is None:
                self._check_arguments(used, filters.get(used.name) or FILTERS.get(used.name))
        for call in find_nodes(self.node, (nodes.Filter, nodes.Test, nodes.Call)):
            keywords = [keyword.key for keyword in call.kwargs]
            if len(set(keywords)) < len(keywords):
                raise DefinitionError(f"{preview(self.source)} gives an argument twice")

    def _check_arguments(self, used: nodes.Filter, function: Callable[..., Any]) -> None:
        """Check that a filter is used with arguments that its function accepts."""
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError):  # a function that is not written in Python may have no signature
            return
        try:
            signature.bind(None, *used.args, **{str(keyword.key): None for keyword in used.kwargs})
        except TypeError as error:
            parameters = ", ".join(list(signature.parameters)[1:])
            reason = f"uses the filter {used.name!r} wrongly: {error}; its signature is {used.name}({parameters})"
            raise DefinitionError(f"{preview(self.source)} {reason}") from None

    def list_calls(self, name: str) -> Iterator[tuple[list[Argument], dict[str, Argument]]]:
        """Yield the arguments of each use of a filter, by position and by name, without the value before the `|`."""
        for used in find_nodes(self.node, nodes.Filter):
            if used.name == name:
                yield (
                    [_read_argument(node) for node in used.args],
                    {keyword.key: _read_argument(keyword.value) for keyword in used.kwargs},
                )

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Return the value of the expression, with its type.

        Raises:
            RowError: the error of a filter, or `bad_expression` for any other failure.
        """
        if self.name is not None:
            return values[self.name]
        if self._compiled is None:
            self._compiled = self.compile()
        try:
            value = self._run(self._compiled, self._environment, values)
            if self.limits is not None:
                CURRENT_BUDGET.get().count_values(value)
            if type(value) is not str:
                _check_defined(value)
        except Exception as error:  # noqa: BLE001  a filter may raise anything
            raise self._convert_error(error) from error.__cause__ if isinstance(error, RowError) else error
        return value

    def evaluate_in(self, environment: Environment, values: Mapping[str, Any]) -> Any:
        """Return the value in another environment, such as one in which texts are columns; errors stay unchanged."""
        value = self._run(environment.from_string(self._write_assignment()), environment, values)
        _check_defined(value)
        return value

    def _run(self, compiled: JinjaTemplate, environment: Environment, values: Mapping[str, Any]) -> Any:
        """Run the compiled expression and return the value that it assigns."""
        if self._is_renamed:
            values = {_inner_name(name): value for name, value in values.items()}
        context = RowContext(environment, values)
        for _ in compiled.root_render_func(context):
            pass
        return context.vars["result"]

    def compile(self) -> JinjaTemplate:
        """Compile the expression.

        Raises:
            DefinitionError: it is nested too deeply for Python, or exceeds its limits.
        """
        try:
            return self._environment.from_string(self._write_assignment())
        except StyleError as error:
            raise DefinitionError(f"{preview(self.source)} {describe_without_subject(error)}") from error
        except (SyntaxError, *RESOURCE_ERRORS) as error:
            raise DefinitionError(f"{preview(self.source)} cannot be compiled: {_describe(error)}") from error

    def _write_assignment(self) -> nodes.Template:
        """Return a template that assigns the value to `result`."""
        for inner in find_nodes(self.node, nodes.Name):
            inner.name = _inner_name(inner.name)
        body: list[nodes.Node] = [nodes.Assign(nodes.Name("result", "store", lineno=1), self.node, lineno=1)]
        return nodes.Template(body, lineno=1)

    def _convert_error(self, error: Exception) -> RowError:
        """Convert an error during evaluation to the error to raise."""
        if isinstance(error, StyleLimitError | StyleRefusedError):
            code = Code.OVER_LIMIT if isinstance(error, StyleLimitError) else Code.BAD_EXPRESSION
            return RowError(f"{preview(self.source)} {describe_without_subject(error)}", code=code)
        if isinstance(error, RowError):
            return error
        cause = error.__cause__ if isinstance(error.__cause__, StopIteration) else error
        if isinstance(cause, AttributeError) and isinstance(cause.obj, BaseModel):
            reason = describe_missing_field(cause.obj, str(cause.name))  # a filter read it
            return RowError(f"{preview(self.source)} fails: {one_line(reason, 200)}", code=Code.BAD_EXPRESSION)
        message = str(cause).replace(f"{Traced.__module__}.{Traced.__name__} object", "str object")
        over_limit = self.limits is not None and isinstance(cause, RESOURCE_ERRORS)
        code = Code.OVER_LIMIT if over_limit else Code.BAD_EXPRESSION
        kind = "" if isinstance(cause, _SELF_EXPLAINING) else f"{type(cause).__name__}: "
        return RowError(f"{preview(self.source)} fails: {kind}{one_line(message, 200)}", code=code)


_SELF_EXPLAINING = (TypeError, UndefinedError)
"""Errors whose text is a sentence; that of a KeyError is only the key."""


def _describe(error: Exception) -> str:
    return one_line(getattr(error, "message", "") or str(error) or type(error).__name__, 200)


def _read_argument(node: nodes.Expr) -> Argument:
    value = node.value if isinstance(node, nodes.Const) else None
    return Argument(value, frozenset(name.name for name in find_nodes(node, nodes.Name)))


def _inner_name(name: str) -> str:
    return f"column_{name}" if name in _RESERVED_NAMES else name


def _list_filter_names(node: nodes.Expr) -> Iterator[str]:
    """Yield the filters that an expression uses, including those that `map` applies by name."""
    for used in find_nodes(node, nodes.Filter):
        yield used.name
        if used.name == "map" and used.args and isinstance(used.args[0], nodes.Const):
            yield str(used.args[0].value)


def _is_get(call: nodes.Call) -> bool:
    return isinstance(call.node, nodes.Getattr) and call.node.attr == "get"


def _check_defined(value: Any) -> None:
    """Raise an error if a value, or a part of it, is undefined."""
    if isinstance(value, Undefined):
        value._fail_with_undefined_error()
    if isinstance(value, (dict, Mapping)):
        value = value.values()
    elif not isinstance(value, list | tuple):
        return
    for part in value:
        if type(part) is not str:
            _check_defined(part)


class Field:
    """Text with expressions, as written in a template's field.

    >>> field = Field("{{ prompt }}!")
    >>> field.names, field.evaluate({"prompt": "Hi"})
    (frozenset({'prompt'}), 'Hi!')
    >>> Field("{{ [1, 2] }}").evaluate({})
    [1, 2]
    """

    def __init__(self, source: str, filters: Filters | None = None, limits: Limits | None = None) -> None:
        self.source = source
        self.limits = limits
        self.parts: tuple[str | Expression, ...] = tuple(_parse(source, filters, limits))
        only = self.parts[0] if len(self.parts) == 1 else ""
        self._only = only if isinstance(only, Expression) else None

    @property
    def expressions(self) -> list[Expression]:
        """The expressions in order."""
        return [part for part in self.parts if isinstance(part, Expression)]

    @property
    def names(self) -> frozenset[str]:
        """The free names of all expressions."""
        return frozenset[str]().union(*(expression.names for expression in self.expressions))

    @property
    def filters(self) -> frozenset[str]:
        """The registered filters that the field uses."""
        return frozenset[str]().union(*(expression.filters for expression in self.expressions))

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Return the value of the only expression, or the text of all parts.

        Raises:
            RowError: an expression fails, or an expression within text has a value other than text.
        """
        if self.limits is not None and CURRENT_BUDGET.get(None) is None:
            with share_budget(self.limits):
                return self.evaluate(values)
        if self._only is not None:
            return self._only.evaluate(values)
        parts = [part if isinstance(part, str) else self._text(part, values) for part in self.parts]
        return concat(parts) if self.limits is None else self._concat_counted(parts)

    def _concat_counted(self, parts: list[str]) -> str:
        try:
            text: str = CURRENT_BUDGET.get().concat(parts)
        except StyleLimitError as error:
            raise RowError(f"{preview(self.source)} {describe_without_subject(error)}", code=Code.OVER_LIMIT) from None
        return text

    def _text(self, expression: Expression, values: Mapping[str, Any]) -> str:
        value = expression.evaluate(values)
        if not isinstance(value, str):
            raise RowError(
                f"{preview(self.source)} must be text, got {preview(value)}",
                code=Code.WRONG_TYPE, column=expression.name, value=value,
            )  # fmt: skip
        return value


def _parse(source: str, filters: Filters | None, limits: Limits | None) -> list[str | Expression]:
    if not isinstance(source, str):
        raise DefinitionError(f"expected text with {{{{ expressions }}}}, got {preview(source)}")
    if "\r" in source:
        raise DefinitionError(f"{preview(source)} contains a carriage return, which Jinja would rewrite")
    try:
        if limits is not None:
            check_source(source, limits, ENVIRONMENT)
        return _list_parts(source, filters, limits) or [""]
    except StyleLimitError as error:
        raise DefinitionError(f"{preview(source)}: {describe_without_subject(error)}") from error
    except TemplateSyntaxError as error:
        raise DefinitionError(f"{preview(source)} does not parse: {error.message}") from error
    except (StyleError, ValueError, *RESOURCE_ERRORS) as error:
        if isinstance(error, RowError):
            raise
        raise DefinitionError(f"{preview(source)} does not parse: {_describe(error)}") from error


def _list_parts(source: str, filters: Filters | None, limits: Limits | None) -> list[str | Expression]:
    parts: list[str | Expression] = []
    for output in ENVIRONMENT.parse(source).body:
        if not isinstance(output, nodes.Output):
            raise DefinitionError(
                f"{preview(source)} contains a statement; a field may have only text and expressions,"
                " so write a filter (register_filter) for anything else"
            )
        parts += [
            node.data if isinstance(node, nodes.TemplateData) else Expression(node, source, filters, limits)
            for node in output.nodes
        ]
    return parts
