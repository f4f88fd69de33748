"""Koala: BEGINNING OF CONVERSATION, then USER and GPT in turn, answers ended by </s>.

Source: Berkeley's Koala (weights derived from LLaMA, its licence), described in EasyLM's documentation and in
FastChat's table of conversations. Written from the description, not proved by a reference template.
"""

from preftemplates import Style, register_style


@register_style("koala")
class Koala(Style):
    opening = "BEGINNING OF CONVERSATION: "
    user = "USER: {{ content }} "
    assistant = "GPT: {{ content }}</s>"
    stop = "</s>"
