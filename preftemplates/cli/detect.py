"""`preftemplates detect`: which templates fit a file, why, and what they make of its first row."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from itertools import islice
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from preftemplates.core.messages import Message
from preftemplates.data.detect import TemplateCandidate, detect_templates, find_near_misses
from preftemplates.data.reading import open_rows
from preftemplates.errors import preview

SHOWN = 5
"""So many candidates are shown, unless all are asked for."""


def command(
    source: Annotated[str, typer.Argument(metavar="IN", help="A file of rows, a dataset directory, or a hub name.")],
    rows: Annotated[int, typer.Option(min=1, help="How many rows are tried.")] = 100,
    every: Annotated[bool, typer.Option("--all", help="Show all templates that fit, and not the best five.")] = False,
    split: Annotated[str | None, typer.Option(help="The part of a dataset; train.")] = None,
    revision: Annotated[str | None, typer.Option(help="The version of a dataset on the hub.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find the templates whose columns and types the first rows of a file fit, the best first.

    It decides nothing: look at the rows that it shows. Exit code 1 if no template fits.
    """
    records = islice(open_rows(source, split=split, revision=revision), rows)
    tried = [record.cells for record in records if isinstance(record.cells, Mapping)]
    found = detect_templates(tried)
    if as_json:
        print(json.dumps([candidate.as_json() for candidate in found], ensure_ascii=False, indent=1))
    elif found:
        console = Console()
        groups = grouped(found)
        for group in groups if every else groups[:SHOWN]:
            _print(group, console)
        if len(groups) > SHOWN and not every:
            console.print(f"and {len(groups) - SHOWN} more: --all")
    else:
        _print_misses(tried, Console(stderr=True))
    if not found:
        raise typer.Exit(1)


def grouped(found: list[TemplateCandidate]) -> list[list[TemplateCandidate]]:
    """The candidates, those together that make the same of the rows."""
    groups: dict[str, list[TemplateCandidate]] = {}
    for candidate in found:
        groups.setdefault(f"{candidate.format} {candidate.why} {candidate.first}", []).append(candidate)
    return list(groups.values())


def _print(group: list[TemplateCandidate], console: Console) -> None:
    candidate, *alike = group
    also = f"  (the same: {', '.join(other.template.name for other in alike)})" if alike else ""
    console.print(Text.assemble((candidate.template.name, "bold green"), f"  {candidate.format}", (also, "dim")))
    console.print(Text(f"  {candidate.why}", "dim"))
    sample = candidate.first
    if sample is not None:
        for name, messages in {"prompt": sample.prompt, **sample.responses}.items():
            console.print(_line(name, _told(messages)), no_wrap=True, overflow="ellipsis")
        for name, value in sample.label_values.items():
            console.print(_line(name, preview(value)), no_wrap=True, overflow="ellipsis")
    console.print()


def _line(name: str, said: str) -> Text:
    return Text.assemble((f"  {name:14} ", "cyan"), said)


def _told(messages: list[Message]) -> str:
    """The last message of some in a line, and how many there are before it."""
    if not messages:
        return "(none)"
    content: Any = messages[-1].get("content")
    before = f"({len(messages) - 1} before) " if len(messages) > 1 else ""
    return f"{before}{messages[-1]['role']}: {preview(content)}"


def _print_misses(rows: list[Mapping[str, Any]], console: Console) -> None:
    columns = dict.fromkeys(str(column) for row in rows for column in row)
    console.print(Text(f"no template fits the columns {', '.join(map(preview, columns))}"))
    for candidate in find_near_misses(rows)[:SHOWN]:
        console.print(Text(f"  {candidate.template.name}  {candidate.format}  {candidate.why}", "dim"))
    print("write one: a class or a YAML file of about ten lines", file=sys.stderr)
