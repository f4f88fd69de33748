"""Labels that name the best of several and say nothing of the others."""

from preftemplates import register_filter


@register_filter
def one_best(best: int, count: int) -> list[float]:
    """The ranks of `count` things of which the one at `best`, counted from 0, is better than all others.

    >>> one_best(1, 3)
    [1.0, 0.0, 1.0]
    """
    return [float(index != best) for index in range(count)]
