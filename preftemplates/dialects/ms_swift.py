"""ms-swift: whole conversations as messages, the rejected answer as a text beside them.

Keys: ms-swift's documentation, "Custom dataset": messages, rejected_response, label. Its loader keeps
no thinking beside the content.
"""

from preftemplates.dialect import Dialect, register_dialect


@register_dialect("ms-swift")
class MSSwift(Dialect):
    dropped = ("reasoning_content",)
    prompt_only = {"messages": "prompt.messages"}
    supervised = {"messages": "prompt+completion.messages"}
    preference = {
        "messages": "prompt+chosen.messages",
        "rejected_response": "rejected.content",
        "margin": "margin?",
    }
    unpaired = {"messages": "prompt+completion.messages", "label": "label"}
    judge = supervised
