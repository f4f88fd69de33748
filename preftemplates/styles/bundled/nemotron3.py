"""Nemotron 3 without thinking: ChatML, always a system turn, and <think></think> before each answer.

Source: the chat template of NVIDIA's Nemotron 3 Nano, Super and Ultra (NVIDIA Open Model License), the most common one
of the Nemotron family, with `enable_thinking=False`. The template below is our own. That template trims answers at the
end, and takes thoughts out of earlier ones; this style leaves contents as they are.
"""

from preftemplates import Style, register_style
from preftemplates.styles.snippets import refuse_all_but


@register_style("nemotron3", aliases=["nemotron3-nano"])
class Nemotron3(Style):
    accepted_roles = ("system", "user", "assistant")
    chat_template = refuse_all_but() + (
        "{%- if not messages or messages[0]['role'] != 'system' -%}{{- without_system -}}{%- endif -%}"
        "{%- for message in messages -%}"
        "{{- heads[message['role']] -}}"
        "{%- if message['role'] == 'assistant' -%}"
        "{%- generation -%}{{- message['content'] + '<|im_end|>' -}}{%- endgeneration -%}"
        "{%- else -%}"
        "{{- message['content'] + '<|im_end|>' -}}"
        "{%- endif -%}"
        "{{- '\n' -}}"
        "{%- endfor -%}"
        "{%- if add_generation_prompt -%}{{- heads['assistant'] -}}{%- endif -%}"
    )
    defaults = {
        "heads": {
            "system": "<|im_start|>system\n",
            "user": "<|im_start|>user\n",
            "assistant": "<|im_start|>assistant\n<think></think>",
        },
        "without_system": "<|im_start|>system\n<|im_end|>\n",
    }
