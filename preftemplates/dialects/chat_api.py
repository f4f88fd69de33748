"""Messages and tools as OpenAI's API takes them: calls with ids, arguments as JSON text, tools as a list of functions.

Source: OpenAI's API reference on chat completions and on the rows of fine-tuning files. The API rejects a row with any
other key, a call without an id, or a tool's message that answers no call. Such rows are therefore rejected here, with
the place of the fault. The images of a user are parts with a URL. The bytes of a file become a base64 data URL,
unchanged.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from itertools import count
from typing import TYPE_CHECKING, Any

from preftemplates.core.media import read_medium
from preftemplates.core.provenance import plain, plain_data
from preftemplates.errors import Code, RowError, preview

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from preftemplates.core.messages import Message

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ASKING = ("role", "content", "name")
_KEYS = {
    "system": _ASKING,
    "developer": _ASKING,
    "user": _ASKING,
    "assistant": (*_ASKING, "refusal", "weight", "tool_calls"),
    "tool": ("role", "content", "tool_call_id", "name"),
}
"""The keys that a message of each role may have; the `name` of a tool is read but not written."""

_PART_KEYS = {"text": ("type", "text"), "image_url": ("type", "image_url"), "refusal": ("type", "refusal")}
_PARTS = {"user": ("text", "image_url"), "assistant": ("text", "refusal")}
"""The kinds of parts in a content, by role; other roles have text only."""

_FUNCTION_KEYS = ("name", "description", "parameters", "strict")
_SCHEMA_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
_SCHEMAS_BY_NAME = ("properties", "$defs", "definitions")
_SCHEMAS = ("items", "additionalProperties", "anyOf", "oneOf", "allOf")


def spell_api_messages(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Convert a conversation to the form of the API.

    A call keeps its id from the row; calls without one are numbered from `call_0`. A tool's message answers the call
    that it names, or else the first call without an answer.

    Raises:
        RowError: `bad_role` for an unknown role; `bad_turns` for a tool's message that answers no call, and for a call
            without an answer before the next turn; `unsupported_content` for something the API has no key for.

    Example:
        >>> call = {"name": "water", "arguments": {"herb": "dill"}}
        >>> talk = [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "content": "done"}]
        >>> for message in spell_api_messages(talk):
        ...     print(message)
        {'role': 'assistant', 'tool_calls': [{'id': 'call_0', 'type': 'function', 'function': {'name': 'water', 'arguments': '{"herb": "dill"}'}}]}
        {'role': 'tool', 'content': 'done', 'tool_call_id': 'call_0'}
    """  # noqa: E501
    taken = {call["id"] for message in messages for call in _list_calls(message) if isinstance(call.get("id"), str)}
    new_ids = (name for number in count() if (name := f"call_{number}") not in taken)
    spelled: list[dict[str, Any]] = []
    unanswered: dict[str, str] = {}  # the names of the functions that are called, by the id of the call
    for index, message in enumerate(messages):
        role = message["role"]
        if role not in _KEYS:
            raise RowError(f"message {index}: the API has no role {preview(role)}", code=Code.BAD_ROLE, value=role)
        if role != "tool" and unanswered:
            raise _make_turn_error(
                index, f"follows a call of {preview(next(iter(unanswered.values())))} that has no answer"
            )
        if unknown := [key for key, value in message.items() if key not in _KEYS[role] and value is not None]:
            raise _make_error(f"message {index} ({role}): the API has no key {unknown[0]!r}", message, unknown[0])
        others: Mapping[str, Any] = message
        turn = {key: plain_data(others[key]) for key in ("name", "refusal", "weight") if others.get(key) is not None}
        if message.get("content") is not None:
            turn["content"] = _spell_content(message, index)
        if role == "tool":
            turn["tool_call_id"] = _find_call(message, index, unanswered, turn.pop("name", None))
        calls = [_spell_call(call, index, new_ids) for call in _list_calls(message)]
        unanswered |= {call["id"]: call["function"]["name"] for call in calls}
        if calls:
            turn["tool_calls"] = calls
        if len({call["id"] for call in calls}) < len(calls):
            raise _make_error(f"message {index}: two calls have the same id", message, "tool_calls")
        if "content" not in turn and "refusal" not in turn and not calls:
            raise RowError(f"message {index} ({role}) has no content", code=Code.MISSING_FIELD)
        spelled.append({"role": plain(role), **turn})
    if unanswered and messages[-1]["role"] == "tool":
        raise _make_turn_error(len(messages) - 1, "is the last one, but a call has no answer")
    return spelled


