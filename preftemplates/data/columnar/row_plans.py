"""Plans of rows: what the expressions of a template make of the cells of a row, as columns."""

from __future__ import annotations

import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Union, get_args, get_origin

import pyarrow as pa

from preftemplates.core.messages import Message
from preftemplates.core.paths import get_row_key
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
from preftemplates.data.columnar.environments import EXPRESSIONS, run_traced
from preftemplates.data.columnar.turn_sources import ColumnTurns, TurnSource
from preftemplates.templates.turns import Splice, Turn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic.fields import FieldInfo

    from preftemplates.templates.expressions import Expression, Field
    from preftemplates.templates.extraction import Extraction
    from preftemplates.templates.turns import Filler

CellKind = Literal["text", "turns", "number", "label", "nothing", "other"]
"""How a cell takes part in a plan: a label has a few values, and each has its plan."""


class Cell(NamedTuple):
    """A column that a template reads.

    Attributes:
        column: the row's own name of it.
        kind: how it takes part.
        domain: for a label, the values that it may have.
        is_optional: whether it may be null.
    """

    column: str
    kind: CellKind
    domain: tuple[Any, ...] = ()
    is_optional: bool = False


class MessagePlan(NamedTuple):
    """One message: its role, and its content."""

    role: str
    content: Pieces


@dataclass(frozen=True)
class LabelColumn(ColumnValue):
    """A label that is a column as it is."""

    name: str

    __hash__ = None  # type: ignore[assignment]


class RowPlan(NamedTuple):
    """The sample that rows give for which the guards hold.

    Attributes:
        parts: the messages of the prompt and of each response.
        labels: for each label its value, or its column.
        is_tie: whether the template says that neither answer is better.
        guards: what must hold of the cells.
    """

    parts: tuple[tuple[MessagePlan | TurnSource, ...], ...]
    labels: tuple[tuple[str, Any], ...]
    is_tie: bool
    guards: tuple[Guard, ...]

    @property
    def is_current(self) -> bool:
        """True: no expression asks for the date."""
        return True

    @property
    def outline(self) -> Any:
        """The parts without their contents: plans of one outline differ in columns only."""
        parts = tuple(
            tuple(item.role if isinstance(item, MessagePlan) else item for item in part) for part in self.parts
        )
        labels = tuple((name, value if _is_fixed(value) else None) for name, value in self.labels)
        return parts, repr(labels)


def _is_fixed(value: Any) -> bool:
    return not isinstance(value, tuple | LabelColumn)


def list_cells(extraction: Extraction, schema: pa.Schema) -> dict[str, Cell]:
    """Return the cells that a format reads by the names that expressions know them by."""
    validator = extraction.steps.validator
    infos = validator.model.model_fields
    return {name: _read_cell(get_row_key(name, info), info, schema) for name, info in infos.items()}


def _read_cell(column: str, info: FieldInfo, schema: pa.Schema) -> Cell:
    index = schema.get_field_index(column)
    members = list_members(info.annotation)
    is_optional = type(None) in members or info.annotation is Any
    if index < 0:
        return Cell(column, "other" if info.is_required() else "nothing", is_optional=True)
    kinds = [member for member in members if member is not type(None)]
    kind, domain = _find_kind(kinds, tuple(info.metadata), schema.field(index).type)
    return Cell(column, kind, domain, is_optional)


