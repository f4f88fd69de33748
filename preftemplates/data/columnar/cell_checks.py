"""Check columns: find the rows whose values suit a plan, by the types that the template declares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from preftemplates.core.messages import has_surrogate
from preftemplates.data.columnar.arrays import fill, to_arrow, to_arrow_texts, to_mask, to_scalar
from preftemplates.data.columnar.cells import Cells, TurnSource
from preftemplates.data.columnar.numbers import MAX_EXACT, Formula
from preftemplates.data.columnar.turn_sources import check_items

if TYPE_CHECKING:
    from preftemplates.data.columnar.kernels import Mask
    from preftemplates.data.columnar.row_cells import Cell
    from preftemplates.data.columnar.turns import Numbers
    from preftemplates.sandbox.limits import Limits


def check_cell(cell: Cell, name: str, cells: Cells, limits: Limits | None) -> Mask:
    """Return which rows have a valid value in a column.

    Args:
        cell: the description of the column.
        name: the name by which expressions refer to it.
        cells: the columns of the rows.
        limits: the limits of the template; None for a trusted one.
    """
    column = cells.columns[name]
    if cell.kind in ("turns", "message"):  # checked even if no expression reads it
        fine = to_arrow(cells.read_turns(TurnSource("cell", (name,))).known)
    elif cell.kind == "items":
        fine = to_arrow(check_items(column, [key for _, key in cell.keys]))
    elif cell.kind == "record":
        fine = column.is_valid()
    elif cell.kind == "list":
        fine = pc.equal(pc.list_value_length(column), to_scalar(0))
    elif cell.kind == "number":
        fine = _check_numbers(cell, cells.read_numbers(Formula("cell", (name,))), column.type)
    elif cell.kind == "other":
        fine = column.is_null()
    else:
        fine = _check_text_or_label(cell, name, cells, limits)
    fine = to_mask(fine)
    return fine | to_mask(column.is_null()) if cell.is_optional else fine


def _check_text_or_label(cell: Cell, name: str, cells: Cells, limits: Limits | None) -> pa.Array:
    column = cells.columns[name]
    if not cell.domain or isinstance(cell.domain[0], str):
        column = cells.read_text(name)
        if column is None:
            return pa.nulls(cells.count, pa.bool_())
    if cell.domain:
        return _is_in_domain(column, cell.domain)
    return column.is_valid() if limits is None else pc.less(pc.binary_length(column), to_scalar(limits.string // 64))


def _check_numbers(cell: Cell, numbers: Numbers, kind: pa.DataType) -> pa.Array:
    """Return which numbers are finite, exact as floats and within their bounds."""
    fine = np.isfinite(numbers)
    if pa.types.is_integer(kind):
        fine &= np.abs(numbers) < MAX_EXACT
    for name, bound in cell.bounds:
        fine &= _COMPARISONS[name](numbers, bound)
    return to_arrow(fine)


_COMPARISONS = {"ge": np.greater_equal, "gt": np.greater, "le": np.less_equal, "lt": np.less}


def _is_in_domain(column: pa.Array, domain: tuple[Any, ...]) -> pa.Array:
    """Return which labels are among the allowed values."""
    if isinstance(domain[0], str):
        return pc.is_in(column, value_set=to_arrow_texts([value for value in domain if not has_surrogate(value)]))
    if isinstance(domain[0], bool):
        return column.is_valid()
    numbers = fill(column, max(domain[0], 0))  # an unsigned number is never below 0
    return to_arrow((numbers >= domain[0]) & (numbers <= domain[-1]), mask=to_mask(column.is_null()))
