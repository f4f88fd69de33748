"""A text that a chat template rendered, whose pieces say which message each character is from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import chain, pairwise
from typing import Any

from preftemplates.core.messages import Message
from preftemplates.core.paths import list_parts
from preftemplates.core.provenance import Piece, pieces_of
from preftemplates.core.spans import Change, Span, content_spans

_span = partial(tuple.__new__, Span)  # several times as fast as Span(...), which is called for every piece


@dataclass(frozen=True)
class OwnedText:
    """A text and the messages that it was rendered from.

    Attributes:
        text: traced; the origin of a piece is the index of a message and the path of the text in it: `2.content`.
        messages: the messages, in which texts may have pieces of their own: the cells of a row.
        stop: what ends an answer.
        opening, closing: so many characters at the start and at the end are the style's own.
        empty: where the contents stand that are empty and have no piece, by the index of their message.
        answers: where what an assistant writes begins, and its turn ends, by the index of a message that calls tools.
    """

    text: str
    messages: Sequence[Message]
    stop: str
    opening: int = 0
    closing: int = 0
    empty: Mapping[int, int] = field(default_factory=dict)
    answers: Mapping[int, tuple[int, int]] = field(default_factory=dict)

    @cached_property
    def originals(self) -> dict[str, str]:
        """Every text of the messages by its path."""
        return dict(chain.from_iterable(_texts(message, str(index)) for index, message in enumerate(self.messages)))

    @cached_property
    def spans(self) -> tuple[Span, ...]:
        """The spans that partition the text."""
        spans, at, filled = _scaffold(0, self.opening), self.opening, True
        for piece in self._pieces:
            start, end, origin, offset = piece
            index, path, message = self._owner(origin)
            if at < start:
                self._fill(spans, at, start, index)
            if message is None:
                spans.append(Span(start, end, "derived"))
            elif offset is None:
                spans.append(_span((start, end, "derived", message["role"], index, path, None)))
            elif type(message.get(path)) is str:
                spans.append(_span((start, end, "content", message["role"], index, path, None)))
            else:  # a text inside the message, or one that has pieces of its own: the cells of a row
                original = self.originals[str(origin)][offset : offset + end - start]
                spans += content_spans(start, original, message["role"], index or 0, path)
            at, filled = end, filled and start < end
        end = len(self.text) - self.closing
        self._fill(spans, at, end)
        spans += _scaffold(end, len(self.text))
        return tuple(spans if filled else _without_idle(spans))

    def _owner(self, origin: Any) -> tuple[int | None, str, Mapping[str, Any] | None]:
        """The message that a piece is from: its index, the path of the text in it, and itself."""
        index, path = _split(origin)
        return index, path, None if index is None else self.messages[index]

    @property
    def _pieces(self) -> Iterable[Piece]:
        if not self.empty:
            return pieces_of(self.text)
        placed = [Piece(at, at, f"{index}.content", 0) for index, at in self.empty.items()]
        return sorted([*pieces_of(self.text), *placed], key=lambda piece: piece.end)

    def _fill(self, spans: list[Span], start: int, end: int, following: int | None = None) -> None:
        """Add the style's own characters between two contents: a stop, if they follow an answer, and scaffold.

        What stands around the calls in a message that calls tools is that message's.
        """
        last = spans[-1] if spans else None
        if last is not None and last.message in self.answers:
            to = end if following == last.message else self._end(start, end, last)
            start = self._call(spans, last.message, start, to)
            last = spans[-1]
        begin = -1 if following is None else self.answers.get(following, (-1, -1))[0]
        if start <= begin < end:
            self._fill(spans, start, begin)
            self._call(spans, following, begin, end)
            return
        if last is not None and last.role == "assistant" and self.stop and self.text.startswith(self.stop, start, end):
            spans.append(_span((start, start + len(self.stop), "stop", "assistant", last.message, None, None)))
            start += len(self.stop)
        if start < end:
            spans.append(_span((start, end, "scaffold", None, None, None, None)))

    def _end(self, start: int, end: int, last: Span) -> int:
        """Where the text of a call ends that began before `start`: at the stop, or with its turn."""
        stop = self.text.find(self.stop, start, end) if self.stop else -1
        return stop if stop >= 0 else min(self.answers[last.message or 0][1], end)

    def _call(self, spans: list[Span], index: int | None, start: int, end: int) -> int:
        """Add what a layout writes around calls of tools; where it ends."""
        if start < end:
            spans.append(_span((start, end, "derived", "assistant", index, "tool_calls", None)))
        return max(start, end)

    @property
    def unplaced(self) -> list[int]:
        """The messages whose content is empty and has no piece."""
        empty = [index for index, message in enumerate(self.messages) if message.get("content") == ""]
        placed = {piece.origin for piece in pieces_of(self.text)} if empty else set()
        return [index for index in empty if f"{index}.content" not in placed]

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """What became of the messages' texts, as far as they are not printed once and whole."""
        exact: dict[str, list[tuple[int, int]]] = {}
        derived = set[str]()
        for piece in pieces_of(self.text):
            if piece.offset is None:
                derived.add(str(piece.origin))
            else:
                part = (piece.offset, piece.offset + piece.end - piece.start)
                exact.setdefault(str(piece.origin), []).append(part)
        return tuple(self._changes(exact, derived))

    def _changes(self, exact: Mapping[str, list[tuple[int, int]]], derived: set[str]) -> Iterator[Change]:
        for path, text in self.originals.items():
            index, field = _split(path)
            if index is None or field == "role" or field.endswith(".type"):  # what kind a thing is: no one's words
                continue
            for what in _became(text, sorted(exact.get(path, [])), any(_contains(origin, path) for origin in derived)):
                yield Change(index, self.messages[index]["role"], field, what)


