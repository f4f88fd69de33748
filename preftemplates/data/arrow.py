"""The Arrow schema of results, and the conversion of results to and from its columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import pyarrow as pa

from preftemplates.core.json_text import write_json
from preftemplates.core.labels import spell_label_type
from preftemplates.core.paths import extend_path, spell_path
from preftemplates.core.samples import SAMPLE_TYPES, Format, Sample
from preftemplates.dialects.media import MEDIA_VIEWS
from preftemplates.dialects.message_views import MESSAGE_VIEWS, MessageKeys
from preftemplates.dialects.table import (
    DefaultedField,
    FixedValue,
    LabelField,
    ListShape,
    MediaField,
    ObjectShape,
    PerResponseShape,
    ResultShape,
    SampleField,
    ToolsField,
    iter_sample_fields,
)
from preftemplates.errors import Code, DefinitionError, RowError, preview

if TYPE_CHECKING:
    from collections.abc import Sequence

    from preftemplates.templates.template import Template


def build_output_schema(template: Template, format: Format, json_messages: bool = False) -> pa.Schema:
    """Return the schema of a template's results, known before the first row: text, or lists of role and content.

    If a template has tools, its messages have calls too, with their arguments as JSON text: as structs, a table would
    give each call the keys of all other calls.

    A custom template is assumed to return the keys of align-anything, from which the names of its methods come.

    Args:
        template: the dataset template.
        format: the format's name.
        json_messages: whether messages are written as JSON text; then everything that they hold has a place.

    Raises:
        UnknownNameError: the template cannot fill the format, or the dialect cannot write it.
    """
    shape, message_keys = template.result_shape(format)
    holds_calls = not template.is_custom and "tools" in template.sample_parts(format)
    shows_media = any(isinstance(field, MediaField) for field in iter_sample_fields(shape))
    types = ArrowTypes(SAMPLE_TYPES.get(format), message_keys, holds_calls, shows_media)
    fields = []
    for key, inner in shape.fields:
        kind = types.convert(inner)
        is_media = isinstance(inner, MediaField)
        text = json_messages and _is_nested(kind) and not is_media  # JSON cannot hold the bytes of an image
        metadata = _IS_MEDIA if is_media else _MAY_LACK if _is_tool_list(inner) else None
        fields.append(pa.field(key, pa.string() if text else kind, metadata=metadata))
    return pa.schema(fields)


_MAY_LACK = {b"preftemplates": b"a result may lack this key"}
"""The metadata of a column whose key some results lack; it is then null."""


def may_lack(field: pa.Field) -> bool:
    """Return whether some results lack the key of a column, which is then null."""
    return bool(field.metadata == _MAY_LACK)


_IS_MEDIA = {b"preftemplates": b"media"}
"""The metadata of a column of media."""

_FILE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
"""An image, as `datasets` stores it: the bytes of its file, or its path."""


def _is_tool_list(shape: ResultShape) -> bool:
    """Return whether a key holds a list of tools, which a table holds as JSON text, and null if there are none."""
    return isinstance(shape, ToolsField) and not shape.is_text


def _is_nested(kind: pa.DataType) -> bool:
    """Return whether a column holds messages, or texts inside another value."""
    return pa.types.is_struct(kind) or (pa.types.is_list(kind) and not pa.types.is_primitive(kind.value_type))


@dataclass(frozen=True)
class ArrowTypes:
    """The Arrow types for the values of a dialect's table."""

    format: type[Sample[Any]]
    message_keys: MessageKeys
    holds_calls: bool = False
    shows_media: bool = False

    def convert(self, shape: ResultShape, in_each: bool = False) -> pa.DataType:
        """Return the Arrow type of a shape."""
        if isinstance(shape, ObjectShape):
            return pa.struct(
                [
                    pa.field(key, self.convert(inner, in_each), metadata=_IS_JSON if _is_tool_list(inner) else None)
                    for key, inner in shape.fields
                ]
            )
        if isinstance(shape, ListShape):
            kinds = [self.convert(inner, in_each) for inner in shape.shapes]
            if any(kind != kinds[0] for kind in kinds):
                raise DefinitionError(
                    "a list in a dialect's table has items of several types, but a list in Arrow has one type"
                )
            return pa.list_(kinds[0])
        if isinstance(shape, PerResponseShape):
            return pa.list_(self.convert(shape.shape, in_each=True))
        if isinstance(shape, DefaultedField):
            return self.convert(shape.field, in_each)
        if isinstance(shape, FixedValue):
            return pa.scalar(shape.value).type
        if isinstance(shape, ToolsField):
            return pa.string()  # tools too, since a column cannot hold parameters of different names
        if isinstance(shape, MediaField):
            view = MEDIA_VIEWS[shape.view]
            kind = _FILE if view.kind == "image" else pa.string()
            return pa.list_(kind) if view.is_list else kind
        listed = shape.name == self.format.several and not in_each
        kind = self._convert_label(shape, in_each) if isinstance(shape, LabelField) else self._convert_view(shape.view)
        return pa.list_(kind) if listed else kind

    def _convert_label(self, field: SampleField, in_each: bool) -> pa.DataType:
        kind = self.format.label_types[field.name]
        # `[{"rank": "ranks"}]` in a dialect's table gives each response its own item of the list
        arrow_type = _convert_label_type(get_args(kind)[0] if in_each and get_origin(kind) is list else kind)
        if arrow_type is None:
            raise DefinitionError(f"Arrow has no single type for the label {field.name}: {spell_label_type(kind)}")
        return arrow_type

    def _convert_view(self, view: str) -> pa.DataType:
        keys, text = self.message_keys, pa.string()
        parts = pa.list_(pa.struct([("type", text), ("text", text)]))
        content = parts if self.shows_media and keys.media == "parts" else text
        message = pa.struct([(keys.role, text), (keys.content, content)])
        if self.holds_calls and view not in _VIEWS_WITHOUT_CALLS and not (keys.only or keys.calls_role):
            message = pa.struct([*message, *(field for field in _CALL_FIELDS if field.name not in keys.dropped)])
        kinds = {"messages": pa.list_(message), "message": message, "text": text, "turns": pa.list_(pa.list_(text))}
        return kinds[MESSAGE_VIEWS[view].kind if view else "text"]


