"""torchtune: whole conversations as messages, the chosen and the rejected one side by side.

Keys: torchtune's documentation on preference, chat and instruct datasets. Its loaders read roles and contents only, so
what is beside them is refused.
"""

from preftemplates import Dialect, register_dialect


@register_dialect("torchtune")
class Torchtune(Dialect):
    roles = {"system": "system", "user": "user", "assistant": "assistant"}
    prompt_only = {"messages": "prompt.messages"}
    supervised = {"messages": "prompt+completion.messages"}
    preference = {"chosen": "prompt+chosen.messages", "rejected": "prompt+rejected.messages"}
    judge = supervised
