"""Skips: find out why a sample that can be formatted should not be trained on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from preftemplates.core.messages import CONTENT_KEYS
from preftemplates.core.provenance import plain
from preftemplates.core.samples import Judge, Sample
from preftemplates.errors import Code
from preftemplates.templates.results import Formatted, has_equal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from preftemplates.core.messages import Message
    from preftemplates.templates.declaration import Ties

_BLANK = re.compile(r"[\s\u200b-\u200d\u2060\ufeff]*")
"""Whitespace, and characters without width."""


def find_skip_reason(formatted: Formatted, ties: Ties = "drop") -> Code | None:
    """Return why a sample should not be trained on although it can be formatted; None if there is no reason.

    A prompt without messages is empty, unless the template reads no prompt from the row: some datasets have none. A
    derived sample may have a label that compares the answers of its source, so these answers count too.
    """
    messages, source = formatted.messages, formatted.source
    if messages is None:
        return _find_custom_skip_reason(formatted)
    if _has_blank(messages, has_prompt=formatted.has_prompt):
        return Code.EMPTY
    if source is not None and messages.label_values:
        # the prompt of a judge holds both answers
        if isinstance(messages, Judge) and _has_blank(source, has_prompt=formatted.has_prompt):
            return Code.EMPTY
        if has_equal(source):
            return Code.EQUAL
    # the texts too: a style may trim the whitespace in which two answers differ
    if has_equal(messages) or (formatted.texts is not None and has_equal(formatted.texts)):
        return Code.EQUAL
    return Code.TIE if ties == "drop" and messages.is_tie else None


def find_skip_reasons(samples: Sequence[Formatted], ties: Ties = "drop") -> list[Code | None]:
    """Return for each sample of a row why it should not be trained on, as `find_skip_reason` does.

    Samples that are derived from one source and have the same texts are equal as well.
    """
    reasons = [find_skip_reason(formatted, ties) for formatted in samples]
    by_source: dict[int, list[int]] = {}
    for at, formatted in enumerate(samples):
        if formatted.source is not None and formatted.texts is not None and formatted.texts.label_values:
            by_source.setdefault(id(formatted.source), []).append(at)
    for places in by_source.values():
        first, *others = (_list_texts(samples[at]) for at in places)
        if others and all(other == first for other in others):
            reasons = [Code.EQUAL if at in places and reason is None else reason for at, reason in enumerate(reasons)]
    return reasons


def _list_texts(formatted: Formatted) -> list[str]:
    assert formatted.texts is not None
    return [plain(text) for text in (formatted.texts.prompt, *formatted.texts.responses.values())]


def _has_blank(sample: Sample[list[Message]], *, has_prompt: bool) -> bool:
    """Return whether a response is empty, or the prompt if there should be one."""
    return any(map(_is_blank, sample.responses.values())) or (has_prompt and _is_blank(sample.prompt))


def _is_blank(messages: Sequence[Message]) -> bool:
    """Return whether all messages are empty."""
    return all(_is_blank_message(message) for message in messages)


def _is_blank_message(message: Message) -> bool:
    content = message.get("content")
    # an answer of tool calls alone is not empty; most messages have two keys, so the loop over keys is rare
    if len(message) > 2 and any(message.get(key) for key in CONTENT_KEYS):
        return False
    return _BLANK.fullmatch(content) is not None if isinstance(content, str) else not content


def _find_custom_skip_reason(formatted: Formatted) -> Code | None:
    """Return the reason for a custom template, of which only the result is known."""
    values = list(formatted.result.values())
    if any(isinstance(value, str) and _BLANK.fullmatch(value) for value in values):
        return Code.EMPTY
    are_equal = len(values) > 1 and all(value == values[0] for value in values)
    return Code.EQUAL if are_equal or formatted.equal else None
