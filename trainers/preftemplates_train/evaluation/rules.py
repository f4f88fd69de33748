"""Content-blind rules: choose an answer by its length, its place or its layout, but not by its content."""

from __future__ import annotations

import re
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING

from preftemplates_train.evaluation.scored_samples import PairMargins, ScoredSample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from preftemplates import Message
    from preftemplates_train.evaluation.metrics import Floats

LIST_ITEM = re.compile(r"^[ \t]*+(?!(?:[-*][ \t]*+){3,}$)(?:[-*+]|[0-9]{1,9}[.)])[ \t]++\S", re.MULTILINE)
"""The beginning of a CommonMark list item, indented or not; a line of only dashes or asterisks does not match."""


def count_list_marks(text: str) -> int:
    r"""Return how many lines of a text begin with `-`, `*`, `+` or a number with a dot or a parenthesis.

    Lines in code blocks count too.

    >>> count_list_marks("Two ways:\n- walk\n  1) ride\n**bold**\n3.5 miles\n---")
    2
    """
    return len(LIST_ITEM.findall(text))


def count_list_marks_around(text: str, contents: Sequence[tuple[int, int]]) -> int:
    r"""Return how many list marks a text of a custom template has, if each content begins a new line.

    Args:
        text: the whole text.
        contents: the extents of contents in it, in characters from start up to stop; a content within another one
            does not begin a line.

    >>> count_list_marks_around("ASSISTANT: - walk\n- ride", [(11, 24)])
    2
    """
    starts, end = [0], 0
    for start, stop in sorted(contents, key=lambda extent: (extent[0], -extent[1])):
        if start >= end:
            starts.append(start)
            end = stop
    return sum(count_list_marks(text[start:stop]) for start, stop in pairwise([*starts, len(text)]))


def count_answer_list_marks(answer: Iterable[Message]) -> int:
    r"""Return how many list marks the contents of an answer's messages have.

    >>> count_answer_list_marks([{"role": "assistant", "content": [{"type": "text", "text": "- one\n- two"}]}])
    2
    """
    contents = (message.get("content") or () for message in answer)
    texts = ([content] if isinstance(content, str) else [part.get("text") for part in content] for content in contents)
    return sum(count_list_marks(text) for of_message in texts for text in of_message if isinstance(text, str))


def _score_by_length(sample: ScoredSample) -> Sequence[float] | None:
    return sample.tokens


def _score_by_place(sample: ScoredSample) -> Sequence[float] | None:
    """Return 1 for the answer that the row lists first and 0 for the other; None if the place is unknown."""
    if sample.first_listed is None:
        return None
    return [float((rank == min(sample.ranks)) == sample.first_listed) for rank in sample.ranks]


def _score_by_list_marks(sample: ScoredSample) -> Sequence[float] | None:
    return sample.list_marks


CONTENT_BLIND_RULES: Mapping[str, tuple[Callable[[ScoredSample], Sequence[float] | None], int]] = MappingProxyType(
    {
        "longer": (_score_by_length, 1),
        "shorter": (_score_by_length, -1),
        "first": (_score_by_place, 1),
        "last": (_score_by_place, -1),
        "more_list_marks": (_score_by_list_marks, 1),
        "fewer_list_marks": (_score_by_list_marks, -1),
    }
)
"""The rules by name: a function that scores the answers of a sample, and 1 if the highest wins or -1 if the lowest.

The function returns None if it cannot score a sample.
"""

PLACE_RULES = ("first", "last")
"""The rules that depend on which of two answers a row lists first."""


def apply_rule(samples: Sequence[ScoredSample], name: str) -> list[ScoredSample] | None:
    """Return samples with a rule's rewards, as if it were a model; None if the rule does not apply to the samples.

    The place of an answer does not apply if no sample has it, or if the better answer is in the same place in all
    samples: then its column is probably reserved for it. A sample that the rule cannot score is a tie.

    Args:
        samples: the samples.
        name: one of `CONTENT_BLIND_RULES`.

    >>> sample = ScoredSample(0, 0, {}, [1.0, 2.0], [0, 1], [30, 20])
    >>> [scored.rewards for scored in apply_rule([sample], "shorter")], apply_rule([sample], "first")
    ([[-30, -20]], None)
    """
    score, sign = CONTENT_BLIND_RULES[name]
    scores = [score(sample) for sample in samples]
    if all(values is None for values in scores):
        return None
    if name in PLACE_RULES and len({sample.first_listed for sample in samples} - {None}) < 2:
        return None
    return [
        sample._replace(rewards=[0.0] * len(sample.ranks) if values is None else [sign * value for value in values])
        for sample, values in zip(samples, scores, strict=True)
    ]


def measure_rules(
    samples: Sequence[ScoredSample], measure: Callable[[Sequence[ScoredSample]], float | None]
) -> dict[str, float]:
    """Return a figure of each rule that applies to the samples, by the same measure as for a model.

    Args:
        samples: the samples.
        measure: computes the figure of scored samples; None if it is undefined.

    >>> samples = [ScoredSample(0, 0, {}, [1.0, 2.0], [0, 1], [30, 20])]
    >>> measure_rules(samples, lambda scored: PairMargins.from_samples(scored).accuracy)
    {'longer': 1.0, 'shorter': 0.0}
    """
    applied = {name: apply_rule(samples, name) for name in CONTENT_BLIND_RULES}
    figures = {name: measure(scored) for name, scored in applied.items() if scored is not None}
    return {name: figure for name, figure in figures.items() if figure is not None}


def find_best_rule(figures: Mapping[str, float]) -> str | None:
    """Return the rule with the highest figure, the first of equal ones; None if there is no rule.

    >>> find_best_rule({"longer": 0.25, "shorter": 0.75})
    'shorter'
    """
    return max(figures, key=lambda name: figures[name], default=None)


def choose_list_marks(samples: Sequence[ScoredSample]) -> Floats | None:
    """Return the difference in list marks, better minus worse answer, of each pair, shape (P,); None if not counted.

    >>> choose_list_marks([ScoredSample(0, 0, {}, [1.0, 2.0], [0, 1], [30, 20], list_marks=[1, 4])]).tolist()
    [-3.0]
    """
    scored = apply_rule(samples, "more_list_marks")
    return None if scored is None else PairMargins.from_samples(scored).margins
