"""Reading rows: every format gives the same cells, and says where a row stands."""

import csv
import gzip
import json
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from preftemplates.data.reading import open_rows
from preftemplates.errors import Code, FileError, RowError

ROWS = [{"a": "x\r\ny", "b": "ü"}, {"a": "", "b": "2"}]


def write(path, rows=ROWS):
    text = {
        ".jsonl": lambda: "".join(json.dumps(row) + "\n" for row in rows),
        ".json": lambda: json.dumps(rows, indent=1),
    }
    kind = "".join(path.suffixes).removesuffix(".gz")
    if kind == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
        return path
    if kind == ".csv":
        with gzip.open(path, "wt", newline="") if path.suffix == ".gz" else path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return path
    data = text[kind]().encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize(
    "name", ["r.jsonl", "r.jsonl.gz", "r.json", "r.json.gz", "r.csv", "r.csv.gz", "r.parquet", "R.JSONL".lower()]
)
def test_every_format_gives_the_same_cells(tmp_path, name):
    records = list(open_rows(write(tmp_path / name)))
    assert [record.cells for record in records] == ROWS
    assert [record.row for record in records] == [0, 1]


def test_a_saved_dataset_and_a_directory_of_files_are_sources(tmp_path):
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_list(ROWS).save_to_disk(tmp_path / "saved")
    datasets.DatasetDict({"test": datasets.Dataset.from_list(ROWS)}).save_to_disk(tmp_path / "dict")
    (tmp_path / "files").mkdir()
    write(tmp_path / "files" / "train.jsonl")
    assert [dict(record.cells) for record in open_rows(tmp_path / "saved")] == ROWS
    assert [dict(record.cells) for record in open_rows(tmp_path / "dict", split="test")] == ROWS
    assert [dict(record.cells) for record in open_rows(tmp_path / "files")] == ROWS
    with pytest.raises(FileError, match="has no split 'train'"):
        open_rows(tmp_path / "dict", split="train")


def test_lines_are_physical_where_blank_lines_and_a_bom_stand_between(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n\n  \n{"a": 2}\n{"a": 3}')
    assert [(r.row, r.line, r.cells) for r in open_rows(path)] == [
        (0, 1, {"a": 1}),
        (1, 4, {"a": 2}),
        (2, 5, {"a": 3}),
    ]


def test_lines_of_a_list_and_of_a_csv_are_where_each_row_begins(tmp_path):
    listed = tmp_path / "r.json"
    listed.write_text('[\n\n{"a":\n "1"},\n{"a": "2"}\n]')
    assert [r.line for r in open_rows(listed)] == [3, 5]
    table = tmp_path / "r.csv"
    table.write_text('a\n"one\ntwo"\n\nthree\n')
    assert [(r.row, r.line, r.cells["a"]) for r in open_rows(table)] == [(0, 2, "one\ntwo"), (1, 5, "three")]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b'{"a": 1', Code.BAD_JSON),
        (b'["a"]', Code.BAD_JSON),
        (b'{"a": 1, "a": 2}', Code.DUPLICATE_KEY),
        (b'{"a": {"b": 1, "b": 2}}', Code.DUPLICATE_KEY),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", Code.TOO_DEEP),
        (b'{"a": ' + b"9" * 5_000 + b"}", Code.BAD_NUMBER),
        (b'{"a": "\xff"}', Code.BAD_ENCODING),
    ],
)
def test_a_bad_line_is_one_bad_row_and_the_next_is_read(tmp_path, line, code):
    path = tmp_path / "r.jsonl"
    path.write_bytes(b'{"a": 0}\n' + line + b'\n{"a": 2}\n')
    first, bad, last = open_rows(path)
    assert isinstance(bad.cells, RowError)
    assert (bad.cells.code, bad.row, bad.line) == (code, 1, 2)
    assert (first.cells, last.cells) == ({"a": 0}, {"a": 2})


