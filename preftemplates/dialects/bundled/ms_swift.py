"""ms-swift: whole conversations as messages, the rejected answer as a text beside them.

Keys: ms-swift's documentation, "Custom dataset": messages, rejected_response, label, tools. The tools that may be
called are the text of a JSON list. Its loader keeps no thinking beside the content.
"""

from preftemplates import Dialect, register_dialect


@register_dialect("ms-swift", aliases=["swift"])
class MSSwift(Dialect):
    dropped = ("reasoning_content",)
    prompt_only = {"messages": "prompt.messages", "tools": "tools?"}
    supervised = {"messages": "prompt+completion.messages", "tools": "tools?"}
    preference = {
        "messages": "prompt+chosen.messages",
        "rejected_response": "rejected.content",
        "margin": "margin?",
        "tools": "tools?",
    }
    unpaired = {"messages": "prompt+completion.messages", "label": "label", "tools": "tools?"}
    judge = supervised
