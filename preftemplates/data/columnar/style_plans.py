"""Plans of texts: what a style writes for messages with given roles, as literals and columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from preftemplates.data.columnar.column_texts import (
    Column,
    ColumnText,
    Guard,
    Pieces,
    Trace,
    UntraceableError,
    concat_texts,
    list_pieces,
)
from preftemplates.data.columnar.environments import CHAT_TEMPLATES, run_traced
from preftemplates.styles.environment import FixedMoment, read_moment

if TYPE_CHECKING:
    from jinja2.environment import Template as JinjaTemplate

    from preftemplates.sandbox.limits import Limits
    from preftemplates.styles.style import Style
    from preftemplates.templates.text_edges import TextEdges


class Place(NamedTuple):
    """The content of a message in all rows of one shape.

    Attributes:
        part: 0 for the prompt, and 1, 2, ... for the responses in order.
        message: the message's index in the part.
    """

    part: int
    message: int


@dataclass(frozen=True)
class TextPlan:
    """The texts of all samples of one shape for which the guards hold.

    Attributes:
        prompt: the text of the prompt, with the generation prompt.
        wholes: for each response, the text of prompt and response.
        own: for each response, the text that it adds to the prompt; None if it does not begin with the prompt's
            pieces.
        guards: the conditions on the contents.
        max_bytes: the most bytes of a row's contents together, above which the style's limits may matter.
        moments: the dates that are written, by format; the plan holds as long as they are current.
    """

    prompt: Pieces
    wholes: tuple[Pieces, ...]
    own: tuple[Pieces | None, ...]
    guards: tuple[Guard, ...]
    max_bytes: int | None
    moments: tuple[tuple[str, str], ...]

    def get_pieces(self, part: int, with_prompt: bool) -> Pieces:
        """Return the text of the prompt, or of a response with or without its prompt."""
        if part == 0:
            return self.prompt
        return self.wholes[part - 1] if with_prompt else self.own[part - 1] or ()

    def keeps_contents(self, parts: Sequence[Conversation]) -> bool:
        """Return whether the texts contain every content in full and in order, apart from whitespace at its ends."""
        for number, whole in enumerate(self.wholes, 1):
            columns = [piece for piece in whole if isinstance(piece, Column)]
            places = [place for place, _ in _list_messages(parts) if place.part in (0, number)]
            cuts = {cut for column in columns for cut in column.cuts}
            if [column.source for column in columns] != places or any(cut[1] is not None for cut in cuts):
                return False
        return True

    @property
    def is_current(self) -> bool:
        """Return whether the dates in the texts are current."""
        now = read_moment()
        return all(now.strftime(format) == text for format, text in self.moments)


Conversation = Sequence[tuple[str, str]]
"""Messages, each as its role and content."""


def make_text_plan(style: Style, edges: TextEdges | None, parts: Sequence[Conversation]) -> TextPlan:
    """Make the plan that writes the texts of one sample and of all samples like it.

    Args:
        style: the style.
        edges: the BOS and EOS of the texts; None if they are as the style writes them.
        parts: the prompt and each response of the sample.

    Raises:
        UntraceableError: the style rejects the sample, or does something that cannot be done with columns.
    """
    with FixedMoment():
        return _make_text_plan(style, edges, parts)


def _make_text_plan(style: Style, edges: TextEdges | None, parts: Sequence[Conversation]) -> TextPlan:
    trace = Trace({place: content for place, (_, content) in _list_messages(parts)})
    prompt, *responses = ([_make_message(trace, part, at, role) for at, (role, _) in enumerate(messages)]
                          for part, messages in enumerate(parts))  # fmt: skip
    unknown = {role for messages in parts for role, _ in messages} - {*style.accepted_roles}
    if unknown:
        trace.fail(f"the style has no turn for the role {min(unknown)}")
    with run_traced(trace):
        write = _choose_writer(style, trace)
        texts = [write(prompt, True), *(write([*prompt, *response], False) for response in responses)]
        pieces = [list_pieces(text) for text in texts]
    if edges is not None:
        pieces = [_cut_edges(text, index > 0, edges, style) for index, text in enumerate(pieces)]
    return TextPlan(
        pieces[0], tuple(pieces[1:]), tuple(remove_pieces(whole, pieces[0]) for whole in pieces[1:]),
        tuple(trace.guards), _find_max_bytes(style.layout.limits, parts), tuple(trace.moments.items()),
    )  # fmt: skip


def _list_messages(parts: Sequence[Conversation]) -> list[tuple[Place, tuple[str, str]]]:
    return [(Place(part, at), message) for part, messages in enumerate(parts) for at, message in enumerate(messages)]


def _make_message(trace: Trace, part: int, at: int, role: str) -> dict[str, Any]:
    return {"role": role, "content": ColumnText(trace, [Column(Place(part, at))])}


def _choose_writer(style: Style, trace: Trace) -> Any:
    """Return the function that writes messages as the style's layout does.

    Raises:
        UntraceableError: the layout cannot run on columns.
    """
    layout: Any = style.layout
    if layout.isolate:
        trace.fail("the style renders in a separate process")
    if layout.source is None:
        return lambda messages, generates: _write_fragments(layout, messages, generates, trace)
    variables = {"tools": None, "documents": None, **layout.variables}
    template = _compile(layout.source)
    policy = "keep" if layout.applies_reasoning else layout.reasoning

    def write(messages: Sequence[Mapping[str, Any]], generates: bool) -> Any:
        _require_no_thinking(messages, policy, trace)
        values = {**variables, "messages": [*messages], "add_generation_prompt": generates}
        rendered = template.environment.concat(template.root_render_func(template.new_context(values)))
        return concat_texts(trace, [layout.opening, rendered, "" if generates else layout.closing])

    return write


@lru_cache(maxsize=64)
def _compile(source: str) -> JinjaTemplate:
    return CHAT_TEMPLATES.from_string(source)


def _write_fragments(layout: Any, messages: Sequence[Mapping[str, Any]], generates: bool, trace: Trace) -> Any:
    """Return the text of messages in a style of role templates."""
    _require_no_thinking(messages, layout.reasoning, trace)
    fragments = {turn.role: turn for turn in layout.turns}
    turns = ((fragments[message["role"]], message["content"]) for message in messages)
    written = chain.from_iterable((turn.head, content, turn.tail) for turn, content in turns)
    return concat_texts(trace, [layout.opening, *written, layout.generation_prompt if generates else layout.closing])


def _require_no_thinking(messages: Sequence[Mapping[str, Any]], policy: str, trace: Trace) -> None:
    """Raise an error for answers of which the policy may cut the thinking; the row path writes them."""
    for message in messages:
        if policy != "keep" and message["role"] == "assistant" and "<think>" in message["content"]:
            trace.fail("an answer may lose its thinking")


def _cut_edges(pieces: Pieces, is_response: bool, edges: TextEdges, style: Style) -> Pieces:
    """Remove the special tokens that a consumer writes itself from a text, as `TextEdges.cut` does.

    Raises:
        UntraceableError: a content may decide what is removed.
    """
    start, end = edges.list_cuts(style)
    if start and pieces:
        first = pieces[0]
        if not isinstance(first, str) or len(first) < len(start):
            raise UntraceableError("a content may begin with the BOS token")
        pieces = (first.removeprefix(start), *pieces[1:])
    if is_response and end is not None and pieces:
        ending, kept = end
        last = pieces[-1]
        if not isinstance(last, str) or len(last) < len(ending):
            raise UntraceableError("a content may contain the end-of-turn token")
        pieces = (*pieces[:-1], last.removesuffix(ending) + kept if last.endswith(ending) else last)
    return tuple(piece for piece in pieces if piece != "")


def remove_pieces(whole: Pieces, start: Pieces) -> Pieces | None:
    """Return the rest of a text that begins with another one; None if it does not.

    >>> remove_pieces(("<a>", Column("x"), "</a><b>", Column("y")), ("<a>", Column("x"), "</a>"))
    ('<b>', Column(source='y', cuts=()))
    """
    if not start:
        return whole
    *before, last = start
    rest = whole[len(before) :]
    if list(whole[: len(before)]) != before or not rest:
        return None
    if rest[0] == last:
        return rest[1:]
    if isinstance(last, str) and isinstance(rest[0], str) and rest[0].startswith(last):
        return (rest[0][len(last) :], *rest[1:])
    return None


_BYTES_PER_CHARACTER = 64
"""The work in bytes that is allowed for each character and message: text is copied a few times at most."""


def _find_max_bytes(limits: Limits | None, parts: Sequence[Conversation]) -> int | None:
    """Return the most bytes of contents for which no limit matters; steps are those of the row in hand."""
    if limits is None:
        return None
    count = sum(map(len, parts)) + 4
    return min(limits.string // 4, limits.output // 4, limits.work // (_BYTES_PER_CHARACTER * count))
