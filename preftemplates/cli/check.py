"""`preftemplates check`: find faults in the rows of a file, and labels that follow from length or position."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from preftemplates.cli.load_template import EdgeOptions, load_template, read_tokenizer
from preftemplates.cli.options import (
    DataDirOption,
    DialectOption,
    EdgeBosOption,
    EdgeEosOption,
    GroupOption,
    NameOption,
    RevisionOption,
    SourceArgument,
    SplitOption,
    StyleOption,
    TemplateOption,
    TokenizerOption,
)
from preftemplates.cli.progress import show_progress
from preftemplates.cli.report_counts import describe_issues, print_group_counts, print_reading, spell_count
from preftemplates.cli.terminal import SafeConsole, print_json
from preftemplates.data.check import CheckReport, check
from preftemplates.data.content_rules import read_special_tokens
from preftemplates.data.dataset_sources import DatasetChoice
from preftemplates.data.grouping import GroupedSource, group_rows
from preftemplates.data.media import find_first_parts
from preftemplates.data.reading import open_rows
from preftemplates.data.writing import write_text

_STATUS_COLOURS = {"rejected": "red", "skipped": "yellow", "left out": "yellow", "flagged": "cyan"}


def command(
    source: SourceArgument,
    template: TemplateOption,
    format: Annotated[
        str, typer.Option("--format", "-f", help="Check this dataset type: preference, supervised, unpaired, ...")
    ] = "preference",
    style: StyleOption = None,
    dialect: DialectOption = None,
    tokenizer: TokenizerOption = None,
    bos: EdgeBosOption = None,
    eos: EdgeEosOption = None,
    test: Annotated[
        str | None, typer.Option(help="Flag rows whose prompt is in this test set, which must have the columns of IN.")
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option(help="Do not look for this code or shortcut. Repeatable.")
    ] = None,
    split: SplitOption = None,
    name: NameOption = None,
    data_dir: DataDirOption = None,
    revision: RevisionOption = None,
    group_by: GroupOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    report: Annotated[Path | None, typer.Option(help="Write the report to this JSON file.")] = None,
) -> None:
    """Check the rows of a file (.jsonl, .json, .csv, .parquet, .gz), directory or hub dataset.

    Rejected rows cannot be formatted. Skipped rows should not be trained on. Look at flagged rows before you train.

    Exit code 1 if it reports a row.
    """
    console = SafeConsole(stderr=as_json)
    loaded = load_template(template, style, dialect, EdgeOptions(tokenizer, bos, eos), console)
    tokens = None if tokenizer is None else read_special_tokens(read_tokenizer(tokenizer))
    choice = DatasetChoice(split, name, data_dir, revision)
    rows = open_rows(source, **choice._asdict(), cell_parsers=loaded.cell_parsers)
    held_out = None if test is None else open_rows(test, cell_parsers=loaded.cell_parsers)
    if group_by is not None:
        rows, held_out = group_rows(rows, group_by), held_out and group_rows(held_out, group_by)
    sample_format = loaded.check_format(format)
    loaded.choose_edges(sample_format)
    named_style = None if style is None else loaded.style
    loaded = loaded.adapted(parts=find_first_parts(loaded, sample_format, rows))  # as convert does
    result = check(
        show_progress(rows, rows, console),
        loaded,
        sample_format,
        test=held_out,
        without=without or (),
        file=rows.name,
        style=named_style,
        special_tokens=tokens,
    )
    if as_json:
        print_json(result.as_json(), indent=1)
    else:
        if isinstance(rows, GroupedSource):
            print_group_counts(rows, result.rows, console)
        _print_report(result, console)
    if report is not None:
        write_text(report, json.dumps(result.as_json(), ensure_ascii=False, indent=1))
    if not result.ok:
        raise typer.Exit(1)


def _print_report(report: CheckReport, console: SafeConsole) -> None:
    """Print the totals, a line per status and code, and the shortcuts."""
    console.print(
        f"{spell_count(report.rows, 'row')} = {report.formatted:,} formatted + {report.skipped:,} skipped"
        f" + {report.rejected:,} rejected" + (f": {report.results:,} samples" * (report.results != report.formatted)),
        highlight=False,
    )
    print_reading(report.conversion, console)
    if report.findings:
        console.print_table(_build_findings_table(report))
    else:
        console.print(Text("no findings", "green"))
    if any(shortcut.pairs for shortcut in report.shortcuts.values()):
        console.print_table(_build_shortcuts_table(report))


def _build_findings_table(report: CheckReport) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for finding in report.findings:
        numbers = ", ".join(str(issue.row) for issue in finding.examples[:6]) + (", …" if finding.count > 6 else "")
        share = f"{finding.count / report.rows:.1%}"
        table.add_row(
            Text(f"  {finding.verdict}", _STATUS_COLOURS[finding.verdict]),
            Text(str(finding.code), "bold"),
            Text(f"{finding.count:,}", justify="right"),
            Text(share, justify="right"),
            Text.assemble(f"row {numbers}", ("\n" + describe_issues(finding.examples), "dim")),
        )
    return table


def _build_shortcuts_table(report: CheckReport) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_row(Text("accuracy of simple rules (guessing: 50 %)", "bold"))
    for name, shortcut in report.shortcuts.items():
        decided = shortcut.right + shortcut.wrong
        # the estimate is 0 if all pairs are alike, which would claim a certainty that no number of pairs can give
        error = f" ± {shortcut.error:.1%}" if shortcut.error > 0 else ""
        accuracy = f"{shortcut.accuracy:.1%}{error}, decides {decided:,} of {shortcut.pairs:,} pairs"
        table.add_row(Text(f"  {name:18} {accuracy}" if decided else f"  {name:18} decides no pair"))
    return table
