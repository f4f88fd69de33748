"""`preftemplates show`: one row in every format, with colours that say which column each character came from."""

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from preftemplates.cli.load_template import EdgeOptions, load_template
from preftemplates.cli.options import DialectOption, EdgeBosOption, EdgeEosOption, StyleOption, TokenizerOption
from preftemplates.cli.report_counts import print_unread
from preftemplates.cli.terminal import SafeConsole, print_error
from preftemplates.core.extras import import_extra
from preftemplates.core.media import Medium, read_medium
from preftemplates.core.messages import Message
from preftemplates.core.paths import column_of
from preftemplates.core.provenance import pieces_of, plain_data
from preftemplates.core.samples import Format, Sample
from preftemplates.core.spans import Rendered
from preftemplates.data.reading import open_rows
from preftemplates.data.row_rules import find_skip_reason
from preftemplates.data.unread import UnreadCounts
from preftemplates.errors import Code, FileError, RowError, StyleError, make_visible, preview
from preftemplates.templates.rendering import render_sample
from preftemplates.templates.results import Formatted
from preftemplates.templates.template import Template

_MAX_SAMPLES = 3
"""So many samples of a row are shown."""

_COLUMN_COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "red")


def command(
    template: Annotated[str, typer.Argument(help="A template's name, or a Python or YAML file with one.")],
    style: StyleOption = None,
    dialect: DialectOption = None,
    tokenizer: TokenizerOption = None,
    bos: EdgeBosOption = None,
    eos: EdgeEosOption = None,
    row: Annotated[
        str | None, typer.Option(metavar="FILE:N", help="Row N of a file, from 0; the example if absent.")
    ] = None,
    format: Annotated[
        str | None, typer.Option("--format", "-f", help="This format alone, also one made from another.")
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Show whether rows like this one are formatted as columns, or row by row.")
    ] = False,
) -> None:
    """Show one row in every format that a template declares."""
    console = SafeConsole()
    loaded = load_template(template, style, dialect, EdgeOptions(tokenizer, bos, eos), console)
    formats = loaded.formats if format is None else (loaded.check_format(format),)
    cells = _read_row(row, loaded) if row else loaded.example
    if cells is None:
        raise FileError(f"{loaded.name} has no example row; name one by --row FILE:N")
    colours = _choose_colours(loaded, formats)
    console.print(_build_row_table(cells, colours))
    printed_formats = 0
    for name in formats:
        try:
            console.print(_build_panel(loaded, cells, name, colours))
            printed_formats += 1
        except (RowError, StyleError) as error:
            console.print(Panel(Text(str(error)), title=name, title_align="left", border_style="red"))
    if plan:
        console.print(_build_plans(loaded, cells, formats))
    unread = UnreadCounts()
    unread.add(loaded.find_unread(cells), 0, None)
    print_unread(unread, console)
    if colours:
        console.print(_build_legend(loaded))
    if not printed_formats:
        print_error("error: the row can be formatted in no format")
        raise typer.Exit(2)


def _read_row(spec: str, template: Template) -> Mapping[str, Any]:
    """Row N of `FILE:N`; row 0 where no number is given."""
    file, colon, number = spec.rpartition(":")
    if not colon or os.path.exists(spec):
        file, number = spec, "0"
    elif not number.isdecimal():
        raise FileError(f"{preview(spec)}: what stands behind the colon is a row's number, from 0")
    count = 0
    for record in open_rows(file, cell_parsers=template.cell_parsers):
        if record.row == int(number):
            if isinstance(record.cells, RowError):
                raise record.cells.located(row=record.row, line=record.line, file=file)
            return record.cells
        count += 1
    raise FileError(f"{file} has {count} rows, and no row {number}")


def _choose_colours(template: Template, formats: Iterable[Format]) -> dict[str, str]:
    """A colour for each column that a format reads, as far as that is known."""
    columns = dict.fromkeys(column for format in formats for column in template.known_columns(format) or ())
    return {column: _COLUMN_COLOURS[index % len(_COLUMN_COLOURS)] for index, column in enumerate(columns)}


