"""XGen: ### Human and ### Assistant on lines of their own, answers ended by <|endoftext|>.

Source: Salesforce's xgen-7b-8k-inst (research only), described in its model card and in FastChat's table of
conversations. Written from the description, not proved by a reference template. The header of the model card is a
system turn's content.
"""

from preftemplates import Style, register_style


@register_style("xgen")
class XGen(Style):
    system = "{{ content }}\n\n"
    user = "### Human: {{ content }}\n"
    assistant = "### Assistant: {{ content }}<|endoftext|>\n"
    stop = "<|endoftext|>"
