"""Conversations for supervised training: the last answer is the completion, and all turns before it are the prompt.

`Messages`, `Conversations` and `ShareGPT` are the layouts of a conversation; the other templates here are datasets
that use them. `Messages` was tested with real rows of Tinker Cookbook and the ChatML rows of ms-swift, and `ShareGPT`
with those of FastChat, torchtune and the other conversations of ms-swift. For supervised training, a conversation
must end with an answer, since cutting off its last turns would be a guess. A prompt may also end with a question.
Nothing is added to any turn. In the three layouts, columns of images, videos and audio fill the places for them in
messages.

Sources: HuggingFaceH4/no_robots (CC-BY-NC-4.0), HuggingFaceH4/ultrachat_200k (MIT), allenai/tulu-3-sft-mixture
(ODC-BY), lmsys/lmsys-chat-1m (under its own licence), Open-Orca/SlimOrca (MIT), teknium/OpenHermes-2.5 (unknown).
"""

from typing import Any

from pydantic import Field

from preftemplates import (
    MediaColumns,
    Message,
    PromptOnly,
    RowModel,
    Supervised,
    Template,
    messages,
    register_template,
)


class Chat(RowModel):
    messages: list[Message]


class Turn(RowModel):
    from_: str = Field(alias="from")
    value: str


class ShareGPTChat(RowModel):
    conversations: list[Turn]


LAST_MESSAGE = Supervised(
    prompt=messages("{{ (messages | answered)[:-1] }}"), completion=messages("{{ (messages | answered)[-1:] }}")
)
LAST_TURN = Supervised(
    prompt=messages("{{ (conversations | sharegpt | answered)[:-1] }}"),
    completion=messages("{{ (conversations | sharegpt | answered)[-1:] }}"),
)


@register_template("Messages", style="chatml", dialect="trl")
class Messages(Template):
    """Conversations as messages with `role` and `content`, in the column `messages`.

    A prompt may have a reference answer, in the column `answer`, or `solution` as ms-swift calls it.
    """

    class Row(MediaColumns):
        messages: list[Message]
        tools: list[dict[str, Any]] | str | None = None
        answer: str | None = None
        solution: str | None = None

    supervised = Supervised(
        prompt=messages("{{ (messages | show_media(images, videos, audios, image) | answered)[:-1] }}"),
        completion=messages("{{ (messages | show_media(images, videos, audios, image) | answered)[-1:] }}"),
        tools="{{ tools | tool_list }}",
    )
    prompt_only = PromptOnly(
        prompt=messages("{{ messages | show_media(images, videos, audios, image) | asking }}"),
        tools="{{ tools | tool_list }}",
        answer="{{ answer | either(solution) }}",
    )
    verified = True
    example = {
        "messages": [
            {"role": "system", "content": "Answer as a gardener."},
            {"role": "user", "content": "When do I sow carrots?"},
            {"role": "assistant", "content": "From March on, as soon as the soil is dry."},
            {"role": "user", "content": "And radishes?"},
            {"role": "assistant", "content": "At the same time, between the carrots."},
        ]
    }


@register_template("Conversations", style="chatml", dialect="trl")
class Conversations(Template):
    """Conversations as messages with `role` and `content`, in the column `conversations`."""

    class Row(MediaColumns):
        conversations: list[Message]
        tools: list[dict[str, Any]] | str | None = None

    supervised = Supervised(
        prompt=messages("{{ (conversations | show_media(images, videos, audios, image) | answered)[:-1] }}"),
        completion=messages("{{ (conversations | show_media(images, videos, audios, image) | answered)[-1:] }}"),
        tools="{{ tools | tool_list }}",
    )
    prompt_only = PromptOnly(
        prompt=messages("{{ conversations | show_media(images, videos, audios, image) | asking }}"),
        tools="{{ tools | tool_list }}",
    )
    example = {
        "conversations": [
            {"role": "user", "content": "Is dill a herb?"},
            {"role": "assistant", "content": "It is."},
        ]
    }


@register_template("NoRobots", style="chatml", dialect="trl")
class NoRobots(Template):
    """No Robots: conversations written by people, some with a system message."""

    ignored = ("prompt",)

    Row = Chat
    supervised = LAST_MESSAGE
    dataset = "HuggingFaceH4/no_robots"
    licence = "CC-BY-NC-4.0"
    example = {
        "messages": [
            {"role": "user", "content": "Name a tree that likes wet feet."},
            {"role": "assistant", "content": "The alder."},
        ]
    }


