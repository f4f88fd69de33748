"""MiniMax M2: ]~b] and the role on one line; [e~[ ends each turn.

Source: the chat template of MiniMax's MiniMax-M2 (modified MIT). The template below is our own, except for the text
that the layout prints. A conversation without a system turn gets the model's own. That template opens thinking in the
generation prompt; this style does not, since an answer may have none. Thinking is a message's `reasoning_content`, or
the text before `</think>` in its content; history drops it. The arguments of a call are written one by one, strings
unchanged and other values as JSON.
"""

from preftemplates import Style, register_style
from preftemplates.styles.snippets import (
    EACH_ARGUMENT,
    EACH_CALL,
    KEEPS_THOUGHT,
    ONLY_FUNCTIONS,
    refuse_all_but,
    split_thought,
)


@register_style("minimax-m2")
class MiniMaxM2(Style):
    accepted_roles = ("system", "user", "assistant", "tool")
    chat_template = refuse_all_but(tools=True, calls=True, thinking=True) + (
        ONLY_FUNCTIONS + "{%- set first = 1 if messages and messages[0].role == 'system' else 0 -%}"
        "{{- ']~!b[]~b]system\n' -}}"
        "{{- messages[0].content if first else system_text -}}"
        "{%- if tools -%}"
        "{{- before_tools -}}"
        "{%- for tool in tools -%}{{- '<tool>' + tool.function | tojson + '</tool>\n' -}}{%- endfor -%}"
        "{{- behind_tools -}}"
        "{%- endif -%}"
        "{{- '[e~[\n' -}}"
        "{%- set last = namespace(question=-1) -%}"
        "{%- for message in messages[first:] -%}"
        "{%- if message.role == 'user' -%}{%- set last.question = loop.index0 -%}{%- endif -%}"
        "{%- endfor -%}"
        "{%- for message in messages[first:] -%}"
        "{%- if message.role == 'system' -%}"
        "{{- raise_exception('a system turn stands in front only') -}}"
        "{%- elif message.role == 'tool' -%}"
        "{%- if loop.previtem is not defined or loop.previtem.role not in ['tool', 'assistant'] -%}"
        "{{- raise_exception('a result stands behind a call') -}}"
        "{%- endif -%}"
        "{%- if loop.previtem.role != 'tool' -%}{{- ']~b]tool' -}}{%- endif -%}"
        "{{- '\n<response>' + message.content + '</response>' -}}"
        "{%- if loop.nextitem is not defined or loop.nextitem.role != 'tool' -%}{{- '[e~[\n' -}}{%- endif -%}"
        "{%- elif message.role == 'assistant' -%}"
        "{{- ']~b]ai\n' -}}"
        "{%- generation -%}"
        "{%- set content = message.content or '' -%}"
        + split_thought("strip")
        + f"{{%- if thought and {KEEPS_THOUGHT} -%}}"
        "{{- '<think>\n' + thought + '\n</think>\n\n' -}}"
        "{%- endif -%}"
        "{{- content -}}" + EACH_CALL + "{{- '\n<minimax:tool_call>\n' if loop.first -}}"
        "{{- '<invoke name=\"' + asked.name + '\">\n' -}}"
        + EACH_ARGUMENT
        + "{{- '<parameter name=\"' + name + '\">' -}}"
        "{{- value if value is string else value | tojson -}}"
        "{{- '</parameter>\n' -}}"
        "{%- endfor -%}"
        "{{- '</invoke>\n' -}}"
        "{{- '</minimax:tool_call>' if loop.last -}}"
        "{%- endfor -%}"
        "{{- '[e~[' -}}"
        "{%- endgeneration -%}"
        "{{- '\n' -}}"
        "{%- else -%}"
        "{{- ']~b]user\n' + message.content + '[e~[\n' -}}"
        "{%- endif -%}"
        "{%- endfor -%}"
        "{%- if add_generation_prompt -%}{{- ']~b]ai\n' -}}{%- endif -%}"
    )
    defaults = {
        "system_text": "You are MiniMax-M2, a helpful AI assistant built by MiniMax. Knowledge cutoff: 2025-06.",
        "before_tools": (
            "\n\n# Tools\nYou may call one or more tools to assist with the user query.\n"
            "Here are the tools available in JSONSchema format:\n\n<tools>\n"
        ),
        "behind_tools": (
            "</tools>\n\nWhen making tool calls, use XML format to invoke tools and pass parameters:\n"
            '\n<minimax:tool_call>\n<invoke name="tool-name-1">\n'
            '<parameter name="param-key-1">param-value-1</parameter>\n'
            '<parameter name="param-key-2">param-value-2</parameter>\n...\n</invoke>\n</minimax:tool_call>'
        ),
    }
    reasoning = "drop-history"
