"""Jinja's sandbox with strings that track where their text comes from.

A string that is cut or joined keeps its pieces. A string that is made from others in any other way (JSON, a changed
case, a number in digits) is marked as derived from them. No text loses its origin silently.
"""

from __future__ import annotations

import re
from functools import wraps
from types import BuiltinMethodType
from typing import TYPE_CHECKING, Any

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame, generate
from jinja2.filters import make_attrgetter
from jinja2.sandbox import ImmutableSandboxedEnvironment, SandboxedEscapeFormatter, SandboxedFormatter
from markupsafe import Markup, escape

from preftemplates.core.provenance import Traced, concat, derived, derived_from, derived_number, join, pieces_of, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping

    from jinja2.runtime import Context

UNTRACED_TYPES = (int, float, bool, type(None))
"""Types whose values are printed without a search for traced text inside."""

DICT_ATTRIBUTES = frozenset(dir(dict))
"""Names that mean an attribute of a dict itself, and not one of its keys."""

_REWRITING_FILTERS = (
    "center", "filesizeformat", "forceescape", "indent", "pprint", "striptags", "title", "truncate",
    "urlencode", "urlize", "wordwrap", "xmlattr",
)  # fmt: skip
"""Jinja's filters that write new text from their arguments."""

_TEXT_FILTERS = ("capitalize", "lower", "upper")
"""Jinja's filters that convert their argument to a string and call a method of it."""

_CONVERSION = re.compile(
    r"%(?:%|(?:\((?P<name>[^()]*)\))?(?P<flags>[#0\- +]*(?:\*|\d*)(?:\.(?:\*|\d*))?[hlL]?)(?P<kind>[a-zA-Z]))"
)
"""Matches one conversion of a `%` format."""


class TracedMarkup(Traced):
    """The result of the filter `safe`: it escapes text that is added to it, as markupsafe's class does."""

    __slots__ = ()

    def __html__(self) -> str:
        return self

    def __repr__(self) -> str:
        return f"Markup({str.__repr__(self)})"

    def __add__(self, other: str) -> Traced:
        return TracedMarkup.of(concat((self, escape_traced(other)))) if isinstance(other, str) else NotImplemented

    def __radd__(self, other: str) -> Traced:
        return TracedMarkup.of(concat((escape_traced(other), self))) if isinstance(other, str) else NotImplemented

    def join(self, parts: Iterable[Any], /) -> Traced:
        """Join the parts, escaped, with this text between them."""
        return TracedMarkup.of(join(self, map(escape_traced, parts)))

    @classmethod
    def of(cls, text: str) -> TracedMarkup:
        """Return the text as markup, with the same pieces."""
        return cls(plain(text), pieces_of(text))


def escape_traced(value: Any) -> str:
    """Return the text of a value with HTML's special characters escaped, unless it is safe already."""
    if isinstance(value, TracedMarkup):
        return value
    text = plain(escape(plain(value) if isinstance(value, str) else value))
    return value if isinstance(value, str) and text == value else derived(text, [value])


def _wrap_markup_method(name: str) -> Callable[..., Any]:
    """Make a method of `TracedMarkup` that gives markupsafe's result, with the pieces that a traced string keeps."""

    def method(self: TracedMarkup, *args: Any, **options: Any) -> Any:
        # markupsafe decides the text, since its `replace` escapes what it inserts; `Traced` knows the pieces
        expected = getattr(Markup(plain(self)), name)(*args, **options)
        traced = getattr(Traced, name)(self, *args, **options)
        if isinstance(expected, list | tuple):
            return type(expected)(map(TracedMarkup.of, traced))
        return TracedMarkup.of(traced if traced == plain(expected) else derived(plain(expected), [self, args]))

    method.__name__ = name
    return method


for _name in (
    "__getitem__", "__mul__", "__rmul__", "capitalize", "casefold", "lower", "lstrip", "partition", "removeprefix",
    "removesuffix", "replace", "rpartition", "rsplit", "rstrip", "split", "splitlines", "strip", "swapcase", "title",
    "upper",
):  # fmt: skip
    setattr(TracedMarkup, _name, _wrap_markup_method(_name))


