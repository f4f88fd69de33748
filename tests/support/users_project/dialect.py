"""A user's dialect: every kind of table, and how messages are written."""

# pyright: strict

from preftemplates import Dialect, fixed, register_dialect


@register_dialect("questions")
class Questions(Dialect):
    role_key = "from"
    content_key = "value"
    roles = {"user": "human", "assistant": "gpt"}
    dropped = ("reasoning_content",)

    prompt_only = {"question": "prompt.content"}
    supervised = {"messages": "prompt+completion.messages"}
    preference = {"question": "prompt.content", "good": "chosen", "bad": "rejected", "source": fixed("mine")}
    unpaired = {"text": "prompt+completion", "label": "label"}
    ranked = {"context": "prompt.messages", "answers": [{"text": "completions.content", "rank": "ranks"}]}
    scored = {"text": "prompt+completion", "score": "score", "attributes": "attributes?"}
    stepwise = {"question": "prompt.content", "steps": [{"text": "completions.content", "right": "labels"}]}
    judge = {"messages": "prompt+completion.messages", "verdict": "verdict"}


@register_dialect("short-questions", aliases=("shortquestions",))
class ShortQuestions(Questions):
    prompt_only = {"q": "prompt.content"}
