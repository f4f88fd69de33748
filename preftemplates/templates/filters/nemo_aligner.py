"""NeMo-Aligner's layout of a conversation as one text, and its list of ratings."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from preftemplates import register_filter
from preftemplates.errors import Code, RowError, preview

SYSTEM_MARK = re.compile(r"\A<extra_id_0>System\n")
TURN_MARK = re.compile(r"\n?<extra_id_1>(User|Assistant)\n")
ROLES = {"User": "user", "Assistant": "assistant"}
TURN_END = "\n<extra_id_1>"
RATING_MARK = "\n<extra_id_2>"

ATTRIBUTES = (
    "quality", "toxicity", "humor", "creativity", "helpfulness", "correctness", "coherence", "complexity", "verbosity",
)  # fmt: skip
"""The names of the nine ratings, in order: the first four are Open Assistant's, the others HelpSteer's."""

NOT_RATED = -100
HIGHEST = 4


@register_filter
def extra_id_turns(text: str) -> list[dict[str, Any]]:
    r"""Split a text into turns at the marks "<extra_id_0>System", "<extra_id_1>User" and "<extra_id_1>Assistant".

    A mark extends to the end of its line, and includes the newline before it. Text before the first mark is the
    user's. An empty system text adds no turn; any other empty turn is kept. Only the marks are dropped.

    >>> extra_id_turns("Hi\n<extra_id_1>Assistant\nHello\n<extra_id_1>User\nBye")[1:]
    [{'role': 'assistant', 'content': 'Hello'}, {'role': 'user', 'content': 'Bye'}]
    >>> extra_id_turns("<extra_id_0>System\nBe brief.\n<extra_id_1>User\nHi")[0]
    {'role': 'system', 'content': 'Be brief.'}
    """
    system = SYSTEM_MARK.match(text)
    marks = list(TURN_MARK.finditer(text))
    ends = [*(mark.start() for mark in marks), len(text)]
    before = text[system.end() if system else 0 : ends[0]]
    turns = [{"role": "system" if system else "user", "content": before}] if before or not (marks or system) else []
    contents = [text[mark.end() : end] for mark, end in zip(marks, ends[1:], strict=True)]
    return turns + [
        {"role": ROLES[mark[1]], "content": content} for mark, content in zip(marks, contents, strict=True)
    ]


@register_filter
def before_turn_end(text: str) -> str:
    r"""Return an answer without the "<extra_id_1>" that ends its turn, if there is one.

    >>> before_turn_end("Yes.\n<extra_id_1>")
    'Yes.'
    """
    return text.removesuffix(TURN_END)


@register_filter
def before_rating_mark(text: str) -> str:
    r"""Return a text without the "<extra_id_2>" at its end, which introduces the ratings of the last answer.

    >>> before_rating_mark("Yes.\n<extra_id_2>")
    'Yes.'

    Raises:
        RowError: `bad_turns` if it ends differently.
    """
    if not text.endswith(RATING_MARK):
        raise RowError(f"the text ends with {preview(text[-20:])}, expected <extra_id_2>", code=Code.BAD_TURNS)
    return text.removesuffix(RATING_MARK)


@register_filter
def steerlm_attributes(ratings: Sequence[float]) -> dict[str, float]:
    """Return nine ratings by name, without those of -100, which are absent ratings.

    >>> steerlm_attributes([-100, -100, -100, -100, 4, 4, 3, 1, 0])["coherence"]
    3

    Raises:
        RowError: `bad_label` if there are not nine, or one is neither from 0 to 4 nor -100.
    """
    if len(ratings) != len(ATTRIBUTES):
        raise RowError(f"expected {len(ATTRIBUTES)} ratings, got {preview(ratings)}", code=Code.BAD_LABEL)
    for name, rating in zip(ATTRIBUTES, ratings, strict=True):
        if rating != NOT_RATED and not 0 <= rating <= HIGHEST:
            wanted = f"expected 0 to {HIGHEST}, or {NOT_RATED} for none, as {name}"
            raise RowError(f"{wanted}; got {preview(rating)}", code=Code.BAD_LABEL, value=rating)
    return {name: rating for name, rating in zip(ATTRIBUTES, ratings, strict=True) if rating != NOT_RATED}


@register_filter
def rating_of(attributes: Mapping[str, float], name: str) -> float:
    """Return a rating by name.

    >>> rating_of({"helpfulness": 4.0}, "helpfulness")
    4.0

    Raises:
        RowError: `bad_label` if there is no such rating.
    """
    if name not in attributes:
        raise RowError(f"{name} was not rated; rated are {', '.join(attributes) or 'none'}", code=Code.BAD_LABEL)
    return attributes[name]
