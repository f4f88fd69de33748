"""TRL's own layouts: prompt, chosen, rejected and completion, as text and as messages, with and without a prompt.

Source: TRL's documentation, "Dataset formats and types". Where the prompt is implicit, messages are cut by whole
turns; texts are not cut at all, since letters that two answers share are no prompt.
"""

from preftemplates.row_types import RowModel
from preftemplates.samples import Message, Preference, Supervised
from preftemplates.template import Template, register_template
from preftemplates.turns import messages


@register_template("TRL", style="plain", dialect="trl")
class TRLText(Template):
    """TRL's standard layouts: prompt with chosen and rejected, or with completion, as text."""

    class Row(RowModel):
        prompt: str
        chosen: str
        rejected: str
        completion: str

    preference = Preference(prompt="{{ prompt }}", chosen="{{ chosen }}", rejected="{{ rejected }}")
    supervised = Supervised(prompt="{{ prompt }}", completion="{{ completion }}")
    example = {"prompt": "Two and two?", "chosen": "Four.", "rejected": "Five.", "completion": "Four."}


@register_template("TRL-messages", style="chatml", dialect="trl-messages")
class TRLMessages(Template):
    """TRL's conversational layouts: prompt with chosen and rejected, or with completion, as messages."""

    class Row(RowModel):
        prompt: list[Message]
        chosen: list[Message]
        rejected: list[Message]
        completion: list[Message]

    preference = Preference(
        prompt=messages("{{ prompt }}"), chosen=messages("{{ chosen }}"), rejected=messages("{{ rejected }}")
    )
    supervised = Supervised(prompt=messages("{{ prompt }}"), completion=messages("{{ completion }}"))
    example = {
        "prompt": [{"role": "user", "content": "Two and two?"}],
        "chosen": [{"role": "assistant", "content": "Four."}],
        "rejected": [{"role": "assistant", "content": "Five."}],
        "completion": [{"role": "assistant", "content": "Four."}],
    }


@register_template("TRL-implicit", style="plain", dialect="trl")
class TRLImplicit(Template):
    """TRL's standard preference with an implicit prompt: two whole texts, which are not cut."""

    class Row(RowModel):
        chosen: str
        rejected: str

    preference = Preference(prompt=[], chosen="{{ chosen }}", rejected="{{ rejected }}")
    example = {"chosen": "Two and two are four.", "rejected": "Two and two are five."}


@register_template("TRL-implicit-messages", style="chatml", dialect="trl-messages")
class TRLImplicitMessages(Template):
    """TRL's conversational preference with an implicit prompt: two whole conversations, cut by turns."""

    class Row(RowModel):
        chosen: list[Message]
        rejected: list[Message]

    preference = Preference(
        prompt=messages("{{ chosen | common_history(rejected) }}"),
        chosen=messages("{{ chosen | after_history(rejected) }}"),
        rejected=messages("{{ rejected | after_history(chosen) }}"),
    )
    example = {
        "chosen": [{"role": "user", "content": "Two and two?"}, {"role": "assistant", "content": "Four."}],
        "rejected": [{"role": "user", "content": "Two and two?"}, {"role": "assistant", "content": "Five."}],
    }
