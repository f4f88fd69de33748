"""LLaMA-Factory's layouts with `from` and `value` or with messages: pairs, verdicts, tool calls, and typed parts.

Source: the demonstration files of LLaMA-Factory (Apache-2.0). The tools that may be called stand in a column `tools`,
as JSON text; a call of another tool is refused. System texts are those of the rows. Media stand in columns of lists,
and `<image>`, `<video>` and `<audio>` in the texts where they belong.
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
    """A conversation with `from` and `value`, and two turns that go on with it: the chosen and the rejected one."""

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
    """A whole conversation as messages, and whether its last answer is a good one."""

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
    """A conversation with `from` and `value` in which functions are called, and the last answer to learn.

    Calls come out as `tool_calls` whose arguments are objects, and what a tool said as a message of the role tool.
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
    """A conversation with `from` and `value`, and whether its last answer is a good one."""

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
    """Messages of typed parts, text, reasoning and tool calls, with the last answer to learn.

    Reasoning comes out as `reasoning_content`, and tool calls as `tool_calls` whose arguments are objects.
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
    """Two whole conversations of typed parts, cut by turns where they part.

    The key `loss_weight` of a message is not read: what is learnt is what the sides do not share.
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
