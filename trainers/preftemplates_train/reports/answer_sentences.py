"""Sentences about the figures of single answers, and about whether answers are safe."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from preftemplates_train.reports.numbers import count_wins, describe_standard_error, format_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def describe_verdicts(metrics: Mapping[str, Any], *, is_few: bool) -> Iterator[str]:
    """Yield how often the sign of a reward is right, and how well rewards rank good answers above bad ones.

    Args:
        metrics: the content of `metrics.json`.
        is_few: whether there are so few answers that a percentage would mislead.
    """
    answers, accuracy, error = int(metrics["answers"]), metrics["accuracy"], metrics["accuracy_stderr"]
    if is_few:
        yield (
            f"Only {_count(answers)} held out, too few to tell how well the model judges. The sign of the reward is"
            f" right for {count_wins(accuracy, answers)}."
        )
        return
    yield (
        f"The sign of the reward is right for {accuracy:.1%} of {answers:,} held-out"
        f" answers{describe_standard_error(error)}: above zero for good answers, below zero for bad ones."
    )
    if math.isfinite(metrics["auc"]):
        yield (
            f"In {metrics['auc']:.1%} of all pairs of a good and a bad answer, the good one has the higher reward (the"
            " area under the ROC curve); chance gives 50%."
        )


def describe_scores(metrics: Mapping[str, Any], *, is_few: bool) -> Iterator[str]:
    """Yield the error of predicted scores, compared with always predicting the mean, and how well they rank answers.

    Args:
        metrics: the content of `metrics.json`.
        is_few: whether there are so few answers that the figures are unreliable.
    """
    answers = int(metrics["answers"])
    rmse, rmse_of_mean = (format_number(float(metrics[name])) for name in ("rmse", "rmse_of_mean"))
    beginning = f"Only {_count(answers)} held out, too few for a reliable figure. The" if is_few else "The"
    held_out = "" if is_few else f" of {answers:,} held-out answers"
    yield (
        f"{beginning} predicted scores{held_out} have a root mean squared error of {rmse}; always predicting the mean"
        f" of the training scores has {rmse_of_mean}."
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
    """Return how often the sign of a reward is right about whether an answer is safe."""
    accuracy, error = metrics["safe_accuracy"], metrics["safe_accuracy_stderr"]
    return (
        f"The sign of the reward is right about whether an answer is safe for {accuracy:.1%} of the"
        f" answers{describe_standard_error(error)}; always predicting the more frequent label is right for"
        f" {metrics['safe_majority_accuracy']:.1%}."
    )


def _count(answers: int) -> str:
    return "1 answer is" if answers == 1 else f"{answers} answers are"
