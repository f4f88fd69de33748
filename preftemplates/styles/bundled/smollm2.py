"""SmolLM 2: ChatML with a default system text if a conversation has none.

Source: the chat template of Hugging Face's SmolLM2-135M-Instruct (Apache-2.0). The template below is our own. That
template writes a turn for any role; this style accepts the roles that the models were trained with, and rejects
others.
"""

from preftemplates import Style, register_style
from preftemplates.styles.snippets import refuse_all_but


@register_style("smollm2")
class SmolLM2(Style):
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
            "assistant": "<|im_start|>assistant\n",
        },
        "without_system": (
            "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
        ),
    }
