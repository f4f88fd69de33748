"""Group rows that belong together, such as the rated answers to one prompt, into one row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from preftemplates.core.digest import short_digest
from preftemplates.data.reading import Record, RowSource
from preftemplates.errors import RowError, missing_column_error

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class GroupedSource(RowSource):
    """A source whose rows are groups.

    Attributes:
        column: the column whose values are equal within a group.
        ungrouped: how many rows of the file were read so far.
    """

    column: str = ""
    ungrouped: int = 0


def group_rows(source: RowSource, column: str) -> GroupedSource:
    """Group rows by the values of a column, wherever they are in the source; read and hold all of it first.

    A group is a row with two columns, `column` and `rows`, which holds the original rows in order. Groups are in the
    order of their first rows and have the numbers and lines of these. A row that lacks the column or could not be read
    belongs to no group and becomes an error of its own.

    Example:
        >>> records = [Record(n, None, {"prompt": "ab"[n % 2], "score": n}) for n in range(3)]
        >>> for record in group_rows(RowSource("mine", iter(records), lambda: None), "prompt"):
        ...     print(record.row, record.cells)
        0 {'prompt': 'a', 'rows': [{'prompt': 'a', 'score': 0}, {'prompt': 'a', 'score': 2}]}
        1 {'prompt': 'b', 'rows': [{'prompt': 'b', 'score': 1}]}
    """
    grouped = GroupedSource(source.name, iter(()), source.fraction, column)
    grouped.records = _read_groups(source, grouped)
    return grouped


def _read_groups(source: RowSource, grouped: GroupedSource) -> Iterator[Record]:
    column, groups, records = grouped.column, dict[bytes, list[object]](), list[Record]()
    for record in source:
        grouped.ungrouped += 1
        if isinstance(record.cells, RowError):
            records.append(record)
        elif column not in record.cells:
            records.append(record._replace(cells=missing_column_error(column, record.cells)))
        else:
            key = short_digest(record.cells[column])
            if key not in groups:
                groups[key] = []
                records.append(record._replace(cells={column: record.cells[column], "rows": groups[key]}))
            groups[key].append(record.cells)
    yield from records
