"""`preftemplates tokenize`: rows in, a file of token ids, loss masks and lengths out."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from preftemplates.cli.convert import NothingToWriteError, check_paths, print_totals
from preftemplates.cli.load_template import read_tokenizer
from preftemplates.cli.options import (
    DataDirOption,
    GroupOption,
    NameOption,
    OnErrorOption,
    PairsOption,
    RevisionOption,
    SourceArgument,
    SplitOption,
    TemplateOption,
    TiesOption,
)
from preftemplates.cli.progress import show_progress
from preftemplates.cli.report_counts import print_group_counts, spell_report
from preftemplates.cli.terminal import SafeConsole, print_json_text
from preftemplates.core.extras import import_extra
from preftemplates.core.messages import ROLES
from preftemplates.core.samples import Format
from preftemplates.data.content_rules import read_special_tokens
from preftemplates.data.convert import OnError
from preftemplates.data.dataset_sources import DatasetChoice
from preftemplates.data.grouping import GroupedSource, group_rows
from preftemplates.data.media import find_first_parts
from preftemplates.data.reading import find_file_kind, open_rows
from preftemplates.data.token_lengths import LengthLimit, TooLong
from preftemplates.data.writing import open_writer, write_pieces
from preftemplates.errors import DefinitionError, FileError, did_you_mean, preview
from preftemplates.styles.resolve import find_style
from preftemplates.styles.style import Style
from preftemplates.styles.style_names import shorten_path
from preftemplates.templates.library import get_template
from preftemplates.templates.template import Template
from preftemplates.tokens.loss import LossSelection, TrainedTurns


def command(
    source: SourceArgument,
    template: TemplateOption,
    tokenizer: Annotated[
        str, typer.Option(metavar="DIR", help="The tokenizer: its directory, or a model on the hub (OWNER/NAME).")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Write to this file: .parquet, .jsonl or .json.")],
    format: Annotated[
        str, typer.Option("--format", "-f", help="Write this dataset type: preference, supervised, unpaired, ...")
    ] = "preference",
    style: Annotated[
        str | None,
        typer.Option(
            "--style",
            "-s",
            metavar="STYLE",
            help="Render conversations in this style, as for convert. \\[default: the tokenizer's chat template]",
        ),
    ] = None,
    loss: Annotated[
        TrainedTurns,
        typer.Option(help="Train on turns of the response, of the whole conversation, or on the last turn."),
    ] = "response",
    role: Annotated[
        list[str] | None, typer.Option(help="Train on turns of this role; repeatable. \\[default: assistant]")
    ] = None,
    message: Annotated[
        list[int] | None,
        typer.Option(help="Train on this message only, counted from 0, or from -1 at the end; repeatable."),
    ] = None,
    train_on_stop: Annotated[
        bool, typer.Option("--stop/--no-stop", help="Train on the end-of-turn tokens too.")
    ] = True,
    max_length: Annotated[
        int | None, typer.Option(min=1, help="Allow this many ids per text. \\[default: any number]")
    ] = None,
    too_long: Annotated[
        TooLong | None,
        typer.Option(
            help="Handle longer samples: drop them, cut the oldest turns of the prompt, or truncate texts."
            " \\[default: drop]"
        ),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|DIR",
            help="Encode with this engine if its ids are those of the tokenizer: tokenizers-1, tokie, gigatoken, or"
            " a directory with tokenizers 1.x. \\[default: tokenizers, the tokenizer itself]",
        ),
    ] = None,
    on_error: OnErrorOption = "skip",
    split: SplitOption = None,
    name: NameOption = None,
    data_dir: DataDirOption = None,
    revision: RevisionOption = None,
    group_by: GroupOption = None,
    pairs: PairsOption = "all",
    ties: TiesOption = None,
    report: Annotated[
        Path | None, typer.Option(help="Write the counts, and every skipped and rejected row, to this JSON file.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the report of --report as JSON to standard output.")
    ] = False,
) -> None:
    """Write the token ids, loss masks and lengths of rows, with the column names that TRL reads.

    The ids are those of the conversation in the style, by default the tokenizer's own chat template. The mask marks
    the tokens to train on. A message with a flag of its own (weight, loss_weight, train, training, masked) follows it.

    Rows in = formatted + skipped + rejected. Samples that are too long are skipped.

    Exit code 3 if more than 10 rows and more than 1 % of the rows are rejected, or if no row is formatted. In the
    second case, no file is written.
    """
    console, start = SafeConsole(stderr=True), time.perf_counter()
    import_extra("pyarrow", "token ids are written as columns")
    loaded = get_template(template)
    sample_format = loaded.check_format(format)
    check_paths(source, out, report, None)
    if find_file_kind(out) == ".csv":
        raise FileError(f"{out}: a CSV has no lists; write .parquet or .jsonl")
    if too_long is not None and max_length is None:
        raise DefinitionError("--too-long needs --max-length: without it, no text is too long")
    if too_long == "truncate" and sample_format == "prompt_only":
        raise DefinitionError(
            "--too-long truncate would cut off the end of the prompt, which opens the answer; use drop or cut_prompt"
        )
    limit = LengthLimit(max_length, too_long or "drop")
    selection = _make_selection(loss, train_on_stop, role, message)
    token_source = read_tokenizer(tokenizer)
    loaded = _choose_style(loaded, style, token_source, tokenizer, console)
    loaded = loaded.adapted(pairs=pairs, ties=ties or loaded.ties)
    choice = DatasetChoice(split, name, data_dir, revision)
    rows = open_rows(source, **choice._asdict(), cell_parsers=loaded.cell_parsers)
    if group_by is not None:
        rows = group_rows(rows, group_by)
    loaded = loaded.adapted(parts=find_first_parts(loaded, sample_format, rows))
    conversion = _make_conversion(loaded, sample_format, token_source, selection, limit, engine, rows, on_error)
    with suppress(NothingToWriteError), open_writer(out, conversion.schema) as writer:
        for results in show_progress(conversion.convert_slices(), rows, console, lambda: conversion.report.rows):
            writer.write_slice(results)
        if not conversion.report.formatted:
            raise NothingToWriteError
    if isinstance(rows, GroupedSource):
        print_group_counts(rows, conversion.report.rows, console)
    seconds = time.perf_counter() - start
    print_totals(conversion.report, out, seconds, console, _list_count_notes(conversion.counts))
    if report is not None:
        write_pieces(report, spell_report(conversion.report))
    if as_json:
        print_json_text(spell_report(conversion.report))
    if not conversion.report.formatted or conversion.report.too_many_rejected:
        raise typer.Exit(3)


def _make_selection(
    turns: TrainedTurns, stop: bool, roles: list[str] | None, messages: list[int] | None
) -> LossSelection:
    for role in roles or ():
        if role not in ROLES:
            raise DefinitionError(
                f"--role is one of {', '.join(ROLES)}; got {preview(role)}.{did_you_mean(role, ROLES)}"
            )
    return LossSelection(turns, stop, (*(roles or ("assistant",)),), tuple(messages) if messages else None)


def _choose_style(template: Template, style: str | None, tokenizer: Any, folder: str, console: Console) -> Template:
    """Return the template in the style that is named, or in the tokenizer's own chat template."""
    if template.is_custom:
        return template
    if style is not None:
        found = find_style(style)
        loaded = found.load()
        for note in found.list_notes(loaded):
            console.print(Text(f"note: {note}"), soft_wrap=True)
        return template.with_style(loaded)
    if not getattr(tokenizer, "chat_template", None):
        console.print(Text(f"style: {template.style.name}, the template's own; the tokenizer has no chat template"))
        return template
    own = Style.from_tokenizer(tokenizer)
    console.print(Text(f"style: the chat template of {folder}"), soft_wrap=True)
    return template.with_style(Style.of(own.layout, shorten_path(folder)))


