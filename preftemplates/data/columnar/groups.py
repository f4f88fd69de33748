"""Groups: the samples of some rows of a slice, with messages and labels as columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from preftemplates.data.columnar.arrays import to_arrow, to_mask, to_scalar
from preftemplates.data.columnar.cells import TurnSource
from preftemplates.data.columnar.column_texts import Column
from preftemplates.data.columnar.kernels import Mask, answer_guard, choose_texts, cut_ends
from preftemplates.data.columnar.numbers import Formula
from preftemplates.data.columnar.row_plans import LabelColumn, MessagePlan, RowPlan
from preftemplates.data.columnar.turns import Numbers, PartTurns, concat_turns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from preftemplates.data.columnar.cells import Cells
    from preftemplates.data.columnar.column_texts import Guard


@dataclass(frozen=True)
class SampleGroup:
    """The samples of some rows.

    Attributes:
        rows: the number of each row in the slice.
        parts: the messages of the prompt and of each response.
        labels: each label by name: a column, or one value for all rows.
        known: what is known about the contents of all rows in the slice; groups taken from one another share it.
    """

    rows: Numbers
    parts: tuple[PartTurns, ...]
    labels: Mapping[str, Any]
    known: dict[Any, Any] = field(default_factory=dict)

    def take(self, rows: Numbers) -> SampleGroup:
        """Return some of the rows, by their places in the group."""
        indices = to_arrow(rows)
        labels = {name: value.take(indices) if isinstance(value, pa.Array) else value
                  for name, value in self.labels.items()}  # fmt: skip
        return SampleGroup(self.rows[rows], tuple(part.take(rows) for part in self.parts), labels, self.known)

    def read(self, column: Column) -> pa.Array:
        """Return the content of a message in all rows, each of which has one."""
        place: Any = column.source
        part = self.parts[place.part]
        contents = self._cut(place.part, column.cuts)
        return contents if part.is_single else contents.take(to_arrow(part.starts + place.message))

    def _cut(self, part: int, cuts: tuple[Any, ...]) -> pa.Array:
        """Return the contents of all messages of a part with their ends cut."""
        if not cuts:
            return self.parts[part].contents
        if (part, cuts) not in self.known:
            *before, (method, characters) = cuts
            self.known[part, cuts] = cut_ends(self._cut(part, tuple(before)), method, characters)
        return self.known[part, cuts]

    def hold(self, guard: Guard) -> Mask:
        """Return for which rows a guard holds."""
        place: Any = guard.column.source
        if isinstance(guard.operand, Column):
            return answer_guard(guard, self.read(guard.column), self.read(guard.operand))
        key = (guard._replace(column=guard.column._replace(source=place.part)),)
        if key not in self.known:
            self.known[key] = answer_guard(guard, self._cut(place.part, guard.column.cuts), guard.operand)
        answers: Mask = self.known[key]
        return np.asarray(answers[self.parts[place.part].starts + place.message])

    def find_short(self, max_bytes: int) -> Mask:
        """Return which rows have contents of at most this many bytes together."""
        sizes = np.zeros(len(self.rows), np.int64)
        for index, part in enumerate(self.parts):
            if ("bytes", index) not in self.known:
                self.known["bytes", index] = part.count_bytes_before()
            before = self.known["bytes", index]
            sizes += before[part.ends] - before[part.starts]
        return np.asarray(sizes <= max_bytes)


def make_group(cells: Cells, plans: Sequence[RowPlan], which: Numbers) -> tuple[SampleGroup, Mask]:
    """Return the samples of rows whose plans have one outline, and which of these rows are valid.

    Args:
        cells: the columns of all rows.
        plans: the plans.
        which: the plan of each row; -1 for none.
    """
    alive = which >= 0
    which = np.maximum(which, 0)
    parts = []
    for items in zip(*(plan.parts for plan in plans), strict=True):
        turns, known = _read_part(cells, items, which)
        alive &= known
        parts.append(turns)
    labels = {}
    for values in zip(*(plan.labels for plan in plans), strict=True):
        name = values[0][0]
        labels[name] = _read_label(cells, [value for _, value in values], which)
        if isinstance(labels[name], pa.Array):
            alive &= _check_label(name, labels[name])
    return SampleGroup(np.arange(cells.count), tuple(parts), labels), alive


def _read_part(
    cells: Cells, plans: Sequence[tuple[MessagePlan | TurnSource, ...]], which: Numbers
) -> tuple[PartTurns, Mask]:
    """Return the messages of a part, and the rows for which they are known."""
    known, turns = np.ones(cells.count, bool), []
    for items in zip(*plans, strict=True):
        if isinstance(items[0], TurnSource):
            columns = cells.read_turns(items[0])
            known &= columns.known
            turns.append(columns.turns)
        else:
            contents = _choose(cells, [item.content for item in items], which)
            known &= to_mask(contents.is_valid())
            turns.append(PartTurns.of_column(items[0].role, contents))
    return concat_turns(turns) if turns else PartTurns.of_nothing(cells.count), known


def _choose(cells: Cells, alternatives: Sequence[Any], which: Numbers) -> pa.Array:
    """Return texts for which each plan has other pieces."""
    pieces = [*dict.fromkeys(alternatives)]
    columns = [cells.join(one) for one in pieces]
    choice = np.array([pieces.index(one) for one in alternatives], np.int8)[which]
    return choose_texts(choice, columns)


def _read_label(cells: Cells, values: Sequence[Any], which: Numbers) -> Any:
    """Return a label as a column, or as one value for all rows."""
    if isinstance(values[0], Formula):
        numbers = cells.read_numbers(values[0])
        return to_arrow(numbers, mask=~np.isfinite(numbers))
    if isinstance(values[0], LabelColumn):
        return cells.columns[values[0].name]
    return _choose(cells, values, which) if isinstance(values[0], tuple) else values[0]


_LABEL_RANGES = {"margin": (0, np.inf), "probability": (0.5, 1)}
"""The smallest and largest values of labels of pairs (`Preference.check_labels`)."""


def _check_label(name: str, values: pa.Array) -> Mask:
    """Return which rows have a label that their dataset type accepts."""
    if name not in _LABEL_RANGES:
        return to_mask(values.is_valid())
    low, high = _LABEL_RANGES[name]
    fine = pc.and_(pc.greater_equal(values, to_scalar(low)), pc.less_equal(values, to_scalar(high)))
    return to_mask(fine)


def hold_cell_guard(cells: Cells, guard: Guard) -> Mask:
    """Return for which rows a guard on a row's columns holds."""
    operand = cells.read(guard.operand) if isinstance(guard.operand, Column) else guard.operand
    return answer_guard(guard, cells.read(guard.column), operand)
