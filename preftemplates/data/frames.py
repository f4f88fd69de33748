"""Convert tables of other libraries to Arrow tables, and back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pyarrow as pa

from preftemplates.errors import DefinitionError, one_line

Restore = Callable[[pa.Table], Any]
"""Converts a table back to the kind of batch that it came from."""

_HINTS = {
    ("polars", "LazyFrame"): "call collect() first",
    ("polars", "Series"): "pass the DataFrame, whose columns have names",
    ("builtins", "dict"): 'use dataset.with_format("arrow").map(formatter, batched=True)',
    ("builtins", "list"): "convert the rows with pa.Table.from_pylist(rows)",
    ("datasets", "Dataset"): 'use dataset.with_format("arrow").map(formatter, batched=True)',
    ("datasets", "DatasetDict"): 'use dataset.with_format("arrow").map(formatter, batched=True)',
    ("datasets", "IterableDataset"): 'use dataset.with_format("arrow").map(formatter, batched=True)',
    ("datasets", "LazyBatch"): 'use dataset.with_format("arrow").map(formatter, batched=True)',
    ("duckdb", "DuckDBPyRelation"): "pass its .to_arrow_table()",
    ("pyspark", "DataFrame"): "use frame.mapInArrow(lambda batches: map(formatter, batches), schema)",
    ("ray", "Dataset"): 'use dataset.map_batches(formatter, batch_format="pyarrow")',
}
"""Advice on other kinds of batches, by library and name of the class."""


def read_frame(frame: Any) -> tuple[pa.Table, Restore]:
    """Convert a DataFrame of Polars or pandas to a table, and return the function that converts a table back.

    >>> import pandas
    >>> table, restore = read_frame(pandas.DataFrame({"prompt": ["Hi"]}))
    >>> table.column_names, type(restore(table)).__name__
    (['prompt'], 'DataFrame')

    Raises:
        DefinitionError: it is another kind of object; the message says what to do.
    """
    library, name = type(frame).__module__, type(frame).__name__
    if name == "DataFrame" and library.startswith("polars"):
        return frame.to_arrow(), _make_polars_frame
    if name == "DataFrame" and library.startswith("pandas"):
        return _read_pandas(frame), partial(_make_pandas_frame, frame.index)
    hint = next((hint for (owner, kind), hint in _HINTS.items() if kind == name and library.startswith(owner)), "")
    end = f"; {hint}" if hint else ""
    raise DefinitionError(f"expected an Arrow RecordBatch or Table, or a Polars or pandas DataFrame, got {name}{end}")


def _read_pandas(frame: Any) -> pa.Table:
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, ValueError, OverflowError) as error:
        raise DefinitionError(f"this DataFrame cannot be converted to Arrow: {one_line(str(error), 200)}") from error


def _make_pandas_frame(index: Any, table: pa.Table) -> Any:
    """Return a table as a DataFrame, with the original index if the number of rows is the same."""
    frame = table.to_pandas()
    return frame.set_axis(index) if len(index) == len(frame) else frame


def _make_polars_frame(table: pa.Table) -> Any:
    import polars

    return polars.from_arrow(table)
