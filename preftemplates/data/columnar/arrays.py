"""Conversions between Arrow and NumPy arrays that share their buffers.

pyarrow's own conversions import pandas if it is installed, which takes a second of CPU time.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Sequence

_NUMPY_NAMES = {"halffloat": "float16", "float": "float32", "double": "float64"}
"""The names of Arrow types that have another name in NumPy."""

_MAX_BYTES = 2**31 - 1
"""The most bytes of all texts in an array together."""


def to_arrow(values: np.ndarray[Any, Any], mask: np.ndarray[Any, np.dtype[np.bool_]] | None = None) -> pa.Array:
    """Convert numbers or bools to an Arrow array.

    Args:
        values: the values.
        mask: which of them are null.

    >>> to_arrow(np.array([1, 2]), np.array([False, True])).to_pylist(), to_arrow(np.array([True, False])).to_pylist()
    ([1, None], [True, False])
    """
    is_valid = None if mask is None or not mask.any() else _pack_bits(~mask)
    if values.dtype == bool:
        return pa.Array.from_buffers(pa.bool_(), len(values), [is_valid, _pack_bits(values)])
    data = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [is_valid, data])


def to_arrow_texts(values: Sequence[str | None]) -> pa.Array:
    """Convert strings to an Arrow array.

    Raises:
        UnicodeEncodeError: a text has a lone surrogate.
        OverflowError: the texts have more than 2 GiB together.

    >>> to_arrow_texts(["é", None, ""]).to_pylist()
    ['é', None, '']
    """
    nulls = np.array([value is None for value in values], bool)
    return to_arrow_bytes([(value or "").encode() for value in values], nulls).view(pa.string())


def to_arrow_bytes(values: Sequence[bytes], mask: np.ndarray[Any, np.dtype[np.bool_]] | None = None) -> pa.Array:
    """Convert bytes to an Arrow array that is null where the mask is true.

    Raises:
        OverflowError: the values have more than 2 GiB together.
    """
    ends = np.cumsum(np.fromiter(map(len, values), np.int64, len(values)))
    if len(ends) and ends[-1] > _MAX_BYTES:
        raise OverflowError("texts of more than 2 GiB")
    offsets = np.append(0, ends).astype(np.int32)
    is_valid = None if mask is None or not mask.any() else _pack_bits(~mask)
    return pa.Array.from_buffers(
        pa.binary(), len(values), [is_valid, pa.py_buffer(offsets), pa.py_buffer(b"".join(values))]
    )


def _pack_bits(values: np.ndarray[Any, np.dtype[np.bool_]]) -> pa.Buffer:
    return pa.py_buffer(np.packbits(values, bitorder="little"))


@lru_cache(maxsize=256, typed=True)
def to_scalar(value: Any, kind: pa.DataType | None = None) -> pa.Scalar:
    """Convert a string, a number, a bool or None to an Arrow scalar of a type.

    >>> to_scalar("a"), to_scalar(2, pa.float32()).as_py(), to_scalar(None, pa.int8()).is_valid
    (<pyarrow.StringScalar: 'a'>, 2.0, False)
    """
    if value is None:
        return pa.nulls(1, kind)[0]
    scalar = (to_arrow_texts([value]) if isinstance(value, str) else to_arrow(np.array([value])))[0]
    return scalar if kind is None or scalar.type == kind else scalar.cast(kind)


def fill(values: pa.Array, value: bool | int) -> np.ndarray[Any, Any]:
    """Return values with nulls replaced by another value.

    >>> fill(to_arrow(np.array([1, 2]), np.array([False, True])), 0).tolist()
    [1, 0]
    """
    filled = pc.fill_null(values, to_scalar(value, values.type)) if values.null_count else values
    data = filled.buffers()[1] or b""
    if pa.types.is_boolean(filled.type):
        bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
        return bits[filled.offset : filled.offset + len(filled)].astype(bool)
    kind = np.dtype(_NUMPY_NAMES.get(str(filled.type), str(filled.type)))
    return np.frombuffer(data, kind, len(filled), filled.offset * kind.itemsize) if data else np.zeros(0, kind)


def to_mask(answers: pa.Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return bools as a mask in which null counts as false."""
    return fill(answers, False)
