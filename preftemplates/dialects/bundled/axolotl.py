"""axolotl: messages, and for preferences one message for each answer (type chat_template.default).

Keys: axolotl's documentation on dataset formats and RLHF, with its default field names.
"""

from preftemplates import Dialect, register_dialect


@register_dialect("axolotl")
class Axolotl(Dialect):
    prompt_only = {"messages": "prompt.messages"}
    supervised = {"messages": "prompt+completion.messages"}
    preference = {"messages": "prompt.messages", "chosen": "chosen.message", "rejected": "rejected.message"}
    judge = supervised
