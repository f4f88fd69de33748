"""verl: prompts as messages, with the fields that its reward functions read.

Keys: verl's documentation, "Prepare data for post-training". What the reward function compares with is yours to fill.
"""

from preftemplates import Dialect, fixed, register_dialect


@register_dialect("verl")
class Verl(Dialect):
    prompt_only = {
        "data_source": fixed("preftemplates"),
        "prompt": "prompt.messages",
        "ability": fixed("alignment"),
        "reward_model": {"style": fixed("model"), "ground_truth": fixed("")},
    }
