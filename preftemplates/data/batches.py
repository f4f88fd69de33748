"""Batches: Arrow tables in, Arrow tables out, with plans where possible and row by row elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar, get_args

import numpy as np
import pyarrow as pa

from preftemplates.data.arrow import (
    build_output_schema,
    check_column_names,
    check_fits_schema,
    write_nested_as_json,
)
from preftemplates.data.columnar.formatting import ColumnarFormatter
from preftemplates.data.columnar.formatting_plan import FormattingPlan
from preftemplates.data.columnar.records import read_records
from preftemplates.data.columnar.skips import REASONS
from preftemplates.data.frames import read_frame
from preftemplates.data.skips import find_skip_reasons
from preftemplates.data.table_rows import SLICE_ROWS, count_bytes
from preftemplates.errors import Code, DefinitionError, RowError, StyleContractError, did_you_mean, one_line, preview
from preftemplates.templates.extraction import make_tie_error

if TYPE_CHECKING:
    from preftemplates.core.samples import Format
    from preftemplates.data.columnar.blocks import Block
    from preftemplates.data.columnar.turns import Numbers
    from preftemplates.templates.results import Formatted
    from preftemplates.templates.template import Template

Batch = TypeVar("Batch")
"""A RecordBatch or a Table of Arrow, or a DataFrame of Polars or pandas."""

OnRowError = Literal["raise", "skip", "column"]
"""How to handle a row that cannot be formatted: raise its error, leave it out, or make it null next to its error."""

ERROR_COLUMN = "preftemplates_error"
"""The column of errors."""


class BatchFormatter:
    """Formats the rows of an Arrow batch or table, and returns the same kind.

    Where a plan can be made of the template and its style, whole columns are formatted at once; `plan` reports it.
    The results always equal those of the row path. A formatter can be pickled, so several processes can map it over a
    dataset. It also formats DataFrames of Polars and pandas.

    Args:
        template: the template; its style and dialect decide the output.
        format: the format's name.
        json_messages: whether columns of messages hold JSON text. Otherwise they hold role and content, calls if the
            template has tools, and typed parts if it has media (`Template.with_columns`). Messages with more are
            rejected, because Arrow would fill in keys that only other messages have.
        on_error: how to handle a row that cannot be formatted. `raise`: raise its error; rows keep their order, and
            their number if each gives one sample. `skip`: leave it out, together with the rows that `convert` skips
            (empty, equal, ties). `column`: return such rows as nulls with the reason in a column
            `preftemplates_error`; the number of rows stays the same if each gives one sample.
        id_column: a column whose value identifies a row in errors.

    Example:
        >>> import pyarrow as pa
        >>> from preftemplates import BatchFormatter, get_template
        >>> formatter = BatchFormatter(get_template("PKUSafeRLHF"), "prompt_only")
        >>> formatter(pa.table({"prompt": ["Hi"]})).to_pylist()
        [{'text': 'BEGINNING OF CONVERSATION: USER: Hi ASSISTANT:'}]
        >>> print(formatter.plan)
        1 of 1 row as columns
    """

    template: Template
    format: Format
    json_messages: bool
    on_error: OnRowError
    id_column: str | None

    def __init__(
        self,
        template: Template,
        format: Format,
        json_messages: bool = False,
        *,
        on_error: OnRowError = "raise",
        id_column: str | None = None,
    ) -> None:
        if on_error not in get_args(OnRowError):
            raise DefinitionError(
                f"on_error must be one of {', '.join(get_args(OnRowError))}; got {preview(on_error)}"
            )
        self.template = template
        self.format = format
        self.json_messages = json_messages
        self.on_error = on_error
        self.id_column = id_column
        self.schema  # noqa: B018  impossible combinations raise their error here and not on the first batch

    @cached_property
    def _result_schema(self) -> pa.Schema:
        return build_output_schema(self.template, self.format, self.json_messages)

    @cached_property
    def schema(self) -> pa.Schema:
        """Return the output schema."""
        schema = self._result_schema
        return schema.append(pa.field(ERROR_COLUMN, pa.string())) if self.on_error == "column" else schema

    @cached_property
    def _columnar(self) -> ColumnarFormatter:
        return self._make_columnar(finds_skips=self.on_error != "raise")

    def _make_columnar(self, *, finds_skips: bool) -> ColumnarFormatter:
        return ColumnarFormatter(self.template, self.format, self._result_schema, self.json_messages, finds_skips)

    @property
    def plan(self) -> FormattingPlan:
        """Return how rows were formatted so far, and why; before the first batch, how the template's example would be.

        Example:
            >>> from preftemplates import BatchFormatter, get_template
            >>> print(BatchFormatter(get_template("UltraFeedback"), "ranked").plan)
            0 of 1 row as columns
            1 row by row: a sample has several responses
        """
        counts, example = self._columnar.counts, self.template.example
        if not counts.columnar and not counts.reasons and isinstance(example, Mapping):
            return self.try_row(example)
        return self._columnar.describe()

    def try_row(self, row: Mapping[str, Any]) -> FormattingPlan:
        """Return how one row would be formatted.

        Raises:
            RowError: a column is missing.
        """
        columnar = self._make_columnar(finds_skips=False)
        if columnar.reason:
            return FormattingPlan(0, {columnar.reason: 1})
        self.template.select_columns(self.format, [*row])
        try:
            columnar.format(pa.RecordBatch.from_pylist([{**row}]))
        except (pa.ArrowException, TypeError, ValueError, OverflowError):  # Arrow has no type for a value of the row
            batch, odd = read_records(self.template.get_extraction(self.format)[0], [row])
            columnar.format(batch, ~odd)
        return columnar.describe()

    def __call__(self, batch: Batch, indices: Sequence[int] | None = None) -> Batch:
        """Format every row, and return the same kind of batch.

        Args:
            batch: a RecordBatch or a Table of Arrow, or a DataFrame of Polars or pandas.
            indices: the number of each row for errors; `with_indices=True` of `Dataset.map` passes them.

        Raises:
            RowError: a column is missing or repeated, or a row cannot be formatted and `on_error` is "raise". Without
                indices, `row` counts from the first row of the batch.
            DefinitionError: it is another kind of batch, it has no column `id_column`, or the number of indices
                differs from the number of rows.
        """
        formatted: Any = self._format_batch(batch, indices)
        return formatted  # type: ignore[no-any-return]

    def _format_batch(self, batch: Any, indices: Sequence[int] | None) -> Any:
        if isinstance(batch, pa.Table):
            return self._format_table(batch, indices)
        if not isinstance(batch, pa.RecordBatch):
            table, restore = read_frame(batch)
            return restore(self._format_table(table, indices))
        # a column of texts has 32-bit offsets, so `combine_chunks` leaves several chunks above 2 GiB
        batches = self._format_table(pa.Table.from_batches([batch]), indices).combine_chunks().to_batches()
        if len(batches) > 1:
            raise DefinitionError("the results of this batch have more than 2 GiB; pass a Table, or fewer rows")
        return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=self.schema)

    def _format_table(self, table: pa.Table, indices: Sequence[int] | None) -> pa.Table:
        check_column_names(table.schema.names)
        if indices is not None and len(indices) != table.num_rows:
            raise DefinitionError(f"got {len(indices):,} indices for {table.num_rows:,} rows")
        table = table.select(self._select_columns(table.schema.names))
        formatted, start = list[pa.RecordBatch](), 0
        for batch in _cut(table):
            formatted.append(self._format_slice(batch, _Names(start, indices, self.id_column)))
            start += batch.num_rows
        return pa.Table.from_batches(formatted, self.schema)

    def _select_columns(self, names: Sequence[str]) -> list[str]:
        columns = self.template.select_columns(self.format, names)
        if self.id_column is None or self.id_column in columns:
            return columns
        if self.id_column not in names:
            guess = did_you_mean(self.id_column, names)
            raise DefinitionError(f"the id column {preview(self.id_column)} does not exist.{guess}")
        return [*columns, self.id_column]

    def _format_slice(self, batch: pa.RecordBatch, names: _Names) -> pa.RecordBatch:
        """Return the results of a slice, from plans and from the row path, in the order of the rows."""
        blocks, left = self._columnar.format(batch)
        outcomes, others = self._read_blocks(blocks)
        left = np.union1d(left, others)  # sorted, so that the row path raises the error of the first bad row
        if len(left):
            rows = zip(left.tolist(), _read_rows(batch, left), strict=True)
            row_results = [result for row, cells in rows for result in self._format_row(cells, row, names)]
            outcomes.append(self._make_outcome(row_results))
        return _merge(outcomes, self.schema)

    def _read_blocks(self, blocks: Sequence[Block]) -> tuple[list[Outcome], Numbers]:
        """Return the results of plans, and the rows that are left to the row path after all."""
        return [outcome for block in blocks for outcome in self._read_block(block)], np.zeros(0, np.int64)

    def _read_block(self, block: Block) -> Iterator[Outcome]:
        """Yield the results of a plan, without those that are skipped."""
        if block.skips is None or not block.skips.any():
            yield Outcome(block.rows, self._add_errors(block.columns, len(block.rows)))
            return
        kept = np.flatnonzero(block.skips == 0)
        columns = [column.take(pa.array(kept)) for column in block.columns]
        yield Outcome(block.rows[kept], self._add_errors(columns, len(kept)))
        yield from self._list_skipped(block)

    def _list_skipped(self, block: Block) -> Iterator[Outcome]:
        """Yield the errors of a plan's samples that are skipped."""
        # with "skip" they are left out without a trace, and with "raise" no skips are found
        if self.on_error == "column" and block.skips is not None and block.skips.any():
            skipped = np.flatnonzero(block.skips)
            codes: list[Any] = [REASONS[number] for number in block.skips[skipped]]
            errors = pa.array([_describe_skip(code) for code in codes], pa.string())
            yield Outcome(block.rows[skipped], [*_make_nulls(self._result_schema, len(skipped)), errors])

    def _add_errors(self, columns: list[pa.Array], count: int) -> list[pa.Array]:
        return [*columns, pa.nulls(count, pa.string())] if self.on_error == "column" else columns

    def _format_row(self, cells: Mapping[str, Any] | _Unreadable, row: int, names: _Names) -> Iterator[_RowResult]:
        """Yield the results of one row by the row path; yield an error if one of its values cannot be read."""
        try:
            if isinstance(cells, _Unreadable):
                raise cells.error
            yield from self._write_row(cells, row)
        except (RowError, StyleContractError) as error:
            located = names.locate(error, row, cells.others if isinstance(cells, _Unreadable) else cells)
            if self.on_error == "raise":
                raise located from error.__cause__  # not from `error`, which is the same without its place
            if self.on_error == "column":
                yield _RowResult(row, {ERROR_COLUMN: str(located)})

    def _write_row(self, cells: Mapping[str, Any], row: int) -> Iterator[_RowResult]:
        formatted = self.template.formatted(cells, self.format)
        samples = formatted.samples
        if formatted.ties and not samples:  # as `Template.format` does
            raise make_tie_error()
        results = list[_RowResult]()  # all before the first is yielded: a row has its samples or one error, not both
        raises = self.on_error == "raise"
        reasons = [None] * len(samples) if raises else find_skip_reasons(samples, self.template.ties)
        for sample, reason in zip(samples, reasons, strict=True):
            if reason is None:
                results.append(_RowResult(row, self._write_sample(sample)))
            elif self.on_error == "column":
                results.append(_RowResult(row, {ERROR_COLUMN: _describe_skip(reason)}))
        if self.on_error == "column" and not results:
            results.append(_RowResult(row, {ERROR_COLUMN: _describe_skip(Code.NO_SAMPLE)}))
        yield from results

    def _write_sample(self, sample: Formatted) -> dict[str, Any]:
        """Return the result of one sample."""
        return self._write_result(sample.result)

    def _write_result(self, result: dict[str, Any]) -> dict[str, Any]:
        # first, since messages with calls do not fit a column of messages, but their JSON text fits one of text
        if self.json_messages:
            result = write_nested_as_json(result, self._result_schema)
        check_fits_schema(result, self._result_schema)
        return write_nested_as_json(result, self._result_schema)  # the arguments of calls, and media

    def _make_outcome(self, results: Sequence[_RowResult]) -> Outcome:
        rows = np.array([result.row for result in results], np.int64)
        columns = [pa.array([result.values.get(field.name) for result in results], field.type)
                   for field in self.schema]  # fmt: skip
        return Outcome(rows, columns)

    def __getstate__(self) -> tuple[Any, ...]:
        # without the cached `ColumnarFormatter`, which holds a lock and cannot be pickled
        return self.template, self.format, self.json_messages, self.on_error, self.id_column

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.template, self.format, self.json_messages, self.on_error, self.id_column = state

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BatchFormatter) and self.__getstate__() == other.__getstate__()

    def __hash__(self) -> int:
        return hash(self.__getstate__())

    def __repr__(self) -> str:
        messages = ", json_messages=True" if self.json_messages else ""
        errors = "" if self.on_error == "raise" else f", on_error={self.on_error!r}"
        return f"BatchFormatter({self.template!r}, {self.format!r}{messages}{errors})"


