"""Pairs whose answers are single messages instead of lists of messages.

Source: the layout of message APIs, and of pairs in LLaMA-Factory's sharegpt layout with the tags of OpenAI.
"""

from typing import Any

from preftemplates import MediaColumns, Message, Preference, Template, messages, register_template


@register_template("Message-pairs", style="chatml", dialect="trl")
class MessagePairs(Template):
    """A prompt of messages, with the chosen and the rejected answer as one message each."""

    class Row(MediaColumns):
        prompt: list[Message]
        chosen: Message
        rejected: Message
        tools: list[dict[str, Any]] | str | None = None

    preference = Preference(
        prompt=messages("{{ prompt | show_media(images, videos, audios, image) }}"),
        chosen=messages("{{ [chosen] }}"),
        rejected=messages("{{ [rejected] }}"),
        tools="{{ tools | tool_list }}",
    )
    example = {
        "prompt": [{"role": "user", "content": "Which herb likes shade?"}],
        "chosen": {"role": "assistant", "content": "Mint does."},
        "rejected": {"role": "assistant", "content": "None."},
    }
