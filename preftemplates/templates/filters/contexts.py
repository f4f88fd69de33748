"""Contexts: what comes before an answer, as one text or as messages."""

from collections.abc import Sequence
from typing import Any

from preftemplates import register_filter


@register_filter
def text_or_messages(context: str | Sequence[Any]) -> list[Any]:
    """The messages of a context that is a text, which the user says, or a list of messages already.

    >>> text_or_messages("Hi")
    [{'role': 'user', 'content': 'Hi'}]
    """
    return [{"role": "user", "content": context}] if isinstance(context, str) else list(context)
