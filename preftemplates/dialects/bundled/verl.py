"""verl: prompts as messages, with the fields that its reward functions read.

Keys: verl's documentation, "Prepare data for post-training". The ground truth is the sample's answer, and empty if the
template has none.
"""

from preftemplates import Dialect, fixed, register_dialect, with_default


@register_dialect("verl")
class Verl(Dialect):
    prompt_only = {
        "data_source": fixed("preftemplates"),
        "prompt": "prompt.messages",
        "ability": fixed("alignment"),
        "reward_model": {"style": fixed("model"), "ground_truth": with_default("answer", "")},
    }
