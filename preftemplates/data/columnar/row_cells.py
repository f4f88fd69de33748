"""The columns that a template reads, and how each takes part in a plan by its declared type and its Arrow type."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel

from preftemplates.core.messages import Message
from preftemplates.core.paths import get_row_key
from preftemplates.data.columnar.kernels import holds_text, is_list
from preftemplates.data.columnar.turn_sources import holds_messages, holds_parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic.fields import FieldInfo

    from preftemplates.templates.extraction import ExtractionSteps

CellKind = Literal[
    "text", "turns", "message", "items", "record", "list", "number", "label", "nothing", "other"
]  # fmt: skip
"""How a column takes part in a plan. A label has a few values, each with its own plan; of a list, only whether it is
empty is known."""


class Cell(NamedTuple):
    """A column that a template reads, or a field of one.

    Attributes:
        path: the row's own names that lead to the value.
        kind: how the column takes part.
        domain: for a label, its allowed values.
        bounds: for a number, the values that it is compared with, by the name of the comparison.
        is_optional: whether it may be null.
        is_whole: whether a number is declared as an integer.
        keys: for objects, the keys of their texts by Python name.
        fields: for an object, the name of the column of each field, by Python name.
        has_parts: whether the contents of messages are typed parts.
    """

    path: tuple[str, ...]
    kind: CellKind
    domain: tuple[Any, ...] = ()
    bounds: tuple[tuple[str, float], ...] = ()
    is_optional: bool = False
    is_whole: bool = False
    keys: tuple[tuple[str, str], ...] = ()
    fields: tuple[tuple[str, str], ...] = ()
    has_parts: bool = False

    @property
    def column(self) -> str:
        """Return the row's own name of the column, for people to read."""
        return ".".join(self.path)

    @property
    def is_read(self) -> bool:
        """Return whether the rows have the column."""
        return self.kind != "nothing"


def list_cells(steps: ExtractionSteps, schema: pa.Schema) -> dict[str, Cell]:
    """Return the columns that a format reads by their names in expressions; fields follow their objects."""
    infos = steps.validator.model.model_fields
    fields = {name: _find_type(schema, get_row_key(name, info)) for name, info in infos.items()}
    return {
        cell_name: cell
        for name, info in infos.items()
        for cell_name, cell in _read_cell(name, (get_row_key(name, info),), info, fields[name])
    }


def _find_type(fields: Any, column: str) -> pa.DataType | None:
    index = fields.get_field_index(column)
    return None if index < 0 else fields.field(index).type


def read_columns(cells: Mapping[str, Cell], batch: pa.RecordBatch) -> dict[str, pa.Array]:
    """Return the Arrow columns by name; a field of a null object is null."""
    columns: dict[str, pa.Array] = {}
    for name, cell in cells.items():
        if cell.is_read:
            column = batch.column(cell.path[0])
            columns[name] = pc.struct_field(column, list(cell.path[1:])) if cell.path[1:] else column
    return columns


def _read_cell(
    name: str, path: tuple[str, ...], info: FieldInfo, arrow: pa.DataType | None
) -> Iterator[tuple[str, Cell]]:
    members = list_members(info.annotation)
    is_optional = type(None) in members or Any in members
    if arrow is None:
        yield name, Cell(path, "other" if info.is_required() else "nothing", is_optional=True)
        return
    kinds = [member for member in members if member is not type(None)]
    cell = _find_kind(path, kinds, tuple(info.metadata), arrow)._replace(is_optional=is_optional)
    if cell.kind != "record":
        yield name, cell
        return
    infos: dict[str, FieldInfo] = kinds[0].model_fields
    yield name, cell._replace(fields=tuple((field, f"{name}.{field}") for field in infos))
    for field, inner in infos.items():
        key = get_row_key(field, inner)
        yield from _read_cell(f"{name}.{field}", (*path, key), inner, _find_type(arrow, key))


