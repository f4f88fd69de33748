"""The report of a run: one HTML file with plots, which runs no script and loads no other file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jinja2

from preftemplates.data.writing import write_text
from preftemplates_train.evaluation.metrics import METRIC_RULES
from preftemplates_train.reports.answer_plots import draw_answers
from preftemplates_train.reports.layer_plot import draw_layers, find_best_losses
from preftemplates_train.reports.numbers import (
    count_wins,
    format_difference,
    format_error,
    format_number,
    format_p,
    format_seconds,
    format_share,
)
from preftemplates_train.reports.plot_data import select_finite_rewards
from preftemplates_train.reports.plots import CURVES, draw_curves, draw_histograms
from preftemplates_train.reports.sentences import (
    find_rule_comparison,
    is_too_few,
    judge_accuracy,
    judge_difference,
    list_baselines,
    list_rules,
)
from preftemplates_train.reports.wording import find_unit, get_figure_kind, get_wording

if TYPE_CHECKING:
    from preftemplates_train.evaluation.sample_figures import SampleRewards

REPORT_TEMPLATE = Path(__file__).with_name("report.html.jinja")

RULE_NOTES = {
    "longer_wins": "How often the chosen answer is the longer one. This rule ignores the content.",
    "first_listed_wins": "How often the chosen answer is the first in its row. This rule ignores the content.",
    "more_list_marks_wins": "How often the chosen answer has more list marks. This rule ignores the content.",
}
"""The note below the figure of each rule's card."""


COUNTS = ("pairs", "answers")
"""The figures that are whole numbers."""


class RuleCard(NamedTuple):
    """A card with the accuracy of a content-blind rule."""

    title: str
    accuracy: float
    note: str


class FigureCard(NamedTuple):
    """A card with a figure of single answers, or of whether answers are safe."""

    title: str
    value: str
    note: str


class ModelComparison(NamedTuple):
    """A row of the table that compares the model with simpler ones.

    Attributes:
        label: the name of the model or rule.
        accuracy: how often it is right.
        error: the standard error of the accuracy; None if it is unknown.
        colour: the role of the bar's colour.
        difference: by how many points the model is better, with a sign; empty for the model itself.
        interval: the 95 % interval of the difference; empty if it is unknown.
        comparison: whether the model is better than it, in words.
        p: the p of the sign test; empty if it is unknown.
        note: the cost of training it.
    """

    label: str
    accuracy: float
    error: float | None = None
    colour: str = "training"
    difference: str = ""
    interval: str = ""
    comparison: str = ""
    p: str = ""
    note: str = ""


def write_report(
    path: Path,
    *,
    title: str,
    summary: Sequence[str],
    history: Sequence[Mapping[str, float]],
    chosen: Sequence[float] = (),
    rejected: Sequence[float] = (),
    answers: SampleRewards | None = None,
    metrics: Mapping[str, Any],
    settings: Mapping[str, Any],
    counts: Sequence[Mapping[str, Any]],
    by_source: Mapping[str, Mapping[str, float]],
) -> None:
    """Write the report. All text is escaped, and equal arguments give equal bytes.

    Args:
        path: the file, which is written completely or not at all.
        title: the heading.
        summary: plain sentences: what the run shows, and what it does not show.
        history: a Trainer's `state.log_history`; entries without a value to draw are skipped.
        chosen: the rewards of the held-out pairs' chosen answers, shape (B,); empty if no pairs were held out.
        rejected: the rewards of their rejected answers, shape (B,).
        answers: the rewards of held-out single answers, with their labels; None if there are none.
        metrics: the results of `measure_samples` and `measure_shortcuts`, any of which may be missing. A mapping in it
            is a second set of the same measures, such as `clean`. `baselines` are simpler models by name, which are
            compared with the model. Lists, and other mappings of mappings, are not shown.
        settings: values by name; a mapping is shown entry by entry.
        counts: the result of `SourceReport.summarize` for each source.
        by_source: figures such as pairs, accuracy and accuracy_stderr by the source's name; shown if there are
            several.

    Raises:
        ValueError: the numbers of chosen and rejected rewards differ.
        FileError: the file cannot be written.
    """
    rewards, kind = select_finite_rewards(chosen, rejected), get_figure_kind(metrics)
    flat_settings = list(_flatten(settings))
    histograms = draw_histograms(rewards) if len(chosen) else []
    text = _load_page().render(
        title=title,
        summary=summary,
        wording=get_wording(metrics),
        samples=metrics.get("pairs", metrics.get("answers")),
        curves=draw_curves(history, kind),
        layers=draw_layers(metrics["head"]) if "head" in metrics else None,
        several_layers=len(find_best_losses(metrics["head"])) > 1 if "head" in metrics else False,
        evaluated=any(curve.held_out in entry for entry in history for curve in CURVES),
        histograms=histograms if answers is None else draw_answers(answers, kind),
        metrics=metrics,
        measures=_group_measures(metrics),
        is_few=is_too_few(metrics),
        rule_cards=_list_rule_cards(metrics),
        figure_cards=list(_list_figure_cards(metrics)),
        comparisons=list(_compare_models(metrics)) if list_baselines(metrics) else [],
        not_measured={
            name: baseline["skipped"]
            for name, baseline in metrics.get("baselines", {}).items()
            if "skipped" in baseline
        },
        short_settings=[(name, value) for name, value in flat_settings if len(value) <= 100],
        long_settings=[(name, value) for name, value in flat_settings if len(value) > 100],
        counts=counts,
        by_source=by_source if len(by_source) > 1 else {},
    )
    write_text(path, text)


