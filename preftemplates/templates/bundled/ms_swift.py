"""ms-swift's own layouts of pairs: a whole conversation, next to the rejected one or the rejected answer.

Source: ms-swift's documentation, "Custom dataset". Media are in columns of lists, with `<image>`, `<video>` and
`<audio>` in their places in the texts, or without a mark if they come first. `Messages` reads its other conversations,
and `LLaMA-Factory-kto` its single answers with a label.
"""

from typing import Any

from preftemplates import MediaColumns, Message, Preference, Template, messages, register_template

CHOSEN = "(messages | show_media(images, videos, audios, image))"
REJECTED = (
    "(rejected_messages | show_media("
    "images if rejected_images is none else rejected_images, videos if rejected_videos is none else rejected_videos, "
    "audios if rejected_audios is none else rejected_audios, image if rejected_images is none else none))"
)


@register_template("ms-swift-pairs", style="chatml", dialect="trl")
class MSSwiftPairs(Template):
    """Two whole conversations, cut at the turn where they begin to differ.

    If the row has no columns for the media of the rejected conversation, they are those of the other one. Both
    conversations have the same tools.
    """

    class Row(MediaColumns):
        messages: list[Message]
        rejected_messages: list[Message]
        tools: list[dict[str, Any]] | str | None = None
        margin: float | None = None
        rejected_tools: list[dict[str, Any]] | str | None = None
        rejected_images: Any = None
        rejected_videos: Any = None
        rejected_audios: Any = None

    preference = Preference(
        prompt=messages(f"{{{{ {CHOSEN} | common_history({REJECTED}) }}}}"),
        chosen=messages(f"{{{{ {CHOSEN} | after_history({REJECTED}) }}}}"),
        rejected=messages(f"{{{{ {REJECTED} | after_history({CHOSEN}) }}}}"),
        margin="{{ margin }}",
        tools="{{ tools | tool_list | either(rejected_tools | tool_list) }}",
    )
    example = {
        "messages": [
            {"role": "user", "content": "When is a tomato ripe?"},
            {"role": "assistant", "content": "When it is red all over."},
        ],
        "rejected_messages": [
            {"role": "user", "content": "When is a tomato ripe?"},
            {"role": "assistant", "content": "It is a fruit."},
        ],
    }


@register_template("ms-swift-rejected-response", style="chatml", dialect="trl")
class MSSwiftRejectedResponse(Template):
    """A whole conversation, and a rejected alternative to its last answer as text."""

    class Row(MediaColumns):
        messages: list[Message]
        rejected_response: str
        tools: list[dict[str, Any]] | str | None = None
        margin: float | None = None

    preference = Preference(
        prompt=messages(f"{{{{ ({CHOSEN} | answered)[:-1] }}}}"),
        chosen=messages(f"{{{{ ({CHOSEN} | answered)[-1:] }}}}"),
        rejected="{{ rejected_response }}",
        margin="{{ margin }}",
        tools="{{ tools | tool_list }}",
    )
    example = {
        "messages": [
            {"role": "user", "content": "Which onion for soup?"},
            {"role": "assistant", "content": "A yellow one."},
        ],
        "rejected_response": "None.",
    }
