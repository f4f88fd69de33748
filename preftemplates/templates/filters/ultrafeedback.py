"""UltraFeedback's ratings: four aspects, and an overall score that is wrong in some rows."""

from collections.abc import Sequence
from typing import Any

from preftemplates import register_filter
from preftemplates.errors import Code, RowError, preview

ASPECTS = ("instruction_following", "honesty", "truthfulness", "helpfulness")
RATINGS = {"1": 1, "2": 2, "3": 3, "4": 4, "5": 5}


@register_filter
def mean_ratings(completions: Sequence[Any]) -> list[float]:
    """Return the mean rating of four aspects for each completion; ratings are texts from "1" to "5".

    >>> from types import SimpleNamespace
    >>> good, fair = SimpleNamespace(rating="5"), SimpleNamespace(rating="4")
    >>> rated = {"instruction_following": good, "honesty": good, "truthfulness": good, "helpfulness": fair}
    >>> mean_ratings([SimpleNamespace(annotations=SimpleNamespace(**rated))])
    [4.75]

    Raises:
        RowError: `bad_label` if a rating is anything else, such as "N/A".
    """
    return [_mean_rating(completion.annotations, index) for index, completion in enumerate(completions)]


def _mean_rating(annotations: Any, index: int) -> float:
    total = 0
    for aspect in ASPECTS:
        rating = getattr(annotations, aspect).rating
        if rating not in RATINGS:
            raise RowError(
                f"expected '1' to '5', got {preview(rating)}",
                code=Code.BAD_LABEL, column=f"completions[{index}].annotations.{aspect}.Rating", value=rating,
            )  # fmt: skip
        total += RATINGS[rating]
    return total / len(ASPECTS)


@register_filter
def sound_overall_scores(completions: Sequence[Any]) -> list[float]:
    """Return the overall score of each completion, after checking it against the mean of its ratings.

    >>> from types import SimpleNamespace
    >>> sound_overall_scores([SimpleNamespace(overall_score=7.5, fine_grained_score=4.25)])
    [7.5]

    Raises:
        RowError: `bad_label` if a score is 10 and the mean is 2 or less, since the score was then given as 1.
    """
    for index, completion in enumerate(completions):
        if completion.overall_score == 10 and completion.fine_grained_score <= 2:
            raise RowError(
                f"is 10, but the fine-grained_score is {completion.fine_grained_score}, so the score was 1",
                code=Code.BAD_LABEL, column=f"completions[{index}].overall_score", value=completion.overall_score,
            )  # fmt: skip
    return [completion.overall_score for completion in completions]
