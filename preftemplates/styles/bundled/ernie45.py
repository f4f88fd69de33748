"""ERNIE 4.5: User and Assistant with colons; <|end_of_sentence|> ends an answer.

Source: the chat template of Baidu's ERNIE-4.5-21B-A3B (Apache-2.0). Like that template, the style writes the opening
token. That template ends a generation prompt with a space after the colon, this style without; the whole texts are
equal.
"""

from preftemplates import Style, register_style


@register_style("ernie4.5")
class Ernie45(Style):
    opening = "<|begin_of_sentence|>"
    system = "{{ content }}\n"
    user = "User: {{ content }}\n"
    assistant = "Assistant: {{ content }}<|end_of_sentence|>"
    stop = "<|end_of_sentence|>"
