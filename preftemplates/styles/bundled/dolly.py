"""Dolly 2: a fixed sentence, then ### Instruction and ### Response; ### End ends an answer.

Source: Databricks' dolly-v2 (MIT), the prompt format of its training code. Written from the description, not tested
against a reference template. The layout is made for one question and one answer; further turns follow after an empty
line.
"""

from preftemplates import Style, register_style


@register_style("dolly")
class Dolly(Style):
    opening = (
        "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
    )
    user = "### Instruction:\n{{ content }}\n\n"
    assistant = "### Response:\n{{ content }}\n\n### End\n\n"
    stop = "\n\n### End"
