"""Jamba 1.5: each turn between <|bom|> and <|eom|>, always with a system turn.

Source: the chat template of AI21's Jamba 1.5, in its tiny-dev model (Jamba Open Model License), without its tools and
documents. The template below is our own. Like that template, the style writes <|startoftext|>. Jamba 2 is ChatML.
"""

from preftemplates import Style, register_style
from preftemplates.styles.snippets import refuse_all_but


@register_style("jamba")
class Jamba(Style):
    accepted_roles = ("system", "user", "assistant")
    chat_template = refuse_all_but() + (
        "{{- bos_token -}}"
        "{%- if not messages or messages[0]['role'] != 'system' -%}{{- without_system -}}{%- endif -%}"
        "{%- for message in messages -%}"
        "{{- heads[message['role']] -}}"
        "{%- if message['role'] == 'assistant' -%}"
        "{%- generation -%}{{- ' ' + message['content'] + '<|eom|>' -}}{%- endgeneration -%}"
        "{%- else -%}"
        "{{- ' ' + message['content'] + '<|eom|>' -}}"
        "{%- endif -%}"
        "{%- endfor -%}"
        "{%- if add_generation_prompt -%}{{- heads['assistant'] -}}{%- endif -%}"
    )
    bos_token = "<|startoftext|>"
    eos_token = "<|eom|>"
    defaults = {
        "heads": {"system": "<|bom|><|system|>", "user": "<|bom|><|user|>", "assistant": "<|bom|><|assistant|>"},
        "without_system": "<|bom|><|system|> <|eom|>",
    }
