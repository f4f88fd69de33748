"""align-anything now: whole conversations as messages, and the answers again, which it counts in tokens.

Keys: what `format_preference_sample` of a class gives by align-anything's documentation, a conversation for each side
and what goes with it; they are one row here. A class that reads such rows gives them as they are. The image, the
video and the audio of a prompt are next to the conversations, which have a part of their type for each.
"""

from preftemplates import Dialect, register_dialect

MEDIA = {"image": "prompt.image?", "video": "prompt.video?", "audios": "prompt.audios?"}
"""The media of the prompt, by the names that align-anything gives them next to a conversation."""


@register_dialect("align-anything-messages")
class AlignAnythingMessages(Dialect):
    """align-anything's present layout: a conversation for each side, as messages for a chat template."""

    media = "parts"
    prompt_only = {"conversation": "prompt.messages", **MEDIA}
    supervised = {"conversation": "prompt+completion.messages", **MEDIA}
    preference = {
        "better_conversation": "prompt+chosen.messages",
        "worse_conversation": "prompt+rejected.messages",
        "better_response": "chosen.content",
        "worse_response": "rejected.content",
        **MEDIA,
    }
