"""Figures: measures of a model, computed from the rewards that it gives to answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from preftemplates_train.evaluation.length_control import control_length
from preftemplates_train.evaluation.metrics import (
    METRIC_RULES,
    Z_95,
    Floats,
    compute_calibration,
    compute_sign_test,
    compute_wilson_interval,
    score_wins,
)
from preftemplates_train.evaluation.rules import choose_list_marks, measure_rules
from preftemplates_train.evaluation.scored_samples import PairMargins, ScoredSample
from preftemplates_train.evaluation.temperature import fit_temperature

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LENGTH_BANDS = {
    "shorter by more than 100": (-np.inf, -100),
    "shorter by 11 to 100": (-100, -10),
    "within 10": (-10, 11),
    "longer by 11 to 100": (11, 101),
    "longer by more than 100": (101, np.inf),
}
"""The bands of the difference in tokens, better minus worse answer: from the first number up to below the second."""


def summarize_pairs(pairs: PairMargins) -> dict[str, Any]:
    """Return the numbers of samples and pairs, the accuracies with 95 % intervals, and the log loss in nats.

    The accuracy of a sample is the share of its pairs whose better answer has the higher reward, where a tie counts
    one half; the accuracy is the mean over samples. The log loss is the same mean of -log sigmoid(margin). For the
    interval, a sample is one observation, because the pairs of one prompt are not independent. `control_length`
    computes the length-controlled accuracy.

    >>> right = ScoredSample(0, 0, {}, [1.0, 0.0], [0, 1], [5, 5])
    >>> tied = ScoredSample(1, 0, {}, [0.5, 0.5], [0, 1], [5, 5])
    >>> summarize_pairs(PairMargins.from_samples([right, tied]))["accuracy"]
    0.75
    """
    shares = pairs.average_by_sample(score_wins(pairs.margins))
    low, high = compute_wilson_interval(float(shares.mean()), len(shares))
    return {
        "samples": len(shares),
        "pairs": len(pairs.margins),
        "accuracy": float(shares.mean()),
        "accuracy_low": low,
        "accuracy_high": high,
        **control_length(pairs).as_figures(),
        "loss": _compute_loss(pairs),
    }


def _compute_loss(pairs: PairMargins, temperature: float = 1.0) -> float:
    """Return the mean over samples of -log sigmoid(margin / temperature), in nats."""
    return float(pairs.average_by_sample(np.logaddexp(0.0, -pairs.margins / temperature)).mean())


def evaluate_samples(
    samples: Sequence[ScoredSample], group_columns: Sequence[str] = (), recorded_temperature: float = 1.0
) -> dict[str, Any]:
    """Return all figures of samples.

    Args:
        samples: the samples; each has answers of at least two ranks.
        group_columns: the columns to group by.
        recorded_temperature: the temperature in the record of the model.
    """
    pairs = PairMargins.from_samples(samples)
    error, bins = compute_calibration(pairs.margins, pairs.weights)
    figures = summarize_pairs(pairs)
    figures["calibration_error"] = error
    figures["calibration"] = bins
    figures |= _measure_temperatures(pairs, recorded_temperature)
    figures["shortcuts"] = _measure_shortcuts(samples, pairs)
    figures["rules"] = measure_rules(samples, lambda scored: PairMargins.from_samples(scored).accuracy)
    figures["by"] = {
        column: _summarize_groups([_spell_value(sample.columns.get(column)) for sample in samples], pairs)
        for column in group_columns
    }
    figures["by_length_difference"] = {
        name: summarize_pairs(pairs.select(mask))
        for name, (low, high) in LENGTH_BANDS.items()
        if (mask := (pairs.length_differences >= low) & (pairs.length_differences < high)).any()
    }
    turns = [sample.turns for sample in samples if sample.turns is not None]
    if len(turns) == len(samples):
        groups = _summarize_groups(list(map(str, turns)), pairs)
        figures["by_turns"] = {name: groups[name] for name in map(str, sorted(set(turns)))}
    if any(len(sample.rewards) > 2 for sample in samples):
        figures["best"] = measure_best_answers(samples)
        figures["cells"] = tabulate_wins(samples)
    return figures


def _measure_temperatures(pairs: PairMargins, recorded: float) -> dict[str, Any]:
    """Return the fitted temperature with its figures, and the figures of the recorded temperature."""
    fit = fit_temperature(pairs.margins, pairs.weights)
    fitted = {} if fit.temperature is None else _measure_after_temperature(pairs, fit.temperature)
    return {
        "temperature": fit.temperature,
        "temperature_reason": fit.reason,
        "loss_at_temperature": fitted.get("loss"),
        "calibration_error_at_temperature": fitted.get("calibration_error"),
        "recorded_temperature": {"temperature": recorded, **_measure_after_temperature(pairs, recorded)},
    }


def _measure_after_temperature(pairs: PairMargins, temperature: float) -> dict[str, float]:
    error, _ = compute_calibration(pairs.margins / temperature, pairs.weights)
    return {"loss": _compute_loss(pairs, temperature), "calibration_error": error}


def _spell_value(value: Any) -> str:
    """Return the name of a group: the text of a value, or the value as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _summarize_groups(names: Sequence[str], pairs: PairMargins) -> dict[str, dict[str, Any]]:
    """Return the figures of each group; `names` has the group of each sample."""
    name_of = np.array(names, dtype=object)[pairs.sample]
    return {name: summarize_pairs(pairs.select(name_of == name)) for name in dict.fromkeys(names)}


