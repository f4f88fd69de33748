"""Baichuan 2: <reserved_106> before the user's turn, <reserved_107> before the answer, </s> behind it.

Source: Baichuan Inc.'s Baichuan2-7B-Chat, the code that builds its prompts and its fine-tuning data (code Apache-2.0,
weights under a community licence). Written from the description, not proved by a reference template. That code writes
the EOS behind the last answer only; this style writes it behind each, so that every answer has its stop.
"""

from preftemplates import Style, register_style


@register_style("baichuan2")
class Baichuan2(Style):
    system = "{{ content }}"
    user = "<reserved_106>{{ content }}"
    assistant = "<reserved_107>{{ content }}</s>"
    stop = "</s>"
