"""Rows: which columns a dataset has, of which types, and how one record is checked against them.

A row type is spelled as text, such as `{'prompt': str, 'better_response_id': Index01}`. A class statement is one way
to write it; the spelling is what a template pickles, hashes and compares by, and it needs no module to be read again.
"""

from __future__ import annotations

import ast
import json
import re
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel, Field, Strict, ValidationError, create_model
from pydantic.fields import FieldInfo

from preftemplates.errors import Code, DefinitionError, RowError, missing, one_line, preview
from preftemplates.provenance import inside, traced
from preftemplates.samples import Message


class RowModel(BaseModel, frozen=True, strict=True, extra="ignore", allow_inf_nan=False, protected_namespaces=()):
    """Base class of a template's `Row`: the columns of a dataset and their types.

    Types are exact: no number is read from text, `True` is no 1. Columns that the class does not name are ignored. A
    column whose name Python cannot spell is written `score_a: int = Field(alias="score-A")`; one that may be absent
    or null is `str | None = None`.
    """


@dataclass(frozen=True)
class Label:
    """Marks a type as a label: what it is called, and its domain in words."""

    name: str
    domain: str


Index01 = Annotated[int, Strict(), Field(ge=0, le=1), Label("Index01", "0 or 1")]
"""The index of one of two, counted from 0: the integers 0 and 1, and neither True nor 1.0."""

NAMED_TYPES: dict[str, Any] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "Any": Any,
    "Message": Message,
    "Index01": Index01,
}
"""What a column's type may be built of, with `list[...]`, `dict[str, ...]`, `Literal[...]`, `|` and nested rows."""

OUTSIDE = ("literal_error", "greater_than", "greater_than_equal", "less_than", "less_than_equal")
"""Pydantic's names for a value of the right type outside its domain."""

INTEGER = re.compile(r"[+-]?[0-9]+")

BOUNDS = {annotated_types.Ge: "ge", annotated_types.Gt: "gt", annotated_types.Le: "le", annotated_types.Lt: "lt"}


def spell_row(row: type[BaseModel]) -> str:
    """The spelling of a row class.

    >>> class Row(RowModel):
    ...     prompt: str
    ...     better: Index01
    ...     score: float | None = Field(None, alias="score-A")
    >>> spell_row(Row)
    "{'prompt': str, 'better': Index01, 'score-A as score?': float | None}"

    Raises:
        DefinitionError: a column has a type that no spelling covers, a default that is not None, or a validator.
    """
    decorators = row.__pydantic_decorators__
    for kind in ("validators", "field_validators", "root_validators", "model_validators", "computed_fields"):
        for name in getattr(decorators, kind):
            raise DefinitionError(
                f"{row.__qualname__}.{name}: a row has columns only; write a filter (register_filter)"
            )
    return "{" + ", ".join(_spell_column(row, name, info) for name, info in row.model_fields.items()) + "}"


def _spell_column(row: type[BaseModel], name: str, info: FieldInfo) -> str:
    place = f"{row.__qualname__}.{name}"
    column = info.validation_alias or info.alias or name
    if not isinstance(column, str) or " as " in column or column.endswith("?"):
        raise DefinitionError(
            f"{place}: a column's name is one text without ' as ' and '?' at its end, got {column!r}"
        )
    if not info.is_required() and info.get_default(call_default_factory=True, validated_data={}) is not None:
        raise DefinitionError(f"{place}: the only default a column may have is None; another would invent data")
    key = (column if column == name else f"{column} as {name}") + ("" if info.is_required() else "?")
    return f"{key!r}: {_spell(info.annotation, tuple(info.metadata), place)}"


def _spell(annotation: Any, metadata: tuple[Any, ...], place: str) -> str:
    label = next((item for item in metadata if isinstance(item, Label)), None)
    if label and label.name in NAMED_TYPES:
        return label.name
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _spell(args[0], _flat(args[1:]) + metadata, place)
    if annotation in (int, float):
        return f"{annotation.__name__}{_spell_bounds(metadata, place)}"
    if metadata:
        raise DefinitionError(f"{place}: {preview(annotation)} takes no constraint such as {preview(metadata[0])}")
    for name, known in NAMED_TYPES.items():
        if annotation is known:
            return name
    if annotation is None or annotation is type(None):
        return "None"
    if origin is list or origin is dict:
        return f"{origin.__name__}[{', '.join(_spell(arg, (), place) for arg in args)}]"
    if origin in (Union, types.UnionType):
        return " | ".join(_spell(arg, (), place) for arg in args)
    if origin is Literal:
        if not all(isinstance(arg, str) for arg in args):
            raise DefinitionError(f"{place}: Literal holds texts; 1 == True == 1.0, so numbers need Index01 or bounds")
        return f"Literal[{', '.join(map(repr, args))}]"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return spell_row(annotation)
    raise DefinitionError(
        f"{place}: a column cannot have the type {annotation!r}. Types are {', '.join(NAMED_TYPES)}, list, dict,"
        " Literal, '|' and nested rows"
    )


