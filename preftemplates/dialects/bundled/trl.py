"""TRL: prompt, completion, chosen and rejected, as text (standard) and as messages (conversational).

Keys: TRL's documentation, "Dataset formats and types". The dialects named implicit have whole texts or conversations:
language modelling, and preferences whose prompt is within. Rankings and scores, which it has not, are spelled in its
manner. The tools that may be called are the text of a JSON list, which TRL's trainers read too: a table's columns have
fixed types, and tools have parameters of different names.
"""

from preftemplates import Dialect, register_dialect


@register_dialect("trl")
class TRL(Dialect):
    prompt_only = {"prompt": "prompt"}
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


@register_dialect("trl-messages")
class TRLMessages(Dialect):
    prompt_only = {"prompt": "prompt.messages", "tools": "tools?"}
    supervised = {"prompt": "prompt.messages", "completion": "completion.messages", "tools": "tools?"}
    preference = {
        "prompt": "prompt.messages",
        "chosen": "chosen.messages",
        "rejected": "rejected.messages",
        "margin": "margin?",
        "probability": "probability?",
        "tools": "tools?",
    }
    unpaired = {
        "prompt": "prompt.messages",
        "completion": "completion.messages",
        "label": "label",
        "tools": "tools?",
    }
    judge = supervised
    ranked = {
        "prompt": "prompt.messages",
        "completions": "completions.messages",
        "ranks": "ranks",
        "scores": "scores?",
        "tools": "tools?",
    }
    scored = {
        "prompt": "prompt.messages",
        "completion": "completion.messages",
        "score": "score",
        "attributes": "attributes?",
        "tools": "tools?",
    }


@register_dialect("trl-implicit")
class TRLImplicit(Dialect):
    supervised = {"text": "prompt+completion"}
    preference = {
        "chosen": "prompt+chosen",
        "rejected": "prompt+rejected",
        "margin": "margin?",
        "probability": "probability?",
    }
    judge = supervised


@register_dialect("trl-implicit-messages")
class TRLImplicitMessages(Dialect):
    supervised = {"messages": "prompt+completion.messages", "tools": "tools?"}
    preference = {
        "chosen": "prompt+chosen.messages",
        "rejected": "prompt+rejected.messages",
        "margin": "margin?",
        "probability": "probability?",
        "tools": "tools?",
    }
    judge = supervised
