"""The parts of an exported chat template: its header, Jinja literals, and statements that apply a policy.

The header is a comment at the start of an exported template, which describes the layout. It counts only if exporting
that layout gives the same template again, so an edited template is read like any other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from preftemplates.core.provenance import plain

if TYPE_CHECKING:
    from preftemplates.styles.reasoning import Reasoning

EXPORT_HEADER = re.compile(r"\{#- preftemplates: (\{.*\}) -#\}\n")


def write_header(facts: Mapping[str, Any]) -> str:
    """Return the comment that describes a layout."""
    text = json.dumps(facts).replace("#", "\\u0023")  # a # in the text could end the comment
    return f"{{#- preftemplates: {text} -#}}\n"


_REASONING_STATEMENTS = """\
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
"""`dict` is looked up outside the loops, which would not see it if the source sets its own variable `dict` later."""


def write_reasoning(policy: Reasoning, source: str = "") -> str:
    """Return statements that apply a policy to `messages`, with variables that do not occur in `source`."""
    condition = "loop.index0 < ⟨thought⟩.last" if policy == "drop-history" else "true"
    name = find_unused_name("thought", source)
    statements = _REASONING_STATEMENTS.replace("⟨which⟩", condition).replace("⟨thought⟩", name)
    return "" if policy == "keep" else statements


def find_unused_name(name: str, source: str) -> str:
    """Return the name, with underscores added until it does not occur in the source."""
    while name in source:
        name += "_"
    return name


def format_jinja_literal(value: Any) -> str:
    r"""Return JSON-like data as a Jinja expression.

    >>> print(format_jinja_literal({"it's\n": [True, None, 1.5]}))
    {'it\'s\n': [true, none, 1.5]}
    """
    if isinstance(value, str):
        return _format_string(value)
    if isinstance(value, Mapping):
        items = (f"{_format_string(str(key))}: {format_jinja_literal(item)}" for key, item in value.items())
        return "{" + ", ".join(items) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(format_jinja_literal, value)) + "]"
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return repr(value)


def _format_string(text: str) -> str:
    escapes = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r"}
    return "'" + "".join(escapes.get(char, char) for char in plain(text)) + "'"
