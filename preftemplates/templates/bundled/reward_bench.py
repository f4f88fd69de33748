"""RewardBench: prompts with one answer that a reward model should prefer to one or more others.

Sources: allenai/reward-bench and allenai/reward-bench-2 (ODC-BY). Both are for evaluation: do not train on them.
"""

from preftemplates import Preference, Ranked, RowModel, Template, register_template


@register_template("RewardBench", style="chatml", dialect="trl")
class RewardBench(Template):
    """RewardBench: a prompt, the better answer in `chosen`, and the other one in `rejected`."""

    class Row(RowModel):
        prompt: str
        chosen: str
        rejected: str

    preference = Preference(prompt="{{ prompt }}", chosen="{{ chosen }}", rejected="{{ rejected }}")
    dataset = "allenai/reward-bench"
    licence = "ODC-BY"
    example = {
        "prompt": "What is the plural of goose?",
        "chosen": "Geese.",
        "rejected": "Gooses.",
    }


@register_template("RewardBench2", style="chatml", dialect="trl")
class RewardBench2(Template):
    """RewardBench 2: a prompt, right answers and wrong ones; answers of the same kind are tied.

    Most rows have one right answer among four. Those of the subset Ties have several.
    """

    ignored = ("total_completions",)

    class Row(RowModel):
        prompt: str
        chosen: list[str]
        rejected: list[str]

    ranked = Ranked(
        prompt="{{ prompt }}",
        completions="{{ chosen + rejected }}",
        ranks="{{ [0.0] * (chosen | length) + [1.0] * (rejected | length) }}",
    )
    ties = "drop"
    dataset = "allenai/reward-bench-2"
    licence = "ODC-BY"
    example = {
        "prompt": "Name a colour of the rainbow.",
        "chosen": ["Red.", "Violet."],
        "rejected": ["Brown.", "Pink."],
    }