def _split(path: str) -> tuple[int | None, str]:
    """The index of the message that a path begins with, and the path in it."""
    index, _, field = path.partition(".")
    if not index.isdecimal():  # a field in brackets follows the index, or there is none
        index = path[: len(path) - len(path.lstrip("0123456789"))]
        field = path[len(index) :]
    return (int(index) if index else None), field


def _became(text: str, parts: list[tuple[int, int]], derived: bool) -> Iterator[Any]:
    """What a text became of which these parts are printed, in order of their starts."""
    if derived:
        yield "rewritten"
    elif not parts and text.strip():
        yield "dropped"
    if not parts or not text:
        return
    if any(start < end for (_, end), (start, _) in pairwise(parts)):
        yield "repeated"
    gaps, at = "", 0
    for start, end in parts:
        gaps += text[at:start]
        at = max(at, end)
    if not derived and gaps + text[at:]:
        inner = text[: parts[0][0]].isspace() or parts[0][0] == 0
        outer = text[at:].isspace() or at >= len(text)
        whole = gaps == text[: parts[0][0]]
        yield "trimmed" if inner and outer and whole else "cut"


def _contains(origin: str, path: str) -> bool:
    """Whether a path is another, or leads into it."""
    return origin == "" or path == origin or (path.startswith(origin) and path[len(origin)] in ".[")


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """All texts inside, by path."""
    if isinstance(value, str):
        yield path, value
    for item, place in list_parts(value, path):
        yield from _texts(item, place)


def _scaffold(start: int, end: int) -> list[Span]:
    return [Span(start, end, "scaffold")] if start < end else []


def _without_idle(spans: list[Span]) -> list[Span]:
    """The spans without empty ones of a field that has others; one of a field that has none but empty ones stays."""
    filled = {(span.message, span.field) for span in spans if span.start < span.end}
    kept: list[Span] = []
    for span in spans:
        owner = (span.message, span.field)
        if span.start < span.end or owner not in filled:
            kept.append(span)
            filled.add(owner)
    return kept