def list_members(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the type itself."""
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)


def _find_kind(
    kinds: Sequence[Any], metadata: tuple[Any, ...], arrow: pa.DataType
) -> tuple[CellKind, tuple[Any, ...]]:
    """How a column of an Arrow type takes part whose declared type has these members; and its domain."""
    if pa.types.is_null(arrow):
        return "nothing", ()
    if str in kinds and _holds_text(arrow):
        return "text", ()
    if list[Message] in kinds and _holds_messages(arrow):
        return "turns", ()
    if len(kinds) != 1:
        return "other", ()
    (kind,) = kinds
    if get_origin(kind) is Literal and _holds_text(arrow):
        return "label", get_args(kind)
    if kind is bool and pa.types.is_boolean(arrow):
        return "label", (False, True)
    if kind is int and pa.types.is_integer(arrow):
        return _read_bounds(metadata)
    is_number = pa.types.is_floating(arrow) or pa.types.is_integer(arrow)
    return ("number", ()) if kind is float and is_number and not metadata else ("other", ())


_MAX_DOMAIN = 16
"""A label of more values is a number."""


def _read_bounds(metadata: tuple[Any, ...]) -> tuple[CellKind, tuple[Any, ...]]:
    low = next((item.ge for item in metadata if getattr(item, "ge", None) is not None), None)
    high = next((item.le for item in metadata if getattr(item, "le", None) is not None), None)
    known = {"Ge", "Le", "Strict", "Label"} >= {type(item).__name__ for item in metadata}
    if known and isinstance(low, int) and isinstance(high, int) and 0 <= high - low < _MAX_DOMAIN:
        return "label", tuple(range(low, high + 1))
    return ("number", ()) if not metadata else ("other", ())


def _holds_text(arrow: pa.DataType) -> bool:
    if pa.types.is_dictionary(arrow) or pa.types.is_run_end_encoded(arrow):
        arrow = arrow.value_type
    return bool(pa.types.is_string(arrow) or pa.types.is_large_string(arrow) or pa.types.is_string_view(arrow))


def _holds_messages(arrow: pa.DataType) -> bool:
    if not (pa.types.is_list(arrow) or pa.types.is_large_list(arrow)) or not pa.types.is_struct(arrow.value_type):
        return False
    fields = {field.name: field.type for field in arrow.value_type}
    return all(name in fields and _holds_text(fields[name]) for name in ("role", "content"))


def make_row_plan(extraction: Extraction, cells: Mapping[str, Cell], row: Mapping[str, Any]) -> RowPlan:
    """Return the plan of one row, and of all that are like it.

    Args:
        extraction: what takes samples from rows.
        cells: the cells that it reads.
        row: one row.

    Raises:
        UntraceableError: it does what cannot be done with columns.
    """
    steps = extraction.steps
    if steps.each or steps.sample_type.several:
        raise UntraceableError("a row gives several samples, or a sample several responses")
    trace = Trace({name: row.get(cell.column) for name, cell in cells.items()})
    evaluator = _Evaluator(trace, cells, {name: _make_value(trace, name, cell) for name, cell in cells.items()})
    with run_traced(trace):
        is_tie = steps.tie is not None and evaluator.evaluate(steps.tie) is True
        parts = tuple(tuple(evaluator.list_messages(filler)) for filler in steps.fillers.values())
        labels = tuple((name, evaluator.evaluate_label(name, field, steps.sample_type.label_types.get(name)))
                       for name, field in steps.values.items())  # fmt: skip
    return RowPlan(parts, labels, is_tie, tuple(trace.guards))


def _make_value(trace: Trace, name: str, cell: Cell) -> Any:
    """What an expression finds in a cell."""
    if cell.is_optional and cell.kind != "nothing" and trace.ask(Column(name), "is_null"):
        return None
    if cell.kind == "nothing":
        return None
    if cell.kind == "text":
        return ColumnText(trace, [Column(name)])
    if cell.kind == "turns":
        return ColumnTurns(trace, TurnSource("cell", (name,)))
    return LabelColumn(name)


@dataclass(frozen=True)
class _Evaluator:
    """Evaluates the expressions of a template on one row.

    Attributes:
        trace: notes what is asked.
        cells: the cells by name.
        values: what expressions find under these names.
    """

    trace: Trace
    cells: Mapping[str, Cell]
    values: Mapping[str, Any]

    def evaluate_label(self, name: str, field: Field, kind: Any) -> Any:
        """Return the value of a label or of the tools: a column, pieces of text, or what all rows have."""
        value = self.evaluate(field)
        if isinstance(value, LabelColumn):
            cell = self.cells[value.name]
            if kind is float and (cell.kind == "number" or type(cell.domain[0]) is int):
                return value
            if kind is bool and cell.domain == (False, True) and type(cell.domain[0]) is bool:
                return value
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
                    self.trace.fail("a message has more than a role and a content")
                planned.append(self._make_message(turn.role, self.evaluate(fields["content"])))
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
        for message in value:
            if not isinstance(message, dict) or set(message) != {"role", "content"}:
                self.trace.fail("a message has more than a role and a content")
        return [self._make_message(message["role"], message["content"]) for message in value]

    def _make_message(self, role: Any, content: Any) -> MessagePlan:
        if type(role) is not str or not isinstance(content, str | ColumnText):
            self.trace.fail("a content is not a text")
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
        """Return the value that an expression computes with; of a label that is the value of the row in hand."""
        value, cell = self.values[name], self.cells[name]
        if not isinstance(value, LabelColumn):
            return value
        if cell.kind != "label":
            self.trace.fail(f"an expression computes with {cell.column}")
        self.trace.ask(Column(name), "equals", self.trace.values[name])
        return self.trace.values[name]
