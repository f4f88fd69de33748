"""LLaMA-Factory's layouts with `from` and `value` or with messages: pairs, labels, tool calls, and typed parts.

Source: the demonstration files of LLaMA-Factory (Apache-2.0). The list of tools is in the column `tools`, as JSON
text; a call of any other tool is rejected. System texts come from the rows. Media are in columns of lists, with
`<image>`, `<video>` and `<audio>` in their places in the texts.
"""

from typing import Any

from pydantic import Field

from preftemplates import (
    MediaColumns,
    Message,
    Preference,
    PromptOnly,
    RowModel,
    Supervised,
    Template,
    Unpaired,
    messages,
    register_template,
)


class Turn(RowModel):
    from_: str = Field(alias="from")
    value: str


class Part(RowModel):
    type: str
    value: str


class TypedMessage(RowModel):
    role: str
    content: list[Part]


@register_template("LLaMA-Factory-sharegpt-ranking", style="chatml", dialect="trl")
class LLaMAFactoryShareGPTRanking(Template):
    """A conversation with `from` and `value`, and two alternative next turns: the chosen and the rejected one."""

    class Row(MediaColumns):
        conversations: list[Turn]
        chosen: Turn
        rejected: Turn
        tools: list[dict[str, Any]] | str | None = None

    preference = Preference(
        prompt=messages(
            "{{ ((conversations + [chosen]) | sharegpt | show_media(images, videos, audios, image))[:-1] | agreed_with"
            "(((conversations + [rejected]) | sharegpt | show_media(images, videos, audios, image))[:-1]) }}"
        ),
        chosen=messages(
            "{{ ((conversations + [chosen]) | sharegpt | show_media(images, videos, audios, image))[-1:] }}"
        ),
        rejected=messages(
            "{{ ((conversations + [rejected]) | sharegpt | show_media(images, videos, audios, image))[-1:] }}"
        ),
        tools="{{ tools | tool_list }}",
    )
    licence = "Apache-2.0"
    verified = True
    example = {
        "conversations": [
            {"from": "system", "value": "You run a cheese shop."},
            {"from": "human", "value": "What do you have for a fondue?"},
        ],
        "chosen": {"from": "gpt", "value": "Gruyère and Vacherin, half of each."},
        "rejected": {"from": "gpt", "value": "Plenty."},
    }


@register_template("LLaMA-Factory-kto", style="chatml", dialect="trl")
class LLaMAFactoryKTO(Template):
    """A whole conversation as messages, and whether its last answer is good."""

    class Row(MediaColumns):
        messages: list[Message]
        label: bool
        tools: list[dict[str, Any]] | str | None = None

    unpaired = Unpaired(
        prompt=messages("{{ (messages | show_media(images, videos, audios, image) | answered)[:-1] }}"),
        completion=messages("{{ (messages | show_media(images, videos, audios, image) | answered)[-1:] }}"),
        label="{{ label }}",
        tools="{{ tools | tool_list }}",
    )
    licence = "Apache-2.0"
    verified = True
    example = {
        "messages": [
            {"role": "user", "content": "What keeps slugs off?"},
            {"role": "assistant", "content": "A shout."},
        ],
        "label": False,
    }


@register_template("LLaMA-Factory-toolcall", style="qwen2.5", dialect="trl")
class LLaMAFactoryToolCall(Template):
    """A conversation with `from` and `value` and with tool calls, whose last answer is the completion.

    Calls become `tool_calls` with arguments as objects; the result of a tool becomes a message of the role tool.
    """

    class Row(MediaColumns):
        conversations: list[Turn]
        tools: list[dict[str, Any]] | str | None = None

    supervised = Supervised(
        prompt=messages(
            "{{ (conversations | sharegpt | calls_among(tools) | show_media(images, videos, audios, image)"
            " | answered)[:-1] }}"
        ),
        completion=messages(
            "{{ (conversations | sharegpt | calls_among(tools) | show_media(images, videos, audios, image)"
            " | answered)[-1:] }}"
        ),
        tools="{{ tools | tool_list }}",
    )
    prompt_only = PromptOnly(
        prompt=messages(
            "{{ conversations | sharegpt | calls_among(tools) | show_media(images, videos, audios, image) | asking }}"
        ),
        tools="{{ tools | tool_list }}",
    )
    licence = "Apache-2.0"
    verified = True
    example = {
        "conversations": [
            {"from": "human", "value": "Do the tomatoes need water?"},
            {"from": "function_call", "value": '{"name": "soil_moisture", "arguments": {"bed": "tomatoes"}}'},
            {"from": "observation", "value": '{"percent": 12}'},
            {"from": "gpt", "value": "Yes, the soil is nearly dry."},
        ],
        "tools": '[{"name": "soil_moisture", "description": "Measures how wet a bed is."}]',
    }


