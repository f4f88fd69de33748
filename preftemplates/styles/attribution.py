"""Attribution: the message and field that each character of a rendered chat template comes from."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from preftemplates.core.paths import ends_in_key, extend_path, leads_into, list_parts, split_path
from preftemplates.core.provenance import Piece, Traced, concat, pieces_of, plain, plain_data, trace_fully
from preftemplates.core.spans import Change, Span, content_spans
from preftemplates.errors import RowError, StyleContractError, StyleLimitError, preview
from preftemplates.sandbox.budget import limit_total_seconds
from preftemplates.sandbox.limits import Limits
from preftemplates.styles.environment import REFUSES_IDENTITY, FixedMoment
from preftemplates.styles.layout import PROBE_TEXT, Layout
from preftemplates.styles.stops import CALL_STOP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from preftemplates.core.messages import Message

_span = partial(tuple.__new__, Span)  # several times as fast as Span(...), which is called for every piece


class TracedLayout(Layout, Protocol):
    """A layout that keeps the provenance of traced messages in its text."""

    def render_source(self, messages: Any, add_generation_prompt: bool) -> str:
        """Return the text without opening and closing."""


class TracedRender(NamedTuple):
    """The text of traced messages, and the messages that it was rendered from."""

    messages: list[dict[str, Any]]
    rendered: str


def render_traced(
    layout: TracedLayout, messages: Sequence[Message], add_generation_prompt: bool
) -> TracedRender | None:
    """Return the text of traced messages; None if the untraced messages might give another text.

    This is the case if the template compares objects by identity, or fails: traced texts use more of its limits.
    """
    # traced messages are new objects, so the test `sameas` could give another result than for the caller's own
    token = REFUSES_IDENTITY.set(True)
    try:
        traced = trace_messages(messages)
        return TracedRender(traced, layout.render_source(traced, add_generation_prompt))
    except Exception:  # noqa: BLE001  a template may raise anything, which the next render raises again
        return None
    finally:
        REFUSES_IDENTITY.reset(token)


@dataclass(frozen=True)
class ChatTrace:
    """The spans and changes of a text, found on demand by rendering traced messages.

    Attributes:
        layout: the layout.
        messages: the messages.
        add_generation_prompt: whether the text ends with a generation prompt.
        text: the text that the layout wrote.
        moment: the time at which the text was written; a second render gets the same time.
        traced: the traced render that gave the text; None if the messages must be rendered again.
    """

    layout: TracedLayout
    messages: Sequence[Message]
    add_generation_prompt: bool
    text: str
    moment: datetime
    traced: TracedRender | None = None

    def spans(self) -> tuple[Span, ...]:
        """Return the spans that partition the text."""
        return self._attributed.spans

    def changes(self) -> tuple[Change, ...]:
        """Return what the template did to the messages."""
        return self._attributed.changes

    def stops(self) -> tuple[str, ...]:
        """Return the texts that end an answer in the layout."""
        with FixedMoment(self.moment):
            return self.layout.stops

    @cached_property
    def _attributed(self) -> AttributedText:
        """The text with its provenance; an unprinted empty content is placed where it would be printed."""
        with FixedMoment(self.moment), limit_total_seconds((self.layout.limits or Limits()).seconds):
            return self._attribute()

    def _attribute(self) -> AttributedText:
        opening, closing = self.layout.opening, "" if self.add_generation_prompt else self.layout.closing
        # a caller may have changed the messages since the first render
        if self.traced is not None and self.traced.messages == self.messages:
            rendered = self.traced.rendered
        else:
            rendered = self._render(trace_messages(self.messages))
        text = concat((opening, rendered, closing)) if opening or closing else rendered
        self._check_text(plain(text))
        answers = self._find_answers(text)
        attributed = AttributedText(
            text, self.messages, self.layout.stop, len(opening), len(closing), answers=answers, find_stops=self.stops
        )
        if not attributed.unplaced:
            return attributed
        places = self._find_places(attributed.unplaced, plain(rendered))
        return replace(attributed, empty={index: len(opening) + place for index, place in places.items()})

    def _check_text(self, text: str) -> None:
        """Raise an error if the traced text differs from the text that was written."""
        if text != self.text:
            pairs = enumerate(zip(text, self.text, strict=False))
            at = next((at for at, (a, b) in pairs if a != b), min(len(text), len(self.text)))
            before, after = (preview(each[max(0, at - 10) : at + 20]) for each in (self.text, text))
            raise StyleContractError(
                f"character {at}: the chat template wrote {before}, but when rendered again to find the spans it wrote"
                f" {after}; it must write the same text for the same messages"
            )

    def _find_answers(self, text: str) -> dict[int, tuple[int, int]]:
        """Return where messages that call tools begin, after the generation prompt, and where they end."""
        answers = dict[int, tuple[int, int]]()
        for index, message in enumerate(self.messages):
            if message.get("tool_calls") and message["role"] == "assistant":
                with suppress(RowError):
                    prompt = self.layout.text(self.messages[:index], add_generation_prompt=True)
                    # text around a call comes from no message, so rendering up to it finds its turn
                    whole = self.layout.text(self.messages[: index + 1], add_generation_prompt=False)
                    if text.startswith(prompt):
                        answers[index] = len(prompt), len(whole) if text.startswith(whole) else len(prompt)
        return answers

    def _find_places(self, indexes: Sequence[int], text: str) -> dict[int, int]:
        """Return where empty contents would be printed: the places of marks put into them, if nothing else changes."""
        places = self._find_marked_places(indexes, text)
        if places is None:  # one of the marks changes other text: try each alone
            separate = [self._find_marked_places([index], text) or {} for index in indexes] if len(indexes) > 1 else []
            places = {index: place for marked in separate for index, place in marked.items()}
        return places

    def _find_marked_places(self, indexes: Sequence[int], text: str) -> dict[int, int] | None:
        """Return the places of marks in `text`; None if the marks change any other text."""
        messages: list[Any] = list(self.messages)
        for index in indexes:
            messages[index] = {**messages[index], "content": PROBE_TEXT}
        try:
            rendered = self._render(trace_messages(messages))
        except StyleLimitError:  # a RowError too, but not a template that rejects the marks
            raise
        except RowError:
            return None
        origins = {extend_path(str(index), "content"): index for index in indexes}
        # a mark that is printed twice or in parts leaves text of its own in `rest`, so it has no place
        # cutting the marks out again must give the text back, else the template branches on an empty content
        rest, at, places = "", 0, dict[int, int]()
        for start, end, origin, offset in pieces_of(rendered):
            if (
                origin in origins
                and offset == 0
                and end - start == len(PROBE_TEXT)
                and origins[str(origin)] not in places
            ):
                rest, at = rest + rendered[at:start], end
                places[origins[str(origin)]] = len(rest)
        return places if rest + rendered[at:] == text else None

    def _render(self, messages: list[Any]) -> str:
        return self.layout.render_source(messages, self.add_generation_prompt)


def trace_messages(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return the messages with every text, number and key traced to its message and field; roles stay untraced."""
    return [_trace_message(message, index) for index, message in enumerate(messages)]


