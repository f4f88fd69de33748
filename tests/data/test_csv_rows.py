"""CSV: a damaged record is one rejected row with its line, and the rows after it are read."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preftemplates.data import open_rows
from preftemplates.data.csv_rows import read_csv
from preftemplates.errors import FileError, RowError

HEAD = b"prompt,answer\n"


def read(raw):
    return [(row, line, cells) for row, line, cells in read_csv(io.BytesIO(raw), {})]


def outcomes(raw):
    """Row, line, and the cells or the code."""
    return [
        (row, line, str(cells.code) if isinstance(cells, RowError) else tuple(cells.values()))
        for row, line, cells in read(raw)
    ]


def test_a_quote_that_is_not_closed_costs_its_row():
    assert outcomes(HEAD + b'a,b\n"c,d\ne,f\n"g",h\n') == [
        (0, 2, ("a", "b")), (1, 3, "bad_csv"), (2, 4, ("e", "f")), (3, 5, ("g", "h"))
    ]  # fmt: skip


def test_a_quote_that_is_not_closed_in_the_last_row_costs_it():
    assert outcomes(HEAD + b'a,b\n"c,d\n') == [(0, 2, ("a", "b")), (1, 3, "bad_csv")]


@pytest.mark.parametrize("cell", [b'"first\nsecond"x,b\n', b'"first\nsecond\nthird" x,b\n', b'"first\n\nthird"x,b\n'])
def test_lines_of_a_damaged_cell_are_no_rows(cell):
    """What follows in a cell of several lines is rejected too, and nothing of it is read as a row."""
    *damaged, last = outcomes(HEAD + cell + b"c,d\n")
    assert {code for _, _, code in damaged} == {"bad_csv"}
    assert last[1:] == (2 + cell.count(b"\n"), ("c", "d"))


@pytest.mark.parametrize("bad", [b"\xff", b"\xe9", b"caf\xe9", b"\xed\xa0\x80"])
def test_a_byte_that_is_not_utf_8_costs_its_row(bad):
    raw = HEAD + b"a,b\nc," + bad + b"\ne,f\n"
    assert outcomes(raw) == [(0, 2, ("a", "b")), (1, 3, "bad_encoding"), (2, 4, ("e", "f"))]
    (_, _, (_, _, error), *_) = [None, *read(raw)[:2]]
    assert error.column == "answer"


def test_a_header_that_is_not_utf_8_or_names_a_column_twice_is_an_error():
    with pytest.raises(FileError, match="the header is not UTF-8"):
        read(b"a\xff,b\nc,d\n")
    with pytest.raises(FileError, match="the header has the column 'a' twice; rename one"):
        read(b"a,a\nc,d\n")


@pytest.mark.parametrize(
    "raw", [b'x,"' + b"y" * 300 + b'"\n', b"x," + b"y" * 300 + b"\n", b'"' + b"y\n" * 200 + b'"\n']
)
def test_a_record_that_is_too_long_costs_itself(raw, monkeypatch):
    monkeypatch.setattr("preftemplates.data.csv_rows.MAX_RECORD", 100)
    monkeypatch.setattr("preftemplates.data.csv_rows._CHUNK", 7)
    found = outcomes(HEAD + b"a,b\n" + raw + b"c,d\n")
    assert found[0] == (0, 2, ("a", "b"))
    assert found[1][2] == "bad_csv"
    assert found[-1][2] == ("c", "d")


DAMAGE = [b'"', b"\xff"]
CELLS = st.text(st.sampled_from('ab",\n\r é'), max_size=6)


@given(st.lists(st.tuples(CELLS, CELLS).filter(any), max_size=6))
def test_what_csv_writes_is_read(rows):
    text = io.StringIO(newline="")
    csv.writer(text).writerows([("p", "q"), *rows])
    assert [tuple(cells.values()) for _, _, cells in read(text.getvalue().encode())] == rows


@given(
    st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6), st.integers(0, 200), st.sampled_from([b'"', b"\xff"])
)
def test_rows_before_the_damage_are_read(rows, place, damage):
    """Damage costs no row that ends before it."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([("p", "q"), *rows])
    raw = text.getvalue().encode()
    at = min(len(raw), 4 + place)
    whole, damaged = read(raw), read(raw[:at] + damage + raw[at:])
    ends = [*[line for _, line, _ in whole][1:], raw.count(b"\n") + 2]
    broken = raw[:at].count(b"\n") + 1
    before = [row for row, end in zip(whole, ends, strict=True) if end <= broken]
    assert damaged[: len(before)] == before


def test_a_file_is_read_so(tmp_path):
    (tmp_path / "rows.csv").write_bytes(HEAD + b'a,b\n"c,d\ne,f\n')
    records = list(open_rows(tmp_path / "rows.csv"))
    assert [(record.row, record.line) for record in records] == [(0, 2), (1, 3), (2, 4)]
