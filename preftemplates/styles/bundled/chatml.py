"""ChatML: each turn between <|im_start|>role and <|im_end|>.

Layout: OpenAI's ChatML v0, as the tokenizers of Qwen 2.5 and SmolLM2 (Apache-2.0) write it, without a default
system text.
"""

from preftemplates import Style, register_style


@register_style("chatml")
class ChatML(Style):
    system = "<|im_start|>system\n{{ content }}<|im_end|>\n"
    developer = "<|im_start|>developer\n{{ content }}<|im_end|>\n"
    user = "<|im_start|>user\n{{ content }}<|im_end|>\n"
    assistant = "<|im_start|>assistant\n{{ content }}<|im_end|>\n"
    tool = "<|im_start|>tool\n{{ content }}<|im_end|>\n"
    stop = "<|im_end|>"
