"""Layouts: spans and control tokens by pieces, and what a cut leaves of them on both sides."""

from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preftemplates import Rendered, Span
from preftemplates.data.columnar.column_texts import Column, UntraceableError
from preftemplates.data.columnar.tokens.layout import Contents, LaidToken, Position, TextLayout, make_layout
from preftemplates.tokens.tokenizers import Token

ASKED, ANSWER = Column("asked"), Column("answer")
PIECES = ("<é>user\n", ASKED, "<e>\n<é>bot\n", ANSWER, "<e>")
TEXTS = ("<é>user\n", "Why? 日", "<e>\n<é>bot\n", "So.", "<e>")
TEXT = "".join(TEXTS)
SPANS = (
    Span(0, 8, "scaffold", "user", 0, None, None),
    Span(8, 14, "content", "user", 0, "content", None),
    Span(14, 25, "scaffold", "assistant", 1, None, None),
    Span(25, 28, "content", "assistant", 1, "content", None),
    Span(28, 28, "derived", "assistant", 1, None, None),
    Span(28, 31, "stop", "assistant", 1, None, None),
)
TOKENS = (Token(1, 0, 3), Token(2, 14, 17), Token(1, 18, 21), Token(2, 28, 31))


class Rows:
    """Stands in for a group of rows: the content of each column."""

    def __init__(self, **contents):
        self.columns = {Column(name): pa.array(texts, pa.string()) for name, texts in contents.items()}
        self.rows = [*range(len(next(iter(contents.values()))))]

    def read(self, column):
        return self.columns[column]


ROWS = Rows(asked=["Why? 日", "", "a"], answer=["So.", "é" * 9, "b"])


def make(pieces=PIECES, texts=TEXTS, spans=SPANS, tokens=TOKENS, text=TEXT):
    return make_layout(pieces, texts, Rendered(text, lambda: spans), tokens)


def read_parts(layout, parts, rows):
    """Return the texts of spans or tokens, for each row."""
    texts, starts = layout.write(Contents(rows)).to_pylist(), layout.find_starts(Contents(rows)).tolist()
    assert [row[-1] for row in starts] == [len(text.encode()) for text in texts]

    def cut(data, row, start, end):
        return data[row[start.piece] + start.byte : row[end.piece] + end.byte].decode()

    return [
        [cut(text.encode(), row, part.start, part.end) for part in parts]
        for text, row in zip(texts, starts, strict=True)
    ]


def find_texts(layout, rows=ROWS):
    """Return the kind, message and text of each span, for each row."""
    return [
        [(span.kind, span.message, text) for span, text in zip(layout.spans, texts, strict=True)]
        for texts in read_parts(layout, layout.spans, rows)
    ]


def find_tokens(layout, rows=ROWS):
    """Return the id and the text of each control token, for each row."""
    return [
        [(token.id, text) for token, text in zip(layout.tokens, texts, strict=True)]
        for texts in read_parts(layout, layout.tokens, rows)
    ]


def test_the_layout_of_one_row_is_that_of_all():
    layout = make()
    written = ["<é>user\n<e>\n<é>bot\nééééééééé<e>", "<é>user\na<e>\n<é>bot\nb<e>"]
    assert layout.write(Contents(ROWS)).to_pylist() == [TEXT, *written]
    contents = [("Why? 日", "So."), ("", "é" * 9), ("a", "b")]
    assert find_texts(layout) == [
        [
            ("scaffold", 0, "<é>user\n"), ("content", 0, asked), ("scaffold", 1, "<e>\n<é>bot\n"),
            ("content", 1, answer), ("stop", 1, "<e>"),
        ]
        for asked, answer in contents
    ]  # fmt: skip
    assert find_tokens(layout) == [[(1, "<é>"), (2, "<e>"), (1, "<é>"), (2, "<e>")]] * 3


