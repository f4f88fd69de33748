"""RLHFlow's copy of HH's helpful part: two whole conversations that differ in the last answer.

Source: RLHFlow/HH-RLHF-Helpful-standard (licence unknown; the texts are Anthropic's, MIT).
"""

from preftemplates import Message, Preference, RowModel, Template, messages, register_template


@register_template("HH-helpful-standard", style="chatml", dialect="trl")
class HHHelpfulStandard(Template):
    """HH's helpful part as messages; a row is rejected if the histories of its sides differ."""

    class Row(RowModel):
        chosen: list[Message]
        rejected: list[Message]

    preference = Preference(
        prompt=messages("{{ chosen | answered | before_last_answer(rejected | answered) }}"),
        chosen=messages("{{ (chosen | answered)[-1:] }}"),
        rejected=messages("{{ (rejected | answered)[-1:] }}"),
    )
    dataset = "RLHFlow/HH-RLHF-Helpful-standard"
    licence = "unknown"
    verified = True
    example = {
        "chosen": [
            {"role": "user", "content": "Can I freeze leeks?"},
            {"role": "assistant", "content": "Yes, in rings."},
            {"role": "user", "content": "Raw?"},
            {"role": "assistant", "content": "Better after a minute in boiling water."},
        ],
        "rejected": [
            {"role": "user", "content": "Can I freeze leeks?"},
            {"role": "assistant", "content": "Yes, in rings."},
            {"role": "user", "content": "Raw?"},
            {"role": "assistant", "content": "I do not know."},
        ],
    }
