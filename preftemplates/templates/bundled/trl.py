"""TRL's own layouts: language modelling, prompts, completions, pairs, labels and steps, as text and as messages.

Source: TRL's documentation, "Dataset formats and types". With an implicit prompt, messages are cut at whole turns.
Texts are not cut, since characters that two answers share are not a prompt. A column of images fills the places of
the prompt, as in TRL; columns of videos and audio do the same, although TRL does not read them.
"""

from typing import Any

from preftemplates import (
    MediaColumns,
    Message,
    Preference,
    RowModel,
    Stepwise,
    Supervised,
    Template,
    Unpaired,
    messages,
    register_template,
)

DILL_IS_WATERED = {"name": "water", "arguments": {"herb": "dill"}}
HERB = {"type": "object", "properties": {"herb": {"type": "string"}}, "required": ["herb"]}


class PairColumns(MediaColumns):
    """Optional columns of rows with pairs."""

    margin: float | None = None
    probability: float | None = None


class ToolColumns(MediaColumns):
    """Optional columns of rows with messages."""

    tools: list[dict[str, Any]] | str | None = None


class ToolPairColumns(PairColumns, ToolColumns):
    """Optional columns of pairs with messages."""


@register_template("TRL", style="plain", dialect="trl-text")
class TRLText(Template):
    """TRL's standard layouts: prompt with chosen and rejected, or with completion, as text."""

    class Row(PairColumns):
        prompt: str
        chosen: str
        rejected: str
        completion: str

    preference = Preference(
        prompt="{{ prompt | show_media(images, videos, audios, image) }}",
        chosen="{{ chosen }}",
        rejected="{{ rejected }}",
        margin="{{ margin }}",
        probability="{{ probability }}",
    )
    supervised = Supervised(
        prompt="{{ prompt | show_media(images, videos, audios, image) }}", completion="{{ completion }}"
    )
    verified = True
    example = {"prompt": "Two and two?", "chosen": "Four.", "rejected": "Five.", "completion": "Four."}


@register_template("TRL-messages", style="chatml", dialect="trl")
class TRLMessages(Template):
    """TRL's conversational layouts: prompt with chosen and rejected, or with completion, as messages."""

    class Row(ToolPairColumns):
        prompt: list[Message]
        chosen: list[Message]
        rejected: list[Message]
        completion: list[Message]

    preference = Preference(
        prompt=messages("{{ prompt | show_media(images, videos, audios, image) }}"),
        chosen=messages("{{ chosen }}"),
        rejected=messages("{{ rejected }}"),
        margin="{{ margin }}",
        probability="{{ probability }}",
        tools="{{ tools | tool_list }}",
    )
    supervised = Supervised(
        prompt=messages("{{ prompt | show_media(images, videos, audios, image) }}"),
        completion=messages("{{ completion }}"),
        tools="{{ tools | tool_list }}",
    )
    verified = True
    example = {
        "prompt": [{"role": "user", "content": "Two and two?"}],
        "chosen": [{"role": "assistant", "content": "Four."}],
        "rejected": [{"role": "assistant", "content": "Five."}],
        "completion": [{"role": "assistant", "content": "Four."}],
    }


