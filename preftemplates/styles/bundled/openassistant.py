"""Open Assistant: <|prompter|> and <|assistant|>; <|endoftext|> ends each turn.

Source: the dialogue format of LAION's Open-Assistant (its models: Apache-2.0), described in its model cards and in
FastChat's table of conversations. Written from the description, not tested against a reference template. The style
writes no BOS, since the tokenizers of these models add none.
"""

from preftemplates import Style, register_style


@register_style("openassistant", aliases=["oasst"])
class OpenAssistant(Style):
    system = "<|system|>{{ content }}<|endoftext|>"
    user = "<|prompter|>{{ content }}<|endoftext|>"
    assistant = "<|assistant|>{{ content }}<|endoftext|>"
    stop = "<|endoftext|>"
