"""BEGINNING OF CONVERSATION: USER: ... ASSISTANT:..., the layout of Safe RLHF and of the homework.

Layout: PKU-Alignment's safe-rlhf and align-anything (Apache-2.0); nothing ends an answer.
"""

from preftemplates import Style, register_style


@register_style("beginning-of-conversation")
class BeginningOfConversation(Style):
    opening = "BEGINNING OF CONVERSATION: "
    user = "USER: {{ content }} "
    assistant = "ASSISTANT:{{ content }}"
