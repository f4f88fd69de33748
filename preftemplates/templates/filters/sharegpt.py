"""Turns as ShareGPT and LLaMA-Factory write them: speakers, parts with values, and tool calls as JSON text."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from preftemplates import register_filter
from preftemplates.core.messages import MAX_DEPTH
from preftemplates.core.provenance import derived
from preftemplates.errors import Code, RowError, did_you_mean, preview

ROLES = {
    "system": "system", "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant",
    "chatgpt": "assistant", "bing": "assistant", "bard": "assistant", "observation": "tool", "tool": "tool",
    "function_call": "function",
}  # fmt: skip
"""The role of each speaker of ShareGPT and its relatives; `function` calls functions."""

ORDER = ("reasoning", "text", "tool_call")
"""The kinds of parts in the only order that a message can represent."""

SURROGATE = re.compile("[\ud800-\udfff]")


@register_filter
def sharegpt(turns: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the messages of turns with a speaker, `from_`, and a `value`.

    A `function_call` becomes an assistant's message with the tool calls of its JSON text (`tool_calls`). An
    `observation` becomes a tool's message, whose text stays unchanged.

    >>> from types import SimpleNamespace
    >>> sharegpt([SimpleNamespace(from_="human", value="Hi"), SimpleNamespace(from_="gpt", value="Hello")])
    [{'role': 'user', 'content': 'Hi'}, {'role': 'assistant', 'content': 'Hello'}]

    Raises:
        RowError: `bad_role` if a speaker is unknown; as in `tool_calls` if a function call cannot be read.
    """
    return tagged_turns(turns, ROLES)


