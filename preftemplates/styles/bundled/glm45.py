"""GLM 4.5 and 4.6: the role as a token and the content on the next line, with thinking and tools.

Source: the chat templates of Zhipu AI's GLM-4.5-Air and GLM-4.6 (MIT). The template below is our own, but for what the
layout prints. Each answer begins with its thinking, be it empty; history loses it. Those templates trim answers and
thinking, and so does the style. They leave an empty answer out, which the style writes on its line, and look for
thinking in an answer's content too, which it refuses: it stands in `reasoning_content`. A call's arguments are written
one by one, text as it is and the rest as JSON. The assistant's role token alone is the generation prompt: the model
writes the line's end.
"""

from preftemplates import Style, register_style
from preftemplates.styles.snippets import EACH_ARGUMENT, EACH_CALL, THOUGHT, refuse_all_but


@register_style("glm4.5", aliases=["glm4.6", "glm4-moe"])
class GLM45(Style):
    accepted_roles = ("system", "user", "assistant", "tool")
    chat_template = refuse_all_but(tools=True, calls=True, thinking=True) + (
        "{{- '[gMASK]<sop>' -}}"
        "{%- if tools -%}"
        "{{- before_tools -}}"
        "{%- for tool in tools -%}{{- tool | tojson + '\n' -}}{%- endfor -%}"
        "{{- behind_tools -}}"
        "{%- endif -%}"
        "{%- for message in messages -%}"
        "{%- if message.role == 'tool' -%}"
        "{%- if loop.previtem is not defined or loop.previtem.role != 'tool' -%}{{- '<|observation|>' -}}{%- endif -%}"
        "{{- '\n<tool_response>\n' + message.content + '\n</tool_response>' -}}"
        "{%- elif message.role == 'assistant' -%}"
        "{%- if message.content and '</think>' in message.content -%}"
        "{{- raise_exception('thinking stands in reasoning_content, and not in the content') -}}"
        "{%- endif -%}"
        "{{- '<|assistant|>' -}}"
        "{%- generation -%}"
        "{{- '\n<think>' + " + THOUGHT + " | trim + '</think>' -}}"
        "{%- set said = (message.content or '') | trim -%}"
        "{%- if said or not message.tool_calls -%}{{- '\n' + said -}}{%- endif -%}"
        + EACH_CALL
        + "{{- '\n<tool_call>' + asked.name + '\n' -}}"
        + EACH_ARGUMENT
        + "{{- '<arg_key>' + name + '</arg_key>\n<arg_value>' -}}"
        "{{- value if value is string else value | tojson -}}"
        "{{- '</arg_value>\n' -}}"
        "{%- endfor -%}"
        "{{- '</tool_call>' -}}"
        "{%- endfor -%}"
        "{%- endgeneration -%}"
        "{%- else -%}"
        "{{- '<|' + message.role + '|>\n' + message.content -}}"
        "{%- endif -%}"
        "{%- endfor -%}"
        "{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}"
    )
    defaults = {
        "before_tools": (
            "<|system|>\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
            "You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n"
        ),
        "behind_tools": (
            "</tools>\n\nFor each function call, output the function name and arguments within the following XML "
            "format:\n<tool_call>{function-name}\n<arg_key>{arg-key-1}</arg_key>\n<arg_value>{arg-value-1}</arg_value>\n"
            "<arg_key>{arg-key-2}</arg_key>\n<arg_value>{arg-value-2}</arg_value>\n...\n</tool_call>"
        ),
    }
    reasoning = "drop-history"
