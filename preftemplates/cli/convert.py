"""`preftemplates convert`: rows in, a file for a trainer out."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from preftemplates.data.convert import Conversion, ConversionReport, OnError, RowIssue
from preftemplates.data.grouping import GroupedSource, group_rows
from preftemplates.data.reading import RowSource, open_rows
from preftemplates.data.writing import open_writer, write_text
from preftemplates.errors import FileError
from preftemplates.templates.declaration import Ties
from preftemplates.templates.derivations import Pairs
from preftemplates.templates.row_types import read_row_type
from preftemplates.templates.row_validation import cell_parsers
from preftemplates.templates.template import Template, get_template

TemplateOption = Annotated[
    str, typer.Option("--template", "-t", help="A template's name, or a Python, YAML or dataset_info.json file.")
]
StyleOption = Annotated[str | None, typer.Option("--style", "-s", help="The conversation layout; the template's own.")]
DialectOption = Annotated[
    str | None, typer.Option("--dialect", "-d", help="How keys are spelled; the template's own.")
]
GroupOption = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Rows with one value in it become one, whose 'rows' they are.")
]


COLUMN = re.compile(r"column '[^']*'")
REASONS = 3
"""So many columns are named for each code."""


class NothingToWriteError(Exception):
    """No row came through: an empty file under the output's name would look like a result."""


def command(
    source: Annotated[str, typer.Argument(metavar="IN", help="A file of rows, a dataset directory, or a hub name.")],
    template: TemplateOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to write; the ending says what.")],
    format: Annotated[
        str, typer.Option("--format", "-f", help="preference, supervised, prompt_only, unpaired, ranked, ...")
    ] = "preference",
    style: StyleOption = None,
    dialect: DialectOption = None,
    on_error: Annotated[OnError, typer.Option(help="What a row that cannot be formatted does.")] = "skip",
    split: Annotated[str | None, typer.Option(help="The part of a dataset; train.")] = None,
    revision: Annotated[str | None, typer.Option(help="The version of a dataset on the hub.")] = None,
    group_by: GroupOption = None,
    pairs: Annotated[Pairs, typer.Option(help="Which pairs a ranking gives.")] = "all",
    ties: Annotated[
        Ties | None, typer.Option(help="What becomes of pairs without a better answer; the template's own.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write every skipped and rejected row here, as JSON.")] = None,
) -> None:
    """Convert the rows of a file (.jsonl, .json, .csv, .parquet, .gz), directory or hub dataset.

    Rows in = formatted + skipped + rejected: skipped rows are empty, have equal answers or are ties, rejected ones
    cannot be formatted. Exit code 3 if more rows are rejected than 10 and 1 %; and if none came through, in which case
    nothing is written.
    """
    console = Console(stderr=True)
    chosen = choose(template, style, dialect, console)
    chosen.check_format(format)
    if not chosen.by_hand:
        chosen = chosen.with_pairs(pairs).with_ties(ties or chosen.parts.ties)
    _check_places(source, out, report)
    rows = open_rows(source, split=split, revision=revision, cell_parsers=cells_of(chosen))
    if group_by is not None:
        rows = group_rows(rows, group_by)
    schema, check = _arrow_needs(chosen, format) if out.suffix == ".parquet" else (None, None)
    conversion = Conversion(rows, chosen, format, on_error=on_error, file=rows.name, check=check)
    start = time.perf_counter()
    with suppress(NothingToWriteError), open_writer(out, schema) as writer:
        for result in _shown(conversion, rows, console):
            writer.write(result)
        if not conversion.report.formatted:
            raise NothingToWriteError
    if isinstance(rows, GroupedSource):
        print_groups(rows, conversion.report.rows, console)
    _print_totals(conversion.report, out, time.perf_counter() - start, console)
    if report is not None:
        write_text(report, json.dumps(conversion.report.as_json(), ensure_ascii=False, indent=1))
    if not conversion.report.formatted or conversion.report.too_many_rejected:
        raise typer.Exit(3)


def _check_places(source: str, out: Path, report: Path | None) -> None:
    """Refuse to write over the input, or to one place twice."""
    taken = {Path(source).resolve(): "the input"}
    for path, what in ((out, "the output"), (report, "the report")):
        if path is None:
            continue
        if path.resolve() in taken:
            raise FileError(f"{path} is {taken[path.resolve()]}; {what} needs another name")
        if not path.absolute().parent.is_dir():
            raise FileError(f"{path} cannot be written: No such file or directory")
        taken[path.resolve()] = what


