"""Rows of an Arrow batch, whose values are read on first access; until then, they stay columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from preftemplates.errors import Code, RowError

SLICE_ROWS = 16_384
"""How many rows are formatted at once: with fewer, plans for few rows cost too much; more take much memory."""


class TableRow(Mapping[str, Any]):
    """One row of a batch.

    Args:
        batch: the pyarrow batch.
        index: the row's place in it.

    Example:
        >>> import pyarrow as pa
        >>> row = TableRow(pa.RecordBatch.from_pylist([{"prompt": "Hi"}, {"prompt": "Tea?"}]), 1)
        >>> row["prompt"], dict(row)
        ('Tea?', {'prompt': 'Tea?'})
    """

    __slots__ = ("_cells", "batch", "index")

    def __init__(self, batch: Any, index: int) -> None:
        self.batch, self.index = batch, index
        self._cells: dict[str, Any] | None = None

    def _read(self) -> dict[str, Any]:
        if self._cells is None:
            (self._cells,) = self.batch.slice(self.index, 1).to_pylist()
        return self._cells

    def __getitem__(self, key: str) -> Any:
        return self._read()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.batch.schema.names)

    def __len__(self) -> int:
        return int(self.batch.num_columns)

    def __repr__(self) -> str:
        return repr(self._read())


def list_rows(batch: Any) -> Iterator[TableRow | RowError]:
    """Yield the rows of a batch; yield an error instead of a row whose text is not UTF-8."""
    import pyarrow as pa

    try:
        batch.validate(full=True)
    except pa.ArrowInvalid:
        yield from (_read_row(TableRow(batch, index)) for index in range(batch.num_rows))
    else:
        yield from (TableRow(batch, index) for index in range(batch.num_rows))


def _read_row(row: TableRow) -> TableRow | RowError:
    for name in row.batch.schema.names:
        try:
            row.batch.column(name)[row.index].as_py()
        except UnicodeDecodeError:
            return RowError("holds bytes that are not UTF-8", code=Code.BAD_TEXT, column=name)
    return row


def count_bytes(table: Any) -> int:
    """Return the approximate number of bytes of a table or batch, at least 1."""
    import pyarrow as pa

    try:
        size = int(table.nbytes)
    except pa.ArrowException:  # pyarrow 20 cannot tell which part of its buffers a view of texts uses
        size = int(table.get_total_buffer_size())
    return max(1, size)


def join_rows(rows: Sequence[Any]) -> Any:
    """Return rows as one batch of their columns; None if one is not from a table, or if they are too long."""
    if not all(type(row) is TableRow for row in rows):
        return None
    slices, first = [], 0
    for at in range(1, len(rows) + 1):
        row, start = rows[at] if at < len(rows) else None, rows[first]
        if row is None or row.batch is not start.batch or row.index != start.index + at - first:
            slices.append(start.batch.slice(start.index, at - first))
            first = at
    if len(slices) == 1:
        return slices[0]
    import pyarrow as pa

    batches = pa.Table.from_batches(slices).combine_chunks().to_batches()
    return batches[0] if len(batches) == 1 else None  # None for more than 2 GiB of text
