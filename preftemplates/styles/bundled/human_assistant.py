"""Human and Assistant in turn, the layout of Anthropic's HH transcripts.

Layout: the transcripts of Anthropic/hh-rlhf (MIT); nothing ends an answer.
"""

from preftemplates import Style, register_style


@register_style("human-assistant")
class HumanAssistant(Style):
    user = "\n\nHuman: {{ content }}"
    assistant = "\n\nAssistant: {{ content }}"
