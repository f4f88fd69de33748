"""Layouts: the places of spans and control tokens in the texts of a plan."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from preftemplates.data.columnar.column_texts import Column, Pieces, UntraceableError
from preftemplates.data.columnar.kernels import get_offsets, join_pieces

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from preftemplates.core.spans import Rendered, SpanKind
    from preftemplates.data.columnar.groups import SampleGroup
    from preftemplates.data.columnar.turns import Numbers
    from preftemplates.tokens.tokenizers import Token


class Contents:
    """The contents of some samples, with each column read once.

    Args:
        group: the samples.

    Attributes:
        group: the samples.
    """

    def __init__(self, group: SampleGroup) -> None:
        self.group = group
        self._columns: dict[Column, pa.Array] = {}

    def __len__(self) -> int:
        return len(self.group.rows)

    def read(self, column: Column) -> pa.Array:
        """Return the content of a message of all samples."""
        if column not in self._columns:
            self._columns[column] = self.group.read(column)
        return self._columns[column]

    def measure(self, column: Column) -> Numbers:
        """Return the number of bytes of each content."""
        return np.diff(get_offsets(self.read(column)))


class Position(NamedTuple):
    """A place in the texts of a plan.

    Attributes:
        piece: the index of a piece.
        byte: the number of bytes of the piece before the place; 0 in a column.
    """

    piece: int
    byte: int


class LaidSpan(NamedTuple):
    """A span of a plan's texts, from one position up to another."""

    start: Position
    end: Position
    kind: SpanKind
    message: int | None


class LaidToken(NamedTuple):
    """A control token that the style writes into a plan's texts."""

    start: Position
    end: Position
    id: int


@dataclass(frozen=True)
class TextLayout:
    """The places of spans and control tokens in the texts of a plan.

    Attributes:
        pieces: the texts, as literals and columns.
        spans: the spans that are not empty, in order.
        tokens: the control tokens, in order.
    """

    pieces: Pieces
    spans: tuple[LaidSpan, ...]
    tokens: tuple[LaidToken, ...]

    def cut(self, at: Position) -> tuple[TextLayout, TextLayout]:
        """Split the texts at a position.

        The position must be the start of a control token, and therefore inside a literal.
        """
        literal = self.pieces[at.piece]
        assert isinstance(literal, str)
        data = literal.encode()
        before, after = data[: at.byte].decode(), data[at.byte :].decode()
        head = (*self.pieces[: at.piece], *([before] if before else []))
        return (
            TextLayout(
                head,
                tuple(span._replace(end=min(span.end, at)) for span in self.spans if span.start < at),
                tuple(token for token in self.tokens if token.end <= at),
            ),
            TextLayout(
                (after, *self.pieces[at.piece + 1 :]),
                tuple(
                    span._replace(start=_move(max(span.start, at), at), end=_move(span.end, at))
                    for span in self.spans
                    if span.end > at
                ),
                tuple(
                    token._replace(start=_move(token.start, at), end=_move(token.end, at))
                    for token in self.tokens
                    if token.start >= at
                ),
            ),
        )

    def write(self, contents: Contents) -> pa.Array:
        """Return the texts of some samples."""
        return join_pieces(self.pieces, len(contents), contents.read)

    def find_starts(self, contents: Contents) -> Numbers:
        """Return the byte at which each of P pieces starts in N texts, and where the texts end, shape (N, P + 1)."""
        starts = np.zeros((len(contents), len(self.pieces) + 1), np.int64)
        for index, piece in enumerate(self.pieces):
            lengths = len(piece.encode()) if isinstance(piece, str) else contents.measure(piece)
            starts[:, index + 1] = starts[:, index] + lengths
        return starts


def _move(position: Position, at: Position) -> Position:
    """Return a position relative to an earlier one."""
    if position.piece == at.piece:
        return Position(0, position.byte - at.byte)
    return Position(position.piece - at.piece, position.byte)


def make_layout(pieces: Pieces, texts: Sequence[str], rendered: Rendered, tokens: Sequence[Token]) -> TextLayout:
    """Build the layout of a plan's texts from the text of one row.

    Args:
        pieces: the pieces of the texts.
        texts: the text of each piece in that row; none is empty.
        rendered: the text of that row, with its spans.
        tokens: the control tokens in it.

    Raises:
        UntraceableError: the pieces do not make up the text, or a span or control token begins or ends inside a
            column.
    """
    if "".join(texts) != rendered.text:
        raise UntraceableError("the text with spans differs")
    starts = [0, *accumulate(map(len, texts))]

    def locate(character: int) -> Position:
        piece = min(bisect_right(starts, character) - 1, len(pieces) - 1)
        if character == starts[-1] or character == starts[piece]:
            return Position(len(pieces) if character == starts[-1] else piece, 0)
        literal = pieces[piece]
        if not isinstance(literal, str):
            raise UntraceableError("a span begins or ends within a content")
        return Position(piece, len(literal[: character - starts[piece]].encode()))

    spans = [
        LaidSpan(locate(span.start), locate(span.end), span.kind, span.message)
        for span in rendered.spans
        if span.start < span.end
    ]
    laid = [LaidToken(locate(token.start), locate(token.end), token.id) for token in tokens]
    return TextLayout(pieces, tuple(spans), tuple(laid))