def _make_conversion(
    template: Template,
    format: Format,
    tokenizer: Any,
    selection: LossSelection,
    limit: LengthLimit,
    engine: str | None,
    rows: Any,
    on_error: OnError,
) -> Any:
    from preftemplates.data.sample_tokens import SampleTokenizer
    from preftemplates.data.token_conversion import TokenConversion
    from preftemplates.data.token_schema import TokenSchema

    schema = TokenSchema(template, format, has_masks=True)
    encoder = SampleTokenizer(schema, tokenizer, selection, engine)
    special = read_special_tokens(tokenizer)
    return TokenConversion(rows, encoder, limit, on_error=on_error, file=rows.name, special_tokens=special)


def _list_count_notes(counts: Any) -> list[Text]:
    """Return what became of the token ids, one line each."""
    if not counts.ids:
        return []
    share = f", {counts.trained:,} of them trained on" if counts.trained else ""
    notes = [Text(f"{counts.ids:,} ids{share}; the longest text has {counts.longest:,}")]
    losses = {"the oldest turns of the prompt": counts.cut_prompts, "the end of a text": counts.truncated}
    for what, count in losses.items():
        if count:
            samples = "1 sample has" if count == 1 else f"{count:,} samples have"
            notes.append(Text(f"  {samples} lost {what}", "yellow"))
    return notes
