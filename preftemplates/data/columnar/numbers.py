"""Numbers of which only the column is known: formulas of columns, and the questions that expressions may ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NoReturn

import numpy as np

from preftemplates.data.columnar.arrays import fill, to_mask
from preftemplates.data.columnar.column_texts import Column, ColumnValue, Question, Trace

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from preftemplates.data.columnar.turns import Numbers

MAX_EXACT = 2**45
"""The largest whole numbers that take part, so that sums and products of a few of them are exact as floats."""

Operator = Literal["cell", "constant", "add", "subtract", "multiply", "absolute"]
"""How a number is made; each operator does with 64-bit floats what Python does."""


class Formula(NamedTuple):
    """A number computed from columns.

    Attributes:
        operator: the operator.
        operands: the name of the column, the constant, or one or two formulas.
    """

    operator: Operator
    operands: tuple[Any, ...]


def compute(formula: Formula, columns: Mapping[str, pa.Array]) -> Numbers:
    """Return a number for each row; NaN for null.

    >>> import pyarrow as pa
    >>> cell, one = Formula("cell", ("x",)), Formula("constant", (1.0,))
    >>> compute(Formula("subtract", (cell, one)), {"x": pa.array([0.5, None])}).tolist()
    [-0.5, nan]
    """
    if formula.operator == "cell":
        return _read_numbers(columns[formula.operands[0]])
    if formula.operator == "constant":
        return np.full(len(next(iter(columns.values()))), formula.operands[0], np.float64)
    operands = [compute(operand, columns) for operand in formula.operands]
    with np.errstate(all="ignore"):
        return np.asarray(_OPERATORS[formula.operator](*operands))


_OPERATORS: dict[Operator, Any] = {
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "absolute": np.abs
}  # fmt: skip


def _read_numbers(column: pa.Array) -> Numbers:
    numbers = fill(column, 0).astype(np.float64)
    return np.where(to_mask(column.is_valid()), numbers, np.nan)


@dataclass(frozen=True, eq=False)
class ColumnNumber(ColumnValue):
    """A number of which only the formula is known; it can be compared, added and subtracted.

    Attributes:
        trace: records the questions.
        formula: the formula.
        is_whole: whether Python would compute with integers here, which are exact.
    """

    trace: Trace
    formula: Formula
    is_whole: bool

    __hash__ = None  # type: ignore[assignment]

    def _operate(self, operator: Operator, other: Any, is_turned: bool = False) -> ColumnNumber:
        operand = self._read(other)
        if operator == "multiply" and self.is_whole and operand.is_whole:
            self.trace.fail("two whole numbers are multiplied")
        operands = (operand.formula, self.formula) if is_turned else (self.formula, operand.formula)
        return ColumnNumber(self.trace, Formula(operator, operands), self.is_whole and operand.is_whole)

    def _read(self, value: Any) -> ColumnNumber:
        """Return a constant as a column."""
        if isinstance(value, ColumnNumber):
            return value
        if type(value) not in (int, float) or not abs(value) <= MAX_EXACT:
            self.trace.fail("a number is combined with a value of another type, or with a large number")
        return ColumnNumber(self.trace, Formula("constant", (float(value),)), type(value) is int)

    def __add__(self, other: Any) -> ColumnNumber:
        return self._operate("add", other)

    def __radd__(self, other: Any) -> ColumnNumber:
        return self._operate("add", other, is_turned=True)

    def __sub__(self, other: Any) -> ColumnNumber:
        return self._operate("subtract", other)

    def __rsub__(self, other: Any) -> ColumnNumber:
        return self._operate("subtract", other, is_turned=True)

    def __mul__(self, other: Any) -> ColumnNumber:
        return self._operate("multiply", other)

    __rmul__ = __mul__

    def __abs__(self) -> ColumnNumber:
        return ColumnNumber(self.trace, Formula("absolute", (self.formula,)), self.is_whole)

    def _ask(self, question: Question, other: Any) -> bool:
        """Compare with another number: the difference of two floats is 0 only if they are equal."""
        is_zero = type(other) in (int, float) and other == 0
        return self.trace.ask(Column(self.formula if is_zero else (self - other).formula), question)

    def __gt__(self, other: Any) -> bool:
        return self._ask("is_positive", other)

    def __lt__(self, other: Any) -> bool:
        return self._ask("is_negative", other)

    def __ge__(self, other: Any) -> bool:
        return not self < other

    def __le__(self, other: Any) -> bool:
        return not self > other

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int | float | ColumnNumber) and self._ask("is_zero", other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __bool__(self) -> bool:
        return self != 0

    def _fail(self, *_: Any) -> NoReturn:
        self.trace.fail("a number is used in a way that columns do not support")

    __str__ = __repr__ = __format__ = __neg__ = __pos__ = __truediv__ = __rtruediv__ = __floordiv__ = _fail
    __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = __index__ = __int__ = __float__ = __round__ = _fail
