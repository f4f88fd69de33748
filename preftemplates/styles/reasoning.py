"""The policy for the thinking of assistant's turns, applied before a style writes them.

Thinking is a message's `reasoning_content` (or `thinking`, or `reasoning`), or the part of its content from `<think>`
at the start to the first `</think>`. History is everything before the last user's turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

from preftemplates.core.spans import Change
from preftemplates.errors import DefinitionError, did_you_mean, preview

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Reasoning = Literal["keep", "drop-history", "drop"]
"""keep: all thinking is written; drop-history: thinking in history is dropped; drop: all thinking is dropped."""

POLICY_NAME = "preftemplates_reasoning"
"""The variable that holds the policy, for chat templates that apply it themselves."""

THINKING_FIELDS = ("reasoning_content", "thinking", "reasoning")
"""The fields that may hold the thinking of a message; chat templates read the first two."""


_FIELD_SET = frozenset(THINKING_FIELDS)


def check_reasoning(value: Any) -> Reasoning:
    """Check and return a policy.

    Raises:
        DefinitionError: there is no such policy.
    """
    if value not in get_args(Reasoning):
        policies = get_args(Reasoning)
        guess = did_you_mean(value, policies) if isinstance(value, str) else ""
        raise DefinitionError(f"reasoning must be one of {', '.join(policies)}; got {preview(value)}.{guess}")
    return value  # type: ignore[no-any-return]


def apply_reasoning(messages: Sequence[Mapping[str, Any]], policy: Reasoning) -> list[Mapping[str, Any]]:
    """Return the messages as a style writes them; messages that lose their thinking are copies, the others are shared.

    >>> apply_reasoning([{"role": "assistant", "content": "<think>Sum.</think>Four."}], "drop")
    [{'role': 'assistant', 'content': 'Four.'}]
    """
    if policy == "keep":
        return [*messages]
    history = max((index for index, message in enumerate(messages) if message["role"] == "user"), default=-1)
    end = history if policy == "drop-history" else len(messages)
    return [
        _remove_thinking(message) if index < end and message["role"] == "assistant" else message
        for index, message in enumerate(messages)
    ]


def add_thinking_names(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a message with its thinking under both names that chat templates read, as transformers passes it."""
    if _FIELD_SET.isdisjoint(message):
        return message
    thinking = next((message[name] for name in THINKING_FIELDS if message.get(name) is not None), None)
    return message if thinking is None else {"thinking": thinking, **message, "reasoning_content": thinking}


def is_history_kept(response: Sequence[Mapping[str, Any]], policy: Reasoning) -> bool:
    """Return whether prompt and response can be processed separately.

    They cannot if a user's turn in the response turns the end of the prompt into history.

    >>> is_history_kept([{"role": "assistant", "content": "Four."}], "drop-history")
    True
    """
    return policy != "drop-history" or all(message["role"] != "user" for message in response)


def _remove_thinking(message: Mapping[str, Any]) -> Mapping[str, Any]:
    remaining = {key: value for key, value in message.items() if key not in THINKING_FIELDS}
    content = remaining.get("content")
    if isinstance(content, str) and content.lstrip().startswith("<think>") and "</think>" in content:
        remaining["content"] = content.split("</think>", 1)[1].lstrip("\n")
    return remaining


def find_policy_changes(messages: Sequence[Mapping[str, Any]], policy: Reasoning) -> Iterator[Change]:
    """Yield the changes that the policy makes to the messages."""
    for index, (before, after) in enumerate(zip(messages, apply_reasoning(messages, policy), strict=True)):
        for field, value in before.items():
            if value is not after.get(field):  # the policy keeps the same object for unchanged values
                yield Change(index, before["role"], field, "cut" if field in after else "dropped")
