"""MiniMax M2: ]~b] and the role on a line, each turn ended by [e~[.

Source: the chat template of MiniMax's MiniMax-M2 (modified MIT), without its tools. The template below is our own.
Where a conversation has no system turn, that of the model is written. That template opens thinking in the generation
prompt; this style does not, since an answer may have none: thinking stands in the answer's text, or nowhere.
"""

from preftemplates.refusals import refuse_all_but
from preftemplates.style import Style, register_style


@register_style("minimax-m2")
class MiniMaxM2(Style):
    accepted_roles = ("system", "user", "assistant")
    chat_template = refuse_all_but() + (
        "{{- ']~!b[' -}}"
        "{%- if not messages or messages[0]['role'] != 'system' -%}{{- without_system -}}{%- endif -%}"
        "{%- for message in messages -%}"
        "{%- if message['role'] == 'system' and not loop.first -%}"
        "{{- raise_exception('a system turn stands in front only') -}}"
        "{%- endif -%}"
        "{{- heads[message['role']] -}}"
        "{%- if message['role'] == 'assistant' -%}"
        "{%- generation -%}{{- message['content'] + '[e~[' -}}{%- endgeneration -%}"
        "{%- else -%}"
        "{{- message['content'] + '[e~[' -}}"
        "{%- endif -%}"
        "{{- '\n' -}}"
        "{%- endfor -%}"
        "{%- if add_generation_prompt -%}{{- heads['assistant'] -}}{%- endif -%}"
    )
    defaults = {
        "heads": {"system": "]~b]system\n", "user": "]~b]user\n", "assistant": "]~b]ai\n"},
        "without_system": (
            "]~b]system\nYou are MiniMax-M2, a helpful AI assistant built by MiniMax. Knowledge cutoff: 2025-06.[e~[\n"
        ),
    }
