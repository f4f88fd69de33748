"""Apertus: a start and an end token per role; after the system text, the model's options, all disabled here.

Source: the chat template of the Swiss AI Initiative's Apertus-8B-Instruct-2509 (Apache-2.0), without its tools and its
deliberation. The template below is our own. A conversation without a system turn gets the model's own. Its date is
fixed here, so that a text is the same tomorrow: `current_date` is a variable. The style writes the BOS, as that
template does.
"""

from preftemplates import Style, register_style
from preftemplates.styles.snippets import refuse_all_but


@register_style("apertus")
class Apertus(Style):
    accepted_roles = ("system", "user", "assistant")
    chat_template = refuse_all_but() + (
        "{{- bos_token -}}"
        "{%- if not messages or messages[0]['role'] != 'system' -%}"
        "{{- heads['system'] + without_system + current_date + tails['system'] -}}"
        "{%- endif -%}"
        "{%- for message in messages -%}"
        "{%- if message['role'] == 'system' and not loop.first -%}"
        "{{- raise_exception('a system turn stands in front only') -}}"
        "{%- endif -%}"
        "{{- heads[message['role']] -}}"
        "{%- if message['role'] == 'assistant' -%}"
        "{%- generation -%}{{- message['content'] + tails['assistant'] -}}{%- endgeneration -%}"
        "{%- else -%}"
        "{{- message['content'] + tails[message['role']] -}}"
        "{%- endif -%}"
        "{%- endfor -%}"
        "{%- if add_generation_prompt -%}{{- heads['assistant'] -}}{%- endif -%}"
    )
    bos_token = "<s>"
    eos_token = "<|assistant_end|>"
    defaults = {
        "heads": {"system": "<|system_start|>", "user": "<|user_start|>", "assistant": "<|assistant_start|>"},
        "tails": {
            "system": (
                "<|system_end|><|developer_start|>Deliberation: disabled\nTool Capabilities: disabled<|developer_end|>"
            ),
            "user": "<|user_end|>",
            "assistant": "<|assistant_end|>",
        },
        "without_system": (
            "You are Apertus, a helpful assistant created by the SwissAI initiative.\n"
            "Knowledge cutoff: 2024-04\nCurrent date: "
        ),
        "current_date": "2025-09-02",
    }
