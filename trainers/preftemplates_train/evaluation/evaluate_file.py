"""`preftemplates-train evaluate`: measure how well a checkpoint ranks the answers of a file, alone or with another."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from preftemplates import Ranked
from preftemplates.cli.terminal import SafeConsole, print_json
from preftemplates.data.writing import write_text
from preftemplates.errors import Code, did_you_mean, one_line
from preftemplates_train.console import replace_non_finite
from preftemplates_train.data.sources import make_opener
from preftemplates_train.errors import SetupError, TooManyBadRowsError
from preftemplates_train.evaluation.fail_below import check_bounds, make_place_error
from preftemplates_train.evaluation.figures import compare_on_common_samples, evaluate_samples
from preftemplates_train.evaluation.output_paths import check_output
from preftemplates_train.evaluation.places import explain_no_places
from preftemplates_train.evaluation.reward_bench import BENCHMARK_COLUMNS, BENCHMARKS
from preftemplates_train.evaluation.scored_samples import ScoredSample
from preftemplates_train.evaluation.scorer import ScoredAnswers, Scorer, find_trained_template, score_answers
from preftemplates_train.evaluation.table import print_evaluation
from preftemplates_train.model.checkpoint import RECORD_FILE, CheckpointRecord, write_temperature
from preftemplates_train.model.manifest import explain_unreplaceable
from preftemplates_train.progress import show_progress_on, track

if TYPE_CHECKING:
    from pathlib import Path

    from preftemplates import Format, Template
    from preftemplates.data.reading import Record
    from preftemplates_train.evaluation.options import EvaluateOptions


@dataclass
class ScoredFile:
    """The scored samples of a file with a better and a worse answer, and the counts of its rows.

    Attributes:
        samples: the samples.
        rows: the number of rows.
        unscored: the reasons why rows gave no sample, with their counts.
    """

    samples: list[ScoredSample] = field(default_factory=list)
    rows: int = 0
    unscored: Counter[str] = field(default_factory=Counter)

    def describe_unscored(self) -> str:
        """Return the reasons why rows gave no sample, the most frequent first."""
        return ", ".join(f"{count:,} {reason}" for reason, count in self.unscored.most_common())


def score_samples(
    rows: Iterable[Record], template: Template, scorer: Scorer, columns: Sequence[str] = ()
) -> ScoredFile:
    """Score rows, and keep the samples in which an answer is better than another.

    Args:
        rows: the rows.
        template: the template that reads them: as rankings if it declares rankings, else as pairs.
        scorer: the checkpoint.
        columns: the columns whose values the samples keep.
    """
    scored, format = ScoredFile(), choose_compared_format(template)
    row, number = -1, 0
    for answers in track(score_answers(rows, template, scorer, format), "scoring samples"):
        number = number + 1 if answers.row.row == row else 0
        if number == 0:
            row, scored.rows = answers.row.row, scored.rows + 1
        ranks = _get_ranks(answers)
        reason = answers.unscored or (str(Code.TIE) if len(set(ranks)) < 2 else None)
        if reason is not None:
            scored.unscored[reason] += 1
            continue
        cells = answers.row.cells if isinstance(answers.row.cells, Mapping) else {}
        values = {name: cells.get(name) for name in columns}
        turns = _count_user_turns(answers)
        scored.samples.append(
            ScoredSample(
                row=row,
                number=number,
                columns=values,
                rewards=answers.rewards,
                ranks=ranks,
                tokens=answers.tokens,
                turns=turns,
                first_listed=answers.first_listed,
                list_marks=answers.list_marks,
            )
        )
    return scored


def choose_compared_format(template: Template) -> Format:
    """Return the dataset type whose answers are compared."""
    return "ranked" if "ranked" in template.formats else "preference"


def _get_ranks(answers: ScoredAnswers) -> Sequence[float]:
    """Return the ranks of the answers; all are equal if no answer is better."""
    if isinstance(answers.messages, Ranked):
        return cast("Sequence[float]", answers.messages.ranks)
    return (0, 0) if answers.messages is not None and answers.messages.is_tie else (0, 1)


def _count_user_turns(answers: ScoredAnswers) -> int | None:
    if answers.messages is None:
        return None
    return sum(message["role"] == "user" for message in answers.messages.prompt)


def evaluate_file(options: EvaluateOptions) -> int:
    """Print how well a model ranks the answers of a file, and write the outputs that the options name.

    Returns:
        The exit code: 1 if the accuracy is below a value of `fail_below`, else 0.

    Raises:
        TooManyBadRowsError: no row can be scored.
        SetupError: an option cannot be applied, or there is no temperature to write.
    """
    console = SafeConsole(stderr=options.json)
    _check_paths(options)
    _check_places(options)
    scorer = _open_scorer(options.model, options)
    row_template = scorer.find_template(options.template)
    row_template.check_format(choose_compared_format(row_template))
    with show_progress_on(console):
        scored, other = _score_file(options, scorer, row_template)
    figures = {
        "source": options.source,
        "model": str(options.model),
        "template": row_template.name,
        **compute_figures(scored, row_template, options.by or (), other, scorer.record.temperature),
    }
    _write_figures(options, figures, console)
    failures = list(check_bounds(options.bounds, figures))
    for line in failures:
        print(one_line(line, 5000), file=sys.stderr)
    if options.write_temperature:
        _record_temperature(options, figures, console)
    return 1 if failures else 0


def _score_file(
    options: EvaluateOptions, scorer: Scorer, row_template: Template
) -> tuple[ScoredFile, ScoredFile | None]:
    """Return the rows with the model's rewards, and with those of the other model if there is one.

    Raises:
        TooManyBadRowsError: no row can be scored.
    """
    open_input = make_opener(options.source, row_template, options.choice)
    columns = [*(options.by or ()), *(BENCHMARK_COLUMNS if row_template.name in BENCHMARKS else ())]
    _check_columns(options.by or (), open_input)
    scored = score_samples(open_input(), row_template, scorer, columns)
    if not scored.samples:
        reasons = scored.describe_unscored()
        raise TooManyBadRowsError(
            f"{options.source}: no row with a better and a worse answer could be scored: {reasons}"
        )
    if options.against is None:
        return scored, None
    return scored, score_samples(open_input(), row_template, _open_scorer(options.against, options), columns)


def _write_figures(options: EvaluateOptions, figures: Mapping[str, Any], console: SafeConsole) -> None:
    """Print the figures, and write them to the output file if there is one."""
    out = options.out
    if out is not None:
        write_text(out, json.dumps(replace_non_finite(figures), indent=1, ensure_ascii=False) + "\n")
    if options.json:
        print_json(figures, indent=1)
    else:
        print_evaluation(figures, console)
    if out is not None:
        console.print(f"\nwrote {out}", highlight=False, markup=False, soft_wrap=True)


def _record_temperature(options: EvaluateOptions, figures: Mapping[str, Any], console: SafeConsole) -> None:
    """Write the fitted temperature to the model's record.

    Raises:
        SetupError: there is no fitted temperature.
    """
    temperature, folder = figures["temperature"], options.model
    if temperature is None:
        reason = figures["temperature_reason"]
        raise SetupError(f"{options.source}: no temperature is written to {folder}: {reason}")
    write_temperature(folder, temperature)
    message = f"\nwrote temperature {temperature:.6g} to {folder / RECORD_FILE}"
    console.print(message, highlight=False, markup=False, soft_wrap=True)


def _open_scorer(model: Path, options: EvaluateOptions) -> Scorer:
    return Scorer(model, options.batch_size, style=options.style, allow_style=options.allow_style)


def compute_figures(
    scored: ScoredFile,
    template: Template,
    group_columns: Sequence[str] = (),
    other: ScoredFile | None = None,
    recorded_temperature: float = 1.0,
) -> dict[str, Any]:
    """Return all figures: of the rows, of the samples, of a benchmark, and of another model.

    Raises:
        SetupError: no sample was scored by both models.
    """
    counts = {"rows": scored.rows, "unscored": dict(scored.unscored)}
    figures = {**counts, **evaluate_samples(scored.samples, group_columns, recorded_temperature)}
    benchmark = BENCHMARKS[template.name](scored.samples) if template.name in BENCHMARKS else None
    if benchmark is not None:
        figures["benchmark"] = {"name": template.name, **benchmark}
    if other is not None:
        comparison = compare_on_common_samples(scored.samples, other.samples)
        if comparison is None:
            raise SetupError(f"no sample was scored by both models; the other model: {other.describe_unscored()}")
        figures["against"] = comparison
    return figures


def _check_paths(options: EvaluateOptions) -> None:
    """Raise an error for paths that cannot be read or written, before anything is scored."""
    if options.against is not None:
        CheckpointRecord.read(options.against)
    if options.out is not None:
        check_output(options.out, options, *([] if options.against is None else [options.against]))
    if options.write_temperature:
        CheckpointRecord.read(options.model)
        reason = explain_unreplaceable(options.model, RECORD_FILE)
        if reason is not None:
            raise SetupError(
                f"{options.model}: --write-temperature cannot write to this folder: {reason}; use an intact copy of"
                " the model"
            )


def _check_places(options: EvaluateOptions) -> None:
    """Raise an error for a rule by position on a file without positions, before the model is loaded."""
    bound = next((bound for bound in options.bounds if bound.needs_places), None)
    if bound is None:
        return
    record = CheckpointRecord.read(options.model)
    template = find_trained_template(record, options.model, options.template)
    format = choose_compared_format(template)
    template.check_format(format)
    reason = explain_no_places(make_opener(options.source, template, options.choice)(), template, format)
    if reason is not None:
        raise make_place_error(bound, options.source, reason)


def _check_columns(names: Sequence[str], open_input: Callable[[], Iterable[Record]]) -> None:
    if not names:
        return
    columns = {str(name) for row in open_input() if isinstance(row.cells, Mapping) for name in row.cells}
    for name in names:
        if name not in columns:
            raise SetupError(f"no row has a column {name!r}." + did_you_mean(name, sorted(columns)))
