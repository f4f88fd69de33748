"""align-anything now: whole conversations as messages, and the answers again, which it counts in tokens.

Keys: what `format_preference_sample` of a class gives by align-anything's documentation, a conversation for each side
and what is beside it; they are one row here. A class that reads such rows gives them as they are.
"""

from preftemplates import Dialect, register_dialect


@register_dialect("align-anything-messages")
class AlignAnythingMessages(Dialect):
    """align-anything's present layout: a conversation for each side, as messages for a chat template."""

    prompt_only = {"conversation": "prompt.messages"}
    supervised = {"conversation": "prompt+completion.messages"}
    preference = {
        "better_conversation": "prompt+chosen.messages",
        "worse_conversation": "prompt+rejected.messages",
        "better_response": "chosen.content",
        "worse_response": "rejected.content",
    }
