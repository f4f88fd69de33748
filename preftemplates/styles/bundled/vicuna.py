"""Vicuna 1.1: a system sentence, then USER: and ASSISTANT: on one line, with </s> after an answer.

Source: FastChat's conversation template vicuna_v1.1 (Apache-2.0; the models are under the Llama 2 Community License);
the template below is our own text. A conversation without a system turn gets the usual sentence. The tokenizer writes
the BOS.
"""

from preftemplates import Style, register_style
from preftemplates.styles.snippets import refuse_all_but


@register_style("vicuna", aliases=["vicuna-v1.1", "vicuna-v1.5"])
class Vicuna(Style):
    accepted_roles = ("system", "user", "assistant")
    chat_template = refuse_all_but() + (
        "{%- if not messages or messages[0].role != 'system' -%}{{- sentence + ' ' -}}{%- endif -%}"
        "{%- for message in messages -%}"
        "{%- if message.role == 'system' and loop.first -%}"
        "{{- message.content + ' ' -}}"
        "{%- elif message.role == 'user' -%}"
        "{{- 'USER: ' + message.content + ' ' -}}"
        "{%- elif message.role == 'assistant' -%}"
        "{{- 'ASSISTANT:' -}}"
        "{%- generation -%}{{- ' ' + message.content + eos_token -}}{%- endgeneration -%}"
        "{%- else -%}"
        "{{- raise_exception('this layout has no turn here for the role ' + message.role) -}}"
        "{%- endif -%}"
        "{%- endfor -%}"
        "{%- if add_generation_prompt -%}{{- 'ASSISTANT:' -}}{%- endif -%}"
    )
    eos_token = "</s>"
    defaults = {
        "sentence": (
            "A chat between a curious user and an artificial intelligence assistant. "
            "The assistant gives helpful, detailed, and polite answers to the user's questions."
        ),
    }
