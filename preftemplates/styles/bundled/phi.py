"""Phi: a marker per role; version 3 ends each turn with <|end|>, version 4 writes ChatML on one line.

Source: the chat templates of Microsoft's Phi-3 Mini and Phi-4 (MIT); the tokenizer writes the BOS.
"""

from preftemplates import Style, register_style


@register_style("phi3", aliases=["phi3.5", "phi35"])
class Phi3(Style):
    """Phi-3: <|role|> on a line of its own; <|end|> ends each turn, and <|endoftext|> the whole text."""

    system = "<|system|>\n{{ content }}<|end|>\n"
    user = "<|user|>\n{{ content }}<|end|>\n"
    assistant = "<|assistant|>\n{{ content }}<|end|>\n"
    stop = "<|end|>"
    closing = "<|endoftext|>"


@register_style("phi4")
class Phi4(Style):
    """Phi-4: <|im_start|>role<|im_sep|> before each content and <|im_end|> after it, without newlines."""

    system = "<|im_start|>system<|im_sep|>{{ content }}<|im_end|>"
    user = "<|im_start|>user<|im_sep|>{{ content }}<|im_end|>"
    assistant = "<|im_start|>assistant<|im_sep|>{{ content }}<|im_end|>"
    stop = "<|im_end|>"
