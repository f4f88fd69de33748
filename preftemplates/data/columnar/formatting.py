"""Columnar formatting: format the rows of a slice by plans, and return the numbers of the rows for the row path."""

from __future__ import annotations

from functools import cache, partial
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from preftemplates.core.samples import Preference, Sample
from preftemplates.data.columnar.blocks import (
    DERIVED,
    LISTED,
    Block,
    BlockLoss,
    BlockTexts,
    Derived,
    PlanCounts,
)
from preftemplates.data.columnar.cell_checks import check_cell
from preftemplates.data.columnar.cells import Cells, RowValues
from preftemplates.data.columnar.column_texts import Column, UntraceableError
from preftemplates.data.columnar.formatting_plan import FormattingPlan, spell_guards
from preftemplates.data.columnar.groups import SampleGroup, hold_cell_guard, make_group
from preftemplates.data.columnar.plan_book import PlanBook
from preftemplates.data.columnar.result_columns import (
    SampleColumns,
    check_shape_is_columnar,
    fill_columns,
    find_unspelled_roles,
    list_single_parts,
    list_text_fields,
)
from preftemplates.data.columnar.row_cells import Cell, list_cells, read_columns
from preftemplates.data.columnar.row_plans import RowPlan, find_single_sources, make_row_plan
from preftemplates.data.columnar.skips import are_ties, find_skip_numbers
from preftemplates.data.columnar.text_plans import PlannedRows, TextPlanner
from preftemplates.data.columnar.turns import Numbers, Shape, group_shapes
from preftemplates.data.shortcuts import is_first_listed, list_columns
from preftemplates.errors import PrefTemplatesError, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from preftemplates.core.samples import Format
    from preftemplates.data.columnar.kernels import Mask
    from preftemplates.data.columnar.screens import Screen
    from preftemplates.data.columnar.style_plans import TextPlan
    from preftemplates.styles.style import Style
    from preftemplates.templates.results import Formatted
    from preftemplates.templates.template import Template


class _Slice(NamedTuple):
    """The rows of a slice, row plans with one outline, and the plan of each row; -1 for none."""

    batch: pa.RecordBatch
    plans: Sequence[RowPlan]
    which: Numbers


class Compared(NamedTuple):
    """The results of the row path for the rows of a plan.

    Attributes:
        lost: the losses of each sample.
        first_listed: the number in `LISTED` of whether they list the chosen answer first.
    """

    lost: Sequence[BlockLoss]
    first_listed: int


