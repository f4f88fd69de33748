"""Templates without code: the declaration of a template in a YAML file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

from preftemplates.core.containers import list_strings
from preftemplates.core.messages import ROLES
from preftemplates.core.samples import SAMPLE_TYPES, Sample, list_formats
from preftemplates.core.yaml_files import Document, KeyPath, read_yaml
from preftemplates.errors import DefinitionError, FileError, PrefTemplatesError, did_you_mean, preview
from preftemplates.templates.declaration import Ties
from preftemplates.templates.expression_environment import FILE_LIMITS
from preftemplates.templates.expressions import Field
from preftemplates.templates.row_types import NAMED_TYPES, RowModel, read_row_type
from preftemplates.templates.turns import messages
from preftemplates.templates.untrusted_fields import check_fields

T = TypeVar("T")

_FACT_KEYS = ("dataset", "licence", "verified", "ignored", "tie", "ties", "each", "example")
"""The facts that a file may declare next to its name, row and samples, as in a class."""

MAX_DECLARED_COLUMNS = 1_000
"""The most columns of a row, including the keys of objects in it; each becomes a field of a class."""

MAX_TYPE_CHARACTERS = 2_000
"""The most characters in the type of a column: Python's parser recurses once per bracket."""

_KEYS = ("name", "summary", "style", "dialect", "row", *_FACT_KEYS)


def read_template(path: str | Path, base: type[T]) -> T:
    """Return the template that a YAML file declares.

    Args:
        path: a file with the keys of a template's class: `row` with a type for each column, and a sample for each
            dataset type; also `name` (by default that of the file), `style` and `dialect`.
        base: the class `Template`.

    Raises:
        FileError: the file cannot be read, or a key is unknown or occurs twice; the error has the line.
        DefinitionError: the declaration would be invalid in a class as well; the error has the line.
        UnknownNameError: there is no such style or dialect.
    """
    document = read_yaml(path)
    data = document.data
    if data is None:
        raise FileError("the file is empty; declare a name, a row and a dataset type", file=document.path)
    if not isinstance(data, Mapping):
        raise FileError(f"expected the keys of a template, got {preview(data)}", file=document.path)
    for key in data:
        if key not in (*_KEYS, *list_formats()):
            raise _file_error(document, (key,), f"unknown key {preview(key)}", [*_KEYS, *list_formats()])
    name = str(data.get("name", Path(path).stem))
    body: dict[str, Any] = {key: data[key] for key in _FACT_KEYS if key in data}
    body["Row"] = _read_row(document)
    for part in ("each", "tie", *list_formats()):
        check_fields(document, (part,), data.get(part))
    for format in list_formats():
        if format in data:
            body[format] = _read_sample(document, format)
    if "summary" in data:
        body["__doc__"] = str(data["summary"])
    return _declare(document, name, body, base)


def _declare(document: Document, name: str, body: dict[str, Any], base: type[T]) -> T:
    names = {key: document.data[key] for key in ("style", "dialect") if key in document.data}
    place: KeyPath = ()
    try:
        cls: Any = type("Template", (base,), {"__module__": __name__, "limits": FILE_LIMITS, **body})
        cls.name = name
        template = cls()
        for key, part_name in names.items():
            place = (key,)
            template = template.with_style(part_name) if key == "style" else template.with_dialect(part_name)
        return cast("T", template)
    except PrefTemplatesError as error:
        places = [
            (*place, part) for *place, part in document.lines if _begins_with_place(error.message, (*place, part))
        ]
        line = document.line(max(places, key=len, default=place))
        raise type(error)(error.message.removeprefix("Template."), file=document.path, line=line) from error


def _begins_with_place(message: str, place: KeyPath) -> bool:
    """Return whether an error's message begins with a place."""
    path = "Template." + ".".join(map(str, place))
    return message.startswith((path + ":", path + " ", path + "."))


def _file_error(document: Document, place: KeyPath, message: str, names: Any = ()) -> FileError:
    guess = did_you_mean(str(place[-1]), names) if names else ""
    return FileError(f"{message}.{guess}" if guess else message, file=document.path, line=document.line(place))