class TracedCodeGenerator(CodeGenerator):
    """Compile a template so that text keeps its origin, and compute nothing at compile time."""

    def _output_child_to_const(self, node: nodes.Expr, frame: Frame, finalize: Any) -> str:
        # an expression folded at compile time would be plain text that no budget has counted
        if not isinstance(node, nodes.TemplateData):
            raise nodes.Impossible
        return super()._output_child_to_const(node, frame, finalize)

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802  Jinja calls it by the node's name
        """Write `environment.concat((environment.text_of(a), environment.text_of(b), ...))`."""
        self.write("environment.concat((")
        for part in node.nodes:
            self.write("environment.text_of(")
            self.visit(part, frame)
            self.write("), ")
        self.write("))")

    def visit_Getattr(self, node: nodes.Getattr, frame: Frame) -> None:  # noqa: N802  Jinja calls it by the node's name
        """Write `value.name`; a key of a dict is looked up without a call."""
        if node.attr in DICT_ATTRIBUTES:  # for `x.items`, Jinja prefers the method to a key of that name
            super().visit_Getattr(node, frame)
        else:
            self._write_lookup(node.node, node.attr, frame, super().visit_Getattr, node)

    def visit_Getitem(self, node: nodes.Getitem, frame: Frame) -> None:  # noqa: N802  Jinja calls it by the node's name
        """Write `value["name"]`; a key of a dict is looked up without a call."""
        if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
            self._write_lookup(node.node, node.arg.value, frame, super().visit_Getitem, node)
        else:
            super().visit_Getitem(node, frame)

    def _write_lookup(self, holder: nodes.Expr, key: str, frame: Frame, visit: Callable[..., None], node: Any) -> None:
        """Write the look-up of a key in a dict variable, and the result of `visit` for everything else."""
        # only for a variable: the holder is written four times, and a call in it would run again and again; a variable
        # that is not set is `missing`, which is not a dict
        if isinstance(holder, nodes.Name):
            variable = frame.symbols.ref(holder.name)
            self.write(f"({variable}[{key!r}] if type({variable}) is dict and {key!r} in {variable} else ")
        visit(node, frame)
        self.write(")" if isinstance(holder, nodes.Name) else "")

    def _output_child_pre(self, _node: nodes.Expr, _frame: Frame, finalize: Any) -> None:
        self.write("environment.text_of(")
        if finalize.src is not None:
            self.write(finalize.src)


