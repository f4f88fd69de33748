"""Conversations that share their history: the common part, the rest of each, and prompts that are given twice."""

from collections.abc import Sequence
from typing import Any

from preftemplates import register_filter
from preftemplates.core.digest import is_same
from preftemplates.core.message_values import list_comparable
from preftemplates.errors import Code, RowError, preview


@register_filter
def common_history(one: Sequence[Any], other: Sequence[Any]) -> list[Any]:
    """Return the leading messages that two conversations share; at least one message is left to each.

    Turns are equal if their roles and contents are, whatever other keys such as times and ids they have. The turns of
    the first conversation are returned.

    >>> hi = {"role": "user", "content": "Hi"}
    >>> yes, no = {"role": "assistant", "content": "Yes"}, {"role": "assistant", "content": "No"}
    >>> common_history([hi, yes], [{**hi, "time": 7}, no]) == [hi]
    True

    Raises:
        RowError: `prompt_mismatch` if they differ before an answer, and thus answer different prompts, or share no
            user's turn; `bad_turns` if one is empty.
    """
    if not one or not other:
        raise RowError("a conversation has no messages", code=Code.BAD_TURNS)
    shared, limit = 0, min(len(one), len(other)) - 1
    sides = list_comparable(one[:limit]), list_comparable(other[:limit])
    while shared < limit and is_same(sides[0][shared], sides[1][shared]):
        shared += 1
    for conversation in (one, other):
        role = conversation[shared].get("role")
        if role != "assistant":
            raise RowError(
                f"the prompts differ: the conversations part at message {shared}, which has the role {role!r}",
                code=Code.PROMPT_MISMATCH,
            )
    return _with_user(list(one[:shared]))


@register_filter
def after_history(own: Sequence[Any], other: Sequence[Any]) -> list[Any]:
    """Return the messages of a conversation after the history that it shares with another.

    >>> hi = {"role": "user", "content": "Hi"}
    >>> yes, no = {"role": "assistant", "content": "Yes"}, {"role": "assistant", "content": "No"}
    >>> after_history([hi, yes], [hi, no]) == [yes]
    True

    Raises:
        RowError: as in `common_history`.
    """
    return list(own[len(common_history(own, other)) :])


@register_filter
def before_last_answer(turns: list[dict[str, Any]], other: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the turns before the last answer, which both sides must share.

    >>> ask = {"role": "user", "content": "Hi"}
    >>> yes, no = {"role": "assistant", "content": "Yes"}, {"role": "assistant", "content": "No"}
    >>> before_last_answer([ask, yes], [ask, no]) == [ask]
    True

    Raises:
        RowError: `bad_turns` if a side does not end with an answer; `prompt_mismatch` if the turns differ, or none is
            a user's.
    """
    for side in (turns, other):
        last = side[-1].get("role") if side else None
        if last != "assistant":
            ends = f"ends with a turn of {last}" if side else "has no turns"
            raise RowError(f"a transcript {ends}, expected an answer at its end", code=Code.BAD_TURNS)
    if not is_same(list_comparable(turns[:-1]), list_comparable(other[:-1])):
        raise RowError(
            "the chosen and the rejected conversation differ before the last answer", code=Code.PROMPT_MISMATCH
        )
    return _with_user(turns[:-1])


def _with_user(history: list[Any]) -> list[Any]:
    """Return a history after checking that a user asks something in it."""
    if not any(message.get("role") == "user" for message in history):
        raise RowError("the conversations share no user turn, so there is no question", code=Code.PROMPT_MISMATCH)
    return history


@register_filter
def agreed_with(history: list[Any], other: list[Any]) -> list[Any]:
    """Return the history of one side of a pair, which must equal that of the other.

    >>> agreed_with([{"role": "user", "content": "Hi"}], [{"role": "user", "content": "Hi"}])
    [{'role': 'user', 'content': 'Hi'}]

    Raises:
        RowError: `prompt_mismatch` if they differ, for example in an image that only one of them shows.
    """
    if not is_same(list_comparable(history), list_comparable(other)):
        raise RowError("the prompts of the two sides differ in turns or media", code=Code.PROMPT_MISMATCH)
    return history


@register_filter
def with_prompt(history: list[Any], prompt: Any) -> list[Any]:
    """Return a history, which must contain the prompt in a column next to the conversations, if there is one.

    >>> with_prompt([{"role": "user", "content": "Hi"}], "Hi")
    [{'role': 'user', 'content': 'Hi'}]

    Raises:
        RowError: `prompt_mismatch` if it does not, since the prompt would be lost.
    """
    if prompt is None or prompt in ("", []):
        return history
    if isinstance(prompt, list):
        turns, asked = list_comparable(history), list_comparable(prompt)
        is_held = any(is_same(turns[start : start + len(asked)], asked) for start in range(len(turns)))
    else:
        is_held = any(message["content"] == prompt for message in list_comparable(history) if "content" in message)
    if not is_held:
        raise _make_prompt_error(prompt)
    return history


@register_filter
def after_prompt(text: str, prompt: Any) -> str:
    """Return a whole text, which must begin with the prompt in a column next to it, if there is one.

    >>> after_prompt("Two and two are four.", "Two and two")
    'Two and two are four.'

    Raises:
        RowError: `prompt_mismatch` if it does not, since the prompt would be lost.
    """
    if prompt is None or prompt in ("", []) or (isinstance(prompt, str) and text.startswith(prompt)):
        return text
    raise _make_prompt_error(prompt)


@register_filter
def cut_prompt(text: str, prompt: str) -> str:
    """Return a whole text without the prompt at its beginning.

    >>> cut_prompt("Two and two are four.", "Two and two")
    ' are four.'

    Raises:
        RowError: `prompt_mismatch` if it does not begin with the prompt.
    """
    if not text.startswith(prompt):
        raise _make_prompt_error(prompt)
    return text[len(prompt) :]


def _make_prompt_error(prompt: Any) -> RowError:
    return RowError(
        f"a column has the prompt {preview(prompt)}, which is not in the answers; choose a template that reads it",
        code=Code.PROMPT_MISMATCH, column="prompt", value=prompt,
    )  # fmt: skip
