"""XGen: ### Human and ### Assistant on lines of their own; <|endoftext|> ends an answer.

Source: Salesforce's xgen-7b-8k-inst (research only), described in its model card and in FastChat's table of
conversations. Written from the description, not tested against a reference template. Pass the model card's header as
the content of a system turn.
"""

from preftemplates import Style, register_style


@register_style("xgen")
class XGen(Style):
    system = "{{ content }}\n\n"
    user = "### Human: {{ content }}\n"
    assistant = "### Assistant: {{ content }}<|endoftext|>\n"
    stop = "<|endoftext|>"
