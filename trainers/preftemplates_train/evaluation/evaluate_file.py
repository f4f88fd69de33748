"""`preftemplates-train evaluate`: how well a checkpoint, or one beside another, ranks the answers of a file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.console import Console

from preftemplates import Template
from preftemplates.errors import Code, FileError, did_you_mean
from preftemplates.reading import Record as Row
from preftemplates.samples import Ranked
from preftemplates.writing import write_text
from preftemplates_train.data.pairs import first_listed
from preftemplates_train.errors import SetupError, TooManyBadRowsError
from preftemplates_train.evaluation.figures import Case, beside, evaluate
from preftemplates_train.evaluation.metrics import finite
from preftemplates_train.evaluation.reward_bench import BENCHMARKS, COLUMNS
from preftemplates_train.evaluation.score_file import AllowStyle, BatchSize, StyleOption, opener
from preftemplates_train.evaluation.scorer import Answers, Scorer, read_answers
from preftemplates_train.evaluation.table import print_evaluation
from preftemplates_train.model.checkpoint import Record


@dataclass
class Cases:
    """The samples of a file that have a better and a worse answer, scored, and what became of its rows.

    Attributes:
        found: the samples.
        rows: how many rows there were.
        unscored: why rows gave no sample, counted.
    """

    found: list[Case] = field(default_factory=list)
    rows: int = 0
    unscored: Counter[str] = field(default_factory=Counter)


def read_cases(rows: Iterable[Row], template: Template, scorer: Scorer, columns: Sequence[str] = ()) -> Cases:
    """Score rows, and keep the samples in which an answer is better than another.

    Args:
        rows: the rows.
        template: how they are read: as rankings if it declares these, else as pairs.
        scorer: the checkpoint.
        columns: the columns whose cells the samples keep.
    """
    cases, format, reading = Cases(), format_of(template), scorer.reading(template)
    row, place = -1, 0
    for answers in read_answers(rows, template, scorer, format):
        place = place + 1 if answers.row.row == row else 0
        if place == 0:
            row, cases.rows = answers.row.row, cases.rows + 1
        ranks = _ranks(answers)
        reason = answers.unscored or (str(Code.TIE) if len(set(ranks)) < 2 else None)
        if reason is not None:
            cases.unscored[reason] += 1
            continue
        first = first_listed(reading, answers.row) if format == "preference" and not reading.by_hand else None
        kept = {name: _cells(answers).get(name) for name in columns}
        cases.found.append(Case(row, place, kept, answers.rewards, ranks, answers.tokens, _turns(answers), first))
    return cases


def format_of(template: Template) -> str:
    """The format whose answers are compared."""
    return "ranked" if "ranked" in template.formats else "preference"


def _cells(answers: Answers) -> Mapping[str, Any]:
    return answers.row.cells if isinstance(answers.row.cells, Mapping) else {}


def _ranks(answers: Answers) -> Sequence[float]:
    """The ranks of the answers; alike where no answer is better."""
    if isinstance(answers.messages, Ranked):
        return cast("Sequence[float]", answers.messages.ranks)
    return (0, 0) if answers.messages is not None and answers.messages.is_tie else (0, 1)


def _turns(answers: Answers) -> int | None:
    if answers.messages is None:
        return None
    return sum(message["role"] == "user" for message in answers.messages.prompt)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def evaluate_file(
    source: Annotated[str, typer.Argument(metavar="IN", help="A file of rows, a dataset directory, or a hub name.")],
    model: Annotated[Path, typer.Option(help="The folder that preftemplates-train wrote.")],
    template: Annotated[str | None, typer.Option("--template", "-t", help="The one trained with, if bundled.")] = None,
    by: Annotated[list[str] | None, typer.Option(help="A column to group by; may be repeated.")] = None,
    against: Annotated[Path | None, typer.Option(help="The folder of a model to compare with.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write all figures here, as JSON.")] = None,
    split: Annotated[str | None, typer.Option(help="The part of a dataset; train.")] = None,
    batch_size: BatchSize = 16,
    style: StyleOption = None,
    allow_style: AllowStyle = False,
) -> None:
    """Print how well a model ranks the answers of a file. Exit code 3 if no row can be scored."""
    _check_places(against, out)
    scorer = Scorer(model, batch_size, style=style, allow_style=allow_style)
    reading = scorer.template(template)
    reading.check_format(format_of(reading))
    opened = opener(source, reading, split)
    columns = [*(by or ()), *(COLUMNS if reading.name in BENCHMARKS else ())]
    _check_columns(by or (), opened)
    cases = read_cases(opened(), reading, scorer, columns)
    if not cases.found:
        raise TooManyBadRowsError(f"{source}: no row has a better and a worse answer that are scored: {_why(cases)}")
    other = None
    if against is not None:
        scorer = Scorer(against, batch_size, style=style, allow_style=allow_style)
        other = read_cases(opened(), reading, scorer, columns)
    found = figures_of(cases, reading, by or (), other)
    told = {"source": source, "model": str(model), "template": reading.name, **found}
    if out is not None:
        write_text(out, json.dumps(finite(told), indent=1, ensure_ascii=False) + "\n")
    console = Console()
    print_evaluation(told, console)
    if out is not None:
        console.print(f"\nwrote {out}", highlight=False, markup=False, soft_wrap=True)


def figures_of(cases: Cases, template: Template, by: Sequence[str] = (), other: Cases | None = None) -> dict[str, Any]:
    """All figures: what became of the rows, those of the samples, of a benchmark, and of another model beside it."""
    counts = {"rows": cases.rows, "unscored": dict(cases.unscored)}
    found = {**counts, **evaluate(cases.found, by)}
    benchmark = BENCHMARKS[template.name](cases.found) if template.name in BENCHMARKS else None
    if benchmark is not None:
        found["benchmark"] = {"name": template.name, **benchmark}
    if other is not None:
        found["against"] = compared(cases, other)
    return found


def compared(cases: Cases, other: Cases) -> dict[str, Any]:
    """The other model's figures on the samples that both scored, and the difference.

    Raises:
        SetupError: there is no such sample.
    """
    found = beside(cases.found, other.found)
    if found is None:
        raise SetupError(f"the two models scored no sample in common: {_why(other)}")
    return found


def _check_places(against: Path | None, out: Path | None) -> None:
    """Refuse, before anything is scored, what would be refused behind it."""
    if against is not None:
        Record.read(against)
    if out is not None and not out.absolute().parent.is_dir():
        raise FileError(f"{out} cannot be written: there is no directory {out.parent}")


def _check_columns(by: Sequence[str], opened: Callable[[], Iterable[Row]]) -> None:
    if not by:
        return
    columns = {str(name) for row in opened() if isinstance(row.cells, Mapping) for name in row.cells}
    for name in by:
        if name not in columns:
            raise SetupError(f"no row has a column {name!r}." + did_you_mean(name, sorted(columns)))


def _why(cases: Cases) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in cases.unscored.most_common())


def command(words: Sequence[str]) -> int:
    """Run `preftemplates-train evaluate`."""
    app(args=list(words), prog_name="preftemplates-train evaluate")
    return 0
