"""`preftemplates show`: one row in every dataset type, with a colour per column that characters came from."""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from preftemplates.cli.load_template import EdgeOptions, load_template
from preftemplates.cli.options import (
    DialectOption,
    EdgeBosOption,
    EdgeEosOption,
    JsonOption,
    StyleOption,
    TokenizerOption,
)
from preftemplates.cli.report_counts import print_unread
from preftemplates.cli.terminal import SafeConsole, escape_unsafe, print_error, print_json
from preftemplates.core.extras import import_extra
from preftemplates.core.media import Medium, read_medium
from preftemplates.core.messages import Message
from preftemplates.core.paths import column_of
from preftemplates.core.provenance import pieces_of, plain_data
from preftemplates.core.samples import Format, Sample
from preftemplates.core.spans import Rendered
from preftemplates.data.reading import open_rows
from preftemplates.data.skips import find_skip_reasons
from preftemplates.data.unread import UnreadCounts
from preftemplates.errors import Code, FileError, RowError, StyleError, make_visible, preview
from preftemplates.templates.library import TEMPLATES, get_template
from preftemplates.templates.rendering import render_sample
from preftemplates.templates.results import Formatted
from preftemplates.templates.template import Template

_MAX_SAMPLES = 3
"""The number of samples of a row that are shown."""

_COLUMN_COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "red")


