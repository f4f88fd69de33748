"""The columns of some rows, and the texts, numbers and messages that operations make from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from preftemplates.data.columnar.arrays import to_arrow
from preftemplates.data.columnar.column_texts import Column, Pieces
from preftemplates.data.columnar.kernels import Mask, cut_ends, join_pieces, read_texts
from preftemplates.data.columnar.numbers import Formula, compute

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

    from preftemplates.data.columnar.turns import Numbers, PartTurns


class TurnSource(NamedTuple):
    """Messages that an expression takes from a row.

    Attributes:
        operation: the name of a function in `OPERATIONS`.
        operands: its operands: names of columns, other sources, and values.
    """

    operation: str
    operands: tuple[Any, ...]


class TurnColumns(NamedTuple):
    """The messages of all rows, and the rows for which they are known."""

    turns: PartTurns
    known: Mask


OPERATIONS: dict[str, Callable[..., TurnColumns]] = {}
"""The operations on columns by name."""


def register_operation(function: Callable[..., TurnColumns]) -> Callable[..., TurnColumns]:
    """Register a function by name; it does for columns what the bundled filter of that name does for rows."""
    OPERATIONS[function.__name__] = function
    return function


class Cells:
    """The columns of some rows, and values made from them, each made only once.

    Args:
        columns: the columns by name.
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

    def read_numbers(self, formula: Formula) -> Numbers:
        """Compute a formula from columns of numbers."""
        numbers: Numbers = self._make(formula, lambda: compute(formula, self.columns))
        return numbers

    def read(self, column: Column) -> Any:
        """Return the values of a column in all rows, or the content of the only message taken from one."""
        if column.cuts:
            return self._make(column, lambda: self._cut(column))
        if isinstance(column.source, Formula):
            return self.read_numbers(column.source)
        if isinstance(column.source, TurnSource):
            turns, known = self.read_turns(column.source)
            return turns.contents.take(to_arrow(turns.starts, mask=(turns.counts == 0) | ~known))
        texts = self.read_text(str(column.source))
        return self.columns[str(column.source)] if texts is None else texts

    def _cut(self, column: Column) -> pa.Array:
        *before, (method, characters) = column.cuts
        texts = self.read(column._replace(cuts=tuple(before)))
        return cut_ends(texts, method, self.read(characters) if isinstance(characters, Column) else characters)

    def join(self, pieces: Pieces) -> pa.Array:
        """Return the texts that consist of literals and columns."""
        return join_pieces(pieces, self.count, self.read)

    def _make(self, key: Any, make: Callable[[], Any]) -> Any:
        key = (type(key), key)  # a column, a source and a formula may be equal as tuples
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]


class RowValues(Mapping[Any, Any]):
    """The values of one row, by the source of the column.

    Args:
        cells: the columns.
        row: the number of the row.
    """

    def __init__(self, cells: Cells, row: int) -> None:
        self._cells, self._row = cells, row

    def __getitem__(self, source: Any) -> Any:
        """Return a value; None for null, and for messages that are not known."""
        value = self._cells.read(Column(source))[self._row]
        return float(value) if isinstance(value, np.floating) else value.as_py()

    def __iter__(self) -> Iterator[str]:
        return iter(self._cells.columns)

    def __len__(self) -> int:
        return len(self._cells.columns)
