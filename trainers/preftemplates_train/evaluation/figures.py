"""Evaluation: what the rewards of answers say of the model that gave them, in figures."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from preftemplates_train.evaluation.metrics import SHORTCUTS, Floats, Z, calibration, sign_test, wilson, wins

BANDS = {
    "shorter by more than 100": (-np.inf, -100),
    "shorter by 11 to 100": (-100, -10),
    "within 10": (-10, 11),
    "longer by 11 to 100": (11, 101),
    "longer by more than 100": (101, np.inf),
}
"""By how many tokens the better answer may be longer than the worse one: from the first number to below the second."""


class Case(NamedTuple):
    """One sample, with the rewards of its answers and what one may group by.

    Attributes:
        row: the number of its row.
        place: its place among the samples of that row.
        cells: the cells of the columns that are asked for.
        rewards: of K answers.
        ranks: of each answer; the lowest is the best.
        tokens: of each answer's whole text.
        turns: of the user in the prompt; None if the template formats by hand.
        first_listed: whether the better answer of two is the one that the row lists first, if that says something.
    """

    row: int
    place: int
    cells: Mapping[str, Any]
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


class Pairs(NamedTuple):
    """The P pairs of a better and a worse answer in samples.

    Attributes:
        sample: the place of each pair's sample in what the pairs were made from.
        margins: the better answer's reward minus the worse one's.
        longer: the same of their tokens.
    """

    sample: NDArray[np.intp]
    margins: Floats
    longer: Floats

    @classmethod
    def of(cls, cases: Sequence[Case]) -> Pairs:
        """All pairs of the samples."""
        found = [
            (number, case.rewards[better] - case.rewards[worse], case.tokens[better] - case.tokens[worse])
            for number, case in enumerate(cases)
            for better in range(len(case.ranks))
            for worse in range(len(case.ranks))
            if case.ranks[better] < case.ranks[worse]
        ]
        sample, margins, longer = zip(*found, strict=True) if found else ((), (), ())
        return cls(np.array(sample, dtype=np.intp), np.array(margins, float), np.array(longer, float))

    def where(self, mask: NDArray[np.bool_]) -> Pairs:
        """Some of the pairs."""
        return Pairs(self.sample[mask], self.margins[mask], self.longer[mask])

    @property
    def weights(self) -> Floats:
        """Of each pair; those of a sample add up to one, so that no prompt counts more than another."""
        return np.asarray(1 / np.bincount(self.sample)[self.sample], dtype=np.float64)

    def shares(self, values: Floats) -> Floats:
        """The mean of the values over the pairs of each sample, shape (samples,)."""
        sums = np.bincount(self.sample, values * self.weights)
        return np.asarray(sums[np.unique(self.sample)], dtype=np.float64)


def figures(pairs: Pairs) -> dict[str, Any]:
    """How many samples and pairs there are, the accuracy with its 95 % interval, and the log loss in nats.

    The accuracy is the mean over samples of the share of a sample's pairs whose better answer has the higher reward, a
    tie counting one half; the log loss is that of -log sigmoid(margin). A sample is one observation of the interval,
    as the pairs of one prompt are not independent.

    >>> cases = [Case(0, 0, {}, [1.0, 0.0], [0, 1], [5, 5]), Case(1, 0, {}, [0.5, 0.5], [0, 1], [5, 5])]
    >>> figures(Pairs.of(cases))["accuracy"]
    0.75
    """
    shares = pairs.shares(wins(pairs.margins))
    low, high = wilson(float(shares.mean()), len(shares))
    return {
        "samples": len(shares),
        "pairs": len(pairs.margins),
        "accuracy": float(shares.mean()),
        "accuracy_low": low,
        "accuracy_high": high,
        "loss": float(pairs.shares(np.logaddexp(0.0, -pairs.margins)).mean()),
    }


def evaluate(cases: Sequence[Case], by: Sequence[str] = ()) -> dict[str, Any]:
    """All figures of samples.

    Args:
        cases: the samples; each has answers of two ranks or more.
        by: the columns to group by.
    """
    pairs = Pairs.of(cases)
    error, bins = calibration(pairs.margins, pairs.weights)
    found = figures(pairs)
    found["calibration_error"] = error
    found["calibration"] = bins
    found["shortcuts"] = _shortcuts(cases, pairs)
    found["by"] = {column: _by([_spelled(case.cells.get(column)) for case in cases], pairs) for column in by}
    found["by_length_difference"] = {
        name: figures(pairs.where(there))
        for name, (low, high) in BANDS.items()
        if (there := (pairs.longer >= low) & (pairs.longer < high)).any()
    }
    turns = [case.turns for case in cases if case.turns is not None]
    if len(turns) == len(cases):
        grouped = _by(list(map(str, turns)), pairs)
        found["by_turns"] = {name: grouped[name] for name in map(str, sorted(set(turns)))}
    if any(len(case.rewards) > 2 for case in cases):
        found["best"] = best(cases)
        found["cells"] = cells(cases)
    return found


def _spelled(cell: Any) -> str:
    """What a cell is called: its text, or as JSON."""
    return cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False, default=str)


def _by(names: Sequence[str], pairs: Pairs) -> dict[str, dict[str, Any]]:
    """The figures of the samples of each name; there is one name a sample."""
    of_pairs = np.array(names, dtype=object)[pairs.sample]
    return {name: figures(pairs.where(of_pairs == name)) for name in dict.fromkeys(names)}


def _shortcuts(cases: Sequence[Case], pairs: Pairs) -> dict[str, dict[str, Any]]:
    """The rules that read no text, or their opposites if these are right more often, each with the model beside it."""
    first = np.array([np.nan if case.first_listed is None else 2.0 * case.first_listed - 1 for case in cases])
    found = {}
    for name, choice in (("longer_wins", pairs.longer), ("first_listed_wins", first[pairs.sample])):
        known = pairs.where(~np.isnan(choice))
        if len(known.margins):
            won = wins(choice[~np.isnan(choice)])
            opposite = float(known.shares(won).mean()) < 0.5
            rule = known.shares(1 - won if opposite else won)
            found[name] = {
                "rule": SHORTCUTS[name][opposite],
                "accuracy": float(rule.mean()),
                "model": compare(known.shares(wins(known.margins)), rule),
            }
    return found


def compare(first: Floats, second: Floats) -> dict[str, Any]:
    """Two models, or a model and a rule, on the same samples.

    Args:
        first: how well the first does on each sample, from 0 to 1.
        second: likewise the second.

    Returns:
        By how much the first is more accurate, with a 95 % interval from the differences' standard error; on how many
        samples it does better and worse; and the `p` of `sign_test`.

    >>> compare(np.array([1.0, 1.0, 0.5]), np.array([0.0, 1.0, 1.0]))["p"]
    1.0
    """
    differences = first - second
    mean, number = float(differences.mean()), len(differences)
    reach = Z * float(differences.std(ddof=1)) / number**0.5 if number > 1 else float("nan")
    ahead, behind = int((differences > 0).sum()), int((differences < 0).sum())
    return {
        "samples": number,
        "difference": mean,
        "difference_low": mean - reach,
        "difference_high": mean + reach,
        "ahead": ahead,
        "behind": behind,
        "p": sign_test(ahead, behind),
    }


def beside(mine: Sequence[Case], theirs: Sequence[Case]) -> dict[str, Any] | None:
    """The two models' accuracies on the samples that both scored, compared; None if there are none."""
    known = {(case.row, case.place) for case in mine} & {(case.row, case.place) for case in theirs}
    both = [Pairs.of([case for case in cases if (case.row, case.place) in known]) for cases in (mine, theirs)]
    if not known:
        return None
    return {**figures(both[1]), "model": compare(*(pairs.shares(wins(pairs.margins)) for pairs in both))}