@register_template("LLaMA-Factory-sharegpt-kto", style="qwen2.5", dialect="trl")
class LLaMAFactoryShareGPTKTO(Template):
    """A conversation with `from` and `value`, and whether its last answer is good."""

    class Row(LLaMAFactoryToolCall.Row):
        kto_tag: bool

    unpaired = Unpaired(
        prompt=LLaMAFactoryToolCall.supervised.prompt,
        completion=LLaMAFactoryToolCall.supervised.completion,
        label="{{ kto_tag }}",
        tools="{{ tools | tool_list }}",
    )
    licence = "Apache-2.0"
    example = {
        "conversations": [
            {"from": "human", "value": "Do the tomatoes need water?"},
            {"from": "gpt", "value": "Ask them."},
        ],
        "kto_tag": False,
    }


@register_template("LLaMA-Factory-reasoning-tools", style="qwen3", dialect="trl")
class LLaMAFactoryReasoningTools(Template):
    """Messages of typed parts (text, reasoning and tool calls), whose last answer is the completion.

    Reasoning becomes `reasoning_content`; tool calls become `tool_calls` with arguments as objects.
    """

    class Row(RowModel):
        messages: list[TypedMessage]
        tools: list[dict[str, Any]] | str | None = None

    supervised = Supervised(
        prompt=messages("{{ (messages | typed_values | calls_among(tools) | answered)[:-1] }}"),
        completion=messages("{{ (messages | typed_values | calls_among(tools) | answered)[-1:] }}"),
        tools="{{ tools | tool_list }}",
    )
    licence = "Apache-2.0"
    verified = True
    example = {
        "messages": [
            {"role": "user", "content": [{"type": "text", "value": "How warm is the greenhouse?"}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "reasoning", "value": "I have to look at the thermometer."},
                    {"type": "tool_call", "value": '{"name": "temperature", "arguments": {"place": "greenhouse"}}'},
                ],
            },
            {"role": "tool", "content": [{"type": "text", "value": '{"celsius": 31}'}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "reasoning", "value": "31 degrees is too much for lettuce."},
                    {"type": "text", "value": "31 degrees. Open a window."},
                ],
            },
        ],
        "tools": '[{"type": "function", "function": {"name": "temperature", "description": "Reads a thermometer."}}]',
    }


@register_template("LLaMA-Factory-v1-pairs", style="chatml", dialect="trl")
class LLaMAFactoryV1Pairs(Template):
    """Two whole conversations of typed parts, cut at the turn where they begin to differ.

    The key `loss_weight` of a message is not read: the turns that the sides do not share are the answers.
    """

    ignored = ("chosen_messages[].loss_weight", "rejected_messages[].loss_weight")

    class Row(RowModel):
        chosen_messages: list[TypedMessage]
        rejected_messages: list[TypedMessage]

    preference = Preference(
        prompt=messages("{{ chosen_messages | typed_values | common_history(rejected_messages | typed_values) }}"),
        chosen=messages("{{ chosen_messages | typed_values | after_history(rejected_messages | typed_values) }}"),
        rejected=messages("{{ rejected_messages | typed_values | after_history(chosen_messages | typed_values) }}"),
    )
    licence = "Apache-2.0"
    verified = True
    example = {
        "chosen_messages": [
            {"role": "user", "content": [{"type": "text", "value": "Which knife for bread?"}]},
            {"role": "assistant", "content": [{"type": "text", "value": "A long one with a saw edge."}]},
        ],
        "rejected_messages": [
            {"role": "user", "content": [{"type": "text", "value": "Which knife for bread?"}]},
            {"role": "assistant", "content": [{"type": "text", "value": "None."}]},
        ],
    }
