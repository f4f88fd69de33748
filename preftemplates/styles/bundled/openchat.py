"""OpenChat 3.5 and Starling: GPT4 Correct User and Assistant in turn; <|end_of_turn|> ends each turn.

Source: the chat template of openchat-3.5-0106 (Apache-2.0), which Starling-LM shares; the style writes the BOS.
"""

from preftemplates import Style, register_style


@register_style("openchat", aliases=["openchat-3.5", "starling"])
class OpenChat(Style):
    opening = "<s>"
    system = "GPT4 Correct System: {{ content }}<|end_of_turn|>"
    user = "GPT4 Correct User: {{ content }}<|end_of_turn|>"
    assistant = "GPT4 Correct Assistant: {{ content }}<|end_of_turn|>"
    stop = "<|end_of_turn|>"
