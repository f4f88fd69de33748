"""Formatting plans in words: how rows are formatted, and the conditions for formatting them as columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from preftemplates.core.paths import extend_path
from preftemplates.data.columnar.cells import TurnSource
from preftemplates.data.columnar.column_texts import Column, Guard
from preftemplates.data.columnar.numbers import Formula
from preftemplates.data.columnar.style_plans import Place
from preftemplates.errors import preview

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from preftemplates.data.columnar.column_texts import Question


class FormattingPlan(NamedTuple):
    """How rows are formatted: whole columns at once, or row by row.

    Attributes:
        columnar: how many rows were formatted as columns.
        reasons: how many rows were formatted row by row, by reason.
        guards: the conditions on the texts of rows under which a plan fits them, one sentence each.

    Example:
        >>> from preftemplates import BatchFormatter, get_template
        >>> template = get_template("HH").with_style("qwen3").with_dialect("text")
        >>> print(BatchFormatter(template, "prompt_only").plan.guards[0])
        prompt[0].content does not begin with '<tool_response>'
    """

    columnar: int
    reasons: dict[str, int]
    guards: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Return how many rows were formatted."""
        return self.columnar + sum(self.reasons.values())

    @property
    def is_complete(self) -> bool:
        """Return whether all rows were formatted as columns."""
        return not self.reasons

    def __str__(self) -> str:
        noun = "row" if self.rows == 1 else "rows"
        lines = [f"{self.columnar:,} of {self.rows:,} {noun} as columns"]
        return "\n".join([*lines, *(f"{count:,} row by row: {reason}" for reason, count in self.reasons.items())])


_SENTENCES: dict[Question, tuple[str, str]] = {
    "equals": ("is {}", "is not {}"),
    "equals_column": ("is the same as {}", "is not the same as {}"),
    "starts_with_column": ("begins with {}", "does not begin with {}"),
    "is_positive": ("is above 0", "is not above 0"),
    "is_negative": ("is below 0", "is not below 0"),
    "is_zero": ("is 0", "is not 0"),
    "starts_with": ("begins with {}", "does not begin with {}"),
    "ends_with": ("ends with {}", "does not end with {}"),
    "contains": ("contains {}", "does not contain {}"),
    "is_null": ("is null", "is not null"),
    "longer_than": ("has more than {} characters", "has at most {} characters"),
}
"""The text of each guard for a true answer and for a false one."""


def spell_guards(guards: Iterable[Guard], names: Sequence[str]) -> tuple[str, ...]:
    """Describe guards in words, each once.

    Args:
        guards: the guards.
        names: the names of the prompt and of each response.

    >>> spell_guards([Guard(Column("system"), "is_null", None, False)], ())
    ('system is not null',)
    """
    return tuple(dict.fromkeys(_spell_guard(guard, names) for guard in guards))


def _spell_guard(guard: Guard, names: Sequence[str]) -> str:
    column, operand = guard.operand if isinstance(guard.operand, Column) else None, guard.operand
    spelled = preview(operand) if column is None else _spell_column(column, names)
    sentence = _SENTENCES[guard.question][0 if guard.answer else 1]
    return f"{_spell_column(guard.column, names)} {sentence.format(spelled)}"


def _spell_column(column: Column, names: Sequence[str]) -> str:
    """Return the path of a value or of a message's content, with what is cut off."""
    source: Any = column.source
    if isinstance(source, Place):
        path = extend_path(extend_path(names[source.part], source.message), "content")
    elif isinstance(source, Formula):
        path = _spell_formula(source)
    else:
        path = "the last message" if isinstance(source, TurnSource) else str(source)
    return f"{path}, cut at its ends," if column.cuts else path


_OPERATORS = {"add": "+", "subtract": "-", "multiply": "*"}


def _spell_formula(formula: Formula) -> str:
    """Return a number as an expression would write it."""
    if formula.operator in ("cell", "constant"):
        return str(formula.operands[0])
    operands = [_spell_formula(operand) for operand in formula.operands]
    if formula.operator == "absolute":
        return f"abs({operands[0]})"
    return f" {_OPERATORS[formula.operator]} ".join(operands)
