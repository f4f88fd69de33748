"""`preftemplates check-style`: what a style does that one should know before training with it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from preftemplates.errors import StyleError, one_line, preview
from preftemplates.styles.chat_template import ChatTemplate
from preftemplates.styles.lint.findings import FINDING_GROUPS, FindingCode, StyleFinding
from preftemplates.styles.style import Style
from preftemplates.styles.tokenizer_files import (
    DEFAULT_TEMPLATE_NAME,
    format_path,
    is_style_file,
    load_style,
    read_tokenizer_files,
)

BosOption = Annotated[str | None, typer.Option("--bos-token", help="What a file's template finds as bos_token.")]
EosOption = Annotated[str | None, typer.Option("--eos-token", help="What a file's template finds as eos_token.")]
STYLE = "A style's name, a chat template's file, or a tokenizer's directory or JSON file."
LONGEST_LINE = 200
"""Characters of a template's line that are shown."""


class Opened(NamedTuple):
    """A style, and where it is from."""

    style: Style
    name: str
    source: str | None = None
    note: str | None = None


def command(
    style: Annotated[str, typer.Argument(metavar="STYLE", help=STYLE)],
    bos_token: BosOption = None,
    eos_token: EosOption = None,
    allow: Annotated[
        list[FindingCode] | None, typer.Option(metavar="CODE", help="Leave this code out; may be given again.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check what a style loses, changes and adds, by rendering a few conversations.

    Exit code 0 if there is nothing to tell, 1 if there are findings, 2 if the style cannot be read.
    """
    opened = open_style(style, bos_token, eos_token)
    findings = [finding for finding in opened.style.findings if finding.code not in (allow or ())]
    if as_json:
        print(json.dumps(_as_json(opened, findings), indent=2))
    else:
        _print(opened, findings, Console())
    if findings:
        raise typer.Exit(1)


def open_style(spec: str, bos_token: str | None = None, eos_token: str | None = None) -> Opened:
    """The style that an argument names; a template that cannot be used ends the command, and its line is shown.

    Raises:
        UnknownNameError: there is no style of that name, and no such file.
        FileError: the file or directory cannot be read.
        DefinitionError: it has no chat template, or a token is given for a registered style.
    """
    if not is_style_file(spec):
        style = load_style(spec, bos_token, eos_token)
        return Opened(style, spec, style.layout.source if isinstance(style.layout, ChatTemplate) else None)
    files = read_tokenizer_files(spec)
    source, path = files.template(), files.file or files.path
    try:
        style = files.style(bos_token, eos_token)
        return Opened(style, format_path(path), source, "; ".join(_notes(style, files.names)) or None)
    except StyleError as error:
        _show_line(error, path, source)
        raise typer.Exit(2) from error


def _notes(style: Style, others: Sequence[str]) -> Iterator[str]:
    """What one should know of how a file was read."""
    if others:
        yield f"the template {DEFAULT_TEMPLATE_NAME!r} is used; there are also {', '.join(map(preview, others))}"
    if isinstance(style.layout, ChatTemplate):
        for name in ("bos_token", "eos_token"):
            if name not in style.layout.variables and re.search(rf"\b{name}\b", style.layout.source):
                yield f"the template reads {name}, which no file says; give it by --{name.replace('_', '-')}"


def template_line(source: str, number: int) -> str:
    """A line of a template, counted from 1 and as Jinja counts them, safe to print; empty where there is none."""
    lines = re.split(r"\r\n|\r|\n", source)
    return one_line(lines[number - 1].expandtabs(4), LONGEST_LINE) if 0 < number <= len(lines) else ""


def _show_line(error: StyleError, path: Path, source: str) -> None:
    """Print an error of a template, and the line that it is in."""
    place = f"{format_path(path)}{f' line {error.line}' if error.line else ''}"
    print(f"error: {place}: {one_line(error.message, 400)}", file=sys.stderr)
    line = template_line(source, error.line) if error.line else ""
    if line.strip():
        print(f"  {error.line} | {line}", file=sys.stderr)


def _as_json(opened: Opened, findings: Sequence[StyleFinding]) -> dict[str, Any]:
    told = [{**finding.as_json(), "meaning": finding.code.meaning} for finding in findings]
    return {"style": opened.name, **({"note": opened.note} if opened.note else {}), "findings": told}


def _print(opened: Opened, findings: Sequence[StyleFinding], console: Console) -> None:
    """The findings in words, by what they are about, with the template's lines."""
    if opened.note:
        console.print(Text(f"note: {one_line(opened.note, 400)}", "dim"))
    for group, codes in FINDING_GROUPS.items():
        inside = [finding for finding in findings if finding.code in codes]
        if inside:
            console.print(Text(group, "bold underline"))
        for code in dict.fromkeys(finding.code for finding in inside):
            console.print(Padding(Text(code, "bold yellow"), (0, 0, 0, 2), expand=False))
            for finding in inside:
                if finding.code is code:
                    _print_one(finding, opened.source, console)
    count = f"{len(findings)} finding{'' if len(findings) == 1 else 's'}" if findings else "no findings"
    console.print(Text(f"{one_line(opened.name, 300)}: {count}", "bold" if findings else "bold green"))


def _print_one(finding: StyleFinding, source: str | None, console: Console) -> None:
    console.print(Padding(Text(one_line(finding.message, 400)), (0, 0, 0, 4), expand=False))
    line = template_line(source, finding.line).strip() if finding.line and source is not None else ""
    if line:
        numbered = Text(f"line {finding.line} | {line}", "dim", no_wrap=True, overflow="ellipsis")
        console.print(Padding(numbered, (0, 0, 0, 6), expand=False))
