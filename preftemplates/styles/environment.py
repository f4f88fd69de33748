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
    """`{% generation %}`: marks what the assistant wrote; it changes no text."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> nodes.Node:
        """Read the marked body as a scope of its own."""
        lineno = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        if any(map(_leaves_block, body)):
            parser.fail("a generation block is not left by break or continue", lineno)
        return nodes.Scope(body, lineno=lineno)


def _leaves_block(node: nodes.Node) -> bool:
    """Whether a statement leaves a loop that it does not stand in; transformers compiles the block as a function."""
    if isinstance(node, nodes.Break | nodes.Continue):
        return True
    return not isinstance(node, nodes.For) and any(map(_leaves_block, node.iter_child_nodes()))


class ChatTemplateEnvironment(TracedEnvironment):
    """What chat templates are written for: transformers' settings, filters and functions."""

    def __init__(self) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=[GenerationTag, "jinja2.ext.loopcontrols"])
        self.filters["tojson"] = _tojson
        self.tests["sameas"] = _is_same_object
        self.globals.update(
            dict=NewDict(), namespace=ClosedNamespace, raise_exception=_raise_exception, strftime_now=_strftime_now
        )


class NewDict:
    """The function `dict` of chat templates: it makes dicts, and has none of the type's other attributes."""

    def __call__(self, *args: Any, **items: Any) -> dict[Any, Any]:
        """A dict of these items."""
        return dict(*args, **items)

    def fromkeys(self, keys: Iterable[Any], value: Any = None) -> dict[Any, Any]:
        """A dict of these keys, all with one value."""
        return dict.fromkeys(keys, value)


class ClosedNamespace(Namespace):
    """The function `namespace` of chat templates, in which no name begins with an underscore."""

    def __init__(*args: Any, **items: Any) -> None:  # so that an item may be called self
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
        raise SecurityError(f"a namespace has no names that begin with an underscore, got {preview(name)}")


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    text = json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
    return derived(text, [value])


REFUSES_IDENTITY: ContextVar[bool] = ContextVar("REFUSES_IDENTITY", default=False)
"""Whether a render may not tell an object from an equal one, since its texts are traced in the place of others."""


def _is_same_object(value: Any, other: Any) -> bool:
    if REFUSES_IDENTITY.get():
        raise TemplateError("objects are compared by identity")
    return value is other


def _raise_exception(message: str) -> NoReturn:
    raise TemplateError(message)


CLOCK: ContextVar[Callable[[], datetime]] = ContextVar("CLOCK", default=datetime.now)
"""What tells the day to chat templates."""


class _StoppedClock:
    """A clock that always gives the same moment."""

    __slots__ = ("moment",)

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def __call__(self) -> datetime:
        return self.moment


def read_moment() -> datetime:
    """Return the moment that chat templates find now."""
    return CLOCK.get()()


class FixedMoment:
    """A context in which chat templates always find the same moment; one inside of another has the moment of that.

    Args:
        moment: the moment, which then holds inside of another context too; by default, the clock is read.

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
    """The same environment for untrusted templates."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)


@lru_cache(maxsize=8)
def get_environment(limits: Limits | None) -> ChatTemplateEnvironment:
    """Return the environment with these limits, or the one of trusted templates."""
    return ChatTemplateEnvironment() if limits is None else BoundedChatTemplateEnvironment(limits)


_MAX_COMPILED_CHARACTERS = 4 << 20
"""Characters of all sources whose templates are kept compiled: with more, all are forgotten, since memory is held."""

_compiled_characters = 0


@lru_cache(maxsize=256)
def compile_template(source: str, limits: Limits | None) -> JinjaTemplate:
    """Return the compiled template.

    Args:
        source: the template's text.
        limits: within which it is compiled and rendered; None for one that is trusted.

    Raises:
        StyleSyntaxError: it does not parse; the error has the template's line.
        StyleRefusedError: it does what no untrusted template may do.
        StyleLimitError: it needs more than its limits allow.
    """
    global _compiled_characters
    _compiled_characters += len(source)
    if _compiled_characters > _MAX_COMPILED_CHARACTERS:
        compile_template.cache_clear()
        _compiled_characters = len(source)
    try:
        return get_environment(limits).from_string(source)
    except TemplateSyntaxError as error:
        raise StyleSyntaxError(f"the chat template does not parse: {error.message}", line=error.lineno) from error
    except (SyntaxError, ValueError, *RESOURCE_ERRORS) as error:  # those of Python's compiler, for a trusted one
        if isinstance(error, PrefTemplatesError):
            raise
        reason = one_line(str(error) or type(error).__name__, 200)
        raise StyleSyntaxError(f"the chat template does not compile: {reason}") from error


class TemplateNames(NamedTuple):
    """What a template does with names.

    Attributes:
        read: those that it looks up among its variables.
        hidden: those that it sets in some scope without looking them up there first. A look from a scope inside of
            that finds no value until they are set, and not the variable of that name.
    """

    read: frozenset[str]
    hidden: frozenset[str]


class _NameFinder(CodeGenerator):
    """Walks through a template as Jinja's compiler does, and notes the names of each scope."""

    def __init__(self, source: str) -> None:
        super().__init__(get_environment(None), "<names>", "<names>", optimized=False)
        self.read = set[str]()
        self.hidden = set[str]()
        self.visit(get_environment(None).parse(source))

    def write(self, x: str) -> None:
        """Write no code."""

    def _output_child_to_const(self, *_: Any) -> NoReturn:
        raise nodes.Impossible

    def enter_frame(self, frame: Frame) -> None:
        """Note what the names of a scope stand for when it begins."""
        super().enter_frame(frame)
        names = {place: name for name, place in frame.symbols.refs.items()}
        for place, (action, name) in frame.symbols.loads.items():
            if action == VAR_LOAD_RESOLVE:
                self.read.add(str(name))
            elif action == VAR_LOAD_UNDEFINED:
                self.hidden.add(names[place])


@lru_cache(maxsize=64)
def find_names(source: str) -> TemplateNames:
    """Return the names of a template that parses; of one that is too deep to be walked through, every name as both.

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
