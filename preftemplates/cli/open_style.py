"""Open a style as an argument names it: a registered one, or the chat template of a file."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, NamedTuple

import typer

from preftemplates.errors import StyleError, one_line, preview
from preftemplates.styles.tokenizer_files import (
    DEFAULT_TEMPLATE_NAME,
    format_path,
    is_style_file,
    load_style,
    read_tokenizer_files,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

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
        FileError: the file or directory cannot be read.
        DefinitionError: it has no chat template, or a token is given for a registered style.
    """
    if not is_style_file(spec):
        style = load_style(spec, bos_token, eos_token)
        return OpenedStyle(style, spec, style.layout.source)
    files = read_tokenizer_files(spec)
    source, path = files.template(), files.file or files.path
    try:
        style = files.style(bos_token, eos_token)
        return OpenedStyle(style, format_path(path), source, "; ".join(_collect_notes(style, files.names)) or None)
    except StyleError as error:
        _print_error(error, path, source)
        raise typer.Exit(2) from error


def _collect_notes(style: Style, other_names: Sequence[str]) -> Iterator[str]:
    """What one should know of how a file was read."""
    if other_names:
        yield f"the template {DEFAULT_TEMPLATE_NAME!r} is used; there are also {', '.join(map(preview, other_names))}"
    for name in ("bos_token", "eos_token"):
        if name not in style.layout.variables and re.search(rf"\b{name}\b", style.layout.source or ""):
            yield f"the template reads {name}, which no file says; give it by --{name.replace('_', '-')}"


def get_template_line(source: str, number: int) -> str:
    """Return a line of a template, counted from 1 and as Jinja counts them, safe to print; empty if there is none."""
    lines = re.split(r"\r\n|\r|\n", source)
    return one_line(lines[number - 1].expandtabs(4), _MAX_TEMPLATE_LINE) if 0 < number <= len(lines) else ""


def _print_error(error: StyleError, path: Path, source: str) -> None:
    """Print an error of a template, and the line that it is in."""
    place = f"{format_path(path)}{f' line {error.line}' if error.line else ''}"
    print(f"error: {place}: {one_line(error.message, 400)}", file=sys.stderr)
    line = get_template_line(source, error.line) if error.line else ""
    if line.strip():
        print(f"  {error.line} | {line}", file=sys.stderr)
