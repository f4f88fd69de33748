"""What becomes of the thinking in an assistant's earlier and last turns before a style writes them.

Thinking is a message's `reasoning_content` (or `thinking`, or `reasoning`), or what stands in its content between
`<think>` at the start and the first `</think>`. History is what stands before the last user's turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, get_args

from preftemplates.core.spans import Change
from preftemplates.errors import DefinitionError, did_you_mean, preview

Reasoning = Literal["keep", "drop-history", "drop"]
"""keep: messages are written as they are; drop-history: no thinking in history; drop: no thinking anywhere."""

FIELDS = ("reasoning_content", "thinking", "reasoning")
"""What the thinking of a message is called; chat templates read the first two."""

EXPORTED = """\
{%- set ⟨thought⟩ = namespace(last=-1, messages=[]) -%}
{%- set ⟨thought⟩_dict = dict -%}
{%- for message in messages -%}
{%- if message['role'] == 'user' -%}{%- set ⟨thought⟩.last = loop.index0 -%}{%- endif -%}
{%- endfor -%}
{%- for message in messages -%}
{%- if message['role'] == 'assistant' and ⟨which⟩ -%}
{%- set ⟨thought⟩.message = {} -%}
{%- for key, value in message.items() if key not in ['reasoning_content', 'thinking', 'reasoning'] -%}
{%- if key == 'content' and value is string and value.lstrip().startswith('<think>') and '</think>' in value -%}
{%- set value = value.split('</think>', 1)[1].lstrip('\\n') -%}
{%- endif -%}
{%- set ⟨thought⟩.message = ⟨thought⟩_dict(⟨thought⟩.message, **{key: value}) -%}
{%- endfor -%}
{%- set ⟨thought⟩.messages = ⟨thought⟩.messages + [⟨thought⟩.message] -%}
{%- else -%}
{%- set ⟨thought⟩.messages = ⟨thought⟩.messages + [message] -%}
{%- endif -%}
{%- endfor -%}
{%- set messages = ⟨thought⟩.messages -%}
"""
"""The function is looked up outside of the loops, which do not see it where the source sets a `dict` of its own."""


def check_reasoning(value: Any) -> Reasoning:
    """The policy.

    Raises:
        DefinitionError: there is none of that name.
    """
    if value not in get_args(Reasoning):
        known = get_args(Reasoning)
        guess = did_you_mean(value, known) if isinstance(value, str) else ""
        raise DefinitionError(f"reasoning is one of {', '.join(known)}; got {preview(value)}.{guess}")
    return value  # type: ignore[no-any-return]


def as_written(messages: Sequence[Mapping[str, Any]], policy: Reasoning) -> list[Mapping[str, Any]]:
    """The messages as a style writes them; none is changed, those that lose their thinking are new.

    >>> as_written([{"role": "assistant", "content": "<think>Sum.</think>Four."}], "drop")
    [{'role': 'assistant', 'content': 'Four.'}]
    """
    history = max((index for index, message in enumerate(messages) if message["role"] == "user"), default=-1)
    end = {"keep": 0, "drop-history": history, "drop": len(messages)}[policy]
    return [
        _without_thinking(message) if index < end and message["role"] == "assistant" else message
        for index, message in enumerate(messages)
    ]


def _without_thinking(message: Mapping[str, Any]) -> Mapping[str, Any]:
    kept = {key: value for key, value in message.items() if key not in FIELDS}
    content = kept.get("content")
    if isinstance(content, str) and content.lstrip().startswith("<think>") and "</think>" in content:
        kept["content"] = content.split("</think>", 1)[1].lstrip("\n")
    return kept


def policy_changes(messages: Sequence[Mapping[str, Any]], policy: Reasoning) -> Iterator[Change]:
    """What the policy alone does to the messages."""
    for index, (before, after) in enumerate(zip(messages, as_written(messages, policy), strict=True)):
        for field, value in before.items():
            if value is not after.get(field):  # what is kept is the same object
                yield Change(index, before["role"], field, "cut" if field in after else "dropped")


def exported(policy: Reasoning, source: str = "") -> str:
    """Statements of a chat template that do the same to `messages`; they set no variable that `source` names."""
    which = "loop.index0 < ⟨thought⟩.last" if policy == "drop-history" else "true"
    name = unused("thought", source)
    return "" if policy == "keep" else EXPORTED.replace("⟨which⟩", which).replace("⟨thought⟩", name)


def unused(name: str, source: str) -> str:
    """The name, or one like it that does not occur in the source."""
    while name in source:
        name += "_"
    return name
