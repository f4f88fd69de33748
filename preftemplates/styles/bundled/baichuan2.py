"""Baichuan 2: <reserved_106> before the user's turn, <reserved_107> before the answer, </s> after it.

Source: Baichuan Inc.'s Baichuan2-7B-Chat, the code that builds its prompts and its fine-tuning data (code Apache-2.0,
weights under a community licence). Written from the description, not tested against a reference template. That code
writes the EOS after the last answer only; this style writes it after each, so that every answer has an end-of-turn
token.
"""

from preftemplates import Style, register_style


@register_style("baichuan2")
class Baichuan2(Style):
    system = "{{ content }}"
    user = "<reserved_106>{{ content }}"
    assistant = "<reserved_107>{{ content }}</s>"
    stop = "</s>"
