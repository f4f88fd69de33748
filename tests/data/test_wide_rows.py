"""A row of more columns than are read is rejected, and a table of so many is refused, in one line."""

import json

import pyarrow as arrow
import pytest
from pyarrow import parquet
from support import run

from preftemplates.core.containers import find_repeated
from preftemplates.data import open_rows
from preftemplates.data.csv_rows import MAX_COLUMNS
from preftemplates.errors import Code, FileError

WIDE = {f"c{index}": index for index in range(60_000)}
MOST = {f"c{index}": index for index in range(MAX_COLUMNS)}


def test_a_wide_json_row_is_rejected_and_the_others_are_read(tmp_path):
    path = tmp_path / "w.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in (WIDE, {"a": 1}, MOST)))
    wide, *others = open_rows(path)
    assert (wide.cells.code, wide.cells.message) == (
        Code.TOO_WIDE,
        f"the row has 60,000 columns, more than the limit of {MAX_COLUMNS:,}",
    )
    assert [record.cells for record in others] == [{"a": 1}, MOST]


def test_a_wide_table_is_refused_in_one_line(tmp_path):
    (tmp_path / "w.csv").write_text(",".join(WIDE) + "\n" + ",".join(map(str, WIDE.values())) + "\n")
    parquet.write_table(arrow.Table.from_pylist([WIDE]), tmp_path / "w.parquet")
    for name in ("w.csv", "w.parquet"):
        done = run("detect", tmp_path / name, code=2)
        assert done.stderr.endswith(f" has 60,000 columns, more than the limit of {MAX_COLUMNS:,}\n")
        assert done.stderr.count("\n") == 1


def test_a_name_that_is_there_twice_among_very_many_is_found(tmp_path):
    path = tmp_path / "w.csv"
    path.write_text(",".join([*WIDE, "c9"]) + "\n")
    with pytest.raises(FileError, match="the column 'c9' twice"):
        list(open_rows(path))
    members = ", ".join(f'"{name}": 1' for name in [*WIDE, "c7"])
    (tmp_path / "w.jsonl").write_text("{" + members + "}\n")
    assert next(iter(open_rows(tmp_path / "w.jsonl"))).cells.column == "c7"
    assert find_repeated(WIDE) is None