def _trace_message(message: Message, index: int) -> dict[str, Any]:
    """Return a message with everything except the role traced to its field."""
    content = message.get("content")
    # the usual message of a role and a text takes a shortcut
    if (type(content) is str or type(content) is Traced) and len(message) == 2:
        return {**message, "content": Traced.whole(content, f"{index}.content")}
    traced: dict[str, Any] = {}
    for key, value in message.items():
        # a role that is printed is part of the layout's own text, so it stays untraced
        if key == "role":
            traced[key] = value
        else:
            traced[key] = trace_fully(plain_data(value), extend_path(str(index), key))
    return traced


@dataclass(frozen=True)
class AttributedText:
    """A rendered text, and the messages that it was rendered from.

    Attributes:
        text: the traced text; the origin of a piece is the index of a message and the path of the text in it:
            `2.content`.
        messages: the messages; their texts may have pieces of their own, which lead to the values of a row.
        stop: the end-of-turn token of an answer.
        opening, closing: the number of characters at the start and end that the style adds around the template's text.
        empty: the places of empty contents without a piece, by the index of their message.
        answers: the start and end of the assistant's text, by the index of a message that calls tools.
        find_stops: returns all texts that end an answer; called if an answer does not end with `stop`.
    """

    text: str
    messages: Sequence[Message]
    stop: str
    opening: int = 0
    closing: int = 0
    empty: Mapping[int, int] = field(default_factory=dict)
    answers: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    find_stops: Callable[[], tuple[str, ...]] = tuple

    @cached_property
    def originals(self) -> dict[str, str]:
        """Every text of the messages by its path."""
        return dict(
            chain.from_iterable(_list_texts(message, str(index)) for index, message in enumerate(self.messages))
        )

    @cached_property
    def spans(self) -> tuple[Span, ...]:
        """The spans that partition the text."""
        # `filled`: no span is empty so far, which is usual and spares the search for empty ones
        spans, at, filled = _make_template_span(0, self.opening), self.opening, True
        for piece in self._pieces:
            start, end, origin, offset = piece
            index, path, message = self._find_message(origin)
            if at < start:
                self._add_template_text(spans, at, start, index)
            if message is None:
                spans.append(Span(start, end, "derived"))
            elif offset is None:
                spans.append(_span((start, end, "derived", message["role"], index, path, None)))
            elif path.isidentifier() and type(message.get(path)) is str:
                spans.append(_span((start, end, "content", message["role"], index, path, None)))
            else:  # text nested in the message or under a quoted key, or with pieces of its own: values of a row
                original = self.originals[str(origin)][offset : offset + end - start]
                spans += content_spans(start, original, message["role"], index or 0, path)
            at, filled = end, filled and start < end
        end = len(self.text) - self.closing
        self._add_template_text(spans, at, end)
        end += self._add_closing_stop(spans, end)
        spans += _make_template_span(end, len(self.text))
        return tuple(spans if filled else _drop_empty_spans(spans))

    def _find_message(self, origin: Any) -> tuple[int | None, str, Mapping[str, Any] | None]:
        """Return the message that a piece comes from: its index, the path of the text in it, and the message."""
        step, path = split_path(origin)
        if step is None:  # text that comes from several messages
            return None, path, None
        index = int(step)
        return index, path, self.messages[index]

    @property
    def _pieces(self) -> Iterable[Piece]:
        if not self.empty:
            return pieces_of(self.text)
        # sorted by end, so that an empty content comes before the piece that starts at its place
        placed = [Piece(at, at, extend_path(str(index), "content"), 0) for index, at in self.empty.items()]
        return sorted([*pieces_of(self.text), *placed], key=lambda piece: piece.end)

    def _add_template_text(self, spans: list[Span], start: int, end: int, following: int | None = None) -> None:
        """Add the style's characters between two contents: an end-of-turn token after an answer, and template text.

        Text around the calls of a message that calls tools belongs to that message.
        """
        if self.answers:
            start = self._add_end_of_call(spans, start, end, following)
            begin = -1 if following is None else self.answers.get(following, (-1, -1))[0]
            if start <= begin < end:
                self._add_template_text(spans, start, begin)
                self._add_call(spans, following, begin, end)
                return
        last = spans[-1] if spans else None
        if last is not None and last.role == "assistant" and last.kind != "stop" and last.message != following:
            stop = self._find_stop(start, end)
            if stop:
                spans.append(_span((start, start + len(stop), "stop", "assistant", last.message, None, None)))
                start += len(stop)
        if start < end:
            spans.append(_span((start, end, "scaffold", None, None, None, None)))

    def _add_end_of_call(self, spans: list[Span], start: int, end: int, following: int | None) -> int:
        """Add the text that the last span's message writes after its calls; return where it ends."""
        last = spans[-1] if spans else None
        if last is None or last.message not in self.answers:
            return start
        to = end if following == last.message else self._find_call_end(start, end, last)
        start = self._add_call(spans, last.message, start, to)
        if following != last.message:
            self._split_call_stop(spans, start, end)
        return start

    def _find_stop(self, start: int, end: int) -> str:
        """Return the text that ends an answer at this place; empty if nothing does."""
        if start == end or (self.stop and self.text.startswith(self.stop, start, end)):
            return self.stop if start < end else ""
        stops = (stop for stop in self.find_stops() if self.text.startswith(stop, start, end))  # renders conversations
        return max(stops, key=len, default="")

    def _add_closing_stop(self, spans: list[Span], start: int) -> int:
        """Add a token that otherwise ends only earlier answers, if the closing spells it; return its length."""
        last = spans[-1] if spans and self.closing else None
        if last is None or last.role != "assistant" or last.kind == "stop":
            return 0
        stops = [stop for stop in self.find_stops() if stop != self.stop and self.text.startswith(stop, start)]
        stop = max(stops, key=len, default="")
        if stop:
            spans.append(_span((start, start + len(stop), "stop", "assistant", last.message, None, None)))
        return len(stop)

    def _find_call_end(self, start: int, end: int, last: Span) -> int:
        """Return where a call's text ends that began before `start`: at the end-of-turn token, or with its turn."""
        stop = self.text.find(self.stop, start, end) if self.stop else -1
        return stop if stop >= 0 else min(self.answers[last.message or 0][1], end)

    def _add_call(self, spans: list[Span], index: int | None, start: int, end: int) -> int:
        """Add the text that a layout writes around tool calls; return where it ends."""
        if start < end:
            spans.append(_span((start, end, "derived", "assistant", index, "tool_calls", None)))
        return max(start, end)

    def _split_call_stop(self, spans: list[Span], start: int, end: int) -> None:
        """Mark the control token at the end of a call as the end of its turn, if no other such token follows."""
        last = spans[-1]
        stop = CALL_STOP.search(self.text[last.start : last.end])
        if stop and last.field == "tool_calls" and last.kind == "derived" and not self._find_stop(start, end):
            at = last.start + stop.start()
            spans[-1:] = [last._replace(end=at)] * (at > last.start)
            spans.append(_span((at, last.end, "stop", "assistant", last.message, None, None)))

    @property
    def unplaced(self) -> list[int]:
        """The messages whose content is empty and has no piece."""
        empty = [index for index, message in enumerate(self.messages) if message.get("content") == ""]
        placed = {piece.origin for piece in pieces_of(self.text)} if empty else set()
        return [index for index in empty if extend_path(str(index), "content") not in placed]

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """The changes to the messages' texts: each text that is not printed exactly once and whole."""
        exact: dict[str, list[tuple[int, int]]] = {}
        derived = set[str]()
        for piece in pieces_of(self.text):
            if piece.offset is None:
                derived.add(str(piece.origin))
            else:
                part = (piece.offset, piece.offset + piece.end - piece.start)
                exact.setdefault(str(piece.origin), []).append(part)
        return tuple(self._find_changes(exact, derived))

    def _find_changes(self, exact: Mapping[str, list[tuple[int, int]]], derived: set[str]) -> Iterator[Change]:
        for path, text in self.originals.items():
            step, field = split_path(path)
            if step is None or field == "role" or ends_in_key(field, "type"):  # names of kinds are not anyone's words
                continue
            index = int(step)
            for what in _classify_changes(
                text, sorted(exact.get(path, [])), any(leads_into(origin, path) for origin in derived)
            ):
                yield Change(index, self.messages[index]["role"], field, what)