def list_members(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the type alone."""
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)


def _find_kind(path: tuple[str, ...], kinds: Sequence[Any], metadata: tuple[Any, ...], arrow: pa.DataType) -> Cell:
    """Return how a column of an Arrow type takes part, given the members of its declared type."""
    if pa.types.is_null(arrow):
        return Cell(path, "nothing")
    if (str in kinds or Any in kinds) and holds_text(arrow):
        return Cell(path, "text")
    if is_list(arrow):
        return _find_list_kind(path, kinds, arrow)
    if len(kinds) != 1:
        return Cell(path, "other")
    (kind,) = kinds
    if pa.types.is_struct(arrow):
        return _find_object_kind(path, kind, arrow)
    if get_origin(kind) is Literal and holds_text(arrow):
        return Cell(path, "label", get_args(kind))
    if kind is bool and pa.types.is_boolean(arrow):
        return Cell(path, "label", (False, True))
    return _find_number_kind(path, kind, metadata, arrow)


def _find_list_kind(path: tuple[str, ...], kinds: Sequence[Any], arrow: pa.DataType) -> Cell:
    if (list[Message] in kinds or Any in kinds) and holds_messages(arrow.value_type):
        return Cell(path, "turns", has_parts=holds_parts(arrow.value_type.field("content").type))
    lists = [get_args(kind)[0] for kind in kinds if get_origin(kind) is list]
    if len(lists) == 1:
        keys = _list_keys(lists[0])
        if keys and _holds_items(arrow.value_type, keys):
            return Cell(path, "items", keys=keys)
    return Cell(path, "list" if lists or list in kinds or Any in kinds else "other")


def _find_object_kind(path: tuple[str, ...], kind: Any, arrow: pa.DataType) -> Cell:
    names = [field.name for field in arrow]
    if len(set(names)) < len(names):
        return Cell(path, "other")
    if kind is Message and holds_messages(arrow):
        return Cell(path, "message")
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        keys = _list_keys(kind)
        return Cell(path, "record", keys=keys if keys and _holds_items(arrow, keys) else ())
    return Cell(path, "other")


def _list_keys(kind: Any) -> tuple[tuple[str, str], ...]:
    """Return the keys, by name, of an object whose fields are all texts or lists of parts with a type and a value."""
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return ()
    infos = kind.model_fields
    if not all(info.annotation is str or _list_keys_of_parts(info.annotation) for info in infos.values()):
        return ()
    return tuple((name, get_row_key(name, info)) for name, info in infos.items())


PART_KEYS = (("type", "type"), ("value", "value"))


def _list_keys_of_parts(kind: Any) -> bool:
    return get_origin(kind) is list and _list_keys(get_args(kind)[0]) == PART_KEYS


def _holds_items(arrow: pa.DataType, keys: Sequence[tuple[str, str]]) -> bool:
    """Return whether objects of an Arrow type have these keys, with texts or parts as values."""
    if not pa.types.is_struct(arrow):
        return False
    names = [field.name for field in arrow]
    if any(names.count(key) != 1 for _, key in keys):
        return False
    return all(_holds_said(arrow.field(key).type) for _, key in keys)


def _holds_said(arrow: pa.DataType) -> bool:
    if not is_list(arrow):
        return holds_text(arrow)
    return _holds_items(arrow.value_type, PART_KEYS) and not any(map(is_list, _list_types(arrow.value_type)))


def _list_types(arrow: pa.DataType) -> list[pa.DataType]:
    return [field.type for field in arrow]


_BOUNDS = ("ge", "gt", "le", "lt")
_MAX_DOMAIN = 16
"""The most values of a label; a column with more is a number."""


def _find_number_kind(path: tuple[str, ...], kind: Any, metadata: tuple[Any, ...], arrow: pa.DataType) -> Cell:
    if get_origin(kind) is Annotated:
        kind, *more = get_args(kind)
        metadata = (*metadata, *(part for item in more for part in getattr(item, "metadata", [item])))
    bounds = tuple((name, getattr(item, name)) for item in metadata for name in _BOUNDS
                   if getattr(item, name, None) is not None)  # fmt: skip
    is_known = {"Ge", "Gt", "Le", "Lt", "Strict", "Label"} >= {type(item).__name__ for item in metadata}
    if not is_known or kind not in (int, float):
        return Cell(path, "other")
    if kind is int and pa.types.is_integer(arrow):
        given = dict(bounds)
        low, high = given.get("ge"), given.get("le")
        if {*given} == {"ge", "le"} and isinstance(low, int) and isinstance(high, int) and high - low < _MAX_DOMAIN:
            return Cell(path, "label", tuple(range(low, high + 1)))
        return Cell(path, "number", bounds=bounds, is_whole=True)
    is_number = kind is float and (pa.types.is_floating(arrow) or pa.types.is_integer(arrow))
    return Cell(path, "number" if is_number else "other", bounds=bounds)
