"""Columnar checks: check the rows of a slice with plans, and apply rules to those in which one may find something."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from preftemplates.core.samples import SAMPLE_TYPES, Preference
from preftemplates.data.columnar.blocks import LISTED
from preftemplates.data.columnar.checks.copies import ColumnarCopyFinder, CopySamples
from preftemplates.data.columnar.checks.message_columns import MessageColumns, hash_digest
from preftemplates.data.columnar.checks.shortcuts import choose_longer, choose_refusal, list_first
from preftemplates.data.columnar.conversion import ColumnarSliceConverter
from preftemplates.data.columnar.skips import are_ties
from preftemplates.data.issues import RowIssue
from preftemplates.data.normal_prompt import list_others, list_spoken
from preftemplates.data.shortcuts import SHORTCUTS, is_first_listed
from preftemplates.data.table_rows import SLICE_ROWS
from preftemplates.templates.unread import is_context

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from preftemplates.core.messages import Message
    from preftemplates.core.samples import Sample
    from preftemplates.data.columnar.blocks import Block
    from preftemplates.data.columnar.conversion import FormattedSlice
    from preftemplates.data.columnar.turns import Numbers
    from preftemplates.data.copies import TestPrompt
    from preftemplates.data.reading import Record
    from preftemplates.data.result_slice import RowAcceptor, SliceOptions
    from preftemplates.templates.results import Formatted


class CheckedSample(NamedTuple):
    """A sample of a row that no plan fits, for rules to check.

    Attributes:
        number: its number among the samples of the slice.
        record: the row.
        formatted: the sample.
    """

    number: int
    record: Record
    formatted: Formatted


class Choices(NamedTuple):
    """How often a shortcut picks the chosen answer of pairs.

    Attributes:
        pairs: the number of pairs.
        right, wrong: in how many of them it picks the chosen or the rejected answer.
    """

    pairs: int
    right: int
    wrong: int


class SliceFindings(NamedTuple):
    """The findings in the rows of a slice.

    Attributes:
        records: the rows.
        blocks: the samples of plans.
        numbers: the number of each of these samples within the slice, block by block.
        others: the samples for rules to check.
        copies: the copies of earlier samples, each with the number of the sample.
        choices: for pairs, the shortcuts by name, counted over all pairs of plans.
    """

    records: Sequence[Record]
    blocks: Sequence[Block]
    numbers: Numbers
    others: list[CheckedSample]
    copies: list[tuple[int, RowIssue]]
    choices: Mapping[str, Choices]


class ColumnarSliceChecker:
    """Checks the rows of slices by plans.

    Args:
        conversion: counts the rows, and formats those that no plan fits.
        options: the options of the columnar path.
        columns: the columns of a row in order, if shortcuts are counted.
        without: the codes that are not checked.
        counts_choices: whether shortcuts are counted.

    Attributes:
        reason: why no row can be formatted as columns; empty if some can.
        copies: finds the copies.
    """

    def __init__(
        self,
        conversion: RowAcceptor,
        options: SliceOptions,
        columns: Sequence[str] | None,
        without: Collection[str] = (),
        *,
        counts_choices: bool = True,
    ) -> None:
        self._template, self._format, self._columns = options.template, options.format, columns
        self._counts_choices = counts_choices
        self._converter = ColumnarSliceConverter(conversion, options, columns)
        self.reason = self._converter.reason
        self._is_pair = options.format == Preference.format
        self._names = SAMPLE_TYPES.get(options.format).response_names
        self.copies = ColumnarCopyFinder(self._is_pair, without)

    def remember_test(self, prompts: Iterable[TestPrompt]) -> None:
        """Remember the prompts of a test set."""
        rest = iter(prompts)
        while held := [*islice(rest, SLICE_ROWS)]:
            self.copies.remember_test(make_prompt_samples(held))

    def check(self, records: Iterator[Record]) -> Iterator[SliceFindings]:
        """Yield the findings in the rows of one slice after another."""
        for rows in self._converter.cut(records):
            formatted = self._converter.format(rows)
            blocks, others = formatted.blocks, [(row, sample) for row, sample in formatted.others if sample.messages]
            places = np.concatenate(
                [*(block.rows for block in blocks), np.array([row for row, _ in others], np.int64)]
            )
            order = np.argsort(places, kind="stable")
            numbers = np.empty(len(order), np.int64)
            numbers[order] = np.arange(len(order))
            checked = [
                CheckedSample(int(number), rows[row], sample)
                for number, (row, sample) in zip(numbers[len(order) - len(others) :], others, strict=True)
            ]
            copies = self._find_copies(formatted, blocks, [sample.messages for _, sample in others], places, order)
            choices = self._count_choices(rows, blocks) if self._counts_choices else {}
            yield SliceFindings(rows, blocks, numbers[: len(order) - len(others)], checked, copies, choices)

    def _find_copies(
        self,
        formatted: FormattedSlice,
        blocks: Sequence[Block],
        others: Sequence[Any],
        places: Numbers,
        order: Numbers,
    ) -> list[tuple[int, RowIssue]]:
        """Find the copies among the samples of a slice, with those of blocks first and others after them."""
        if not len(order):
            return []
        records = [formatted.records[place] for place in places[order].tolist()]
        samples = CopySamples(
            np.array([record.row for record in records], np.int64),
            _join_messages("prompt", blocks, others, order),
            [_join_messages(name, blocks, others, order) for name in self._names],
            np.zeros(len(order), np.uint64) if self._is_pair else _hash_labels(blocks, others)[order],
            np.concatenate([*map(_find_ties, blocks), np.array([sample.is_tie for sample in others], bool)])[order],
            _hash_all_others(blocks, others)[order],
            _hash_contexts(formatted.unread, len(formatted.records))[places[order]],
        )
        return [
            (number, RowIssue(records[number].row, records[number].line, code, message))
            for number, code, message in self.copies.find(samples)
        ]

    def _count_choices(self, rows: Sequence[Record], blocks: Sequence[Block]) -> dict[str, Choices]:
        """Count the shortcuts over the pairs of plans."""
        if self._columns is None or not self._is_pair:
            return {}
        choices: dict[str, list[Numbers]] = {name: [] for name in SHORTCUTS}
        for block in blocks:
            chosen, rejected = block.parts["chosen"], block.parts["rejected"]
            choices["longer wins"].append(choose_longer(chosen, rejected))
            choices["first listed wins"].append(self._choose_first_listed(rows, block))
            choices["refusal wins"].append(choose_refusal(chosen, rejected))
        return {name: _count(np.concatenate([np.zeros(0), *chosen])) for name, chosen in choices.items()}

    def _choose_first_listed(self, rows: Sequence[Record], block: Block) -> Numbers:
        """Return 1 where the row lists the chosen answer first, -1 where it lists the rejected one first, else 0."""
        choice = {None: 0, True: 1, False: -1}
        return np.array([choice[first] for first in self.list_first(rows, block)], np.int64)

    def list_first(self, rows: Sequence[Record], block: Block) -> list[bool | None]:
        """Return for each pair of a block whether its row lists the chosen answer first; None if that is unknown."""
        assert block.first_listed is not None
        known: list[Any] = [LISTED[number] for number in list_first(block.first_listed, block.parts).tolist()]
        for at in [at for at, first in enumerate(known) if first is ...]:
            formatted = self._template.formatted(rows[block.rows[at]].cells, self._format, traced=True)
            known[at] = is_first_listed(formatted.samples[0], self._columns or ())
        return known


def make_prompt_samples(prompts: Sequence[TestPrompt]) -> CopySamples:
    """Return prompts without responses in the form in which they are compared."""
    rows, messages, tools = zip(*prompts, strict=True)
    nothing = np.zeros(len(rows), np.uint64)
    others = np.array([*map(_hash_others, messages, tools)], np.uint64)
    asked = MessageColumns.of_messages(messages)
    return CopySamples(np.array(rows, np.int64), asked, (), nothing, nothing > 0, others, nothing)


def _count(choices: Numbers) -> Choices:
    return Choices(len(choices), int((choices > 0).sum()), int((choices < 0).sum()))


def _join_messages(
    name: str, blocks: Sequence[Block], others: Sequence[Sample[Any]], order: Numbers
) -> MessageColumns:
    """Join the messages of one part of all samples, in order."""
    parts = [MessageColumns.of_turns(block.parts[name]) for block in blocks]
    if others or not parts:
        parts.append(MessageColumns.of_messages([_get_part(sample, name) for sample in others]))
    return MessageColumns.concat(parts).take(order)


def _get_part(sample: Sample[Any], name: str) -> Sequence[Message]:
    messages: Sequence[Message] = sample.prompt if name == "prompt" else sample.responses[name]
    return messages


def _hash_labels(blocks: Sequence[Block], others: Sequence[Sample[Any]]) -> Numbers:
    """Return a hash of the labels of each sample."""
    hashes: list[int] = []
    for block in blocks:
        count, columns = len(block.rows), {}
        for name, label in block.labels.items():
            values = label.to_pylist() if isinstance(label, pa.Array) else [label] * count
            columns[name] = values
        hashes += [_hash_verdict({name: values[at] for name, values in columns.items()}) for at in range(count)]
    hashes += [_hash_verdict(sample.label_values) for sample in others]
    return np.array(hashes, np.uint64)


def _hash_verdict(labels: Mapping[str, Any]) -> int:
    """Return a hash of the labels of a sample that are not None; 1 and 1.0 have the same hash."""
    try:
        return hash(frozenset((name, value) for name, value in labels.items() if value is not None)) & (2**64 - 1)
    except TypeError:  # a list
        return hash_digest(labels)


def _find_ties(block: Block) -> Any:
    return are_ties(block.labels, len(block.rows))


def _hash_all_others(blocks: Sequence[Block], others: Sequence[Sample[Any]]) -> Numbers:
    """Return a hash of what each sample's prompt has besides text; samples of plans have nothing."""
    hashes = [_hash_others(sample.prompt, sample.tools) for sample in others]
    return np.append(np.zeros(sum(len(block.rows) for block in blocks), np.uint64), np.array(hashes, np.uint64))


def _hash_others(messages: Sequence[Message], tools: Any) -> int:
    others = list_others(list_spoken(messages), tools)
    return hash_digest(others) if others else 0


def _hash_contexts(unread: Mapping[int, Sequence[Any]], count: int) -> Numbers:
    """Return a hash of each row's unread values that are part of the question; 0 if there are none."""
    hashes = np.zeros(count, np.uint64)
    for place, values in unread.items():
        context = [*filter(is_context, values)]
        hashes[place] = hash_digest(context) if context else 0
    return hashes