def _classify_changes(text: str, parts: list[tuple[int, int]], derived: bool) -> Iterator[Any]:
    """Yield what happened to a text, of which the given parts are printed, sorted by their starts."""
    if derived:
        yield "rewritten"
    elif not parts and text.strip():
        yield "dropped"
    if not parts or not text:
        return
    if any(start < end for (_, end), (start, _) in pairwise(parts)):
        yield "repeated"
    # the unprinted parts: trimming leaves whitespace at the ends only, anything else is a cut
    gaps, at = "", 0
    for start, end in parts:
        gaps += text[at:start]
        at = max(at, end)
    if not derived and gaps + text[at:]:
        inner = text[: parts[0][0]].isspace() or parts[0][0] == 0
        outer = text[at:].isspace() or at >= len(text)
        whole = gaps == text[: parts[0][0]]
        yield "trimmed" if inner and outer and whole else "cut"


def _list_texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield all texts inside a value with their paths."""
    if isinstance(value, str):
        yield path, value
    for item, place in list_parts(value, path):
        yield from _list_texts(item, place)


def _make_template_span(start: int, end: int) -> list[Span]:
    return [Span(start, end, "scaffold")] if start < end else []


def _drop_empty_spans(spans: list[Span]) -> list[Span]:
    """Drop empty spans of a field that has others; a field with only empty spans keeps the first."""
    filled = {(span.message, span.field) for span in spans if span.start < span.end}
    remaining: list[Span] = []
    for span in spans:
        owner = (span.message, span.field)
        if span.start < span.end or owner not in filled:
            remaining.append(span)
            filled.add(owner)
    return remaining
