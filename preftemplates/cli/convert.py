"""`preftemplates convert`: rows in, a file for a trainer out."""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from preftemplates.cli.consumer_config import prepare_config
from preftemplates.cli.load_template import EdgeOptions, load_template, read_tokenizer
from preftemplates.cli.options import (
    DataDirOption,
    DialectOption,
    EdgeBosOption,
    EdgeEosOption,
    GroupOption,
    NameOption,
    OnErrorOption,
    PairsOption,
    RevisionOption,
    SourceArgument,
    SplitOption,
    StyleOption,
    TemplateOption,
    TiesOption,
    TokenizerOption,
)
from preftemplates.cli.progress import show_progress
from preftemplates.cli.report_counts import (
    describe_issues,
    print_group_counts,
    print_reading,
    spell_count,
    spell_report,
)
from preftemplates.cli.terminal import SafeConsole, print_json_text
from preftemplates.core.extras import import_extra
from preftemplates.core.samples import Format
from preftemplates.data.content_rules import read_special_tokens
from preftemplates.data.convert import Conversion, OnCopy
from preftemplates.data.convert_report import ConversionReport
from preftemplates.data.copies import CopyFinder
from preftemplates.data.dataset_sources import DatasetChoice
from preftemplates.data.grouping import GroupedSource, group_rows
from preftemplates.data.media import CSVCheck, check_fits_json, find_first_parts
from preftemplates.data.reading import find_file_kind, make_ending_error, open_rows
from preftemplates.data.writing import open_writer, write_pieces, write_text
from preftemplates.errors import DefinitionError, FileError
from preftemplates.templates.library import get_template
from preftemplates.templates.template import Template

_CHAT_TEMPLATE_FILE = "chat_template.jinja"
"""The file in which transformers looks for a tokenizer's chat template."""


class NothingToWriteError(Exception):
    """No row was formatted; an empty output file would look like a result."""


def command(
    source: SourceArgument,
    template: TemplateOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="Write to this .jsonl, .json, .csv or .parquet file.")],
    format: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            help="Write this dataset type: preference, supervised, unpaired, ...",
        ),
    ] = "preference",
    style: StyleOption = None,
    dialect: DialectOption = None,
    tokenizer: TokenizerOption = None,
    bos: EdgeBosOption = None,
    eos: EdgeEosOption = None,
    on_error: OnErrorOption = "skip",
    split: SplitOption = None,
    name: NameOption = None,
    data_dir: DataDirOption = None,
    revision: RevisionOption = None,
    group_by: GroupOption = None,
    pairs: PairsOption = "all",
    ties: TiesOption = None,
    json_messages: Annotated[
        bool, typer.Option("--json-messages", help="Write messages as JSON text, for .parquet. \\[default: columns]")
    ] = False,
    copies: Annotated[
        OnCopy | None,
        typer.Option(help="Flag or skip copies of earlier rows and of prompts of --test."),
    ] = None,
    test: Annotated[
        str | None,
        typer.Option(help="Flag rows whose prompt is in this test set, which must have the columns of IN."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write the counts, and every skipped and rejected row, to this JSON file.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the report of --report as JSON to standard output.")
    ] = False,
    consumer_config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the configuration with which the framework reads the output."),
    ] = None,
) -> None:
    """Convert the rows of a file (.jsonl, .json, .csv, .parquet, .gz), directory or hub dataset.

    Rows in = formatted + skipped + rejected. Skipped rows are empty, have equal answers, are ties or, with
    `--copies skip`, are copies. Rejected rows cannot be formatted.

    Exit code 3 if more than 10 rows and more than 1 % of the rows are rejected, or if no row is formatted. In the
    second case, no file is written.
    """
    console = SafeConsole(stderr=True)
    loaded = load_template(template, style, dialect, EdgeOptions(tokenizer, bos, eos), console)
    sample_format = loaded.check_format(format)
    loaded = loaded.adapted(pairs=pairs, ties=ties or loaded.ties)
    check_paths(source, out, report, consumer_config)
    loaded.choose_edges(sample_format)  # raises before a row is read
    names_style = style is not None or (tokenizer is not None and loaded.style != get_template(template).style)
    chat_template = _find_chat_template(loaded, sample_format, out) if names_style else None
    tokens = None if tokenizer is None else read_special_tokens(read_tokenizer(tokenizer))
    choice = DatasetChoice(split, name, data_dir, revision)
    rows = open_rows(source, **choice._asdict(), cell_parsers=loaded.cell_parsers)
    if group_by is not None:
        rows = group_rows(rows, group_by)
    config_of = partial(prepare_config, template=loaded, format=sample_format, out=out, chat_template=chat_template)
    if consumer_config is not None:
        config_of(consumer_config)  # raises before a row is read
    loaded = loaded.adapted(parts=find_first_parts(loaded, sample_format, rows))
    schema, check = (
        _build_schema_and_check(loaded, sample_format, json_messages)
        if find_file_kind(out) == ".parquet"
        else (None, CSVCheck() if find_file_kind(out) == ".csv" else check_fits_json)
    )
    named_style = loaded.style if names_style else None
    conversion = Conversion(
        rows,
        loaded,
        sample_format,
        on_error=on_error,
        file=rows.name,
        check=check,
        style=named_style,
        special_tokens=tokens,
        copies=None if copies is None and test is None else _make_copy_finder(test, loaded, sample_format, group_by),
        on_copy=copies or "flag",
    )
    start = time.perf_counter()
    keys: dict[str, None] = {}
    with suppress(NothingToWriteError), open_writer(out, schema) as writer:
        for results in show_progress(conversion.convert_slices(), rows, console, lambda: conversion.report.rows):
            writer.write_slice(results)
            keys |= dict.fromkeys(results.list_keys())
        if not conversion.report.formatted:
            raise NothingToWriteError
    if isinstance(rows, GroupedSource):
        print_group_counts(rows, conversion.report.rows, console)
    print_totals(conversion.report, out, time.perf_counter() - start, console)
    if chat_template is not None and conversion.report.formatted:
        write_text(chat_template, loaded.style.chat_template)
        message = (
            f"wrote {chat_template}: the style {loaded.style.name}, for the tokenizer that renders these messages"
        )
        console.print(message, soft_wrap=True, highlight=False, markup=False)
    if consumer_config is not None and conversion.report.formatted:
        config_of(consumer_config, keys=keys).write(console)
    if report is not None:
        write_pieces(report, spell_report(conversion.report))
    if as_json:
        print_json_text(spell_report(conversion.report))
    if not conversion.report.formatted or conversion.report.too_many_rejected:
        raise typer.Exit(3)


