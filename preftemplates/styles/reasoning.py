"""What becomes of the thinking in an assistant's earlier and last turns before a style writes them.

Thinking is a message's `reasoning_content` (or `thinking`, or `reasoning`), or what stands in its content between
`<think>` at the start and the first `</think>`. History is what stands before the last user's turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

from preftemplates.core.spans import Change
from preftemplates.errors import DefinitionError, did_you_mean, preview

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Reasoning = Literal["keep", "drop-history", "drop"]
"""keep: messages are written as they are; drop-history: no thinking in history; drop: no thinking anywhere."""

POLICY_NAME = "preftemplates_reasoning"
"""The variable by which a chat template that applies the policy itself finds it."""

THINKING_FIELDS = ("reasoning_content", "thinking", "reasoning")
"""What the thinking of a message is called; chat templates read the first two."""


_FIELD_SET = frozenset(THINKING_FIELDS)


def check_reasoning(value: Any) -> Reasoning:
    """The policy.

    Raises:
        DefinitionError: there is none of that name.
    """
    if value not in get_args(Reasoning):
        policies = get_args(Reasoning)
        guess = did_you_mean(value, policies) if isinstance(value, str) else ""
        raise DefinitionError(f"reasoning is one of {', '.join(policies)}; got {preview(value)}.{guess}")
    return value  # type: ignore[no-any-return]


def apply_reasoning(messages: Sequence[Mapping[str, Any]], policy: Reasoning) -> list[Mapping[str, Any]]:
    """Return the messages as a style writes them; none is changed, those that lose their thinking are new.

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
    """Return a message with its thinking under both names that chat templates read, as transformers hands it over."""
    if _FIELD_SET.isdisjoint(message):
        return message
    thinking = next((message[name] for name in THINKING_FIELDS if message.get(name) is not None), None)
    return message if thinking is None else {"thinking": thinking, **message, "reasoning_content": thinking}


def is_history_kept(response: Sequence[Mapping[str, Any]], policy: Reasoning) -> bool:
    """Return whether a prompt and a response are written as both are by themselves.

    They are not where a user's turn in the response makes history of the end of the prompt.

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
    """Yield what the policy alone does to the messages."""
    for index, (before, after) in enumerate(zip(messages, apply_reasoning(messages, policy), strict=True)):
        for field, value in before.items():
            if value is not after.get(field):  # a text that the policy keeps is the same object
                yield Change(index, before["role"], field, "cut" if field in after else "dropped")
