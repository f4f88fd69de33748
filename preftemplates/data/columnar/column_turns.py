"""Messages of which an expression knows only the columns, and the objects that messages are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from preftemplates.data.columnar.cells import TurnSource
from preftemplates.data.columnar.column_texts import Column, ColumnText, ColumnValue, Trace, list_pieces

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Opaque(ColumnValue):
    """A value that can only be used through the methods defined here."""

    trace: Trace

    def _fail(self, *_: Any) -> NoReturn:
        self.trace.fail("messages are used in a way that columns do not support")

    __str__ = __repr__ = __format__ = __iter__ = __len__ = __bool__ = __contains__ = _fail
    __eq__ = __ne__ = _fail
    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, eq=False, repr=False)
class ColumnTurns(_Opaque):
    """A list of messages in an expression, of which only the column is known.

    Attributes:
        trace: records the questions.
        source: where the messages come from.
        has_parts: whether an expression sees typed parts as contents, although the source has their texts.
    """

    trace: Trace
    source: TurnSource
    has_parts: bool = False

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice) and key.step is None:
            if (key.start, key.stop) == (-1, None):
                return self.apply("last_turn")
            if (key.start, key.stop) == (None, -1):
                return self.apply("turns_before_last")
        elif type(key) is int and key == -1:
            return {"content": self.last_content}
        return self.trace.fail("messages are taken from a list in a way that columns do not support")

    def __add__(self, other: Any) -> ColumnTurns:
        return join_turns(self.trace, [self, other])

    def __radd__(self, other: Any) -> ColumnTurns:
        return join_turns(self.trace, [other, self])

    def apply(self, operation: str, *operands: Any) -> ColumnTurns:
        """Apply an operation to the messages."""
        has_parts = self.has_parts and operation != "lone_texts"
        return ColumnTurns(self.trace, TurnSource(operation, (self.source, *operands)), has_parts)

    def require_texts(self) -> None:
        """Raise an error if contents are typed parts and an expression looks at them."""
        if self.has_parts:
            self.trace.fail("an expression reads typed parts")

    @property
    def last_content(self) -> ColumnText:
        """Return the content of the last message."""
        self.require_texts()
        return ColumnText(self.trace, [Column(TurnSource("last_turn", (self.source,)))])


@dataclass(frozen=True, eq=False, repr=False)
class ColumnMessage(_Opaque):
    """One message of which only the column is known."""

    trace: Trace
    source: TurnSource


@dataclass(frozen=True, eq=False, repr=False)
class ColumnRecord(_Opaque):
    """An object of a row type, whose fields expressions read as attributes.

    Attributes:
        trace: records the questions.
        name: the name of its column.
        fields: the values of its fields, by their Python names.
        keys: the keys of the fields that are texts or lists of parts in the column, by Python name.
    """

    trace: Trace
    name: str
    fields: Mapping[str, Any]
    keys: Mapping[str, str]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self.fields:
            self.trace.fail(f"an expression reads the field {name} of an object")
        return self.fields[name]


@dataclass(frozen=True, eq=False, repr=False)
class ColumnItems(_Opaque):
    """A list of objects of a row type.

    Attributes:
        trace: records the questions.
        cells: the columns that hold the items, one after another: the name of each column, and its keys.
    """

    trace: Trace
    cells: tuple[tuple[str, Mapping[str, str]], ...]

    def __add__(self, other: Any) -> ColumnItems:
        return ColumnItems(self.trace, (*self.cells, *read_items(self.trace, other).cells))


def read_items(trace: Trace, value: Any) -> ColumnItems:
    """Return a list of objects as columns."""
    if isinstance(value, ColumnItems):
        return value
    if not isinstance(value, list | tuple) or not all(isinstance(item, ColumnRecord) for item in value):
        trace.fail("a list has items other than objects from columns")
    return ColumnItems(trace, tuple((item.name, item.keys) for item in value))


def join_turns(trace: Trace, lists: list[Any]) -> ColumnTurns:
    """Join the messages of several lists, some of which are columns."""
    sources = tuple(source for messages in lists for source in list_turn_sources(trace, messages))
    has_parts = any(isinstance(messages, ColumnTurns) and messages.has_parts for messages in lists)
    return ColumnTurns(trace, sources[0] if len(sources) == 1 else TurnSource("joined", sources), has_parts)


def list_turn_sources(trace: Trace, messages: Any) -> list[TurnSource]:
    """Return the sources of a list's messages."""
    if isinstance(messages, ColumnTurns):
        return [messages.source]
    if not isinstance(messages, list | tuple):
        trace.fail("messages are not a list")
    return [_read_source(trace, message) for message in messages]


def _read_source(trace: Trace, message: Any) -> TurnSource:
    if isinstance(message, ColumnMessage):
        return message.source
    role, content = read_message(trace, message)
    return TurnSource("said", (role, list_pieces(content)))


def read_message(trace: Trace, message: Any) -> tuple[str, str | ColumnText]:
    """Return the role and content of a message that an expression makes."""
    if not isinstance(message, dict) or set(message) != {"role", "content"}:
        trace.fail("a message has keys other than role and content")
    role, content = message["role"], message["content"]
    if type(role) is not str or not isinstance(content, str | ColumnText):
        trace.fail("a content is not a text")
    return role, content
