"""The Jinja environment that chat templates are written for, with resource limits for untrusted ones."""

from __future__ import annotations

import json
import re
from contextvars import ContextVar, Token
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from jinja2 import TemplateSyntaxError, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.ext import Extension
from jinja2.idtracking import VAR_LOAD_RESOLVE, VAR_LOAD_UNDEFINED
from jinja2.utils import Namespace

from preftemplates.core.provenance import derived, plain
from preftemplates.errors import PrefTemplatesError, StyleSyntaxError, one_line, preview
from preftemplates.sandbox.bounded import RESOURCE_ERRORS, BoundedEnvironment
from preftemplates.sandbox.tracing import TracedEnvironment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from jinja2.environment import Template as JinjaTemplate
    from jinja2.parser import Parser

    from preftemplates.sandbox.limits import Limits


class GenerationTag(Extension):
    """The tag `{% generation %}`, which marks the assistant's text and does not change it."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> nodes.Node:
        """Parse the marked body as a scope of its own."""
        lineno = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        if any(map(_leaves_block, body)):
            parser.fail("a generation block cannot be left by break or continue", lineno)
        # a scope, since variables that are set in the function of transformers are not visible after the block
        return nodes.Scope(body, lineno=lineno)


def _leaves_block(node: nodes.Node) -> bool:
    """Return whether a statement leaves a loop outside the block; transformers compiles the block as a function."""
    if isinstance(node, nodes.Break | nodes.Continue):
        return True
    return not isinstance(node, nodes.For) and any(map(_leaves_block, node.iter_child_nodes()))


class ChatTemplateEnvironment(TracedEnvironment):
    """The environment of chat templates: the settings, filters and functions of transformers."""

    def __init__(self) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=[GenerationTag, "jinja2.ext.loopcontrols"])
        self.filters["tojson"] = _tojson
        self.tests["sameas"] = _is_same_object
        self.globals.update(
            dict=NewDict(), namespace=ClosedNamespace, raise_exception=_raise_exception, strftime_now=_strftime_now
        )


class NewDict:
    """The function `dict` of chat templates, without the attributes that the type `dict` has."""

    # with the type, `dict.update(messages[0], ...)` would change a message: Jinja protects only instances

    def __call__(self, *args: Any, **items: Any) -> dict[Any, Any]:
        """Return a dict of these items."""
        return dict(*args, **items)

    def fromkeys(self, keys: Iterable[Any], value: Any = None) -> dict[Any, Any]:
        """Return a dict of these keys, all with the same value."""
        return dict.fromkeys(keys, value)


class ClosedNamespace(Namespace):
    """The function `namespace` of chat templates, which rejects names that begin with an underscore."""

    def __init__(*args: Any, **items: Any) -> None:  # no parameter `self`, so that an item may have this name
        self, *positional = args
        attributes = dict(*positional, **items)
        for name in attributes:
            _refuse_underscore(name)
        Namespace.__init__(self, attributes)

    def __setitem__(self, name: str, value: Any) -> None:
        _refuse_underscore(name)
        super().__setitem__(name, value)


def _refuse_underscore(name: Any) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise SecurityError(f"a name in a namespace may not begin with an underscore, got {preview(name)}")


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    # as in transformers; Jinja's own `tojson` writes `<`, `>`, `&` and `'` as escapes for HTML
    text = json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
    return derived(text, [value])


REFUSES_IDENTITY: ContextVar[bool] = ContextVar("REFUSES_IDENTITY", default=False)
"""Whether a render must not compare objects by identity, because traced copies replace the caller's objects."""


def _is_same_object(value: Any, other: Any) -> bool:
    if REFUSES_IDENTITY.get():
        raise TemplateError("objects are compared by identity")
    return value is other


def _raise_exception(message: str) -> NoReturn:
    raise TemplateError(message)


CLOCK: ContextVar[Callable[[], datetime]] = ContextVar("CLOCK", default=datetime.now)
"""Returns the time that chat templates get."""


class _StoppedClock:
    """A clock that always returns the same moment."""

    __slots__ = ("moment",)

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def __call__(self) -> datetime:
        return self.moment


def read_moment() -> datetime:
    """Return the moment that chat templates get now."""
    return CLOCK.get()()