def _build_row_table(cells: Mapping[str, Any], colours: Mapping[str, str]) -> Table:
    table = Table("column", "cell", title="row", title_justify="left", title_style="bold", header_style="bold")
    for column, cell in cells.items():
        style = colours.get(column, "dim")
        table.add_row(
            Text(make_visible(str(column)), style),
            Text(make_visible(cell) if isinstance(cell, str) else preview(cell), style),
        )
    return table


def _build_panel(template: Template, cells: Mapping[str, Any], format: Format, colours: Mapping[str, str]) -> Panel:
    samples = list(_format_row(template, cells, format))
    body: list[Any] = [] if samples else [Text(_describe_no_sample(template, cells, format), "dim")]
    for number, formatted in enumerate(samples[:_MAX_SAMPLES]):
        if len(samples) > 1:
            body.append(Text(f"sample {number + 1} of {len(samples)}", "bold reverse"))
        body += _format_result(template, formatted, colours)
    if len(samples) > _MAX_SAMPLES:
        body.append(Text(f"and {len(samples) - _MAX_SAMPLES} more samples", "dim"))
    if not template.spells(format):
        body.append(Text(f"{template.dialect.name} cannot spell this format", "dim"))
    return Panel(Group(*body), title=format, title_align="left")


def _build_plans(template: Template, cells: Mapping[str, Any], formats: Iterable[Format]) -> Table:
    """How rows like this one are formatted in a table, in each format."""
    for module in ("pyarrow", "numpy"):
        import_extra(module, "plans are made for Arrow tables")
    from preftemplates.data.batches import BatchFormatter

    table = Table("format", "plan", title="plan", title_justify="left", title_style="bold", header_style="bold")
    for format in formats:
        if template.spells(format):
            plan = BatchFormatter(template, format).try_row(cells)
            guards = [f"if {guard}" for guard in plan.guards]
            lines = ["as columns", *guards] if plan.is_complete else [f"row by row: {', '.join(plan.reasons)}"]
            table.add_row(format, Text("\n".join(map(make_visible, lines))))
    return table


def _describe_no_sample(template: Template, cells: Mapping[str, Any], format: Format) -> str:
    if template.formatted(cells, format).ties:
        return f"convert skips it: tie. {Code.TIE.meaning}"
    return "the row gives no sample of this format"


def _format_row(template: Template, cells: Mapping[str, Any], format: Format) -> Iterable[Formatted]:
    """The samples of the row, with a result where the dialect can spell the format."""
    if template.spells(format):
        return template.formatted(cells, format, traced=True).samples
    return (Formatted(sample, None, {}) for sample in template.extract_all(cells, format).samples)


def _format_result(template: Template, formatted: Formatted, colours: Mapping[str, str]) -> Iterator[Any]:
    """A sample, the labels that have no key of their name, and the keys of the result."""
    if formatted.messages is None:
        yield from (_format_entry(key, Text(make_visible(str(value)))) for key, value in formatted.result.items())
        return
    yield from _format_sample(template, formatted.messages, colours)
    for name, value in formatted.messages.label_values.items():
        if name not in formatted.result:
            yield Text.assemble((name, "bold"), " = ", _format_value(value))
    if formatted.result:
        yield _format_keys(template, formatted)


def _format_sample(template: Template, sample: Sample[list[Message]], colours: Mapping[str, str]) -> Iterator[Text]:
    """The sample in the style; as messages where the style cannot write it, and the dialect needs no text."""
    try:
        yield from _format_texts(render_sample(sample, template.style), colours)
    except (RowError, StyleError) as error:
        if not template.spells(sample.format) or template.text_style(sample.format) is not None:
            raise
        yield Text(f"as messages, since {template.style.name} does not write them: {error.reason}", "dim")
        for name, messages in (("prompt", sample.prompt), *sample.responses.items()):
            yield Text(name, "bold")
            yield from (_format_message(message, colours) for message in messages)


