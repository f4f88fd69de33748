"""Sample reading: the samples of rows with their texts, mostly written by plans, and with ids on request."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from preftemplates.core.messages import Message
from preftemplates.core.samples import SAMPLE_TYPES
from preftemplates.data.columnar.checks.checking import ColumnarSliceChecker
from preftemplates.data.convert import Conversion
from preftemplates.data.convert_report import ConversionReport
from preftemplates.data.copies import CopyFinder
from preftemplates.data.result_slice import SliceOptions
from preftemplates.data.shortcuts import is_first_listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from preftemplates.core.samples import Format, Sample
    from preftemplates.data.columnar.blocks import Block
    from preftemplates.data.columnar.checks.checking import SliceFindings
    from preftemplates.data.columnar.tokens.block_tokens import BlockEncoder
    from preftemplates.data.columnar.turns import PartTurns
    from preftemplates.data.convert import OnError
    from preftemplates.data.reading import Record
    from preftemplates.templates.results import Formatted
    from preftemplates.templates.template import Template


class ReadSample(NamedTuple):
    """A sample with its texts.

    Attributes:
        record: the row of the sample.
        prompt: the text of the prompt; None for a custom template.
        responses: the whole text of each response, including the prompt; for a custom template, the values of its
            result.
        messages: the sample with messages; None for a custom template.
        first_listed: for a pair, whether the row lists the chosen answer first; None if that is unknown.
        ids: the token ids of each response, if they were encoded with the others of their slice.
    """

    record: Record
    prompt: str | None
    responses: list[Any]
    messages: Sample[list[Message]] | None
    first_listed: bool | None = None
    ids: list[list[int]] | None = None


class SampleReader:
    """Reads the samples of rows, each row once; iterate over it, and read its report at any time.

    Exact and near copies of earlier samples are flagged.

    Args:
        records: the rows, as `open_rows` returns them; plain mappings are numbered in order.
        template: the dataset template.
        format: the format's name.
        encoder: encodes the texts of plans, in the template's style; None if no ids are needed.
        on_error, file: as for `Conversion`.
        in_slices: whether many rows are read before the first sample is returned.

    Example:
        >>> from preftemplates import get_template
        >>> template = get_template("PKUSafeRLHF")
        >>> (sample,) = SampleReader([template.example], template, "preference")
        >>> sample.responses[0].startswith(sample.prompt), sample.first_listed
        (True, False)
    """

    def __init__(
        self,
        records: Iterable[Record | Mapping[str, Any]],
        template: Template,
        format: Format,
        *,
        encoder: BlockEncoder | None = None,
        on_error: OnError = "skip",
        file: str | None = None,
        in_slices: bool = True,
    ) -> None:
        self._in_slices = in_slices and not template.is_custom
        self._template, self._format, self._encoder = template, format, encoder
        self._columns = template.known_columns(format) or ()
        self._is_pair = format == "preference"
        self._make_conversion = partial(
            Conversion, records, template, format, on_error=on_error, file=file, traced=self._is_pair
        )
        self._conversion = self._make_conversion()

    @property
    def report(self) -> ConversionReport:
        """Return the counts of the rows read so far."""
        return self._conversion.report

    def __iter__(self) -> Iterator[ReadSample]:
        options = SliceOptions(self._template, self._format, None, None)
        checker = ColumnarSliceChecker(self._conversion, options, self._columns, counts_choices=False)
        if not self._in_slices or checker.reason:
            self._conversion = self._make_conversion(copies=CopyFinder())
            for record, formatted in self._conversion.accepted():
                yield self._read_formatted(record, formatted)
            return
        self._conversion.report = ConversionReport()
        for findings in checker.check(self._conversion.list_records()):
            self.report.flagged.extend(issue for _, issue in sorted(findings.copies, key=lambda copy: copy[0]))
            yield from self._list_samples(findings, checker)
        self.report.forgotten_prompts = checker.copies.forgotten
        self.report.forgotten_rows = checker.copies.forgotten_rows
        self._conversion.finish()

    def _read_formatted(self, record: Record, formatted: Formatted) -> ReadSample:
        texts, first = formatted.texts, is_first_listed(formatted, self._columns) if self._is_pair else None
        if texts is None:
            return ReadSample(record, None, [*formatted.result.values()], formatted.plain_messages, first)
        return ReadSample(record, texts.prompt, [*texts.responses.values()], formatted.plain_messages, first)

    def _list_samples(self, findings: SliceFindings, checker: ColumnarSliceChecker) -> list[ReadSample]:
        """Return the samples of a slice, in the order of its rows."""
        samples: list[Any] = [None] * (len(findings.numbers) + len(findings.others))
        for other in findings.others:
            samples[other.number] = self._read_formatted(other.record, other.formatted)
        start = 0
        for block in findings.blocks:
            numbers = findings.numbers[start : start + len(block.rows)].tolist()
            for number, sample in zip(numbers, self._read_block(block, findings.records, checker), strict=True):
                samples[number] = sample
            start += len(block.rows)
        return samples

    def _read_block(
        self, block: Block, records: Sequence[Record], checker: ColumnarSliceChecker
    ) -> Iterator[ReadSample]:
        assert block.texts is not None
        planned, group, places = block.texts
        names = [name for name in places if name != "prompt"]
        texts = [planned.write(group, places[name], True).to_pylist() for name in names]
        prompts = planned.write(group, 0, False).to_pylist()
        listed = checker.list_first(records, block) if self._is_pair else [None] * len(block.rows)
        rows = zip(
            block.rows.tolist(), prompts, zip(*texts, strict=True), self._list_messages(block), listed,
            self._encode(block, names), strict=True,
        )  # fmt: skip
        for row, prompt, responses, messages, first, ids in rows:
            yield ReadSample(records[row], prompt, [*responses], messages, first, ids)

    def _list_messages(self, block: Block) -> Iterator[Sample[list[Message]]]:
        """Yield the samples of a block as messages."""
        sample_type: Any = SAMPLE_TYPES.get(self._format)
        labels = {name: _list_values(value, len(block.rows)) for name, value in block.labels.items()}
        parts = {name: _list_part(part) for name, part in block.parts.items()}
        columns = {**labels, **parts}
        for values in zip(*columns.values(), strict=True):
            yield sample_type(**dict(zip(columns, values, strict=True)))

    def _encode(self, block: Block, names: Sequence[str]) -> list[list[list[int]] | None]:
        """Return the ids of the responses of each sample; None for samples that are encoded one by one."""
        encoded: list[list[list[int]] | None] = [None] * len(block.rows)
        if self._encoder is None:
            return encoded
        tokens = self._encoder.encode(block)
        lists = []
        for name in names:
            ids, borders = tokens.responses[name].ids.tolist(), [0, *np.cumsum(tokens.responses[name].counts).tolist()]
            lists.append([ids[start:end] for start, end in pairwise(borders)])
        for place, responses in zip(tokens.places.tolist(), zip(*lists, strict=True), strict=True):
            encoded[place] = [*responses]
        return encoded


def _list_values(value: Any, count: int) -> list[Any]:
    """Return the values of a label: those of a column, or one value that all samples share."""
    return value.to_pylist() if hasattr(value, "to_pylist") else [value] * count


def _list_part(part: PartTurns) -> Iterator[list[Message]]:
    """Yield the messages of each sample."""
    compact = part.compact()
    roles, contents = compact.list_all_roles(), compact.contents.to_pylist()
    messages = [Message(role=role, content=content) for role, content in zip(roles, contents, strict=True)]
    for start, count in zip(compact.starts.tolist(), compact.counts.tolist(), strict=True):
        yield messages[start : start + count]
