"""Alpaca: an opening sentence, then ### Instruction: and ### Response: on lines of their own.

Source: Stanford Alpaca's prompt without an input (Apache-2.0), with a newline after ### Response:, as most trainers
write it. </s> ends an answer, and the tokenizer writes the BOS. The opening sentence belongs to the
layout (finding `default_system`), so a system message has no turn.
"""

from preftemplates import Style, register_style


@register_style("alpaca")
class Alpaca(Style):
    opening = (
        "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
    )
    user = "### Instruction:\n{{ content }}\n\n"
    assistant = "### Response:\n{{ content }}</s>\n\n"
    stop = "</s>"
