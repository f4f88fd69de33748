"""Print what several subcommands report of rows: how they are grouped, and what is wrong with some of them."""

from __future__ import annotations

import json
import re
from textwrap import indent
from typing import TYPE_CHECKING

from rich.text import Text

from preftemplates.cli.terminal import print_error
from preftemplates.data.issues import IssueLog
from preftemplates.data.near_copies import MAX_PROMPTS
from preftemplates.data.row_rules import MAX_REMEMBERED
from preftemplates.errors import make_visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.console import Console

    from preftemplates.data.convert_report import ConversionReport
    from preftemplates.data.grouping import GroupedSource
    from preftemplates.data.issues import RowIssue
    from preftemplates.data.unread import UnreadCounts

_COLUMN = re.compile(r"column '[^']*'")
_MAX_COLUMNS = 3
"""So many columns are named for each code."""


def print_group_counts(source: GroupedSource, groups: int, console: Console) -> None:
    """Print how many rows became how many, which are counted from then on."""
    counts = f"{source.ungrouped:,} rows grouped by {source.column!r} into {groups:,}"
    console.print(Text(f"{counts}, each with its first row's number"))


def spell_report(report: ConversionReport) -> Iterator[str]:
    """Yield the JSON text of a report piece by piece, since it may list very many rows."""
    separator = "{"
    for name, value in report.list_parts():
        yield f"{separator}\n {json.dumps(name)}: "
        separator = ","
        if isinstance(value, IssueLog):
            issues = (indent(json.dumps(issue._asdict(), ensure_ascii=False, indent=1), "  ") for issue in value)
            yield from _spell_list(issues)
        else:
            yield indent(json.dumps(value, ensure_ascii=False, indent=1), " ").lstrip()
    yield "\n}"


def _spell_list(items: Iterator[str]) -> Iterator[str]:
    separator = "[\n"
    for item in items:
        yield separator + item
        separator = ",\n"
    yield "[]" if separator == "[\n" else "\n ]"


def print_reading(report: ConversionReport, console: Console) -> None:
    """Print what reading changed in tools and arguments, what it left out, and what was not compared."""
    if report.changed:
        changed = ", ".join(f"{count:,} x {name}" for name, count in report.changed.items())
        console.print(Text(f"  changed in tools and arguments: {changed}", "dim"))
    print_unread(report.unread, console)
    if report.unread_test_rows:
        noun = "row" if report.unread_test_rows == 1 else "rows"
        count = f"{report.unread_test_rows:,} {noun} of the test set"
        console.print(Text(f"  not compared: {count}, which the template cannot read", "yellow"))
    if report.forgotten_prompts:
        count = f"{report.forgotten_prompts:,} prompts after the first {MAX_PROMPTS:,}"
        console.print(
            Text(f"  later rows were not compared with {count}: near copies of them are not found", "yellow")
        )
    if report.forgotten_rows:
        count = f"{report.forgotten_rows:,} samples after the first {MAX_REMEMBERED:,}"
        console.print(Text(f"  later rows were not compared with {count}: copies of them are not found", "yellow"))


def print_unread(unread: UnreadCounts, console: Console) -> None:
    """Print in one line what the template does not read of the rows; nothing where it reads all."""
    line = unread.describe()
    if line is not None:
        style = "yellow" if unread.content_rows else "dim"
        console.print(Text(f"  {make_visible(line)}", style), soft_wrap=True)


def print_problems(problems: Iterable[str]) -> None:
    """Print what is wrong with entry points of other packages, a line each, to the standard error."""
    for problem in problems:
        print_error(f"warning: {make_visible(problem)}")


def describe_issues(issues: Sequence[RowIssue]) -> str:
    """Return what is wrong with rows of one code: a line for each column that is affected, from the first such row."""
    by_column: dict[str, RowIssue] = {}
    for issue in issues:
        match = _COLUMN.match(issue.message)
        by_column.setdefault(re.sub(r"\[\d+\]", "[]", match[0]) if match else "", issue)
    if len({issue.message for issue in issues}) == 1:
        return issues[0].message
    lines = [f"row {issue.row}: {issue.message}" for issue in list(by_column.values())[:_MAX_COLUMNS]]
    more = len(by_column) - _MAX_COLUMNS
    return "\n".join([*lines, f"and {more} more columns: --report"] if more > 0 else lines)


def spell_count(count: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is one.

    >>> spell_count(1, "row"), spell_count(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
