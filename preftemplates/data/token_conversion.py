"""Token conversion: rows in, token ids and loss masks out, slice by slice, and every row counted."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from preftemplates.data.columnar.arrays import fill, to_arrow
from preftemplates.data.columnar.conversion import ColumnarSliceConverter
from preftemplates.data.convert import Conversion
from preftemplates.data.convert_report import ConversionReport
from preftemplates.data.issues import RowIssue
from preftemplates.data.result_slice import ResultSlice
from preftemplates.data.token_lengths import LengthLimit, shorten_prompt
from preftemplates.errors import Code, RowError, StyleContractError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from preftemplates.core.messages import Message
    from preftemplates.core.samples import Sample
    from preftemplates.data.columnar.blocks import Block
    from preftemplates.data.columnar.turns import Numbers
    from preftemplates.data.convert import OnError
    from preftemplates.data.reading import Record
    from preftemplates.data.sample_tokens import SampleTokenizer, TokenizedSample
    from preftemplates.data.token_schema import TokenSchema

_SKIPPED = (Code.TOO_LONG, Code.NOTHING_TRAINED)
"""The samples that have ids, and should not be trained on."""


@dataclass
class TokenCounts:
    """What became of the token ids.

    Attributes:
        ids: how many are written.
        trained: how many of them are trained on.
        longest: how many the longest text has.
        cut_prompts: how many samples have lost turns of their prompt.
        truncated: how many samples have lost the end of a text.
    """

    ids: int = 0
    trained: int = 0
    longest: int = 0
    cut_prompts: int = 0
    truncated: int = 0


class _Part(NamedTuple):
    """Samples of a slice as columns, each with the place of its row, and a number that orders the samples of a row."""

    rows: Numbers
    numbers: Numbers
    columns: list[pa.Array]


class TokenConversion:
    """Encodes rows; iterate over `convert_slices` for the results, and read its report and counts at any time.

    Args:
        records: the rows, as `open_rows` gives them; plain mappings are numbered in order.
        tokenizer: encodes samples; its schema names the template and the dataset type.
        limit: the most ids that a text may have.
        on_error: whether a row that cannot be encoded raises its error or is counted as rejected.
        file: the file's name, for errors.
        special_tokens: those of the tokenizer, which no content should spell.

    Attributes:
        report: what became of the rows. Samples that are too long, or without a token to train on, are skipped.
        counts: what became of the token ids.
    """

    def __init__(
        self,
        records: Iterable[Record | Mapping[str, Any]],
        tokenizer: SampleTokenizer,
        limit: LengthLimit | None = None,
        *,
        on_error: OnError = "raise",
        file: str | None = None,
        special_tokens: Iterable[str] | None = None,
    ) -> None:
        self._tokenizer, self._limit = tokenizer, limit or LengthLimit()
        self._on_error, self._file = on_error, file
        schema: TokenSchema = tokenizer.schema
        tokens = None if special_tokens is None else frozenset(special_tokens)
        self._conversion = Conversion(
            records, schema.template, schema.format, on_error=on_error, file=file, special_tokens=tokens
        )
        self.counts = TokenCounts()

    @property
    def report(self) -> ConversionReport:
        """What became of the rows so far."""
        return self._conversion.report

    @property
    def schema(self) -> pa.Schema:
        """The schema of the results."""
        return self._tokenizer.schema.schema

    def convert_slices(self) -> Iterator[ResultSlice]:
        """Yield the results in slices of columns; report and counts begin anew.

        Raises:
            RowError: a row cannot be encoded and `on_error` is "raise"; it has the row's number and line.
        """
        self._conversion.report, self.counts = ConversionReport(), TokenCounts()
        options = self._conversion.make_slice_options()
        converter = None if options is None else ColumnarSliceConverter(self._conversion, options)
        records = self._conversion.list_records()
        if converter is None or converter.reason:
            for rows in _batch(records):
                others = [(at, sample) for at, record in enumerate(rows) for sample in self._conversion.accept(record)]
                yield self._encode(rows, [], others)
        else:
            for rows in converter.cut(records):
                formatted = converter.format(rows)
                yield self._encode(rows, formatted.blocks, formatted.others)
        self._conversion.finish()

    def _encode(self, records: Sequence[Record], blocks: Sequence[Block], others: Sequence[Any]) -> ResultSlice:
        """The results of a slice, in the order of its rows."""
        dropped: dict[int, list[RowIssue]] = defaultdict(list)
        totals = Counter(row for row, _ in others)
        parts = []
        singles: list[tuple[int, int, dict[str, Any]]] = []

        def encode(row: int, number: int, make: Callable[[], TokenizedSample | None]) -> None:
            try:
                encoded = make()
            except (RowError, StyleContractError) as error:
                self._drop(records[row], error, dropped[row])
                return
            if encoded is None:
                dropped[row].append(_make_too_long(records[row]))
            else:
                singles.append((row, number, encoded.row))

        for number, block in enumerate(blocks):
            totals.update(block.rows.tolist())
            part, left, too_long = self._encode_block(block, number)
            parts.append(part)
            for row in block.rows[too_long].tolist():
                dropped[row].append(_make_too_long(records[row]))
            for place in left:
                encode(int(block.rows[place]), number, partial(self._encode_left, block, place))
        for number, (row, formatted) in enumerate(others):
            encode(row, number, partial(self._encode_sample, formatted.plain_messages, formatted.result))
        self._count_dropped(dropped, totals)
        names = self.schema.names
        rows, numbers = (np.array([single[at] for single in singles], np.int64) for at in (0, 1))
        columns = [pa.array([cells[name] for *_, cells in singles], self.schema.field(name).type) for name in names]
        parts.append(_Part(rows, numbers, columns))
        batch = self._join(parts)
        self._count_ids(batch)
        return ResultSlice(batch, [*range(batch.num_rows)])

    def _encode_block(self, block: Block, number: int) -> tuple[_Part, list[int], Numbers]:
        """The samples of a block that fit, the places of those that are encoded one by one, and of those too long."""
        encoded, limit = self._tokenizer.encode_block(block), self._limit
        long = encoded.lengths > (np.inf if limit.max_length is None else limit.max_length)
        columns = encoded.columns
        if long.any():
            kept = to_arrow(np.flatnonzero(~long))
            columns = [column.take(kept) for column in columns]
        rows, too_long = block.rows[encoded.places[~long]], encoded.places[long]
        part = _Part(rows, np.full(len(rows), number), columns)
        if limit.too_long == "drop":
            return part, encoded.left.tolist(), too_long
        return part, np.union1d(encoded.left, too_long).tolist(), too_long[:0]

    def _encode_left(self, block: Block, place: int) -> TokenizedSample | None:
        sample, labels = self._tokenizer.read_sample(block, place)
        return self._encode_sample(sample, labels)

    def _encode_sample(self, sample: Sample[list[Message]], labels: Mapping[str, Any]) -> TokenizedSample | None:
        """The tokens of a sample; None if it is too long."""
        encoded, limit = self._tokenizer.encode_sample(sample, labels), self._limit
        if limit.allows(encoded.length):
            return encoded
        if limit.too_long == "cut_prompt":
            for prompt in shorten_prompt(sample.prompt):
                shorter = self._tokenizer.encode_sample(replace(sample, prompt=prompt), labels)
                if limit.allows(shorter.length):
                    self.counts.cut_prompts += 1
                    return shorter
        if limit.too_long == "truncate" and limit.max_length is not None:
            truncated = self._tokenizer.schema.truncate(encoded.row, limit.max_length)
            if truncated is not None:
                self.counts.truncated += 1
                return replace(encoded, row=truncated, length=limit.max_length)
        return None

    def _drop(self, record: Record, error: Any, issues: list[RowIssue]) -> None:
        """Count a sample that cannot be encoded, or raise its error."""
        located = error.located(row=record.row, line=record.line, file=self._file)
        if self._on_error == "raise" and error.code not in _SKIPPED:
            raise located from error
        code = error.code or Code.BAD_EXPRESSION
        issues.append(RowIssue(record.row, record.line, code, located.reason))

    def _count_dropped(self, dropped: Mapping[int, list[RowIssue]], totals: Mapping[int, int]) -> None:
        report = self.report
        for row, issues in sorted(dropped.items()):
            report.results -= len(issues)
            if len(issues) < totals[row]:
                report.left_out.extend(issues)
                continue
            report.formatted -= 1
            is_skipped = all(issue.code in _SKIPPED for issue in issues)
            first = next(issue for issue in issues if is_skipped or issue.code not in _SKIPPED)
            (report.skipped if is_skipped else report.rejected).append(first)

    def _join(self, parts: Sequence[_Part]) -> pa.RecordBatch:
        parts = [part for part in parts if len(part.rows)]
        if not parts:
            return pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in self.schema], schema=self.schema)
        rows = np.concatenate([part.rows for part in parts])
        order = np.lexsort((np.concatenate([part.numbers for part in parts]), rows))
        columns = [pa.concat_arrays(column) for column in zip(*(part.columns for part in parts), strict=True)]
        if (np.diff(order) != 1).any():
            columns = [column.take(to_arrow(order)) for column in columns]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _count_ids(self, batch: pa.RecordBatch) -> None:
        """Count the ids of some results."""
        counts, names = self.counts, self._tokenizer.schema.responses.values()
        for columns in names:
            ids = batch.column(columns.ids)
            if self._tokenizer.schema.several:
                ids = ids.flatten()
            lengths = fill(pc.list_value_length(ids), 0)
            counts.ids += int(lengths.sum())
            counts.longest = max(counts.longest, int(lengths.max(initial=0)))
            if columns.mask and columns.mask in batch.schema.names:
                mask = batch.column(columns.mask).flatten()
                counts.trained += int(fill(mask.flatten() if self._tokenizer.schema.several else mask, 0).sum())


def _make_too_long(record: Record) -> RowIssue:
    return RowIssue(record.row, record.line, Code.TOO_LONG, Code.TOO_LONG.meaning)


_ROWS = 1_000
"""So many rows are encoded one by one before their results are written."""


def _batch(records: Iterator[Record]) -> Iterator[list[Record]]:
    rows: list[Record] = []
    for record in records:
        rows.append(record)
        if len(rows) == _ROWS:
            yield rows
            rows = []
    if rows:
        yield rows
