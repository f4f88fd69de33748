"""Columnar formatting: the rows of a slice by plans, and the numbers of those that only the row path can do."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cache, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from preftemplates.core.samples import Preference, Sample
from preftemplates.data.columnar.column_texts import UntraceableError
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
from preftemplates.data.columnar.row_plans import Cell, RowPlan, list_cells, make_row_plan
from preftemplates.data.columnar.skips import find_skip_reasons
from preftemplates.data.columnar.text_plans import PlannedRows, TextPlanner
from preftemplates.data.columnar.turn_sources import Cells
from preftemplates.data.columnar.turns import Numbers, Shape, group_shapes
from preftemplates.errors import PrefTemplatesError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from preftemplates.core.samples import Format
    from preftemplates.data.columnar.kernels import Mask
    from preftemplates.data.columnar.screens import Screen
    from preftemplates.styles.style import Style
    from preftemplates.templates.template import Template


class BlockLoss(NamedTuple):
    """What is lost of each row of a block, by the name of a response or label.

    Attributes:
        derived: in making the samples from another format; the first block of a row has it.
        without_key: for want of a key in the dialect, of each sample.
    """

    derived: Mapping[str, int] = MappingProxyType({})
    without_key: tuple[str, ...] = ()


class Block(NamedTuple):
    """The results of some rows of a slice.

    Attributes:
        rows: the number of the row of each result.
        columns: the results.
        skips: for each result the number among `REASONS` of why it should not be trained on; None if nobody asked.
        labels: each label by name: a column, or a value that all results have.
        lost: what is lost of each row: in making the sample from another format, and for want of a key.
    """

    rows: Numbers
    columns: list[pa.Array]
    skips: Numbers | None = None
    labels: Mapping[str, Any] = MappingProxyType({})
    lost: BlockLoss = BlockLoss()

    def take(self, places: Numbers) -> Block:
        """Return some of the results."""
        indices = pa.array(places)
        labels = {name: label.take(indices) if isinstance(label, pa.Array) else label
                  for name, label in self.labels.items()}  # fmt: skip
        skips = None if self.skips is None else self.skips[places]
        return Block(self.rows[places], [column.take(indices) for column in self.columns], skips, labels, self.lost)


@dataclass
class PlanCounts:
    """What became of rows.

    Attributes:
        columnar: how many were formatted as columns.
        reasons: how many took the row path, by the reason.
    """

    columnar: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


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
        screen: finds the rows that are left to the row path, since a rule may find something in them.
        style: the style in which messages will be rendered, if it is known and the dialect holds no text.

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
        screen: Screen | None = None,
        style: Style | None = None,
    ) -> None:
        self._template, self._format, self._schema = template, format, schema
        self._json_messages, self._finds_skips, self._screen = json_messages, finds_skips, screen
        self._style = template.text_style(format) or style
        self.counts = PlanCounts()
        self._input: pa.Schema | None = None
        self._cells: dict[str, Cell] = {}
        self._row_plans: PlanBook[RowPlan] = PlanBook()
        self._verified: dict[Any, bool] = {}
        self._losses: dict[Any, list[BlockLoss]] = {}
        self._planner: TextPlanner | None = None
        self._names: tuple[str, ...] = ()
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
        self._names = ("prompt", *steps.sample_type.response_names)
        self._derivation = None if steps.derivation is None else _DERIVED.get((steps.derivation.source, format))
        self._shape, self._keys = template.result_shape(format)
        check_shape_is_columnar(self._shape, self._json_messages)
        self._text_fields = list_text_fields(self._shape)
        if self._style is not None:
            self._planner = self._make_planner(self._style)
        if steps.derivation is not None and self._derivation is None:
            raise UntraceableError(f"{format} is made of {steps.derivation.source} row by row")
        if steps.each or steps.sample_type.several:
            several = "a sample has several responses" if steps.sample_type.several else "a row gives several samples"
            raise UntraceableError(several)
        if steps.sample_type.check_labels not in (Sample.check_labels, Preference.check_labels):
            raise UntraceableError("the labels of the dataset type are checked row by row")
        if self._policies.halves_ties(format):
            raise UntraceableError("ties are halves")

    def _make_planner(self, style: Style) -> TextPlanner:
        holds_own = any(name != "prompt" and not with_prompt for name, with_prompt in self._text_fields)
        is_screened = self._screen is not None
        edges, needs_own = self._template.choose_edges(self._format), holds_own or is_screened
        return TextPlanner(style, edges, needs_own=needs_own, keeps_contents=is_screened, count=self._count)

    def format(self, batch: pa.RecordBatch, usable: Mask | None = None) -> tuple[list[Block], Numbers]:
        """Format what can be formatted as columns.

        Args:
            batch: the rows of a slice.
            usable: the rows whose cells are in the columns; all, if None.

        Returns:
            the results in blocks, and the numbers of the rows that are left.
        """
        if self._input != batch.schema:
            self._start(batch.schema)
        usable = np.ones(batch.num_rows, bool) if usable is None else usable
        blocks = list(self._format_rows(batch, usable)) if not self.reason and batch.num_rows else []
        left = np.ones(batch.num_rows, bool)
        for block in blocks:
            left[block.rows] = False
        if self.reason:
            self._count(self.reason, left)
        self.counts.columnar += int((~left).sum())
        return blocks, np.flatnonzero(left)

    def describe(self) -> FormattingPlan:
        """Return how rows were formatted so far, and what is asked of their texts."""
        plans: list[Any] = [*self._row_plans.plans, *(self._planner.plans if self._planner else ())]
        guards = [guard for plan in plans for guard in plan.guards]
        return FormattingPlan(self.counts.columnar, dict(self.counts.reasons), spell_guards(guards, self._names))

    def _start(self, schema: pa.Schema) -> None:
        """Begin with rows of another schema."""
        self._input = schema
        self._row_plans = PlanBook()
        if self.reason and not self.reason.startswith("column "):
            return
        self._cells = list_cells(self._extraction, schema)
        others = [cell.column for cell in self._cells.values() if cell.kind == "other" and not cell.is_optional]
        self.reason = f"column {others[0]} has a type that is read row by row" if others else ""

    def _count(self, reason: str, rows: Mask | Numbers) -> None:
        """Count rows that take the row path: a mask, or their numbers."""
        count = int(rows.sum()) if rows.dtype == bool else len(rows)
        if count:
            self.counts.reasons[reason] += count

    def _format_rows(self, batch: pa.RecordBatch, alive: Mask) -> Iterator[Block]:
        """The results of the rows that plans fit."""
        names = {name: cell.column for name, cell in self._cells.items() if cell.kind != "nothing"}
        cells = Cells({name: batch.column(column) for name, column in names.items()}, batch.num_rows)
        self._count("a value does not fit in its column", ~alive)
        for name in names:
            fine = self._check_cell(name, cells)
            self._count(f"column {names[name]} has a null, or a value that no plan is made for", alive & ~fine)
            alive = alive & fine
        groups: dict[Any, list[tuple[Numbers, RowPlan]]] = {}
        hold, make = partial(hold_cell_guard, cells), partial(self._make_row_plan, batch)
        for fit in self._row_plans.fit(alive, hold, make):
            if fit.plan is None or fit.plan.is_tie:
                self._count(fit.reason or "the row is a tie", fit.rows)
            else:
                groups.setdefault(fit.plan.outline, []).append((fit.rows, fit.plan))
        for outline, fits in groups.items():
            yield from self._format_group(batch, cells, outline, fits)

    def _check_cell(self, name: str, cells: Cells) -> Mask:
        """Which rows have a value in a column that is as it must be."""
        cell, column = self._cells[name], cells.columns[name]
        if cell.kind == "turns":
            fine = column.is_valid()
        elif cell.kind == "number":
            fine = pc.is_finite(column)
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
            return pc.is_in(column, value_set=pa.array(cell.domain).cast(column.type))
        limits = self._extraction.limits
        return column.is_valid() if limits is None else pc.less(pc.binary_length(column), limits.string // 64)

    def _make_row_plan(self, batch: pa.RecordBatch, row: int) -> RowPlan:
        names = [cell.column for cell in self._cells.values() if cell.kind != "nothing"]
        plan = make_row_plan(self._extraction, self._cells, batch.select(names).slice(row, 1).to_pylist()[0])
        optional = {*self._template.optional_parts(self._format)} - {*self._template.sample_parts(self._format)}
        for name, value in plan.labels:
            if name in optional and value is not None:
                raise UntraceableError(f"the results have no key for {name}")
            if name in Sample.prompt_parts and value is not None:
                raise UntraceableError("the row has tools")
            if self._derivation and name in ("margin", "probability") and value is not None:
                raise UntraceableError("a label may say that the row is a tie")
        return plan

    def _format_group(
        self, batch: pa.RecordBatch, cells: Cells, outline: Any, fits: Sequence[tuple[Numbers, RowPlan]]
    ) -> Iterator[Block]:
        """The results of rows whose plans differ in columns only."""
        which = np.full(cells.count, -1, np.int8)
        for index, (rows, _) in enumerate(fits):
            which[rows] = index
        group, alive = make_group(cells, [plan for _, plan in fits], which)
        self._count("messages or labels are not as they must be", (which >= 0) & ~alive)
        if self._screen is not None:
            own = {name: name for name in self._names[1:]}
            samples = [derived.responses for derived in self._derivation] if self._derivation else [own]
            places = [[self._names.index(source) for source in sample.values()] for sample in samples]
            suspicious = alive & self._screen.find_suspicious(group.parts, places, group.known)
            self._count("a rule may find something in it", suspicious)
            alive &= ~suspicious
        numbers, shapes = group_shapes(group.parts)
        for number, shape in enumerate(shapes):
            fault = self._find_fault(shape)
            if fault:
                self._count(fault, alive & (numbers == number))
                alive &= numbers != number
        planned = None if self._planner is None else self._planner.assign(group, numbers, shapes, alive)
        rows = np.flatnonzero(alive) if planned is None else planned.rows
        if len(rows):
            yield from self._fill(batch, group if len(rows) == cells.count else group.take(rows), outline, planned)

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
        if self._screen is not None and self._screen.has_odd_turns(shape):
            return "its turns are in an unusual order"
        roles_used = {role for part in shape for role in part}
        return "the dialect has no name for a role" if find_unspelled_roles(self._keys, sorted(roles_used)) else ""

    def _fill(
        self, batch: pa.RecordBatch, group: SampleGroup, outline: Any, planned: PlannedRows | None
    ) -> Iterator[Block]:
        """The results of rows, without those of plans with another result than the row path."""
        samples = self._derivation or [Derived({name: name for name in self._names[1:]}, group.labels)]
        blocks = [self._fill_sample(group, sample, planned) for sample in samples]
        plans, which = (None,), np.zeros(len(group.rows), np.int64)
        if planned is not None:
            plans, which = planned.plans, planned.which  # type: ignore[assignment]
        bad = [
            index
            for index, plan in enumerate(plans)
            if not self._verify(batch, blocks, (outline, plan), which == index)
        ]
        if bad:
            wrong = np.isin(which, bad)
            self._count("the row path gives another result", wrong)
            blocks = [block.take(np.flatnonzero(~wrong)) for block in blocks]
        yield from (
            block._replace(lost=lost) for block, lost in zip(blocks, self._losses.get(outline, ()), strict=False)
        )

    def _fill_sample(self, group: SampleGroup, sample: Derived, planned: PlannedRows | None) -> Block:
        sources = {"prompt": "prompt", **sample.responses}
        places = {name: self._names.index(source) for name, source in sources.items()}

        @cache
        def write(name: str, with_prompt: bool) -> pa.Array:
            assert planned is not None
            return planned.write(group, places[name], with_prompt)

        parts = {name: group.parts[place] for name, place in places.items()}
        columns = SampleColumns(len(group.rows), parts, sample.labels, write)
        skips = self._find_skips(columns) if self._finds_skips else None
        filled = fill_columns(self._shape, self._schema, self._keys, columns)
        return Block(group.rows, filled, skips, sample.labels)

    def _find_skips(self, sample: SampleColumns) -> Numbers:
        prompt, *responses = sample.parts.values()
        names = [*sample.parts][1:]
        written, several = dict(self._text_fields), len(names) > 1 and self._style is not None
        texts = [sample.write(name, written.get(name, False)) for name in names] if several else []
        asked = prompt if self._extraction.has_prompt else None
        return find_skip_reasons(asked, responses, sample.labels, texts, self._policies.ties == "drop")

    def _verify(self, batch: pa.RecordBatch, blocks: Sequence[Block], key: Any, rows: Mask) -> bool:
        """Return whether the results of a kind are what the row path gives: those of its first row are compared."""
        if key not in self._verified and rows.any():
            lost = self._compare(batch, blocks, int(np.argmax(rows)))
            self._verified[key] = lost is not None
            if lost is not None:
                self._losses.setdefault(key[0], lost)
        return self._verified.get(key, True)

    def _compare(self, batch: pa.RecordBatch, blocks: Sequence[Block], place: int) -> list[BlockLoss] | None:
        """Return what is lost of a row of the blocks; None if the row path gives it another result."""
        cells = batch.select(self._template.select_columns(self._format, batch.schema.names))
        row = cells.slice(int(blocks[0].rows[place]), 1).to_pylist()[0]
        try:
            formatted = self._template.formatted(row, self._format)
        except PrefTemplatesError:
            return None
        names = self._schema.names
        results = [{name: column[place].as_py() for name, column in zip(names, block.columns, strict=True)}
                   for block in blocks]  # fmt: skip
        if results != [_fill_nulls(sample.result, self._schema) for sample in formatted.samples]:
            return None
        derived: list[Mapping[str, int]] = [formatted.lost, *[{}] * (len(blocks) - 1)]
        return [BlockLoss(one, sample.without_key) for one, sample in zip(derived, formatted.samples, strict=True)]


def _fill_nulls(result: Mapping[str, Any], schema: pa.Schema) -> dict[str, Any]:
    """A result as its columns give it back: with null for what it lacks."""
    return {field.name: _fill_value(result.get(field.name), field.type) for field in schema}


def _fill_value(value: Any, kind: pa.DataType) -> Any:
    if pa.types.is_list(kind) and isinstance(value, list):
        return [_fill_value(item, kind.value_type) for item in value]
    if pa.types.is_struct(kind) and isinstance(value, dict):
        return {field.name: _fill_value(value.get(field.name), field.type) for field in kind}
    return value
