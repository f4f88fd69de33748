"""Zephyr: <|role|> on a line of its own; </s> ends each turn.

Layout: the chat template of HuggingFaceH4's zephyr-7b-beta (MIT); the tokenizer writes the BOS.
"""

from preftemplates import Style, register_style


@register_style("zephyr", aliases=["zephyr-beta"])
class Zephyr(Style):
    system = "<|system|>\n{{ content }}</s>\n"
    user = "<|user|>\n{{ content }}</s>\n"
    assistant = "<|assistant|>\n{{ content }}</s>\n"
    stop = "</s>"
