"""Records as columns: the values that a template reads from some rows, as an Arrow batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_origin

import numpy as np
import pyarrow as pa

from preftemplates.core.messages import Message, has_surrogate
from preftemplates.core.paths import get_row_key
from preftemplates.data.columnar.arrays import to_arrow, to_arrow_texts
from preftemplates.data.columnar.numbers import MAX_EXACT
from preftemplates.data.columnar.row_cells import list_members

if TYPE_CHECKING:
    from preftemplates.data.columnar.kernels import Mask
    from preftemplates.templates.extraction import Extraction

Rows = Sequence[Mapping[str, Any]]


def read_records(extraction: Extraction, rows: Rows) -> tuple[pa.RecordBatch, Mask]:
    """Return the values that a format reads as columns, and the rows with a value that does not fit its column.

    Args:
        extraction: extracts samples from rows.
        rows: the rows.
    """
    odd, names, columns = np.zeros(len(rows), bool), list[str](), list[pa.Array]()
    for name, info in extraction.steps.validator.model.model_fields.items():
        key = get_row_key(name, info)
        values = [row.get(key) for row in rows]
        column, faults = _make_column(list_members(info.annotation), values)
        odd[faults] = True
        names.append(key)
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, names=names), odd


def list_message_columns(extraction: Extraction) -> frozenset[str]:
    """Return the columns of message lists that a format reads."""
    infos = extraction.steps.validator.model.model_fields.items()
    return frozenset(get_row_key(name, info) for name, info in infos if list[Message] in list_members(info.annotation))


def _make_column(members: Sequence[Any], values: list[Any]) -> tuple[pa.Array, list[int]]:
    """Return a column, and the places of the values that do not fit it."""
    first = next((value for value in values if value is not None), None)
    if str in members and isinstance(first, str):
        return _make_texts(values)
    if list[Message] in members and isinstance(first, list):
        return _make_messages(values)
    kinds = [member for member in members if member is not type(None)]
    for fits, kind, accepts in _SCALARS:
        if len(kinds) == 1 and accepts(kinds[0]):
            return _make_scalars(values, fits, kind)
    return pa.nulls(len(values)), [index for index, value in enumerate(values) if value is not None]


_SCALARS: list[tuple[tuple[type, ...], Any, Callable[[Any], bool]]] = [
    ((str,), str, lambda kind: get_origin(kind) is Literal),
    ((bool,), np.bool_, lambda kind: kind is bool),
    ((int,), np.int64, lambda kind: kind is int),
    ((int, float), np.float64, lambda kind: kind is float),
]
"""The types of values that columns hold, the types of these columns, and the declared types that they are for."""


def _make_scalars(values: list[Any], fits: tuple[type, ...], kind: Any) -> tuple[pa.Array, list[int]]:
    faults = [index for index, value in enumerate(values) if value is not None and not _fits(value, fits)]
    for index in faults:
        values[index] = None
    if kind is str:
        column, others = _make_texts(values)
        return column, faults + others
    nulls = np.array([value is None for value in values], bool)
    return to_arrow(np.array([kind(0) if value is None else value for value in values], kind), nulls), faults


def _fits(value: Any, kinds: tuple[type, ...]) -> bool:
    """Return whether a value has one of some types, and no more bits than its column."""
    if type(value) is int:
        return int in kinds and abs(value) < (MAX_EXACT if float in kinds else 2**63)
    return type(value) in kinds


def _make_texts(values: list[Any]) -> tuple[pa.Array, list[int]]:
    faults = [index for index, value in enumerate(values) if type(value) is not str and value is not None]
    for index in faults:
        values[index] = None
    try:
        return to_arrow_texts(values), faults
    except UnicodeEncodeError:
        torn = [index for index, value in enumerate(values) if value is not None and has_surrogate(value)]
        for index in torn:
            values[index] = None
        return to_arrow_texts(values), faults + torn
    except OverflowError:
        return pa.nulls(len(values), pa.string()), list(range(len(values)))


def _make_messages(values: list[Any]) -> tuple[pa.Array, list[int]]:
    """Return a column of message lists; a list with more than roles and texts does not fit."""
    faults = [index for index, value in enumerate(values) if value is not None and not _are_texts(value)]
    for index in faults:
        values[index] = None
    messages = [message for value in values if value for message in value]
    roles, bad_roles = _make_texts([message["role"] for message in messages])
    contents, bad_contents = _make_texts([message["content"] for message in messages])
    counts = np.array([len(value) if value else 0 for value in values], np.int64)
    if bad_roles or bad_contents:  # a lone surrogate
        rows = np.searchsorted(np.cumsum(counts), bad_roles + bad_contents, side="right")
        faults = faults + rows.tolist()
    borders = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    lists = pa.ListArray.from_arrays(
        to_arrow(borders),
        pa.StructArray.from_arrays([roles, contents], names=["role", "content"]),
        mask=to_arrow(np.array([value is None for value in values], bool)),
    )
    return lists, faults


def _are_texts(value: Any) -> bool:
    """Return whether a value is a list of messages with only a role and a text."""
    return type(value) is list and all(
        type(item) is dict and len(item) == 2 and type(item.get("role")) is str and type(item.get("content")) is str
        for item in value
    )
