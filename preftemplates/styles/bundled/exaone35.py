"""EXAONE 3.5: [|role|] before each turn; a newline ends a user's turn, [|endofturn|] all others.

Source: the chat template of LG AI Research's EXAONE-3.5-7.8B-Instruct (EXAONE AI Model License, non-commercial). The
template below is our own. Like that template, it writes an empty system turn if a conversation has none.
"""

from preftemplates import Style, register_style
from preftemplates.styles.snippets import refuse_all_but


@register_style("exaone3.5")
class Exaone35(Style):
    accepted_roles = ("system", "user", "assistant")
    chat_template = refuse_all_but() + (
        "{%- if not messages or messages[0]['role'] != 'system' -%}{{- without_system -}}{%- endif -%}"
        "{%- for message in messages -%}"
        "{{- heads[message['role']] -}}"
        "{%- if message['role'] == 'assistant' -%}"
        "{%- generation -%}{{- message['content'] + '[|endofturn|]' -}}{%- endgeneration -%}"
        "{%- elif message['role'] == 'user' -%}"
        "{{- message['content'] -}}"
        "{%- else -%}"
        "{{- message['content'] + '[|endofturn|]' -}}"
        "{%- endif -%}"
        "{{- '\n' -}}"
        "{%- endfor -%}"
        "{%- if add_generation_prompt -%}{{- heads['assistant'] -}}{%- endif -%}"
    )
    defaults = {
        "heads": {"system": "[|system|]", "user": "[|user|]", "assistant": "[|assistant|]"},
        "without_system": "[|system|][|endofturn|]\n",
    }
