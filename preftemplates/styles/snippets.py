"""Pieces of chat templates that the styles of several families share.

They reject contents that a layout has no place for, so that nothing is left out of a text silently.
"""

from __future__ import annotations

from preftemplates.core.messages import CONTENT_KEYS
from preftemplates.styles.reasoning import THINKING_FIELDS

THOUGHT = "(message['reasoning_content'] or message['thinking'] or message['reasoning'] or '')"
"""Jinja expression for a message's thinking under any of its keys."""

KEEPS_THOUGHT = (
    "(preftemplates_reasoning == 'keep' or preftemplates_reasoning == 'drop-history' and loop.index0 > last.question)"
)
"""Jinja expression for whether the policy keeps the thinking of the loop's message; needs `last.question`."""


def split_thought(strip: str = "lstrip") -> str:
    """Return Jinja statements that move a thought from `content` to `thought`, as real chat templates do.

    Thinking is a separate key of the message, or the text before `</think>` in its content. Real templates lose any
    text before the thought, and between two thoughts, so such contents are rejected.

    Args:
        strip: the method that removes the newlines around the rest of the content.
    """
    fields = " and ".join(f"message['{key}'] is not string" for key in THINKING_FIELDS)
    return (
        f"{{%- set thought = {THOUGHT} -%}}"
        f"{{%- if '</think>' in content and {fields} -%}}"
        "{%- set parts = content.split('</think>') -%}"
        "{%- set opened = parts[0].split('<think>') -%}"
        "{%- if parts | length > 2 or opened | length > 1 and opened[0].strip()"
        f" or opened | length > 2 and {KEEPS_THOUGHT} -%}}"
        "{{- raise_exception('a content has one thought, at its beginning') -}}"
        "{%- endif -%}"
        "{%- set thought = parts[0].rstrip('\n').split('<think>')[-1].lstrip('\n') -%}"
        f"{{%- set content = parts[-1].{strip}('\n') -%}}"
        "{%- endif -%}"
    )


ARGUMENTS = (
    "(asked.arguments if asked.arguments is string and asked.arguments | trim else (asked.arguments or {}) | tojson)"
)
"""Jinja expression for the arguments of the call `asked` as JSON; strings are taken as JSON; without any it is {}."""

ONLY_FUNCTIONS = (
    "{%- for tool in tools or [] -%}"
    "{%- for key in tool if key not in ['type', 'function'] -%}"
    "{{- raise_exception('this layout has no place for the ' + key + ' of a tool') -}}"
    "{%- endfor -%}"
    "{%- if tool.function is not mapping -%}{{- raise_exception('a tool has a function') -}}{%- endif -%}"
    "{%- endfor -%}"
)
"""Jinja statements that reject tools with keys other than their function, for layouts that print only that."""

EACH_CALL = (
    "{%- for call in message.tool_calls or [] -%}"
    "{%- set asked = call.function if call.function else call -%}"
    "{%- if asked.name is not string -%}{{- raise_exception('a tool call has a name') -}}{%- endif -%}"
    "{%- if asked.arguments and asked.arguments is not string and asked.arguments is not mapping -%}"
    "{{- raise_exception('arguments are an object, or its JSON') -}}"
    "{%- endif -%}"
)
"""Jinja statements that open a loop over the calls of `message`; `asked` has the name and arguments."""

CALLS_IN_TAGS = (
    EACH_CALL + "{%- if message.content or not loop.first -%}{{- '\n' -}}{%- endif -%}"
    '{{- \'<tool_call>\n{"name": "\' + asked.name + \'", "arguments": \' + ' + ARGUMENTS + " + '}\n</tool_call>' -}}"
    "{%- endfor -%}"
)
"""Calls as Hermes writes them, and Qwen and Granite like it: JSON between <tool_call> and </tool_call>."""

EACH_ARGUMENT = (
    "{%- if asked.arguments and asked.arguments is not mapping -%}"
    "{{- raise_exception('this layout writes each argument apart: arguments are an object, not text') -}}"
    "{%- endif -%}"
    "{%- for name, value in (asked.arguments or {}).items() -%}"
)
"""Jinja statements that open a loop over the arguments of the call `asked`, with their `name` and `value`."""


def refuse_all_but(*, tools: bool = False, calls: bool = False, thinking: bool = False) -> str:
    """Return Jinja statements that reject contents without a place in a layout, to put before its chat template.

    Args:
        tools: whether the layout prints the list of tools.
        calls: whether it prints an assistant's `tool_calls`; a message with calls may have no content.
        thinking: whether it prints an assistant's thinking.

    Examples:
        >>> from preftemplates import Style
        >>> style = Style.from_chat_template(refuse_all_but() + "{{ messages[0].content }}")
        >>> style.render([{"role": "user", "content": "Mint?"}]).text
        'Mint?'
        >>> from preftemplates.errors import RowError
        >>> try:
        ...     style.render([{"role": "assistant", "content": "", "tool_calls": [{"name": "water"}]}])
        ... except RowError as error:
        ...     print(error)
        the style's chat template raised: this layout has no place for tool_calls [unsupported_content, style imported]
    """
    written = [*(["tool_calls"] if calls else []), *(THINKING_FIELDS if thinking else [])]
    refused = [key for key in CONTENT_KEYS if key not in written]
    statements = [
        f"{{%- for key in {refused} if message[key] -%}}",
        "{{- raise_exception('this layout has no place for ' + key) -}}{%- endfor -%}",
    ]
    if calls:
        statements.append(
            _refuse("message['tool_calls'] and message['role'] != 'assistant'", "only the assistant calls tools")
        )
    if thinking:
        others = [f"message['{key}'] and message['{key}'] != {THOUGHT}" for key in THINKING_FIELDS]
        two = " or ".join(others)
        statements.append(_refuse(two, "a message has two thoughts"))
        statements.append(_refuse(f"{THOUGHT} and message['role'] != 'assistant'", "only the assistant thinks"))
        statements.append(_refuse(f"{THOUGHT} is not string", "thinking must be text"))
    exception = " and (message['content'] or not message['tool_calls'])" if calls else ""
    statements.append(_refuse("message['content'] is not string" + exception, "content must be text"))
    tools_check = "" if tools else _refuse("tools", "this layout has no place for tools")
    return tools_check + "{%- for message in messages -%}" + "".join(statements) + "{%- endfor -%}"


def _refuse(condition: str, message: str) -> str:
    return f"{{%- if {condition} -%}}{{{{- raise_exception('{message}') -}}}}{{%- endif -%}}"
