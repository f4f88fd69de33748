"""Convert values that other libraries hold to the plain Python values that they stand for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from preftemplates.core.provenance import Traced, plain

_PLAIN_TYPES = frozenset((str, int, float, bool, type(None), dict, list))

_MAX_EXACT = 2**53
"""The largest magnitude up to which a float represents every whole number exactly."""

_MAX_DIMENSIONS = 2
"""An array with more dimensions is a picture or a film, so it stays as it is."""

_MAX_DIGITS = 4300
"""The most digits that a whole number may have: as many as Python converts to a string."""


def unwrap(value: Any) -> Any:
    """Convert a scalar, array, map or record of another library to plain Python, one level deep.

    Scalars and arrays of NumPy, pandas, Polars, PyArrow and PyTorch are supported, and so are Spark rows and decimal
    numbers. The missing-value marks of pandas become None. Dates and times stay as they are, because nobody knows the
    text that they were read from.

    >>> unwrap(Decimal("2")), unwrap(Decimal("2.5"))
    (2, 2.5)
    """
    kind = type(value)
    if kind in _PLAIN_TYPES:
        return value
    if isinstance(value, str):
        return value if isinstance(value, Traced) else plain(value)
    if isinstance(value, Decimal):
        return _convert_decimal(value)
    if kind.__name__ in ("NAType", "NaTType") and kind.__module__.startswith("pandas"):
        return None
    if getattr(getattr(value, "dtype", None), "kind", "") in ("m", "M"):  # NumPy would give integers for these
        return list(value) if getattr(value, "ndim", 0) else value
    if isinstance(value, Mapping | memoryview | type) or getattr(value, "ndim", 0) > _MAX_DIMENSIONS:
        return value
    for method in ("asDict", "as_py", "tolist", "to_list"):
        if hasattr(value, method):
            return _mark_gaps(getattr(value, method)())
    return value


def _mark_gaps(value: Any) -> Any:
    """Return the items of an array with NaN replaced by None, which it stands for in an array of numbers."""
    if not isinstance(value, list):
        return value
    return [None if is_gap(item) else _mark_gaps(item) for item in value]


def _convert_decimal(value: Decimal) -> Any:
    if value.is_nan():
        return None
    if value.is_finite() and value == value.to_integral_value():
        return int(value) if value.adjusted() < _MAX_DIGITS else value
    return float(value)


def is_gap(value: Any) -> bool:
    """Return whether a value is None, or NaN, which stands for None in a table of numbers."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def to_integer(value: Any) -> Any:
    """Convert a whole float to an integer, as far as floats are exact; return any other value unchanged.

    >>> to_integer(7.0), to_integer(7.5), to_integer(1e300), to_integer(True)
    (7, 7.5, 1e+300, True)
    """
    is_whole = type(value) is float and value.is_integer() and abs(value) <= _MAX_EXACT
    return int(value) if is_whole else value


def to_object(value: Any) -> Any:
    """Convert the pairs of a map to a dict: PyArrow gives a map as a list of (string, value) tuples.

    >>> to_object([("city", "Turku")]), to_object([["a", "b"]])
    ({'city': 'Turku'}, [['a', 'b']])
    """
    if not isinstance(value, list) or not value:
        return value
    if not all(type(item) is tuple and len(item) == 2 and isinstance(item[0], str) for item in value):
        return value
    members = dict(value)
    return members if len(members) == len(value) else value


def to_plain(value: Any, *, integers: bool = False) -> Any:
    """Convert JSON-like data from any container to plain Python; nulls stay.

    Args:
        value: the data.
        integers: whether whole floats become integers.

    >>> to_plain({"a": (1.0, Decimal("2")), "b": [("key", None)]})
    {'a': [1.0, 2], 'b': {'key': None}}
    """
    value = unwrap(value)
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, list):
        value = to_object(value)
    if isinstance(value, Mapping):
        return {key: to_plain(item, integers=integers) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item, integers=integers) for item in value]
    return to_integer(value) if integers else value


def list_strings(value: Any) -> Iterator[str]:
    """Yield every string in a JSON-like value, keys included.

    >>> list(list_strings([{"role": "user", "content": ["Hi", 3]}]))
    ['role', 'user', 'content', 'Hi']
    """
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from list_strings(key)
            yield from list_strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from list_strings(item)


def find_repeated(names: Iterable[str]) -> str | None:
    """Return the first name that occurs a second time.

    >>> find_repeated(["dill", "mint", "dill"])
    'dill'
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
