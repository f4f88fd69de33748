"""Qwen 3.5 and 3.6: ChatML with thinking before each answer, and calls with one element per argument.

Source: the chat templates of Qwen3.5 and Qwen3.6 (Apache-2.0); the template below is our own, except for the text that
the layout prints. Like those templates, it trims contents and thinking. An answer after the last question begins with
its thinking, even if it is empty; history drops it. Those templates open the thinking in the generation prompt. Here
it belongs to the answer, and with `enable_thinking=False` the prompt says that there is none. Thinking is a message's
`reasoning_content`, or the text before `</think>` in its content. With the policy `keep`, history keeps its thinking,
as in the template of Qwen 3.6 with `preserve_thinking=True`.
"""

from preftemplates import Style, register_style
from preftemplates.styles.snippets import EACH_ARGUMENT, EACH_CALL, KEEPS_THOUGHT, refuse_all_but, split_thought


@register_style("qwen3.5")
class Qwen35(Style):
    """Qwen 3.5: arguments other than strings, lists and objects are written as Python prints them (True, None)."""

    accepted_roles = ("system", "user", "assistant", "tool")
    chat_template = refuse_all_but(tools=True, calls=True, thinking=True) + (
        "{%- set first = 1 if messages and messages[0].role == 'system' else 0 -%}"
        "{%- if tools -%}"
        "{{- '<|im_start|>system\n' + before_tools -}}"
        "{%- for tool in tools -%}{{- '\n' + tool | tojson -}}{%- endfor -%}"
        "{{- behind_tools -}}"
        "{%- if first and messages[0].content | trim -%}{{- '\n\n' + messages[0].content | trim -}}{%- endif -%}"
        "{{- '<|im_end|>\n' -}}"
        "{%- elif first -%}"
        "{{- '<|im_start|>system\n' + messages[0].content | trim + '<|im_end|>\n' -}}"
        "{%- endif -%}"
        "{%- set last = namespace(question=-1) -%}"
        "{%- for message in messages[first:] -%}"
        "{%- set said = (message.content or '') | trim -%}"
        "{%- if message.role == 'user'"
        " and not (said.startswith('<tool_response>') and said.endswith('</tool_response>')) -%}"
        "{%- set last.question = loop.index0 -%}"
        "{%- endif -%}"
        "{%- if message.role == 'system' -%}"
        "{{- raise_exception('a system turn stands in front only') -}}"
        "{%- elif message.role == 'assistant' and (last.question < 0 or loop.previtem.role == 'assistant') -%}"
        "{{- raise_exception('an answer follows a question or a result') -}}"
        "{%- endif -%}"
        "{%- endfor -%}"
        "{%- if last.question < 0 -%}{{- raise_exception('there is no question') -}}{%- endif -%}"
        "{%- for message in messages[first:] -%}"
        "{%- set content = (message.content or '') | trim -%}"
        "{%- if message.role == 'tool' -%}"
        "{%- if loop.previtem is not defined or loop.previtem.role != 'tool' -%}"
        "{{- '<|im_start|>user' -}}"
        "{%- endif -%}"
        "{{- '\n<tool_response>\n' + content + '\n</tool_response>' -}}"
        "{%- if loop.nextitem is not defined or loop.nextitem.role != 'tool' -%}{{- '<|im_end|>\n' -}}{%- endif -%}"
        "{%- elif message.role == 'assistant' -%}"
        "{{- '<|im_start|>assistant\n' -}}"
        "{%- generation -%}"
        + split_thought()
        + f"{{%- if not {KEEPS_THOUGHT} -%}}{{%- set thought = '' -%}}{{%- endif -%}}"
        "{%- if loop.index0 > last.question or preftemplates_reasoning == 'keep' -%}"
        "{{- '<think>\n' + thought | trim + '\n</think>\n\n' -}}"
        "{%- endif -%}"
        "{{- content -}}" + EACH_CALL + "{{- '\n' if not loop.first else '\n\n' if content else '' -}}"
        "{{- '<tool_call>\n<function=' + asked.name + '>\n' -}}"
        + EACH_ARGUMENT
        + "{{- '<parameter=' + name + '>\n' -}}"
        "{%- if value is string -%}"
        "{{- value -}}"
        "{%- elif json_only or value is mapping or value is sequence -%}"
        "{{- value | tojson -}}"
        "{%- else -%}"
        "{{- value | string -}}"
        "{%- endif -%}"
        "{{- '\n</parameter>\n' -}}"
        "{%- endfor -%}"
        "{{- '</function>\n</tool_call>' -}}"
        "{%- endfor -%}"
        "{{- '<|im_end|>' -}}"
        "{%- endgeneration -%}"
        "{{- '\n' -}}"
        "{%- else -%}"
        "{{- '<|im_start|>' + message.role + '\n' + content + '<|im_end|>\n' -}}"
        "{%- endif -%}"
        "{%- endfor -%}"
        "{%- if add_generation_prompt -%}"
        "{{- '<|im_start|>assistant\n' -}}"
        "{%- if not enable_thinking -%}{{- '<think>\n\n</think>\n\n' -}}{%- endif -%}"
        "{%- endif -%}"
    )
    eos_token = "<|im_end|>"
    defaults = {
        "enable_thinking": True,
        "json_only": False,
        "before_tools": "# Tools\n\nYou have access to the following functions:\n\n<tools>",
        "behind_tools": (
            "\n</tools>\n\nIf you choose to call a function ONLY reply in the following format with NO suffix:\n\n"
            "<tool_call>\n<function=example_function_name>\n<parameter=example_parameter_1>\nvalue_1\n</parameter>\n"
            "<parameter=example_parameter_2>\nThis is the value for the second parameter\nthat can span\n"
            "multiple lines\n</parameter>\n</function>\n</tool_call>\n\n<IMPORTANT>\nReminder:\n- Function calls MUST "
            "follow the specified format: an inner <function=...></function> block must be nested within "
            "<tool_call></tool_call> XML tags\n- Required parameters MUST be specified\n- You may provide optional "
            "reasoning for your function call in natural language BEFORE the function call, but NOT after\n- If there "
            "is no function call available, answer the question like normal with your current knowledge and do not "
            "tell the user about function calls\n</IMPORTANT>"
        ),
    }
    reasoning = "drop-history"


@register_style("qwen3.6")
class Qwen36(Qwen35):
    """Qwen 3.6: all arguments except strings are written as JSON."""

    defaults = {**Qwen35.defaults, "json_only": True}
