"""GLM 4.5 and 4.6: the role as a token and the content on the next line, with thinking and tools.

Source: the chat templates of Zhipu AI's GLM-4.5-Air and GLM-4.6 (MIT). The template below is our own, except for the
text that the layout prints. Each answer begins with its thinking, even if it is empty; history drops it. Like those
templates, the style trims answers and thinking. They leave out an empty answer, which the style writes on its line.
Thinking is a message's `reasoning_content`, or the text before `</think>` in its content. The arguments of a call are
written one by one, strings unchanged and other values as JSON. The generation prompt is the assistant's role token
alone: the model writes the newline. The next role's token ends an answer, so the generation marks include it.
"""

from preftemplates import Style, register_style
from preftemplates.styles.snippets import EACH_ARGUMENT, EACH_CALL, KEEPS_THOUGHT, refuse_all_but, split_thought


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
        "{%- set last = namespace(question=-1) -%}"
        "{%- for message in messages -%}"
        "{%- if message.role == 'user' -%}{%- set last.question = loop.index0 -%}{%- endif -%}"
        "{%- endfor -%}"
        "{%- for message in messages -%}"
        "{%- if message.role == 'tool' -%}"
        "{%- if loop.previtem is not defined or loop.previtem.role not in ['tool', 'assistant'] -%}"
        "{{- '<|observation|>' -}}"
        "{%- endif -%}"
        "{{- '\n<tool_response>\n' + message.content + '\n</tool_response>' -}}"
        "{%- elif message.role == 'assistant' -%}"
        "{%- if loop.previtem is not defined or loop.previtem.role != 'assistant' -%}"
        "{{- '<|assistant|>' -}}"
        "{%- endif -%}"
        "{%- generation -%}"
        "{%- set content = message.content or '' -%}"
        + split_thought()
        + f"{{{{- '\n<think>' + (thought | trim if {KEEPS_THOUGHT} else '') + '</think>' -}}}}"
        "{%- set said = content | trim -%}"
        "{%- if said or not (message.tool_calls or '</think>' in (message.content or '')) -%}"
        "{{- '\n' + said -}}"
        "{%- endif -%}"
        + EACH_CALL
        + "{{- '\n<tool_call>' + asked.name + '\n' -}}"
        + EACH_ARGUMENT
        + "{{- '<arg_key>' + name + '</arg_key>\n<arg_value>' -}}"
        "{{- value if value is string else value | tojson -}}"
        "{{- '</arg_value>\n' -}}"
        "{%- endfor -%}"
        "{{- '</tool_call>' -}}"
        "{%- endfor -%}"
        "{%- if loop.nextitem is defined -%}"
        "{{- '<|' + ('observation' if loop.nextitem.role == 'tool' else loop.nextitem.role) + '|>' -}}"
        "{%- endif -%}"
        "{%- endgeneration -%}"
        "{%- else -%}"
        "{%- if loop.previtem is not defined or loop.previtem.role != 'assistant' -%}"
        "{{- '<|' + message.role + '|>' -}}"
        "{%- endif -%}"
        "{{- '\n' + message.content -}}"
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
