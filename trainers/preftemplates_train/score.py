"""Scoring: a checkpoint's rewards beside the rows of any file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.console import Console

from preftemplates import Template
from preftemplates.data.reading import Record as Row
from preftemplates.data.reading import RowSource, find_file_kind, import_extra, open_rows
from preftemplates.data.writing import open_writer
from preftemplates.errors import Code, FileError
from preftemplates.templates.row_types import read_row_type
from preftemplates.templates.row_validation import cell_parsers
from preftemplates_train.errors import SetupError, first_line
from preftemplates_train.preview import plain
from preftemplates_train.scorer import ROWS_AT_ONCE, Scorer, read_answers
from preftemplates_train.unfinished import Unfinished, digest_of

REWARDS = {"preference": ["chosen_reward", "rejected_reward"], "supervised": ["reward"], "ranked": ["rewards"]}
"""The columns of rewards by format; `rewards` is a list, with one for each answer."""


class Scored(NamedTuple):
    """A row with its rewards by name, or the reason why it has none."""

    row: Row
    rewards: Mapping[str, float | list[float]]
    unscored: str | None


def score(rows: Iterable[Row], template: Template, scorer: Scorer, format: str) -> Iterator[Scored]:
    """Score rows, in their order; one that gives several samples has no rewards.

    Args:
        rows: the rows.
        template: how they are read.
        scorer: the checkpoint.
        format: "preference" gives chosen_reward and rejected_reward, "supervised" gives reward, and "ranked" gives
            rewards, a list.
    """
    for _, samples in groupby(read_answers(rows, template, scorer, format), key=lambda one: one.row.row):
        first, *others = samples
        rewards = [list(first.rewards)] if format == "ranked" else list(first.rewards)
        if others:
            yield Scored(first.row, {}, str(Code.SEVERAL_SAMPLES))
        elif first.unscored is not None:
            yield Scored(first.row, {}, first.unscored)
        else:
            yield Scored(first.row, dict(zip(REWARDS[format], rewards, strict=True)), None)


BatchSize = Annotated[int, typer.Option(min=1, help="How many texts are scored at a time.")]
StyleOption = Annotated[str | None, typer.Option(help="Write rows in this style; the one trained in.")]
AllowStyle = Annotated[bool, typer.Option("--allow-style", help="Take a style that was not trained in.")]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def score_file(
    source: Annotated[str, typer.Argument(metavar="IN", help="A file of rows, a dataset directory, or a hub name.")],
    model: Annotated[Path, typer.Option(help="The folder that preftemplates-train wrote.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to write; the ending says what.")],
    template: Annotated[str | None, typer.Option("--template", "-t", help="The one trained with, if bundled.")] = None,
    format: Annotated[str, typer.Option("--format", "-f", help="preference, supervised or ranked.")] = "preference",
    split: Annotated[str | None, typer.Option(help="The part of a dataset; train.")] = None,
    batch_size: BatchSize = 16,
    style: StyleOption = None,
    allow_style: AllowStyle = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a run to the same output stopped.")] = False,
) -> None:
    """Write every row with its rewards; a row that cannot be scored says why in `unscored`. Exit code 3 if all do."""
    if format not in REWARDS:
        raise SetupError(f"--format is {', '.join(REWARDS)}, got {format!r}")
    if out.resolve() == Path(source).resolve():
        raise FileError(f"{out} is the input; the output needs another name")
    scorer = Scorer(model, batch_size, style=style, allow_style=allow_style)
    reading = scorer.template(template)
    reading.check_format(format)
    opened = opener(source, reading, split)
    columns, schema = _table(opened(), REWARDS[format], out)
    console, rows, unscored = Console(stderr=True), 0, 0
    with open_writer(out, schema) as writer:
        done = Unfinished(out, _job(scorer, reading, source, split, format), resume=resume)
        known = done.keep(ROWS_AT_ONCE)
        if known:
            console.print(plain(f"{known:,} rows are scored already"))
        try:
            todo = score(islice(iter(opened()), known, None), reading, scorer, format)
            done.add((each.rewards, each.unscored) for each in todo if _has_place(each.row, REWARDS[format]))
        except BaseException:
            if done.keep(ROWS_AT_ONCE):
                console.print(
                    plain(f"stopped; {done.path} has what is scored, and --resume goes on from it"), soft_wrap=True
                )
            else:
                done.remove()
            raise
        for row, (rewards, reason) in zip(opened(), done, strict=True):
            writer.write({**columns, **_written(row, rewards, reason, REWARDS[format])})
            rows, unscored = rows + 1, unscored + (reason is not None)
    done.remove()
    console.print(
        plain(f"{rows:,} rows = {rows - unscored:,} scored + {unscored:,} unscored; wrote {out}"), soft_wrap=True
    )
    if unscored == rows:
        raise typer.Exit(3)


def _job(scorer: Scorer, template: Template, source: str, split: str | None, format: str) -> dict[str, str]:
    """What makes the rewards what they are."""
    rows = Path(source)
    return {
        "model": digest_of(*scorer.folder.glob("*.safetensors"), *scorer.folder.glob("*.json")),
        "template": template.digest,
        "style": "none" if scorer.style is None else scorer.style.digest,
        "format": format,
        "input": digest_of(rows) if rows.is_file() else f"{source} {split}",
    }


def opener(source: str, template: Template, split: str | None) -> Callable[[], RowSource]:
    """What opens the rows of a source, as often as it is called."""
    parsers = {} if template.by_hand else cell_parsers(read_row_type(template.parts.declaration.row))
    return partial(open_rows, source, split=split, cell_parsers=parsers)


def _table(rows: Iterable[Row], names: Sequence[str], out: Path) -> tuple[dict[str, None], Any]:
    """What an output needs to know before its first row where all rows have the same columns.

    Returns:
        Every column of every row, without a value, and for Parquet the schema; nothing for JSON.

    Raises:
        FileError: a column holds what Parquet has no one type for.
    """
    kind = find_file_kind(out)
    if kind not in (".csv", ".parquet"):
        return {}, None
    cells = (row.cells for row in rows if isinstance(row.cells, Mapping))
    if kind == ".csv":
        return dict.fromkeys(name for one in cells for name in one), None
    arrow = import_extra("pyarrow", "arrow", "the output is Parquet")
    types = {name: arrow.list_(arrow.float64()) if name == "rewards" else arrow.float64() for name in names}
    new = arrow.schema([*types.items(), ("unscored", arrow.string())])
    found = []
    try:
        while some := list(islice(cells, ROWS_AT_ONCE)):
            columns = dict.fromkeys(name for one in some for name in one)
            found.append(arrow.Table.from_pylist([{**columns, **one} for one in some]).schema)
        schema = arrow.unify_schemas([*found, new], promote_options="permissive")
    except (arrow.ArrowException, OverflowError) as error:
        raise FileError(f"{out} cannot hold these rows, but a .jsonl can: {first_line(error)}") from error
    return dict.fromkeys(schema.names), schema


def _has_place(row: Row, names: Sequence[str]) -> bool:
    """Whether a row has room for rewards.

    Raises:
        SetupError: it has not.
    """
    taken = next((name for name in (*names, "unscored") if isinstance(row.cells, Mapping) and name in row.cells), None)
    if taken is not None:
        raise SetupError(f"row {row.row} has a column {taken!r} already, which would be written over")
    return True


def _written(row: Row, rewards: Mapping[str, Any], unscored: str | None, names: Sequence[str]) -> dict[str, Any]:
    cells = row.cells if isinstance(row.cells, Mapping) else {}
    return {**cells, **{name: rewards.get(name) for name in names}, "unscored": unscored}


def command(words: Sequence[str]) -> int:
    """Run `preftemplates-train score`."""
    app(args=list(words), prog_name="preftemplates-train score")
    return 0
