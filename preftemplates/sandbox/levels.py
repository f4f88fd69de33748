"""A walk through nested values that visits a shared value once per level, and counts how often it occurs there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_MANY_VALUES = 1024
"""Up to this many values, a level is not searched for shared ones: almost all levels of real data are small."""

Level = list[tuple[int, list[Any]]]
"""The values of one level, grouped by how often each of them occurs in it."""


def walk_levels(value: Any, list_parts: Callable[[Any, int], Iterable[Any]]) -> Iterator[Level]:
    """Yield the levels of a value: itself, its parts, their parts, and so on.

    Recursion would overflow Python's stack on deep values before a limit is reported. A list that holds the same list
    twice, 60 times over, has 2**60 leaves: each level of it is one list, which occurs ever more often.

    Args:
        value: any value.
        list_parts: returns the parts of a value that occurs this many times; it may raise an error to end the walk.

    >>> pair = ["a", "a"]
    >>> [*walk_levels([pair, pair], lambda item, times: item if isinstance(item, list) else ())][-1]
    [(1, ['a', 'a', 'a', 'a'])]
    """
    level: Level = [(1, [value])]
    while level:
        yield level
        groups = [(times, [part for item in items for part in list_parts(item, times)]) for times, items in level]
        level = [group for group in groups if group[1]]
        if sum([len(items) for _, items in level]) > _MANY_VALUES:
            level = _merge_shared(level)


def _merge_shared(level: Level) -> Level:
    """Return the level with each object in it once."""
    objects: dict[int, Any] = {}
    counts: dict[int, int] = {}
    for times, items in level:
        for item in items:
            objects[id(item)] = item
            counts[id(item)] = counts.get(id(item), 0) + times
    merged: dict[int, list[Any]] = {}
    for key, times in counts.items():
        merged.setdefault(times, []).append(objects[key])
    return [*merged.items()]