def _measure_shortcuts(samples: Sequence[ScoredSample], pairs: PairMargins) -> dict[str, dict[str, Any]]:
    """Compare the model with content-blind rules, or with their opposites if these are right more often."""
    first = np.array([np.nan if sample.first_listed is None else 2.0 * sample.first_listed - 1 for sample in samples])
    choices = {"longer_wins": pairs.length_differences}
    if len(set(first[~np.isnan(first)])) > 1:  # otherwise the better answer has its own column, which names it
        choices["first_listed_wins"] = first[pairs.sample]
    list_marks = choose_list_marks(samples)
    if list_marks is not None:
        choices["more_list_marks_wins"] = list_marks
    figures = {}
    for name, choice in choices.items():
        known = pairs.select(~np.isnan(choice))
        if len(known.margins):
            wins = score_wins(choice[~np.isnan(choice)])
            is_opposite = float(known.average_by_sample(wins).mean()) < 0.5
            rule = known.average_by_sample(1 - wins if is_opposite else wins)
            figures[name] = {
                "rule": METRIC_RULES[name][is_opposite],
                "accuracy": float(rule.mean()),
                "model": compare_scores(known.average_by_sample(score_wins(known.margins)), rule),
            }
    return figures


def compare_scores(first: Floats, second: Floats) -> dict[str, Any]:
    """Compare two models, or a model and a rule, on the same samples.

    Args:
        first: the score of the first on each sample, from 0 to 1.
        second: the score of the second on each sample, from 0 to 1.

    Returns:
        The difference in accuracy, first minus second, with a 95 % interval from the standard error of the
        differences; the numbers of samples on which the first does better and worse; the `p` of `compute_sign_test`.

    >>> compare_scores(np.array([1.0, 1.0, 0.5]), np.array([0.0, 1.0, 1.0]))["p"]
    1.0
    """
    differences = first - second
    mean, number = float(differences.mean()), len(differences)
    half = Z_95 * float(differences.std(ddof=1)) / number**0.5 if number > 1 else float("nan")
    ahead, behind = int((differences > 0).sum()), int((differences < 0).sum())
    return {
        "samples": number,
        "difference": mean,
        "difference_low": mean - half,
        "difference_high": mean + half,
        "ahead": ahead,
        "behind": behind,
        "p": compute_sign_test(ahead, behind),
    }


def compare_on_common_samples(
    samples: Sequence[ScoredSample], others: Sequence[ScoredSample]
) -> dict[str, Any] | None:
    """Compare two models' accuracies on the samples that both scored; return None if there are none.

    Args:
        samples: the samples that the model scored.
        others: the samples that the other model scored, whose figures are returned.
    """
    common = {(sample.row, sample.number) for sample in samples} & {(sample.row, sample.number) for sample in others}
    if not common:
        return None
    pairs, other_pairs = (
        PairMargins.from_samples([sample for sample in side if (sample.row, sample.number) in common])
        for side in (samples, others)
    )
    shares = (of_model.average_by_sample(score_wins(of_model.margins)) for of_model in (pairs, other_pairs))
    return {**summarize_pairs(other_pairs), "model": compare_scores(*shares)}


def measure_best_answers(samples: Iterable[ScoredSample]) -> dict[str, Any]:
    """Return how often an answer of the best rank has the highest reward; for ties, one of the highest is drawn."""
    shares = [compute_top_share(sample.good, sample.bad) for sample in samples]
    low, high = compute_wilson_interval(float(np.mean(shares)), len(shares))
    return {"samples": len(shares), "accuracy": float(np.mean(shares)), "accuracy_low": low, "accuracy_high": high}


def compute_top_share(good: Sequence[float], bad: Sequence[float]) -> float:
    """Return the share of good answers among those with the highest reward.

    >>> compute_top_share([2.0], [2.0, 1.0])
    0.5
    """
    top = max(*good, *bad)
    return list(good).count(top) / [*good, *bad].count(top)


def tabulate_wins(samples: Iterable[ScoredSample]) -> dict[str, dict[str, Any]]:
    """Return how often each good answer beats each bad one, for samples of m good and n bad answers.

    The rows of `accuracy` are the good answers in the order of the row, and its columns are the bad ones. In RM-Bench,
    whose answers are ordered by their styles from concise to formatted, the values right of the diagonal are the hard
    comparisons, those on the diagonal the normal ones, and those left of it the easy ones (Y. Liu and others,
    RM-Bench, 2024).
    """
    tables: dict[str, list[Floats]] = {}
    for sample in samples:
        good, bad = np.array(sample.good), np.array(sample.bad)
        if len(set(sample.ranks)) == 2 and len(good) * len(bad) > 1:
            table = score_wins(good[:, None] - bad[None, :])
            tables.setdefault(f"{len(good)}x{len(bad)}", []).append(table)
    return {
        shape: {"samples": len(of_shape), "accuracy": np.mean(of_shape, axis=0).tolist()}
        for shape, of_shape in tables.items()
    }
