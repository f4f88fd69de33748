"""Findings on content that is not printed: messages, thinking, tool calls and tools."""

from __future__ import annotations

from typing import TYPE_CHECKING

from preftemplates.styles.lint.conversations import (
    A_CALL,
    A_RESULT,
    ANSWER,
    ANSWER_2,
    CONVERSATIONS,
    FIRST_THOUGHT,
    ONE_TURN,
    RESULT,
    SYSTEM,
    TOOL,
    TWO_TURNS,
    USER,
    USER_2,
    make_turn,
)
from preftemplates.styles.lint.findings import FindingCode, StyleFinding
from preftemplates.styles.lint.probes import THINKING_ANSWERS, ProbeTexts, is_lost

if TYPE_CHECKING:
    from collections.abc import Iterator


def find_dropped_messages(texts: ProbeTexts) -> Iterator[StyleFinding]:
    """Yield a finding for each role whose message is not printed."""
    if texts.one_turn is not None and is_lost(ANSWER, texts.one_turn):
        yield StyleFinding(FindingCode.DROPS_ANSWER, "the answer is not printed", role="assistant")
    elif texts.two_turns is not None and any(is_lost(answer, texts.two_turns) for answer in (ANSWER, ANSWER_2)):
        yield StyleFinding(FindingCode.DROPS_ANSWER, "one of two answers is not printed", role="assistant")
    if texts.with_system is not None and is_lost(SYSTEM, texts.with_system):
        yield StyleFinding(FindingCode.DROPS_SYSTEM, "the system message is not printed", role="system")
    whole, questions = (texts.one_turn, (USER,)) if texts.two_turns is None else (texts.two_turns, (USER, USER_2))
    if whole is not None and any(is_lost(question, whole) for question in questions):
        yield StyleFinding(FindingCode.DROPS_MESSAGE, "a message of the role user is not printed", role="user")
    conversations = {
        "developer": (texts.render(CONVERSATIONS["a developer's message"].messages), SYSTEM),
        "tool": (texts.render_turns(*A_RESULT, make_turn("assistant", ANSWER)), RESULT),
    }
    for role, (text, content) in conversations.items():
        if text is not None and is_lost(content, text):
            yield StyleFinding(FindingCode.DROPS_MESSAGE, f"a message of the role {role} is not printed", role=role)


def find_dropped_reasoning(texts: ProbeTexts) -> Iterator[StyleFinding]:
    """Yield findings on thinking that is not printed, in a content or in a separate field."""
    yield from _find_dropped_in_content(texts)
    answer = make_turn("assistant", ANSWER, reasoning_content=FIRST_THOUGHT)
    last = texts.render_turns(ONE_TURN[0], answer)
    if last is not None and FIRST_THOUGHT not in last:
        yield _make_finding(FindingCode.DROPS_REASONING, "the last answer", "reasoning_content")
        return
    earlier = texts.render_turns(ONE_TURN[0], answer, *TWO_TURNS[2:])
    if earlier is not None and FIRST_THOUGHT not in earlier:
        yield _make_finding(FindingCode.DROPS_HISTORY_REASONING, "an earlier answer", "reasoning_content")


def _find_dropped_in_content(texts: ProbeTexts) -> Iterator[StyleFinding]:
    changed = texts.changed_thinking
    if changed is not None and is_lost(FIRST_THOUGHT, changed[1]):
        yield _make_finding(FindingCode.DROPS_REASONING, "the last answer", "content")
    answer = THINKING_ANSWERS[0]
    earlier = texts.render_turns(ONE_TURN[0], make_turn("assistant", answer), *TWO_TURNS[2:])
    is_kept_last = answer in (texts.render_turns(ONE_TURN[0], make_turn("assistant", answer)) or "")
    if earlier is not None and (is_lost(FIRST_THOUGHT, earlier) or (is_kept_last and answer not in earlier)):
        is_printed = FIRST_THOUGHT in earlier
        yield _make_finding(FindingCode.DROPS_HISTORY_REASONING, "an earlier answer", "content", is_printed)


def _make_finding(code: FindingCode, whose: str, field: str, is_printed: bool = False) -> StyleFinding:
    where = "between <think> and </think>" if field == "content" else f"in {field}"
    what = "is not printed unchanged" if is_printed else "is not printed"
    return StyleFinding(code, f"the thinking of {whose}, {where}, {what}", role="assistant", field=field)


def find_dropped_tools(texts: ProbeTexts) -> Iterator[StyleFinding]:
    """Yield findings on tool calls and tools that are not printed."""
    if texts.source is None:
        return
    call = texts.render_turns(*A_CALL)
    if call is not None and not ("water_herb" in call and "lovage" in call):
        yield StyleFinding(
            FindingCode.DROPS_TOOL_CALLS, "a tool call is not printed", role="assistant", field="tool_calls"
        )
    offered = texts.render([*texts.required_opening, *ONE_TURN[:1]], True, (TOOL,))
    if offered is not None and "water_herb" not in offered:
        yield StyleFinding(FindingCode.DROPS_TOOLS, "the tools that a conversation offers are not printed")
