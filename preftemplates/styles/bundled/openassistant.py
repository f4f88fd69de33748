"""Open Assistant: <|prompter|> and <|assistant|>, each turn ended by <|endoftext|>.

Source: the dialogue format of LAION's Open-Assistant (its models: Apache-2.0), described in its model cards and in
FastChat's table of conversations. Written from the description, not proved by a reference template; nothing is written
in front, since the tokenizers of these models add no BOS.
"""

from preftemplates import Style, register_style


@register_style("openassistant", aliases=["oasst"])
class OpenAssistant(Style):
    system = "<|system|>{{ content }}<|endoftext|>"
    user = "<|prompter|>{{ content }}<|endoftext|>"
    assistant = "<|assistant|>{{ content }}<|endoftext|>"
    stop = "<|endoftext|>"