def test_a_csv_record_with_too_many_cells_is_one_bad_row(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text("a,b\n1,2,3\n4,5\n6\n")
    long, good, short = open_rows(path)
    assert long.cells.code is Code.BAD_CSV
    assert (good.cells, short.cells) == ({"a": "4", "b": "5"}, {"a": "6"})


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("r.jsonl", b"", "is empty"),
        ("r.jsonl", b"\n\n", "has no rows"),
        ("r.json", b"[]", "has no rows"),
        ("r.csv", b"a,b\n", "has no rows"),
        ("r.jsonl", b'[{"a": 1}]', r"name should end in \.json"),
        ("r.json", b'{"a": 1}\n', r"is one object, expected a list of rows; put the object in \[ \]"),
        ("r.json", b'[{"a": 1}', "',' or the list's ']'"),
        ("r.json", b'[{"a": 1},, {"a": 2}]', "not JSON"),
        ("r.json", b'[{"a": 1}] more', "more text after"),
        ("r.json", b'"text"', "not a JSON list"),
        ("r.jsonl", gzip.compress(b'{"a": 1}', mtime=0), r"\.gz"),
        ("r.jsonl.gz", b'{"a": 1}', "not gzip"),
        ("r.jsonl.gz", gzip.compress(b'{"a": "%s"}\n' % (b"ab" * 9_999), mtime=0)[:40], "damaged"),
        ("r.parquet", b"PAR1 and then nothing", r"not Parquet: .*is not a parquet file\.$"),
        ("r.parquet.gz", b"x", r"Parquet is compressed inside, without \.gz; name it \.parquet"),
        ("r.csv", b"PAR1....", "Parquet"),
        ("r.csv", b"a,a\n1,2\n", "the column 'a' twice"),
        ("r.csv", b"a,\xff\nb,1\n", "not UTF-8"),
        ("r.txt", b"hello", r"unknown file name ending, expected .* or \.csv, each also with \.gz, or \.parquet"),
    ],
)
def test_what_is_not_what_its_name_says_is_one_clear_line(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(FileError, match=message) as caught:
        list(open_rows(path))
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def test_a_name_that_is_no_file_says_which_is_near(tmp_path):
    write(tmp_path / "rows.jsonl")
    with pytest.raises(FileError, match=r"Did you mean 'rows\.jsonl'"):
        open_rows(tmp_path / "row.jsonl")


def test_a_hub_name_that_cannot_be_had_is_one_line(monkeypatch):
    datasets = pytest.importorskip("datasets")

    def refuse(name, **options):
        assert (name, options) == ("nobody/nothing", {"revision": "main"})
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(datasets, "load_dataset_builder", refuse)
    with pytest.raises(
        FileError, match=r"there is no file .*, and the hub cannot be reached: ConnectionError: no route$"
    ):
        open_rows("nobody/nothing", revision="main")


def test_a_streamed_dataset_gives_rows_and_no_length(monkeypatch):
    datasets = pytest.importorskip("datasets")
    streamed = datasets.Dataset.from_list(ROWS).to_iterable_dataset()
    builder = SimpleNamespace(config=None, as_streaming_dataset=lambda **_: streamed)
    monkeypatch.setattr(datasets, "load_dataset_builder", lambda *_, **__: builder)
    source = open_rows("somebody/something")
    assert [dict(record.cells) for record in source] == ROWS


def test_a_connection_that_is_lost_in_the_middle_is_one_line_and_the_rows_before_it_come(monkeypatch):
    datasets = pytest.importorskip("datasets")

    def rows():
        yield ROWS[0]
        raise ConnectionError("reset\nby peer")

    streamed = datasets.IterableDataset.from_generator(rows)
    builder = SimpleNamespace(config=None, as_streaming_dataset=lambda **_: streamed)
    monkeypatch.setattr(datasets, "load_dataset_builder", lambda *_, **__: builder)
    records = iter(open_rows("somebody/something"))
    assert dict(next(records).cells) == ROWS[0]
    with pytest.raises(FileError, match=r"cannot be read after row 1: .*") as caught:
        list(records)
    assert "\n" not in str(caught.value)


def test_the_fraction_read_ends_at_one(tmp_path):
    for name in ("r.jsonl", "r.parquet", "r.csv.gz"):
        source = open_rows(write(tmp_path / name))
        list(source)
        assert source.fraction() == 1.0
