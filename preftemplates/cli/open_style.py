"""Open a style as an argument names it: a registered one, or the chat template of a file or of a model on the hub."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import typer

from preftemplates.cli.terminal import print_error
from preftemplates.errors import StyleError, one_line
from preftemplates.styles.resolve import find_style
from preftemplates.styles.tokenizer_files import format_path

if TYPE_CHECKING:
    from pathlib import Path

    from preftemplates.styles.resolve import StyleSource
    from preftemplates.styles.style import Style

_MAX_TEMPLATE_LINE = 200
"""Characters of a template's line that are shown."""


class OpenedStyle(NamedTuple):
    """A style, and where it is from."""

    style: Style
    name: str
    source: str | None = None
    note: str | None = None


def open_style(spec: str, bos_token: str | None = None, eos_token: str | None = None) -> OpenedStyle:
    """Return the style that an argument names; a template that cannot be used ends the command, and its line is shown.

    Raises:
        UnknownNameError: there is no style of that name, and no such file.
        FileError: the file, directory or model cannot be read.
        DefinitionError: it has no chat template, or a token is given for a registered style.
    """
    found = find_style(spec)
    if found.files is None:
        style = found.load(bos_token, eos_token)
        return OpenedStyle(style, found.name, style.layout.source, _join_notes(found, style))
    source, path = found.files.template(found.template), found.files.file or found.files.path
    try:
        style = found.load(bos_token, eos_token)
    except StyleError as error:
        _print_error(error, path, source)
        raise typer.Exit(2) from error
    return OpenedStyle(style, format_path(path), source, _join_notes(found, style))


def _join_notes(found: StyleSource, style: Style) -> str | None:
    return "; ".join(found.list_notes(style, token_options=True)) or None


def get_template_line(source: str, number: int) -> str:
    """Return a line of a template, counted from 1 and as Jinja counts them, safe to print; empty if there is none."""
    lines = re.split(r"\r\n|\r|\n", source)
    return one_line(lines[number - 1].expandtabs(4), _MAX_TEMPLATE_LINE) if 0 < number <= len(lines) else ""


def _print_error(error: StyleError, path: Path, source: str) -> None:
    """Print an error of a template, and the line that it is in."""
    place = f"{format_path(path)}{f' line {error.line}' if error.line else ''}"
    print_error(f"error: {place}: {one_line(error.message, 400)}")
    line = get_template_line(source, error.line) if error.line else ""
    if line.strip():
        print_error(f"  {error.line} | {line}")
