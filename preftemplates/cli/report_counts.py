"""Print what several subcommands report of rows: how they are grouped, and what is wrong with some of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rich.text import Text

from preftemplates.errors import make_visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from preftemplates.data.convert import RowIssue
    from preftemplates.data.grouping import GroupedSource
    from preftemplates.data.unread import UnreadCounts

_COLUMN = re.compile(r"column '[^']*'")
_MAX_COLUMNS = 3
"""So many columns are named for each code."""


def print_group_counts(source: GroupedSource, groups: int, console: Console) -> None:
    """Print how many rows became how many, which are counted from then on."""
    counts = f"{source.ungrouped:,} rows grouped by {source.column!r} into {groups:,}"
    console.print(Text(f"{counts}, each with its first row's number"))


def print_unread(unread: UnreadCounts, console: Console) -> None:
    """Print in one line what the template does not read of the rows; nothing where it reads all."""
    line = unread.describe()
    if line is not None:
        style = "yellow" if unread.content_rows else "dim"
        console.print(Text(f"  {make_visible(line)}", style), soft_wrap=True)


def describe_issues(issues: Sequence[RowIssue]) -> str:
    """Return what is wrong with rows of one code: a line for each column that is affected, from the first such row."""
    by_column: dict[str, RowIssue] = {}
    for issue in issues:
        match = _COLUMN.match(issue.message)
        by_column.setdefault(re.sub(r"\[\d+\]", "[]", match[0]) if match else "", issue)
    if len(by_column) == 1:
        return issues[0].message
    lines = [f"row {issue.row}: {issue.message}" for issue in list(by_column.values())[:_MAX_COLUMNS]]
    more = len(by_column) - _MAX_COLUMNS
    return "\n".join([*lines, f"and {more} more columns: --report"] if more > 0 else lines)
