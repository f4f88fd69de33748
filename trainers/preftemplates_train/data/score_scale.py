"""The scale of scores: a run learns them in standard deviations from their mean, whatever their units."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any, NamedTuple

from preftemplates_train.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class ScoreScale(NamedTuple):
    """The mean and the standard deviation of the scores that a run trains on.

    A reward of a model that learns scores is a score's distance from the mean in standard deviations. So scores of 0
    to 100 take as many steps as scores of 0 to 1, and heads without a bias can learn both.

    Attributes:
        mean: in the dataset's units.
        deviation: likewise, above zero.
    """

    mean: float = 0.0
    deviation: float = 1.0

    @classmethod
    def measure(cls, scores: Sequence[float]) -> ScoreScale:
        """Return the scale of some scores.

        Raises:
            SetupError: all of them are the same number, so there is nothing to learn.

        >>> ScoreScale.measure([1.0, 3.0])
        ScoreScale(mean=2.0, deviation=1.0)
        """
        deviation = statistics.pstdev(scores)
        if not deviation > 0:
            raise SetupError(
                f"objective regression: the score of each of {len(scores):,} answers is {scores[0]:g}; expected scores"
                " that differ, so name the column that has them in the template"
            )
        return cls(statistics.fmean(scores), deviation)

    @classmethod
    def from_record(cls, recorded: Mapping[str, float] | None) -> ScoreScale:
        """Return the scale in a checkpoint's record; one that changes nothing if the record has none."""
        return cls() if recorded is None else cls(recorded["mean"], recorded["deviation"])

    def standardise(self, score: Any) -> Any:
        """Return a score, or an array of scores, in standard deviations from the mean."""
        return (score - self.mean) / self.deviation

    def restore(self, reward: Any) -> Any:
        """Return the score, in the dataset's units, that a reward predicts; of an array, all of them."""
        return reward * self.deviation + self.mean


UNSCALED = ScoreScale()
"""The scale of what is no score: it changes nothing."""
