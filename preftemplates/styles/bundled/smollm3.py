"""SmolLM 3 without thinking: ChatML, a system turn with metadata, and an empty thought before each answer.

Source: the chat template of Hugging Face's SmolLM3-3B (Apache-2.0), in the form without today's date, with
`enable_thinking=False`. The template below is our own. Like that template, the style removes newlines at the start of
an answer. That template also trims the end of a system text and removes /think and /no_think from it; this style does
not trim it, and rejects a system text with one of these.
"""

from preftemplates import Style, register_style
from preftemplates.styles.snippets import refuse_all_but


@register_style("smollm3")
class SmolLM3(Style):
    accepted_roles = ("system", "user", "assistant")
    chat_template = refuse_all_but() + (
        "{{- '<|im_start|>system\n' + metadata -}}"
        "{%- if not messages or messages[0]['role'] != 'system' -%}{{- without_system -}}{%- endif -%}"
        "{%- for message in messages -%}"
        "{%- if message['role'] == 'system' -%}"
        "{%- if not loop.first -%}{{- raise_exception('a system turn stands in front only') -}}{%- endif -%}"
        "{%- if '/think' in message['content'] or '/no_think' in message['content'] -%}"
        "{{- raise_exception('this style never thinks, and a system text cannot switch it') -}}"
        "{%- endif -%}"
        "{{- message['content'] + '\n\n<|im_end|>\n' -}}"
        "{%- else -%}"
        "{{- heads[message['role']] -}}"
        "{%- if message['role'] == 'assistant' -%}"
        "{%- generation -%}{{- message['content'].lstrip('\n') + '<|im_end|>' -}}{%- endgeneration -%}"
        "{%- else -%}"
        "{{- message['content'] + '<|im_end|>' -}}"
        "{%- endif -%}"
        "{{- '\n' -}}"
        "{%- endif -%}"
        "{%- endfor -%}"
        "{%- if add_generation_prompt -%}{{- heads['assistant'] -}}{%- endif -%}"
    )
    defaults = {
        "heads": {
            "system": "",
            "user": "<|im_start|>user\n",
            "assistant": "<|im_start|>assistant\n<think>\n\n</think>\n",
        },
        "metadata": (
            "## Metadata\n\nKnowledge Cutoff Date: June 2025\nReasoning Mode: /no_think\n\n## Custom Instructions\n\n"
        ),
        "without_system": "You are a helpful AI assistant named SmolLM, trained by Hugging Face.\n\n<|im_end|>\n",
    }
