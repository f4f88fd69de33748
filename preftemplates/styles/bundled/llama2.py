"""Llama 2: <s>[INST] question [/INST] answer </s>, with the system text inside the first question.

Source: Meta's reference code of Llama 2 and the chat template of its tokenizers; the template below is our own text,
the models are under the Llama 2 Community License. The style writes the BOS before every question, trims questions and
answers, and rejects roles out of turn, tools and their calls. It has no generation prompt: an answer follows its
question after a space.
"""

from preftemplates import Style, register_style
from preftemplates.styles.snippets import refuse_all_but


@register_style("llama2", aliases=["codellama"])
class Llama2(Style):
    accepted_roles = ("system", "user", "assistant")
    chat_template = refuse_all_but() + (
        "{%- set first = 1 if messages and messages[0].role == 'system' else 0 -%}"
        "{%- if first and messages | length == 1 -%}"
        "{{- raise_exception('the system text stands in a question, and there is none') -}}"
        "{%- endif -%}"
        "{%- for message in messages -%}"
        "{%- set turn = loop.index0 - first -%}"
        "{%- if turn >= 0 and message.role != ['user', 'assistant'][turn % 2] -%}"
        "{{- raise_exception('behind an optional system turn, user and assistant take turns') -}}"
        "{%- elif message.role == 'user' -%}"
        "{{- bos_token + '[INST] ' -}}"
        "{%- if first and turn == 0 -%}"
        "{{- '<<SYS>>\n' + messages[0].content + '\n<</SYS>>\n\n' -}}"
        "{%- endif -%}"
        "{{- message.content | trim + ' [/INST]' -}}"
        "{%- elif message.role == 'assistant' -%}"
        "{%- generation -%}{{- ' ' + message.content | trim + ' ' + eos_token -}}{%- endgeneration -%}"
        "{%- endif -%}"
        "{%- endfor -%}"
    )
    bos_token = "<s>"
    eos_token = "</s>"
