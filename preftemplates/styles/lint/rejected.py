"""Findings on errors: rejected conversations, roles and tool calls, and templates that exceed their limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from preftemplates.styles.lint.conversations import (
    A_CALL,
    A_RESULT,
    ANSWER,
    CALL,
    ONE_TURN,
    SYSTEM,
    TWO_TURNS,
    make_turn,
)
from preftemplates.styles.lint.findings import FindingCode, StyleFinding
from preftemplates.styles.lint.probes import ProbeTexts, split_template_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from preftemplates.core.messages import Message

_CALL_WITH_JSON = {**CALL, "function": {"name": "water_herb", "arguments": '{"herb": "lovage", "cups": 3}'}}
"""A tool call in the spelling of OpenAI's API."""


def find_rejections(texts: ProbeTexts) -> Iterator[StyleFinding]:
    """Yield findings on conversations that raise an error, with the template's reasons."""
    return (finding for finding in _find_rejections(texts) if not texts.exhausted)


def _find_rejections(texts: ProbeTexts) -> Iterator[StyleFinding]:
    if texts.one_turn is None:
        what = "a question with its answer is rejected"
        yield _make_finding(texts, ONE_TURN, FindingCode.REFUSES_CONVERSATION, what)
        return
    if texts.required_opening:
        what = "a question without a system message is rejected"
        yield _make_finding(texts, ONE_TURN, FindingCode.REFUSES_CONVERSATION, what)
    if texts.two_turns is None:
        messages = [*texts.required_opening, *TWO_TURNS]
        what = "two questions with their answers are rejected"
        yield _make_finding(texts, messages, FindingCode.REFUSES_CONVERSATION, what)
    if texts.source is not None:  # fragments declare their roles
        yield from _find_rejected_roles(texts, texts.layout.roles)


def _find_rejected_roles(texts: ProbeTexts, roles: tuple[str, ...]) -> Iterator[StyleFinding]:
    for role in ("system", "developer"):
        messages = [make_turn(role, SYSTEM), *ONE_TURN]
        if role in roles and texts.render(messages) is None:
            yield _make_finding(texts, messages, FindingCode.REFUSES_ROLE, f"the role {role} is rejected", role=role)
    if "tool" not in roles:  # a layout without tool results has no calls either
        return
    if texts.render_turns(*A_CALL) is None:
        what = "a tool call is rejected"
        if texts.render_turns(A_CALL[0], make_turn("assistant", "", tool_calls=[_CALL_WITH_JSON])) is not None:
            what = "a tool call is rejected unless its arguments are JSON text"
        messages = [*texts.required_opening, *A_CALL]
        yield _make_finding(texts, messages, FindingCode.REFUSES_TOOL_CALLS, what, role="assistant")
        return
    messages = [*texts.required_opening, *A_RESULT, make_turn("assistant", ANSWER)]
    if texts.render(messages) is None:
        yield _make_finding(texts, messages, FindingCode.REFUSES_ROLE, "the role tool is rejected", role="tool")


def _make_finding(
    texts: ProbeTexts, messages: Iterable[Message], code: FindingCode, what: str, role: str | None = None
) -> StyleFinding:
    reason = texts.get_error(messages)
    if "not defined" in reason and "prints a value" in reason:
        code = FindingCode.PRINTS_UNDEFINED
    reason, line = split_template_line(reason)
    reason = reason.removeprefix("the style's chat template raised: ").strip()
    return StyleFinding(code, f"{what}: {reason}", line, role)


def find_exceeded_limits(texts: ProbeTexts) -> Iterator[StyleFinding]:
    """Yield a finding if the conversations exceeded the limits, so that the remaining ones were not rendered."""
    if texts.exhausted:
        reason, line = split_template_line(texts.exhausted)
        yield StyleFinding(
            FindingCode.OVER_LIMIT, f"the remaining conversations were not checked: {reason.strip()}", line
        )
