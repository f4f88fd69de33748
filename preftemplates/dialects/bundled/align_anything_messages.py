"""align-anything: whole conversations as messages, and the answers a second time as text.

Keys: the result of `format_preference_sample` in align-anything's documentation, a conversation per side and the
answers, whose tokens it counts; here they are one row. A class that reads such rows returns them unchanged. The image,
video and audio of a prompt are next to the conversations, which have a part of the medium's type for each.
"""

from preftemplates import Dialect, register_dialect

MEDIA = {"image": "prompt.image?", "video": "prompt.video?", "audios": "prompt.audios?"}
"""The media of the prompt, under the names that align-anything gives them."""


@register_dialect("align-anything-messages")
class AlignAnythingMessages(Dialect):
    """align-anything's current layout: a conversation per side, as messages for a chat template."""

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
