"""Labels that name the best of several things without ranking the others."""

from preftemplates import register_filter


@register_filter
def one_best(best: int, count: int) -> list[float]:
    """Return the ranks of `count` things, of which the one at index `best` is better than all others.

    >>> one_best(1, 3)
    [1.0, 0.0, 1.0]
    """
    return [float(index != best) for index in range(count)]