@register_template("UltraChat", style="chatml", dialect="trl")
class UltraChat(Template):
    """UltraChat 200k: long conversations. The column `prompt` repeats the first message and is not read."""

    Row = Chat
    supervised = LAST_MESSAGE
    dataset = "HuggingFaceH4/ultrachat_200k"
    licence = "MIT"
    example = {
        "messages": [
            {"role": "user", "content": "How do I store apples?"},
            {"role": "assistant", "content": "Cool, dark, and apart from potatoes."},
            {"role": "user", "content": "For how long?"},
            {"role": "assistant", "content": "Late sorts keep until March."},
        ]
    }


@register_template("Tulu3-sft", style="chatml", dialect="trl")
class Tulu3SFT(Template):
    """Tülu 3's mixture of conversations. The columns `id` and `source` are not read."""

    Row = Chat
    supervised = LAST_MESSAGE
    dataset = "allenai/tulu-3-sft-mixture"
    licence = "ODC-BY"
    example = {
        "messages": [
            {"role": "user", "content": "What is 3 dozen eggs?"},
            {"role": "assistant", "content": "36 eggs."},
        ]
    }


@register_template("LMSYS-chat-1m", style="chatml", dialect="trl")
class LMSYSChat1M(Template):
    """LMSYS-Chat-1M: conversations with many models, as messages in the column `conversation`.

    The columns for the model, the language and the results of moderation are not read: the answers are neither rated
    nor filtered.
    """

    ignored = ("turn",)

    class Row(RowModel):
        conversation: list[Message]

    supervised = Supervised(
        prompt=messages("{{ (conversation | answered)[:-1] }}"),
        completion=messages("{{ (conversation | answered)[-1:] }}"),
    )
    dataset = "lmsys/lmsys-chat-1m"
    licence = "LMSYS-Chat-1M's own"
    example = {
        "conversation": [
            {"role": "user", "content": "Which flowers do bees like?"},
            {"role": "assistant", "content": "Borage, thyme, and clover."},
        ]
    }


@register_template("ShareGPT", style="chatml", dialect="trl")
class ShareGPT(Template):
    """Conversations as turns with `from` and `value`, in the column `conversations`.

    Speakers are human and gpt, or the names that relatives of ShareGPT use. A turn of `function_call` becomes a
    message with tool calls, which only some styles and the dialect trl can spell.
    """

    class Row(MediaColumns):
        conversations: list[Turn]

    supervised = Supervised(
        prompt=messages(
            "{{ (conversations | sharegpt | show_media(images, videos, audios, image) | answered)[:-1] }}"
        ),
        completion=messages(
            "{{ (conversations | sharegpt | show_media(images, videos, audios, image) | answered)[-1:] }}"
        ),
    )
    prompt_only = PromptOnly(
        prompt=messages("{{ conversations | sharegpt | show_media(images, videos, audios, image) | asking }}")
    )
    verified = True
    example = {
        "conversations": [
            {"from": "system", "value": "Answer in one line."},
            {"from": "human", "value": "How do I keep moths from wool?"},
            {"from": "gpt", "value": "Wash it, and lay cedar wood beside it."},
            {"from": "human", "value": "And lavender?"},
            {"from": "gpt", "value": "It smells good, and helps for a while."},
        ]
    }


@register_template("SlimOrca", style="chatml", dialect="trl")
class SlimOrca(Template):
    """SlimOrca: a question and an answer, usually with a system text. The key `weight` of its turns is not read."""

    Row = ShareGPTChat
    supervised = LAST_TURN
    dataset = "Open-Orca/SlimOrca"
    licence = "MIT"
    example = {
        "conversations": [
            {"from": "system", "value": "Explain it to a child."},
            {"from": "human", "value": "Why is the moon not always round?"},
            {"from": "gpt", "value": "It is, but we see only the part that the sun shines on."},
        ]
    }


@register_template("OpenHermes", style="chatml", dialect="trl")
class OpenHermes(Template):
    """OpenHermes 2.5: conversations from many sources. Its other columns are not read."""

    Row = ShareGPTChat
    supervised = LAST_TURN
    dataset = "teknium/OpenHermes-2.5"
    licence = "unknown"
    example = {
        "conversations": [
            {"from": "human", "value": "What floats, oil or water?"},
            {"from": "gpt", "value": "Oil floats on water."},
        ]
    }
