"""Frames: tables of other libraries as Arrow tables, and back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pyarrow as pa

from preftemplates.errors import DefinitionError, one_line

Restore = Callable[[pa.Table], Any]
"""Makes of a table what the batch was."""

_HINTS = {
    ("polars", "LazyFrame"): "call collect() first",
    ("polars", "Series"): "give the frame, whose columns have names",
    ("builtins", "dict"): 'use dataset.with_format("arrow").map(formatter, batched=True)',
    ("builtins", "list"): "pa.Table.from_pylist(rows) makes a table of rows",
    ("datasets", "Dataset"): 'use dataset.with_format("arrow").map(formatter, batched=True)',
    ("datasets", "DatasetDict"): 'use dataset.with_format("arrow").map(formatter, batched=True)',
    ("datasets", "IterableDataset"): 'use dataset.with_format("arrow").map(formatter, batched=True)',
    ("datasets", "LazyBatch"): 'use dataset.with_format("arrow").map(formatter, batched=True)',
    ("duckdb", "DuckDBPyRelation"): "give its .to_arrow_table()",
    ("pyspark", "DataFrame"): "use frame.mapInArrow(lambda batches: map(formatter, batches), schema)",
    ("ray", "Dataset"): 'use dataset.map_batches(formatter, batch_format="pyarrow")',
}
"""What to do with a batch of another kind, by its library and the name of its class."""


def read_frame(frame: Any) -> tuple[pa.Table, Restore]:
    """Return a DataFrame of Polars or pandas as a table, and the function that makes such a frame of a table.

    >>> import pandas
    >>> table, restore = read_frame(pandas.DataFrame({"prompt": ["Hi"]}))
    >>> table.column_names, type(restore(table)).__name__
    (['prompt'], 'DataFrame')

    Raises:
        DefinitionError: it is neither; the message says what to do.
    """
    library, name = type(frame).__module__, type(frame).__name__
    if name == "DataFrame" and library.startswith("polars"):
        return frame.to_arrow(), _make_polars_frame
    if name == "DataFrame" and library.startswith("pandas"):
        return _read_pandas(frame), partial(_make_pandas_frame, frame.index)
    hint = next((hint for (owner, kind), hint in _HINTS.items() if kind == name and library.startswith(owner)), "")
    end = f"; {hint}" if hint else ""
    raise DefinitionError(
        f"expected a RecordBatch or Table of Arrow, or a DataFrame of Polars or pandas, got {name}{end}"
    )


def _read_pandas(frame: Any) -> pa.Table:
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, ValueError, OverflowError) as error:
        raise DefinitionError(f"Arrow has no place for this DataFrame: {one_line(str(error), 200)}") from error


def _make_pandas_frame(index: Any, table: pa.Table) -> Any:
    """A table as a DataFrame, with the index of the one that it was made of where there are as many rows."""
    frame = table.to_pandas()
    return frame.set_axis(index) if len(index) == len(frame) else frame


def _make_polars_frame(table: pa.Table) -> Any:
    import polars

    return polars.from_arrow(table)
