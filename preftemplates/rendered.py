"""Rendered text: who owns each of its characters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from preftemplates.errors import SpanError
from preftemplates.provenance import pieces_of

Kind = Literal["content", "derived", "stop", "scaffold"]
"""content: a message's own characters; derived: made from them; stop: what ends a turn; scaffold: the style's rest."""


class Span(NamedTuple):
    """Characters `start` up to `end` of a text, in code points, half-open.

    `message` is the index of the message and `field` the message's field; `source` is the path of the cell in the row
    and the offset in that cell's text. What does not apply is None.
    """

    start: int
    end: int
    kind: Kind
    role: str | None = None
    message: int | None = None
    field: str | None = None
    source: tuple[str, int] | None = None


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

    @cached_property
    def spans(self) -> tuple[Span, ...]:
        """The spans in order. They partition the text; a content span may be empty, the others are not."""
        return self.find_spans()

    def mask(self, *kinds: Kind, role: str | None = None) -> list[bool]:
        """One bool a character: True in the spans of these kinds, and of this role if one is given.

        Raises:
            SpanError: no span is of these kinds and this role, so the question has no answer.
        """
        picked = [span for span in self.spans if span.kind in kinds and role in (None, span.role)]
        if not picked:
            raise SpanError(
                f"no span of kind {' or '.join(kinds) or '(none given)'}" + (f" and role {role}" if role else "")
            )
        mask = [False] * len(self.text)
        for span in picked:
            mask[span.start : span.end] = [True] * (span.end - span.start)
        return mask

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
        kind: Kind = "content" if piece.offset is not None else "derived"
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
