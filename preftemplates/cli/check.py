"""`preftemplates check`: what is wrong with a file of rows, by kind, and what one could guess without reading it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from preftemplates.cli.convert import (
    DialectOption,
    GroupOption,
    StyleOption,
    TemplateOption,
    cells_of,
    choose,
    print_groups,
    reasons,
)
from preftemplates.data.check import CheckReport, check
from preftemplates.data.grouping import GroupedSource, group_rows
from preftemplates.data.reading import open_rows
from preftemplates.data.writing import write_text


def command(
    source: Annotated[str, typer.Argument(metavar="IN", help="A file of rows, a dataset directory, or a hub name.")],
    template: TemplateOption,
    format: Annotated[
        str, typer.Option("--format", "-f", help="preference, supervised, unpaired, ...")
    ] = "preference",
    style: StyleOption = None,
    dialect: DialectOption = None,
    test: Annotated[str | None, typer.Option(help="Rows none of whose prompts should stand in IN.")] = None,
    without: Annotated[
        list[str] | None, typer.Option(help="A code or shortcut that is not looked for; may be repeated.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="The part of a dataset; train.")] = None,
    revision: Annotated[str | None, typer.Option(help="The version of a dataset on the hub.")] = None,
    group_by: GroupOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    report: Annotated[Path | None, typer.Option(help="Write everything here, as JSON.")] = None,
) -> None:
    """Check the rows of a file (.jsonl, .json, .csv, .parquet, .gz), directory or hub dataset; nothing is written.

    Rejected rows cannot be formatted, skipped rows should not be trained on, flagged rows should be looked at. Exit
    code 1 if there are any.
    """
    console = Console(stderr=as_json)
    chosen = choose(template, style, dialect, console)
    parsers = cells_of(chosen)
    rows = open_rows(source, split=split, revision=revision, cell_parsers=parsers)
    held_out = None if test is None else open_rows(test, cell_parsers=parsers)
    if group_by is not None:
        rows, held_out = group_rows(rows, group_by), held_out and group_rows(held_out, group_by)
    found = check(rows, chosen, format, test=held_out, without=without or (), file=rows.name)
    text = json.dumps(found.as_json(), ensure_ascii=False, indent=1)
    if as_json:
        print(text)
    else:
        if isinstance(rows, GroupedSource):
            print_groups(rows, found.rows, console)
        print_report(found, console)
    if report is not None:
        write_text(report, text)
    if not found.ok:
        raise typer.Exit(1)


def print_report(found: CheckReport, console: Console) -> None:
    """Print what was found: totals, a line for each verdict and code, and the shortcuts."""
    console.print(
        f"{found.rows:,} rows = {found.formatted:,} formatted + {found.skipped:,} skipped"
        f" + {found.rejected:,} rejected" + (f": {found.results:,} samples" * (found.results != found.formatted)),
        highlight=False,
    )
    console.print(_findings(found) if found.findings else Text("nothing was found", "green"))
    if any(shortcut.pairs for shortcut in found.shortcuts.values()):
        console.print(_shortcuts(found))


def _findings(found: CheckReport) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    colours = {"rejected": "red", "skipped": "yellow", "left out": "yellow", "flagged": "cyan"}
    for finding in found.findings:
        numbers = ", ".join(str(refusal.row) for refusal in finding.examples[:6]) + (
            ", …" if finding.count > 6 else ""
        )
        share = f"{finding.count / found.rows:.1%}"
        table.add_row(
            Text(f"  {finding.verdict}", colours[finding.verdict]),
            Text(str(finding.code), "bold"),
            Text(f"{finding.count:,}", justify="right"),
            Text(share, justify="right"),
            Text.assemble(f"row {numbers}", ("\n" + reasons(finding.examples), "dim")),
        )
    return table


def _shortcuts(found: CheckReport) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_row(Text("what a rule finds that reads no meaning; a coin finds 50 %", "bold"))
    for name, shortcut in found.shortcuts.items():
        decided = shortcut.right + shortcut.wrong
        error = "" if math.isnan(shortcut.error) else f" ± {shortcut.error:.1%}"
        told = f"{shortcut.accuracy:.1%}{error}, decides {decided:,} of {shortcut.pairs:,} pairs"
        table.add_row(Text(f"  {name:18} {told}" if decided else f"  {name:18} decides no pair"))
    return table