def _read_row(document: Document) -> type[RowModel]:
    """Return the row type; the type of each column is spelled as in `preftemplates.templates.row_types.spell_row`."""
    row = document.data.get("row")
    if row is None:
        raise _file_error(
            document, (), f"row is missing; declare the columns and their types: {_propose_row(document)}"
        )
    if not isinstance(row, Mapping) or not row:
        raise _file_error(document, ("row",), f"row: expected columns and their types, got {preview(row)}")
    count = _count_columns(row)
    if count > MAX_DECLARED_COLUMNS:
        raise _file_error(document, ("row",), f"row: {count:,} columns; {MAX_DECLARED_COLUMNS:,} are allowed")
    spelled = _spell_columns(document, ("row",), row)
    try:
        return read_row_type(spelled)
    except DefinitionError as error:
        raise _file_error(document, ("row",), error.message) from error


def _count_columns(kind: Any) -> int:
    """Return the number of columns of a row, including the keys of objects in it."""
    if isinstance(kind, Mapping):
        return len(kind) + sum(map(_count_columns, kind.values()))
    return sum(map(_count_columns, kind)) if isinstance(kind, list) else 0


def _propose_row(document: Document) -> str:
    """Return a row type for the names that the samples of a file read."""
    names: dict[str, None] = {}
    for text in (text for format in list_formats() for text in list_strings(document.data.get(format))):
        try:
            names |= dict.fromkeys(sorted(Field(text, limits=FILE_LIMITS).names))
        except DefinitionError:
            continue
    return "row: {" + ", ".join(f"{name}: str" for name in names or ["prompt"]) + "}"


def _spell_columns(document: Document, place: KeyPath, columns: Mapping[Any, Any]) -> str:
    parts = []
    for column, kind in columns.items():
        at = (*place, str(column))
        spelled = _spell_type(document, at, kind) if isinstance(column, str) else None
        if spelled is None:
            raise _file_error(document, at, f"expected the type of column {preview(column)}, got {preview(kind)}")
        try:
            row = read_row_type(f"{{{column!r}: {spelled}}}")
        except DefinitionError as error:
            raise _type_error(document, at, kind) from error
        if len(row.model_fields) != 1:
            raise _type_error(document, at, kind)
        parts.append(f"{column!r}: {spelled}")
    return "{" + ", ".join(parts) + "}"


def _spell_type(document: Document, place: KeyPath, kind: Any) -> str | None:
    """Return the spelling of a column's type: a mapping is an object, a list of one type a list; None otherwise."""
    if isinstance(kind, Mapping):
        return _spell_columns(document, place, kind)
    if isinstance(kind, list) and len(kind) == 1:
        inner = _spell_type(document, place, kind[0])
        return inner and f"list[{inner}]"
    if not isinstance(kind, str):
        return None
    if len(kind) > MAX_TYPE_CHARACTERS:
        message = f"the type of column {preview(place[-1])} has {len(kind):,} characters"
        raise _file_error(document, place, f"{message}; {MAX_TYPE_CHARACTERS:,} are allowed")
    return _TYPES_OF_DATASETS.get(kind, kind)


_TYPES_OF_DATASETS = {
    "string": "str", "large_string": "str", "boolean": "bool", "double": "float",
    **{f"{sign}int{bits}": "int" for sign in ("", "u") for bits in (8, 16, 32, 64)},
    **{f"float{bits}": "float" for bits in (16, 32, 64)},
}  # fmt: skip
"""Our types by the names that `datasets` and Arrow use."""


def _type_error(document: Document, place: KeyPath, kind: Any) -> FileError:
    column = str(place[-1])
    if not column.rpartition(" as ")[2].removesuffix("?").isidentifier():
        name = re.sub(r"\W", "_", column.removesuffix("?"))
        spelled = f"{column.removesuffix('?')} as {name if name.isidentifier() else f'column_{name}'}"
        message = f"expressions cannot use the name of the column {preview(column)}; rename it: {spelled!r}: {kind}"
        return _file_error(document, place, message)
    guess = did_you_mean(kind, NAMED_TYPES) if isinstance(kind, str) else ""
    message = f"column {preview(place[-1])} has an unknown type {preview(kind)}"
    if isinstance(kind, str) and "Literal[" in kind:
        message, guess = f"{message}; Literal may have only texts; declare a number as int(ge=1, le=2) or Index12", ""
    elif isinstance(kind, str) and _BARE_CONTAINER.search(kind):
        message, guess = (
            f"{message}; write list[dict[str, Any]] for a list of objects, list[Message] for a list of messages",
            "",
        )
    return _file_error(document, place, f"{message}.{guess}" if guess else message)