class TracedEnvironment(ImmutableSandboxedEnvironment):
    """Jinja's sandbox with strings that track their origin."""

    code_generator_class = TracedCodeGenerator
    intercepted_binops = frozenset({"%"})  # `"%s" % (text,)` would lose the pieces; `Traced` has methods for + and *
    concat = staticmethod(concat)

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.filters.update({name: _trace_result(self.filters[name]) for name in _REWRITING_FILTERS})
        self.filters.update({name: self._make_text_filter(name) for name in _TEXT_FILTERS})
        self.filters.update({name: _trace_number(self.filters[name]) for name in ("int", "float")})
        self.filters.update({name: _escape for name in ("e", "escape")})
        self.filters.update(
            format=self._format, join=self._join, replace=self._replace, safe=_safe, string=self.text_of,
            trim=self._trim,
        )  # fmt: skip

    def _generate(
        self, source: nodes.Template, name: str | None, filename: str | None, defer_init: bool = False
    ) -> str:
        """Write the code of a template, without Jinja's optimizer.

        The optimizer evaluates constant expressions at compile time: it raises their exceptions, and no budget counts
        `8 ** (9 ** 10)`.
        """
        return generate(source, self, name, filename, defer_init=defer_init, optimized=False) or ""

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """Return a template's globals as one dict: each render copies them, and Jinja would chain two mappings."""
        return {**self.globals, **(d or {})}

    @staticmethod
    def text_of(value: Any) -> str:
        """Return the text of a value, as `{{ value }}` prints it."""
        if isinstance(value, str):
            return value
        text = str(value)
        return text if type(value) in UNTRACED_TYPES or isinstance(text, Traced) else derived(text, [value])

    def _make_text_filter(self, method: str) -> Callable[..., Any]:
        """Make a filter that converts its argument to a string and calls a method of it."""
        text_of = self.text_of
        return lambda s: getattr(text_of(s), method)()

    def _trim(self, value: Any, chars: str | None = None) -> str:
        """Apply Jinja's filter `trim`."""
        return self.text_of(value).strip(chars)

    def _replace(self, value: Any, old: Any, new: Any, count: int | None = None) -> str:
        """Apply Jinja's filter `replace`."""
        text, by = remove_markup(self.text_of(value)), remove_markup(self.text_of(new))
        # str.replace would return a plain string, without the pieces of what it inserts
        text = Traced(text) if type(text) is str and isinstance(by, Traced) else text
        return text.replace(self.text_of(old), by, -1 if count is None else count)

    def _join(self, value: Any, d: Any = "", attribute: str | int | None = None) -> str:
        """Apply Jinja's filter `join`."""
        if attribute is not None:
            value = map(make_attrgetter(self, attribute), value)
        parts = [remove_markup(self.text_of(part)) for part in value]
        return self.text_of(join(remove_markup(self.text_of(d)), parts))

    def _format(self, value: Any, *args: Any, **named: Any) -> str:
        """Apply Jinja's filter `format`."""
        return _format_percent(self.text_of(value), named or args)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return `obj.attribute`; Jinja would try the dict's attribute first, and catch an exception per key."""
        if type(obj) is dict and attribute not in DICT_ATTRIBUTES:
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return `obj[argument]`; Jinja would catch two exceptions for a missing key."""
        if type(obj) is dict and type(argument) is str:
            if argument in obj:
                return obj[argument]
            if argument not in DICT_ATTRIBUTES:
                return self.undefined(obj=obj, name=argument)
        return super().getitem(obj, argument)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Return the value of a binary operator; `%` formats strings."""
        if operator == "%" and isinstance(left, str):
            return _format_percent(left, right)
        return super().call_binop(context, operator, left, right)

    def call(self, context: Context, function: Any, /, *args: Any, **options: Any) -> Any:
        """Call a function; a method of a plain string that is given traced text keeps its origin."""
        if isinstance(function, BuiltinMethodType) and type(function.__self__) is str and _has_traced(args):
            function = getattr(Traced(function.__self__), function.__name__)
        return super().call(context, function, *args, **options)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """Return `format` or `format_map` of a string, with fields that keep their origin."""
        if super().wrap_str_format(value) is None:
            return None

        def wrapped(*args: Any, **named: Any) -> str:
            if value.__name__ == "format_map":
                (named,), args = args, ()
            return self._braces(value.__self__, args, named)

        return wrapped

    def _braces(self, template: str, args: tuple[Any, ...], named: Mapping[str, Any]) -> str:
        if isinstance(template, TracedMarkup):
            text = SandboxedEscapeFormatter(self, escape=Markup.escape).vformat(plain(template), args, named)
            return TracedMarkup.of(derived(plain(text), [template, args, named]))
        # Jinja's formatter gives the text; the fields are formatted again one by one, to learn where each comes from
        formatter = SandboxedFormatter(self)
        text = formatter.vformat(plain(template), args, named)
        if isinstance(template, Traced) or not derived_from("", [args, named]):
            return derived(text, [template, args, named])
        parts = list(_format_fields(formatter, template, args, named))
        return str(concat(parts)) if "".join(parts) == text else derived(text, [args, named])


