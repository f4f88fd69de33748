"""`preftemplates detect`: find the templates that fit a file, and show its first row in each."""

from collections.abc import Mapping
from itertools import islice
from shlex import quote
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from preftemplates.cli.options import (
    DataDirOption,
    JsonOption,
    NameOption,
    RevisionOption,
    SourceArgument,
    SplitOption,
)
from preftemplates.cli.report_counts import print_problems
from preftemplates.cli.terminal import SafeConsole, print_json
from preftemplates.core.messages import Message
from preftemplates.data.dataset_sources import DatasetChoice
from preftemplates.data.detect import DetectedRow, TemplateCandidate, detect_templates, find_near_misses
from preftemplates.data.reading import open_rows
from preftemplates.errors import Code, RowError, preview
from preftemplates.templates.library import TEMPLATES

_MAX_CANDIDATES = 5
"""The number of candidates shown without `--all`."""


def command(
    source: SourceArgument,
    rows: Annotated[int, typer.Option(min=1, help="Try this number of rows.")] = 100,
    every: Annotated[bool, typer.Option("--all", help="Show all templates that fit, not only five.")] = False,
    split: SplitOption = None,
    name: NameOption = None,
    data_dir: DataDirOption = None,
    revision: RevisionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the templates that fit the columns and types of a file's first rows, best first.

    Look at the rows that it shows before you choose one. Exit code 1 if no template fits.
    """
    choice = DatasetChoice(split, name, data_dir, revision)
    opened = open_rows(source, **choice._asdict())
    records = [*islice(opened, rows)]
    first_rows = [record.cells for record in records]
    if isinstance(first_rows[0], RowError) and all(isinstance(row, RowError) for row in first_rows):
        raise first_rows[0].located(row=records[0].row, line=records[0].line, file=opened.name)
    names, problems = TEMPLATES.load_names()
    print_problems(problems)
    candidates = detect_templates(first_rows, names, are_texts=opened.are_texts)
    if as_json:
        print_json([candidate.as_json() for candidate in candidates], indent=1)
    elif candidates:
        console = SafeConsole()
        groups = _group_candidates(candidates)
        for group in groups if every else groups[:_MAX_CANDIDATES]:
            _print_group(group, console)
        if len(groups) > _MAX_CANDIDATES and not every:
            console.print(f"and {len(groups) - _MAX_CANDIDATES} more: --all")
        best = candidates[0]
        _print_next(f"preftemplates check {quote(source)} -t {best.template.name} -f {best.format}", console)
    else:
        missed = find_near_misses(first_rows, names, are_texts=opened.are_texts)
        _print_near_misses(source, first_rows, missed, SafeConsole(stderr=True))
    if not candidates:
        raise typer.Exit(1)


def _group_candidates(candidates: list[TemplateCandidate]) -> list[list[TemplateCandidate]]:
    """Return the candidates in groups that give the same samples of the rows."""
    groups: dict[str, list[TemplateCandidate]] = {}
    for candidate in candidates:
        groups.setdefault(f"{candidate.format} {candidate.why} {candidate.first}", []).append(candidate)
    return list(groups.values())


def _print_group(group: list[TemplateCandidate], console: Console) -> None:
    candidate, *alike = group
    also = f"  (same result as {', '.join(twin.template.name for twin in alike)})" if alike else ""
    console.print(Text.assemble((candidate.template.name, "bold green"), f"  {candidate.format}", (also, "dim")))
    console.print(Text(f"  {candidate.why}", "dim"))
    sample = candidate.first
    if sample is not None:
        for name, messages in {"prompt": sample.prompt, **sample.responses}.items():
            console.print(_format_line(name, _summarise(messages)), no_wrap=True, overflow="ellipsis")
        for name, value in sample.label_values.items():
            console.print(_format_line(name, preview(value)), no_wrap=True, overflow="ellipsis")
    console.print()


def _format_line(name: str, value: str) -> Text:
    return Text.assemble((f"  {name:14} ", "cyan"), value)


def _summarise(messages: list[Message]) -> str:
    """Return the last message in one line, with the number of messages before it."""
    if not messages:
        return "(none)"
    last = messages[-1]
    content: Any = last.get("content")
    before = f"({len(messages) - 1} before) " if len(messages) > 1 else ""
    given: Any = last.get("tool_calls") or ()
    calls = [f"{call['function']['name']}({preview(call['function']['arguments'])})" for call in given]
    shown = " ".join([*([preview(content)] if content or not calls else []), *calls])
    return f"{before}{last['role']}: {shown}"


def _print_near_misses(
    source: str, rows: list[DetectedRow], missed: list[TemplateCandidate], console: Console
) -> None:
    columns = dict.fromkeys(str(column) for row in rows if isinstance(row, Mapping) for column in row)
    console.print(Text(f"no template fits the columns {', '.join(map(preview, columns))}"))
    for candidate in missed[:_MAX_CANDIDATES]:
        console.print(Text(f"  {candidate.template.name}  {candidate.format}  {candidate.why}", "dim"))
    if missed and not missed[0].missing:
        best = missed[0]
        command = f"preftemplates check {quote(source)} -t {best.template.name} -f {best.format}"
        if Code.BAD_LABEL in best.reasons:  # the columns fit, but the labels are written in another way
            _print_next(command, console)
            return
        console.print(Text(f"to see why rows are rejected: {command}"), soft_wrap=True)
    message = "write a template for these columns, in Python or YAML: the guide 'Add a dataset' shows how"
    console.print(message, soft_wrap=True)
    _print_next(f"preftemplates show YOUR_TEMPLATE.yaml --row {quote(source)}:0", console)


def _print_next(command: str, console: Console) -> None:
    console.print(Text(f"next: {command}"), soft_wrap=True)