_BARE_CONTAINER = re.compile(r"\bdict\b(?!\[)|\blist\b(?!\[)")


def _read_sample(document: Document, format: str) -> Sample[Any]:
    sources, kind = document.data[format], SAMPLE_TYPES.get(format)
    if not isinstance(sources, Mapping):
        raise _file_error(document, (format,), f"{format}: expected a prompt and responses, got {preview(sources)}")
    turns = ["prompt", *kind.response_names]
    parts = list(dict.fromkeys([*turns, *kind.prompt_parts, *kind.label_types]))
    for part in sources:
        if part not in parts:
            raise _file_error(document, (format, part), f"{format} has no {preview(part)}", parts)
    fields = {part: _read_field(value) if part in turns else value for part, value in sources.items()}
    try:
        return kind(**fields)
    except TypeError:
        missing = [part for part in parts if part not in sources and not kind.is_optional(part)]
        raise _file_error(document, (format,), f"{format} needs {', '.join(map(repr, missing))}") from None


def _read_field(value: Any) -> Any:
    """Return a field as in a class: a mapping with only `messages` becomes `messages(...)`."""
    if isinstance(value, list):
        return [_read_field(item) for item in value]
    if isinstance(value, Mapping) and list(value) == ["messages"]:
        return messages(value["messages"])
    return value


def make_json_schema() -> dict[str, Any]:
    """Return the JSON Schema of template files, for editors."""
    text = {"type": "string"}
    turn = {
        "anyOf": [
            text,
            {
                "type": "object",
                "required": ["role"],
                "properties": {"role": {"enum": list(ROLES)}, "content": text},
                "additionalProperties": text,
            },
            _closed_object({"messages": text}, required=["messages"]),
        ]
    }
    field = {"anyOf": [{"$ref": "#/$defs/turn"}, {"type": "array", "items": {"$ref": "#/$defs/turn"}}]}
    column = {
        "anyOf": [
            text,
            {"$ref": "#/$defs/columns"},
            {"type": "array", "items": {"$ref": "#/$defs/column"}, "minItems": 1, "maxItems": 1},
        ]
    }
    columns = {"type": "object", "additionalProperties": {"$ref": "#/$defs/column"}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A template of preftemplates",
        "type": "object",
        "required": ["row"],
        "additionalProperties": False,
        "properties": {
            **dict.fromkeys(("name", "summary", "style", "dialect", "dataset", "licence"), text),
            "verified": {"type": "boolean"},
            "ignored": {"type": "array", "items": text},
            "tie": text,
            "ties": {"enum": list(get_args(Ties))},
            "each": {"type": "object", "maxProperties": 1, "additionalProperties": text},
            "example": {"type": "object"},
            "row": {"$ref": "#/$defs/columns"},
            **{name: _make_sample_schema(kind) for name, kind in SAMPLE_TYPES.registered().items()},
        },
        "$defs": {"turn": turn, "field": field, "column": column, "columns": columns},
    }


def _make_sample_schema(kind: type[Sample[Any]]) -> dict[str, Any]:
    parts: dict[str, Any] = {part: {"$ref": "#/$defs/field"} for part in ("prompt", *kind.response_names)}
    others = [name for name in (*kind.prompt_parts, *kind.label_types) if name not in parts]
    parts |= {name: {"type": "string"} for name in others}
    required = [name for name in parts if not kind.is_optional(name)]
    return {
        "description": (kind.__doc__ or "").strip().partition("\n")[0],
        **_closed_object(parts, required),
    }


def _closed_object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    """Return the schema of an object without other keys."""
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}
