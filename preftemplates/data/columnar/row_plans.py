"""Plans of rows: the results of a template's expressions on the values of a row, as columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from preftemplates.data.columnar.cells import TurnSource
from preftemplates.data.columnar.column_texts import (
    Column,
    ColumnText,
    ColumnValue,
    Guard,
    Pieces,
    Trace,
    UntraceableError,
    concat_texts,
    list_pieces,
)
from preftemplates.data.columnar.column_turns import (
    ColumnItems,
    ColumnMessage,
    ColumnRecord,
    ColumnTurns,
    read_message,
)
from preftemplates.data.columnar.environments import EXPRESSIONS, run_traced
from preftemplates.data.columnar.numbers import ColumnNumber, Formula
from preftemplates.data.columnar.row_cells import Cell, list_members
from preftemplates.templates.turns import Splice, Turn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from preftemplates.templates.expressions import Expression, Field
    from preftemplates.templates.extraction import ExtractionSteps
    from preftemplates.templates.turns import Filler


class MessagePlan(NamedTuple):
    """One message: its role and its content."""

    role: str
    content: Pieces


@dataclass(frozen=True)
class LabelColumn(ColumnValue):
    """A label that is an unchanged column."""

    name: str


class RowPlan(NamedTuple):
    """The sample of all rows for which the guards hold.

    Attributes:
        parts: the messages of the prompt and of each response.
        labels: the value or column of each label.
        is_tie: whether the template says that neither answer is better.
        guards: the conditions on the row's values.
    """

    parts: tuple[tuple[MessagePlan | TurnSource, ...], ...]
    labels: tuple[tuple[str, Any], ...]
    is_tie: bool
    guards: tuple[Guard, ...]

    @property
    def is_current(self) -> bool:
        """Return True, since no expression reads the date."""
        return True

    @property
    def outline(self) -> Any:
        """Return the parts without their contents: plans with the same outline differ only in columns."""
        parts = tuple(
            tuple(item.role if isinstance(item, MessagePlan) else item for item in part) for part in self.parts
        )
        labels = tuple((name, value if _is_fixed(value) else ...) for name, value in self.labels)
        return parts, repr(labels)


def find_single_sources(parts: Sequence[Sequence[MessagePlan | TurnSource]]) -> list[Any] | None:
    """Return the single column or list of messages of each part; None if a part has another form."""
    sources: list[Any] = []
    for part in parts:
        for item in part:
            if isinstance(item, TurnSource):
                sources.append(item)
            else:
                sources += item.content if len(item.content) == 1 else [None]
    is_single = len(sources) == len(parts) and all(isinstance(source, TurnSource | Column) for source in sources)
    return sources if is_single else None


def _is_fixed(value: Any) -> bool:
    return isinstance(value, Formula) or not isinstance(value, tuple)


def make_row_plan(steps: ExtractionSteps, cells: Mapping[str, Cell], values: Mapping[Any, Any]) -> RowPlan:
    """Make the plan for one row and for all rows like it.

    Args:
        steps: the steps that extract samples from rows.
        cells: the columns that the steps read.
        values: the values of one row, by the source of the column.

    Raises:
        UntraceableError: the template does something that cannot be done with columns.
    """
    if steps.each or steps.sample_type.several:
        raise UntraceableError("a row gives several samples, or a sample several responses")
    trace = Trace(values)
    with run_traced(trace):
        made = {name: _make_value(trace, name, cells) for name, cell in cells.items() if len(cell.path) == 1}
        evaluator = _Evaluator(trace, cells, made)
        is_tie = steps.tie is not None and evaluator.evaluate(steps.tie) is True
        parts = tuple(tuple(evaluator.list_messages(filler)) for filler in steps.fillers.values())
        labels = tuple((name, evaluator.evaluate_label(name, field, steps.sample_type.label_types.get(name)))
                       for name, field in steps.values.items())  # fmt: skip
    return RowPlan(parts, labels, is_tie, tuple(trace.guards))


def _make_value(trace: Trace, name: str, cells: Mapping[str, Cell]) -> Any:
    """Return the value that an expression sees for a column."""
    cell = cells[name]
    if not cell.is_read or (cell.is_optional and trace.ask(Column(name), "is_null")):
        return None
    match cell.kind:
        case "text":
            return ColumnText(trace, [Column(name)])
        case "turns":
            return ColumnTurns(trace, TurnSource("cell", (name,)), cell.has_parts)
        case "message":
            return ColumnMessage(trace, TurnSource("cell", (name,)))
        case "items":
            return ColumnItems(trace, ((name, dict(cell.keys)),))
        case "record":
            fields = {field: _make_value(trace, inner, cells) for field, inner in cell.fields}
            return ColumnRecord(trace, name, fields, dict(cell.keys))
        case "list":  # other lists are not looked at
            return []
        case "number":
            return ColumnNumber(trace, Formula("cell", (name,)), cell.is_whole)
        case _:
            return LabelColumn(name)


@dataclass(frozen=True)
class _Evaluator:
    """Evaluates the expressions of a template on one row.

    Attributes:
        trace: records the questions.
        cells: the columns by name.
        values: the values that expressions see under these names.
    """

    trace: Trace
    cells: Mapping[str, Cell]
    values: Mapping[str, Any]

    def evaluate_label(self, name: str, field: Field, kind: Any) -> Any:
        """Return the value of a label or of the tools: a column, pieces of text, or one value for all rows."""
        value = self.evaluate(field)
        if isinstance(value, LabelColumn):
            domain = self.cells[value.name].domain
            if domain and type(domain[0]) is (int if kind is float else kind):
                return value
        elif isinstance(value, ColumnNumber):
            if kind is float:
                return value.formula
        elif isinstance(value, ColumnText):
            if str in list_members(kind):
                return list_pieces(value)
        elif (kind is not None or value is None) and not isinstance(value, ColumnValue | list | tuple | dict):
            return value
        return self.trace.fail(f"the value of {name} is not a column")

    def list_messages(self, filler: Filler) -> list[MessagePlan | TurnSource]:
        """Return the messages of a part."""
        planned: list[MessagePlan | TurnSource] = []
        for turn, fields in filler.turns:
            if isinstance(turn, Turn):
                if set(fields) != {"content"}:
                    self.trace.fail("a message has keys other than role and content")
                planned.append(self._plan_message({"role": turn.role, "content": self.evaluate(fields["content"])}))
            elif isinstance(turn, Splice):
                planned += self._list_spliced(self.evaluate(fields["messages"]))
            else:
                self.trace.fail("a sample has several responses")
        return planned

    def _list_spliced(self, value: Any) -> list[MessagePlan | TurnSource]:
        if isinstance(value, ColumnTurns):
            return [value.source]
        if not isinstance(value, list | tuple):
            self.trace.fail("messages are not a list")
        return [self._plan_message(message) for message in value]

    def _plan_message(self, message: Any) -> MessagePlan | TurnSource:
        if isinstance(message, ColumnMessage):
            return message.source
        role, content = read_message(self.trace, message)
        return MessagePlan(role, list_pieces(content))

    def evaluate(self, field: Field) -> Any:
        """Return the value of a field."""
        if len(field.parts) == 1 and not isinstance(field.parts[0], str):
            return self._evaluate_expression(field.parts[0])
        parts = [part if isinstance(part, str) else self._evaluate_expression(part) for part in field.parts]
        return concat_texts(self.trace, parts)

    def _evaluate_expression(self, expression: Expression) -> Any:
        if expression.name is not None:
            return self.values[expression.name]
        values = {name: self._settle(name) for name in expression.names}
        return expression.evaluate_in(EXPRESSIONS.with_filters(expression.functions), values)

    def _settle(self, name: str) -> Any:
        """Return the value that an expression computes with; for a label, that of the row in hand."""
        value, cell = self.values[name], self.cells[name]
        if not isinstance(value, LabelColumn):
            return value
        if cell.kind != "label":
            self.trace.fail(f"an expression computes with {cell.column}")
        known = self.trace.values[name]
        self.trace.ask(Column(name), "equals", known)
        return known
