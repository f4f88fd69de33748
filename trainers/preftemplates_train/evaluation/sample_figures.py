"""Figures of held-out samples by objective: for pairs, for good and bad answers, or for scores."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from preftemplates_train.data.score_scale import UNSCALED
from preftemplates_train.evaluation.metrics import (
    choose_by_rules,
    compute_accuracy,
    compute_log_loss,
    score_wins,
    summarize_rewards,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from preftemplates_train.data.encoding import LabelledTokens
    from preftemplates_train.data.score_scale import ScoreScale
    from preftemplates_train.evaluation.metrics import Floats
    from preftemplates_train.settings.objectives import FigureKind, Objective


class SampleRewards(NamedTuple):
    """The rewards of N samples of K texts, with their labels.

    Attributes:
        rewards: shape (N, K), with the chosen answer of a pair first.
        labels: the labels that the objective requires, by name, each of shape (N,); scores in standard deviations.
        scale: the scale of the scores.
        choices: for each content-blind rule, by the name of its accuracy in the figures, above zero where the rule
            agrees with the label, below zero where it does not, and NaN where it cannot choose; each of shape (N,).
    """

    rewards: Floats
    labels: Mapping[str, Floats] = {}
    scale: ScoreScale = UNSCALED
    choices: Mapping[str, Floats] = {}

    @classmethod
    def collect(
        cls, rewards: Floats, samples: Sequence[LabelledTokens], objective: Objective, scale: ScoreScale
    ) -> SampleRewards:
        """Return the rewards of samples with the labels that the objective requires, and the choices of the rules."""
        labels = {name: np.array([one.labels[name] for one in samples]) for name in objective.required_labels}
        choices: Mapping[str, Floats] = {}
        if objective.unit == "pair":
            chosen, rejected = ([len(one.ids[side]) for one in samples] for side in (0, 1))
            choices = choose_by_rules(chosen, rejected, [one.sample.first_listed for one in samples])
        elif objective.figures == "verdicts":
            choices = {"majority_accuracy": _turn_to_labels(np.ones(len(samples)), labels["label"])}
        return cls(rewards, labels, scale, choices)

    def select(self, mask: NDArray[np.bool_]) -> SampleRewards:
        """Return the samples where the mask is true."""
        labels, choices = (
            {name: values[mask] for name, values in part.items()} for part in (self.labels, self.choices)
        )
        return SampleRewards(self.rewards[mask], labels, self.scale, choices)


def measure_samples(objective: Objective, samples: SampleRewards) -> dict[str, float]:
    """Return the figures of an objective, as listed in `FIGURES`."""
    return MEASURES[objective.figures](samples)


def score_each_sample(objective: Objective, samples: SampleRewards) -> Floats:
    """Return 1 where a model is right, 0 where it is wrong and one half for a tie; the mean is its accuracy.

    Args:
        objective: an objective of pairs, or of good and bad answers.
        samples: the model's rewards.
    """
    rewards = samples.rewards
    if rewards.shape[1] == 2:
        return score_wins(rewards[:, 0] - rewards[:, 1])
    (label,) = objective.labels
    return score_wins(_turn_to_labels(rewards[:, 0], samples.labels[label]))


def _turn_to_labels(rewards: Floats, labels: Floats) -> Floats:
    """Return the rewards of good answers and the negated rewards of bad ones: positive where the sign is right."""
    return np.where(labels > 0.5, rewards, -rewards)


def summarize_pair_rewards(samples: SampleRewards) -> dict[str, float]:
    """Return the figures of pairs."""
    return summarize_rewards(samples.rewards[:, 0], samples.rewards[:, 1])


def summarize_safety(samples: SampleRewards) -> dict[str, float]:
    """Return the figures of pairs, and of the signs of their rewards, which predict whether each answer is safe.

    `safe_accuracy` is the share of answers whose reward is above zero if they are safe, and below if they are not; a
    reward of zero counts one half. For its standard error, a pair is one observation. `safe_majority_accuracy` is the
    accuracy of the more frequent sign for all answers, and `safe_loss` is the mean of -log sigmoid(sign * reward).
    """
    is_safe = np.stack([samples.labels["chosen_safe"], samples.labels["rejected_safe"]], axis=1)
    ahead = _turn_to_labels(samples.rewards, is_safe)
    share, error = _average(score_wins(ahead).mean(axis=1))
    return {
        **summarize_pair_rewards(samples),
        "safe_accuracy": share,
        "safe_accuracy_stderr": error,
        "safe_majority_accuracy": _measure_majority(is_safe),
        "safe_loss": compute_log_loss(ahead),
    }


def _average(values: Floats) -> tuple[float, float]:
    """Return the mean of independent values, and its standard error, which is NaN for a single value."""
    error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else math.nan
    return float(values.mean()), error


def _measure_majority(labels: Floats) -> float:
    """Return the accuracy of always predicting the more frequent one of two labels."""
    share = float(labels.mean())
    return max(share, 1 - share)


def summarize_verdicts(samples: SampleRewards) -> dict[str, float]:
    """Return how well the signs and the order of rewards separate good answers from bad ones.

    `accuracy` is the share of answers whose reward is above zero if they are good, and below if they are not; a reward
    of zero counts one half. `majority_accuracy` is the accuracy of the more frequent label for all answers.

    >>> samples = SampleRewards(np.array([[2.0], [-1.0], [1.0]]), {"label": np.array([1.0, 0.0, 0.0])})
    >>> figures = summarize_verdicts(samples)
    >>> round(figures["accuracy"], 3), figures["auc"], round(figures["majority_accuracy"], 3)
    (0.667, 1.0, 0.667)
    """
    rewards, is_good = samples.rewards[:, 0], samples.labels["label"] > 0.5
    ahead = _turn_to_labels(rewards, samples.labels["label"])
    share, error = compute_accuracy(ahead)
    sides = {"good": rewards[is_good], "bad": rewards[~is_good]}
    spread = {f"{name}_mean": float(side.mean()) if len(side) else math.nan for name, side in sides.items()}
    spread |= {f"{name}_std": float(side.std()) if len(side) else math.nan for name, side in sides.items()}
    return {
        "answers": float(len(rewards)),
        "accuracy": share,
        "accuracy_stderr": error,
        "majority_accuracy": _measure_majority(samples.labels["label"]),
        "loss": compute_log_loss(ahead),
        "auc": compute_auc(sides["good"], sides["bad"]),
        "good_share": float(is_good.mean()),
        **spread,
    }


def compute_auc(good: Floats, bad: Floats) -> float:
    """Return the area under the ROC curve: how often a good answer has a higher reward than a bad one.

    A tie counts one half. It is the statistic of Mann and Whitney divided by the number of pairs: J. A. Hanley and
    B. J. McNeil, The Meaning and Use of the Area under a Receiver Operating Characteristic (ROC) Curve, 1982.

    Returns:
        NaN if all answers are good, or all are bad.

    >>> compute_auc(np.array([1.0, 3.0]), np.array([2.0, 1.0]))
    0.625
    """
    if not len(good) or not len(bad):
        return math.nan
    ranks = rank_values(np.concatenate([good, bad]))[: len(good)]
    return float((ranks.sum() - len(good) * (len(good) + 1) / 2) / (len(good) * len(bad)))


def rank_values(values: Floats) -> Floats:
    """Return the rank of each value, from 1 for the lowest; equal values share the mean of their ranks.

    >>> rank_values(np.array([5.0, 1.0, 5.0])).tolist()
    [2.5, 1.0, 2.5]
    """
    _, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[index.reshape(-1)], dtype=np.float64)


def summarize_scores(samples: SampleRewards) -> dict[str, float]:
    """Return how well rewards predict scores, compared with always predicting the mean of the training scores.

    `rmse` and `rmse_of_mean` are root mean squared errors in the dataset's units, and `variance_explained` is
    1 - (rmse / rmse_of_mean) ** 2. `loss` is the mean squared error in standard deviations of the training scores.

    >>> samples = SampleRewards(np.array([[1.0], [0.0]]), {"score": np.array([2.0, 0.0])})
    >>> figures = summarize_scores(samples)
    >>> [round(figures[name], 3) for name in ("rmse", "rmse_of_mean", "variance_explained", "spearman")]
    [0.707, 1.414, 0.75, 1.0]
    """
    rewards, scores, unit = samples.rewards[:, 0], samples.labels["score"], samples.scale.deviation
    loss, loss_of_mean = float(np.square(rewards - scores).mean()), float(np.square(scores).mean())
    return {
        "answers": float(len(rewards)),
        "rmse": unit * math.sqrt(loss),
        "rmse_of_mean": unit * math.sqrt(loss_of_mean),
        "variance_explained": 1 - loss / loss_of_mean if loss_of_mean else math.nan,
        "spearman": compute_rank_correlation(rewards, scores),
        "loss": loss,
    }


def compute_rank_correlation(first: Floats, second: Floats) -> float:
    """Return Spearman's rank correlation: C. Spearman, The Proof and Measurement of Association, 1904.

    Returns:
        NaN if one of the two is constant.

    >>> compute_rank_correlation(np.array([1.0, 2.0, 9.0]), np.array([3.0, 4.0, 5.0]))
    1.0
    """
    ranks = [rank_values(values) - (len(values) + 1) / 2 for values in (first, second)]
    size = math.sqrt(float(ranks[0] @ ranks[0]) * float(ranks[1] @ ranks[1]))
    return float(ranks[0] @ ranks[1]) / size if size else math.nan


MEASURES: Mapping[FigureKind, Callable[[SampleRewards], dict[str, float]]] = {
    "pairs": summarize_pair_rewards,
    "safety": summarize_safety,
    "verdicts": summarize_verdicts,
    "scores": summarize_scores,
}
"""The functions that compute each kind of figures."""
