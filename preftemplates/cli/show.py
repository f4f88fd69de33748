"""`preftemplates show`: one row in every format, with colours that say which column each character came from."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from preftemplates.cli.convert import DialectOption, StyleOption, choose
from preftemplates.core.messages import Message, message_texts
from preftemplates.core.provenance import pieces_of, plain_data
from preftemplates.core.samples import Sample
from preftemplates.core.spans import Rendered
from preftemplates.data.reading import open_rows
from preftemplates.data.row_rules import find_skip_reason
from preftemplates.errors import FileError, RowError, StyleError, preview, visible
from preftemplates.templates.rendering import render_sample
from preftemplates.templates.row_types import read_row_type
from preftemplates.templates.row_validation import cell_parsers
from preftemplates.templates.template import Formatted, Template

SHOWN = 3
"""So many samples of a row are shown."""

COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "red")


def command(
    template: Annotated[str, typer.Argument(help="A template's name, or a Python file with one.")],
    style: StyleOption = None,
    dialect: DialectOption = None,
    row: Annotated[
        str | None, typer.Option(metavar="FILE:N", help="Row N of a file, from 0; the example if absent.")
    ] = None,
    format: Annotated[
        str | None, typer.Option("--format", "-f", help="This format alone, also one made from another.")
    ] = None,
) -> None:
    """Show one row in every format that a template declares."""
    console = Console()
    chosen = choose(template, style, dialect, console)
    if format is not None:
        chosen.check_format(format)
    formats = chosen.formats if format is None else (format,)
    cells = _read_row(row, chosen) if row else chosen.example
    if cells is None:
        raise FileError(f"{chosen.name} has no example row; name one by --row FILE:N")
    colours = _colours(chosen, formats)
    console.print(_row_table(cells, colours))
    shown = 0
    for name in formats:
        try:
            console.print(_panel(chosen, cells, name, colours))
            shown += 1
        except (RowError, StyleError) as error:
            console.print(Panel(Text(str(error)), title=name, title_align="left", border_style="red"))
    if not chosen.by_hand:
        console.print(_legend(chosen))
    if not shown:
        print("error: the row can be formatted in no format", file=sys.stderr)
        raise typer.Exit(2)


def _read_row(spec: str, template: Template) -> Mapping[str, Any]:
    """Row N of `FILE:N`; row 0 where no number is given."""
    file, colon, number = spec.rpartition(":")
    if not colon or Path(spec).exists():
        file, number = spec, "0"
    elif not number.isdecimal():
        raise FileError(f"{preview(spec)}: what stands behind the colon is a row's number, from 0")
    parsers = {} if template.by_hand else cell_parsers(read_row_type(template.parts.declaration.row))
    count = 0
    for record in open_rows(file, cell_parsers=parsers):
        if record.row == int(number):
            if isinstance(record.cells, RowError):
                raise record.cells.located(row=record.row, line=record.line, file=file)
            return record.cells
        count += 1
    raise FileError(f"{file} has {count} rows, and no row {number}")


def _colours(template: Template, formats: Iterable[str]) -> dict[str, str]:
    """A colour for each column that a format reads."""
    if template.by_hand:
        return {}
    read: dict[str, None] = {}
    for format in formats:
        read.update(dict.fromkeys(template.columns(format)))
    return {column: COLOURS[index % len(COLOURS)] for index, column in enumerate(read)}


def _row_table(cells: Mapping[str, Any], colours: Mapping[str, str]) -> Table:
    table = Table("column", "cell", title="row", title_justify="left", title_style="bold", header_style="bold")
    for column, cell in cells.items():
        style = colours.get(column, "dim")
        table.add_row(
            Text(visible(str(column)), style), Text(visible(cell) if isinstance(cell, str) else preview(cell), style)
        )
    return table


def _panel(template: Template, cells: Mapping[str, Any], format: str, colours: Mapping[str, str]) -> Panel:
    if template.by_hand:
        result = template.format(cells, format)
        body: list[Any] = [_entry(key, Text(visible(str(value)))) for key, value in result.items()]
    else:
        spelled = format in template.dialect.formats
        results = template.formatted(cells, format).samples if spelled else []
        samples = template.extract_all(cells, format).samples
        body = [] if samples else [Text("the row gives no sample of this format", "dim")]
        for number, sample in enumerate(samples[:SHOWN]):
            if len(samples) > 1:
                body.append(Text(f"sample {number + 1} of {len(samples)}", "bold reverse"))
            body += _sample(template, sample, colours)
            keys = results[number].result if spelled else {}
            unsaid = {name: value for name, value in sample.label_values.items() if name not in keys}
            body += [Text.assemble((name, "bold"), " = ", _cut(value)) for name, value in unsaid.items()]
            body += [_keys(template, results[number])] if spelled else []
        if len(samples) > SHOWN:
            body.append(Text(f"and {len(samples) - SHOWN} more samples", "dim"))
        if not spelled:
            body.append(Text(f"{template.dialect.name} cannot spell this format", "dim"))
    return Panel(Group(*body), title=format, title_align="left")


def _sample(template: Template, sample: Sample[list[Message]], colours: Mapping[str, str]) -> Iterator[Text]:
    """The sample in the style; as messages where the style cannot write it, and the dialect needs no text."""
    try:
        yield from _texts(render_sample(sample, template.style), colours)
    except (RowError, StyleError) as error:
        if sample.format not in template.dialect.formats or template.dialect.needs_text(sample.format):
            raise
        yield Text(f"as messages, since {template.style.name} does not write them: {error.reason}", "dim")
        for name, messages in (("prompt", sample.prompt), *sample.responses.items()):
            yield Text(name, "bold")
            yield from (_message(message, colours) for message in messages)


def _texts(sample: Sample[Rendered], colours: Mapping[str, str]) -> Iterator[Text]:
    yield _entry("prompt", _coloured(sample.prompt, colours))
    written = sample.prompt.text
    for name, rendered in sample.responses.items():
        follows = rendered.text.startswith(written)
        title = f"{name}, after {'the prompt' if written == sample.prompt.text else 'what stands before it'}"
        yield _entry(title if follows else name, _coloured(rendered, colours, len(written) if follows else 0))
        if sample.pieces:
            written = rendered.text


def _message(message: Message, colours: Mapping[str, str]) -> Text:
    """A message as it is: its role, its content in the colour of its column, and whatever else it holds."""
    text = Text.assemble((f"  {message['role']}", "dim"), " ")
    for content in message_texts([message]):
        at = 0
        for piece in pieces_of(content):
            text.append(visible(str(content[at : piece.start])))
            text.append(visible(str(content[piece.start : piece.end])), colours.get(_column(piece.origin), ""))
            at = piece.end
        text.append(visible(str(content[at:])))
    others = {key: value for key, value in message.items() if key not in ("role", "content") and value is not None}
    return text.append(f" {_cut(others)}" if others else "", "dim")


def _cut(value: object) -> str:
    """The value as it would be written in Python, at most 1,000 characters of it."""
    text = visible(repr(plain_data(value)))
    return text if len(text) <= 1000 else text[:1000] + "…"


def _entry(name: str, text: Text) -> Text:
    return Text.assemble((f"{name}\n", "bold"), text, "" if text.plain.endswith("\n") else "\n")


def _coloured(rendered: Rendered, colours: Mapping[str, str], begin: int = 0) -> Text:
    """The text from `begin` on: contents in their column's colour, what the style wrote dim, a stop underlined."""
    text = Text()
    for span in rendered.spans:
        piece = visible(rendered.text[max(span.start, begin) : span.end])
        if span.kind == "stop":
            text.append(piece, "dim underline")
        elif span.kind == "scaffold":
            text.append(piece, "dim")
        else:
            text.append(piece, colours.get(_column(span.source[0] if span.source else ""), "bold"))
    return text


def _column(place: object) -> str:
    """The column of a place in the row."""
    return str(place).split(".")[0].split("[")[0]


def _keys(template: Template, formatted: Formatted) -> Group:
    """The result's keys in the dialect, each with the beginning of what it holds; and why it would not be written."""
    lines = [
        Text.assemble((f"  {key}", "bold"), " = ", preview(plain_data(value)), no_wrap=True, overflow="ellipsis")
        for key, value in formatted.result.items()
    ]
    reason = find_skip_reason(formatted, template.parts.ties)
    said = [] if reason is None else [Text(f"convert skips it: {reason}. {reason.meaning}", "yellow")]
    return Group(Text(f"in {template.dialect.name}:"), *lines, *said)


def _legend(template: Template) -> Text:
    return Text.assemble(
        f"{template.name}, style {template.style.name}, dialect {template.dialect.name}. Colours are columns, ",
        ("dim is the style's own text", "dim"),
        ", ",
        ("underlined is the stop", "dim underline"),
        ", ↵ is the end of a line.",
    )