class FixedMoment:
    """Give chat templates the same moment throughout a block; nested blocks share the moment of the outer one.

    Args:
        moment: the moment, which takes precedence over an outer block; by default, the clock is read.

    Example:
        >>> with FixedMoment() as first, FixedMoment() as second:
        ...     first is second is CLOCK.get()()
        True
        >>> CLOCK.get() == datetime.now
        True
    """

    __slots__ = ("_moment", "_token")

    def __init__(self, moment: datetime | None = None) -> None:
        self._moment = moment
        self._token: Token[Callable[[], datetime]] | None = None

    def __enter__(self) -> datetime:
        clock = CLOCK.get()
        if self._moment is None and type(clock) is _StoppedClock:
            return clock.moment
        moment = clock() if self._moment is None else self._moment
        self._token = CLOCK.set(_StoppedClock(moment))
        return moment

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            CLOCK.reset(self._token)


def _strftime_now(format: str) -> str:
    return derived(read_moment().strftime(plain(format)), [format])


class BoundedChatTemplateEnvironment(BoundedEnvironment, ChatTemplateEnvironment):
    """The environment of chat templates, with resource limits for untrusted ones."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)


@lru_cache(maxsize=8)
def get_environment(limits: Limits | None) -> ChatTemplateEnvironment:
    """Return the environment with these limits, or the environment of trusted templates."""
    return ChatTemplateEnvironment() if limits is None else BoundedChatTemplateEnvironment(limits)


_MAX_COMPILED_CHARACTERS = 4 << 20
"""The most characters of all sources that stay compiled; beyond it, the cache is cleared to free memory."""

_compiled_characters = 0


@lru_cache(maxsize=256)
def compile_template(source: str, limits: Limits | None) -> JinjaTemplate:
    """Compile a template, or return it from the cache.

    Args:
        source: the text of the template.
        limits: the limits for compiling and rendering; None for a trusted template.

    Raises:
        StyleSyntaxError: the source does not parse; the error has its line.
        StyleRefusedError: the source does something no untrusted template may do.
        StyleLimitError: the source exceeds the limits.
    """
    global _compiled_characters
    _compiled_characters += len(source)  # evicted sources stay counted, so the cache is rather cleared too early
    if _compiled_characters > _MAX_COMPILED_CHARACTERS:
        compile_template.cache_clear()
        _compiled_characters = len(source)
    try:
        return get_environment(limits).from_string(source)
    except TemplateSyntaxError as error:
        raise StyleSyntaxError(f"the chat template does not parse: {error.message}", line=error.lineno) from error
    except (SyntaxError, ValueError, *RESOURCE_ERRORS) as error:  # of Python's compiler, for trusted templates
        if isinstance(error, PrefTemplatesError):  # our errors are ValueErrors
            raise
        reason = one_line(str(error) or type(error).__name__, 200)
        raise StyleSyntaxError(f"the chat template does not compile: {reason}") from error


class TemplateNames(NamedTuple):
    """The names that a template reads and hides.

    Attributes:
        read: names that it looks up among its variables.
        hidden: names that it sets in some scope without reading them there first. An inner scope that reads one
            before it is set gets no value, instead of the variable of that name.
    """

    read: frozenset[str]
    hidden: frozenset[str]


class _NameFinder(CodeGenerator):
    """A walk through a template as Jinja's compiler does it, which notes the names of each scope."""

    def __init__(self, source: str) -> None:
        super().__init__(get_environment(None), "<names>", "<names>", optimized=False)
        self.read = set[str]()
        self.hidden = set[str]()
        self.visit(get_environment(None).parse(source))

    def write(self, x: str) -> None:
        """Discard the code."""

    def _output_child_to_const(self, *_: Any) -> NoReturn:
        raise nodes.Impossible  # else the compiler would compute constant output, and call filters for it

    def enter_frame(self, frame: Frame) -> None:
        """Note the names of a scope as it begins."""
        super().enter_frame(frame)
        names = {place: name for name, place in frame.symbols.refs.items()}
        for place, (action, name) in frame.symbols.loads.items():
            if action == VAR_LOAD_RESOLVE:
                self.read.add(str(name))
            elif action == VAR_LOAD_UNDEFINED:  # the compiled code sets it to `missing` here, whatever the context has
                self.hidden.add(names[place])


@lru_cache(maxsize=64)
def find_names(source: str) -> TemplateNames:
    """Return the names of a template; all names count as both if it is nested too deeply to walk through.

    >>> names = find_names("{{ a }}{% set b = 1 %}{% for c in messages %}{{ b }}{% endfor %}")
    >>> sorted(names.read), sorted(names.hidden)
    (['a', 'messages'], ['b'])
    """
    try:
        finder = _NameFinder(source)
    except RecursionError:
        words = frozenset(re.findall(r"[A-Za-z_]\w*", source))
        return TemplateNames(words, words)
    return TemplateNames(frozenset(finder.read), frozenset(finder.hidden))
