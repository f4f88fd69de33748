"""Sources of turns: columns of messages and transcripts, as expressions take them apart, for all rows at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from preftemplates.core.messages import ROLES
from preftemplates.data.columnar.column_texts import Column, ColumnText, ColumnValue, Trace
from preftemplates.data.columnar.kernels import Mask, get_offsets, read_texts
from preftemplates.data.columnar.turns import ROLE_CODES, Numbers, PartTurns, hold_for_all

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class TurnSource(NamedTuple):
    """Messages, as an expression takes them from a row.

    Attributes:
        operation: what is done: `cell`, or the name of a function of `OPERATIONS`.
        operands: the cell's name, or the column or the sources that it is done with, and numbers.
    """

    operation: str
    operands: tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class ColumnTurns(ColumnValue):
    """A list of messages of which only the column is known, in an expression."""

    trace: Trace
    source: TurnSource

    __hash__ = None  # type: ignore[assignment]

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice) and key.step is None:
            if (key.start, key.stop) in ((-1, None), (None, -1)):
                name = "last_turn" if key.start == -1 else "turns_before_last"
                return ColumnTurns(self.trace, TurnSource(name, (self.source,)))
        elif key == -1:
            return {"content": self.last_content}
        return self.trace.fail("messages are taken from a list in a way that no column is")

    @property
    def last_content(self) -> ColumnText:
        """The content of the last message."""
        return ColumnText(self.trace, [Column(TurnSource("last_turn", (self.source,)))])

    def _fail(self, *_: Any) -> Any:
        self.trace.fail("messages are looked at in a way that no column is")

    __str__ = __repr__ = __format__ = __iter__ = __len__ = __bool__ = __eq__ = __ne__ = __contains__ = _fail
    __add__ = __radd__ = _fail


class TurnColumns(NamedTuple):
    """The messages of all rows, and for which rows they are known."""

    turns: PartTurns
    known: Mask


class Cells:
    """The columns of some rows, and what is made of them; each is made once.

    Args:
        columns: the cells by name.
        count: the number of rows.
    """

    def __init__(self, columns: Mapping[str, pa.Array], count: int) -> None:
        self.columns, self.count = columns, count
        self._made: dict[Any, Any] = {}

    def read_text(self, name: str) -> pa.Array:
        """Return a column of texts."""
        return self._make(("text", name), lambda: read_texts(self.columns[name]))

    def read_turns(self, source: TurnSource) -> TurnColumns:
        """Return the messages of a source."""
        turns: TurnColumns = self._make(source, lambda: OPERATIONS[source.operation](self, *source.operands))
        return turns

    def _make(self, key: Any, make: Callable[[], Any]) -> Any:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]


OPERATIONS: dict[str, Callable[..., TurnColumns]] = {}
"""What is done with columns, by name."""

COLUMNAR_FILTERS: dict[str, Callable[..., Any]] = {}
"""For bundled filters what they do in an expression whose texts or messages are columns."""


def register_operation(function: Callable[..., TurnColumns]) -> Callable[..., TurnColumns]:
    """Enter a function under its name; that of a bundled filter does for columns what the filter does for rows."""
    OPERATIONS[function.__name__] = function
    return function


def register_filter_on_turns(name: str) -> None:
    """Let an operation be used as the filter of that name, on messages or on a text."""

    def filter(*args: Any) -> ColumnTurns:
        operands = [arg.source if isinstance(arg, ColumnTurns) else _require_column(arg) for arg in args]
        return ColumnTurns(args[0].trace if isinstance(args[0], ColumnTurns) else args[0]._trace,
                           TurnSource(name, tuple(operands)))  # fmt: skip

    COLUMNAR_FILTERS[name] = filter


def _require_column(text: Any) -> Column:
    if not isinstance(text, ColumnText):
        raise TypeError("a filter of columns is given a value")
    return text._require_column("turns")


@register_operation
def cell(cells: Cells, name: str) -> TurnColumns:
    """Return the messages of a column: lists of a role and a content."""
    column = cells.columns[name]
    messages = column.flatten()
    contents = read_texts(messages.field("content"))
    roles = pc.fill_null(pc.index_in(read_texts(messages.field("role")), value_set=_ROLE_NAMES), len(ROLES))
    fine = np.asarray(pc.and_(pc.is_valid(contents), pc.less(roles, len(ROLES))))
    for index in range(messages.type.num_fields):
        if messages.type.field(index).name not in ("role", "content"):
            fine = fine & np.asarray(messages.field(index).is_null())
    counts = np.asarray(pc.fill_null(pc.list_value_length(column), 0)).astype(np.int64)
    turns = PartTurns.of_lists(counts, np.asarray(roles).astype(np.uint8), contents)
    return TurnColumns(turns, np.asarray(pc.is_valid(column)) & hold_for_all(fine, turns.starts, turns.ends))


_ROLE_NAMES = pa.array(ROLES)
_MARKS = {"user": b"\n\nHuman: ", "assistant": b"\n\nAssistant: "}
_WORD = 8
"""So many bytes are compared at once; a mark has more."""
_LENGTHS = np.zeros(len(ROLES) + 1, np.int64)
_LENGTHS[[ROLE_CODES[role] for role in _MARKS]] = [len(mark) for mark in _MARKS.values()]
"""The bytes of each role's mark."""


