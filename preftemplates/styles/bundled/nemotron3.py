"""Nemotron 3: ChatML with a system turn always, and thinking before each answer, at least <think></think>.

Source: the chat templates of NVIDIA's Nemotron 3 Nano and Super (NVIDIA Open Model License), without tools. The
template below is our own. Like those templates, the style trims answers. Thinking is a message's `reasoning_content`,
or the part of its content between <think> and </think>; history drops it. Those templates open or write the thinking
in the generation prompt. Here it belongs to the answer, and with `enable_thinking=False` the prompt says that there is
none. The template of Ultra leaves out the newlines around </think>.
"""

from preftemplates import Style, register_style
from preftemplates.styles.snippets import KEEPS_THOUGHT, THOUGHT, refuse_all_but


@register_style("nemotron3", aliases=["nemotron3-nano"])
class Nemotron3(Style):
    accepted_roles = ("system", "user", "assistant")
    chat_template = refuse_all_but(thinking=True) + (
        "{%- set last = namespace(question=-1) -%}"
        "{%- for message in messages -%}"
        "{%- if message['role'] == 'user' -%}{%- set last.question = loop.index0 -%}{%- endif -%}"
        "{%- endfor -%}"
        "{%- if not messages or messages[0]['role'] != 'system' -%}{{- without_system -}}{%- endif -%}"
        "{%- for message in messages -%}"
        "{{- heads[message['role']] -}}"
        "{%- set content = message['content'] -%}"
        "{%- if message['role'] == 'assistant' -%}"
        "{%- generation -%}"
        f"{{%- set thought = {THOUGHT} -%}}"
        "{%- set parts = content.split('</think>') -%}"
        f"{{%- if {KEEPS_THOUGHT} -%}}"
        "{%- if thought | trim -%}"
        "{{- ('<think>\n' + thought + '\n</think>\n' + content) | trim -}}"
        "{%- elif '<think>' in content or parts | length > 1 -%}"
        "{{- content | trim -}}"
        "{%- else -%}"
        "{{- '<think></think>' + content.rstrip() -}}"
        "{%- endif -%}"
        "{%- else -%}"
        "{%- set opened = parts[0].split('<think>') -%}"
        "{%- set closed = parts | length > 1"
        " and (thought | trim or '<think>' in content or preftemplates_reasoning == 'drop') -%}"
        "{%- if closed and (parts | length > 2 or opened | length > 1 and opened[0].strip()) -%}"
        "{{- raise_exception('a message has one thought, in front of its answer') -}}"
        "{%- endif -%}"
        "{%- if closed or thought | trim or '<think>' not in content and parts | length == 1 -%}"
        "{{- '<think></think>' + (('\n' if thought | trim and not closed else '') + parts[-1]).rstrip() -}}"
        "{%- else -%}"
        "{{- content | trim -}}"
        "{%- endif -%}"
        "{%- endif -%}"
        "{{- '<|im_end|>' -}}"
        "{%- endgeneration -%}"
        "{%- else -%}"
        "{{- content + '<|im_end|>' -}}"
        "{%- endif -%}"
        "{{- '\n' -}}"
        "{%- endfor -%}"
        "{%- if add_generation_prompt -%}"
        "{{- heads['assistant'] -}}"
        "{%- if not enable_thinking -%}{{- '<think></think>' -}}{%- endif -%}"
        "{%- endif -%}"
    )
    defaults = {
        "enable_thinking": True,
        "heads": {
            "system": "<|im_start|>system\n",
            "user": "<|im_start|>user\n",
            "assistant": "<|im_start|>assistant\n",
        },
        "without_system": "<|im_start|>system\n<|im_end|>\n",
    }
    reasoning = "drop-history"