def test_positions_are_bytes_of_a_literal():
    layout = make()
    assert layout.tokens[0] == LaidToken(Position(0, 0), Position(0, 4), 1)
    assert layout.tokens[2] == LaidToken(Position(2, 4), Position(2, 8), 1)
    assert layout.spans[-1].end == Position(5, 0)
    assert [span.start for span in layout.spans] == [Position(piece, 0) for piece in range(5)]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_cut_parts_text_spans_and_tokens(number):
    whole = make()
    head, tail = whole.cut(whole.tokens[number].start)
    texts = zip(head.write(Contents(ROWS)).to_pylist(), tail.write(Contents(ROWS)).to_pylist(), strict=True)
    assert [first + second for first, second in texts] == whole.write(Contents(ROWS)).to_pylist()
    for first, second, expected in zip(find_tokens(head), find_tokens(tail), find_tokens(whole), strict=True):
        assert first == expected[:number]
        assert second == expected[number:]
    for first, second, expected in zip(find_texts(head), find_texts(tail), find_texts(whole), strict=True):
        joined = [*first, *second]
        if len(joined) > len(expected):  # the span that the cut goes through
            at = len(first) - 1
            (kind, message, one), (_, _, other) = joined[at : at + 2]
            joined[at : at + 2] = [(kind, message, one + other)]
        assert joined == expected
    assert tail.spans[0].start == Position(0, 0)
    assert tail.tokens[0].start == Position(0, 0)


def test_a_cut_at_the_start_of_a_piece_leaves_no_empty_piece():
    head, tail = make().cut(Position(4, 0))
    assert (head.pieces, tail.pieces) == (PIECES[:4], ("<e>",))
    head, tail = make().cut(Position(2, 4))
    assert head.pieces == ("<é>user\n", ASKED, "<e>\n")
    assert tail.pieces == ("<é>bot\n", ANSWER, "<e>")


def test_layouts_of_one_shape_are_equal_whatever_the_row():
    other = ("<é>user\n", "a", "<e>\n<é>bot\n", "b", "<e>")
    shift = {0: 0, 3: 3, 8: 8, 14: 9, 17: 12, 18: 13, 21: 16, 25: 20, 28: 21, 31: 24}
    spans = [span._replace(start=shift[span.start], end=shift[span.end]) for span in SPANS]
    tokens = [Token(token.id, shift[token.start], shift[token.end]) for token in TOKENS]
    assert make(PIECES, other, tuple(spans), tokens, "".join(other)) == make()


def test_what_begins_or_ends_within_a_content_cannot_be_traced():
    for at in (9, 13, 26):
        broken = (SPANS[0]._replace(end=at), SPANS[1]._replace(start=at))
        with pytest.raises(UntraceableError, match="within a content"):
            make(spans=broken)
        with pytest.raises(UntraceableError, match="within a content"):
            make(tokens=[Token(1, at, 28)])
    with pytest.raises(UntraceableError, match="the text with spans differs"):
        make(texts=(*TEXTS[:4], "</e>"))


@given(
    st.lists(st.tuples(st.booleans(), st.text("aé日😀", min_size=1, max_size=3)), min_size=1, max_size=6), st.data()
)
def test_any_cut_within_a_literal_parts_the_text(parts, data):
    pieces = tuple(Column(f"c{number}") if is_column else text for number, (is_column, text) in enumerate(parts))
    texts = [text for _, text in parts]
    rows = Rows(none=["x"], **{f"c{number}": [text] for number, text in enumerate(texts)})
    literals = [number for number, piece in enumerate(pieces) if isinstance(piece, str)]
    if not literals:
        return
    piece = data.draw(st.sampled_from(literals))
    character = data.draw(st.integers(0, len(texts[piece]) - 1))
    bounds = [0]
    for text in texts:
        bounds.append(bounds[-1] + len(text))
    spans = tuple(
        Span(start, end, "content", "user", number, "content", None)
        for number, (start, end) in enumerate(pairwise(bounds))
    )
    layout = make_layout(pieces, texts, Rendered("".join(texts), lambda: spans), [])
    head, tail = layout.cut(Position(piece, len(texts[piece][:character].encode())))
    assert isinstance(head, TextLayout)
    joined = [
        one + other
        for one, other in zip(
            head.write(Contents(rows)).to_pylist(), tail.write(Contents(rows)).to_pylist(), strict=True
        )
    ]
    assert joined == ["".join(texts)]
    ((first,), (second,)) = find_texts(head, rows), find_texts(tail, rows)
    assert "".join(text for *_, text in [*first, *second]) == "".join(texts)