def best(cases: Iterable[Case]) -> dict[str, Any]:
    """How often an answer of the best rank has the highest reward; of several highest ones, one is drawn."""
    shares = [top_share(case.good, case.bad) for case in cases]
    low, high = wilson(float(np.mean(shares)), len(shares))
    return {"samples": len(shares), "accuracy": float(np.mean(shares)), "accuracy_low": low, "accuracy_high": high}


def top_share(good: Sequence[float], bad: Sequence[float]) -> float:
    """The share of good ones among the highest rewards.

    >>> top_share([2.0], [2.0, 1.0])
    0.5
    """
    top = max(*good, *bad)
    return list(good).count(top) / [*good, *bad].count(top)


def cells(cases: Iterable[Case]) -> dict[str, dict[str, Any]]:
    """Samples of m good and n bad answers, by these numbers: how often each good one beats each bad one.

    The rows of `accuracy` are the good answers in the order of the row, its columns the bad ones. In RM-Bench, whose
    answers stand in order of their styles from concise to formatted, what is right of the diagonal is hard, the
    diagonal normal, and what is left of it easy (Y. Liu and others, RM-Bench, 2024).
    """
    shapes: dict[str, list[Floats]] = {}
    for case in cases:
        good, bad = np.array(case.good), np.array(case.bad)
        if len(set(case.ranks)) == 2 and len(good) * len(bad) > 1:
            shapes.setdefault(f"{len(good)}x{len(bad)}", []).append(wins(good[:, None] - bad[None, :]))
    return {
        shape: {"samples": len(tables), "accuracy": np.mean(tables, axis=0).tolist()}
        for shape, tables in shapes.items()
    }
