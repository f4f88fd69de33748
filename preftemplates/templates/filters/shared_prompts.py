"""Conversations that share their history: the common part, and what each adds to it."""

from collections.abc import Sequence
from typing import Any

from preftemplates import register_filter
from preftemplates.errors import Code, RowError


@register_filter
def common_history(one: Sequence[Any], other: Sequence[Any]) -> list[Any]:
    """The leading messages that two conversations share, by whole turns; at least one is left to each.

    >>> hi = {"role": "user", "content": "Hi"}
    >>> yes, no = {"role": "assistant", "content": "Yes"}, {"role": "assistant", "content": "No"}
    >>> common_history([hi, yes], [hi, no]) == [hi]
    True

    Raises:
        RowError: `prompt_mismatch` where they part before an answer, so that they answer different prompts;
            `bad_turns` where one is empty.
    """
    if not one or not other:
        raise RowError("a conversation has no messages", code=Code.BAD_TURNS)
    shared = 0
    while shared < min(len(one), len(other)) - 1 and one[shared] == other[shared]:
        shared += 1
    for conversation in (one, other):
        role = conversation[shared].get("role")
        if role != "assistant":
            raise RowError(
                f"the conversations part at message {shared}, which is {role!r} and no answer: their prompts differ",
                code=Code.PROMPT_MISMATCH,
            )
    return list(one[:shared])


@register_filter
def after_history(own: Sequence[Any], other: Sequence[Any]) -> list[Any]:
    """What a conversation adds to the history that it shares with another.

    >>> hi = {"role": "user", "content": "Hi"}
    >>> yes, no = {"role": "assistant", "content": "Yes"}, {"role": "assistant", "content": "No"}
    >>> after_history([hi, yes], [hi, no]) == [yes]
    True

    Raises:
        RowError: as `common_history`.
    """
    return list(own[len(common_history(own, other)) :])
