"""Findings on the prompt and the answer: generation prompts, end-of-turn tokens, answers with the same text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from preftemplates.errors import preview
from preftemplates.styles.lint.conversations import ANSWER, ANSWER_2, ONE_TURN, TWO_TURNS, USER_2, make_turn
from preftemplates.styles.lint.findings import FindingCode, StyleFinding
from preftemplates.styles.lint.probes import LONG_TEXT, ProbeTexts, shorten, shorten_difference

if TYPE_CHECKING:
    from collections.abc import Iterator


def find_unstable_prefix(texts: ProbeTexts) -> Iterator[StyleFinding]:
    """Yield a finding if the text of a prompt does not begin the text of the prompt with its answer."""
    for messages in (ONE_TURN, TWO_TURNS):
        prompt, whole = texts.render_turns(*messages[:-1], generate=True), texts.render_turns(*messages)
        if prompt is None or whole is None or whole.startswith(prompt):
            continue
        at = next((i for i, (a, b) in enumerate(zip(prompt, whole, strict=False)) if a != b), len(whole))
        turns = "the prompt" if messages is ONE_TURN else "the prompt of a second turn"
        yield StyleFinding(
            FindingCode.PREFIX_UNSTABLE,
            f"{turns} continues with {shorten(prompt[at:])}, but with {shorten(whole[at:])} if its answer follows",
        )
        return


def find_missing_generation_prompt(texts: ProbeTexts) -> Iterator[StyleFinding]:
    """Yield a finding if a prompt ends before the assistant's turn begins."""
    prompt, closed = (texts.render_turns(ONE_TURN[0], generate=generate) for generate in (True, False))
    whole = texts.one_turn
    if prompt is None or prompt != closed or whole is None or not whole.startswith(prompt):
        return
    between, _, answer = whole[len(prompt) :].partition(ANSWER)
    if answer and between.strip():
        yield StyleFinding(
            FindingCode.NO_GENERATION_PROMPT,
            f"a prompt is the same with and without a generation prompt, and {shorten(between)} comes before its"
            " answer",
        )


def find_stop_faults(texts: ProbeTexts) -> Iterator[StyleFinding]:
    """Yield a finding if nothing ends the last answer, or if an earlier answer ends differently."""
    if texts.one_turn is None or ANSWER not in texts.one_turn:
        return
    stop, two_turns = texts.layout.stop, texts.two_turns
    if not stop:
        yield StyleFinding(FindingCode.NO_STOP, "only whitespace follows the last answer")
    elif two_turns is not None and ANSWER in two_turns and USER_2 in two_turns.partition(ANSWER)[2]:
        between = two_turns.partition(ANSWER)[2].partition(USER_2)[0]
        if not between.startswith(stop):
            middle, last = shorten_difference(between, stop)
            yield StyleFinding(
                FindingCode.UNEVEN_STOP, f"{middle} follows an answer in the middle, but {last} follows the last one"
            )


def find_same_text(texts: ProbeTexts) -> Iterator[StyleFinding]:
    """Yield a finding if two different answers give the same text."""
    if "assistant" not in texts.rewritten_contents and texts.one_turn is not None and ANSWER in texts.one_turn:
        return
    pairs = (("Yes.", "YES."), (LONG_TEXT + "1", LONG_TEXT + "2"), (ANSWER, ANSWER_2), ("<b>", "&lt;b&gt;"))
    for answers in pairs:
        first, second = [texts.render_turns(ONE_TURN[0], make_turn("assistant", answer)) for answer in answers]
        if first is not None and first == second:
            ends = " and ".join(preview(answer[-30:]) for answer in answers)
            yield StyleFinding(FindingCode.SAME_TEXT, f"the answers {ends} give the same text", role="assistant")
            return