def choose(template: str, style: str | None, dialect: str | None, console: Console) -> Template:
    """The template of that name, with another style and dialect where they are given."""
    chosen = get_template(template)
    if dialect:
        chosen = chosen.with_dialect(dialect)
    if style:
        chosen = chosen.with_style(style)
        if not any(chosen.dialect.needs_text(format) for format in chosen.dialect.formats):
            console.print(f"note: {chosen.dialect.name} holds messages, so the style {chosen.style.name} is not used")
    return chosen


def cells_of(template: Template) -> dict[str, Any]:
    """How the cells of a CSV are read for a template."""
    return {} if template.by_hand else cell_parsers(read_row_type(template.parts.declaration.row))


def _arrow_needs(template: Template, format: str) -> tuple[Any, Any]:
    from preftemplates.data.arrow import check_fits_schema, build_output_schema

    schema = build_output_schema(template, format)
    return schema, partial(check_fits_schema, schema=schema)


def _shown(conversion: Conversion, rows: RowSource, console: Console) -> Iterator[Mapping[str, Any]]:
    """The results, with a bar on a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None, speed="")
        start = last = time.perf_counter()
        for result in conversion:
            yield result
            now = time.perf_counter()
            if now - last > 0.2:
                last, fraction = now, rows.fraction()
                speed = f"{conversion.report.rows / (now - start):,.0f} rows/s"
                progress.update(task, total=None if fraction is None else 1, completed=fraction or 0, speed=speed)


def print_groups(source: GroupedSource, groups: int, console: Console) -> None:
    """Print how many rows became how many, which are counted from then on."""
    said = f"{source.ungrouped:,} rows grouped by {source.column!r} into {groups:,}, each with its first row's number"
    console.print(Text(said))


def _print_totals(report: ConversionReport, out: Path, seconds: float, console: Console) -> None:
    console.print(
        f"{report.rows:,} rows = {report.formatted:,} formatted + {len(report.skipped):,} skipped"
        f" + {len(report.rejected):,} rejected, in {seconds:.1f} s ({report.rows / max(seconds, 1e-9):,.0f} rows/s)",
        highlight=False,
    )
    if report.skipped or report.rejected or report.flagged or report.left_out:
        console.print(_refusals(report))
    if report.lost:
        lost = ", ".join(f"{count:,} x {name}" for name, count in report.lost.items())
        console.print(Text(f"  no place in the output: {lost}", "dim"))
    if report.formatted:
        word = "result" if report.results == 1 else "results"
        results = "" if report.results == report.formatted else f": {report.results:,} {word}"
        console.print(Text(f"wrote {out}{results}"))
    if report.too_many_rejected:
        console.print(f"too many rows are rejected: more than {report.allowed}", style="red")
    if not report.formatted:
        console.print(Text(f"no row came through, so {out} is not written", "red"))


def _refusals(report: ConversionReport) -> Table:
    """A line for each verdict and code."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for verdict in ("skipped", "rejected", "left out", "flagged"):
        refusals: list[RowIssue] = getattr(report, verdict.replace(" ", "_"))
        by_code: dict[str, list[RowIssue]] = {}
        for refusal in refusals:
            by_code.setdefault(str(refusal.code), []).append(refusal)
        for code, those in by_code.items():
            numbers = ", ".join(str(refusal.row) for refusal in those[:8]) + (", …" if len(those) > 8 else "")
            what = ("sample of row" if len(those) == 1 else "samples of rows") if verdict == "left out" else "row"
            what += "s" if what == "row" and len(those) > 1 else ""
            rows = f"{len(those):,} {what}: {numbers}"
            table.add_row(f"  {verdict}", Text(code, "bold"), Text.assemble(rows, ("\n" + reasons(those), "dim")))
    return table


def reasons(refusals: Sequence[RowIssue]) -> str:
    """What was wrong, a line for each column that something is wrong with, for the first of them."""
    by_column: dict[str, RowIssue] = {}
    for refusal in refusals:
        found = COLUMN.match(refusal.message)
        by_column.setdefault(re.sub(r"\[\d+\]", "[]", found[0]) if found else "", refusal)
    if len(by_column) == 1:
        return refusals[0].message
    lines = [f"row {refusal.row}: {refusal.message}" for refusal in list(by_column.values())[:REASONS]]
    more = len(by_column) - REASONS
    return "\n".join([*lines, f"and {more} more columns: --report"] if more > 0 else lines)
