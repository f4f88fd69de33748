"""What the tests of row types and of rows share: classes and readers made on the spot."""

import math
import types
from typing import Annotated, Any

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


BOUNDED: list[tuple[Any, str, list[Any], list[Any]]] = [
    (Annotated[int, Field(gt=0, lt=5)], "int(gt=0, lt=5)", [1, 4], [0, 5, -1, 6]),
    (Annotated[int, Field(ge=0, lt=5)], "int(ge=0, lt=5)", [0, 4], [-1, 5]),
    (Annotated[int, Field(gt=0, le=5)], "int(gt=0, le=5)", [1, 5], [0, 6]),
    (Annotated[int, Field(gt=-3)], "int(gt=-3)", [-2, 10**30], [-3, -4]),
    (Annotated[int, Field(lt=5)], "int(lt=5)", [4, -(10**30)], [5, 6]),
    (
        Annotated[float, Field(gt=0, lt=1)],
        "float(gt=0, lt=1)",
        [math.nextafter(0, 1), 0.5, math.nextafter(1, 0)],
        [0, 0.0, -0.0, 1, 1.0],
    ),
    (
        Annotated[float, Field(gt=-1.5, le=2.5)],
        "float(gt=-1.5, le=2.5)",
        [math.nextafter(-1.5, 0), 2.5, 2],
        [-1.5, math.nextafter(2.5, 3)],
    ),
    (Annotated[float, Field(lt=0.1)], "float(lt=0.1)", [math.nextafter(0.1, 0), -1e308], [0.1, 1]),
]
"""Types with bounds that are not of the domain: how they are spelled, what they take, and what is outside."""