_VIEWS_WITHOUT_CALLS = ("flat_messages", "dialogue", "conversation")
"""The layouts of messages that have no tool calls."""

_IS_JSON = {b"preftemplates": b"JSON text"}
"""The metadata of a field inside a column whose values are written as JSON text."""

_CALL = pa.struct(
    [
        ("id", pa.string()),
        ("type", pa.string()),
        (
            "function",
            pa.struct([("name", pa.string()), pa.field("arguments", pa.string(), metadata=_IS_JSON)]),
        ),
    ]
)

_CALL_FIELDS = [
    pa.field("tool_calls", pa.list_(_CALL)),
    *(pa.field(name, pa.string()) for name in ("tool_call_id", "name", "reasoning_content")),
]
"""The fields of a message in function calling, next to its role and content."""

_LEAF_TYPES = {float: pa.float64(), int: pa.int64(), bool: pa.bool_(), str: pa.string()}


def _convert_label_type(kind: Any) -> pa.DataType | None:
    """Return the Arrow type of a label's type; None if its values have several types."""
    origin, args = get_origin(kind), get_args(kind)
    if origin is Literal:
        return pa.string()
    if origin is list or origin is dict:
        inner = _convert_label_type(args[-1])
        wrap = pa.list_ if origin is list else partial(pa.map_, pa.string())
        return None if inner is None else wrap(inner)
    return _LEAF_TYPES.get(kind)


def check_fits_schema(result: Mapping[str, Any], schema: pa.Schema) -> None:
    """Raise an error for a result that the schema would cut: other keys, or messages with more than role and text.

    Raises:
        RowError: `wrong_type` for keys, `unsupported_content` for messages.
    """
    expected = [field.name for field in schema if field.metadata != _MAY_LACK or field.name in result]
    if list(result) != expected:
        if set(schema.names) <= set(result):
            _check_parts_have_columns(result, schema)
        raise RowError(f"the result has the keys {list(result)}, expected {schema.names}", code=Code.WRONG_TYPE)
    for field in schema:
        if field.metadata == _IS_MEDIA:
            _write_media(result[field.name], field.type)
        elif result.get(field.name) is not None and field.metadata != _MAY_LACK:  # samples without tools may lack it
            _check_value_fits(result[field.name], field.type, spell_path((field.name,)))


def _check_parts_have_columns(result: Mapping[str, Any], schema: pa.Schema) -> None:
    """Raise an error for a row with media, tools or labels that no row had when the table began.

    Raises:
        RowError: `unsupported_content`, with the key.
    """
    others = [key for key in result if key not in schema.names]
    if others:
        raise RowError(
            f"{others[0]}: the table has no column for it; add one with with_columns (convert adds it if one of the"
            " first 1,000 rows has it)",
            code=Code.UNSUPPORTED_CONTENT, value=result[others[0]],
        )  # fmt: skip


