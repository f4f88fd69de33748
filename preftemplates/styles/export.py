"""A layout written as a chat template, and the header from which it is read back.

The header is a comment at the start of an exported template, which names the layout. It counts only where exporting
that layout gives the same template again, so an edited template is read as any other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from preftemplates.core.messages import CONTENT_KEYS, ROLES
from preftemplates.core.provenance import plain
from preftemplates.styles.chat_template import ChatTemplate
from preftemplates.styles.environment import find_names
from preftemplates.styles.fragments import Fragment, Fragments

if TYPE_CHECKING:
    from preftemplates.styles.layout import Layout
    from preftemplates.styles.reasoning import Reasoning

EXPORT_HEADER = re.compile(r"\{#- preftemplates: (\{.*\}) -#\}\n")

_NAMES_IN_EXPORTS = ("messages", "add_generation_prompt", "raise_exception")
"""Variables that the statements before an exported source read or set."""


# --- the header ----------------------------------------------------------------------------------------------------


def export_layout(layout: Layout) -> str:
    """Return the layout as a chat template, which begins with a header wherever it can be read back."""
    template = write_chat_template(layout)
    facts = _describe_layout(layout, template)
    return template if facts is None else f"{write_header(facts)}{template}"


def write_header(facts: Mapping[str, Any]) -> str:
    """Return the comment that holds what is declared of a layout."""
    text = json.dumps(facts).replace("#", "\\u0023")  # so that the text does not end the comment
    return f"{{#- preftemplates: {text} -#}}\n"


def _describe_layout(layout: Layout, template: str) -> dict[str, Any] | None:
    """Return what a header holds; None where the template cannot be read back, and is then read as any other."""
    assert isinstance(layout, Fragments | ChatTemplate)
    facts = {name: fact for name, fact in asdict(layout).items() if name not in ("limits", "isolate")}
    if isinstance(layout, Fragments):
        return facts
    start = template.rfind(layout.source)
    # the end of the source may have to be written in another way, and a source may not see all variables
    if start < 0 or not _sees_all_variables(layout):
        return None
    return {**facts, "source": [start, start + len(layout.source)]}


def _sees_all_variables(layout: ChatTemplate) -> bool:
    """Return whether the source sees a variable that an export sets before it as it sees one that is passed in.

    A source that hides the variable from an inner scope does not, see `TemplateNames`; it may then also hide what the
    statements of the export read.
    """
    names = find_names(layout.source)
    return not names.hidden & {*_NAMES_IN_EXPORTS, *names.read.intersection(layout.variables)}


# --- the template --------------------------------------------------------------------------------------------------


def write_chat_template(layout: Layout) -> str:
    """Return the layout as a Hugging Face chat template without a header."""
    if isinstance(layout, ChatTemplate):
        return _write_source(layout)
    assert isinstance(layout, Fragments)
    return _write_fragments(layout)


def _write_fragments(layout: Fragments) -> str:
    """Return fragments as a chat template; its generation marks hold what follows the generation prompt."""
    tests = ["if", *["elif"] * (len(layout.turns) - 1)]
    closing = f"{{%- else -%}}{_write_print(layout.closing)}" if layout.closing else ""
    turns = [
        f"{{%- {test} message['role'] == {format_jinja_literal(turn.role)} -%}}\n{_write_turn(layout, turn)}"
        for test, turn in zip(tests, layout.turns, strict=True)
    ]
    prompt = _write_print(layout.generation_prompt)
    return _write_reasoning(layout.reasoning) + "\n".join(
        [
            _write_print(layout.opening),
            "{%- for message in messages -%}",
            "{%- if message['content'] is not string -%}",
            "{{- raise_exception('content must be text') -}}",
            "{%- endif -%}",
            f"{{%- for key in {list(CONTENT_KEYS)} -%}}{{%- if message[key] -%}}",
            "{{- raise_exception('this layout has no place for ' + key) -}}",
            "{%- endif -%}{%- endfor -%}",
            *turns,
            "{%- else -%}",
            "{{- raise_exception('this layout has no turn for the role ' + message['role']) -}}",
            "{%- endif -%}",
            "{%- endfor -%}",
            f"{{%- if add_generation_prompt -%}}{prompt}{closing}{{%- endif -%}}",
        ]
    )


def _write_turn(layout: Fragments, turn: Fragment) -> str:
    content = "{{- message['content'] -}}"
    if turn.role != "assistant":
        return _write_print(turn.head) + content + _write_print(turn.tail)
    prompt, stop = layout.generation_prompt, layout.stop
    return (
        f"{_write_print(prompt)}{{%- generation -%}}{_write_print(turn.head[len(prompt) :])}{content}"
        f"{_write_print(stop)}{{%- endgeneration -%}}{_write_print(turn.tail[len(stop) :])}"
    )


def _write_print(text: str) -> str:
    return f"{{{{- {format_jinja_literal(text)} -}}}}" if text else ""


def _write_source(layout: ChatTemplate) -> str:
    """Return the source with what the style declares besides written into it: tokens, opening, closing, other roles.

    A variable that the source does not look up is not set: to set it could only change what the source does.
    """
    # trim_blocks removes the line ends of these statements, and nothing of the source
    statements = [
        f"{{%- set {name} = {format_jinja_literal(value)} %}}\n"
        for name, value in layout.variables.items()
        if name in find_names(layout.source).read
    ]
    if layout.roles != ROLES:
        others = f"for message in messages if message['role'] not in {format_jinja_literal(layout.roles)}"
        refusal = "raise_exception('this layout has no turn for the role ' + message['role'])"
        statements.insert(0, f"{{%- {others} %}}{{{{ {refusal} }}}}{{% endfor %}}\n")
    if layout.opening:
        statements.append(f"{{{{ {format_jinja_literal(layout.opening)} }}}}{{##}}\n")
    if layout.source[:1].isspace() and not statements and not layout.closing:
        statements.append("{##}\n")  # else the statement before the source removes its leading whitespace
    source = _write_closed_source(layout) if layout.closing else layout.source
    return _write_reasoning(layout.reasoning, layout.source) + "".join(statements) + source


def _write_closed_source(layout: ChatTemplate) -> str:
    """Return the source followed by the closing; the condition comes first, since a source may set its variables."""
    name = _find_unused_name("closing", layout.source)
    source = re.sub(r"(\r\n|\r|\n)\Z", "", layout.source)  # as Jinja does at the end of a template
    source = re.sub(r"\{\Z", "{{ '{' }}", source)  # else it would open a tag with the next brace
    condition = f"'' if add_generation_prompt else {format_jinja_literal(layout.closing)}"
    return f"{{%- set {name} = {condition} %}}\n{source}{{{{ {name} }}}}"


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
"""The function is looked up outside of the loops, which do not see it where the source sets a `dict` of its own."""


def _write_reasoning(policy: Reasoning, source: str = "") -> str:
    """Return statements that apply the policy to `messages`; they set no variable that `source` names."""
    condition = "loop.index0 < ⟨thought⟩.last" if policy == "drop-history" else "true"
    name = _find_unused_name("thought", source)
    statements = _REASONING_STATEMENTS.replace("⟨which⟩", condition).replace("⟨thought⟩", name)
    return "" if policy == "keep" else statements


def _find_unused_name(name: str, source: str) -> str:
    """Return the name, or one like it that does not occur in the source."""
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
