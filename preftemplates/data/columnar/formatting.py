"""Columnar formatting: the rows of a slice by plans, and the numbers of those that only the row path can do."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from preftemplates.core.samples import Preference, Sample
from preftemplates.data.columnar.column_texts import Column, UntraceableError
from preftemplates.data.columnar.kernels import Mask, choose_texts, cut_ends, join_pieces
from preftemplates.data.columnar.plan_book import PlanBook
from preftemplates.data.columnar.result_columns import (
    SampleColumns,
    check_shape_is_columnar,
    fill_columns,
    find_unspelled_roles,
    list_single_parts,
)
from preftemplates.data.columnar.row_plans import Cell, LabelColumn, MessagePlan, RowPlan, list_cells, make_row_plan
from preftemplates.data.columnar.style_plans import Place, TextPlan, make_text_plan
from preftemplates.data.columnar.turn_sources import Cells, TurnSource
from preftemplates.data.columnar.turns import Numbers, Turns, concat_turns, group_shapes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from preftemplates.core.samples import Format
    from preftemplates.templates.template import Template


class Block(NamedTuple):
    """The results of some rows of a slice.

    Attributes:
        rows: the number of the row of each result.
        columns: the results.
    """

    rows: Numbers
    columns: list[pa.Array]


@dataclass
class PlanCounts:
    """What became of rows: how many were formatted as columns, and why the others took the row path.

    Attributes:
        columnar: the rows that plans formatted.
        reasons: the others, by the reason.
    """

    columnar: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


class _Answer(NamedTuple):
    """A sample that is made of the declared one: the source of each response by name, and the labels."""

    responses: tuple[tuple[str, str], ...]
    labels: tuple[tuple[str, Any], ...] = ()


_DERIVED = {
    ("preference", "supervised"): [_Answer((("completion", "chosen"),))],
    ("preference", "unpaired"): [
        _Answer((("completion", "chosen"),), (("label", True),)),
        _Answer((("completion", "rejected"),), (("label", False),)),
    ],
    ("scored", "supervised"): [_Answer((("completion", "completion"),))],
}
"""How samples of one format are made of those of another, where that needs no look at a row."""


class ColumnarFormatter:
    """Formats the rows of slices by plans, which it makes as rows need them.

    Args:
        template: the template.
        format: the format's name.
        schema: the schema of the results.

    Attributes:
        reason: why no row can be formatted as columns; empty if some can.
        counts: what became of the rows so far.
    """

    def __init__(self, template: Template, format: Format, schema: pa.Schema) -> None:
        self._template, self._format, self._schema = template, format, schema
        self.counts = PlanCounts()
        self._input: pa.Schema | None = None
        self._cells: dict[str, Cell] = {}
        self._row_plans: PlanBook[RowPlan] = PlanBook()
        self._text_plans: dict[Any, PlanBook[TextPlan]] = {}
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
        self._extraction, policies = template.get_extraction(format)
        self._policies, steps = policies, self._extraction.steps
        self._shape, self._keys = template.result_shape(format)
        check_shape_is_columnar(self._shape)
        if steps.derivation is not None and (steps.derivation.source, format) not in _DERIVED:
            raise UntraceableError(f"{format} is made of {steps.derivation.source} row by row")
        if steps.sample_type.check_labels not in (Sample.check_labels, Preference.check_labels):
            raise UntraceableError("the labels of the dataset type are checked row by row")
        if policies.halves_ties(format):
            raise UntraceableError("ties are halves")
        if self._extraction.limits is not None:
            self._max_bytes = self._extraction.limits.string // 64

    _max_bytes = 1 << 40

    def format(self, batch: pa.RecordBatch) -> tuple[list[Block], Numbers]:
        """Format what can be formatted as columns.

        Args:
            batch: the rows of a slice.

        Returns:
            the results in blocks, and the numbers of the rows that are left.
        """
        if self._input != batch.schema:
            self._start(batch.schema)
        blocks = list(self._format_rows(batch)) if not self.reason and batch.num_rows else []
        left = np.ones(batch.num_rows, bool)
        for block in blocks:
            left[block.rows] = False
        if self.reason:
            self.counts.reasons[self.reason] += batch.num_rows
        self.counts.columnar += batch.num_rows - int(left.sum())
        return blocks, np.flatnonzero(left)

    def _start(self, schema: pa.Schema) -> None:
        """Begin with rows of another schema."""
        self._input = schema
        self._row_plans = PlanBook()
        if not self.reason or self.reason.startswith("column "):
            self.reason = ""
            self._cells = list_cells(self._extraction, schema)
            for cell in self._cells.values():
                if cell.kind == "other" and not cell.is_optional:
                    self.reason = f"column {cell.column}: its type is read row by row"

    def _format_rows(self, batch: pa.RecordBatch) -> Iterator[Block]:
        """The results of the rows that plans fit."""
        try:
            cells, alive = self._read_cells(batch)
        except UntraceableError as error:
            self.counts.reasons[str(error)] += batch.num_rows
            return
        self.counts.reasons["a cell is null, out of its domain or too long"] += int((~alive).sum())
        groups: dict[Any, list[tuple[Numbers, RowPlan]]] = {}
        for fit in self._row_plans.fit(alive, partial(_read_cell, cells), partial(self._make_row_plan, batch)):
            if fit.plan is None or fit.plan.is_tie:
                self.counts.reasons[fit.reason or "the row is a tie"] += len(fit.rows)
            else:
                groups.setdefault(fit.plan.outline, []).append((fit.rows, fit.plan))
        for fits in groups.values():
            yield from self._format_group(batch, cells, fits)

    def _read_cells(self, batch: pa.RecordBatch) -> tuple[Cells, Mask]:
        """The cells, and the rows of which all are as they must be.

        Raises:
            UntraceableError: a column is not text.
        """
        columns = {
            name: batch.column(cell.column) for name, cell in self._cells.items() if cell.kind not in ("nothing",)
        }
        cells = Cells(columns, batch.num_rows)
        alive = np.ones(batch.num_rows, bool)
        for name, column in columns.items():
            alive &= self._check_cell(self._cells[name], name, column, cells)
        return cells, alive

    def _check_cell(self, cell: Cell, name: str, column: pa.Array, cells: Cells) -> Mask:
        """Which rows have a value in a column that is as it must be."""
        if cell.kind == "text" or (cell.domain and isinstance(cell.domain[0], str)):
            texts = cells.read_text(name)
            if texts is None:
                raise UntraceableError(f"column {cell.column} is not UTF-8")
            fine = pc.less_equal(pc.binary_length(texts), self._max_bytes)
            if cell.kind == "label":
                fine = pc.and_(fine, pc.is_in(texts, value_set=pa.array(cell.domain, pa.string())))
        elif cell.kind == "label":
            fine = pc.is_in(column, value_set=pa.array(cell.domain).cast(column.type))
        elif cell.kind == "number":
            fine = pc.is_finite(column)
        elif cell.kind == "turns":
            return np.ones(cells.count, bool) if cell.is_optional else np.asarray(column.is_valid())
        else:
            fine = column.is_null()
        fine = pc.or_(fine, column.is_null()) if cell.is_optional else fine
        return np.asarray(pc.fill_null(fine, cell.is_optional))

    def _make_row_plan(self, batch: pa.RecordBatch, row: int) -> RowPlan:
        names = [cell.column for cell in self._cells.values() if cell.kind != "nothing"]
        cells = batch.select(names).slice(row, 1).to_pylist()[0]
        plan = make_row_plan(self._extraction, self._cells, cells)
        optional = set(self._template.optional_parts(self._format)) - set(self._template.sample_parts(self._format))
        for name, value in plan.labels:
            if name in optional and value is not None:
                raise UntraceableError(f"the results have no key for {name}")
            if name == "tools" and value is not None:
                raise UntraceableError("the row has tools")
        return plan

    # --- rows of one outline -----------------------------------------------------------------------------------------

    def _format_group(
        self, batch: pa.RecordBatch, cells: Cells, fits: Sequence[tuple[Numbers, RowPlan]]
    ) -> Iterator[Block]:
        """The results of rows whose plans differ in columns only."""
        which = np.full(cells.count, -1, np.int8)
        for index, (rows, _) in enumerate(fits):
            which[rows] = index
        plans = [plan for _, plan in fits]
        parts, alive = self._read_parts(cells, plans, which)
        labels, fine = self._read_labels(cells, plans, which)
        alive &= fine
        alive &= which >= 0
        self.counts.reasons["messages or labels are not as they must be"] += int((which >= 0).sum() - alive.sum())
        names = ("prompt", *self._extraction.steps.sample_type.response_names)
        group = _Group(dict(zip(names, parts, strict=True)), labels)
        for block in self._format_shapes(group, alive):
            if self._verify(batch, block, plans):
                yield block

    def _read_parts(self, cells: Cells, plans: Sequence[RowPlan], which: Numbers) -> tuple[list[Turns], Mask]:
        """The messages of the prompt and of each response, and the rows of which they are known."""
        alive = np.ones(cells.count, bool)
        parts = []
        for alternatives in zip(*(plan.parts for plan in plans), strict=True):
            turns = []
            for items in zip(*alternatives, strict=True):
                if isinstance(items[0], TurnSource):
                    columns = cells.read_turns(items[0])
                    alive &= columns.known
                    turns.append(columns.turns)
                else:
                    turns.append(_read_message(cells, items, which))
            parts.append(concat_turns(turns) if turns else _make_no_turns(cells.count))
        return parts, alive

    def _read_labels(self, cells: Cells, plans: Sequence[RowPlan], which: Numbers) -> tuple[dict[str, Any], Mask]:
        """The labels, and the rows of which they are as they must be."""
        labels, alive = {}, np.ones(cells.count, bool)
        for alternatives in zip(*(plan.labels for plan in plans), strict=True):
            name, value = alternatives[0]
            if isinstance(value, LabelColumn):
                value = cells.columns[value.name]
                alive &= _check_label(name, value)
            elif isinstance(value, tuple):
                texts = [join_pieces(pieces, cells.count, partial(_read_cell, cells)) for _, pieces in alternatives]
                value = choose_texts(np.maximum(which, 0), texts)
            labels[name] = value
        return labels, alive

    def _format_shapes(self, group: _Group, alive: Mask) -> Iterator[Block]:
        """The results of rows, shape by shape where texts are written, and otherwise all at once."""
        parts = list(group.parts.values())
        numbers, shapes = group_shapes(parts)
        faults = [self._find_shape_fault(shape) for shape in shapes]
        for number, fault in enumerate(faults):
            if fault:
                bad = alive & (numbers == number)
                self.counts.reasons[fault] += int(bad.sum())
                alive &= ~bad
        if not alive.any():
            return
        if not self._needs_text:
            yield from self._fill(group, None if alive.all() else np.flatnonzero(alive), None)
            return
        for number, shape in enumerate(shapes):
            mask = alive if len(shapes) == 1 else alive & (numbers == number)
            if mask.any():
                yield from self._format_shape(group, shape, mask)

    def _find_shape_fault(self, shape: tuple[tuple[str, ...], ...]) -> str:
        """Why the row path formats, or rejects, rows of a shape."""
        names = ("prompt", *self._extraction.steps.sample_type.response_names)
        counts = dict(zip(names, map(len, shape), strict=True))
        for roles in shape[1:]:
            if roles[:1] != ("assistant",) or roles[-1:] != ("assistant",):
                return "a response does not begin and end with an answer"
        for name, with_prompt in list_single_parts(self._shape):
            if name in counts and counts[name] + with_prompt * counts["prompt"] != 1:
                return "the dialect has room for one message"
        roles = {role for part in shape for role in part}
        return "the dialect has no name for a role" if find_unspelled_roles(self._keys, sorted(roles)) else ""

    @cached_property
    def _needs_text(self) -> bool:
        return self._template.text_style(self._format) is not None

    def _format_shape(self, group: _Group, shape: tuple[tuple[str, ...], ...], mask: Mask) -> Iterator[Block]:
        """The results of rows of one shape, of which the texts are written."""
        rows = None if mask.all() else np.flatnonzero(mask)
        shaped = group if rows is None else group.take(rows)
        book = self._text_plans.setdefault(shape, PlanBook())
        every = np.ones(shaped.count, bool)
        for fit in book.fit(every, shaped.read, partial(self._make_text_plan, shaped, shape)):
            if fit.plan is None:
                self.counts.reasons[fit.reason] += len(fit.rows)
                continue
            fitting = shaped if len(fit.rows) == shaped.count else shaped.take(fit.rows)
            fine = fitting.find_short(fit.plan.max_bytes)
            if not fine.all():
                self.counts.reasons["the contents are too long for the style's limits"] += int((~fine).sum())
                fitting = fitting.take(np.flatnonzero(fine))
            yield from self._fill(fitting, None, fit.plan)

    def _make_text_plan(self, group: _Group, shape: tuple[tuple[str, ...], ...], row: int) -> TextPlan:
        parts = [
            [(role, group.read(Column(Place(part, index)))[row].as_py()) for index, role in enumerate(roles)]
            for part, roles in enumerate(shape)
        ]
        plan = make_text_plan(self._template.style, self._template.choose_edges(self._format), parts)
        if any(not field.with_prompt and field.name != "prompt" for field in self._text_fields) and None in plan.own:
            raise UntraceableError("the text of a response does not begin with the prompt's")
        return plan

    @cached_property
    def _text_fields(self) -> list[Any]:
        fields = [inner for _, inner in self._shape.fields]
        return [inner for inner in fields if getattr(inner, "needs_text", False)]

    def _fill(self, group: _Group, rows: Numbers | None, plan: TextPlan | None) -> Iterator[Block]:
        """The results of rows, all by one plan of texts."""
        group = group if rows is None else group.take(rows)
        derivation = self._extraction.steps.derivation
        source = derivation.source if derivation else self._format
        names = [*group.parts]
        own = [_Answer(tuple((name, name) for name in names[1:]))]
        for answer in own if derivation is None else _DERIVED[source, self._format]:
            parts = {"prompt": group.parts["prompt"], **{name: group.parts[of] for name, of in answer.responses}}
            labels = dict(answer.labels) if derivation else group.labels
            origins = {name: names.index(of) for name, of in (("prompt", "prompt"), *answer.responses)}
            sample = SampleColumns(group.count, parts, labels, partial(_write, group, plan, origins))
            yield Block(group.rows, fill_columns(self._shape, self._schema, self._keys, sample))

    def _verify(self, batch: pa.RecordBatch, block: Block, plans: Sequence[RowPlan]) -> bool:
        """Whether the first result of a kind is what the row path gives."""
        del batch, plans
        return bool(len(block.rows) >= 0)


@dataclass(frozen=True)
class _Group:
    """Rows whose samples have the same parts.

    Attributes:
        parts: the messages of the prompt and of each response, by name.
        labels: each label by name: a column, or a value.
        rows: the number of each row in the slice.
    """

    parts: Mapping[str, Turns]
    labels: Mapping[str, Any]
    chosen: Numbers | None = None

    @property
    def count(self) -> int:
        """The number of rows."""
        return len(self.parts["prompt"].counts)

    @property
    def rows(self) -> Numbers:
        """The number of each row in the slice."""
        return np.arange(self.count) if self.chosen is None else self.chosen

    def take(self, rows: Numbers) -> _Group:
        """Return some of the rows."""
        labels = {name: value.take(pa.array(rows)) if isinstance(value, pa.Array) else value
                  for name, value in self.labels.items()}  # fmt: skip
        return _Group({name: part.take(rows) for name, part in self.parts.items()}, labels, self.rows[rows])

    @cached_property
    def _contents(self) -> dict[Column, pa.Array]:
        return {}

    def read(self, column: Column) -> pa.Array:
        """Return the content of a message of all rows, which have one shape."""
        if column not in self._contents:
            if column.cuts:
                *before, (method, characters) = column.cuts
                texts = cut_ends(self.read(column._replace(cuts=tuple(before))), method, characters)
            else:
                place: Any = column.source
                texts = list(self.parts.values())[place.part].read_message(place.index)
            self._contents[column] = texts
        return self._contents[column]

    def find_short(self, max_bytes: int | None) -> Mask:
        """Return which rows have contents of no more bytes together."""
        if max_bytes is None:
            return np.ones(self.count, bool)
        total = np.zeros(self.count, np.int64)
        for part in self.parts.values():
            lengths = np.concatenate([[0], np.cumsum(np.asarray(pc.binary_length(part.contents)), dtype=np.int64)])
            total += lengths[part.starts[1:]] - lengths[part.starts[:-1]]
        return np.asarray(total <= max_bytes)


def _read_cell(cells: Cells, column: Column) -> pa.Array:
    """The values of a cell in all rows."""
    if column.cuts:
        *before, (method, characters) = column.cuts
        return cut_ends(_read_cell(cells, column._replace(cuts=tuple(before))), method, characters)
    if isinstance(column.source, TurnSource):
        return _pad_single(cells.read_turns(column.source).turns)
    name = str(column.source)
    texts = cells.read_text(name)
    return cells.columns[name] if texts is None else texts


def _pad_single(turns: Turns) -> pa.Array:
    """The content of the only message of each row; null where there is none."""
    if turns.is_single:
        return turns.contents
    places = pa.array(turns.starts[:-1], mask=turns.counts == 0)
    return turns.contents.take(places)


def _read_message(cells: Cells, items: Sequence[MessagePlan], which: Numbers) -> Turns:
    """One message of each row, whose content may be another column in each plan."""
    contents = dict.fromkeys(item.content for item in items)
    columns = {pieces: join_pieces(pieces, cells.count, partial(_read_cell, cells)) for pieces in contents}
    order = {pieces: index for index, pieces in enumerate(columns)}
    choice = np.array([order[item.content] for item in items], np.int8)[np.maximum(which, 0)]
    return Turns.of_column(items[0].role, choose_texts(choice, list(columns.values())))


def _make_no_turns(count: int) -> Turns:
    """No message in any row."""
    return Turns(np.zeros(count + 1, np.int64), np.zeros(0, np.uint8), pa.array([], pa.string()))


def _check_label(name: str, values: pa.Array) -> Mask:
    """Which rows have a label that `check_labels` of their dataset type accepts."""
    low, high = {"margin": (0, None), "probability": (0.5, 1)}.get(name, (None, None))
    fine = np.asarray(values.is_valid())
    if low is not None:
        fine = fine & np.asarray(pc.fill_null(pc.greater_equal(values, low), False))
    return fine & np.asarray(pc.fill_null(pc.less_equal(values, high), False)) if high is not None else fine


def _write(group: _Group, plan: TextPlan, origins: Mapping[str, int], name: str, with_prompt: bool) -> pa.Array:
    """The texts of a part."""
    origin = origins[name]
    if origin == 0:
        pieces: Any = plan.prompt
    else:
        pieces = plan.wholes[origin - 1] if with_prompt else plan.own[origin - 1]
    return join_pieces(pieces, group.count, group.read)
