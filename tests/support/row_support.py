"""What the tests of row types and of rows share: classes and readers made on the spot."""

import types
from typing import Any

import pytest
from pydantic import (
    Field,
)

from preftemplates import RowModel
from preftemplates.errors import RowError
from preftemplates.templates.row_types import read_row_type, spell_row
from preftemplates.templates.row_validation import RowValidator


def row_class(**columns: Any) -> type[RowModel]:
    """A Row class with these columns: a type, or a type and a Field."""
    pairs = {name: column if isinstance(column, tuple) else (column,) for name, column in columns.items()}
    body = {name: pair[1] for name, pair in pairs.items() if len(pair) > 1}
    body["__annotations__"] = {name: pair[0] for name, pair in pairs.items()}
    body["__module__"] = __name__
    return types.new_class("Row", (RowModel,), exec_body=lambda namespace: namespace.update(body))


def reader(**columns: Any) -> RowValidator:
    return RowValidator(read_row_type(spell_row(row_class(**columns))), columns)


def refused(row: object, **columns: Any) -> RowError:
    with pytest.raises(RowError) as caught:
        reader(**columns).read(row)
    return caught.value


class Inner(RowModel):
    text: str
    rank: float | None = Field(None, alias="the-rank")
