"""Rendered text, and the source of each of its characters."""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection  # noqa: TC003  a public dataclass has them in its types
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

from preftemplates.core.containers import unwrap
from preftemplates.core.paths import split_path
from preftemplates.core.provenance import pieces_of
from preftemplates.errors import SpanError, one_line, preview

SpanKind = Literal["content", "derived", "stop", "scaffold"]
"""content: a message's own characters; derived: made from them; stop: end-of-turn token; scaffold: template text."""


class Span(NamedTuple):
    """Characters `start` to `end` (half-open) of a text, in code points.

    `message` is the index of the message and `field` the path of the text in it. `source` is the path of the text in
    the row, such as `chosen[1].content` or `["better.id"]`, with the offset in that text. Fields that do not apply are
    None.
    """

    start: int
    end: int
    kind: SpanKind
    role: str | None = None
    message: int | None = None
    field: str | None = None
    source: tuple[str, int] | None = None


class Change(NamedTuple):
    """A change that a style made to a text of a message instead of printing it once and in full.

    `message` is the index of the message, `role` its role, and `field` the path of the text in it, such as
    `content` or `tool_calls[0].function.name`. `what` is one of:

    dropped: nothing of it is printed.
    trimmed: whitespace at its ends is not printed.
    cut: other parts of it are not printed.
    rewritten: it is printed with other characters, or as a part of something else such as JSON.
    repeated: a part of it is printed more than once.
    """

    message: int
    role: str
    field: str
    what: Literal["dropped", "trimmed", "cut", "rewritten", "repeated"]


class SpanFilter(NamedTuple):
    """The spans that a mask selects.

    Attributes:
        kinds: their kinds.
        role: their role; None for all.
        messages: the indices of their messages, counted from 0; None for all messages and for spans of no message.
    """

    kinds: tuple[SpanKind, ...]
    role: str | None = None
    messages: frozenset[int] | None = None

    def includes(self, span: Span) -> bool:
        """Return whether a span has one of these kinds, this role and one of these messages."""
        return span.kind in self.kinds and self.role in (None, span.role) and self.selects(span.message)

    def selects(self, message: int | None) -> bool:
        """Return whether the message with this index is selected."""
        return self.messages is None or message in self.messages

    def __str__(self) -> str:
        role = f" and role {self.role}" if self.role else ""
        indices = one_line(", ".join(map(str, sorted(self.messages or ()))))
        place = f" in message{'s' * (len(self.messages or ()) > 1)} {indices}" if indices else ""
        return f"kind {' or '.join(self.kinds) or '(none given)'}{role}{place}"


def _no_changes() -> tuple[Change, ...]:
    return ()


def _no_stops() -> tuple[str, ...]:
    return ()


