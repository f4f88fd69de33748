"""Granite 3 and 4: the role between <|start_of_role|> and <|end_of_role|>; <|end_of_text|> ends each turn.

Source: the chat templates of IBM's granite-3.0-8b-instruct, granite 4.0 and 4.1 (Apache-2.0); the layouts below are
our own text, except for the text that they print. Granite 3.1 to 3.3 write the turns of 3.0, and a dated default
system text if a conversation has none; the style never does.
"""

from preftemplates import Style, register_style
from preftemplates.styles.snippets import CALLS_IN_TAGS, refuse_all_but


@register_style("granite3", aliases=["granite3.0"])
class Granite3(Style):
    """Granite 3: system, user and assistant turns, without tools or a default system text."""

    system = "<|start_of_role|>system<|end_of_role|>{{ content }}<|end_of_text|>\n"
    user = "<|start_of_role|>user<|end_of_role|>{{ content }}<|end_of_text|>\n"
    assistant = "<|start_of_role|>assistant<|end_of_role|>{{ content }}<|end_of_text|>\n"
    stop = "<|end_of_text|>"


@register_style("granite4", aliases=["granite4.1"])
class Granite4(Style):
    """Granite 4: the turns of Granite 3 with tools, which are listed in the system turn; results are in a user's turn.

    Granite 4.0 writes a default system text if there is neither a system text nor a tool; Granite 4.1 and the style do
    not. The style writes a system turn without a text, which those templates leave out.
    """

    accepted_roles = ("system", "user", "assistant", "tool")
    chat_template = refuse_all_but(tools=True, calls=True) + (
        "{%- set first = 1 if messages and messages[0].role == 'system' else 0 -%}"
        "{%- if first or tools -%}"
        "{{- '<|start_of_role|>system<|end_of_role|>' -}}"
        "{%- if first -%}{{- messages[0].content -}}{%- endif -%}"
        "{%- if tools -%}"
        "{%- if first -%}{{- '\n\n' -}}{%- endif -%}"
        "{{- before_tools -}}"
        "{%- for tool in tools -%}{{- '\n' + tool | tojson -}}{%- endfor -%}"
        "{{- behind_tools -}}"
        "{%- endif -%}"
        "{{- '<|end_of_text|>\n' -}}"
        "{%- endif -%}"
        "{%- for message in messages[first:] -%}"
        "{%- if message.role == 'tool' -%}"
        "{%- if loop.previtem is not defined or loop.previtem.role != 'tool' -%}"
        "{{- '<|start_of_role|>user<|end_of_role|>' -}}"
        "{%- endif -%}"
        "{{- '\n<tool_response>\n' + message.content + '\n</tool_response>' -}}"
        "{%- if loop.nextitem is not defined or loop.nextitem.role != 'tool' -%}"
        "{{- '<|end_of_text|>\n' -}}"
        "{%- endif -%}"
        "{%- elif message.role == 'assistant' -%}"
        "{{- '<|start_of_role|>assistant<|end_of_role|>' -}}"
        "{%- generation -%}{{- message.content or '' -}}"
        + CALLS_IN_TAGS
        + "{{- '<|end_of_text|>' -}}{%- endgeneration -%}"
        "{{- '\n' -}}"
        "{%- else -%}"
        "{{- '<|start_of_role|>' + message.role + '<|end_of_role|>' + message.content + '<|end_of_text|>\n' -}}"
        "{%- endif -%}"
        "{%- endfor -%}"
        "{%- if add_generation_prompt -%}{{- '<|start_of_role|>assistant<|end_of_role|>' -}}{%- endif -%}"
    )
    eos_token = "<|end_of_text|>"
    defaults = {
        "before_tools": (
            "You are a helpful assistant with access to the following tools. You may call one or more tools to assist "
            "with the user query.\n\n"
            "You are provided with function signatures within <tools></tools> XML tags:\n<tools>"
        ),
        "behind_tools": (
            "\n</tools>\n\nFor each tool call, return a json object with function name and arguments within "
            "<tool_call></tool_call> XML tags:\n<tool_call>\n"
            '{"name": <function-name>, "arguments": <args-json-object>}'
            "\n</tool_call>. If a tool does not exist in the provided list of tools, notify the user that you do not "
            "have the ability to fulfill the request."
        ),
    }
