"""Anthropic HH: two transcripts that differ in the last answer; the first is the preferred one.

Source: Anthropic/hh-rlhf (MIT). A turn begins with a blank line and "Human: " or "Assistant: ". A row is rejected if
the histories of its sides differ.
"""

from preftemplates import Preference, RowModel, Template, messages, register_template


@register_template("HH", style="human-assistant", dialect="trl")
class HH(Template):
    class Row(RowModel):
        chosen: str
        rejected: str

    preference = Preference(
        prompt=messages("{{ chosen | human_assistant_turns | before_last_answer(rejected | human_assistant_turns) }}"),
        chosen="{{ (chosen | human_assistant_turns | last).content }}",
        rejected="{{ (rejected | human_assistant_turns | last).content }}",
    )
    dataset = "Anthropic/hh-rlhf"
    licence = "MIT"
    verified = True
    example = {
        "chosen": "\n\nHuman: Is the kettle on?\n\nAssistant: Yes.\n\nHuman: Tea?\n\nAssistant: Gladly, thank you.",
        "rejected": "\n\nHuman: Is the kettle on?\n\nAssistant: Yes.\n\nHuman: Tea?\n\nAssistant: No.",
    }
