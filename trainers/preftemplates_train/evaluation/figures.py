"""Figures: what the rewards of answers say about the model that gave them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from preftemplates_train.evaluation.metrics import (
    SHORTCUT_RULES,
    Z_95,
    Floats,
    compute_calibration,
    compute_sign_test,
    compute_wilson_interval,
    score_wins,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

LENGTH_BANDS = {
    "shorter by more than 100": (-np.inf, -100),
    "shorter by 11 to 100": (-100, -10),
    "within 10": (-10, 11),
    "longer by 11 to 100": (11, 101),
    "longer by more than 100": (101, np.inf),
}
"""By how many tokens the better answer may be longer than the worse one: from the first number to below the second."""


class ScoredSample(NamedTuple):
    """One sample, with the rewards of its answers and the values that it can be grouped by.

    Attributes:
        row: the number of its row.
        number: its place among the samples of that row.
        columns: the values of the requested columns.
        rewards: of K answers.
        ranks: of each answer; the lowest is the best.
        tokens: of each answer's whole text.
        turns: of the user in the prompt; None if the template formats by hand.
        first_listed: whether the better answer of two is the one that the row lists first, if that says something.
    """

    row: int
    number: int
    columns: Mapping[str, Any]
    rewards: Sequence[float]
    ranks: Sequence[float]
    tokens: Sequence[int]
    turns: int | None = None
    first_listed: bool | None = None

    @property
    def good(self) -> list[float]:
        """The rewards of the best rank's answers."""
        return [reward for reward, rank in zip(self.rewards, self.ranks, strict=True) if rank == min(self.ranks)]

    @property
    def bad(self) -> list[float]:
        """The rewards of all other answers."""
        return [reward for reward, rank in zip(self.rewards, self.ranks, strict=True) if rank != min(self.ranks)]


class PairMargins(NamedTuple):
    """The P pairs of a better and a worse answer in samples.

    Attributes:
        sample: the index of each pair's sample.
        margins: the better answer's reward minus the worse one's.
        length_differences: the same of their tokens.
    """

    sample: NDArray[np.intp]
    margins: Floats
    length_differences: Floats

    @classmethod
    def from_samples(cls, samples: Sequence[ScoredSample]) -> PairMargins:
        """Return all pairs of the samples."""
        pairs = [
            (number, sample.rewards[better] - sample.rewards[worse], sample.tokens[better] - sample.tokens[worse])
            for number, sample in enumerate(samples)
            for better in range(len(sample.ranks))
            for worse in range(len(sample.ranks))
            if sample.ranks[better] < sample.ranks[worse]
        ]
        sample_of, margins, longer = zip(*pairs, strict=True) if pairs else ((), (), ())
        return cls(np.array(sample_of, dtype=np.intp), np.array(margins, float), np.array(longer, float))

    def select(self, mask: NDArray[np.bool_]) -> PairMargins:
        """Return the pairs where the mask is true."""
        return PairMargins(self.sample[mask], self.margins[mask], self.length_differences[mask])

    @property
    def weights(self) -> Floats:
        """The weight of each pair; those of a sample add up to one, so that no prompt counts more than another."""
        return np.asarray(1 / np.bincount(self.sample)[self.sample], dtype=np.float64)

    def average_by_sample(self, values: Floats) -> Floats:
        """Return the mean of the values over the pairs of each sample, shape (samples,)."""
        sums = np.bincount(self.sample, values * self.weights)
        return np.asarray(sums[np.unique(self.sample)], dtype=np.float64)


