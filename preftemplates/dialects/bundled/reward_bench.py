"""RewardBench: two whole conversations, as its command reads them from a file.

Keys: the documentation of RewardBench's `load_and_process_dataset`, which takes the prompt from the chosen one.
"""

from preftemplates import Dialect, register_dialect


@register_dialect("reward-bench", aliases=["rewardbench"])
class RewardBench(Dialect):
    preference = {"chosen": "prompt+chosen.messages", "rejected": "prompt+rejected.messages"}
    supervised = {"messages": "prompt+completion.messages"}
