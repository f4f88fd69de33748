"""Findings on contents that are trimmed, rewritten, repeated or moved, and on values printed in Python's syntax."""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING

from preftemplates.errors import preview
from preftemplates.styles.lint.conversations import (
    A_CALL,
    A_RESULT,
    ANSWER,
    CONVERSATIONS,
    FIRST_THOUGHT,
    ONE_TURN,
    RESULT,
    SYSTEM,
    TOOL,
    USER,
    make_turn,
)
from preftemplates.styles.lint.findings import FindingCode, StyleFinding
from preftemplates.styles.lint.probes import ProbeTexts, is_lost, shorten, split_template_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from preftemplates.styles.layout import Layout

_WHITESPACE = "\n" * 4 + " " * 4, " " * 4 + "\n" * 4
"""More whitespace of a kind than a style itself writes, so that the two cannot be confused."""

_ADDRESS = re.compile(r"<[^<>\n]* at 0x[0-9a-f]{4,}[^<>\n]*>")
_PYTHON_MAPPING = re.compile(r"\{'(?:type|name|function|herb|id)': ")
_PYTHON_PARTS = re.compile(r"\[\{'(?:type|text)': ")
_MISSING_TOKEN = re.compile(r"'((?:bos|eos)_token)' is undefined")


# --- values --------------------------------------------------------------------------------------------------------


def supply_missing_tokens(layout: Layout) -> tuple[ProbeTexts, list[StyleFinding]]:
    """Return the texts of a layout, with made-up values for special tokens that its template prints but does not have.

    The findings name the made-up tokens.
    """
    texts, findings = ProbeTexts(layout), list[StyleFinding]()
    for _ in ("bos_token", "eos_token"):
        reason = texts.get_error(ONE_TURN) if texts.one_turn is None else ""
        missing = _MISSING_TOKEN.search(reason)
        if layout.source is None or missing is None:
            break
        token = missing[1]
        findings.append(
            StyleFinding(
                FindingCode.PRINTS_UNDEFINED,
                f"{token} is printed, but the style has none; the other findings are for a made-up one",
                split_template_line(reason)[1],
                field=token,
            )
        )
        layout = layout.with_token(token, f"<{token}>")
        texts = ProbeTexts(layout)
    return texts, findings


def find_python_values(texts: ProbeTexts) -> Iterator[StyleFinding]:
    """Yield findings on values that are printed in Python's syntax."""
    if texts.source is None:
        return
    offered = texts.render([*texts.required_opening, *ONE_TURN[:1]], True, (TOOL,))
    call, result = texts.render_turns(*A_CALL), texts.render_turns(*A_RESULT)
    printed = [text for text in (offered, call, result, texts.one_turn) if text is not None]
    finding = next(filter(None, map(_find_python_value, printed)), None)
    if finding is not None:
        yield finding
    elif "None" not in texts.source:
        none = next((text for text in printed if re.search(r"\bNone\b", text)), None)
        if none is not None:
            at = none.index("None")
            yield StyleFinding(
                FindingCode.PRINTS_REPR, f"None is printed: {shorten(none[max(0, at - 20) : at + 4], 40)}"
            )
    parts = texts.render(CONVERSATIONS["typed parts"].messages)
    if parts is not None and _PYTHON_PARTS.search(parts):
        yield StyleFinding(
            FindingCode.PRINTS_PARTS,
            f"typed parts of a content are printed as {shorten(parts[parts.index('[{') :], 40)}",
            field="content",
        )


def _find_python_value(text: str) -> StyleFinding | None:
    match = _ADDRESS.search(text) or _PYTHON_MAPPING.search(text)
    if match is None:
        return None
    return StyleFinding(
        FindingCode.PRINTS_REPR,
        f"a value is printed in Python's syntax: {shorten(text[match.start() :], 40)}",
        field=None if _ADDRESS.search(text) else "tools" if "Waters" in text else "tool_calls",
    )


# --- contents ------------------------------------------------------------------------------------------------------


def find_rewritten_reasoning(texts: ProbeTexts) -> Iterator[StyleFinding]:
    """Yield a finding if the thinking of the last answer is printed in other tags or whitespace."""
    changed = texts.changed_thinking
    if changed is not None and not is_lost(FIRST_THOUGHT, changed[1]):
        yield StyleFinding(
            FindingCode.REWRITES_REASONING,
            f"in the thinking of the last answer, {_describe_change(*changed)}",
            role="assistant",
            field="content",
        )


