"""Llama 3: a header per turn; <|eot_id|> ends a turn. The style trims contents and writes the BOS.

Layout: Meta's model card of Llama 3. The template below is our own; the models are under the Llama 3 Community
License. It trims, so it is a chat template instead of role templates. Llama 3.1 adds dates and tools; this style does
not.
"""

from preftemplates import Style, register_style
from preftemplates.styles.snippets import refuse_all_but


@register_style("llama3", aliases=["llama3-instruct"])
class Llama3(Style):
    chat_template = refuse_all_but() + (
        "{{- bos_token -}}"
        "{%- for message in messages -%}"
        "{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' -}}"
        "{%- if message['role'] == 'assistant' -%}"
        "{%- generation -%}{{- message['content'] | trim + '<|eot_id|>' -}}{%- endgeneration -%}"
        "{%- else -%}"
        "{{- message['content'] | trim + '<|eot_id|>' -}}"
        "{%- endif -%}"
        "{%- endfor -%}"
        "{%- if add_generation_prompt -%}"
        "{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' -}}"
        "{%- endif -%}"
    )
    bos_token = "<|begin_of_text|>"
    eos_token = "<|eot_id|>"
