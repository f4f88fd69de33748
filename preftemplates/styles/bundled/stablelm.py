"""StableLM Alpha: <|SYSTEM|>, <|USER|> and <|ASSISTANT|> without newlines; <|endoftext|> ends an answer.

Source: Stability AI's stablelm-tuned-alpha (CC-BY-NC-SA-4.0), described in its model card. Written from the
description, not tested against a reference template. StableLM 2 uses Zephyr's layout or ChatML.
"""

from preftemplates import Style, register_style


@register_style("stablelm")
class StableLM(Style):
    system = "<|SYSTEM|>{{ content }}"
    user = "<|USER|>{{ content }}"
    assistant = "<|ASSISTANT|>{{ content }}<|endoftext|>"
    stop = "<|endoftext|>"
