"""Rendered text: who owns each of its characters."""

from __future__ import annotations

from collections.abc import Callable  # noqa: TC003  a public dataclass has it in its fields' types
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from preftemplates.core.paths import split_path
from preftemplates.core.provenance import pieces_of
from preftemplates.errors import SpanError

SpanKind = Literal["content", "derived", "stop", "scaffold"]
"""content: a message's own characters; derived: made from them; stop: what ends a turn; scaffold: the style's rest."""


class Span(NamedTuple):
    """Characters `start` up to `end` of a text, in code points, half-open.

    `message` is the index of the message and `field` the path of the text in it; `source` is the path of the text in
    the row, such as `chosen[1].content` or `["better.id"]`, and the offset in that text. What does not apply is None.
    """

    start: int
    end: int
    kind: SpanKind
    role: str | None = None
    message: int | None = None
    field: str | None = None
    source: tuple[str, int] | None = None


class Change(NamedTuple):
    """What a style did to a text of a message beside printing it once and whole.

    `message` is the index of the message, `role` its role, and `field` the path of the text in it, such as `content`
    or `tool_calls[0].function.name`. `what` is one of:

    dropped: nothing of it is printed.
    trimmed: blanks at its ends are not printed.
    cut: other parts of it are not printed.
    rewritten: it is printed in other characters, or as a part of something such as JSON.
    repeated: a part of it is printed more than once.
    """

    message: int
    role: str
    field: str
    what: Literal["dropped", "trimmed", "cut", "rewritten", "repeated"]


def _no_changes() -> tuple[Change, ...]:
    return ()


def _no_stops() -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, eq=False)
class Rendered:
    r"""A text, and on demand the spans that partition it.

    Example:
        >>> from preftemplates import get_style
        >>> rendered = get_style("chatml").render([{"role": "assistant", "content": "Hi"}])
        >>> rendered.text
        '<|im_start|>assistant\nHi<|im_end|>\n'
        >>> [(rendered.text[s.start : s.end], s.kind) for s in rendered.spans]
        [('<|im_start|>assistant\n', 'scaffold'), ('Hi', 'content'), ('<|im_end|>', 'stop'), ('\n', 'scaffold')]
    """

    text: str
    find_spans: Callable[[], tuple[Span, ...]]
    """Finds the spans; called once, when they are asked for."""
    find_changes: Callable[[], tuple[Change, ...]] = _no_changes
    """Finds what the style did to the messages; likewise."""
    find_stops: Callable[[], tuple[str, ...]] = _no_stops
    """Finds the texts that end an assistant's turn somewhere in the style; none where nothing ever does."""

    @cached_property
    def spans(self) -> tuple[Span, ...]:
        """The spans in order. They partition the text; a content span may be empty, the others are not."""
        return self.find_spans()

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """What the style dropped, trimmed, cut, rewrote or repeated, in the order of the messages.

        Example:
            >>> from preftemplates import Style
            >>> trimming = Style.from_chat_template("{% for m in messages %}{{ m.content | trim }}{% endfor %}")
            >>> trimming.render([{"role": "user", "content": " Hi"}]).changes
            (Change(message=0, role='user', field='content', what='trimmed'),)
        """
        return self.find_changes()

    def mask(self, *kinds: SpanKind, role: str | None = None, strict: bool = False) -> list[bool]:
        """One bool a character: True in the spans of these kinds, and of this role if one is given.

        Args:
            kinds: the kinds of spans.
            role: the role whose spans they are; None for all.
            strict: whether to raise an error where `stop` is asked for and the style never ends a turn of this role.

        Raises:
            SpanError: the question has no answer. No span is of these kinds and this role; the content of this role is
                asked for, and that of one of its messages is not in the text as it was written; or the stop is asked
                for, and the style ends some turns of this role but not all of this text.
        """
        spans = [span for span in self.spans if span.kind in kinds and role in (None, span.role)]
        if not spans:
            raise SpanError(
                f"no span of kind {' or '.join(kinds) or '(none given)'}" + (f" and role {role}" if role else "")
            )
        if role is not None and "content" in kinds:
            if "derived" not in kinds:
                self._refuse_torn_calls(role)
            self._refuse_lost_contents(role, {span.message for span in spans if span.kind != "stop"})
        if "stop" in kinds:
            self._check_stops(role, strict)
        mask = [False] * len(self.text)
        for span in spans:
            mask[span.start : span.end] = [True] * (span.end - span.start)
        return mask

    def _check_stops(self, role: str | None, strict: bool) -> None:
        """Refuse a mask that would teach an answer without its end, where others have one."""
        ended = {span.message for span in self.spans if span.kind == "stop" and role in (None, span.role)}
        stops = self.find_stops() if role in (None, "assistant") else ()
        if not stops and not ended:
            if strict:
                raise SpanError(f"the style never ends a turn of {role or 'any role'} with a token: ask for content")
            return
        answers = [span for span in self.spans if span.kind in ("content", "derived") and span.role == "assistant"]
        missing = next((span for span in answers if span.message not in ended), None)
        if missing is None:
            return
        is_last = missing.message == max(span.message for span in self.spans if span.message is not None)
        remedy = f", or write it with Style.with_special_tokens(after={stops[0]!r})" if stops and is_last else ""
        written = f" ({', '.join(map(repr, stops))})" if stops else ""
        raise SpanError(
            f"message {missing.message} (assistant) has no end-of-turn token, which the style writes after other"
            f" answers{written}: ask for the content alone{remedy}"
        )

    def _refuse_torn_calls(self, role: str) -> None:
        """Refuse a mask that would hold the names in a call of a tool, and nothing of what makes it a call."""
        for span in self.spans:
            if span.kind == "derived" and span.role == role and split_path(span.field or "")[0] == "tool_calls":
                raise SpanError(f"message {span.message} ({role}) calls tools, whose text is derived: ask for it too")

    def _refuse_lost_contents(self, role: str, messages: set[int | None]) -> None:
        """Refuse a mask that would leave a whole message out."""
        for change in self.changes:
            lost = split_path(change.field)[0] == "content" and change.what in ("dropped", "rewritten")
            if lost and change.role == role and change.message not in messages:
                raise SpanError(f"the style has {change.what} the {change.field} of message {change.message} ({role})")

    def __eq__(self, other: object) -> bool:
        return (self.text, self.spans) == (other.text, other.spans) if isinstance(other, Rendered) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.text)

    def __str__(self) -> str:
        return self.text


def content_spans(start: int, text: str, role: str | None, message: int, field: str) -> list[Span]:
    """The spans of a message's text that begins at `start`: one a piece, and those between without a source."""
    spans: list[Span] = []
    at = 0
    for piece in pieces_of(text):
        if at < piece.start:
            spans.append(Span(start + at, start + piece.start, "content", role, message, field))
        kind: SpanKind = "content" if piece.offset is not None else "derived"
        source = None if piece.offset is None else (str(piece.origin), piece.offset)
        if piece.start < piece.end:
            spans.append(Span(start + piece.start, start + piece.end, kind, role, message, field, source))
        at = piece.end
    if at < len(text):
        spans.append(Span(start + at, start + len(text), "content", role, message, field))
    if not spans:
        first = next(iter(pieces_of(text)), None)
        source = None if first is None or first.offset is None else (str(first.origin), first.offset)
        spans.append(Span(start, start, "content", role, message, field, source))
    return spans