class ColumnarFormatter:
    """Formats the rows of slices by plans, which it makes on demand.

    Args:
        template: the template.
        format: the format's name.
        schema: the schema of the results.
        json_messages: whether messages are JSON text.
        finds_skips: whether to report which results should not be trained on.
        screen: finds the rows that are left to the row path, because a rule may find something in them.
        style: the style in which messages will be rendered, if it is known and the dialect holds no text.
        columns: the columns of a row in order, if the first listed answer is needed.

    Attributes:
        reason: why no row can be formatted as columns; empty if some can.
        counts: the counts of the rows so far.
    """

    def __init__(
        self,
        template: Template,
        format: Format,
        schema: pa.Schema,
        json_messages: bool = False,
        finds_skips: bool = False,
        screen: Screen | None = None,
        style: Style | None = None,
        columns: Sequence[str] | None = None,
    ) -> None:
        self._template, self._format, self._schema, self._columns = template, format, schema, columns
        self._json_messages, self._finds_skips, self._screen = json_messages, finds_skips, screen
        self._style = template.text_style(format) or style
        self.counts = PlanCounts()
        self._lock = Lock()
        self._input: pa.Schema | None = None
        self._cells: dict[str, Cell] = {}
        self._row_plans: PlanBook[RowPlan] = PlanBook()
        self._compared: dict[Any, Compared | None] = {}
        self._planner: TextPlanner | None = None
        self._names: tuple[str, ...] = ()
        self.reason = ""
        try:
            self._check_is_columnar()
        except UntraceableError as error:
            self.reason = str(error)
        self._is_unplanned = bool(self.reason)  # independent of the schema of the rows

    def _check_is_columnar(self) -> None:
        """Raise an error if nothing can be formatted as columns.

        Raises:
            UntraceableError: with the reason.
        """
        template, format = self._template, self._format
        if template.is_custom:
            raise UntraceableError("the template is custom")
        self._extraction, self._policies = template.get_extraction(format)
        steps = self._extraction.steps
        self._names = ("prompt", *steps.sample_type.response_names)
        self._derivation = None if steps.derivation is None else DERIVED.get((steps.derivation.source, format))
        self._shape, self._keys = template.result_shape(format)
        check_shape_is_columnar(self._shape, self._json_messages)
        self._text_fields = list_text_fields(self._shape)
        if self._style is not None:
            self._planner = self._make_planner(self._style)
        if steps.derivation is not None and self._derivation is None:
            raise UntraceableError(f"{format} is derived from {steps.derivation.source} row by row")
        if steps.each or steps.sample_type.several:
            several = "a sample has several responses" if steps.sample_type.several else "a row gives several samples"
            raise UntraceableError(several)
        if steps.sample_type.check_labels not in (Sample.check_labels, Preference.check_labels):
            raise UntraceableError("the labels of the dataset type are checked row by row")
        if self._policies.halves_ties(format):
            raise UntraceableError("ties are pairs with probability one half")

    def _make_planner(self, style: Style) -> TextPlanner:
        holds_own = any(name != "prompt" and not with_prompt for name, with_prompt in self._text_fields)
        is_screened = self._screen is not None
        edges, needs_own = self._template.choose_edges(self._format), holds_own or is_screened
        return TextPlanner(style, edges, needs_own=needs_own, keeps_contents=is_screened, count=self._count)

    def format(self, batch: pa.RecordBatch, usable: Mask | None = None) -> tuple[list[Block], Numbers]:
        """Format all rows that can be formatted as columns.

        Args:
            batch: the rows of a slice.
            usable: the rows whose values are in the columns; None for all.

        Returns:
            The results in blocks, and the numbers of the remaining rows.
        """
        with self._lock:  # plans are made for one schema at a time
            return self._format_slice(batch, np.ones(batch.num_rows, bool) if usable is None else usable)

    def _format_slice(self, batch: pa.RecordBatch, usable: Mask) -> tuple[list[Block], Numbers]:
        if self._input != batch.schema:
            self._start(batch.schema)
        blocks = [] if self.reason else self._list_blocks(batch, usable)
        left = np.ones(batch.num_rows, bool)
        for block in blocks:
            left[block.rows] = False
        if self.reason:
            self._count(self.reason, left)
        self.counts.columnar += int((~left).sum())
        return blocks, np.flatnonzero(left)

    def _list_blocks(self, batch: pa.RecordBatch, usable: Mask) -> list[Block]:
        """Return the results of the rows that plans fit; none if Arrow cannot compute or hold them."""
        counts = PlanCounts(self.counts.columnar, self.counts.reasons.copy())
        try:
            return list(self._format_rows(batch, usable)) if batch.num_rows else []
        except pa.ArrowException as error:
            self.counts = counts
            self._count(f"Arrow raises an error: {one_line(str(error), 100)}", np.ones(batch.num_rows, bool))
            return []

    def describe(self) -> FormattingPlan:
        """Return how rows were formatted so far, and the conditions on their texts."""
        plans: list[Any] = [*self._row_plans.plans, *(self._planner.plans if self._planner else ())]
        guards = [guard for plan in plans for guard in plan.guards]
        return FormattingPlan(self.counts.columnar, dict(self.counts.reasons), spell_guards(guards, self._names))

    def _start(self, schema: pa.Schema) -> None:
        """Start with rows of another schema."""
        self._input = schema
        self._row_plans = PlanBook()
        self._compared.clear()
        if self._is_unplanned:
            return
        self._cells = list_cells(self._extraction.steps, schema)
        others = [cell.column for cell in self._cells.values() if cell.kind == "other" and not cell.is_optional]
        self.reason = f"column {others[0]} has a type that is read row by row" if others else ""

    def _count(self, reason: str, rows: Mask | Numbers) -> None:
        """Count rows that take the row path, given as a mask or by number."""
        count = int(rows.sum()) if rows.dtype == bool else len(rows)
        if count:
            self.counts.reasons[reason] += count

    def _format_rows(self, batch: pa.RecordBatch, alive: Mask) -> Iterator[Block]:
        """Yield the results of the rows that plans fit."""
        cells = Cells(read_columns(self._cells, batch), batch.num_rows)
        self._count("a value does not fit in its column", ~alive)
        for name in cells.columns:
            fine = check_cell(self._cells[name], name, cells, self._extraction.limits)
            column = self._cells[name].column
            self._count(f"column {column} has a null, or a value that plans do not support", alive & ~fine)
            alive = alive & fine
        groups: dict[Any, list[tuple[Numbers, RowPlan]]] = {}
        hold, make = partial(hold_cell_guard, cells), partial(self._make_row_plan, batch, cells)
        for fit in self._row_plans.fit(alive, hold, make):
            if fit.plan is None or fit.plan.is_tie:
                self._count(fit.reason or "the row is a tie", fit.rows)
            else:
                groups.setdefault(fit.plan.outline, []).append((fit.rows, fit.plan))
        for fits in groups.values():
            yield from self._format_group(batch, cells, fits)

    def _extract_within_limits(self, batch: pa.RecordBatch, row: int) -> None:
        """Extract the sample by the row path first, within limits, because plans are made without a budget.

        Raises:
            UntraceableError: the row path rejects the row, or extraction exceeds the template's limits.
        """
        if self._extraction.limits is None:
            return
        try:
            (cells,) = batch.slice(row, 1).to_pylist()
            self._extraction.extract(cells, self._policies, traced=False)
        except (PrefTemplatesError, pa.ArrowException, ValueError) as error:
            raise UntraceableError(f"the row path rejects the row: {one_line(str(error), 200)}") from error

    def _make_row_plan(self, batch: pa.RecordBatch, cells: Cells, row: int) -> RowPlan:
        self._extract_within_limits(batch, row)
        plan = make_row_plan(self._extraction.steps, self._cells, RowValues(cells, row))
        optional = {*self._template.optional_parts(self._format)} - {*self._template.sample_parts(self._format)}
        label_types = self._extraction.steps.sample_type.label_types
        for name in (name for name, value in plan.labels if value is not None):
            if name in optional:
                raise UntraceableError(f"the results have no key for {name}")
            if name not in label_types:
                raise UntraceableError(f"the row has {name}")
        return plan

    def _format_group(
        self, batch: pa.RecordBatch, cells: Cells, fits: Sequence[tuple[Numbers, RowPlan]]
    ) -> Iterator[Block]:
        """Yield the results of rows whose plans differ only in columns."""
        which = np.full(cells.count, -1, np.int8)
        for index, (rows, _) in enumerate(fits):
            which[rows] = index
        rows_of = _Slice(batch, [plan for _, plan in fits], which)
        group, alive = make_group(cells, rows_of.plans, which)
        alive &= self._may_be_made(group)
        self._count("messages or labels are invalid", (which >= 0) & ~alive)
        if self._screen is not None:
            suspicious = alive & self._find_suspicious(self._screen, group)
            self._count("a rule may find something in the row", suspicious)
            alive &= ~suspicious
        group = group if alive.all() else group.take(np.flatnonzero(alive))
        numbers, shapes = group_shapes(group.parts)
        fine = np.ones(len(group.rows), bool)
        for number, shape in enumerate(shapes):
            fault = self._find_fault(shape)
            if fault:
                self._count(fault, numbers == number)
                fine &= numbers != number
        planned = None if self._planner is None else self._planner.assign(group, numbers, shapes, fine)
        places = np.flatnonzero(fine) if planned is None else planned.rows
        if len(places):
            filled = group if len(places) == len(group.rows) else group.take(places)
            yield from self._fill(rows_of, filled, planned)

    def _find_suspicious(self, screen: Screen, group: SampleGroup) -> Mask:
        """Return in which rows a rule may find something."""
        own = {name: name for name in self._names[1:]}
        samples = [derived.responses for derived in self._derivation] if self._derivation else [own]
        places = [[self._names.index(source) for source in sample.values()] for sample in samples]
        return screen.find_suspicious(group.parts, places, group.known)

    def _may_be_made(self, group: SampleGroup) -> Mask:
        """Return which samples are within the template's limits and not ties that a derivation drops."""
        limits, fine = self._extraction.limits, np.ones(len(group.rows), bool)
        if limits is not None:
            fine &= group.find_short(limits.string // 64)
            fine &= np.sum([part.counts for part in group.parts], axis=0) < limits.steps // 1000
        return fine & ~are_ties(group.labels, len(group.rows)) if self._derivation else fine

    def _find_fault(self, shape: Shape) -> str:
        """Return why the row path formats, or rejects, rows of a shape."""
        for roles in shape[1:]:
            if roles[:1] != ("assistant",) or roles[-1:] != ("assistant",):
                return "a response does not begin and end with an answer"
        counts = dict(zip(self._names, map(len, shape), strict=True))
        for name, with_prompt in list_single_parts(self._shape):
            source = self._derivation[0].responses.get(name, name) if self._derivation else name
            if counts[source] + with_prompt * counts["prompt"] != 1:
                return "the dialect holds only one message"
        if self._screen is not None and self._screen.has_odd_turns(shape):
            return "the turns are in an unusual order"
        roles_used = {role for part in shape for role in part}
        return "the dialect has no name for a role" if find_unspelled_roles(self._keys, sorted(roles_used)) else ""

    def _fill(self, rows_of: _Slice, group: SampleGroup, planned: PlannedRows | None) -> Iterator[Block]:
        """Yield the results of rows, without those of plans whose result differs from the row path's."""
        samples = self._derivation or [Derived({name: name for name in self._names[1:]}, group.labels)]
        blocks = [self._fill_sample(group, sample, planned) for sample in samples]
        plans: Sequence[TextPlan | None] = (None,) if planned is None else planned.plans
        texts = np.zeros(len(group.rows), np.int64) if planned is None else planned.which
        pairs = rows_of.which[group.rows].astype(np.int64) * len(plans) + texts
        wrong, listed = np.zeros(len(pairs), bool), np.zeros(len(pairs), np.int8)
        lost: Sequence[BlockLoss] = ()
        for pair, place in zip(*np.unique(pairs, return_index=True), strict=True):
            key = (rows_of.plans[pair // len(plans)], plans[pair % len(plans)])
            if key not in self._compared:
                self._compared[key] = self._compare(rows_of.batch, blocks, int(place), key[0])
            compared = self._compared[key]
            if compared is None:
                wrong |= pairs == pair
            else:
                lost = compared.lost
                listed[pairs == pair] = compared.first_listed
        self._count("the row path gives a different result", wrong)
        if not wrong.all():
            first_listed = None if self._columns is None else listed
            blocks = [block._replace(first_listed=first_listed) for block in blocks]
            kept = [block.take(np.flatnonzero(~wrong)) for block in blocks] if wrong.any() else blocks
            yield from (block._replace(lost=one) for block, one in zip(kept, lost, strict=True))

    def _fill_sample(self, group: SampleGroup, sample: Derived, planned: PlannedRows | None) -> Block:
        sources = {"prompt": "prompt", **sample.responses}
        places = {name: self._names.index(source) for name, source in sources.items()}

        @cache
        def write(name: str, with_prompt: bool) -> pa.Array:
            assert planned is not None
            return planned.write(group, places[name], with_prompt)

        parts = {name: group.parts[place] for name, place in places.items()}
        columns = SampleColumns(len(group.rows), parts, sample.labels, write)
        skips = self._find_skips(group, columns, planned) if self._finds_skips else None
        filled = fill_columns(self._shape, self._schema, self._keys, columns)
        texts = None if planned is None else BlockTexts(planned, group, places)
        return Block(group.rows, filled, skips, sample.labels, parts, texts=texts)

    def _find_skips(self, group: SampleGroup, sample: SampleColumns, planned: PlannedRows | None) -> Numbers:
        prompt, *responses = sample.parts.values()
        names = [*sample.parts][1:]
        written, several = dict(self._text_fields), len(names) > 1 and self._style is not None
        texts = [sample.write(name, written.get(name, False)) for name in names] if several else []
        asked = prompt if self._extraction.has_prompt else None
        compared = responses
        if self._derivation is not None and len(self._derivation) > 1:  # their labels compare the source's answers
            ends = [
                (name, self._names.index(source)) for one in self._derivation for name, source in one.responses.items()
            ]
            compared = [group.parts[place] for _, place in ends]
            if planned is not None:
                texts = [planned.write(group, place, written.get(name, False)) for name, place in ends]
        return find_skip_numbers(asked, responses, compared, sample.labels, texts, self._policies.ties == "drop")

    def _compare(self, batch: pa.RecordBatch, blocks: Sequence[Block], place: int, plan: RowPlan) -> Compared | None:
        """Run the row path on one row of the blocks; return None if its result differs."""
        cells = batch.select(self._template.select_columns(self._format, batch.schema.names))
        try:
            row = cells.slice(int(blocks[0].rows[place]), 1).to_pylist()[0]
            formatted = self._template.formatted(row, self._format, traced=self._columns is not None)
        except (PrefTemplatesError, pa.ArrowException, ValueError):
            return None
        names = self._schema.names
        results = [{name: column[place].as_py() for name, column in zip(names, block.columns, strict=True)}
                   for block in blocks]  # fmt: skip
        if results != [_fill_nulls(sample.result, self._schema) for sample in formatted.samples]:
            return None
        derived: list[Mapping[str, int]] = [formatted.lost, *[{}] * (len(blocks) - 1)]
        lost = [BlockLoss(one, sample.without_key) for one, sample in zip(derived, formatted.samples, strict=True)]
        return Compared(lost, self._find_first_listed(plan, formatted.samples[0]))

    def _find_first_listed(self, plan: RowPlan, formatted: Formatted) -> int:
        """Return the number in `LISTED` of whether all rows of a plan list the chosen answer first."""
        if self._columns is None or not isinstance(formatted.messages, Preference):
            return LISTED.index(None)
        sources = find_single_sources(plan.parts[1:])
        chosen, rejected = ({*list_columns(answer)} for answer in formatted.messages.responses.values())
        if sources is None:
            return LISTED.index(...)
        if not all(isinstance(source, Column) for source in sources) and (chosen & rejected or len(chosen) > 1):
            return LISTED.index(...)
        return LISTED.index(is_first_listed(formatted, self._columns))


def _fill_nulls(result: Mapping[str, Any], schema: pa.Schema) -> dict[str, Any]:
    """Return a result as its columns return it: with null for each missing key."""
    return {field.name: _fill_value(result.get(field.name), field.type) for field in schema}


def _fill_value(value: Any, kind: pa.DataType) -> Any:
    if pa.types.is_list(kind) and isinstance(value, list):
        return [_fill_value(item, kind.value_type) for item in value]
    if pa.types.is_struct(kind) and isinstance(value, dict):
        return {field.name: _fill_value(value.get(field.name), field.type) for field in kind}
    return value
