"""A user's styles: fragments, a chat template, and a style that changes another."""

# pyright: strict

from preftemplates import Style, register_style


@register_style("bench")
class Bench(Style):
    opening = "# A conversation\n"
    system = "[NOTE] {{ content }}\n"
    developer = "[RULE] {{ content }}\n"
    user = "[ASK] {{ content }}\n"
    assistant = "[ANSWER] {{ content }}</s>\n"
    tool = "[TOOL] {{ content }}\n"
    roles = {"critic": "[CRITIC] {{ content }}\n"}
    stop = "</s>"
    closing = "# The end\n"
    reasoning = "drop-history"


@register_style("long-bench", aliases=["longbench"])
class LongBench(Bench):
    closing = ""


@register_style("trimming")
class Trimming(Style):
    chat_template = (
        "{{ bos_token }}{% for message in messages %}"
        "[{{ message['role'] }}] {{ message['content'] | trim }}{{ eos_token }}"
        "{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"
    )
    bos_token = "<s>"
    eos_token = "</s>"
    defaults = {"enable_thinking": False}
    accepted_roles = ("user", "assistant")
    reasoning = "keep"