# eq=False: two renderings are equal if they have equal spans, not if they find them by the same function
@dataclass(frozen=True, eq=False)
class Rendered:
    r"""A text and, on demand, the spans that partition it.

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
    """Finds the spans; called once, on first use."""
    find_changes: Callable[[], tuple[Change, ...]] = _no_changes
    """Finds what the style did to the messages; called once, on first use."""
    find_stops: Callable[[], tuple[str, ...]] = _no_stops
    """Finds the texts with which the style ends an assistant's turn; empty if it never ends one."""
    message_count: int | None = None
    """How many messages the conversation has; None if only the spans and changes can tell."""

    @cached_property
    def spans(self) -> tuple[Span, ...]:
        """Return the spans in order. They partition the text; only a content span may be empty."""
        return self.find_spans()

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """Return what the style dropped, trimmed, cut, rewrote or repeated, in the order of the messages.

        Example:
            >>> from preftemplates import Style
            >>> trimming = Style.from_chat_template("{% for m in messages %}{{ m.content | trim }}{% endfor %}")
            >>> trimming.render([{"role": "user", "content": " Hi"}]).changes
            (Change(message=0, role='user', field='content', what='trimmed'),)
        """
        return self.find_changes()

    def mask(
        self,
        *kinds: SpanKind,
        role: str | None = None,
        messages: Collection[int] | None = None,
        strict: bool = False,
    ) -> list[bool]:
        """Return one bool per character: True in the spans of these kinds, this role and these messages.

        Errors concern only these messages: the style may drop any other message.

        Args:
            kinds: the kinds of spans.
            role: the role of the spans; None for all roles.
            messages: the indices of the spans' messages; None for all. They count all rendered messages, even those of
                which nothing is printed. In the text of a response, these are the messages of the prompt and then its
                own. A negative index counts from the end: -1 is the last message.
            strict: whether to raise an error if `stop` is requested and the style never ends a turn of this role.

        Raises:
            SpanError: no span has these kinds, this role and these messages; a message does not exist; a role or
                messages are given with content, and the text lacks the content of one of them as it was written; or
                `stop` is given, and the style ends some answers but not all of these.

        Example:
            >>> from preftemplates import get_style
            >>> talk = [{"role": "assistant", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]
            >>> rendered = get_style("chatml").render(talk)
            >>> mask = rendered.mask("content", "stop", messages=[-1])
            >>> "".join(char for char, trained in zip(rendered.text, mask) if trained)
            'Ho<|im_end|>'
        """
        span_filter = self.make_span_filter(kinds, role, messages)
        spans = [span for span in self.spans if span_filter.includes(span)]
        if not spans:
            raise SpanError(f"no span of {span_filter}")
        # a mask of all content names no message that it must hold, so the style may have dropped some
        if "content" in kinds and not (role is None and messages is None):
            if "derived" not in kinds:
                self._refuse_torn_calls(span_filter)
            # a message of which only the stop is printed has lost its content
            self._refuse_lost_contents(span_filter, {span.message for span in spans if span.kind != "stop"})
        if "stop" in kinds:
            self._check_stops(span_filter, strict)
        mask = [False] * len(self.text)
        for span in spans:
            mask[span.start : span.end] = [True] * (span.end - span.start)
        return mask

    def make_span_filter(
        self, kinds: tuple[SpanKind, ...], role: str | None = None, messages: Collection[int] | None = None
    ) -> SpanFilter:
        """Build the filter for the arguments of `mask`, with every index counted from 0.

        Raises:
            SpanError: no index is given, or there is no such message.
        """
        if messages is None:
            return SpanFilter(kinds, role)
        messages = _list_indices(messages)
        if not messages:
            raise SpanError("messages is empty, expected the index of a message; skip this text, or pass None for all")
        count = self._count_messages()
        for index in messages:
            if not -count <= index < count:
                expected = f"the index of one of {count} messages: 0 is the first, -1 the last"
                raise SpanError(f"messages holds {index}, expected {expected}")
        return SpanFilter(kinds, role, frozenset(index % count for index in messages))

    def _count_messages(self) -> int:
        if self.message_count is not None:
            return self.message_count
        # a message whose text is dropped has no span, but a change
        printed = [span.message for span in self.spans if span.message is not None]
        return 1 + max([*printed, *(change.message for change in self.changes)], default=-1)

    def _check_stops(self, span_filter: SpanFilter, strict: bool) -> None:
        """Raise an error if the mask would teach an answer without its end, while other answers have one."""
        role = span_filter.role
        ended = {span.message for span in self.spans if span.kind == "stop" and role in (None, span.role)}
        # find_stops knows the ends of the assistant's turns only
        stops = self.find_stops() if role in (None, "assistant") else ()
        if not stops and not ended:
            if strict:
                turn = f"a turn of {role or 'any role'}"
                raise SpanError(f"the style never ends {turn} with a token; select the content alone")
            return
        answers = [span for span in self.spans if span.kind in ("content", "derived") and span.role == "assistant"]
        unended = (span for span in answers if span.message not in ended and span_filter.selects(span.message))
        missing = next(unended, None)
        if missing is None:
            return
        # with_special_tokens adds a token at the end of the text, so it cannot end an earlier answer
        is_last = missing.message == max(span.message for span in self.spans if span.message is not None)
        remedy = f", or add the token with Style.with_special_tokens(after={stops[0]!r})" if stops and is_last else ""
        written = f" ({', '.join(map(repr, stops))})" if stops else ""
        raise SpanError(
            f"message {missing.message} (assistant) has no end-of-turn token, which the style writes after other"
            f" answers{written}; select the content alone{remedy}"
        )

    def _refuse_torn_calls(self, span_filter: SpanFilter) -> None:
        """Raise an error if the mask would hold the names in a tool call without the text that makes it a call."""
        derived = span_filter._replace(kinds=("derived",))
        for span in self.spans:
            if derived.includes(span) and split_path(span.field or "")[0] == "tool_calls":
                raise SpanError(
                    f"message {span.message} ({span.role}) calls tools, whose text is derived; select 'derived' too"
                )

    def _refuse_lost_contents(self, span_filter: SpanFilter, masked: set[int | None]) -> None:
        """Raise an error if the mask should hold a whole message that the style has dropped or rewritten."""
        for change in self.changes:
            # what is left of a trimmed or cut content is in the mask
            lost = split_path(change.field)[0] == "content" and change.what in ("dropped", "rewritten")
            named = span_filter.role in (None, change.role) and span_filter.selects(change.message)
            if lost and named and change.message not in masked:
                raise SpanError(
                    f"the style has {change.what} the {change.field} of message {change.message} ({change.role})"
                )

    def __eq__(self, other: object) -> bool:
        return (self.text, self.spans) == (other.text, other.spans) if isinstance(other, Rendered) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.text)  # equal renderings have equal texts; the spans would have to be found first

    def __str__(self) -> str:
        return self.text


def _list_indices(messages: Any) -> list[int]:
    """Return indices as plain integers, including those of NumPy and PyTorch.

    Raises:
        SpanError: it is not a collection, or it holds something else, such as one bool per message.
    """
    try:
        items = [*messages]
    except TypeError:
        raise SpanError(f"messages is {preview(messages)}, expected a collection of indices") from None
    indices = []
    for item in items:
        # operator.index(True) is 1, so one bool per message would select messages 0 and 1
        item = unwrap(item)
        if isinstance(item, bool):
            raise SpanError(f"messages holds {item}, expected an index; pass indices, not one bool per message")
        try:
            indices.append(operator.index(item))
        except TypeError:
            raise SpanError(f"messages holds {preview(item)}, expected the index of a message") from None
    return indices


def content_spans(start: int, text: str, role: str | None, message: int, field: str) -> list[Span]:
    """Return the spans of a message's text that starts at `start`: one per piece, and the gaps without a source."""
    spans: list[Span] = []
    at = 0
    for piece in pieces_of(text):
        if at < piece.start:  # text of a dataset template, as in "Q: {{ question }}", is content too
            spans.append(Span(start + at, start + piece.start, "content", role, message, field))
        kind: SpanKind = "content" if piece.offset is not None else "derived"
        source = None if piece.offset is None else (str(piece.origin), piece.offset)
        if piece.start < piece.end:
            spans.append(Span(start + piece.start, start + piece.end, kind, role, message, field, source))
        at = piece.end
    if at < len(text):
        spans.append(Span(start + at, start + len(text), "content", role, message, field))
    if not spans:
        # an empty content still gets a span, so that its message counts as printed
        first = next(iter(pieces_of(text)), None)
        source = None if first is None or first.offset is None else (str(first.origin), first.offset)
        spans.append(Span(start, start, "content", role, message, field, source))
    return spans
