"""Argilla's mixes: pairs of whole conversations, and single conversations with a label.

Sources: argilla/dpo-mix-7k and argilla/kto-mix-15k (MIT), argilla/distilabel-capybara-dpo-7k-binarized (Apache-2.0).
Sides are cut at the turn where they begin to differ.
"""

from preftemplates import Message, Preference, RowModel, Template, Unpaired, messages, register_template


class ConversationPair(RowModel):
    chosen: list[Message]
    rejected: list[Message]


WHERE_THEY_PART = Preference(
    prompt=messages("{{ chosen | common_history(rejected) }}"),
    chosen=messages("{{ chosen | after_history(rejected) }}"),
    rejected=messages("{{ rejected | after_history(chosen) }}"),
)


@register_template("DPO-mix-7k", style="chatml", dialect="trl")
class DPOMix7k(Template):
    """DPO mix: two conversations that differ in the answer."""

    Row = ConversationPair
    preference = WHERE_THEY_PART
    dataset = "argilla/dpo-mix-7k"
    licence = "MIT"
    example = {
        "chosen": [
            {"role": "user", "content": "What goes with beetroot?"},
            {"role": "assistant", "content": "Horseradish, goat's cheese, walnuts."},
        ],
        "rejected": [
            {"role": "user", "content": "What goes with beetroot?"},
            {"role": "assistant", "content": "A spoon."},
        ],
    }


@register_template("Capybara-DPO", style="chatml", dialect="trl")
class CapybaraDPO(Template):
    """Capybara pairs: two conversations of several turns that differ in the last answer."""

    Row = ConversationPair
    preference = WHERE_THEY_PART
    dataset = "argilla/distilabel-capybara-dpo-7k-binarized"
    licence = "Apache-2.0"
    example = {
        "chosen": [
            {"role": "user", "content": "Which tree is good for a small garden?"},
            {"role": "assistant", "content": "An apple tree on a weak rootstock."},
            {"role": "user", "content": "When do I plant it?"},
            {"role": "assistant", "content": "In late autumn, when it has lost its leaves."},
        ],
        "rejected": [
            {"role": "user", "content": "Which tree is good for a small garden?"},
            {"role": "assistant", "content": "An apple tree on a weak rootstock."},
            {"role": "user", "content": "When do I plant it?"},
            {"role": "assistant", "content": "At noon."},
        ],
    }


@register_template("KTO-mix-15k", style="chatml", dialect="trl")
class KTOMix15k(Template):
    """KTO mix: a whole conversation in `completion`, and whether its last answer is good.

    A column `prompt` is not confirmed by a source, and is not read. A completion without its question is rejected.
    """

    class Row(RowModel):
        completion: list[Message]
        label: bool

    unpaired = Unpaired(
        prompt=messages("{{ (completion | answered)[:-1] }}"),
        completion=messages("{{ (completion | answered)[-1:] }}"),
        label="{{ label }}",
    )
    dataset = "argilla/kto-mix-15k"
    licence = "MIT"
    example = {
        "completion": [
            {"role": "user", "content": "How long does rice keep in the fridge?"},
            {"role": "assistant", "content": "A day or two, in a closed box."},
        ],
        "label": True,
    }