def _check_value_fits(value: Any, kind: pa.DataType, path: str) -> None:
    if value is None and pa.types.is_nested(kind):  # `read_results` would take it for a key that is missing
        raise _make_fit_error(path, value)
    if pa.types.is_struct(kind):
        names = [kind.field(index).name for index in range(kind.num_fields)]
        for key in value:
            if key not in names:  # `pa.array` drops keys that a struct type lacks, without an error
                raise _make_fit_error(extend_path(path, key), value[key])
        for key, inner in value.items():
            is_call = inner is None and "tool_calls" in names  # a message that only calls tools has null content
            if not is_call and kind.field(key).metadata != _IS_JSON:
                _check_value_fits(inner, kind.field(key).type, extend_path(path, key))
    elif pa.types.is_list(kind):
        for index, item in enumerate(value):
            _check_value_fits(item, kind.value_type, extend_path(path, index))
    elif pa.types.is_string(kind) and not isinstance(value, str):  # `pa.array` would take bytes as text
        raise _make_fit_error(path, value)


def write_nested_as_json(result: Mapping[str, Any], schema: pa.Schema) -> dict[str, Any]:
    """Return the result with values that are not text as JSON where the schema has text, as for arguments of calls.

    Raises:
        RowError: the table has no column for a key.
    """
    _check_parts_have_columns(result, schema)
    fields = {key: schema.field(key) for key in result}
    return {
        key: _write_media(value, fields[key].type)
        if fields[key].metadata == _IS_MEDIA
        else _write_as(value, fields[key].type, is_json=pa.types.is_string(fields[key].type))
        for key, value in result.items()
    }


def _write_media(value: Any, kind: pa.DataType) -> Any:
    """Return media as their column holds them: images as files, others by path or URL.

    Raises:
        RowError: `unsupported_content` for an object of another library, and for the bytes of a video or of audio.
    """
    if value is None or pa.types.is_list(kind):
        return value if value is None else [_write_media(item, kind.value_type) for item in value]
    if isinstance(value, str):
        return value if pa.types.is_string(kind) else {"bytes": None, "path": value}
    file = {"bytes": value} if isinstance(value, bytes) else value
    if isinstance(file, Mapping) and set(file) <= {"bytes", "path"} and pa.types.is_struct(kind):
        return {"bytes": file.get("bytes"), "path": file.get("path")}
    raise RowError(
        f"a column cannot hold {preview(value)}, expected a path, a URL or, for an image, the bytes of a file",
        code=Code.UNSUPPORTED_CONTENT, value=value,
    )  # fmt: skip


def _write_as(value: Any, kind: pa.DataType, is_json: bool) -> Any:
    if is_json:
        return value if isinstance(value, str | None) else _write_json(value)
    if pa.types.is_list(kind) and isinstance(value, list) and not pa.types.is_primitive(kind.value_type):
        return [_write_as(item, kind.value_type, is_json=False) for item in value]
    if not pa.types.is_struct(kind) or not isinstance(value, dict):
        return value
    fields = {kind.field(index).name: kind.field(index) for index in range(kind.num_fields)}
    return {
        key: _write_as(item, fields[key].type, fields[key].metadata == _IS_JSON) if key in fields else item
        for key, item in value.items()
    }


def _write_json(value: Any) -> str:
    try:
        return write_json(value)
    except (TypeError, ValueError):  # an object of another library, or a value that contains itself
        message = f"JSON cannot hold {preview(value)}"
        raise RowError(message, code=Code.UNSUPPORTED_CONTENT, value=value) from None


def _make_fit_error(path: str, value: Any) -> RowError:
    message = f"{path} does not fit into an Arrow column of text; write messages as JSON text (--json-messages)"
    return RowError(message, code=Code.UNSUPPORTED_CONTENT, value=value)


def read_results(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """Return the rows of a batch as results, without the keys that a result or a message lacks."""
    may_lack = [field.name for field in batch.schema if field.metadata == _MAY_LACK]
    # by default, pyarrow returns a map as a list of pairs
    results: list[dict[str, Any]] = batch.to_pylist(maps_as_pydicts="strict")
    for result in results:
        for name in may_lack:
            if result[name] is None:
                del result[name]
        for name, value in result.items():
            if isinstance(value, dict | list):
                result[name] = _drop_filled_keys(value)
    return results


def _drop_filled_keys(value: Any) -> Any:
    """Return messages without the keys that their column fills with nulls."""
    if isinstance(value, list):
        return [_drop_filled_keys(item) for item in value]
    # a struct has all keys, so in a table with calls each message has `tool_calls: None`
    return {key: item for key, item in value.items() if item is not None} if isinstance(value, dict) else value


def check_column_names(names: Sequence[str]) -> None:
    """Raise an error if two columns of a table have the same name, since one of them would be lost.

    Raises:
        RowError: `duplicate_key`.
    """
    for name, count in Counter(names).items():
        if count > 1:
            raise RowError(f"{count} columns have this name; rename one", code=Code.DUPLICATE_KEY, column=name)
