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
from preftemplates.data.columnar.turns import ROLE_CODES, Numbers, Turns, list_ranges

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

    turns: Turns
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
        return self._make(source, lambda: OPERATIONS[source.operation](self, *source.operands))

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
    starts = _to_starts(pc.fill_null(pc.list_value_length(column), 0))
    messages = column.flatten()
    contents = read_texts(messages.field("content"))
    roles = pc.fill_null(pc.index_in(messages.field("role"), value_set=pa.array(ROLES)), len(ROLES))
    fine = np.asarray(pc.and_(pc.is_valid(contents), pc.less(roles, len(ROLES))))
    for index in range(messages.type.num_fields):
        if messages.type.field(index).name not in ("role", "content"):
            fine &= np.asarray(messages.field(index).is_null())
    known = np.asarray(pc.is_valid(column)) & _hold_for_all(fine, starts)
    return TurnColumns(Turns(starts, np.asarray(roles).astype(np.uint8), contents), known)


def _to_starts(counts: pa.Array) -> Numbers:
    return np.concatenate([[0], np.cumsum(np.asarray(counts), dtype=np.int64)])


def _hold_for_all(values: Mask, starts: Numbers) -> Mask:
    """Whether all messages of each row are fine."""
    faults = np.concatenate([[0], np.cumsum(~values)])
    return np.asarray(faults[starts[1:]] == faults[starts[:-1]])


_HUMAN, _ASSISTANT = b"\n\nHuman: ", b"\n\nAssistant: "


@register_operation
def human_assistant_turns(cells: Cells, column: Column) -> TurnColumns:
    """Return the turns of transcripts, as the filter of that name does."""
    texts = cells.read_text(column.source)
    offsets = get_offsets(texts).astype(np.int64)
    data = np.frombuffer(texts.buffers()[2] or b"", np.uint8)
    marks, roles = _find_marks(data, offsets)
    rows = np.searchsorted(offsets, marks, side="right") - 1
    counts = np.bincount(rows, minlength=len(texts))
    starts = np.concatenate([[0], np.cumsum(counts)])
    begins = np.zeros(len(texts), bool)
    has_mark = counts > 0
    begins[has_mark] = marks[starts[:-1][has_mark]] == offsets[:-1][has_mark]
    heads = marks + np.where(roles == ROLE_CODES["user"], len(_HUMAN), len(_ASSISTANT))
    is_last = np.zeros(len(marks), bool)
    is_last[starts[1:][has_mark] - 1] = True
    ends = np.where(is_last, offsets[rows + 1], np.append(marks[1:], 0))
    contents = _cut_texts(texts, heads, ends)
    known = np.asarray(pc.is_valid(texts)) & begins
    return TurnColumns(Turns(starts, roles, contents), known)


def _find_marks(data: Numbers, offsets: Numbers) -> tuple[Numbers, Numbers]:
    """Where turns begin in the bytes of all transcripts, and the role of each; none spans two transcripts."""
    first, last = int(offsets[0]), int(offsets[-1])
    ends_line = data[first:last] == ord("\n")
    pairs = first + np.flatnonzero(ends_line[:-1] & ends_line[1:]) if last - first > 1 else np.zeros(0, np.int64)
    found, roles = [], []
    for mark, role in ((_HUMAN, "user"), (_ASSISTANT, "assistant")):
        places = pairs[pairs + len(mark) <= last]
        for at, character in enumerate(mark[2:], 2):
            places = places[data[places + at] == character]
        found.append(places)
        roles.append(np.full(len(places), ROLE_CODES[role], np.uint8))
    places, codes = np.concatenate(found), np.concatenate(roles)
    order = np.argsort(places, kind="stable")
    places, codes = places[order], codes[order]
    lengths = np.where(codes == ROLE_CODES["user"], len(_HUMAN), len(_ASSISTANT))
    whole = places + lengths <= offsets[np.searchsorted(offsets, places, side="right")]
    return places[whole], codes[whole]


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
    turns, known = cells.read_turns(source)
    others, others_known = cells.read_turns(other)
    known = known & others_known & (turns.counts == others.counts) & (turns.counts > 1)
    rows = np.flatnonzero(known)
    for side in (turns, others):
        known[rows] &= side.roles[side.starts[1:][rows] - 1] == ROLE_CODES["assistant"]
    rows = np.flatnonzero(known)
    one, two = (list_ranges(side.starts[:-1][rows], side.counts[rows] - 1) for side in (turns, others))
    same = turns.roles[one] == others.roles[two]
    same &= np.asarray(pc.equal(turns.contents.take(pa.array(one)), others.contents.take(pa.array(two))))
    asked = turns.roles[one] == ROLE_CODES["user"]
    borders = np.concatenate([[0], np.cumsum(turns.counts[rows] - 1)])
    known[rows] &= _hold_for_all(same, borders) & ~_hold_for_all(~asked, borders)
    return TurnColumns(_drop_last(turns), known)


def _drop_last(turns: Turns) -> Turns:
    """The messages of each row without the last."""
    counts = np.maximum(turns.counts - 1, 0)
    places = list_ranges(turns.starts[:-1], counts)
    starts = np.concatenate([[0], np.cumsum(counts)])
    return Turns(starts, turns.roles[places], turns.contents.take(pa.array(places)))


@register_operation
def turns_before_last(cells: Cells, source: TurnSource) -> TurnColumns:
    """Return the messages of each row without the last."""
    turns, known = cells.read_turns(source)
    return TurnColumns(_drop_last(turns), known)


@register_operation
def last_turn(cells: Cells, source: TurnSource) -> TurnColumns:
    """Return the last message of each row."""
    turns, known = cells.read_turns(source)
    counts = np.minimum(turns.counts, 1)
    places = turns.starts[1:][counts > 0] - 1
    starts = np.concatenate([[0], np.cumsum(counts)])
    return TurnColumns(Turns(starts, turns.roles[places], turns.contents.take(pa.array(places))), known & (counts > 0))


for _name in ("human_assistant_turns", "before_last_answer"):
    register_filter_on_turns(_name)
