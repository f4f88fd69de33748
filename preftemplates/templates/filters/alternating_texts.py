"""Turns written as lists of texts without roles, as in ERNIE's rows."""

from collections.abc import Sequence
from typing import Any

from preftemplates import register_filter
from preftemplates.errors import Code, RowError


@register_filter
def turn_by_turn(questions: Sequence[str], answers: Sequence[str]) -> list[dict[str, Any]]:
    """Return the messages of questions and the answers between them; the last question has no answer.

    >>> [message["content"] for message in turn_by_turn(["Hi", "And sage?"], ["Hello."])]
    ['Hi', 'Hello.', 'And sage?']

    Raises:
        RowError: `bad_turns` unless there is one question more than answers.
    """
    if len(questions) != len(answers) + 1:
        counts = f"{len(questions)} questions and {len(answers)} answers"
        raise RowError(f"expected one question more than answers, got {counts}", code=Code.BAD_TURNS)
    texts = [text for pair in zip(questions, answers, strict=False) for text in pair]
    return _alternate([*texts, questions[-1]], "user", "assistant")


@register_filter
def answer_turns(texts: Sequence[str]) -> list[dict[str, Any]]:
    """Return the messages of an answer: one text, or several that alternate with texts of the user.

    >>> answer_turns(["Mint does."])
    [{'role': 'assistant', 'content': 'Mint does.'}]

    Raises:
        RowError: `bad_turns` if the last text is not an answer.
    """
    if len(texts) % 2 == 0:
        raise RowError(
            f"expected an odd number of texts, the last of them an answer, got {len(texts)}", code=Code.BAD_TURNS
        )
    return _alternate(texts, "assistant", "user")


def _alternate(texts: Sequence[str], *roles: str) -> list[dict[str, Any]]:
    return [{"role": roles[index % len(roles)], "content": text} for index, text in enumerate(texts)]
