"""Koala: BEGINNING OF CONVERSATION, then USER and GPT in turn; </s> ends an answer.

Source: Berkeley's Koala (weights derived from LLaMA, under its licence), described in EasyLM's documentation and in
FastChat's table of conversations. Written from the description, not tested against a reference template.
"""

from preftemplates import Style, register_style


@register_style("koala")
class Koala(Style):
    opening = "BEGINNING OF CONVERSATION: "
    user = "USER: {{ content }} "
    assistant = "GPT: {{ content }}</s>"
    stop = "</s>"
