"""OpenAI's fine-tuning files: messages, and for preferences an input with a preferred output and another.

Keys: OpenAI's documentation on supervised fine-tuning and on direct preference optimization.
"""

from preftemplates import Dialect, register_dialect


@register_dialect("openai")
class OpenAI(Dialect):
    prompt_only = {"messages": "prompt.messages"}
    supervised = {"messages": "prompt+completion.messages"}
    preference = {
        "input": {"messages": "prompt.messages"},
        "preferred_output": "chosen.messages",
        "non_preferred_output": "rejected.messages",
    }
    judge = supervised
