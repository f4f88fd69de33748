"""Result columns: the keys of a dialect, filled with the columns of a sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from preftemplates.core.messages import ROLES
from preftemplates.data.columnar.arrays import to_arrow, to_arrow_texts, to_scalar
from preftemplates.data.columnar.column_texts import UntraceableError
from preftemplates.data.columnar.turns import PartTurns, concat_turns
from preftemplates.dialects.table import (
    DefaultedField,
    FixedValue,
    LabelField,
    MediaField,
    ObjectShape,
    ResultShape,
    SampleField,
    ToolsField,
    iter_sample_fields,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from preftemplates.dialects.message_views import MessageKeys

_VIEWS = ("messages", "flat_messages", "message", "content")
"""The layouts of messages that columns can hold."""


@dataclass(frozen=True)
class SampleColumns:
    """The samples of some rows, as columns.

    Attributes:
        count: the number of samples.
        parts: the messages of the prompt and of each response, by name.
        labels: each label by name: a column, one value for all samples, or None.
        write: returns the texts of a part, with or without the prompt; not called if a shape has no text.
    """

    count: int
    parts: Mapping[str, PartTurns]
    labels: Mapping[str, Any]
    write: Callable[[str, bool], pa.Array]


def check_shape_is_columnar(shape: ObjectShape, json_messages: bool) -> None:
    """Raise an error for a shape of results that must be filled row by row.

    Args:
        shape: the value of each key.
        json_messages: whether messages are JSON text.

    Raises:
        UntraceableError: with the reason.
    """
    for _, inner in shape.fields:
        if not isinstance(inner, SampleField | DefaultedField | FixedValue):
            raise UntraceableError("the dialect nests its keys")
    for field in iter_sample_fields(shape):
        if isinstance(field, MediaField):
            raise UntraceableError("the results have a key for media")
        if not isinstance(field, ToolsField | LabelField) and field.view and field.view not in _VIEWS:
            raise UntraceableError(f"the dialect uses the view {field.view} of messages")
        if json_messages and field.view in _VIEWS[:-1]:
            raise UntraceableError("messages are JSON text")


def list_single_parts(shape: ObjectShape) -> list[tuple[str, bool]]:
    """Return the parts of which results hold exactly one message, and whether the prompt's messages count too."""
    fields = iter_sample_fields(shape)
    return [(field.name, field.with_prompt) for field in fields if field.view in ("message", "content")]


def list_text_fields(shape: ObjectShape) -> list[tuple[str, bool]]:
    """Return the parts that are text in a style, and whether the prompt is included."""
    return [(field.name, field.with_prompt) for field in iter_sample_fields(shape) if field.needs_text]


def fill_columns(shape: ObjectShape, schema: pa.Schema, keys: MessageKeys, sample: SampleColumns) -> list[pa.Array]:
    """Return the columns of the results.

    Args:
        shape: the value of each key.
        schema: the schema of the results.
        keys: the dialect's keys of messages.
        sample: the samples.
    """
    shapes = dict(shape.fields)
    return [_fill_column(shapes[field.name], field.type, keys, sample) for field in schema]


def _fill_column(shape: ResultShape, kind: pa.DataType, keys: MessageKeys, sample: SampleColumns) -> pa.Array:
    if isinstance(shape, FixedValue):
        return _repeat(shape.value, sample.count, kind)
    if isinstance(shape, DefaultedField):
        label = sample.labels.get(shape.field.name)
        return _repeat(shape.default.value if label is None else label, sample.count, kind)
    if isinstance(shape, ToolsField | LabelField):
        return _repeat(sample.labels.get(shape.name), sample.count, kind)
    assert isinstance(shape, SampleField)
    if not shape.view:
        return sample.write(shape.name, shape.with_prompt).cast(kind)
    names = ("prompt", shape.name) if shape.with_prompt else (shape.name,)
    turns = concat_turns([sample.parts[name] for name in names]).compact()
    if shape.view == "content":
        return turns.contents
    spelled = _spell_messages(turns, kind if shape.view == "message" else kind.value_type, keys)
    if shape.view == "message":
        return spelled
    borders = np.append(turns.starts, len(turns.roles)).astype(np.int32)
    return pa.ListArray.from_arrays(to_arrow(borders), spelled)


def _repeat(value: Any, count: int, kind: pa.DataType) -> pa.Array:
    """Return a column as it is, or a column with one repeated value."""
    if isinstance(value, pa.Array):
        return value.cast(kind)
    return pa.repeat(to_scalar(value, kind), count)


def _spell_messages(turns: PartTurns, kind: pa.DataType, keys: MessageKeys) -> pa.Array:
    """Return messages in the dialect's spelling, all in one column."""
    names = dict(keys.roles)
    roles = to_arrow_texts([names.get(role, role) for role in ROLES]).take(to_arrow(turns.roles))
    columns = {keys.role: roles, keys.content: turns.contents}
    count = len(turns.roles)
    fields = [kind.field(index) for index in range(kind.num_fields)]
    return pa.StructArray.from_arrays(
        [columns.get(field.name, pa.nulls(count, field.type)) for field in fields], fields=fields
    )


def find_unspelled_roles(keys: MessageKeys, roles: Sequence[str]) -> set[str]:
    """Return the roles for which a dialect has no name."""
    return {role for role in roles if keys.only and role not in dict(keys.roles)}