def summarize_pairs(pairs: PairMargins) -> dict[str, Any]:
    """Return how many samples and pairs there are, the accuracy with its 95 % interval, and the log loss in nats.

    The accuracy is the mean over samples of the share of a sample's pairs whose better answer has the higher reward, a
    tie counting one half; the log loss is that of -log sigmoid(margin). A sample is one observation of the interval,
    as the pairs of one prompt are not independent.

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
        "loss": float(pairs.average_by_sample(np.logaddexp(0.0, -pairs.margins)).mean()),
    }


def evaluate_samples(samples: Sequence[ScoredSample], group_columns: Sequence[str] = ()) -> dict[str, Any]:
    """Return all figures of samples.

    Args:
        samples: the samples; each has answers of two ranks or more.
        group_columns: the columns to group by.
    """
    pairs = PairMargins.from_samples(samples)
    error, bins = compute_calibration(pairs.margins, pairs.weights)
    figures = summarize_pairs(pairs)
    figures["calibration_error"] = error
    figures["calibration"] = bins
    figures["shortcuts"] = _measure_shortcuts(samples, pairs)
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


def _spell_value(value: Any) -> str:
    """Return the name of a group: the text of a value, or the value as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _summarize_groups(names: Sequence[str], pairs: PairMargins) -> dict[str, dict[str, Any]]:
    """Return the figures of the samples of each name; there is one name for each sample."""
    name_of = np.array(names, dtype=object)[pairs.sample]
    return {name: summarize_pairs(pairs.select(name_of == name)) for name in dict.fromkeys(names)}


def _measure_shortcuts(samples: Sequence[ScoredSample], pairs: PairMargins) -> dict[str, dict[str, Any]]:
    """Return the rules that read no text, or their opposites if these are right more often, next to the model."""
    first = np.array([np.nan if sample.first_listed is None else 2.0 * sample.first_listed - 1 for sample in samples])
    choices = {"longer_wins": pairs.length_differences, "first_listed_wins": first[pairs.sample]}
    figures = {}
    for name, choice in choices.items():
        known = pairs.select(~np.isnan(choice))
        if len(known.margins):
            wins = score_wins(choice[~np.isnan(choice)])
            is_opposite = float(known.average_by_sample(wins).mean()) < 0.5
            rule = known.average_by_sample(1 - wins if is_opposite else wins)
            figures[name] = {
                "rule": SHORTCUT_RULES[name][is_opposite],
                "accuracy": float(rule.mean()),
                "model": compare_scores(known.average_by_sample(score_wins(known.margins)), rule),
            }
    return figures


def compare_scores(first: Floats, second: Floats) -> dict[str, Any]:
    """Compare two models, or a model and a rule, on the same samples.

    Args:
        first: how well the first does on each sample, from 0 to 1.
        second: likewise the second.

    Returns:
        By how much the first is more accurate, with a 95 % interval from the differences' standard error; on how many
        samples it does better and worse; and the `p` of `compute_sign_test`.

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
    """Compare two models' accuracies on the samples that both scored; None if there are none.

    Args:
        samples: the samples that the model scored.
        others: those that the other model scored, whose figures are returned.
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
    """Return how often an answer of the best rank has the highest reward; of several highest ones, one is drawn."""
    shares = [compute_top_share(sample.good, sample.bad) for sample in samples]
    low, high = compute_wilson_interval(float(np.mean(shares)), len(shares))
    return {"samples": len(shares), "accuracy": float(np.mean(shares)), "accuracy_low": low, "accuracy_high": high}


def compute_top_share(good: Sequence[float], bad: Sequence[float]) -> float:
    """Return the share of good ones among the highest rewards.

    >>> compute_top_share([2.0], [2.0, 1.0])
    0.5
    """
    top = max(*good, *bad)
    return list(good).count(top) / [*good, *bad].count(top)


def tabulate_wins(samples: Iterable[ScoredSample]) -> dict[str, dict[str, Any]]:
    """Return how often each good answer beats each bad one, for samples of m good and n bad answers.

    The rows of `accuracy` are the good answers in the order of the row, its columns the bad ones. In RM-Bench, whose
    answers are ordered by their styles from concise to formatted, the cells right of the diagonal are hard, those on
    the diagonal normal, and those left of it easy (Y. Liu and others, RM-Bench, 2024).
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