def _flat(metadata: Iterable[Any]) -> tuple[Any, ...]:
    """The metadata with pydantic's `Field(...)` opened into its parts."""
    flat: list[Any] = []
    for item in metadata:
        flat += item.metadata if isinstance(item, FieldInfo) else [item]
    return tuple(flat)


def _spell_bounds(metadata: tuple[Any, ...], place: str = "") -> str:
    bounds = []
    for item in metadata:
        if type(item) in BOUNDS:
            name = BOUNDS[type(item)]
            bounds.append(f"{name}={getattr(item, name)!r}")
        elif item != Strict():
            raise DefinitionError(f"{place}: numbers are bounded by ge, gt, le and lt; got {preview(item)}")
    return f"({', '.join(bounds)})" if bounds else ""


@lru_cache(maxsize=1024)
def read_row_type(spelling: str) -> type[RowModel]:
    """The row class that a spelling describes; the inverse of `spell_row`.

    Raises:
        DefinitionError: the text is no spelling.
    """
    try:
        tree = ast.parse(spelling, mode="eval").body
        model = _read_type(tree, spelling)
    except (SyntaxError, ValueError, TypeError, RecursionError) as error:
        raise DefinitionError(f"{preview(spelling)} spells no row type: {one_line(str(error), 200)}") from error
    if not (isinstance(model, type) and issubclass(model, RowModel)):
        raise DefinitionError(f"{preview(spelling)} spells a type, but not a row's")
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
            choices = [ast.literal_eval(one) for one in (item.elts if isinstance(item, ast.Tuple) else [item])]
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
    raise DefinitionError(f"{preview(ast.unparse(node))} in {preview(spelling)} spells no type")


def _read_columns(keys: list[Any], values: list[ast.expr], spelling: str) -> type[RowModel]:
    columns: dict[str, Any] = {}
    seen: set[str] = set()
    for key, value in zip(keys, values, strict=True):
        column, _, name = str(key).removesuffix("?").partition(" as ")
        name = name or column
        taken = name in columns or column in seen or name.startswith("_") or name in vars(BaseModel)
        if not isinstance(key, str) or not name.isidentifier() or taken or name == "model_config":
            raise DefinitionError(f"{preview(key)} in {preview(spelling)} is no name for a column, or is there twice")
        columns[name] = (_read_type(value, spelling), Field(None if key.endswith("?") else ..., alias=column))
        seen.add(column)
    return create_model("Row", __base__=RowModel, **columns)