def command(
    template: Annotated[str, typer.Argument(help="A template's name, or a Python, YAML or dataset_info.json file.")],
    style: StyleOption = None,
    dialect: DialectOption = None,
    tokenizer: TokenizerOption = None,
    bos: EdgeBosOption = None,
    eos: EdgeEosOption = None,
    row: Annotated[
        str | None,
        typer.Option(
            metavar="FILE:N", help="Show row N of a file, counted from 0. \\[default: the template's example]"
        ),
    ] = None,
    format: Annotated[
        str | None, typer.Option("--format", "-f", help="Show this dataset type only; it may be derived from another.")
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Show whether rows like this one are formatted in columns or row by row.")
    ] = False,
    source: Annotated[
        bool, typer.Option("--source", help="Print the file that declares the template, and nothing else.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show one row in every dataset type that a template declares."""
    if source:
        _print_source(template)
        return
    console = SafeConsole(stderr=as_json)
    loaded = load_template(template, style, dialect, EdgeOptions(tokenizer, bos, eos), console)
    formats = loaded.formats if format is None else (loaded.check_format(format),)
    cells = _read_row(row, loaded) if row else loaded.example
    if cells is None:
        raise FileError(f"{loaded.name} has no example row; name one by --row FILE:N")
    if as_json:
        _print_as_json(loaded, cells, formats)
        return
    colours = _choose_colours(loaded, formats)
    console.print_table(_build_row_table(cells, colours))
    printed_formats = 0
    for name in formats:
        try:
            console.print_panel(name, *_build_parts(loaded, cells, name, colours))
            printed_formats += 1
        except (RowError, StyleError) as error:
            console.print_panel(name, Text(str(error)), border="red")
    if plan:
        console.print_table(_build_plans(loaded, cells, formats))
    unread = UnreadCounts()
    unread.add(loaded.find_unread(cells), 0, None)
    print_unread(unread, console)
    if colours:
        console.print(_build_legend(loaded, console.has_colours))
    if not printed_formats:
        kinds = "any dataset type of the template" if format is None else f"the dataset type {format}"
        print_error(f"error: the row cannot be formatted as {kinds}")
        raise typer.Exit(2)


def _print_source(name: str) -> None:
    """Print the file that declares a template."""
    get_template(name)  # an unknown name is an error that suggests others
    registered = TEMPLATES.find(name)
    if registered is not None:
        path = sys.modules[TEMPLATES.get(registered).__module__].__file__
    else:
        path = name if os.path.exists(name) else name.rpartition(":")[0]
    if path is None:
        raise FileError(f"the source of {name} is not in a file")
    with open(path, encoding="utf-8") as file:
        print(escape_unsafe(file.read()), end="")


def _print_as_json(template: Template, cells: Mapping[str, Any], formats: Iterable[Format]) -> None:
    """Print the row, and its samples or the error per dataset type: results, texts with spans, skip reasons."""
    shown: dict[str, Any] = {}
    for format in formats:
        try:
            samples = list(_format_row(template, cells, format))
            reasons = find_skip_reasons(samples, template.ties)
            shown[format] = {"samples": [*map(partial(_describe_sample, template), samples, reasons)]}
        except (RowError, StyleError) as error:
            shown[format] = {"error": str(error), "code": None if error.code is None else str(error.code)}
    names = {"template": template.name, "style": None, "dialect": None}
    if not template.is_custom:
        names |= {"style": template.style.name, "dialect": template.dialect.name}
    print_json({**names, "row": plain_data(cells), "formats": shown}, indent=1)
    if all("error" in result for result in shown.values()):
        raise typer.Exit(2)


def _describe_sample(template: Template, formatted: Formatted, reason: Code | None) -> dict[str, Any]:
    described: dict[str, Any] = {
        "result": plain_data(formatted.result),
        "skipped": None if reason is None or not formatted.result else str(reason),
    }
    if formatted.messages is not None:
        with suppress(RowError, StyleError):  # a style may not write what the dialect gives as messages
            sample = render_sample(formatted.messages, template.style)
            texts = {"prompt": sample.prompt, **sample.responses}
            described["texts"] = {
                name: {"text": text.text, "spans": [span._asdict() for span in text.spans]}
                for name, text in texts.items()
            }
    return described


def _read_row(spec: str, template: Template) -> Mapping[str, Any]:
    """Return row N of `FILE:N`, or row 0 where no number is given."""
    file, colon, number = spec.rpartition(":")
    if not colon or os.path.exists(spec):
        file, number = spec, "0"
    elif not number.isdecimal():
        raise FileError(f"{preview(spec)}: expected a row's number, counted from 0, after the colon")
    count = 0
    for record in open_rows(file, cell_parsers=template.cell_parsers):
        if record.row == int(number):
            if isinstance(record.cells, RowError):
                raise record.cells.located(row=record.row, line=record.line, file=file)
            return record.cells
        count += 1
    raise FileError(f"{file} has {count} rows, counted from 0; there is no row {number}")


def _choose_colours(template: Template, formats: Iterable[Format]) -> dict[str, str]:
    """Return a colour for each column that a dataset type is known to read."""
    columns = dict.fromkeys(column for format in formats for column in template.known_columns(format) or ())
    return {column: _COLUMN_COLOURS[index % len(_COLUMN_COLOURS)] for index, column in enumerate(columns)}


def _build_row_table(cells: Mapping[str, Any], colours: Mapping[str, str]) -> Table:
    table = Table("column", "value", title="row", title_justify="left", title_style="bold", header_style="bold")
    for column, cell in cells.items():
        style = colours.get(column, "dim")
        table.add_row(
            Text(make_visible(str(column)), style),
            Text(make_visible(cell) if isinstance(cell, str) else preview(cell), style),
        )
    return table


def _build_parts(
    template: Template, cells: Mapping[str, Any], format: Format, colours: Mapping[str, str]
) -> list[Any]:
    samples = list(_format_row(template, cells, format))
    body: list[Any] = [] if samples else [Text(_describe_no_sample(template, cells, format), "dim")]
    reasons = find_skip_reasons(samples, template.ties)
    for number, formatted in enumerate(samples[:_MAX_SAMPLES]):
        if len(samples) > 1:
            body.append(Text(f"sample {number + 1} of {len(samples)}", "bold reverse"))
        body += _format_result(template, formatted, reasons[number], colours)
    if len(samples) > _MAX_SAMPLES:
        body.append(Text(f"and {len(samples) - _MAX_SAMPLES} more samples", "dim"))
    if not template.spells(format):
        body.append(Text(f"the dialect {template.dialect.name} has no keys for this dataset type", "dim"))
    return body


def _build_plans(template: Template, cells: Mapping[str, Any], formats: Iterable[Format]) -> Table:
    """Return how rows like this one are formatted in a table, per dataset type."""
    for module in ("pyarrow", "numpy"):
        import_extra(module, "plans are made for Arrow tables")
    from preftemplates.data.batches import BatchFormatter

    table = Table("dataset type", "plan", title="plan", title_justify="left", title_style="bold", header_style="bold")
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
    return "the row has no sample of this dataset type"


def _format_row(template: Template, cells: Mapping[str, Any], format: Format) -> Iterable[Formatted]:
    """Return the samples of the row, with a result where the dialect has keys for the dataset type."""
    if template.spells(format):
        return template.formatted(cells, format, traced=True).samples
    return (Formatted(sample, None, {}) for sample in template.extract_all(cells, format).samples)


def _format_result(
    template: Template, formatted: Formatted, reason: Code | None, colours: Mapping[str, str]
) -> Iterator[Any]:
    """Yield a sample, the labels that have no key of their name, and the keys of the result."""
    if formatted.messages is None:
        yield from (_format_entry(key, Text(make_visible(str(value)))) for key, value in formatted.result.items())
        return
    yield from _format_sample(template, formatted.messages, colours)
    for name, value in formatted.messages.label_values.items():
        if name not in formatted.result:
            yield Text.assemble((name, "bold"), " = ", _format_value(value))
    if formatted.result:
        yield _format_keys(template, formatted, reason)


def _format_sample(template: Template, sample: Sample[list[Message]], colours: Mapping[str, str]) -> Iterator[Text]:
    """Yield the sample in the style, or as messages where the style cannot write it and the dialect needs no text."""
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
        title = f"{name}, after {'the prompt' if written == sample.prompt.text else 'the text before it'}"
        start = len(written) if follows else 0
        yield _format_entry(title if follows else name, _format_rendered(rendered, colours, start))
        if sample.pieces:
            written = rendered.text


def _format_message(message: Message, colours: Mapping[str, str]) -> Text:
    """Return a message as it is: its role, its content in the colour of its column, and its other keys."""
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
    """Return the value as it would be written in Python, cut to 1,000 characters."""
    text = make_visible(repr(plain_data(value)))
    return text if len(text) <= 1000 else text[:1000] + "…"


def _format_entry(name: str, text: Text) -> Text:
    return Text.assemble((f"{name}\n", "bold"), text, "" if text.plain.endswith("\n") else "\n")


def _format_rendered(rendered: Rendered, colours: Mapping[str, str], start: int = 0) -> Text:
    """Return the text from `start`, contents in their column's colour and template text dim."""
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
    """Return the colour of the column that a path begins with."""
    column = column_of(str(path))
    return default if column is None else colours.get(column, default)


def _format_keys(template: Template, formatted: Formatted, reason: Code | None) -> Group:
    """Return the result's keys, each with the beginning of its value, and why convert would skip it."""
    lines = [
        Text.assemble((f"  {key}", "bold"), " = ", preview(plain_data(value)), no_wrap=True, overflow="ellipsis")
        for key, value in formatted.result.items()
    ]
    warnings = [] if reason is None else [Text(f"convert skips it: {reason}. {reason.meaning}", "yellow")]
    return Group(Text(f"in {template.dialect.name}:"), *lines, *warnings)


def _build_legend(template: Template, has_colours: bool) -> Text:
    names = f"{template.name}, style {template.style.name}, dialect {template.dialect.name}. "
    if not has_colours:
        return Text(f"{names}↵ marks the end of a line.")
    return Text.assemble(
        f"{names}One colour per column, ",
        ("dim is template text", "dim"),
        ", ",
        ("underlined is the end-of-turn token", "dim underline"),
        ", ↵ marks the end of a line.",
    )
