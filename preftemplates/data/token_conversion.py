"""Token conversion: rows in, token ids and loss masks out, slice by slice, with every row counted."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from preftemplates.core.loss_flags import LOSS_FLAGS
from preftemplates.data.columnar.arrays import fill, to_arrow
from preftemplates.data.columnar.conversion import ColumnarSliceConverter
from preftemplates.data.convert import Conversion
from preftemplates.data.convert_report import ConversionReport
from preftemplates.data.issues import IssueLog, RowIssue
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
"""The codes of samples that have ids but should not be trained on."""


@dataclass
class TokenCounts:
    """Counts of the written token ids.

    Attributes:
        ids: how many ids are written.
        trained: how many of them are trained on.
        longest: how many ids the longest text has.
        cut_prompts: how many samples lost turns of their prompt.
        truncated: how many samples lost the end of a text.
    """

    ids: int = 0
    trained: int = 0
    longest: int = 0
    cut_prompts: int = 0
    truncated: int = 0


class _Part(NamedTuple):
    """Samples of a slice as columns, each with the place of its row and its number within the row."""

    rows: Numbers
    numbers: Numbers
    columns: list[pa.Array]


class _Dropped(NamedTuple):
    """A sample that is not written, with the reason and, for a single answer, its label."""

    error: Any
    label: Any


def _get_label(labels: Mapping[str, Any], place: int = 0) -> Any:
    """Return the label of a single answer: a value, or an item of a column."""
    label = labels.get("label")
    return label[place].as_py() if isinstance(label, pa.Array) else label


class TokenConversion:
    """Encodes rows; iterate over `convert_slices` for the results, and read its report and counts at any time.

    Args:
        records: the rows, as `open_rows` returns them; plain mappings are numbered in order.
        tokenizer: encodes samples; its schema has the template and the dataset type.
        limit: the most ids that a text may have.
        on_error: whether a row that cannot be encoded raises its error or is counted as rejected.
        file: the file's name, for errors.
        special_tokens: the special tokens of the tokenizer, which no content should spell.

    Attributes:
        report: the counts of the rows. Samples that are too long, or have no token to train on, are skipped.
        counts: the counts of the token ids.
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
            records,
            schema.template,
            schema.format,
            on_error=on_error,
            file=file,
            special_tokens=tokens,
            read_keys=LOSS_FLAGS,
        )
        self.counts = TokenCounts()

    @property
    def report(self) -> ConversionReport:
        """Return the counts of the rows read so far."""
        return self._conversion.report

    @property
    def schema(self) -> pa.Schema:
        """Return the schema of the results."""
        return self._tokenizer.schema.schema

    def convert_slices(self) -> Iterator[ResultSlice]:
        """Yield the results in slices of columns; report and counts start again.

        Raises:
            RowError: a row cannot be encoded and `on_error` is "raise"; it has the row's number and line.
        """
        self._conversion.report, self.counts = ConversionReport(), TokenCounts()
        options = self._conversion.make_slice_options()
        converter = None if options is None else ColumnarSliceConverter(self._conversion, options)
        records = self._conversion.list_records()
        if converter is not None and not converter.reason:
            for rows in converter.cut(records):
                yield self._convert(rows, converter)
        else:
            for rows in _batch(records):
                yield self._convert(rows, None)
        self._conversion.finish()

    def _convert(self, records: list[Record], converter: ColumnarSliceConverter | None) -> ResultSlice:
        """Return the results of a slice, and count its rows in order."""
        whole = self._conversion.report
        # a report for the slice, since `_count_dropped` corrects what formatting has counted
        self._conversion.report = ConversionReport(unread=whole.unread.begin_slice())
        try:
            if converter is None:
                accept = self._conversion.accept
                others = [(row, sample) for row, record in enumerate(records) for sample in accept(record)]
                return self._encode(records, [], others)
            formatted = converter.format(records)
            return self._encode(records, formatted.blocks, formatted.others)
        finally:  # a row may raise its error
            whole.merge(self._conversion.report)
            self._conversion.report = whole

    def _encode(self, records: Sequence[Record], blocks: Sequence[Block], others: Sequence[Any]) -> ResultSlice:
        """Return the results of a slice, in the order of its rows."""
        dropped: dict[int, list[_Dropped]] = defaultdict(list)
        totals = Counter(row for row, _ in others)  # samples by row: a row is dropped only with all its samples
        parts = []
        singles: list[tuple[int, int, dict[str, Any]]] = []

        def encode(row: int, number: int, label: Any, make: Callable[[], TokenizedSample]) -> None:
            try:
                singles.append((row, number, make().row))
            except (RowError, StyleContractError) as error:
                dropped[row].append(_Dropped(error, label))

        # a derived format has one block for each sample of a row (chosen, rejected), so its number is the sample's
        for number, block in enumerate(blocks):
            totals.update(block.rows.tolist())
            part, left, too_long = self._encode_block(block, number)
            parts.append(part)
            for place, length in too_long:
                error = self._make_too_long(length)
                dropped[int(block.rows[place])].append(_Dropped(error, _get_label(block.labels, place)))
            for place in left:
                label, make = _get_label(block.labels, place), partial(self._encode_left, block, place)
                encode(int(block.rows[place]), number, label, make)
        for number, (row, formatted) in enumerate(others):
            label, messages = _get_label(formatted.messages.label_values), formatted.plain_messages
            encode(row, number, label, partial(self._encode_sample, messages, formatted.result))
        self._count_dropped(records, dropped, totals)
        names = self.schema.names
        rows, numbers = (np.array([single[at] for single in singles], np.int64) for at in (0, 1))
        columns = [pa.array([cells[name] for *_, cells in singles], self.schema.field(name).type) for name in names]
        parts.append(_Part(rows, numbers, columns))
        batch = self._join(parts)
        self._count_ids(batch)
        return ResultSlice(batch, [*range(batch.num_rows)])

    def _encode_block(self, block: Block, number: int) -> tuple[_Part, list[int], list[tuple[int, int]]]:
        """Return a block's samples that fit, the places of those to encode one by one, and those that are too long.

        Those that are too long are given by place and length.
        """
        encoded, limit = self._tokenizer.encode_block(block), self._limit
        places, columns, left = encoded.places, encoded.columns, encoded.left
        long = encoded.lengths > (np.inf if limit.max_length is None else limit.max_length)
        if limit.max_length is not None and limit.too_long == "truncate" and long.any():
            columns, lasting = self._tokenizer.schema.truncate_columns(columns, limit.max_length)
            self.counts.truncated += int((long & lasting).sum())
            long &= ~lasting  # those with nothing left to train on are dropped
        if long.any():
            kept = to_arrow(np.flatnonzero(~long))
            columns = [column.take(kept) for column in columns]
        part = _Part(block.rows[places[~long]], np.full(int((~long).sum()), number), columns)
        if limit.too_long == "cut_prompt":  # turns are cut from messages, not from ids
            return part, np.union1d(left, places[long]).tolist(), []
        return part, left.tolist(), [*zip(places[long].tolist(), encoded.lengths[long].tolist(), strict=True)]

    def _encode_left(self, block: Block, place: int) -> TokenizedSample:
        sample, labels = self._tokenizer.read_sample(block, place)
        return self._encode_sample(sample, labels)

    def _encode_sample(self, sample: Sample[list[Message]], labels: Mapping[str, Any]) -> TokenizedSample:
        """Encode one sample.

        Raises:
            RowError: the sample is too long, or as for `SampleTokenizer.encode_sample`.
        """
        encoded, limit = self._tokenizer.encode_sample(sample, labels), self._limit
        if limit.allows(encoded.length):
            return encoded
        if limit.too_long == "cut_prompt":
            # each is encoded anew: without a turn, the style may write other text around those that are left
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
        raise self._make_too_long(encoded.length)

    def _make_too_long(self, length: int) -> RowError:
        fault = f"a text has {length:,} token ids, more than the maximum of {self._limit.max_length:,}"
        return RowError(fault, code=Code.TOO_LONG)

    def _count_dropped(
        self, records: Sequence[Record], dropped: Mapping[int, list[_Dropped]], totals: Mapping[int, int]
    ) -> None:
        """Count the samples that are not written, or raise the error of the first row with one."""
        report, rows = self.report, set[int]()
        for place, samples in sorted(dropped.items()):
            record, errors = records[place], [sample.error for sample in samples]
            # `Conversion` has counted them when it formatted the row
            report.classes.subtract(sample.label for sample in samples if isinstance(sample.label, bool))
            faults = [error for error in errors if error.code not in _SKIPPED]  # only these reject a row or raise
            if faults and self._on_error == "raise":
                raise faults[0].located(row=record.row, line=record.line, file=self._file) from faults[0]
            issues = [
                RowIssue(record.row, record.line, error.code or Code.BAD_EXPRESSION, error.reason) for error in errors
            ]
            report.results -= len(issues)
            if len(issues) < totals[place]:
                report.left_out.extend(issues)
                continue
            report.formatted -= 1
            rows.add(record.row)
            first = issues[errors.index(faults[0])] if faults else issues[0]
            (report.rejected if faults else report.skipped).append(first)
        report.classes = +report.classes  # `+` drops counts of 0, which `find_one_class` would take for a class
        report.flagged = IssueLog(issue for issue in report.flagged if issue.row not in rows)

    def _join(self, parts: Sequence[_Part]) -> pa.RecordBatch:
        parts = [part for part in parts if len(part.rows)]
        if not parts:
            return pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in self.schema], schema=self.schema)
        rows = np.concatenate([part.rows for part in parts])
        order = np.lexsort((np.concatenate([part.numbers for part in parts]), rows))
        columns = [pa.concat_arrays(column) for column in zip(*(part.columns for part in parts), strict=True)]
        if (np.diff(order) != 1).any():  # otherwise `take` would copy all ids for nothing
            columns = [column.take(to_arrow(order)) for column in columns]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _count_ids(self, batch: pa.RecordBatch) -> None:
        """Count the ids of some results."""
        counts, schema = self.counts, self._tokenizer.schema
        for columns in schema.responses.values():
            ids = batch.column(columns.ids)
            # `flatten` and not `values`, which ignores the offset of a slice
            lengths = fill(pc.list_value_length(ids.flatten() if schema.several else ids), 0)
            counts.ids += int(lengths.sum())
            counts.longest = max(counts.longest, int(lengths.max(initial=0)))
            if columns.mask and columns.mask in batch.schema.names:
                mask = batch.column(columns.mask).flatten()
                counts.trained += int(fill(mask.flatten() if schema.several else mask, 0).sum())


_ROWS = 1_000
"""How many rows that are encoded one by one are written at once."""


def _batch(records: Iterator[Record]) -> Iterator[list[Record]]:
    rows: list[Record] = []
    for record in records:
        rows.append(record)
        if len(rows) == _ROWS:
            yield rows
            rows = []
    if rows:
        yield rows