class Reader:
    """Checks the cells that one format reads, and no others.

    Args:
        model: the whole row type.
        names: the Python names of the columns to read.
    """

    def __init__(self, model: type[RowModel], names: Iterable[str]) -> None:
        wanted = set(names)
        infos = {name: info for name, info in model.model_fields.items() if name in wanted}
        columns: dict[str, Any] = {name: (info.annotation, info) for name, info in infos.items()}
        self.model = create_model("Row", __base__=RowModel, **columns)
        self.columns = {name: info.alias or name for name, info in infos.items()}
        self._domains = {self.columns[name]: _domain(info) for name, info in infos.items()}

    def check_columns(self, columns: Iterable[str]) -> None:
        """Refuse columns among which one that must be there is missing.

        Raises:
            RowError: `missing_field`, with the nearest column.
        """
        there = list(columns)
        for name, column in self.columns.items():
            if column not in there and self.model.model_fields[name].is_required():
                raise missing(column, there)

    def read(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The checked cells by Python name.

        Raises:
            RowError: a cell is missing or null, has the wrong type, or is a label outside its domain.
        """
        if not isinstance(row, Mapping):
            raise RowError(
                f"a row is a mapping of columns to cells, got {preview(row)}", code=Code.WRONG_TYPE, value=row
            )
        cells = {column: row[column] for column in self.columns.values() if column in row}
        try:
            model = self.model.model_validate(cells)
        except ValidationError as error:
            raise self._row_error(error, row, cells) from None
        except RecursionError:
            raise RowError("a cell is nested too deeply", code=Code.TOO_DEEP) from None
        values = {name: getattr(model, name) for name in self.columns}
        for name, value in values.items():
            _refuse_unreadable(value, self.columns[name])
        return values

    def read_traced(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The same, with every text traced to its cell."""
        return {name: traced(value, self.columns[name]) for name, value in self.read(row).items()}

    def _row_error(self, error: ValidationError, row: Mapping[str, Any], cells: dict[str, Any]) -> RowError:
        detail = error.errors(include_url=False)[0]
        path, value = _walk(detail["loc"], cells)
        if detail["type"] == "missing":
            return missing(_below(path, detail["loc"][-1]), () if path else map(str, row))
        column = path.split("[")[0].split(".")[0]
        if value is None:
            return RowError("is null", code=Code.MISSING_FIELD, column=path)
        domain = self._domains.get(column)
        if domain and column == path:
            return RowError(f"expected {domain}, got {preview(value)}", code=Code.BAD_LABEL, column=path, value=value)
        code = Code.BAD_LABEL if detail["type"] in OUTSIDE else Code.WRONG_TYPE
        wanted = detail["msg"].removeprefix("Input should be ").replace("a valid string", "text")
        return RowError(f"expected {wanted}, got {preview(value)}", code=code, column=path, value=value)


MAX_DEPTH = 250
"""How deeply a cell may be nested; deeper ones could not be walked through."""


def _refuse_unreadable(value: Any, path: str, depth: int = 0) -> None:
    """Refuse texts with lone surrogates, as keys too, and values that are nested too deeply."""
    if depth > MAX_DEPTH:
        raise RowError(f"is nested more than {MAX_DEPTH} deep", code=Code.TOO_DEEP, column=path.split("[")[0])
    for text in value if isinstance(value, Mapping) else (value,):
        if isinstance(text, str) and not text.isascii() and _has_surrogate(text):
            raise RowError(
                "holds a lone surrogate, which is no character", code=Code.BAD_TEXT, column=path, value=text
            )
    for item, place in inside(value, path):
        _refuse_unreadable(item, place, depth + 1)


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _domain(info: FieldInfo) -> str | None:
    """The domain of a label in words; None where the type has none."""
    for item in info.metadata:
        if isinstance(item, Label):
            return item.domain
    if get_origin(info.annotation) is Literal:
        return " or ".join(repr(choice) for choice in get_args(info.annotation))
    bounds = _spell_bounds(tuple(info.metadata))
    return f"{getattr(info.annotation, '__name__', '')}{bounds}" if bounds else None


def _walk(location: tuple[int | str, ...], cells: Any) -> tuple[str, Any]:
    """The path of a pydantic error's location in the data, and the value there.

    A location also names the arms of unions and the keys of mappings, which are no places in the data.
    """
    if "[key]" in location:  # what is wrong is a key of the mapping before it
        location = location[: location.index("[key]") - 1]
    path, value = "", cells
    for step in location:
        if isinstance(step, int) and isinstance(value, list | tuple) and step < len(value):
            path, value = f"{path}[{step}]", value[step]
        elif isinstance(value, Mapping) and step in value:
            path, value = _below(path, step), value[step]
    return path, value


def _below(path: str, step: int | str) -> str:
    return f"{path}.{step}" if path else str(step)


def cell_parsers(model: type[RowModel]) -> dict[str, Callable[[str], Any]]:
    """For each column that is not text: how a cell written as text, as in a CSV, becomes a value of its type.

    A text that spells no such value is left as it is, so that the check refuses it with what it had.

    >>> parsers = cell_parsers(read_row_type("{'prompt': str, 'label': Index01, 'scores': list[int]}"))
    >>> parsers["label"]("1"), parsers["label"]("1.0"), parsers["scores"]("[1, 2]")
    (1, '1.0', [1, 2])
    """
    parsers = {info.alias or name: _cell_parser(info.annotation) for name, info in model.model_fields.items()}
    return {column: parser for column, parser in parsers.items() if parser is not None}


def _cell_parser(annotation: Any) -> Callable[[str], Any] | None:
    if get_origin(annotation) in (Union, types.UnionType):
        arms = [arm for arm in get_args(annotation) if arm is not type(None)]
        inner = _cell_parser(arms[0]) if len(arms) == 1 else _spelled_as(json.loads)
        return lambda text: None if text == "" else inner(text) if inner else text
    if annotation is str or get_origin(annotation) is Literal:
        return None
    if annotation is int:
        return _spelled_as(lambda text: int(text) if INTEGER.fullmatch(text) else text)
    if annotation is float:
        return _spelled_as(float)
    if annotation is bool:
        return lambda text: {"true": True, "false": False}.get(text.lower(), text)
    return _spelled_as(json.loads)


def _spelled_as(read: Callable[[str], Any]) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            return read(text)
        except (ValueError, RecursionError):
            return text

    return parse
