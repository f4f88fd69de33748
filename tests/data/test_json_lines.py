"""Lines of JSON: what the fast parser takes is what the standard library reads, and nothing is read over."""

import io
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from preftemplates.data import json_lines
from preftemplates.data.json_lines import read_json_lines
from preftemplates.errors import RowError

KEYS = st.sampled_from(["a", "b", 'a"', "a\\", "", "é", "\ud800", ":", "a\\\\"])
NUMBERS = st.integers() | st.floats() | st.sampled_from([2**63, 2**64, -(2**63) - 1, 10**30, 1e19, 1.0, -0.0])
SCALARS = st.none() | st.booleans() | NUMBERS | st.text() | KEYS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3))


@st.composite
def objects(draw):
    """The text of an object, in which a key may be there twice."""
    pairs = draw(st.lists(st.tuples(KEYS, VALUES), max_size=4))
    ascii_only, gap = draw(st.booleans()), draw(st.sampled_from(["", " ", "\t"]))
    written = [f"{json.dumps(key)}{gap}:{gap}{json.dumps(value, ensure_ascii=ascii_only)}" for key, value in pairs]
    text = "{" + ",".join(written) + "}"
    return text.encode("utf-8", "surrogatepass")


def spell(cells):
    return str(cells) if isinstance(cells, RowError) else repr(cells)


@given(line=objects() | st.binary(max_size=30))
@example(line=b'{"a": 1, "\\u0061": 2}')
@example(line=b'{"a" :1,"b":2,"b":3}')
@example(line=b'{"a\\\\": 1, "a\\\\": 2}')
@example(line=b'{"a": "\\"", "a": "\\\\"}')
@example(line=b'{"a": 123456789012345678901234567890}')
@example(line=b'{"a": [{"b": -9223372036854775809}]}')
@example(line=b'{"a": NaN}')
@example(line=b'{"a": "\\ud800"}')
@example(line=b"[" * 2000)
@example(line=b'{"a":' * 600 + b"1" + b"}" * 600)
def test_a_line_is_read_as_the_standard_library_reads_it(line):
    assert spell(json_lines._read_line(line)) == spell(json_lines._read_exactly(line))


FAULTS = {
    "_count_quotes": lambda line: 2 * json_lines._count_texts(json.loads(line)),  # whatever is written
    "_count_texts": lambda value: 4 if len(value) == 1 else 5,  # a key that is read over counts
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_count_that_misses_a_key_is_caught(name, monkeypatch):
    line = b'{"a": "x", "a": "y"}' if name == "_count_texts" else b'{"a": 1, "\\u0061": 2}'
    expected = spell(json_lines._read_exactly(line))
    assert spell(json_lines._read_line(line)) == expected
    monkeypatch.setattr(json_lines, name, FAULTS[name])
    assert spell(json_lines._read_line(line)) != expected


def test_without_orjson_lines_are_read_all_the_same(monkeypatch):
    lines = b'{"a": 1}\n\n{"a": 1, "a": 2}\n[1]\n{"b": NaN}'
    expected = [(row, line, spell(cells)) for row, line, cells in read_json_lines(io.BytesIO(lines))]
    monkeypatch.setattr(json_lines, "orjson", None)
    assert [(row, line, spell(cells)) for row, line, cells in read_json_lines(io.BytesIO(lines))] == expected
    assert [line for _, line, _ in expected] == [1, 3, 4, 5]


@given(texts=st.lists(st.text(alphabet="ab\n\r \ufeff"), max_size=8), size=st.integers(1, 9))
def test_lines_are_those_of_the_stream_however_it_is_cut(texts, size):
    data = "\n".join(texts).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_lines, "CHUNK_BYTES", size)
        lines = list(json_lines._read_lines(io.BytesIO(data)))
    expected = data.split(b"\n")
    assert lines == (expected[:-1] if expected[-1] == b"" else expected)


@pytest.mark.parametrize("end", [b"", b"\n", b"\n{}", b"\n\n"])
def test_a_line_that_is_too_long_is_passed_over(end, monkeypatch):
    monkeypatch.setattr(json_lines, "MAX_LINE_BYTES", 10)
    monkeypatch.setattr(json_lines, "CHUNK_BYTES", 4)
    lines = list(json_lines._read_lines(io.BytesIO(b"{}\n" + b"x" * 50 + end)))
    assert lines[:2] == [b"{}", None]
    assert lines[2:] == [line for line in end.removeprefix(b"\n").split(b"\n") if line or end == b"\n\n"][:1]
