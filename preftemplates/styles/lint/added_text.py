"""Findings on text that a style adds: a BOS token, a default system message, dates."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from preftemplates.styles.lint.conversations import ANSWER, ANSWER_2, ONE_TURN, TOOL, USER, USER_2
from preftemplates.styles.lint.findings import FindingCode, StyleFinding
from preftemplates.styles.lint.probes import (
    PROBE_DAYS,
    WORD,
    ProbeTexts,
    remove_contents,
    shorten,
    shorten_difference,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_MIN_DEFAULT_WORDS = 4
"""The fewest added words, beyond those of each turn, that count as a default system message."""

_TAG = re.compile(r"<[^<>\n]{1,40}>|\[[^\[\]\n]{1,40}\]")


def find_bos_token(texts: ProbeTexts) -> Iterator[StyleFinding]:
    """Yield a finding if the style writes the BOS token."""
    token = texts.layout.variables.get("bos_token")
    if isinstance(token, str) and token and texts.one_turn is not None and texts.one_turn.startswith(token):
        yield StyleFinding(FindingCode.WRITES_BOS, f"every text begins with the BOS token {shorten(token)}")


def find_default_system(texts: ProbeTexts) -> Iterator[StyleFinding]:
    """Yield a finding if the style adds words to a conversation without a system message."""
    if texts.one_turn is None or texts.required_opening:
        return
    added = remove_contents(texts.one_turn, (USER, ANSWER))
    words_per_turn = 2
    if texts.two_turns is not None:
        added_twice = remove_contents(texts.two_turns, (USER, ANSWER, USER_2, ANSWER_2))
        words_per_turn = _count_words(added_twice) - _count_words(added)
    if _count_words(added) - max(words_per_turn, 0) >= _MIN_DEFAULT_WORDS:
        sentence = max(re.split(r"\n+", _TAG.sub("\n", added)), key=_count_words).strip()
        message = f"without a system message, {shorten(sentence, 60)} is added"
        yield StyleFinding(FindingCode.DEFAULT_SYSTEM, message)


def _count_words(text: str) -> int:
    return len(WORD.findall(_TAG.sub(" ", text)))


def find_varying_texts(texts: ProbeTexts) -> Iterator[StyleFinding]:
    """Yield a finding if a conversation gives different text when rendered again, or on another day."""
    if texts.source is None or texts.one_turn is None:
        return
    again, later = ProbeTexts(texts.layout), ProbeTexts(texts.layout, PROBE_DAYS[1])
    if again.one_turn is not None and again.one_turn != texts.one_turn:
        first, second = shorten_difference(texts.one_turn, again.one_turn)
        yield StyleFinding(FindingCode.UNSTABLE, f"a text has {first}, and {second} when rendered again")
        return
    prompt = [*texts.required_opening, *ONE_TURN[:1]]
    conversations = ((texts.longest_conversation, False, ()), (prompt, True, ()), (prompt, True, (TOOL,)))
    for messages, generate, tools in conversations:
        before, after = texts.render(messages, generate, tools), later.render(messages, generate, tools)
        if before is not None and after is not None and before != after:
            one, other = shorten_difference(before, after)
            yield StyleFinding(FindingCode.DEPENDS_ON_DATE, f"a text has {one} on one day, and {other} on another")
            return
