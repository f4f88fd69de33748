"""Columnar conversion: convert the rows of a slice by plans, and count them as the row path would."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from preftemplates.data.arrow import build_output_schema
from preftemplates.data.columnar.arrays import fill, to_arrow
from preftemplates.data.columnar.formatting import ColumnarFormatter
from preftemplates.data.columnar.records import list_message_columns, read_records
from preftemplates.data.columnar.screens import Screen
from preftemplates.data.columnar.skips import REASONS
from preftemplates.data.content_rules import reads_unread_value
from preftemplates.data.convert_report import ConversionReport
from preftemplates.data.issues import RowIssue
from preftemplates.data.reading import Record
from preftemplates.data.result_slice import ResultSlice
from preftemplates.data.table_rows import TableRow, count_bytes, join_rows
from preftemplates.errors import PrefTemplatesError, RowError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from preftemplates.data.columnar.blocks import Block
    from preftemplates.data.columnar.kernels import Mask
    from preftemplates.data.result_slice import RowAcceptor, SliceOptions
    from preftemplates.templates.results import Formatted
    from preftemplates.templates.unread import UnreadValue

_MAX_ROWS, _MAX_BYTES = 8_192, 64 << 20
"""The most rows, and bytes of their values, that are formatted at once; they are also held as objects."""


class ColumnarSliceConverter:
    """Converts the rows of slices by plans, and those that no plan fits one by one.

    Args:
        conversion: counts the rows, and converts those that no plan fits.
        options: what is converted.
        columns: the columns of a row in order, if the first listed answer is needed.

    Attributes:
        reason: why no row can be formatted as columns; empty if some can.
    """

    def __init__(self, conversion: RowAcceptor, options: SliceOptions, columns: Sequence[str] | None = None) -> None:
        self._conversion, self._template, self._format = conversion, options.template, options.format
        try:
            self._schema = build_output_schema(self._template, self._format)
        except PrefTemplatesError as error:
            self.reason = str(error)
            return
        style = self._template.text_style(self._format) or options.style
        screen = Screen(style, options.special_tokens)
        self._formatter = ColumnarFormatter(
            self._template, self._format, self._schema, finds_skips=True, screen=screen, style=options.style,
            columns=columns,
        )  # fmt: skip
        self.reason = self._formatter.reason
        if not self.reason:
            self._extraction = self._template.get_extraction(self._format)[0]
            # columns cannot hold messages with more than a role and a content, so such rows take the row path
            self._read_columns = self._template.find_read_columns() | list_message_columns(self._extraction)

    def cut(self, records: Iterator[Record]) -> Iterator[list[Record]]:
        """Yield the rows of one slice after another; rows that were read before an error come before the error."""
        rows, size = list[Record](), 0
        try:
            for record in records:
                rows.append(record)
                size += _estimate_size(record.cells)
                if len(rows) >= _MAX_ROWS or size > _MAX_BYTES:
                    yield rows
                    rows, size = [], 0
        except Exception:
            if rows:
                yield rows
            raise
        if rows:
            yield rows

    def convert(self, records: list[Record]) -> ResultSlice:
        """Convert some rows."""
        return self.format(records).merge()

    def format(self, records: list[Record]) -> FormattedSlice:
        """Return the samples of some rows, and count the rows."""
        whole = self._conversion.report
        report = self._conversion.report = ConversionReport(unread=whole.unread.begin_slice())
        unread = self._find_unread(records)
        blocks, left = self._formatter.format(*self._read_batch(records, unread))
        formatted = FormattedSlice(records, self._schema, blocks, unread)
        try:
            for row in left.tolist():
                formatted.add_others(row, self._conversion.accept(records[row]))
        finally:  # a row may raise its error
            self._conversion.report = whole
            formatted.count(report)
            whole.merge(report)
        return formatted

    def _find_unread(self, records: Sequence[Record]) -> dict[int, tuple[UnreadValue, ...]]:
        """Return the unread values of the rows that have some, by place."""
        found: dict[int, tuple[UnreadValue, ...]] = {}
        table = join_rows([record.cells for record in records])
        unread_rows = None if table is None else self._select_unread(table)
        for index, record in enumerate(records):
            cells = record.cells if unread_rows is None else unread_rows[index]
            if not isinstance(cells, RowError) and not cells.keys() <= self._read_columns:
                values = self._conversion.find_unread(cells)
                if values:
                    found[index] = values
        return found

    def _select_unread(self, table: pa.RecordBatch) -> list[dict[str, Any]]:
        """Return the rows of a table without the columns that are read and those that are null."""
        names = [name for name in table.schema.names
                 if name not in self._read_columns and table.column(name).null_count < table.num_rows]  # fmt: skip
        return table.select(names).to_pylist() if names else [{}] * table.num_rows

    def _read_batch(
        self, records: Sequence[Record], unread: Mapping[int, tuple[UnreadValue, ...]]
    ) -> tuple[pa.RecordBatch, Mask]:
        """Return the values as columns, and the rows that plans may format."""
        rows = [{} if isinstance(record.cells, RowError) else record.cells for record in records]
        batch = join_rows(rows)
        if batch is None:
            batch, odd = read_records(self._extraction, rows)
        else:
            odd = np.zeros(len(rows), bool)
        usable = ~odd
        usable[[index for index, record in enumerate(records) if isinstance(record.cells, RowError)]] = False
        usable[[index for index, values in unread.items() if any(map(reads_unread_value, values))]] = False
        return batch, usable


def _estimate_size(cells: Any) -> int:
    """Return the approximate number of bytes of a row's values."""
    if type(cells) is TableRow:
        return int(count_bytes(cells.batch) // cells.batch.num_rows)
    if isinstance(cells, str):
        return len(cells)
    if not isinstance(cells, Mapping | list):
        return 8
    size = 0
    for value in cells if isinstance(cells, list) else cells.values():
        size += len(value) if type(value) is str else _estimate_size(value)
    return size


class FormattedSlice:
    """The samples of a slice, which are added as they are found.

    Args:
        records: the rows.
        schema: the schema of the results.
        blocks: the results of plans.
        unread: the unread values of the rows that have some, by place.

    Attributes:
        others: the samples of rows that no plan fits, each with the place of its row.
    """

    def __init__(
        self,
        records: Sequence[Record],
        schema: pa.Schema,
        blocks: list[Block],
        unread: Mapping[int, tuple[UnreadValue, ...]],
    ) -> None:
        self.records, self._schema, self._blocks, self.unread = records, schema, blocks, unread
        self.others: list[tuple[int, Formatted]] = []

    @property
    def blocks(self) -> list[Block]:
        """Return the samples of plans that are not skipped."""
        kept = (block if block.skips is None or not block.skips.any() else block.take(np.flatnonzero(block.skips == 0))
                for block in self._blocks)  # fmt: skip
        return [block for block in kept if len(block.rows)]

    def add_others(self, row: int, samples: Sequence[Formatted]) -> None:
        """Add the samples of a row that no plan fits."""
        self.others += [(row, sample) for sample in samples]

    def count(self, report: ConversionReport) -> None:
        """Count the rows of plans."""
        skipped: dict[int, list[RowIssue]] = {}
        good = np.zeros(len(self.records), np.int64)
        planned = np.zeros(len(self.records), bool)
        for block in self._blocks:
            planned[block.rows] = True
            kept = block.rows if block.skips is None else block.rows[block.skips == 0]
            good[kept] += 1
            report.lost.update({name: count * len(block.rows) for name, count in block.lost.derived.items()})
            report.lost.update({name: len(kept) for name in block.lost.without_key if len(kept)})
            self._count_labels(report, block)
            for row, number in _list_skipped(block):
                record = self.records[row]
                reason: Any = REASONS[number]
                skipped.setdefault(row, []).append(RowIssue(record.row, record.line, reason, reason.meaning))
        report.rows += int(planned.sum())
        report.formatted += int((good > 0).sum())
        report.results += int(good.sum())
        for row, issues in sorted(skipped.items()):
            if good[row]:
                report.left_out.extend(issues)
            else:
                report.skipped.append(issues[0])
        counts = report.unread.begin_slice()
        for row, values in self.unread.items():
            if planned[row] and good[row]:
                counts.add(values, self.records[row].row, self.records[row].line)
        report.unread.merge(counts)

    def _count_labels(self, report: ConversionReport, block: Block) -> None:
        """Count the labels of single answers."""
        label = block.labels.get("label")
        if label is None:
            return
        kept = np.arange(len(block.rows)) if block.skips is None else np.flatnonzero(block.skips == 0)
        if not len(kept):
            return
        is_column = isinstance(label, pa.Array)
        values = fill(label, 0).astype(bool)[kept] if is_column else np.full(len(kept), bool(label))
        report.classes.update({True: int(values.sum()), False: int((~values).sum())})
        report.classes = +report.classes
        first = self.records[int(block.rows[kept].min())]
        if report.first_answer is None or first.row < report.first_answer[0]:
            report.first_answer = (first.row, first.line)

    def merge(self) -> ResultSlice:
        """Return the results in the order of their rows."""
        blocks = self.blocks
        if not blocks:
            return ResultSlice(others=[(index, sample.result) for index, (_, sample) in enumerate(self.others)])
        rows = np.concatenate([block.rows for block in blocks])
        order = np.argsort(rows, kind="stable")
        columns = [_join([block.columns[index] for block in blocks], order) for index in range(len(self._schema))]
        batch = pa.RecordBatch.from_arrays(columns, schema=self._schema)
        other_rows = np.array([row for row, _ in self.others], np.int64)
        both = np.argsort(np.concatenate([rows[order], other_rows]), kind="stable")
        places = np.empty(len(both), np.int64)
        places[both] = np.arange(len(both))
        count = len(rows)
        others = zip(places[count:].tolist(), (sample.result for _, sample in self.others), strict=True)
        return ResultSlice(batch, places[:count].tolist(), [*others])


def _join(columns: Sequence[pa.Array], order: Any) -> pa.Array:
    """Join the values of several blocks, in order."""
    joined = columns[0] if len(columns) == 1 else pa.concat_arrays(columns)
    return joined if bool((order == np.arange(len(order))).all()) else joined.take(to_arrow(order))


def _list_skipped(block: Block) -> list[tuple[int, int]]:
    """Return the skipped rows, each with the number of the reason."""
    if block.skips is None or not block.skips.any():
        return []
    places = np.flatnonzero(block.skips)
    return list(zip(block.rows[places].tolist(), block.skips[places].tolist(), strict=True))
