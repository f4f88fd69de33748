"""Labels that choose: the better of two answers, and ranks of several."""

import math
from collections.abc import Sequence
from typing import Any

from preftemplates import register_filter
from preftemplates.errors import Code, RowError, preview


@register_filter
def better_first(pair: Sequence[Any], strength: float) -> list[Any]:
    """Put the better of two things first: a positive `strength` favours the second, and a negative one the first.

    A strength of 0 is a tie, and keeps the order.

    >>> better_first(["a", "b"], -2), better_first(["a", "b"], 1), better_first(["a", "b"], 0)
    (['a', 'b'], ['b', 'a'], ['a', 'b'])

    Raises:
        RowError: `bad_label` if there are not two things, or the strength is not a number.
    """
    if len(pair) != 2:
        raise RowError(f"expected two values to choose from, got {preview(pair)}", code=Code.BAD_LABEL)
    _check_numbers("better_first", [strength])
    return [pair[1], pair[0]] if strength > 0 else list(pair)


@register_filter
def two(items: Sequence[Any]) -> Sequence[Any]:
    """Return a list that must hold two things, since any others would be lost silently.

    >>> two(["a", "b"])
    ['a', 'b']

    Raises:
        RowError: `bad_label` if there are not two things.
    """
    if len(items) != 2:
        raise RowError(f"expected two values to choose from, got {len(items)}", code=Code.BAD_LABEL, value=items)
    return items


@register_filter
def ranks(scores: Sequence[float]) -> list[float]:
    """Return the rank of each score: the number of higher ones. Equal scores share a rank, and the best has rank 0.

    >>> ranks([4.0, 5.0, 4.0, 1.0])
    [1.0, 0.0, 1.0, 3.0]

    Raises:
        RowError: `bad_label` if a score is not a number, such as a null.
    """
    _check_numbers("ranks", scores)
    return [float(sum(other > score for other in scores)) for score in scores]


@register_filter
def places(items: Sequence[Any]) -> list[float]:
    """Return the rank of each item of a list sorted from best to worst: its position.

    >>> places(["best", "good", "bad"])
    [0.0, 1.0, 2.0]
    """
    return [float(index) for index in range(len(items))]


@register_filter
def numbers(texts: Sequence[Any]) -> list[float]:
    """Convert scores written as texts, such as "4", to numbers; numbers stay unchanged.

    >>> numbers(["4", 5])
    [4.0, 5.0]

    Raises:
        RowError: `bad_label` if one is not a number, such as "N/A".
    """
    return [_number(text) for text in texts]


def _check_numbers(filter_name: str, values: Sequence[Any]) -> None:
    """Check that all values are numbers: a comparison with a null fails, and one with NaN is always false."""
    for value in values:
        # not `isinstance(value, int | float)`: the columnar path compares a whole column at once
        if value is None or isinstance(value, str) or (isinstance(value, float) and math.isnan(value)):
            message = f"the filter {filter_name!r} needs a number, got {preview(value)}"
            raise RowError(message, code=Code.BAD_LABEL, value=value)


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise RowError(f"expected a number, got {preview(value)}", code=Code.BAD_LABEL, value=value)
    return number
