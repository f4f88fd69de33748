"""LLaMA-Factory: its two layouts, alpaca (instruction, input, output) and sharegpt (conversations).

Keys: LLaMA-Factory's data/README.md. A file in these keys is entered in its dataset_info.json.
"""

from preftemplates import Dialect, fixed, register_dialect

ASKED = {
    "instruction": "prompt.question",
    "input": fixed(""),
    "system": "prompt.system",
    "history": "prompt.history",
}
"""What is asked, in the alpaca layout: the last question, and what stands before it."""


@register_dialect("llama-factory-alpaca")
class LLaMAFactoryAlpaca(Dialect):
    """LLaMA-Factory's alpaca layout: texts without a style, the last question apart from the turns before it."""

    prompt_only = ASKED
    supervised = {**ASKED, "output": "completion.content"}
    preference = {**ASKED, "chosen": "chosen.content", "rejected": "rejected.content"}
    unpaired = {**ASKED, "output": "completion.content", "kto_tag": "label"}
    judge = supervised


@register_dialect("llama-factory-sharegpt", aliases=["llama-factory", "llamafactory"])
class LLaMAFactoryShareGPT(Dialect):
    """LLaMA-Factory's sharegpt layout: conversations with from and value, each answer one message."""

    role_key = "from"
    content_key = "value"
    roles = {"system": "system", "user": "human", "assistant": "gpt"}
    prompt_only = {"conversations": "prompt.messages"}
    supervised = {"conversations": "prompt+completion.messages"}
    preference = {"conversations": "prompt.messages", "chosen": "chosen.message", "rejected": "rejected.message"}
    unpaired = {"conversations": "prompt+completion.messages", "kto_tag": "label"}
    judge = supervised