def _format_fields(
    formatter: SandboxedFormatter, template: str, args: tuple[Any, ...], named: Mapping[str, Any]
) -> Iterator[str]:
    """Yield the text between the fields of a format, and the text of each field."""
    count = 0
    for literal, name, spec, conversion in formatter.parse(template):
        yield literal
        if name is None:
            continue
        if re.match(r"[.\[]|\Z", name):  # `{}` or `{.x}`: the number has to be written out to format the field alone
            name, count = f"{count}{name}", count + 1
        field = f"{{{name}{'!' + conversion if conversion else ''}{':' + spec if spec else ''}}}"
        value = formatter.get_field(name, args, named)[0]
        untouched = isinstance(value, str) and not spec and not conversion
        # a field inside the width, as in `{:{}}`, takes its value from any argument
        sources = [value, args] if "{" in (spec or "") else [value]
        yield value if untouched else derived(formatter.vformat(field, args, named), sources)


def remove_markup(text: str) -> str:
    """Return the text and pieces, no longer safe: Jinja's filters convert their arguments to a plain `str`."""
    return Traced(plain(text), pieces_of(text)) if isinstance(text, TracedMarkup) else text


def _trace_number(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a filter that reads a number from text, so that the number tracks the text."""

    @wraps(function)
    def filter(value: Any, *args: Any, **named: Any) -> Any:
        number = function(value, *args, **named)
        # a container is not a number, so the filter returns its default: a search for traced text inside is pointless
        return derived_number(number, [value]) if isinstance(value, str | int | float) else number

    return filter


def _escape(s: Any) -> str:
    """Apply Jinja's filter `escape`."""
    return TracedMarkup.of(escape_traced(s))


def _safe(value: Any) -> str:
    """Apply Jinja's filter `safe`."""
    return TracedMarkup.of(TracedEnvironment.text_of(value))


def _trace_result(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a filter so that its text is derived from its arguments, unless it returns one of them unchanged."""

    @wraps(function)
    def filter(*args: Any, **options: Any) -> Any:
        # `indent` asks whether its argument is markupsafe's own class
        safe = [Markup(plain(arg)) if isinstance(arg, TracedMarkup) else arg for arg in args]
        value = function(*safe, **options)
        if not isinstance(value, str):
            return value
        # an unchanged argument keeps its pieces: `indent` of one line is that line
        same = next((arg for arg in args if isinstance(arg, Traced) and arg == value), None)
        if same is not None:
            return TracedMarkup.of(same) if hasattr(value, "__html__") else same
        text = derived(plain(value), [args, options])
        return TracedMarkup.of(text) if hasattr(value, "__html__") else text

    return filter


def _has_traced(args: tuple[Any, ...]) -> bool:
    # methods of strings accept a list or tuple of strings at most, so the search goes one level deep
    texts = (item for arg in args for item in (arg if isinstance(arg, list | tuple) else (arg,)))
    return any(isinstance(item, Traced) for item in texts)


def _format_percent(template: str, values: Any) -> str:
    """Return `template % values`, in which a `%s` of a string keeps that string's pieces."""
    if isinstance(template, TracedMarkup):
        return TracedMarkup.of(derived(plain(Markup(plain(template)) % values), [template, values]))
    text: str = plain(template) % values
    if not derived_from("", [template, values]):
        return text
    # the parts are kept only if they spell Python's own result: padding and rare conversions may differ
    parts = list(_format_conversions(template, values))
    return str(concat(parts)) if "".join(parts) == text else derived(text, [template, values])


def _format_conversions(template: str, values: Any) -> Iterator[str]:
    """Yield the text between the conversions of a format, and the text of each conversion."""
    at, arguments = 0, iter(values if isinstance(values, tuple) else (values,))
    for conversion in _CONVERSION.finditer(template):
        yield template[at : conversion.start()]
        at = conversion.end()
        if conversion[0] == "%%":
            yield template[at - 1 : at]
            continue
        if "*" in conversion["flags"]:
            return  # the width is another argument; the caller sees that the parts are not the whole text
        value = values[conversion["name"]] if conversion["name"] is not None else next(arguments)
        untouched = isinstance(value, str) and conversion["kind"] == "s" and not conversion["flags"]
        yield value if untouched else derived(f"%{conversion['flags']}{conversion['kind']}" % (value,), [value])
    yield template[at:]
