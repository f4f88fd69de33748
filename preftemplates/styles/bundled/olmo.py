"""OLMo 1: <|role|> on a line of its own, answers ended by <|endoftext|> and a line's end.

Source: the chat template of Ai2's OLMoE-1B-7B-0924-Instruct, the layout of OLMo 1's instruct models too (Apache-2.0).
The tokenizer adds no BOS, so the style opens each text with it. OLMo 2 leaves the last line's end out: see the style
olmo2.
"""

from preftemplates import Style, register_style


@register_style("olmo")
class Olmo(Style):
    opening = "<|endoftext|>"
    system = "<|system|>\n{{ content }}\n"
    user = "<|user|>\n{{ content }}\n"
    assistant = "<|assistant|>\n{{ content }}<|endoftext|>\n"
    stop = "<|endoftext|>"