def _list_calls(message: Mapping[str, Any]) -> list[Any]:
    calls = message.get("tool_calls")
    if calls is not None and not (isinstance(calls, list) and all(isinstance(call, dict) for call in calls)):
        raise _make_error("tool_calls is not a list of calls", message, "tool_calls")
    return calls or []


def _spell_call(call: Mapping[str, Any], index: int, new_ids: Iterator[str]) -> dict[str, Any]:
    """Convert a call, whose name and arguments may be in the call itself or in its `function`."""
    function = call.get("function", call)
    if not isinstance(function, dict) or call.get("type", "function") != "function":
        raise _make_error(f"message {index}: the API has no call such as {preview(call)}", {"call": call}, "call")
    allowed = {"name", "arguments"} if function is not call else {"name", "arguments", "id", "type"}
    outer = {"id", "type", "function"} if function is not call else allowed
    if extra := [*(set(call) - outer), *(set(function) - allowed)]:
        raise _make_error(f"message {index}: the API has no key {extra[0]!r} for a call", {"call": call}, "call")
    name, call_id = _check_name(function.get("name"), f"message {index}"), call.get("id")
    if call_id is not None and not (isinstance(call_id, str) and call_id):
        raise _make_error(f"message {index}: expected text as the id of a call, got {preview(call_id)}", call, "id")
    arguments = _spell_arguments(function.get("arguments"), index)
    return {
        "id": plain(call_id) if call_id else next(new_ids),
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def _spell_arguments(arguments: Any, index: int) -> str:
    """Return arguments as the text of a JSON object; text stays unchanged."""
    try:
        text = (
            arguments
            if isinstance(arguments, str)
            else json.dumps(plain_data({} if arguments is None else arguments), ensure_ascii=False)
        )
        is_object = isinstance(json.loads(text, parse_constant=_refuse_constant), dict)
    except (ValueError, TypeError, RecursionError):
        is_object = False
    if not is_object:
        fault = f"message {index}: the arguments of a call are not a JSON object: {preview(arguments)}"
        raise RowError(fault, code=Code.UNSUPPORTED_CONTENT, value=arguments)
    return plain(text)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number in JSON")


def _find_call(message: Mapping[str, Any], index: int, unanswered: dict[str, str], name: str | None) -> str:
    """Remove the call that a tool's message answers from the unanswered ones, and return its id."""
    call_id = message.get("tool_call_id")
    found = next(iter(unanswered), None) if call_id is None else call_id
    if found is None or found not in unanswered:
        raise _make_turn_error(index, f"answers the unknown call {preview(call_id)}" if call_id else "answers no call")
    function = unanswered.pop(found)
    if name is not None and name != function:
        raise _make_turn_error(index, f"is of the tool {preview(name)} but answers a call of {preview(function)}")
    return plain(found)


def _spell_content(message: Mapping[str, Any], index: int) -> Any:
    role, content = message["role"], message["content"]
    if not isinstance(content, list):
        return plain_data(content)
    return plain_data([_spell_part(part, role, index) for part in content])


def _spell_part(part: Mapping[str, Any], role: str, index: int) -> Mapping[str, Any]:
    kind, kinds, medium = str(part.get("type")), _PARTS.get(role, ("text",)), read_medium(part)
    if medium is not None and medium.kind == "image" and "image_url" in kinds and set(medium.others) <= {"detail"}:
        return {"type": "image_url", "image_url": {"url": _spell_image_url(medium.value, index), **medium.others}}
    if medium is not None or kind not in kinds or set(part) != set(_PART_KEYS[kind]):
        fault = f"message {index} ({role}): the API has no part such as {preview(part)}"
        raise RowError(fault, code=Code.UNSUPPORTED_CONTENT, value=part)
    return part


def _spell_image_url(image: Any, index: int) -> str:
    """Return the URL of an image; the bytes of a file become a data URL."""
    file = image.get("bytes") if isinstance(image, Mapping) else image
    if isinstance(image, Mapping) and isinstance(image.get("source"), Mapping):
        file = _spell_source(image["source"])
    elif isinstance(image, Mapping) and isinstance(image.get("base64"), str):
        file = _decode(image["base64"])
    if isinstance(file, bytes):
        media_type = next((name for name, start in _FILE_STARTS.items() if start.match(file)), None)
        if media_type is not None:
            return f"data:{media_type};base64,{b64encode(file).decode()}"
    elif isinstance(file, str) and file.startswith(("https://", "http://", "data:image/")):
        return file
    fault = f"message {index}: the API accepts an image as a URL or as the bytes of a file, got {preview(image)}"
    raise RowError(fault, code=Code.UNSUPPORTED_CONTENT, value=image)


def _spell_source(source: Mapping[str, Any]) -> Any:
    """Return the URL or the bytes of an image in the form of Anthropic's API."""
    return source.get("url") if source.get("type") == "url" else _decode(source.get("data"))


def _decode(text: Any) -> bytes | None:
    try:
        return b64decode(text, validate=True)
    except (ValueError, TypeError):
        return None


_FILE_STARTS = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
}
"""The first bytes of the image files that the API accepts."""


