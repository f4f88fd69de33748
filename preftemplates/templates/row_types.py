"""Row types: the columns of a dataset, their types, and the spelling of these as text.

A row type is spelled as text, such as `{'prompt': str, 'better_response_id': Index01}`. A class statement is one way
to write it. Templates pickle, hash and compare by the spelling, which can be read again without the module of the
class.
"""

from __future__ import annotations

import ast
import types
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel, ConfigDict, Field, Strict, create_model
from pydantic.fields import FieldInfo

from preftemplates.core.messages import Message
from preftemplates.core.paths import get_row_key
from preftemplates.errors import DefinitionError, one_line, preview

if TYPE_CHECKING:
    from collections.abc import Iterable


class RowModel(BaseModel):
    """Base class of a template's `Row`: the columns of a dataset and their types.

    Types are exact: text is not converted to numbers, and `True` is not 1. A whole float counts as an integer, since
    a gap in a table turns integers into floats, and 0 and 1 count as `bool`. Columns that the class does not name are
    ignored. For a column whose name is not a Python name, write `score_a: int = Field(alias="score-A")`; for one that
    may be absent or null, write `str | None = None`.
    """

    # `frozen=True` in the class statement would demand the same of every subclass, for type checkers
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False, protected_namespaces=())


@dataclass(frozen=True)
class Label:
    """Marks a type as a label that tells which of two answers is better.

    Attributes:
        name: the name of the type.
        domain: the domain in words.
        turned: the value of the opposite label is `turned` minus the value.
    """

    name: str
    domain: str
    turned: int


Index01 = Annotated[int, Strict(), Field(ge=0, le=1), Label("Index01", "0 or 1", 1)]
"""0 or 1: the index of the better of two, counted from 0."""

Index12 = Annotated[int, Strict(), Field(ge=1, le=2), Label("Index12", "1 or 2", 3)]
"""1 or 2: the number of the better of two, counted from 1."""

FirstIs1 = Annotated[int, Strict(), Field(ge=0, le=1), Label("FirstIs1", "0 or 1 (1 if the first is better)", 1)]
"""1 if the first of two is better, 0 if the second is: the reverse of an index."""

Strength = Annotated[
    int, Strict(), Field(ge=-3, le=3), Label("Strength", "-3 to 3 (below 0 if the first is better)", 0)
]
"""-3 to 3: by how much the second of two is better; negative if the first is better, and 0 for a tie."""

Probability = Annotated[float, Field(ge=0, le=1), Label("Probability", "0 to 1 (1 if the first is better)", 1)]
"""0 to 1: the probability that the first of two is better."""

NAMED_TYPES: dict[str, Any] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "Any": Any,
    "Message": Message,
    "Index01": Index01,
    "Index12": Index12,
    "FirstIs1": FirstIs1,
    "Strength": Strength,
    "Probability": Probability,
}
"""Names in a column's type, next to `list[...]`, `dict[str, ...]`, `Literal[...]`, `|` and nested rows."""

BOUNDS = {annotated_types.Ge: "ge", annotated_types.Gt: "gt", annotated_types.Le: "le", annotated_types.Lt: "lt"}


def spell_row(row: type[BaseModel]) -> str:
    """Return the spelling of a row class.

    >>> class Row(RowModel):
    ...     prompt: str
    ...     better: Index01
    ...     score: float | None = Field(None, alias="score-A")
    >>> spell_row(Row)
    "{'prompt': str, 'better': Index01, 'score-A as score?': float | None}"

    Raises:
        DefinitionError: a column has a type without a spelling, a default other than None, or a validator.
    """
    decorators = row.__pydantic_decorators__
    for kind in ("validators", "field_validators", "root_validators", "model_validators", "computed_fields"):
        for name in getattr(decorators, kind):
            raise DefinitionError(
                f"{row.__qualname__}.{name}: a row may have only columns; write a filter (register_filter)"
            )
    return "{" + ", ".join(_spell_column(row, name, info) for name, info in row.model_fields.items()) + "}"


def _spell_column(row: type[BaseModel], name: str, info: FieldInfo) -> str:
    place = f"{row.__qualname__}.{name}"
    column = get_row_key(name, info) if info.validation_alias is None else info.validation_alias
    if not isinstance(column, str) or " as " in column or column.endswith("?"):
        raise DefinitionError(
            f"{place}: a column's name must be one text without ' as ' and without '?' at its end, got {column!r}"
        )
    if not info.is_required() and info.get_default(call_default_factory=True, validated_data={}) is not None:
        raise DefinitionError(f"{place}: only None is allowed as the default of a column; any other would invent data")
    key = (column if column == name else f"{column} as {name}") + ("" if info.is_required() else "?")
    return f"{key!r}: {_spell_type(info.annotation, tuple(info.metadata), place)}"


def _spell_type(annotation: Any, metadata: tuple[Any, ...], place: str) -> str:
    label = next((item for item in metadata if isinstance(item, Label)), None)
    if label and label.name in NAMED_TYPES:
        return label.name
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _spell_type(args[0], _flatten_metadata(args[1:]) + metadata, place)
    if annotation in (int, float):
        return f"{annotation.__name__}{spell_bounds(metadata, place)}"
    if metadata:
        raise DefinitionError(f"{place}: {preview(annotation)} cannot have the constraint {preview(metadata[0])}")
    name = next((name for name, named_type in NAMED_TYPES.items() if annotation is named_type), None)
    if name is not None:
        return name
    if annotation is None or annotation is type(None):
        return "None"
    return _spell_nested_type(annotation, place)