@register_filter
def tagged_turns(turns: Sequence[Any], speakers: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the messages of turns with a speaker, `from_`, and a `value`, by a table of speakers.

    Args:
        turns: the turns.
        speakers: the role of each speaker; `function` for one that calls functions.

    >>> from types import SimpleNamespace
    >>> tagged_turns([SimpleNamespace(from_="Q", value="Hi")], {"Q": "user", "A": "assistant"})
    [{'role': 'user', 'content': 'Hi'}]

    Raises:
        RowError: as in `sharegpt`.
    """
    return [_said(turn, speakers) for turn in turns]


def _said(turn: Any, speakers: Mapping[str, str]) -> dict[str, Any]:
    speaker = str(turn.from_)
    if speaker not in speakers:
        guess = did_you_mean(speaker, speakers)
        raise RowError(f"unknown speaker {preview(speaker)}.{guess}", code=Code.BAD_ROLE, value=speaker)
    if speakers[speaker] == "function":
        return {"role": "assistant", "tool_calls": tool_calls(turn.value)}
    return {"role": speakers[speaker], "content": turn.value}


@register_filter
def typed_values(turns: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the messages of turns with a `role` and a `content` of parts, each with `type` and `value`.

    A single text is the content; several stay typed parts. Reasoning becomes `reasoning_content`, and the JSON texts
    of tool calls become `tool_calls`.

    >>> from types import SimpleNamespace
    >>> part = SimpleNamespace(type="text", value="Hi")
    >>> typed_values([SimpleNamespace(role="user", content=[part])])
    [{'role': 'user', 'content': 'Hi'}]

    Raises:
        RowError: `unsupported_content` if a part is of another kind, there is more than one reasoning part, or the
            parts are in an order that a message cannot represent; as in `tool_calls` if a call cannot be read.
    """
    return [_message(turn, index) for index, turn in enumerate(turns)]


def _message(turn: Any, index: int) -> dict[str, Any]:
    kinds = [str(part.type) for part in turn.content]
    if unknown := [kind for kind in kinds if kind not in ORDER]:
        raise _unsupported(index, f"has a part of the kind {preview(unknown[0])}")
    if kinds != sorted(kinds, key=ORDER.index) or kinds.count("reasoning") > 1:
        raise _unsupported(index, f"has {', '.join(kinds)} in an order that one message cannot keep")
    values = {kind: [part.value for part in turn.content if part.type == kind] for kind in ORDER}
    message: dict[str, Any] = {"role": turn.role}
    if values["reasoning"]:
        message["reasoning_content"] = values["reasoning"][0]
    if values["text"]:
        message["content"] = _content(values["text"])
    if values["tool_call"]:
        message["tool_calls"] = [call for text in values["tool_call"] for call in tool_calls(text)]
    return message


def _content(texts: list[str]) -> str | list[dict[str, str]]:
    return texts[0] if len(texts) == 1 else [{"type": "text", "text": text} for text in texts]


def _unsupported(index: int, what: str) -> RowError:
    return RowError(f"message {index} {what}", code=Code.UNSUPPORTED_CONTENT)


@register_filter
def tool_calls(text: str) -> list[dict[str, Any]]:
    """Return the tool calls in a JSON text: one object with `name` and `arguments`, or a list of such objects.

    Arguments become an object, even if they are JSON text inside the JSON. Chat templates write objects as JSON
    themselves, and would quote a text a second time. Tables with fixed column types have no place for objects of
    different keys, so write tool calls to JSON Lines.

    >>> tool_calls('{"name": "water", "arguments": {"herb": "dill"}}')
    [{'type': 'function', 'function': {'name': 'water', 'arguments': {'herb': 'dill'}}}]

    Raises:
        RowError: `wrong_type` if the text is not JSON or not a call, or a call has keys that would be lost;
            `duplicate_key` if an object has a key twice; `bad_text` if it spells a lone surrogate; `too_deep`.
    """
    read = _read(text)
    calls = [_call(call) for call in (read if isinstance(read, list) else [read])]
    if not calls:
        raise _no_call("the list is empty")
    return [{"type": "function", "function": _traced(call, text)} for call in calls]


@register_filter
def calls_among(messages: Sequence[Any], tools: Any) -> list[Any]:
    """Return the messages of a conversation, which must call only functions among the tools.

    The tools are a list or its JSON text, each with a `name`, or with a `function` that has one. None and an empty
    text mean no tools.

    >>> calls_among([{"role": "assistant", "tool_calls": tool_calls('{"name": "water"}')}], '[{"name": "water"}]')
    [{'role': 'assistant', 'tool_calls': [{'type': 'function', 'function': {'name': 'water', 'arguments': {}}}]}]

    Raises:
        RowError: `bad_turns` if another function is called; `wrong_type` if the text is not such a list; as in
            `tool_calls`.
    """
    offered = _offered(tools)
    for message in messages:
        for call in message.get("tool_calls", ()):
            if call["function"]["name"] not in offered:
                raise RowError(
                    f"{preview(call['function']['name'])} is called, but is not among the tools",
                    code=Code.BAD_TURNS, value=call["function"]["name"],
                )  # fmt: skip
    return list(messages)


@register_filter
def tool_list(tools: Any) -> str | None:
    """Return tools as the JSON text that a sample's `tools` hold; None if there are no tools.

    Each tool becomes an object of type `function`, as chat templates expect; a bare function is wrapped.

    >>> tool_list('[{"name": "water"}]')
    '[{"type": "function", "function": {"name": "water"}}]'

    Args:
        tools: a list of tools or its JSON text; an empty one, or None, means no tools.

    Raises:
        RowError: `wrong_type` if it is not such a list; as in `tool_calls`.
    """
    whole = [tool if tool.get("function") else {"type": "function", "function": tool} for tool in _tools(tools)]
    return json.dumps(whole, ensure_ascii=False) if whole else None


def _offered(tools: Any) -> set[str]:
    """Return the names of the tools."""
    return {(tool.get("function") or tool)["name"] for tool in _tools(tools)}


def _tools(tools: Any) -> list[dict[str, Any]]:
    """Return the tools of a list or of its JSON text."""
    read = _read(tools) if isinstance(tools, str) and tools else tools or []
    listed: list[Any] = read if isinstance(read, list) else [None]
    named: list[Any] = [tool.get("function") or tool if isinstance(tool, dict) else None for tool in listed]
    if not all(isinstance(tool, dict) and isinstance(tool.get("name"), str) for tool in named):
        raise RowError("expected a list of tools with names", code=Code.WRONG_TYPE)
    return listed


def _call(call: Any) -> dict[str, Any]:
    if not isinstance(call, dict) or not isinstance(call.get("name"), str):
        raise _no_call("it has no name")
    if lost := sorted(set(call) - {"name", "arguments"}):
        raise _no_call(f"messages have no key for its {', '.join(lost)}")
    arguments = call.get("arguments", {})
    arguments = _read(arguments) if isinstance(arguments, str) else arguments
    if not isinstance(arguments, dict):
        raise _no_call("its arguments are not an object")
    return {"name": call["name"], "arguments": arguments}


def _read(text: str) -> Any:
    """Read a JSON text; the value can be written as JSON again."""
    try:
        value = json.loads(text, object_pairs_hook=_object)
    except RowError:
        raise
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        raise RowError("expected JSON text", code=Code.WRONG_TYPE) from None
    _check(value)
    return value


def _check(value: Any, depth: int = 0) -> None:
    """Reject values that JSON text can hide from the check of its column: lone surrogates, infinity, depth."""
    if depth > MAX_DEPTH:
        raise _too_deep()
    if isinstance(value, float) and not math.isfinite(value):
        raise RowError("a number in a JSON text is infinite or not a number", code=Code.WRONG_TYPE)
    for text in value if isinstance(value, dict) else (value,):
        if isinstance(text, str) and SURROGATE.search(text):
            raise RowError("a JSON text contains a lone surrogate, which is not a character", code=Code.BAD_TEXT)
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check(item, depth + 1)


def _too_deep() -> RowError:
    return RowError("JSON in a text is nested too deeply", code=Code.TOO_DEEP)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise RowError("an object in a JSON text has a key twice", code=Code.DUPLICATE_KEY)
    return made


def _traced(value: Any, source: str) -> Any:
    """Return the value with each text marked as derived from the JSON text."""
    if isinstance(value, str):
        return derived(value, [source])
    if isinstance(value, Mapping):
        return {key: _traced(item, source) for key, item in value.items()}
    return [_traced(item, source) for item in value] if isinstance(value, list) else value


def _no_call(why: str) -> RowError:
    return RowError(f"a tool call cannot be read: {why}", code=Code.WRONG_TYPE)