@register_operation
def human_assistant_turns(cells: Cells, column: Column) -> TurnColumns:
    """Return the turns of transcripts, as the filter of that name does."""
    texts = cells.read_text(str(column.source))
    offsets = get_offsets(texts).astype(np.int64)
    marks, roles = _find_marks(np.frombuffer(texts.buffers()[2] or b"", np.uint8), offsets)
    borders = np.searchsorted(marks, offsets)
    counts = np.diff(borders)
    marked = np.flatnonzero(counts)
    ends = np.append(marks[1:], offsets[-1])
    ends[borders[1:][marked] - 1] = offsets[1:][marked]
    known = np.asarray(pc.is_valid(texts)) & (counts > 0)
    known[marked] &= marks[borders[:-1][marked]] == offsets[:-1][marked]
    contents = _cut_texts(texts, marks + _LENGTHS[roles], ends)
    return TurnColumns(PartTurns.of_lists(counts, roles, contents), known)


def _find_marks(data: Numbers, offsets: Numbers) -> tuple[Numbers, Numbers]:
    """Where turns begin in the bytes of all transcripts, and the role of each; none spans two transcripts."""
    first, last = int(offsets[0]), int(offsets[-1])
    lines = np.flatnonzero(data[first:last] == ord("\n"))
    pairs = first + lines[:-1][np.diff(lines) == 1]
    roles = np.full(len(pairs), len(ROLES), np.uint8)
    words = np.ndarray(max(0, last - _WORD + 1), "<u8", data, strides=(1,))
    for role, mark in _MARKS.items():
        found = np.flatnonzero(pairs + len(mark) <= last)
        for at in (1, len(mark) - _WORD):
            found = found[words[pairs[found] + at] == int.from_bytes(mark[at : at + _WORD], "little")]
        roles[found] = ROLE_CODES[role]
    is_mark = roles < len(ROLES)
    marks, roles = pairs[is_mark], roles[is_mark]
    borders = np.searchsorted(marks, offsets)
    marked = np.flatnonzero(np.diff(borders))
    lasts = borders[1:][marked] - 1
    torn = lasts[marks[lasts] + _LENGTHS[roles[lasts]] > offsets[1:][marked]]
    return np.delete(marks, torn), np.delete(roles, torn)


def _cut_texts(texts: pa.Array, starts: Numbers, ends: Numbers) -> pa.Array:
    """The texts between places in the bytes of a column, which are in order and do not overlap."""
    borders = np.empty(2 * len(starts) + 1, np.int32)
    borders[0:-1:2], borders[1::2] = starts, ends
    borders[-1] = ends[-1] if len(ends) else 0
    pieces = pa.StringArray.from_buffers(2 * len(starts), pa.py_buffer(borders), texts.buffers()[2])
    return pieces.take(pa.array(np.arange(0, 2 * len(starts), 2)))


@register_operation
def before_last_answer(cells: Cells, source: TurnSource, other: TurnSource) -> TurnColumns:
    """Return the turns before the last answer, which both sides share, as the filter of that name does."""
    (turns, known), (others, others_known) = cells.read_turns(source), cells.read_turns(other)
    known = known & others_known & (turns.counts == others.counts) & (turns.counts > 1)
    rows = np.flatnonzero(known)
    one, two = turns.take(rows), others.take(rows)
    known[rows] &= _are_shared(one.drop_last(), two.drop_last()) & _end_with_answer(one) & _end_with_answer(two)
    return TurnColumns(turns.drop_last(), known)


def _end_with_answer(turns: PartTurns) -> Mask:
    """Which rows end with a message of an assistant; each has one."""
    return np.asarray(turns.roles[turns.ends - 1] == ROLE_CODES["assistant"])


def _are_shared(one: PartTurns, two: PartTurns) -> Mask:
    """In which rows as many messages are the same, and one is a user's."""
    ends = np.cumsum(one.counts)
    starts, places, others = ends - one.counts, one.places, two.places
    if len(one.roles) == len(two.roles) and (one.starts == two.starts).all():
        same = np.asarray(pc.equal(one.contents, two.contents))[places]
    else:
        same = np.asarray(pc.equal(one.contents.take(pa.array(places)), two.contents.take(pa.array(others))))
    same = same & (one.roles[places] == two.roles[others])
    is_other = one.roles[places] != ROLE_CODES["user"]
    return hold_for_all(same, starts, ends) & ~hold_for_all(is_other, starts, ends)


@register_operation
def turns_before_last(cells: Cells, source: TurnSource) -> TurnColumns:
    """Return the messages of each row without the last."""
    turns, known = cells.read_turns(source)
    return TurnColumns(turns.drop_last(), known)


@register_operation
def last_turn(cells: Cells, source: TurnSource) -> TurnColumns:
    """Return the last message of each row."""
    turns, known = cells.read_turns(source)
    return TurnColumns(turns.keep_last(), known & (turns.counts > 0))


for _name in ("human_assistant_turns", "before_last_answer"):
    register_filter_on_turns(_name)
