"""What becomes of the real chat templates: each is rendered by us and by transformers, and the spans are judged."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from real_templates import (
    ANSWERS,
    CONVERSATIONS,
    MOST,
    TOKENS,
    WEATHER,
    Judged,
    Where,
    assistant,
    judged,
    marked_by_generation,
    texts_in,
    transformers_render,
    with_mark,
)

from preftemplates import Rendered, Span, Style
from preftemplates.errors import PrefTemplatesError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RENDERS = "renders"
SPANS = "spans of answers"
OTHERS = "spans of other texts"
MARKS = "generation marks"
REBUILT = "in parts: the template writes the tags of thinking itself"


@dataclass
class Survey:
    """Counts by group and outcome, and the templates of each outcome, with an example.

    Attributes:
        counts: how often a group had an outcome.
        names: the templates that had it, each with the first case of it.
    """

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    names: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)

    def add(self, group: str, outcome: str, name: str, case: str) -> None:
        """Count one outcome."""
        self.counts.setdefault(group, Counter())[outcome] += 1
        self.names.setdefault((group, outcome), {}).setdefault(name, case)

    def templates(self, group: str, outcome: str) -> dict[str, str]:
        """The templates that had an outcome, each with its first case."""
        return self.names.get((group, outcome), {})


def survey(templates: dict[str, str]) -> Survey:
    """Templates by name, each with all conversations."""
    found = Survey()
    for name, source in templates.items():
        style = Style.from_chat_template(source, **TOKENS)
        for case, messages in CONVERSATIONS.items():
            renders(found, name, case, source, style, messages)
            answers = {len(messages) - 1} if messages[-1]["role"] == "assistant" else set()
            for path, _ in texts_in(messages):
                if path not in {(index, "content") for index in answers}:
                    other_spans(found, name, case, source, style, messages, path)
            marks(found, name, case, source, style, messages)
        with_tools = Style.from_chat_template(source, **TOKENS, tools=[WEATHER])
        renders(
            found, name, "a tool call, with tools", source, with_tools, CONVERSATIONS["a tool call"], tools=[WEATHER]
        )
        for case in ("one turn", "two turns"):
            for answer in ANSWERS:
                messages = [*CONVERSATIONS[case][:-1], assistant(answer)]
                answer_spans(found, name, f"{case}, {answer!r}", source, style, messages)
    return found


RENDERED: dict[tuple[Style, str, bool], Rendered | PrefTemplatesError] = {}
"""What was rendered last: the same texts are asked for by each group."""


def rendered(style: Style, messages: Sequence[Any], generate: bool = False) -> Rendered | PrefTemplatesError:
    """Our render, or why there is none."""
    key = (style, repr(messages), generate)
    if key not in RENDERED:
        if len(RENDERED) > MOST:
            RENDERED.clear()
        try:
            RENDERED[key] = style.render(messages, add_generation_prompt=generate)
        except PrefTemplatesError as error:
            RENDERED[key] = error
    return RENDERED[key]


def renders(
    found: Survey, name: str, case: str, source: str, style: Style, messages: Sequence[Any], **more: Any
) -> None:
    """Compare the texts, with a generation prompt and without."""
    for generate in (False, True):
        ours = rendered(style, messages, generate)
        wanted = transformers_render(source, messages, generate, **more)
        if not isinstance(ours, Rendered):
            reason = str(ours) if wanted is not None else ""
            found.add(
                RENDERS,
                "both raise an error" if wanted is None else "only this library raises an error",
                name,
                f"{case}: {reason}",
            )
        elif wanted is None:
            found.add(RENDERS, "only transformers raises an error", name, case)
        else:
            found.add(RENDERS, "equal" if ours.text == wanted else "differ", name, case)
            at = [0, *(span.end for span in ours.spans)]
            if [span.start for span in ours.spans] != at[:-1] or at[-1] != len(ours.text):
                found.add(RENDERS, "no partition", name, case)


def answer_spans(found: Survey, name: str, case: str, source: str, style: Style, messages: Sequence[Any]) -> None:
    """Compare the place of the last answer with where transformers puts a mark."""
    ours = rendered(style, messages)
    if not isinstance(ours, Rendered):
        return
    path = (len(messages) - 1, "content")
    judge = judged(source, messages, path)
    if judge is None:
        found.add(SPANS, why_not_judged(source, messages, path), name, case)
        return
    found.add(SPANS, "exact" if places(ours.spans, path) == judge.places else "wrong", name, case)


def why_not_judged(source: str, messages: Sequence[Any], path: Where) -> str:
    """Why a mark does not tell where an answer stands."""
    frame = with_mark(source, messages, path)
    return "not printed" if frame is None else "the layout changes with the answer"


def other_spans(
    found: Survey, name: str, case: str, source: str, style: Style, messages: Sequence[Any], path: Where
) -> None:
    """Compare the place of another text likewise; as a part of JSON it is derived."""
    ours, judge = rendered(style, messages), judged(source, messages, path)
    if isinstance(ours, Rendered) and judge is not None:
        found.add(OTHERS, of_other(ours.spans, judge, path), name, f"{case}, {path}")


def of_other(spans: Sequence[Span], judge: Judged, path: Where) -> str:
    """How the spans agree with the judge."""
    own = places(spans, path)
    if own == judge.places:
        return "exact"
    derived = [span for span in spans if span.kind == "derived" and span.message in (None, path[0])]
    if all(any(span.start <= start and end <= span.end for span in derived) for start, end in judge.places):
        return "derived: a part of JSON or of a Python value"
    within = own and all(any(start <= one and other <= end for start, end in judge.places) for one, other in own)
    return REBUILT if within and "<think>" in judge.printed else "wrong"


def places(spans: Sequence[Span], path: Where) -> tuple[tuple[int, int], ...]:
    """Where a text of the messages stands by our spans; neighbours are one place."""
    index, *steps = path
    name = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)[1:]
    found: list[tuple[int, int]] = []
    for span in spans:
        if (span.message, span.field, span.kind) == (index, name, "content"):
            start = found.pop()[0] if found and found[-1][1] == span.start else span.start
            found.append((start, span.end))
    return tuple(found)


def marks(found: Survey, name: str, case: str, source: str, style: Style, messages: Sequence[Any]) -> None:
    """Compare what follows the prompt, through the stop, with what the template marks as generated."""
    if messages[-1]["role"] != "assistant":
        return
    marked = marked_by_generation(source, messages)
    whole, prompt = rendered(style, messages), rendered(style, messages[:-1], generate=True)
    if marked is None or not isinstance(whole, Rendered) or not isinstance(prompt, Rendered):
        return
    text, region = whole.text, training_region(whole, prompt, len(messages) - 1)
    found.add(MARKS, "equal" if marked == region else why_marks_differ(text, marked, region), name, case)


def training_region(whole: Rendered, prompt: Rendered, index: int) -> tuple[int, int] | None:
    """What follows the prompt, through the stop; None where the text does not begin with the prompt."""
    if not whole.text.startswith(prompt.text):
        return None
    own = [span.end for span in whole.spans if span.message == index]
    return len(prompt.text), max([len(prompt.text), *own])


def why_marks_differ(text: str, marked: tuple[int, int] | None, region: tuple[int, int] | None) -> str:
    """In one sentence, or several."""
    if region is None:
        return "the text does not begin with the prompt"
    if region[0] == region[1]:
        return "the template does not print the answer"
    if marked is None:
        return "nothing is marked"
    return ", and ".join(_differences(text, marked, region))


def _differences(text: str, marked: tuple[int, int], region: tuple[int, int]) -> Iterator[str]:
    (start, end), (begin, stop) = marked, region
    if start != begin:
        early = "the marks begin with the role's header"
        yield early if start < begin else "the marks leave out the start of the answer"
    if end > stop:
        behind = text[stop:end]
        yield (
            "the marks include the whitespace after the end-of-turn token"
            if behind.isspace()
            else f"the marks include {behind!r} too"
        )
    if end < stop:
        yield "the marks leave out the end-of-turn token"
