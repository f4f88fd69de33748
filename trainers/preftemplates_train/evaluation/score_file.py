"""`preftemplates-train score`: write the rows of a file with their rewards."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from preftemplates.cli.terminal import SafeConsole, print_json
from preftemplates.data.reading import find_file_kind, import_extra, make_ending_error
from preftemplates.data.writing import open_writer
from preftemplates.errors import Code, FileError
from preftemplates_train.console import escape_text
from preftemplates_train.data.sources import make_opener
from preftemplates_train.errors import SetupError, summarize_error
from preftemplates_train.evaluation.output_paths import check_output
from preftemplates_train.evaluation.partial_output import PartialOutput, find_partial_path, hash_files
from preftemplates_train.evaluation.scorer import ROWS_PER_WINDOW, Scorer, score_answers
from preftemplates_train.model.checkpoint import hash_tokenizer
from preftemplates_train.model.weight_hashes import hash_weights
from preftemplates_train.progress import show_progress_on, track

if TYPE_CHECKING:
    from preftemplates import Format, Template
    from preftemplates.data.reading import Record
    from preftemplates_train.evaluation.options import ScoreOptions

REWARD_COLUMNS = {
    "preference": ["chosen_reward", "rejected_reward"],
    "supervised": ["reward"],
    "unpaired": ["reward"],
    "scored": ["reward"],
    "ranked": ["rewards"],
}
"""The columns of rewards by dataset type; `rewards` is a list with one reward per answer."""


class ScoredRow(NamedTuple):
    """A row with its rewards by column, or the reason why it has none."""

    row: Record
    rewards: Mapping[str, float | list[float]]
    unscored: str | None


def score_rows(rows: Iterable[Record], template: Template, scorer: Scorer, format: Format) -> Iterator[ScoredRow]:
    """Score rows, in their order; a row that gives several samples has no rewards.

    Args:
        rows: the rows.
        template: the template that reads them.
        scorer: the checkpoint.
        format: the dataset type. "preference" gives chosen_reward and rejected_reward, "ranked" gives rewards, a list,
            and the others give reward.
    """
    for _, samples in groupby(score_answers(rows, template, scorer, format), key=lambda answers: answers.row.row):
        first, *others = samples
        rewards = [list(first.rewards)] if format == "ranked" else list(first.rewards)
        if others:
            yield ScoredRow(first.row, {}, str(Code.SEVERAL_SAMPLES))
        elif first.unscored is not None:
            yield ScoredRow(first.row, {}, first.unscored)
        else:
            yield ScoredRow(first.row, dict(zip(REWARD_COLUMNS[format], rewards, strict=True)), None)


def score_file(options: ScoreOptions) -> int:
    """Write every row with its rewards.

    Returns:
        The exit code: 3 if no row can be scored.
    """
    source, out, format = options.source, options.out, options.format
    if find_file_kind(out) is None:
        raise make_ending_error(out)
    check_output(out, options)
    check_output(find_partial_path(out), options)
    scorer = Scorer(options.model, options.batch_size, style=options.style, allow_style=options.allow_style)
    row_template = scorer.find_template(options.template)
    row_template.check_format(format)
    open_input = make_opener(source, row_template, options.choice)
    names = REWARD_COLUMNS[format]
    columns, schema = _find_columns(open_input(), names, out)
    console, rows, reasons = SafeConsole(stderr=True), 0, Counter[str]()
    with open_writer(out, schema) as writer:
        partial = PartialOutput(out, _describe_job(scorer, row_template, options), resume=options.resume)
        done = partial.truncate(ROWS_PER_WINDOW)
        if done:
            console.print(escape_text(f"{done:,} rows are already scored"))
        try:
            remaining = score_rows(islice(iter(open_input()), done, None), row_template, scorer, format)
            with show_progress_on(console):
                partial.append(
                    (scored.rewards, scored.unscored)
                    for scored in track(remaining, "scoring rows")
                    if _has_free_columns(scored.row, names)
                )
        except BaseException:
            if partial.truncate(ROWS_PER_WINDOW):
                message = f"stopped; the scored rows are in {partial.path}; add --resume to continue"
                console.print(escape_text(message), soft_wrap=True)
            else:
                partial.remove()
            raise
        for row, (rewards, reason) in zip(open_input(), partial, strict=True):
            writer.write({**columns, **_add_rewards(row, rewards, reason, names)})
            rows += 1
            reasons.update([] if reason is None else [reason])
    partial.remove()
    unscored = reasons.total()
    message = f"{rows:,} rows = {rows - unscored:,} scored + {unscored:,} unscored; wrote {out}"
    for line in (message, *_describe_unscored(reasons)):
        console.print(escape_text(line), soft_wrap=True)
    if options.json:
        counts = {"rows": rows, "scored": rows - unscored, "unscored": unscored, "reasons": dict(reasons)}
        print_json({**counts, "out": str(out)}, indent=1)
    return 3 if unscored == rows else 0


def _describe_unscored(reasons: Mapping[str, int]) -> Iterator[str]:
    """Yield a line for each reason why rows have no rewards, with its number of rows."""
    codes = {str(code): code.meaning for code in Code} | {"unencodable": "The tokenizer cannot encode a text."}
    codes[str(Code.SEVERAL_SAMPLES)] += " Name another dataset type with --format, such as ranked."
    for reason, count in reasons.items():
        yield f"  {reason}  {count:,} {'row' if count == 1 else 'rows'}. {codes.get(reason, '')}".rstrip()


def _describe_job(scorer: Scorer, template: Template, options: ScoreOptions) -> dict[str, str]:
    """Return everything that the rewards depend on, by name."""
    path = Path(options.source)
    return {
        "model": _hash_model(scorer),
        "template": template.text_digest,
        "style": "none" if scorer.style is None else scorer.style.digest,
        "format": options.format,
        "input": hash_files(path) if path.is_file() else f"{options.source} {options.choice}",
    }


def _hash_model(scorer: Scorer) -> str:
    """Return a hash of what the rewards of given texts depend on; a temperature and a record's other values do not."""
    parts = [
        hash_weights(scorer.model.state_dict().items()),
        hash_tokenizer(scorer.tokenizer),
        {**scorer.model.config.to_dict(), "_name_or_path": None},
        scorer.record.max_length,
        scorer.record.length_policy,
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _find_columns(rows: Iterable[Record], names: Sequence[str], out: Path) -> tuple[dict[str, None], Any]:
    """Find the columns of all rows, for file formats in which all rows have the same columns.

    Returns:
        Every column of every row, with the value None, and the schema for Parquet; nothing for JSON.

    Raises:
        FileError: Parquet has no single type for the values of a column.
    """
    kind = find_file_kind(out)
    if kind not in (".csv", ".parquet"):
        return {}, None
    all_cells = (row.cells for row in rows if isinstance(row.cells, Mapping))
    if kind == ".csv":
        return dict.fromkeys(name for cells in all_cells for name in cells), None
    schema = _unify_schemas(all_cells, names, out)
    return dict.fromkeys(schema.names), schema


def _unify_schemas(all_cells: Iterator[Mapping[str, Any]], names: Sequence[str], out: Path) -> Any:
    """Return the schema of all rows, with the columns of rewards."""
    arrow = import_extra("pyarrow", "the output is Parquet")
    types = {name: arrow.list_(arrow.float64()) if name == "rewards" else arrow.float64() for name in names}
    reward_schema = arrow.schema([*types.items(), ("unscored", arrow.string())])
    schemas = []
    try:
        while window := list(islice(all_cells, ROWS_PER_WINDOW)):
            columns = dict.fromkeys(name for cells in window for name in cells)
            schemas.append(arrow.Table.from_pylist([{**columns, **cells} for cells in window]).schema)
        return arrow.unify_schemas([*schemas, reward_schema], promote_options="permissive")
    except (arrow.ArrowException, OverflowError) as error:
        raise FileError(f"{out} cannot hold these rows: {summarize_error(error)}; write a .jsonl file") from error


def _has_free_columns(row: Record, names: Sequence[str]) -> bool:
    """Return True if a row has none of the columns that are added.

    Raises:
        SetupError: the row has one of them.
    """
    taken = next((name for name in (*names, "unscored") if isinstance(row.cells, Mapping) and name in row.cells), None)
    if taken is not None:
        raise SetupError(f"row {row.row} already has a column {taken!r}, which would be overwritten; rename it")
    return True


def _add_rewards(
    row: Record, rewards: Mapping[str, Any], unscored: str | None, names: Sequence[str]
) -> dict[str, Any]:
    cells = row.cells if isinstance(row.cells, Mapping) else {}
    return {**cells, **{name: rewards.get(name) for name in names}, "unscored": unscored}