def find_trimmed_contents(texts: ProbeTexts) -> Iterator[StyleFinding]:
    """Yield a finding for each role whose contents lose whitespace at an end."""
    for role, losses in _find_lost_whitespace(texts).items():
        ends = [end for end, is_trimmed in zip(("start", "end"), losses, strict=True) if is_trimmed]
        if ends:
            place = "both ends" if len(ends) == 2 else f"the {ends[0]}"
            whose = "an answer" if role == "assistant" else f"a content of the role {role}"
            yield StyleFinding(
                FindingCode.TRIMS_CONTENT,
                f"whitespace at {place} of {whose} is not printed",
                role=role,
                field="content",
            )


def _find_lost_whitespace(texts: ProbeTexts) -> dict[str, tuple[bool, bool]]:
    """Return per role whether the whitespace before and after a content is lost."""
    messages = texts.longest_conversation
    losses: dict[str, tuple[bool, bool]] = {}
    for before, after in (_WHITESPACE, _WHITESPACE[::-1]):
        text = texts.render(
            [make_turn(message["role"], f"{before}{message['content']}{after}") for message in messages]
        )
        for message in messages:
            role, content = message["role"], str(message["content"])
            if text is not None and content in text:
                at_start, at_end = losses.get(role, (False, False))
                losses[role] = at_start or before + content not in text, at_end or content + after not in text
    return losses


def find_rewritten_contents(texts: ProbeTexts) -> Iterator[StyleFinding]:
    """Yield a finding for each role whose contents are printed in part or with other characters."""
    for role, (content, text) in texts.rewritten_contents.items():
        whose = "an answer" if role == "assistant" else f"a content of the role {role}"
        message = f"in {whose}, {_describe_change(content, text)}"
        yield StyleFinding(FindingCode.REWRITES_CONTENT, message, role=role, field="content")


def _describe_change(content: str, text: str) -> str:
    """Describe where a content and its printed form differ."""
    # the printed beginning of the content can be found by bisection: each shorter one is printed as well
    same = bisect_left(range(len(content)), True, key=lambda size: content[: size + 1] not in text)
    if same < 3:
        return f"{shorten(content)} is printed with other characters"
    begin = max(0, same - 8)
    return f"{shorten(content[begin:])} becomes {shorten(text[text.index(content[:same]) + begin :])}"


def find_misplaced_contents(texts: ProbeTexts) -> Iterator[StyleFinding]:
    """Yield findings on contents that are printed twice or out of order."""
    messages = texts.longest_conversation
    text = texts.render(messages)
    if text is None:
        return
    for message in messages:
        count = text.count(str(message["content"]))
        if count > 1:
            yield StyleFinding(
                FindingCode.REPEATS_CONTENT,
                f"{preview(message['content'])} is printed {count} times",
                role=message["role"],
                field="content",
            )
    places = [text.index(str(message["content"])) for message in messages if str(message["content"]) in text]
    if places != sorted(places):
        late = next(i for i, (a, b) in enumerate(zip(places, sorted(places), strict=True)) if a != b)
        yield StyleFinding(
            FindingCode.REORDERS_CONTENT,
            f"{preview(messages[late]['content'])} is not printed in the order of the messages",
            role=messages[late]["role"],
            field="content",
        )


# --- turns ---------------------------------------------------------------------------------------------------------


def find_merged_roles(texts: ProbeTexts) -> Iterator[StyleFinding]:
    """Yield findings on turns that cannot be distinguished from part of another role's turn."""
    yield from _find_merged_system(texts)
    if texts.source is None:
        return
    developer = texts.render(CONVERSATIONS["a developer's message"].messages)
    if developer is not None and developer == texts.with_system and SYSTEM in developer:
        yield StyleFinding(
            FindingCode.MERGES_ROLES, "the role developer is printed like the role system", role="developer"
        )
    result = texts.render_turns(*A_RESULT, make_turn("assistant", ANSWER))
    as_user = texts.render_turns(*A_CALL, make_turn("user", RESULT), make_turn("assistant", ANSWER))
    if result is not None and result == as_user and RESULT in result:
        yield StyleFinding(FindingCode.MERGES_ROLES, "a tool's result is printed like a user's turn", role="tool")


def _find_merged_system(texts: ProbeTexts) -> Iterator[StyleFinding]:
    text = texts.with_system
    if text is None or SYSTEM not in text or USER not in text.partition(SYSTEM)[2]:
        return
    between = text.partition(SYSTEM)[2].partition(USER)[0]
    if texts.render([make_turn("user", f"{SYSTEM}{between}{USER}"), ONE_TURN[1]]) == text:
        yield StyleFinding(
            FindingCode.MERGES_ROLES,
            "the system message and the user's are printed as one turn, with"
            f" {shorten(between) if between else 'nothing'} between them",
            role="system",
        )
