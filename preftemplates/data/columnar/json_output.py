"""Write results as lines of JSON, a batch at once, with the same text as the standard library."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from preftemplates.data.arrow import may_lack

if TYPE_CHECKING:
    from collections.abc import Sequence

try:
    import orjson
except ImportError:  # it is installed with the extra `arrow`
    orjson = None  # type: ignore[assignment]


def write_json_lines(batch: pa.RecordBatch) -> list[bytes]:
    r"""Return each result as JSON with a line end, without null keys that results may lack.

    >>> write_json_lines(pa.RecordBatch.from_pylist([{"text": "Hi", "score": 1.0}]))
    [b'{"text": "Hi", "score": 1.0}\n']
    """
    names = [field.name for field in batch.schema if not (may_lack(field) and batch.column(field.name).null_count)]
    columns = [_write_column(batch.column(name)) for name in names]
    row = b"{" + b", ".join(b"%s: %%b" % _escape_percent(json.dumps(name).encode()) for name in names) + b"}\n"
    return [row % values for values in zip(*columns, strict=True)]


def _escape_percent(text: bytes) -> bytes:
    return text.replace(b"%", b"%%")


def _write_column(column: pa.Array) -> list[bytes]:
    """Return the values of a column as JSON."""
    kind = column.type
    if pa.types.is_string(kind) and not column.null_count:
        return _write_texts(column)
    if pa.types.is_list(kind) and pa.types.is_struct(kind.value_type):
        return _write_lists(column)
    if pa.types.is_struct(kind):
        return _write_messages(column)
    return [json.dumps(value, ensure_ascii=False).encode() for value in column.to_pylist()]


def _write_texts(column: pa.Array) -> list[bytes]:
    if orjson is None:
        return [json.dumps(text, ensure_ascii=False).encode() for text in column.to_pylist()]
    return list(map(orjson.dumps, column.to_pylist()))


def _write_messages(messages: pa.Array) -> list[bytes]:
    """Return messages as JSON, without the fields for tool calls, which are null in all of them."""
    fields = [field for field in messages.type if messages.field(field.name).null_count < len(messages)]
    columns = [_write_message_field(messages.field(field.name)) for field in fields]
    row = b"{" + b", ".join(b"%s: %%b" % _escape_percent(json.dumps(field.name).encode()) for field in fields) + b"}"
    return [row % values for values in zip(*columns, strict=True)]


def _write_message_field(column: pa.Array) -> list[bytes]:
    """Return the values of a key of messages as JSON; each of a few roles is written only once."""
    encoded = column.dictionary_encode()
    if len(encoded.dictionary) > _FEW:
        return _write_texts(column)
    written = _write_texts(encoded.dictionary)
    return [written[index] for index in encoded.indices.to_pylist()]


_FEW = 16
"""The most different values that are each written only once."""


def _write_lists(column: pa.Array) -> list[bytes]:
    """Return lists of messages as JSON."""
    messages: Sequence[bytes] = _write_messages(column.flatten())
    lists, at = list[bytes](), 0
    for count in pc.list_value_length(column).to_pylist():
        lists.append(b"[" + b", ".join(messages[at : at + count]) + b"]")
        at += count
    return lists