@cache
def _load_page() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "number": format_number,
        "share": format_share,
        "error": format_error,
        "wins": count_wins,
        "standing": judge_accuracy,
        "is_few": is_too_few,
    }
    return environment.from_string(REPORT_TEMPLATE.read_text(encoding="utf-8"))


def _list_figure_cards(metrics: Mapping[str, Any]) -> Iterator[FigureCard]:
    """Yield a card for each figure of single answers and of safety labels."""
    if "auc" in metrics:
        note = "How often a good answer has a higher reward than a bad one (the area under the ROC curve)."
        yield FigureCard("Good above bad", format_share(metrics["auc"]), note)
    if "safe_accuracy" in metrics:
        majority = format_share(metrics["safe_majority_accuracy"])
        note = f"Always predicting the more frequent label is right for {majority}."
        yield FigureCard("Safe or not", format_share(metrics["safe_accuracy"]), note)
    if "rmse" in metrics:
        note = f"In the units of the scores; always predicting the mean has {format_number(metrics['rmse_of_mean'])}."
        yield FigureCard("Root mean squared error", format_number(metrics["rmse"]), note)
        note = "The share by which the model reduces the squared error of always predicting the mean."
        yield FigureCard("Variance explained", format_share(metrics["variance_explained"]), note)
        note = "Spearman's: 1 if the rewards rank answers as the scores do, 0 if their order is unrelated."
        yield FigureCard("Rank correlation", format_number(metrics["spearman"]), note)


def _list_rule_cards(metrics: Mapping[str, Any]) -> list[RuleCard]:
    """Return a card for each content-blind rule that was measured."""
    return [
        RuleCard(
            key.replace("_", " ").capitalize(), metrics[key], RULE_NOTES.get(key, "This rule ignores the content.")
        )
        for key in METRIC_RULES
        if key in metrics
    ]


def _compare_models(metrics: Mapping[str, Any]) -> Iterator[ModelComparison]:
    """Yield the rows of the model, the baselines and, if there are enough samples, the rules."""
    accuracy = metrics["accuracy"]
    yield ModelComparison("this model", accuracy, metrics.get("accuracy_stderr"), judge_accuracy(metrics).colour)
    for label, baseline in list_baselines(metrics).items():
        yield _compare_baseline(label, baseline)
    for rule, share in list_rules(metrics).items() if not is_too_few(metrics) else ():
        compared = find_rule_comparison(metrics, rule)
        row = ModelComparison(f"the rule '{rule}'", share, difference=format_difference(accuracy - share))
        yield row if compared is None else row._replace(**_describe_comparison(compared))


def _compare_baseline(label: str, baseline: Mapping[str, Any]) -> ModelComparison:
    unit, seconds = find_unit(baseline), format_seconds(baseline["seconds"])
    samples = int(baseline[f"train_{unit}s"])
    return ModelComparison(
        label,
        baseline["accuracy"],
        baseline.get("accuracy_stderr"),
        note=f"trained on {samples:,} {unit}s, {seconds} of CPU time",
        **_describe_comparison(baseline["model"]),
    )


def _describe_comparison(compared: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a `ModelComparison` for a result of `compare_scores`."""
    bounds = (format_difference(compared[key]) for key in ("difference_low", "difference_high"))
    return {
        "difference": format_difference(compared["difference"]),
        "interval": " to ".join(bounds),
        "comparison": {1: "better", -1: "worse", 0: "not clearly different"}[judge_difference(compared)],
        "p": format_p(compared["p"]),
    }


def _group_measures(metrics: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the numbers by set and name: first those of the held-out samples, then those of each mapping."""
    mappings = {name: value for name, value in metrics.items() if isinstance(value, Mapping)}
    sets = {"held out": metrics, **mappings}
    return {
        name: {key: int(value) if key in COUNTS else value for key, value in measures.items() if _is_number(value)}
        for name, measures in sets.items()
        if any(map(_is_number, measures.values()))
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _flatten(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield names and values; the names of a mapping's entries have its name and a dot as a prefix."""
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value)
