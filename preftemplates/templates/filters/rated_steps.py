"""Solutions in steps, with several rated candidates for each step, of which one was chosen to continue."""

from collections.abc import Iterator, Sequence
from typing import Any

from preftemplates import register_filter
from preftemplates.errors import Code, RowError, preview


@register_filter
def rated_solutions(steps: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the solutions that rated candidates give: the `steps` of each, and whether each step is `right`.

    A candidate that was rated but not chosen ends a solution after the chosen steps before it. The chosen steps give
    one more solution, unless such a candidate follows their end. A step written by a person replaces a missing
    choice, and is right; without either, the solutions end. Only the rating 1 is right.

    >>> from types import SimpleNamespace
    >>> rated = [SimpleNamespace(text="2", rating=1), SimpleNamespace(text="3", rating=-1)]
    >>> step = SimpleNamespace(completions=rated, human_completion=None, chosen_completion=0)
    >>> rated_solutions([step])
    [{'steps': ['3'], 'right': [False]}, {'steps': ['2'], 'right': [True]}]

    Raises:
        RowError: `bad_label` if the chosen candidate does not exist or was not rated.
    """
    return list(_solutions(steps))


def _solutions(steps: Sequence[Any]) -> Iterator[dict[str, Any]]:
    texts: list[str] = []
    right: list[bool] = []
    goes_on = False
    for number, step in enumerate(steps):
        candidates = step.completions or []
        chosen = _chosen(step, candidates, number)
        others = [
            one for index, one in enumerate(candidates) if index != step.chosen_completion and one.rating is not None
        ]
        for other in others:
            yield {"steps": [*texts, other.text], "right": [*right, other.rating == 1]}
        if chosen is None:
            goes_on = bool(others)
            break
        texts.append(chosen[0])
        right.append(chosen[1])
    if texts and not goes_on:
        yield {"steps": texts, "right": right}


def _chosen(step: Any, candidates: Sequence[Any], number: int) -> tuple[str, bool] | None:
    """Return the text of the step that continues the solution, and whether it is right; None if there is none."""
    index = step.chosen_completion
    if index is None:
        return None if step.human_completion is None else (step.human_completion.text, True)
    if not 0 <= index < len(candidates):
        raise RowError(
            f"step {number} has {len(candidates)} candidates, but {preview(index)} is chosen",
            code=Code.BAD_LABEL, value=index,
        )  # fmt: skip
    if candidates[index].rating is None:
        raise RowError(f"the chosen candidate of step {number} was not rated", code=Code.BAD_LABEL)
    return candidates[index].text, candidates[index].rating == 1
