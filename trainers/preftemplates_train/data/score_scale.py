"""The scale of scores: a run learns scores in standard deviations from their mean, whatever their units."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any, NamedTuple

from preftemplates_train.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class ScoreScale(NamedTuple):
    """The mean and the standard deviation of the scores that a run trains on.

    A model that learns scores predicts a score's distance from the mean in standard deviations. So scores from 0 to
    100 are learnt in as many steps as scores from 0 to 1, and heads without a bias can learn both.

    Attributes:
        mean: in the dataset's units.
        deviation: in the same units, above zero.
    """

    mean: float = 0.0
    deviation: float = 1.0

    @classmethod
    def measure(cls, scores: Sequence[float]) -> ScoreScale:
        """Return the scale of some scores.

        Raises:
            SetupError: all scores are equal, so there is nothing to learn.

        >>> ScoreScale.measure([1.0, 3.0])
        ScoreScale(mean=2.0, deviation=1.0)
        """
        deviation = statistics.pstdev(scores)
        if not deviation > 0:
            raise SetupError(
                f"objective regression: all {len(scores):,} answers have the score {scores[0]:g}, expected scores that"
                " differ; name the column of the scores in the template"
            )
        return cls(statistics.fmean(scores), deviation)

    @classmethod
    def from_record(cls, recorded: Mapping[str, float] | None) -> ScoreScale:
        """Return the scale in a checkpoint's record, or the identity if the record has none."""
        return cls() if recorded is None else cls(recorded["mean"], recorded["deviation"])

    def standardise(self, score: Any) -> Any:
        """Return a score, or an array of scores, in standard deviations from the mean."""
        return (score - self.mean) / self.deviation

    def restore(self, reward: Any) -> Any:
        """Return the score that a reward, or an array of rewards, predicts, in the dataset's units."""
        return reward * self.deviation + self.mean


UNSCALED = ScoreScale()
"""The identity, for labels that are not scores."""
