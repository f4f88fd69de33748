"""Columnar formatting: the rows of a slice by plans, and the numbers of those that only the row path can do."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cache, partial
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from preftemplates.core.messages import has_surrogate
from preftemplates.core.samples import Preference, Sample
from preftemplates.data.columnar.cells import Cells, RowValues, TurnSource
from preftemplates.data.columnar.column_texts import Column, UntraceableError
from preftemplates.data.columnar.groups import SampleGroup, hold_cell_guard, make_group
from preftemplates.data.columnar.kernels import Mask, join_pieces
from preftemplates.data.columnar.numbers import MAX_EXACT, Formula
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
from preftemplates.data.columnar.row_plans import RowPlan, make_row_plan
from preftemplates.data.columnar.skips import are_ties, find_skip_reasons
from preftemplates.data.columnar.style_plans import Place, TextPlan, make_text_plan
from preftemplates.data.columnar.turn_sources import check_items
from preftemplates.data.columnar.turns import Numbers, Shape, group_shapes
from preftemplates.errors import PrefTemplatesError, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from preftemplates.core.samples import Format
    from preftemplates.templates.template import Template


class Block(NamedTuple):
    """The results of some rows of a slice.

    Attributes:
        rows: the number of the row of each result.
        columns: the results.
        skips: for each result the number among `REASONS` of why it should not be trained on; None if nobody asked.
    """

    rows: Numbers
    columns: list[pa.Array]
    skips: Numbers | None = None


@dataclass
class PlanCounts:
    """What became of rows.

    Attributes:
        columnar: how many were formatted as columns.
        reasons: how many took the row path, by the reason.
    """

    columnar: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


class _PlannedRows(NamedTuple):
    """The rows of a slice, plans of one outline, and which of them fits each row; -1 for none."""

    batch: pa.RecordBatch
    plans: Sequence[RowPlan]
    which: Numbers


class Derived(NamedTuple):
    """A sample that is made of a declared one: which response is which of that, and the labels."""

    responses: Mapping[str, str]
    labels: Mapping[str, Any]


_DERIVED = {
    ("preference", "supervised"): [Derived({"completion": "chosen"}, {})],
    ("preference", "unpaired"): [
        Derived({"completion": "chosen"}, {"label": True}),
        Derived({"completion": "rejected"}, {"label": False}),
    ],
    ("scored", "supervised"): [Derived({"completion": "completion"}, {})],
}
"""How samples of one format are made of those of another, where that needs no look at a row."""


class ColumnarFormatter:
    """Formats the rows of slices by plans, which it makes as rows need them.

    Args:
        template: the template.
        format: the format's name.
        schema: the schema of the results.
        json_messages: whether messages are JSON, as text.
        finds_skips: whether to say which results should not be trained on.

    Attributes:
        reason: why no row can be formatted as columns; empty if some can.
        counts: what became of the rows so far.
    """

    def __init__(
        self,
        template: Template,
        format: Format,
        schema: pa.Schema,
        json_messages: bool = False,
        finds_skips: bool = False,
    ) -> None:
        self._template, self._format, self._schema = template, format, schema
        self._json_messages, self._finds_skips = json_messages, finds_skips
        self.counts = PlanCounts()
        self._lock = Lock()
        self._input: pa.Schema | None = None
        self._cells: dict[str, Cell] = {}
        self._row_plans: PlanBook[RowPlan] = PlanBook()
        self._text_plans: dict[Shape, PlanBook[TextPlan]] = {}
        self._verified: dict[Any, bool] = {}
        try:
            self._check_is_columnar()
            self.reason = ""
        except UntraceableError as error:
            self.reason = str(error)

    def _check_is_columnar(self) -> None:
        """Raise an error if nothing can be formatted as columns.

        Raises:
            UntraceableError: with the reason.
        """
        template, format = self._template, self._format
        if template.is_custom:
            raise UntraceableError("the template is a class of its own")
        self._extraction, self._policies = template.get_extraction(format)
        steps = self._extraction.steps
        if steps.sample_type.several:
            raise UntraceableError("a sample has several responses")
        self._names = ("prompt", *steps.sample_type.response_names)
        self._derivation = None if steps.derivation is None else _DERIVED.get((steps.derivation.source, format))
        self._shape, self._keys = template.result_shape(format)
        check_shape_is_columnar(self._shape, self._json_messages)
        self._text_fields = list_text_fields(self._shape)
        if steps.derivation is not None and self._derivation is None:
            raise UntraceableError(f"{format} is made of {steps.derivation.source} row by row")
        if steps.sample_type.check_labels not in (Sample.check_labels, Preference.check_labels):
            raise UntraceableError("the labels of the dataset type are checked row by row")
        if self._policies.halves_ties(format):
            raise UntraceableError("ties are halves")

    def format(self, batch: pa.RecordBatch) -> tuple[list[Block], Numbers]:
        """Format what can be formatted as columns.

        Args:
            batch: the rows of a slice.

        Returns:
            the results in blocks, and the numbers of the rows that are left.
        """
        with self._lock:  # plans are made for one schema at a time
            return self._format_slice(batch)

    def _format_slice(self, batch: pa.RecordBatch) -> tuple[list[Block], Numbers]:
        if self._input != batch.schema:
            self._start(batch.schema)
        blocks = [] if self.reason else self._list_blocks(batch)
        left = np.ones(batch.num_rows, bool)
        for block in blocks:
            left[block.rows] = False
        if self.reason:
            self._count(self.reason, left)
        self.counts.columnar += int((~left).sum())
        return blocks, np.flatnonzero(left)

    def _list_blocks(self, batch: pa.RecordBatch) -> list[Block]:
        """The results of the rows that plans fit; none where Arrow cannot do it, or hold it."""
        counts = PlanCounts(self.counts.columnar, self.counts.reasons.copy())
        try:
            return list(self._format_rows(batch)) if batch.num_rows else []
        except pa.ArrowException as error:
            self.counts = counts
            self._count(f"Arrow fails: {one_line(str(error), 100)}", np.ones(batch.num_rows, bool))
            return []

    def _start(self, schema: pa.Schema) -> None:
        """Begin with rows of another schema."""
        self._input = schema
        self._row_plans = PlanBook()
        if self.reason and not self.reason.startswith("column "):
            return
        self._cells = list_cells(self._extraction.steps, schema)
        others = [cell.column for cell in self._cells.values() if cell.kind == "other" and not cell.is_optional]
        self.reason = f"column {others[0]} has a type that is read row by row" if others else ""

    def _count(self, reason: str, rows: Mask | Numbers) -> None:
        """Count rows that take the row path: a mask, or their numbers."""
        count = int(rows.sum()) if rows.dtype == bool else len(rows)
        if count:
            self.counts.reasons[reason] += count

    def _format_rows(self, batch: pa.RecordBatch) -> Iterator[Block]:
        """The results of the rows that plans fit."""
        cells = Cells(read_columns(self._cells, batch), batch.num_rows)
        alive = np.ones(cells.count, bool)
        for name in cells.columns:
            fine = self._check_cell(name, cells)
            column = self._cells[name].column
            self._count(f"column {column} has a null, or a value that no plan is made for", alive & ~fine)
            alive &= fine
        groups: dict[Any, list[tuple[Numbers, RowPlan]]] = {}
        hold, make = partial(hold_cell_guard, cells), partial(self._make_row_plan, cells)
        for fit in self._row_plans.fit(alive, hold, make):
            if fit.plan is None or fit.plan.is_tie:
                self._count(fit.reason or "the row is a tie", fit.rows)
            else:
                groups.setdefault(fit.plan.outline, []).append((fit.rows, fit.plan))
        for fits in groups.values():
            yield from self._format_group(batch, cells, fits)

    def _check_cell(self, name: str, cells: Cells) -> Mask:
        """Which rows have a value in a column that is as it must be."""
        cell, column = self._cells[name], cells.columns[name]
        if cell.kind in ("turns", "message"):  # checked whether or not an expression comes to it
            fine = pa.array(cells.read_turns(TurnSource("cell", (name,))).known)
        elif cell.kind == "items":
            fine = pa.array(check_items(column, [key for _, key in cell.keys]))
        elif cell.kind == "record":
            fine = column.is_valid()
        elif cell.kind == "list":
            fine = pc.equal(pc.list_value_length(column), 0)
        elif cell.kind == "number":
            fine = _check_numbers(cell, cells.read_numbers(Formula("cell", (name,))), column.type)
        elif cell.kind == "other":
            fine = column.is_null()
        else:
            fine = self._check_text_or_label(cell, name, cells)
        fine = np.asarray(pc.fill_null(fine, False))
        return fine | np.asarray(column.is_null()) if cell.is_optional else fine

    def _check_text_or_label(self, cell: Cell, name: str, cells: Cells) -> pa.Array:
        column = cells.columns[name]
        if not cell.domain or isinstance(cell.domain[0], str):
            column = cells.read_text(name)
            if column is None:
                return pa.nulls(cells.count, pa.bool_())
        if cell.domain:
            return _is_in_domain(column, cell.domain)
        limits = self._extraction.limits
        return column.is_valid() if limits is None else pc.less(pc.binary_length(column), limits.string // 64)

    def _make_row_plan(self, cells: Cells, row: int) -> RowPlan:
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
        """The results of rows whose plans differ in columns only."""
        which = np.full(cells.count, -1, np.int8)
        for index, (rows, _) in enumerate(fits):
            which[rows] = index
        planned = _PlannedRows(batch, [plan for _, plan in fits], which)
        group, alive = make_group(cells, planned.plans, which)
        alive &= self._may_be_made(group)
        self._count("messages or labels are not as they must be", (which >= 0) & ~alive)
        group = group if alive.all() else group.take(np.flatnonzero(alive))
        numbers, shapes = group_shapes(group.parts)
        fine = np.ones(len(group.rows), bool)
        for number, shape in enumerate(shapes):
            fault, rows = self._find_fault(shape), numbers == number
            if fault:
                self._count(fault, rows)
                fine &= ~rows
            elif self._text_fields:
                shaped = group if rows.all() else group.take(np.flatnonzero(rows))
                yield from self._format_shape(planned, shaped, shape)
        if not self._text_fields and fine.any():
            shaped = group if fine.all() else group.take(np.flatnonzero(fine))
            yield from self._fill(planned, shaped, None)

    def _may_be_made(self, group: SampleGroup) -> Mask:
        """Which samples are within the template's limits, and no ties that a derivation drops."""
        limits = self._extraction.limits
        fine = group.find_short(None if limits is None else limits.string // 64)
        if limits is not None:
            fine &= np.sum([part.counts for part in group.parts], axis=0) < limits.steps // 1000
        return fine & ~are_ties(group.labels, len(group.rows)) if self._derivation else fine

    def _find_fault(self, shape: Shape) -> str:
        """Why the row path formats, or rejects, rows of a shape."""
        for roles in shape[1:]:
            if roles[:1] != ("assistant",) or roles[-1:] != ("assistant",):
                return "a response does not begin and end with an answer"
        counts = dict(zip(self._names, map(len, shape), strict=True))
        for name, with_prompt in list_single_parts(self._shape):
            source = self._derivation[0].responses.get(name, name) if self._derivation else name
            if counts[source] + with_prompt * counts["prompt"] != 1:
                return "the dialect has room for one message"
        roles_used = {role for part in shape for role in part}
        return "the dialect has no name for a role" if find_unspelled_roles(self._keys, sorted(roles_used)) else ""

    def _format_shape(self, planned: _PlannedRows, group: SampleGroup, shape: Shape) -> Iterator[Block]:
        """The results of rows of one shape, of which the texts are written."""
        book = self._text_plans.setdefault(shape, PlanBook())
        for fit in book.fit(np.ones(len(group.rows), bool), group.hold, partial(self._make_text_plan, group, shape)):
            if fit.plan is None:
                self._count(fit.reason, fit.rows)
                continue
            fitting = group if len(fit.rows) == len(group.rows) else group.take(fit.rows)
            short = fitting.find_short(fit.plan.max_bytes)
            self._count("the contents are too long for the style's limits", ~short)
            if short.any():
                fitting = fitting if short.all() else fitting.take(np.flatnonzero(short))
                yield from self._fill(planned, fitting, fit.plan)

    def _make_text_plan(self, group: SampleGroup, shape: Shape, row: int) -> TextPlan:
        parts = [
            [(role, group.read(Column(Place(part, index)))[row].as_py()) for index, role in enumerate(roles)]
            for part, roles in enumerate(shape)
        ]
        plan = make_text_plan(self._template.style, self._template.choose_edges(self._format), parts)
        if None in plan.own and any(name != "prompt" and not whole for name, whole in self._text_fields):
            raise UntraceableError("the text of a response does not begin with the prompt's")
        return plan

    def _fill(self, planned: _PlannedRows, group: SampleGroup, plan: TextPlan | None) -> Iterator[Block]:
        """The results of rows, all by one plan of texts, if the row path gives those of each plan's first row."""
        samples = self._derivation or [Derived({name: name for name in self._names[1:]}, group.labels)]
        blocks = [self._fill_sample(group, sample, plan) for sample in samples]
        which = planned.which[group.rows]
        wrong = np.zeros(len(which), bool)
        for number, place in zip(*np.unique(which, return_index=True), strict=True):
            key = (planned.plans[number], plan)
            if key not in self._verified:
                self._verified[key] = self._is_right(planned.batch, blocks, int(place))
            if not self._verified[key]:
                wrong |= which == number
        self._count("the row path gives another result", wrong)
        if not wrong.any():
            yield from blocks
        elif not wrong.all():
            yield from self._fill(planned, group.take(np.flatnonzero(~wrong)), plan)

    def _fill_sample(self, group: SampleGroup, sample: Derived, plan: TextPlan | None) -> Block:
        sources = {"prompt": "prompt", **sample.responses}
        places = {name: self._names.index(source) for name, source in sources.items()}

        @cache
        def write(name: str, with_prompt: bool) -> pa.Array:
            assert plan is not None
            place = places[name]
            whole, own = (plan.prompt, *plan.wholes)[place], (plan.prompt, *plan.own)[place]
            return join_pieces(whole if with_prompt else own or (), len(group.rows), group.read)

        parts = {name: group.parts[place] for name, place in places.items()}
        columns = SampleColumns(len(group.rows), parts, sample.labels, write)
        skips = self._find_skips(columns) if self._finds_skips else None
        return Block(group.rows, fill_columns(self._shape, self._schema, self._keys, columns), skips)

    def _find_skips(self, sample: SampleColumns) -> Numbers:
        prompt, *responses = sample.parts.values()
        names = [*sample.parts][1:]
        written = dict(self._text_fields)
        texts = [sample.write(name, written.get(name, False)) for name in names] if written and len(names) > 1 else []
        asked = prompt if self._extraction.has_prompt else None
        return find_skip_reasons(asked, responses, sample.labels, texts, self._policies.ties == "drop")

    def _is_right(self, batch: pa.RecordBatch, blocks: Sequence[Block], place: int) -> bool:
        """Whether the results at a place are what the row path gives."""
        row = int(blocks[0].rows[place])
        cells = batch.select(self._template.select_columns(self._format, batch.schema.names)).slice(row, 1)
        try:
            formatted = self._template.formatted(cells.to_pylist()[0], self._format)
        except (PrefTemplatesError, pa.ArrowException, ValueError):
            return False
        names = self._schema.names
        results = [{name: column[place].as_py() for name, column in zip(names, block.columns, strict=True)}
                   for block in blocks]  # fmt: skip
        return results == [{name: sample.result.get(name) for name in names} for sample in formatted.samples]


def _check_numbers(cell: Cell, numbers: Numbers, kind: pa.DataType) -> pa.Array:
    """Which numbers are finite, exact as floats, and within their bounds."""
    fine = np.isfinite(numbers)
    if pa.types.is_integer(kind):
        fine &= np.abs(numbers) < MAX_EXACT
    for name, bound in cell.bounds:
        fine &= _COMPARISONS[name](numbers, bound)
    return pa.array(fine)


_COMPARISONS = {"ge": np.greater_equal, "gt": np.greater, "le": np.less_equal, "lt": np.less}


def _is_in_domain(column: pa.Array, domain: tuple[Any, ...]) -> pa.Array:
    """Which labels are among the values that they may have."""
    if isinstance(domain[0], str):
        return pc.is_in(column, value_set=pa.array([value for value in domain if not has_surrogate(value)]))
    if isinstance(domain[0], bool):
        return column.is_valid()
    numbers = np.asarray(column.fill_null(max(domain[0], 0)))  # of unsigned numbers, none is below 0
    return pa.array((numbers >= domain[0]) & (numbers <= domain[-1]), mask=np.asarray(column.is_null()))
