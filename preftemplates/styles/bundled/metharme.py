"""Metharme: <|system|>, <|user|> and <|model|> without newlines; </s> ends an answer.

Source: PygmalionAI's Metharme and Pygmalion 2 (Llama 2 Community License), described in their model cards and in
FastChat's table of conversations. Written from the description, not tested against a reference template.
"""

from preftemplates import Style, register_style


@register_style("metharme")
class Metharme(Style):
    system = "<|system|>{{ content }}"
    user = "<|user|>{{ content }}"
    assistant = "<|model|>{{ content }}</s>"
    stop = "</s>"
