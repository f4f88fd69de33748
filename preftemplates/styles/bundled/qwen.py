"""Qwen 2.5 and 3: ChatML with tool calls; 2.5 has a default system text, 3 has thinking.

Source: the chat templates of Qwen2.5-Instruct and Qwen3 (Apache-2.0); the templates below are our own text, except
for the text that the layout prints. Arguments of a call that are a string are taken as JSON and written unchanged.
Tool results are in a user's turn. The tokenizer has no BOS.
"""

from preftemplates import Style, register_style
from preftemplates.styles.snippets import CALLS_IN_TAGS, KEEPS_THOUGHT, refuse_all_but, split_thought

HEADER = (
    "{%- set first = 1 if messages and messages[0].role == 'system' else 0 -%}"
    "{%- if first or system_text or tools -%}"
    "{{- '<|im_start|>system\n' -}}"
    "{{- messages[0].content if first else system_text -}}"
    "{%- if tools -%}"
    "{%- if first or system_text -%}{{- '\n\n' -}}{%- endif -%}"
    "{{- '# Tools\n\nYou may call one or more functions to assist with the user query.\n\n' -}}"
    "{{- 'You are provided with function signatures within <tools></tools> XML tags:\n<tools>' -}}"
    "{%- for tool in tools -%}{{- '\n' + tool | tojson -}}{%- endfor -%}"
    "{{- '\n</tools>\n\nFor each function call, return a json object with function name and arguments within ' -}}"
    "{{- '<tool_call></tool_call> XML tags:\n<tool_call>\n' -}}"
    '{{- \'{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>\' -}}'
    "{%- endif -%}"
    "{{- '<|im_end|>\n' -}}"
    "{%- endif -%}"
)
TURNS = (
    "{%- for message in messages[first:] -%}"
    "{%- if message.role == 'tool' -%}"
    "{%- if loop.previtem is not defined or loop.previtem.role != 'tool' -%}{{- '<|im_start|>user' -}}{%- endif -%}"
    "{{- '\n<tool_response>\n' + message.content + '\n</tool_response>' -}}"
    "{%- if loop.nextitem is not defined or loop.nextitem.role != 'tool' -%}{{- '<|im_end|>\n' -}}{%- endif -%}"
    "{%- elif message.role == 'assistant' -%}"
    "{{- '<|im_start|>assistant\n' -}}"
    "{%- generation -%}"
    "ANSWER{{- '<|im_end|>' -}}"
    "{%- endgeneration -%}"
    "{{- '\n' -}}"
    "{%- else -%}"
    "{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' -}}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}"
)
LAST_QUESTION = (
    "{%- set last = namespace(question=messages | length) -%}"
    "{%- for message in messages[first:] -%}"
    "{%- if message.role == 'user'"
    " and not (message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) -%}"
    "{%- set last.question = loop.index0 -%}"
    "{%- endif -%}"
    "{%- if message.role in ['assistant', 'system'] and loop.previtem and loop.previtem.role == 'assistant' -%}"
    "{{- raise_exception('behind an answer comes a question or a result, not the role ' + message.role) -}}"
    "{%- endif -%}"
    "{%- endfor -%}"
)
ANSWER = "{{- message.content or '' -}}" + CALLS_IN_TAGS
ANSWER_WITH_THINKING = (
    "{%- set content = message.content or '' -%}"
    + split_thought()
    + "{%- if thought and last.question == messages | length and preftemplates_reasoning == 'drop-history' -%}"
    "{{- raise_exception('thinking that follows no question is lost') -}}"
    "{%- endif -%}"
    f"{{%- if not {KEEPS_THOUGHT} -%}}{{%- set thought = '' -%}}{{%- endif -%}}"
    "{%- if thought or loop.last and loop.index0 > last.question -%}"
    "{{- '<think>\n' + thought.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') -}}"
    "{%- else -%}"
    "{{- content -}}"
    "{%- endif -%}" + CALLS_IN_TAGS.replace("message.content", "content")
)


@register_style("qwen2.5", aliases=["qwen", "qwen25", "qwen2.5-instruct"])
class Qwen25(Style):
    """Qwen 2.5: a conversation without a system turn gets the default one, which names the model's maker."""

    accepted_roles = ("system", "user", "assistant", "tool")
    chat_template = refuse_all_but(tools=True, calls=True) + HEADER + TURNS.replace("ANSWER", ANSWER)
    eos_token = "<|im_end|>"
    defaults = {
        "system_text": "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
    }


@register_style("qwen3")
class Qwen3(Style):
    """Qwen 3: answers after the last question begin with their thinking, and the last one writes even empty thinking.

    Thinking is a message's `reasoning_content`, or the text before `</think>` in its content; history drops it. With
    `enable_thinking=False` the generation prompt says that there is none.
    """

    accepted_roles = ("system", "user", "assistant", "tool")
    chat_template = (
        refuse_all_but(tools=True, calls=True, thinking=True)
        + HEADER
        + LAST_QUESTION
        + TURNS.replace("ANSWER", ANSWER_WITH_THINKING)
        + "{%- if add_generation_prompt and not enable_thinking -%}{{- '<think>\n\n</think>\n\n' -}}{%- endif -%}"
    )
    eos_token = "<|im_end|>"
    defaults = {
        "system_text": "",
        "enable_thinking": True,
    }
    reasoning = "drop-history"
