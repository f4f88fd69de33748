"""What is wrong with rows that can be formatted: verdicts that belong to data, not to a cell."""

from __future__ import annotations

import re
from collections.abc import Sequence

from preftemplates.core.messages import CONTENT_KEYS, Message
from preftemplates.declaration import Ties
from preftemplates.errors import Code
from preftemplates.template import Formatted, has_equal

BLANK = re.compile(r"[\s\u200b-\u200d\u2060\ufeff]*")
"""White space, and characters that take no room."""


def verdict(formatted: Formatted, ties: Ties = "drop") -> Code | None:
    """Why a sample should not be trained on, though it can be formatted; None if there is no reason.

    A prompt of no messages at all is no empty prompt: some datasets have none.
    """
    messages = formatted.messages
    if messages is None:
        return _verdict_by_hand(formatted)
    if any(is_blank(own) for own in messages.responses.values()) or (messages.prompt and is_blank(messages.prompt)):
        return Code.EMPTY
    if has_equal(messages) or (formatted.texts is not None and has_equal(formatted.texts)):
        return Code.EQUAL
    return Code.TIE if ties == "drop" and messages.is_tie else None


def is_blank(messages: Sequence[Message]) -> bool:
    """Whether no message says anything."""
    return all(_says_nothing(message) for message in messages)


def _says_nothing(message: Message) -> bool:
    content = message.get("content")
    if any(message.get(key) for key in CONTENT_KEYS):
        return False
    return BLANK.fullmatch(content) is not None if isinstance(content, str) else not content


def _verdict_by_hand(formatted: Formatted) -> Code | None:
    """For a template that formats by hand: only the result can be looked at."""
    values = list(formatted.result.values())
    if any(isinstance(value, str) and BLANK.fullmatch(value) for value in values):
        return Code.EMPTY
    alike = len(values) > 1 and all(value == values[0] for value in values)
    return Code.EQUAL if alike or formatted.equal else None
