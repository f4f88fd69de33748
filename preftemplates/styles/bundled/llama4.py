"""Llama 4: a header per turn; <|eot|> ends a turn. A system text at the beginning is trimmed, other contents are not.

Source: the chat template of Meta's Llama 4; the template below is our own text, the models are under the Llama 4
Community License. The style writes the BOS, and rejects tools, their calls and images.
"""

from preftemplates import Style, register_style
from preftemplates.styles.snippets import refuse_all_but


@register_style("llama4")
class Llama4(Style):
    accepted_roles = ("system", "user", "assistant")
    chat_template = refuse_all_but() + (
        "{{- bos_token -}}"
        "{%- for message in messages -%}"
        "{{- '<|header_start|>' + message.role + '<|header_end|>\n\n' -}}"
        "{%- if message.role == 'assistant' -%}"
        "{%- generation -%}{{- message.content + '<|eot|>' -}}{%- endgeneration -%}"
        "{%- elif message.role == 'system' and loop.first -%}"
        "{{- message.content | trim + '<|eot|>' -}}"
        "{%- else -%}"
        "{{- message.content + '<|eot|>' -}}"
        "{%- endif -%}"
        "{%- endfor -%}"
        "{%- if add_generation_prompt -%}{{- '<|header_start|>assistant<|header_end|>\n\n' -}}{%- endif -%}"
    )
    bos_token = "<|begin_of_text|>"
    eos_token = "<|eot|>"
