"""LFM 2: ChatML with <|startoftext|> in front.

Source: the chat template of Liquid AI's LFM2-1.2B (LFM Open License v1.0); LFM 2.5 writes the same, but for thinking.
The style writes the BOS, as that template does. An empty system turn, which that template leaves out, is written.
"""

from preftemplates import Style, register_style


@register_style("lfm2")
class Lfm2(Style):
    opening = "<|startoftext|>"
    system = "<|im_start|>system\n{{ content }}<|im_end|>\n"
    user = "<|im_start|>user\n{{ content }}<|im_end|>\n"
    assistant = "<|im_start|>assistant\n{{ content }}<|im_end|>\n"
    stop = "<|im_end|>"
