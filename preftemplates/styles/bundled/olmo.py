"""OLMo 1: <|role|> on a line of its own; <|endoftext|> and a newline end an answer.

Source: the chat template of Ai2's OLMoE-1B-7B-0924-Instruct, which OLMo 1's instruct models also use (Apache-2.0).
The tokenizer adds no BOS, so the style writes it at the start. OLMo 2 leaves out the last newline: see the style
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
