"""Pairs whose answers are one message each, and not lists of messages.

Source: the layout that message APIs give, and pairs in LLaMA-Factory's sharegpt layout with the tags of OpenAI.
"""

from typing import Any

from preftemplates import MediaColumns, Message, Preference, Template, messages, register_template


@register_template("Message-pairs", style="chatml", dialect="trl")
class MessagePairs(Template):
    """A prompt of messages, and the chosen and the rejected answer as one message each."""

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
