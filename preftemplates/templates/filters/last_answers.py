"""Conversations by their last answer: one that is still missing, or one that was given."""

from collections.abc import Sequence
from typing import Any

from preftemplates import register_filter
from preftemplates.errors import Code, RowError


@register_filter
def before_open_answer(turns: Sequence[Any]) -> list[Any]:
    """Return the turns before a missing answer: the last turn must be an assistant's without text.

    >>> before_open_answer([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": ""}])
    [{'role': 'user', 'content': 'Hi'}]

    Raises:
        RowError: `bad_turns` if the last turn is another one, or the only one.
    """
    if len(turns) < 2 or turns[-1]["role"] != "assistant" or turns[-1]["content"] != "":
        raise RowError("expected a prompt that ends with an empty turn of the assistant", code=Code.BAD_TURNS)
    return list(turns[:-1])


@register_filter
def asking(messages: Sequence[Any]) -> list[Any]:
    """Return the messages that ask for an answer: all of them, or those before the last answer.

    >>> hi, hello = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}
    >>> asking([hi]) == asking([hi, hello]) == [hi]
    True

    Raises:
        RowError: `bad_turns` if nothing asks for an answer.
    """
    ends_with_answer = bool(messages) and messages[-1].get("role") == "assistant"
    asked = list(messages[:-1] if ends_with_answer else messages)
    if not asked:
        raise RowError("the conversation has no message that asks for an answer", code=Code.BAD_TURNS)
    return asked


@register_filter
def answered(messages: Sequence[Any]) -> list[Any]:
    """Return the messages of a conversation, which must end with an answer to something.

    >>> answered([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}])[-1]["content"]
    'Hello'

    Raises:
        RowError: `bad_turns` if the last message is not an assistant's, or is the only one.
    """
    if len(messages) < 2 or messages[-1].get("role") != "assistant":
        raise RowError("the conversation does not end with a message and its answer", code=Code.BAD_TURNS)
    return list(messages)
