"""Gemma: <start_of_turn>role, with the assistant called model; versions 1 and 2 have no system text.

Source: the chat templates of Google's Gemma 1 to 3; the templates below are our own text, the models are under the
Gemma Terms of Use. The styles write the BOS, trim questions and answers, and reject roles out of turn, tools and their
calls. Gemma 3 puts a system text, untrimmed, into the first question.
"""

from preftemplates import Style, register_style
from preftemplates.styles.snippets import refuse_all_but

TURNS = (
    "{{- bos_token -}}"
    "{%- for message in messages[first:] -%}"
    "{%- if message.role != ['user', 'assistant'][loop.index0 % 2] -%}"
    "{{- raise_exception('user and assistant take turns, and a user begins') -}}"
    "{%- elif message.role == 'user' -%}"
    "{{- '<start_of_turn>user\n' -}}"
    "{%- if first and loop.first -%}{{- messages[0].content + '\n\n' -}}{%- endif -%}"
    "{{- message.content | trim + '<end_of_turn>\n' -}}"
    "{%- else -%}"
    "{{- '<start_of_turn>model\n' -}}"
    "{%- generation -%}{{- message.content | trim + '<end_of_turn>' -}}{%- endgeneration -%}"
    "{{- '\n' -}}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<start_of_turn>model\n' -}}{%- endif -%}"
)


@register_style("gemma", aliases=["gemma2"])
class Gemma(Style):
    """Gemma 1 and 2: user and model alternate; a system text is rejected."""

    accepted_roles = ("user", "assistant")
    chat_template = refuse_all_but() + "{%- set first = 0 -%}" + TURNS
    bos_token = "<bos>"
    eos_token = "<eos>"


@register_style("gemma3")
class Gemma3(Style):
    """Gemma 3: user and model alternate; a system text opens the first question."""

    accepted_roles = ("system", "user", "assistant")
    chat_template = (
        refuse_all_but() + "{%- set first = 1 if messages and messages[0].role == 'system' else 0 -%}"
        "{%- if first and messages | length == 1 -%}"
        "{{- raise_exception('the system text stands in a question, and there is none') -}}"
        "{%- endif -%}" + TURNS
    )
    bos_token = "<bos>"
    eos_token = "<eos>"
