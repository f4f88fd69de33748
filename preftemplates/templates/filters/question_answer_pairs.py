"""Histories written as pairs of a question and an answer."""

from collections.abc import Sequence
from typing import Any

from preftemplates import register_filter
from preftemplates.errors import Code, RowError


@register_filter
def question_answer_pairs(history: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    """Return the messages of a list of pairs, each a question and its answer.

    >>> question_answer_pairs([["Hi", "Hello"]])
    [{'role': 'user', 'content': 'Hi'}, {'role': 'assistant', 'content': 'Hello'}]

    Raises:
        RowError: `bad_turns` if an item is not a pair.
    """
    for index, pair in enumerate(history):
        if len(pair) != 2:
            raise RowError(f"item {index} of the history has {len(pair)} texts, expected 2", code=Code.BAD_TURNS)
    roles = ("user", "assistant")
    return [{"role": role, "content": text} for pair in history for role, text in zip(roles, pair, strict=True)]
