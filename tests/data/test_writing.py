"""Writing rows: what was written is read back, and a file appears whole or not at all."""

import json
import os

import pytest

from preftemplates.data.reading import open_rows
from preftemplates.data.writing import open_writer
from preftemplates.errors import FileError

ROWS = [{"a": "x\r\n\u2028y", "b": 'he said "hi", ü'}, {"a": "", "b": "\\n"}]


@pytest.mark.parametrize("name", ["o.jsonl", "o.jsonl.gz", "o.json", "o.json.gz", "o.csv", "o.csv.gz", "o.parquet"])
def test_what_was_written_is_read_back(tmp_path, name):
    with open_writer(tmp_path / name) as writer:
        for row in ROWS:
            writer.write(row)
    assert [record.cells for record in open_rows(tmp_path / name)] == ROWS
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", ["o.jsonl", "o.json", "o.parquet"])
def test_messages_are_read_back(tmp_path, name):
    row = {"prompt": [{"role": "user", "content": "hi"}], "chosen": [{"role": "assistant", "content": ""}]}
    with open_writer(tmp_path / name) as writer:
        writer.write(row)
    assert [record.cells for record in open_rows(tmp_path / name)] == [row]


def test_messages_in_a_csv_are_json(tmp_path):
    with open_writer(tmp_path / "o.csv") as writer:
        writer.write({"prompt": [{"role": "user", "content": "hi"}]})
    (record,) = open_rows(tmp_path / "o.csv", cell_parsers={"prompt": json.loads})
    assert record.cells == {"prompt": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize("name", ["o.jsonl", "o.json.gz", "o.csv", "o.parquet"])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"old")

    def fail():
        with open_writer(path) as writer:
            writer.write(ROWS[0])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", ["o.jsonl.gz", "o.json.gz", "o.parquet"])
def test_equal_rows_make_equal_bytes(tmp_path, name):
    written = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        with open_writer(tmp_path / folder / name) as writer:
            for row in ROWS:
                writer.write(row)
        written.append((tmp_path / folder / name).read_bytes())
    assert written[0] == written[1]


def test_no_rows_are_an_empty_file_of_its_kind(tmp_path):
    for name in ("o.jsonl", "o.json", "o.csv"):
        with open_writer(tmp_path / name):
            pass
    assert json.loads((tmp_path / "o.json").read_text()) == []
    assert (tmp_path / "o.jsonl").read_bytes() == (tmp_path / "o.csv").read_bytes() == b""


def test_a_thousand_rows_cross_a_row_group(tmp_path):
    with open_writer(tmp_path / "o.parquet") as writer:
        for number in range(2_500):
            writer.write({"a": str(number)})
    assert [record.cells["a"] for record in open_rows(tmp_path / "o.parquet")] == [str(n) for n in range(2_500)]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("o.txt", "unknown file name ending"),
        ("o.parquet.gz", r"Parquet is compressed inside, without \.gz; name it \.parquet"),
        ("no/such/o.jsonl", "there is no directory"),
        ("d.jsonl", "it is a directory"),
    ],
)
def test_a_place_that_cannot_be_written_is_one_line(tmp_path, name, message):
    (tmp_path / "d.jsonl").mkdir()
    with pytest.raises(FileError, match=message), open_writer(tmp_path / name) as writer:
        writer.write(ROWS[0])
    assert os.listdir(tmp_path) == ["d.jsonl"]


def test_a_csv_refuses_a_row_of_other_keys(tmp_path):
    refused = pytest.raises(FileError, match="expected those of the first row of the CSV")
    with refused, open_writer(tmp_path / "o.csv") as writer:
        writer.write({"messages": "a"})
        writer.write({"messages": "b", "tools": "[]"})
    assert not (tmp_path / "o.csv").exists()
