"""Preference mixes of whole conversations: chosen and rejected each begin with the prompt.

Sources: mlabonne/orpo-dpo-mix-40k (Apache-2.0), Skywork/Skywork-Reward-Preference-80K-v0.1 and v0.2 (Apache-2.0),
allenai/llama-3.1-tulu-3-8b-preference-mixture (ODC-BY). No row is left out because of its source.
"""

from preftemplates import Message, Preference, RowModel, Template, messages, register_template


class ConversationPair(RowModel):
    chosen: list[Message]
    rejected: list[Message]


WHERE_THEY_PART = Preference(
    prompt=messages("{{ chosen | common_history(rejected) }}"),
    chosen=messages("{{ chosen | after_history(rejected) }}"),
    rejected=messages("{{ rejected | after_history(chosen) }}"),
)


@register_template("ORPO-DPO-mix-40k", style="chatml", dialect="trl")
class ORPODPOMix40k(Template):
    """ORPO-DPO mix: two conversations, cut at the turn where they begin to differ.

    Rows whose `source` is toxic-dpo-v0.2 prefer the harmful answer. They are kept; filter by `source` to remove them.
    The column `prompt` repeats a part of the conversations, and is not read.
    """

    Row = ConversationPair
    preference = WHERE_THEY_PART
    dataset = "mlabonne/orpo-dpo-mix-40k"
    licence = "Apache-2.0"
    example = {
        "chosen": [
            {"role": "user", "content": "How do I get wax off a tablecloth?"},
            {"role": "assistant", "content": "Lay paper on it and iron that."},
        ],
        "rejected": [
            {"role": "user", "content": "How do I get wax off a tablecloth?"},
            {"role": "assistant", "content": "With scissors."},
        ],
    }


@register_template("Skywork-Reward-80K", style="chatml", dialect="trl")
class SkyworkReward80K(Template):
    """Skywork's reward pairs, in both versions: two conversations, cut at the turn where they begin to differ."""

    Row = ConversationPair
    preference = WHERE_THEY_PART
    dataset = "Skywork/Skywork-Reward-Preference-80K-v0.2"
    licence = "Apache-2.0"
    example = {
        "chosen": [
            {"role": "user", "content": "Three apples and two pears: how many fruits?"},
            {"role": "assistant", "content": "Five."},
        ],
        "rejected": [
            {"role": "user", "content": "Three apples and two pears: how many fruits?"},
            {"role": "assistant", "content": "Six."},
        ],
    }


@register_template("Tulu3-preference", style="chatml", dialect="trl")
class Tulu3Preference(Template):
    """Tulu 3's preferences: two conversations that must be equal up to the last answer.

    The column `prompt` repeats the shared beginning of both as text, and is not read.
    """

    Row = ConversationPair
    preference = Preference(
        prompt=messages("{{ chosen | answered | before_last_answer(rejected | answered) }}"),
        chosen=messages("{{ (chosen | answered)[-1:] }}"),
        rejected=messages("{{ (rejected | answered)[-1:] }}"),
    )
    dataset = "allenai/llama-3.1-tulu-3-8b-preference-mixture"
    licence = "ODC-BY"
    example = {
        "chosen": [
            {"role": "user", "content": "Write a line about rain."},
            {"role": "assistant", "content": "Rain counts the slates, and begins again."},
        ],
        "rejected": [
            {"role": "user", "content": "Write a line about rain."},
            {"role": "assistant", "content": "Rain."},
        ],
    }
