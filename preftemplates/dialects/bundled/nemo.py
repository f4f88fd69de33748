"""NeMo RL: a context, and completions with their ranks, the best 0.

Keys: NeMo RL's documentation on preference datasets.
"""

from preftemplates import Dialect, fixed, register_dialect


@register_dialect("nemo-rl", aliases=["nemo"])
class NeMoRL(Dialect):
    prompt_only = {"messages": "prompt.messages"}
    supervised = {"messages": "prompt+completion.messages"}
    preference = {
        "context": "prompt.messages",
        "completions": [
            {"rank": fixed(0.0), "completion": "chosen.messages"},
            {"rank": fixed(1.0), "completion": "rejected.messages"},
        ],
    }
    ranked = {"context": "prompt.messages", "completions": [{"rank": "ranks", "completion": "completions.messages"}]}
    judge = supervised