def _spell_nested_type(annotation: Any, place: str) -> str:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is list or origin is dict:
        return f"{origin.__name__}[{', '.join(_spell_type(arg, (), place) for arg in args)}]"
    if origin in (Union, types.UnionType):
        return " | ".join(_spell_type(arg, (), place) for arg in args)
    if origin is Literal:
        if not all(isinstance(arg, str) for arg in args):
            raise DefinitionError(
                f"{place}: Literal may have only texts; numbers need Index01 or bounds, since 1 == True == 1.0"
            )
        return f"Literal[{', '.join(map(repr, args))}]"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return spell_row(annotation)
    raise DefinitionError(
        f"{place}: a column cannot have the type {annotation!r}. Types are {', '.join(NAMED_TYPES)}, list, dict,"
        " Literal, '|' and nested rows"
    )


def _flatten_metadata(metadata: Iterable[Any]) -> tuple[Any, ...]:
    """Return the metadata with pydantic's `Field(...)` split into its parts."""
    flat: list[Any] = []
    for item in metadata:
        flat += item.metadata if isinstance(item, FieldInfo) else [item]
    return tuple(flat)


def spell_bounds(metadata: tuple[Any, ...], place: str = "") -> str:
    """Return the bounds of a number in the spelling, such as `(ge=0, le=4)`; empty if there are none."""
    bounds = []
    for item in metadata:
        if type(item) in BOUNDS:
            name = BOUNDS[type(item)]
            bounds.append(f"{name}={getattr(item, name)!r}")
        elif item != Strict():
            raise DefinitionError(f"{place}: a number may be bounded only by ge, gt, le and lt; got {preview(item)}")
    return f"({', '.join(bounds)})" if bounds else ""


def has_domain(info: FieldInfo) -> bool:
    """Return whether a column's values are limited, so that they can choose among answers.

    >>> class Row(RowModel):
    ...     better: Index01
    ...     winner: str
    >>> [has_domain(info) for info in Row.model_fields.values()]
    [True, False]
    """
    if info.annotation is int:
        kinds = {type(item) for item in info.metadata}
        return any(isinstance(item, Label) for item in info.metadata) or {
            annotated_types.Ge, annotated_types.Le
        } <= kinds  # fmt: skip
    return info.annotation is bool or get_origin(info.annotation) is Literal


@lru_cache(maxsize=1024)
def read_row_type(spelling: str) -> type[RowModel]:
    """Return the row class that a spelling describes; the inverse of `spell_row`.

    Raises:
        DefinitionError: the text is not the spelling of a row type.
    """
    try:
        tree = ast.parse(spelling, mode="eval").body
        model = _read_type(tree, spelling)
    except Exception as error:
        raise DefinitionError(f"{preview(spelling)} is not a row type: {one_line(str(error), 200)}") from error
    if not (isinstance(model, type) and issubclass(model, RowModel)):
        raise DefinitionError(f"{preview(spelling)} is a type, but not a row type")
    return model


def _read_type(node: ast.expr, spelling: str) -> Any:
    match node:
        case ast.Name(id=name) if name in NAMED_TYPES:
            return NAMED_TYPES[name]
        case ast.Constant(value=None):
            return None
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return Union[_read_type(left, spelling), _read_type(right, spelling)]  # noqa: UP007
        case ast.Subscript(value=ast.Name(id="list"), slice=item):
            return list[_read_type(item, spelling)]  # type: ignore[misc]
        case ast.Subscript(value=ast.Name(id="dict"), slice=ast.Tuple(elts=[key, item])):
            return dict[_read_type(key, spelling), _read_type(item, spelling)]  # type: ignore[misc]
        case ast.Subscript(value=ast.Name(id="Literal"), slice=item):
            choices = [ast.literal_eval(choice) for choice in (item.elts if isinstance(item, ast.Tuple) else [item])]
            if all(isinstance(choice, str) for choice in choices):
                return Literal[tuple(choices)]
        case ast.Call(func=ast.Name(id="int" | "float" as name), args=[], keywords=[_, *_] as bounds):
            limits: dict[str, Any] = {str(bound.arg): ast.literal_eval(bound.value) for bound in bounds}
            if set(limits) <= set(BOUNDS.values()) and all(
                isinstance(limit, int | float) for limit in limits.values()
            ):
                return Annotated[NAMED_TYPES[name], Field(**limits)]
        case ast.Dict(keys=keys, values=values) if all(isinstance(key, ast.Constant) for key in keys):
            return _read_columns([key.value for key in keys if isinstance(key, ast.Constant)], values, spelling)
    raise DefinitionError(f"{preview(ast.unparse(node))} in {preview(spelling)} is not a type")


def _read_columns(keys: list[Any], values: list[ast.expr], spelling: str) -> type[RowModel]:
    columns: dict[str, Any] = {}
    aliases: set[str] = set()
    for key, value in zip(keys, values, strict=True):
        column, is_named, name = str(key).removesuffix("?").rpartition(" as ")
        column = column if is_named else name
        is_taken = name in columns or column in aliases or name.startswith("_") or name in vars(BaseModel)
        if not isinstance(key, str) or not name.isidentifier() or is_taken or name == "model_config":
            raise DefinitionError(f"{preview(key)} in {preview(spelling)} is not a name for a column, or occurs twice")
        columns[name] = (_read_type(value, spelling), Field(None if key.endswith("?") else ..., alias=column))
        aliases.add(column)
    return create_model("Row", __base__=RowModel, **columns)