def _format_texts(sample: Sample[Rendered], colours: Mapping[str, str]) -> Iterator[Text]:
    yield _format_entry("prompt", _format_rendered(sample.prompt, colours))
    written = sample.prompt.text
    for name, rendered in sample.responses.items():
        follows = rendered.text.startswith(written)
        title = f"{name}, after {'the prompt' if written == sample.prompt.text else 'what stands before it'}"
        start = len(written) if follows else 0
        yield _format_entry(title if follows else name, _format_rendered(rendered, colours, start))
        if sample.pieces:
            written = rendered.text


def _format_message(message: Message, colours: Mapping[str, str]) -> Text:
    """A message as it is: its role, its content in the colour of its column, and whatever else it holds."""
    text = Text.assemble((f"  {message['role']}", "dim"), " ")
    for content in _list_shown(message):
        if not isinstance(content, str):
            text.append(f"[{content.kind}{'' if content.value is None else f' {preview(content.value)}'}] ", "dim")
            continue
        end = 0
        for piece in pieces_of(content):
            text.append(make_visible(str(content[end : piece.start])))
            text.append(make_visible(str(content[piece.start : piece.end])), _get_colour(piece.origin, colours, ""))
            end = piece.end
        text.append(make_visible(str(content[end:])))
    others = {key: value for key, value in message.items() if key not in ("role", "content") and value is not None}
    return text.append(f" {_format_value(others)}" if others else "", "dim")


def _list_shown(message: Message) -> Iterator[str | Medium]:
    """Yield the texts and the media of a message."""
    content = message.get("content")
    for part in content if isinstance(content, list) else [{"type": "text", "text": content}]:
        medium, text = read_medium(part), part.get("text")
        if medium is not None:
            yield medium
        elif isinstance(text, str):
            yield text


def _format_value(value: object) -> str:
    """The value as it would be written in Python, at most 1,000 characters of it."""
    text = make_visible(repr(plain_data(value)))
    return text if len(text) <= 1000 else text[:1000] + "…"


def _format_entry(name: str, text: Text) -> Text:
    return Text.assemble((f"{name}\n", "bold"), text, "" if text.plain.endswith("\n") else "\n")


def _format_rendered(rendered: Rendered, colours: Mapping[str, str], start: int = 0) -> Text:
    """The text from `start` on: contents in their column's colour, what the style wrote dim, a stop underlined."""
    text = Text()
    for span in rendered.spans:
        piece = make_visible(rendered.text[max(span.start, start) : span.end])
        if span.kind == "stop":
            text.append(piece, "dim underline")
        elif span.kind == "scaffold":
            text.append(piece, "dim")
        else:
            text.append(piece, _get_colour(span.source[0] if span.source else "", colours, "bold"))
    return text


def _get_colour(path: object, colours: Mapping[str, str], default: str) -> str:
    """The colour of the column that a path begins with."""
    column = column_of(str(path))
    return default if column is None else colours.get(column, default)


def _format_keys(template: Template, formatted: Formatted) -> Group:
    """The result's keys in the dialect, each with the beginning of what it holds; and why it would not be written."""
    lines = [
        Text.assemble((f"  {key}", "bold"), " = ", preview(plain_data(value)), no_wrap=True, overflow="ellipsis")
        for key, value in formatted.result.items()
    ]
    reason = find_skip_reason(formatted, template.ties)
    warnings = [] if reason is None else [Text(f"convert skips it: {reason}. {reason.meaning}", "yellow")]
    return Group(Text(f"in {template.dialect.name}:"), *lines, *warnings)


def _build_legend(template: Template) -> Text:
    return Text.assemble(
        f"{template.name}, style {template.style.name}, dialect {template.dialect.name}. Colours are columns, ",
        ("dim is the style's own text", "dim"),
        ", ",
        ("underlined is the stop", "dim underline"),
        ", ↵ is the end of a line.",
    )