def spell_api_tools(text: str) -> list[dict[str, Any]]:
    """Convert the text of a JSON list of tools to a list of functions; a bare function is wrapped.

    Raises:
        RowError: `unsupported_content` for a tool that the API rejects: another kind, key or name, or parameters that
            are not a JSON Schema of an object.

    Example:
        >>> spell_api_tools('[{"name": "water", "parameters": {"type": "object", "properties": {}}}]')
        [{'type': 'function', 'function': {'name': 'water', 'parameters': {'type': 'object', 'properties': {}}}}]
    """
    return [_spell_tool(tool, f"tools[{index}]") for index, tool in enumerate(json.loads(text))]


def _spell_tool(tool: dict[str, Any], where: str) -> dict[str, Any]:
    wrapped = isinstance(tool.get("function"), dict)
    function = tool["function"] if wrapped else {key: value for key, value in tool.items() if key != "type"}
    if tool.get("type", "function") != "function" or (wrapped and set(tool) - {"type", "function"}):
        raise _make_error(f"{where}: the API has no tool such as {preview(tool)}", {"tool": tool}, "tool")
    _check_name(function.get("name"), where)
    if extra := [key for key in function if key not in _FUNCTION_KEYS]:
        raise _make_error(f"{where}: the API has no key {extra[0]!r} for a function", {"tool": tool}, "tool")
    parameters = function.get("parameters", {})
    if not isinstance(parameters, dict) or parameters.get("type", "object") != "object":
        raise _make_error(f"{where}.parameters are not the JSON Schema of an object", {"tool": tool}, "tool")
    _check_schema(parameters, f"{where}.parameters")
    return {"type": "function", "function": function}


def _check_schema(schema: Any, where: str) -> None:
    """Reject a JSON Schema with an unknown type, such as Python's `dict`."""
    if not isinstance(schema, dict):
        return
    kinds = schema.get("type", [])
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        if kind not in _SCHEMA_TYPES:
            fault = f"{where}: JSON Schema has no type {preview(kind)}"
            raise RowError(fault, code=Code.UNSUPPORTED_CONTENT, value=schema)
    for key in _SCHEMAS_BY_NAME:
        inner = schema.get(key)
        for name, property_schema in inner.items() if isinstance(inner, dict) else ():
            _check_schema(property_schema, f"{where}.{name}")
    for key in _SCHEMAS:
        inner = schema.get(key)
        for item in inner if isinstance(inner, list) else [inner]:
            _check_schema(item, f"{where}.{key}")


def _check_name(name: Any, where: str) -> str:
    """Return the name of a function if the API accepts it."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        fault = f"{where}: expected a function name of up to 64 letters, digits, _ and -, got {preview(name)}"
        raise RowError(fault, code=Code.UNSUPPORTED_CONTENT, value=name)
    return plain(name)


def _make_turn_error(index: int, fault: str) -> RowError:
    return RowError(f"message {index} {fault}", code=Code.BAD_TURNS)


def _make_error(fault: str, holder: Mapping[str, Any], key: str) -> RowError:
    return RowError(fault, code=Code.UNSUPPORTED_CONTENT, value=holder.get(key))