_SLICE_BYTES = 64 << 20
"""The most bytes of a slice that has several rows."""


def _cut(table: pa.Table) -> list[pa.RecordBatch]:
    """Cut a table into slices: join chunks of a few rows, and put fewer long rows into a slice."""
    chunks = max((column.num_chunks for column in table.columns), default=1)
    if chunks > 1 + table.num_rows * 4 // SLICE_ROWS:
        table = table.combine_chunks()  # `to_batches` would cut at each border of any column's chunks
    rows = max(1, table.num_rows * _SLICE_BYTES // count_bytes(table))
    return list(table.to_batches(max_chunksize=min(SLICE_ROWS, rows)))


class _Names(NamedTuple):
    """The numbers and ids that identify the rows of a slice in errors.

    Attributes:
        start: the number of its first row in the batch.
        indices: the number of each row of the batch, if known.
        id_column: the column whose value identifies a row, if there is one.
    """

    start: int
    indices: Sequence[int] | None
    id_column: str | None

    def locate(self, error: Any, row: int, cells: Mapping[str, Any]) -> Any:
        """Return an error with the row's number and its id."""
        place = self.start + row
        located = error.located(row=place if self.indices is None else int(self.indices[place]))
        if self.id_column is None or self.id_column not in cells:
            return located
        name = f"{self.id_column} {preview(cells.get(self.id_column))}"
        return type(located)(f"{name}: {located.message}", **located.facts)


class _RowResult(NamedTuple):
    """A result of the row path, and its row in the slice."""

    row: int
    values: dict[str, Any]


class Outcome(NamedTuple):
    """Results, and the row of each in the slice."""

    rows: Numbers
    columns: list[pa.Array]


class _Unreadable(NamedTuple):
    """A row with a value that Python cannot represent.

    Attributes:
        error: the error, with the column.
        others: the values that can be read.
    """

    error: RowError
    others: dict[str, Any]


def _read_rows(batch: pa.RecordBatch, rows: Numbers) -> list[dict[str, Any] | _Unreadable]:
    """Return some rows with their values by column."""
    try:
        if len(rows) == batch.num_rows:
            return list(batch.to_pylist())
        return list(batch.take(pa.array(rows)).to_pylist())
    except (pa.ArrowException, ValueError):  # bytes that are not UTF-8, or a type that `take` does not support
        return [_read_row(batch, row) for row in rows.tolist()]


def _read_row(batch: pa.RecordBatch, row: int) -> dict[str, Any] | _Unreadable:
    cells, found = {}, None
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        try:
            cells[name] = column[row].as_py()
        except (pa.ArrowException, ValueError) as error:
            code = Code.BAD_TEXT if isinstance(error, UnicodeError) else Code.WRONG_TYPE
            found = found or RowError(f"cannot be read: {one_line(str(error), 200)}", code=code, column=name)
    return cells if found is None else _Unreadable(found, cells)


def _describe_skip(code: Code) -> str:
    return f"{code.meaning} [{code}]"


def _make_nulls(schema: pa.Schema, count: int) -> list[pa.Array]:
    return [pa.nulls(count, field.type) for field in schema]


def _merge(outcomes: Sequence[Outcome], schema: pa.Schema) -> pa.RecordBatch:
    """Merge the results of a slice in the order of their rows, and of the samples within a row."""
    if not outcomes:
        return pa.RecordBatch.from_arrays(_make_nulls(schema, 0), schema=schema)
    if len(outcomes) == 1:
        return pa.RecordBatch.from_arrays(outcomes[0].columns, schema=schema)  # its rows are in order already
    order = np.argsort(np.concatenate([outcome.rows for outcome in outcomes]), kind="stable")
    columns = zip(*(outcome.columns for outcome in outcomes), strict=True)
    places = pa.array(order)
    return pa.RecordBatch.from_arrays([pa.concat_arrays(parts).take(places) for parts in columns], schema=schema)
