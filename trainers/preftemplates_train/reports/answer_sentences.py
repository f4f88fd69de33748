"""Sentences about the figures of single answers, and of whether answers are safe."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from preftemplates_train.reports.numbers import count_wins, format_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def describe_verdicts(metrics: Mapping[str, Any], *, is_few: bool) -> Iterator[str]:
    """Yield how often the sign of a reward is right, and how well its order tells good answers from bad ones.

    Args:
        metrics: the content of `metrics.json`.
        is_few: whether there are so few answers that a percentage of them would mislead.
    """
    answers, accuracy, error = int(metrics["answers"]), metrics["accuracy"], metrics["accuracy_stderr"]
    if is_few:
        yield (
            f"Only {_count(answers)} held out, which is too few to tell how well the model judges. The sign of the"
            f" reward is right in {count_wins(accuracy, answers)}."
        )
        return
    yield (
        f"Of {answers:,} held-out answers, the sign of the reward is right in {accuracy:.1%}{_spell_error(error)}:"
        " above zero for good answers, below zero for bad ones."
    )
    if math.isfinite(metrics["auc"]):
        yield (
            f"Of a good and a bad answer, the good one has the higher reward in {metrics['auc']:.1%} (the area under"
            " the ROC curve); a coin gets 50%."
        )


def describe_scores(metrics: Mapping[str, Any], *, is_few: bool) -> Iterator[str]:
    """Yield how far predicted scores are off, next to always predicting the mean, and how well they order answers.

    Args:
        metrics: the content of `metrics.json`.
        is_few: whether there are so few answers that the figures say little.
    """
    answers = int(metrics["answers"])
    rmse, rmse_of_mean = (format_number(float(metrics[name])) for name in ("rmse", "rmse_of_mean"))
    few = f"Only {_count(answers)} held out, which says little"
    beginning = few if is_few else f"Of {answers:,} held-out answers"
    yield (
        f"{beginning}: the predicted scores are off by {rmse} (root mean squared error), and always predicting the"
        f" mean of the training scores is off by {rmse_of_mean}."
    )
    if is_few:
        return
    explained, correlation = metrics["variance_explained"], metrics["spearman"]
    if math.isfinite(explained):
        yield (
            f"The model explains {explained:.1%} of the variance of the scores."
            if explained > 0
            else "The model explains none of the variance of the scores: always predicting the mean is no worse."
        )
    if math.isfinite(correlation):
        yield f"Its rank correlation with the scores (Spearman's) is {format_number(float(correlation))}."


def describe_safety(metrics: Mapping[str, Any]) -> str:
    """Return how often the sign of a reward says whether an answer is safe."""
    accuracy, error = metrics["safe_accuracy"], metrics["safe_accuracy_stderr"]
    return (
        f"The sign of the reward says in {accuracy:.1%}{_spell_error(error)} of the answers whether they are safe;"
        f" always saying what most of them are is right in {metrics['safe_majority_accuracy']:.1%}."
    )


def _spell_error(error: float) -> str:
    return f" (standard error {error:.1%})" if math.isfinite(error) else ""


def _count(answers: int) -> str:
    return "1 answer is" if answers == 1 else f"{answers} answers are"
