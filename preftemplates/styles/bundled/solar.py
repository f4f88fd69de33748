"""Solar: ### User: and ### Assistant: on lines of their own.

Source: the chat template of Upstage's SOLAR-10.7B-Instruct-v1.0 (CC-BY-NC-4.0); nothing ends an answer, and the
tokenizer writes the BOS.
"""

from preftemplates import Style, register_style


@register_style("solar")
class Solar(Style):
    system = "### System:\n{{ content }}\n\n"
    user = "### User:\n{{ content }}\n\n"
    assistant = "### Assistant:\n{{ content }}"
