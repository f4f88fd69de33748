"""Scored samples: the answers of a row with their rewards, and the pairs of a better and a worse answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from preftemplates_train.evaluation.metrics import Floats, score_wins

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


class ScoredSample(NamedTuple):
    """One sample, with the rewards of its answers and the values by which it can be grouped.

    Attributes:
        row: the number of its row.
        number: its index among the samples of that row.
        columns: the values of the requested columns.
        rewards: the rewards of its K answers.
        ranks: the rank of each answer; the lowest is the best.
        tokens: the number of tokens of each answer's whole text.
        turns: the number of user turns in the prompt; None for a custom template.
        first_listed: whether the better answer of two is the one that the row lists first; None if that is unknown.
        list_marks: the number of markdown list items in each answer; None if they were not counted.
    """

    row: int
    number: int
    columns: Mapping[str, Any]
    rewards: Sequence[float]
    ranks: Sequence[float]
    tokens: Sequence[int]
    turns: int | None = None
    first_listed: bool | None = None
    list_marks: Sequence[int] | None = None

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
        length_differences: the better answer's length minus the worse one's, in tokens.
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
        """The weight of each pair; the weights of a sample add up to one, so that all prompts count the same."""
        return np.asarray(1 / np.bincount(self.sample)[self.sample], dtype=np.float64)

    def average_by_sample(self, values: Floats) -> Floats:
        """Return the mean of the values over the pairs of each sample, shape (samples,)."""
        sums = np.bincount(self.sample, values * self.weights)
        return np.asarray(sums[np.unique(self.sample)], dtype=np.float64)

    @property
    def accuracy(self) -> float:
        """The mean over samples of the share of pairs with a margin above 0; a margin of 0 counts one half."""
        return float(self.average_by_sample(score_wins(self.margins)).mean())
