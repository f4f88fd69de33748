"""LFM 2: ChatML with <|startoftext|> at the start.

Source: the chat template of Liquid AI's LFM2-1.2B (LFM Open License v1.0); LFM 2.5 writes the same, except for
thinking. Like that template, the style writes the BOS. That template leaves out an empty system turn; the style
writes it.
"""

from preftemplates import Style, register_style


@register_style("lfm2")
class Lfm2(Style):
    opening = "<|startoftext|>"
    system = "<|im_start|>system\n{{ content }}<|im_end|>\n"
    user = "<|im_start|>user\n{{ content }}<|im_end|>\n"
    assistant = "<|im_start|>assistant\n{{ content }}<|im_end|>\n"
    stop = "<|im_end|>"