def _make_copy_finder(test: str | None, template: Template, format: Format, group_by: str | None) -> CopyFinder:
    """Return what finds copies of earlier rows, and of the prompts of a test set."""
    if template.is_custom:
        raise DefinitionError(f"copies are found in messages, and the custom template {template.name} has none")
    finder = CopyFinder()
    if test is not None:
        rows = open_rows(test, cell_parsers=template.cell_parsers)
        finder.remember_test(rows if group_by is None else group_rows(rows, group_by), template, format)
    return finder


def check_paths(source: str, out: Path, report: Path | None, config: Path | None) -> None:
    """Raise an error for an output of an unknown kind, and rather than write over the input, or to one path twice."""
    if find_file_kind(out) is None:
        raise make_ending_error(out)
    roles = {Path(source).resolve(): "the input"}
    for path, role in ((out, "the output"), (report, "the report"), (config, "the configuration")):
        if path is None:
            continue
        if os.path.isdir(source) and path.resolve().is_relative_to(Path(source).resolve()):
            raise FileError(f"{path} is in the input folder {source}; write {role} to another folder")
        if path.resolve() in roles:
            raise FileError(f"{path} is {roles[path.resolve()]}; {role} needs another name")
        if not os.path.isdir(path.absolute().parent):
            raise FileError(f"{path} cannot be written: there is no directory {path.parent}")
        roles[path.resolve()] = role


def _find_chat_template(template: Template, format: Format, out: Path) -> Path | None:
    """Return where a named style is written: next to messages, whose rendering is the framework's; None for texts.

    Raises:
        FileError: another chat template is there already.
    """
    if template.text_style(format) is not None:
        return None
    path = out.with_name(_CHAT_TEMPLATE_FILE)
    if path.exists() and path.read_bytes() != template.style.chat_template.encode():
        raise FileError(
            f"{path} already exists and differs from the style {template.style.name}; write to another folder"
        )
    return path


def _build_schema_and_check(template: Template, format: Format, json_messages: bool) -> tuple[Any, Any]:
    import_extra("pyarrow", "the output is Parquet")
    from preftemplates.data.arrow import build_output_schema, check_fits_schema, write_nested_as_json

    schema = build_output_schema(template, format, json_messages)
    if json_messages:
        return schema, lambda result: check_fits_schema(write_nested_as_json(result, schema), schema)
    return schema, partial(check_fits_schema, schema=schema)


def print_totals(
    report: ConversionReport, out: Path, seconds: float, console: SafeConsole, notes: Sequence[Text] = ()
) -> None:
    """Print the counts of the rows, notes on the results, and the path of the output."""
    console.print(
        f"{spell_count(report.rows, 'row')} = {report.formatted:,} formatted + {len(report.skipped):,} skipped"
        f" + {len(report.rejected):,} rejected, in {seconds:.1f} s ({report.rows / max(seconds, 1e-9):,.0f} rows/s)",
        highlight=False,
    )
    if report.skipped or report.rejected or report.flagged or report.left_out:
        console.print_table(_build_issues_table(report))
    if report.lost:
        lost = ", ".join(f"{count:,} x {name}" for name, count in report.lost.items())
        console.print(Text(f"  no place in the output: {lost}", "dim"))
    print_reading(report, console)
    for note in notes:
        console.print(note, highlight=False)
    if report.formatted:
        word = "result" if report.results == 1 else "results"
        results = "" if report.results == report.formatted else f": {report.results:,} {word}"
        console.print(Text(f"wrote {out}{results}"))
    if report.too_many_rejected:
        console.print(f"too many rows are rejected: more than {report.allowed}", style="red")
    if not report.formatted:
        console.print(Text(f"no row was formatted; {out} is not written", "red"))


def _build_issues_table(report: ConversionReport) -> Table:
    """Return a line per status and code."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for status in ("skipped", "rejected", "left out", "flagged"):
        log = getattr(report, status.replace(" ", "_"))
        for code, count in log.counts.items():
            issues = log.examples(code)
            numbers = ", ".join(str(issue.row) for issue in issues[:8]) + (", …" if count > 8 else "")
            noun = ("sample of row" if count == 1 else "samples of rows") if status == "left out" else "row"
            noun += "s" if noun == "row" and count > 1 else ""
            rows = Text.assemble(f"{count:,} {noun}: {numbers}", ("\n" + describe_issues(issues), "dim"))
            table.add_row(f"  {status}", Text(str(code), "bold"), rows)
    return table
