"""Text: the exact text of the style under prompt, chosen and rejected, for your own tokenizer call.

The prompt ends with the generation prompt. A response is the text after it, up to the style's last character.
Tokenize prompt and response together, without special tokens: the style writes them.
"""

from preftemplates import Dialect, register_dialect


@register_dialect("text")
class Text(Dialect):
    prompt_only = {"prompt": "prompt", "answer": "answer?", "source": "source?"}
    supervised = {"prompt": "prompt", "completion": "completion"}
    preference = {
        "prompt": "prompt",
        "chosen": "chosen",
        "rejected": "rejected",
        "margin": "margin?",
        "probability": "probability?",
    }
    unpaired = {"prompt": "prompt", "completion": "completion", "label": "label"}
    stepwise = {"prompt": "prompt", "completions": "completions", "labels": "labels"}
    judge = supervised
    ranked = {"prompt": "prompt", "completions": "completions", "ranks": "ranks", "scores": "scores?"}
    scored = {"prompt": "prompt", "completion": "completion", "score": "score", "attributes": "attributes?"}
