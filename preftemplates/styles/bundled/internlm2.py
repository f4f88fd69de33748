"""InternLM 2 and 2.5: ChatML with <s> at the start.

Source: the chat template of Shanghai AI Laboratory's internlm2_5-7b-chat (code Apache-2.0, weights under their own
licence). Like that template, the style writes the BOS.
"""

from preftemplates import Style, register_style


@register_style("internlm2", aliases=["internlm2.5", "intern2"])
class InternLM2(Style):
    opening = "<s>"
    system = "<|im_start|>system\n{{ content }}<|im_end|>\n"
    user = "<|im_start|>user\n{{ content }}<|im_end|>\n"
    assistant = "<|im_start|>assistant\n{{ content }}<|im_end|>\n"
    stop = "<|im_end|>"
