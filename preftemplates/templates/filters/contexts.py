"""Contexts: the text or messages before an answer."""

from collections.abc import Sequence
from typing import Any

from preftemplates import register_filter


@register_filter
def text_or_messages(context: str | Sequence[Any]) -> list[Any]:
    """Return the messages of a context: a text becomes one message of the user, and a list stays unchanged.

    >>> text_or_messages("Hi")
    [{'role': 'user', 'content': 'Hi'}]
    """
    return [{"role": "user", "content": context}] if isinstance(context, str) else list(context)
