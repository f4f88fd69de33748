"""InternLM 2 and 2.5: ChatML with <s> in front.

Source: the chat template of Shanghai AI Laboratory's internlm2_5-7b-chat (code Apache-2.0, weights under a licence of
their own). The style writes the BOS, as that template does.
"""

from preftemplates import Style, register_style


@register_style("internlm2", aliases=["internlm2.5", "intern2"])
class InternLM2(Style):
    opening = "<s>"
    system = "<|im_start|>system\n{{ content }}<|im_end|>\n"
    user = "<|im_start|>user\n{{ content }}<|im_end|>\n"
    assistant = "<|im_start|>assistant\n{{ content }}<|im_end|>\n"
    stop = "<|im_end|>"