@register_template("TRL-tools", style="qwen3", dialect="trl")
class TRLTools(Template):
    """TRL's conversational layouts with a column of tools, as a list or its JSON text; a row may have none."""

    Row = TRLMessages.Row
    preference = TRLMessages.preference
    supervised = TRLMessages.supervised
    example = {
        "prompt": [{"role": "user", "content": "Water the dill."}],
        "chosen": [
            {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": DILL_IS_WATERED}]}
        ],
        "rejected": [{"role": "assistant", "content": "Dill needs no water."}],
        "completion": [{"role": "assistant", "content": "Its bed is wet already."}],
        "tools": [{"type": "function", "function": {"name": "water", "parameters": HERB}}],
    }


@register_template("TRL-text-to-messages", style="chatml", dialect="trl")
class TRLTextToMessages(Template):
    """A prompt as text, and answers as messages: pairs, single answers, or answers with a label."""

    class Row(ToolPairColumns):
        prompt: str
        chosen: list[Message]
        rejected: list[Message]
        completion: list[Message]
        label: bool

    preference = Preference(
        prompt="{{ prompt | show_media(images, videos, audios, image) }}",
        chosen=messages("{{ chosen }}"),
        rejected=messages("{{ rejected }}"),
        margin="{{ margin }}",
        probability="{{ probability }}",
        tools="{{ tools | tool_list }}",
    )
    supervised = Supervised(
        prompt="{{ prompt | show_media(images, videos, audios, image) }}",
        completion=messages("{{ completion }}"),
        tools="{{ tools | tool_list }}",
    )
    unpaired = Unpaired(
        prompt="{{ prompt | show_media(images, videos, audios, image) }}",
        completion=messages("{{ completion }}"),
        label="{{ label }}",
        tools="{{ tools | tool_list }}",
    )
    example = {
        "prompt": "Two and two?",
        "chosen": [{"role": "assistant", "content": "Four."}],
        "rejected": [{"role": "assistant", "content": "Five."}],
        "completion": [{"role": "assistant", "content": "Four."}],
        "label": True,
    }


@register_template("TRL-messages-to-text", style="chatml", dialect="trl")
class TRLMessagesToText(Template):
    """A prompt as messages, and answers as text: pairs, single answers, or answers with a label."""

    class Row(ToolPairColumns):
        prompt: list[Message]
        chosen: str
        rejected: str
        completion: str
        label: bool

    preference = Preference(
        prompt=messages("{{ prompt | show_media(images, videos, audios, image) }}"),
        chosen="{{ chosen }}",
        rejected="{{ rejected }}",
        margin="{{ margin }}",
        probability="{{ probability }}",
        tools="{{ tools | tool_list }}",
    )
    supervised = Supervised(
        prompt=messages("{{ prompt | show_media(images, videos, audios, image) }}"),
        completion="{{ completion }}",
        tools="{{ tools | tool_list }}",
    )
    unpaired = Unpaired(
        prompt=messages("{{ prompt | show_media(images, videos, audios, image) }}"),
        completion="{{ completion }}",
        label="{{ label }}",
        tools="{{ tools | tool_list }}",
    )
    example = {
        "prompt": [{"role": "user", "content": "Two and two?"}],
        "chosen": "Four.",
        "rejected": "Five.",
        "completion": "Four.",
        "label": True,
    }


@register_template("TRL-implicit", style="plain", dialect="trl-implicit-text")
class TRLImplicit(Template):
    """TRL's standard preference with an implicit prompt: two whole texts, which are not cut.

    Both texts must begin with the prompt in a column next to them, if there is one; else it would be lost.
    """

    class Row(RowModel):
        margin: float | None = None
        probability: float | None = None
        prompt: Any = None
        chosen: str
        rejected: str

    preference = Preference(
        prompt=[],
        chosen="{{ chosen | after_prompt(prompt) }}",
        rejected="{{ rejected | after_prompt(prompt) }}",
        margin="{{ margin }}",
        probability="{{ probability }}",
    )
    verified = True
    example = {"chosen": "Two and two are four.", "rejected": "Two and two are five."}


@register_template("TRL-implicit-messages", style="chatml", dialect="trl")
class TRLImplicitMessages(Template):
    """TRL's conversational preference with an implicit prompt: two whole conversations, cut at whole turns.

    The turns that they share must contain the prompt in a column next to them, if there is one; else it would be lost.
    """

    class Row(ToolPairColumns):
        prompt: Any = None
        chosen: list[Message]
        rejected: list[Message]

    preference = Preference(
        prompt=messages(
            "{{ chosen | common_history(rejected) | with_prompt(prompt) | show_media(images, videos, audios, image) }}"
        ),
        chosen=messages("{{ chosen | after_history(rejected) }}"),
        rejected=messages("{{ rejected | after_history(chosen) }}"),
        margin="{{ margin }}",
        probability="{{ probability }}",
        tools="{{ tools | tool_list }}",
    )
    verified = True
    example = {
        "chosen": [{"role": "user", "content": "Two and two?"}, {"role": "assistant", "content": "Four."}],
        "rejected": [{"role": "user", "content": "Two and two?"}, {"role": "assistant", "content": "Five."}],
    }


@register_template("TRL-unpaired", style="plain", dialect="trl-text")
class TRLUnpaired(Template):
    """TRL's standard unpaired preference: a prompt, a completion, and whether it is good."""

    class Row(MediaColumns):
        prompt: str
        completion: str
        label: bool

    unpaired = Unpaired(
        prompt="{{ prompt | show_media(images, videos, audios, image) }}",
        completion="{{ completion }}",
        label="{{ label }}",
    )
    verified = True
    example = {"prompt": "Two and two?", "completion": "Five.", "label": False}


@register_template("TRL-unpaired-messages", style="chatml", dialect="trl")
class TRLUnpairedMessages(Template):
    """TRL's conversational unpaired preference: messages, the answer's messages, and whether it is good."""

    class Row(ToolColumns):
        prompt: list[Message]
        completion: list[Message]
        label: bool

    unpaired = Unpaired(
        prompt=messages("{{ prompt | show_media(images, videos, audios, image) }}"),
        completion=messages("{{ completion }}"),
        label="{{ label }}",
        tools="{{ tools | tool_list }}",
    )
    verified = True
    example = {
        "prompt": [{"role": "user", "content": "Two and two?"}],
        "completion": [{"role": "assistant", "content": "Four."}],
        "label": True,
    }


@register_template("TRL-stepwise", style="plain", dialect="text")
class TRLStepwise(Template):
    """TRL's stepwise supervision: a prompt, the steps of an answer, and whether each is right."""

    class Row(MediaColumns):
        prompt: str
        completions: list[str]
        labels: list[bool]

    stepwise = Stepwise(
        prompt="{{ prompt | show_media(images, videos, audios, image) }}",
        completions="{{ completions }}",
        labels="{{ labels }}",
    )
    verified = True
    example = {
        "prompt": "Two and two, less one?",
        "completions": [" Two and two are four.", " Less one is two."],
        "labels": [True, False],
    }


@register_template("TRL-language-modeling", style="plain", dialect="trl-implicit-text")
class TRLLanguageModeling(Template):
    """TRL's standard language modelling: one text to train on as a whole, without a prompt."""

    class Row(RowModel):
        text: str

    supervised = Supervised(prompt=[], completion="{{ text }}")
    verified = True
    example = {"text": "Two and two are four."}


@register_template("TRL-language-modeling-messages", style="chatml", dialect="trl")
class TRLLanguageModelingMessages(Template):
    """TRL's conversational language modelling: the last answer is the completion, the turns before it are the prompt.

    TRL itself trains on all turns of such a row, unless it is configured to train on those of the assistant only.
    """

    class Row(ToolColumns):
        messages: list[Message]

    supervised = Supervised(
        prompt=messages("{{ (messages | show_media(images, videos, audios, image) | answered)[:-1] }}"),
        completion=messages("{{ (messages | show_media(images, videos, audios, image) | answered)[-1:] }}"),
        tools="{{ tools | tool_list }}",
    )
    verified = True
    example = {"messages": [{"role": "user", "content": "Two and two?"}, {"role": "assistant", "content": "Four."}]}
