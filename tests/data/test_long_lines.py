"""A line of more bytes than are read is one rejected row, which is passed over without being held."""

import gzip
import json
import tracemalloc

import pytest

from preftemplates.data import open_rows
from preftemplates.errors import FileError, RowError


@pytest.fixture
def short_lines(monkeypatch):
    monkeypatch.setattr("preftemplates.data.json_lines.MAX_LINE_BYTES", 100)
    monkeypatch.setattr("preftemplates.data.json_lines.CHUNK_BYTES", 7)


def outcomes(path):
    return [
        (record.row, record.line, str(record.cells.code) if isinstance(record.cells, RowError) else record.cells)
        for record in open_rows(path)
    ]


@pytest.mark.usefixtures("short_lines")
@pytest.mark.parametrize("ending", ["\n", ""])
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
def test_a_line_that_is_too_long_costs_itself(tmp_path, name, ending):
    lines = [{"a": 1}, {"a": "x" * 300}, {"a": 2}, {"a": "x" * 90}, {"a": "x" * 92}]
    text = "\n".join(map(json.dumps, lines)) + ending
    with (gzip.open if name.endswith("gz") else open)(tmp_path / name, "wb") as file:
        file.write(text.encode())
    assert outcomes(tmp_path / name) == [
        (0, 1, {"a": 1}),
        (1, 2, "line_too_long"),
        (2, 3, {"a": 2}),
        (3, 4, {"a": "x" * 90}),
        (4, 5, "line_too_long"),
    ]


def test_a_small_file_of_one_huge_line_takes_little_memory(tmp_path):
    path = tmp_path / "rows.jsonl.gz"
    with gzip.open(path, "wb", 1) as file:
        file.write(b'{"a": "')
        for _ in range(300):
            file.write(b"x" * (1 << 20))
        file.write(b'"}\n{"a": 1}\n')
    tracemalloc.start()
    assert [outcome[2] for outcome in outcomes(path)] == ["line_too_long", {"a": 1}]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200 << 20


def test_a_list_that_is_too_long_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("preftemplates.data.reading.MAX_LIST_BYTES", 10)
    (tmp_path / "rows.json").write_text('[{"a": 1}]\n')
    with pytest.raises(FileError, match=r"write one object per line, as \.jsonl"):
        list(open_rows(tmp_path / "rows.json"))
