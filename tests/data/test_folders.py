"""Folders: files of CSV or JSON lines give the same rows as each file alone; `datasets` reads other files."""

import gzip
import json
import math
from pathlib import Path

import pytest

from preftemplates import Preference, RowModel, Template
from preftemplates.data import Conversion, open_rows
from preftemplates.errors import Code, FileError

pytest.importorskip("datasets")

TABLE = "system,prompt,good,bad,first\nNA,1,None,null,1\n,007,1.0,True,0\n"
TEXTS = [
    {"system": "NA", "prompt": "1", "good": "None", "bad": "null", "first": "1"},
    {"system": "", "prompt": "007", "good": "1.0", "bad": "True", "first": "0"},
]
LINES = [
    {"prompt": [{"role": "user", "content": "2024-05-01"}, {"role": "user", "content": "Hi", "name": "Ann"}]},
    {"prompt": [{"role": "user", "content": "2024-05-02"}]},
]


class TabledPairs(Template):
    class Row(RowModel):
        system: str | None
        prompt: str
        good: str
        bad: str
        first: int

    preference = Preference(prompt="{{ system or 'none' }}: {{ prompt }}", chosen="{{ good }}", rejected="{{ bad }}")


def list_cells(source):
    return [record.cells for record in source]


def write_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz"])
def test_a_folder_of_one_csv_gives_the_records_of_the_file(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(gzip.compress(TABLE.encode()) if name.endswith(".gz") else TABLE.encode())
    parsers = TabledPairs().cell_parsers
    assert list_cells(open_rows(tmp_path)) == TEXTS
    assert list(open_rows(tmp_path, cell_parsers=parsers)) == list(open_rows(path, cell_parsers=parsers))
    assert open_rows(tmp_path).name == str(path)


def test_values_of_a_folder_are_formatted_as_the_file_has_them(tmp_path):
    (tmp_path / "rows.csv").write_text(TABLE)
    template = TabledPairs()
    rows = open_rows(tmp_path, cell_parsers=template.cell_parsers)
    results = [
        tuple(messages[-1]["content"] for messages in result.values())
        for result in Conversion(rows, template, "preference")
    ]
    assert results == [("NA: 1", "None", "null"), ("none: 007", "1.0", "True")]


def test_objects_and_dates_of_json_lines_stay_as_they_are(tmp_path):
    write_lines(tmp_path / "rows.jsonl", LINES)
    assert list_cells(open_rows(tmp_path)) == LINES


def test_rows_of_several_files_are_numbered_on_and_a_bad_row_names_its_file(tmp_path):
    write_lines(tmp_path / "a.jsonl", LINES)
    (tmp_path / "b.ndjson").write_text('{"prompt": "b"}\n\nnot JSON\n')
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress(b'{"other": 1}\n'))
    source = open_rows(tmp_path)
    records = list(source)
    assert [(record.row, record.line) for record in records] == [(number, None) for number in range(5)]
    bad = records.pop(3).cells
    assert bad.code is Code.BAD_JSON
    assert str(bad).startswith("b.ndjson line 3: not JSON")  # in the message, which reports and summaries print
    assert [record.cells for record in records] == [*LINES, {"prompt": "b"}, {"other": 1}]
    assert source.name == str(tmp_path)
    assert math.isclose(source.fraction(), 1.0)


def test_a_bad_row_names_its_file_below_the_folder_and_an_empty_file_has_no_rows(tmp_path):
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jsonl").write_text("not JSON\n" if name == "y" else '{"prompt": "b"}\n')
    (tmp_path / "x" / "none.jsonl").touch()
    good, bad = (record.cells for record in open_rows(tmp_path))
    assert good == {"prompt": "b"}
    assert str(bad).startswith(f"{Path('y/a.jsonl')} line 1: not JSON")
    (tmp_path / "z").mkdir()
    (tmp_path / "z" / "a.jsonl").touch()
    with pytest.raises(FileError, match=r"a\.jsonl is empty"):
        open_rows(tmp_path / "z")


def test_files_with_other_columns_are_rows_of_their_own(tmp_path):
    (tmp_path / "a.csv").write_text("prompt,good\na,b\n")
    (tmp_path / "b.csv").write_text("good,prompt,more\nd,c,e\n")
    assert list_cells(open_rows(tmp_path)) == [
        {"prompt": "a", "good": "b"}, {"good": "d", "prompt": "c", "more": "e"}
    ]  # fmt: skip


def test_a_damaged_file_of_a_folder_is_named(tmp_path):
    write_lines(tmp_path / "a.jsonl", LINES)
    (tmp_path / "b.jsonl").write_bytes(b'[{"a": 1}]\n')
    with pytest.raises(FileError, match=r"b\.jsonl.*the file is one JSON list"):
        list(open_rows(tmp_path))


@pytest.mark.parametrize(
    ("split", "prompts"),
    [(None, ["1"]), ("test", ["NA"]), ("train+test", ["1", "NA"]), ("all", ["1", "NA"]), ("test+test", ["NA", "NA"])],
)
def test_splits_by_the_names_of_files(tmp_path, split, prompts):
    (tmp_path / "train.csv").write_text("prompt\n1\n")
    (tmp_path / "test.csv").write_text("prompt\nNA\n")
    assert [cells["prompt"] for cells in list_cells(open_rows(tmp_path, split=split))] == prompts


@pytest.mark.parametrize("split", ["valid", "train+valid"])
def test_a_split_that_no_file_has_is_an_error(tmp_path, split):
    (tmp_path / "train.csv").write_text("prompt\n1\n")
    with pytest.raises(FileError, match=r"has no split 'valid'\. It has train$"):
        open_rows(tmp_path, split=split)


def test_a_part_of_a_split_is_cut_by_datasets(tmp_path):
    (tmp_path / "train.csv").write_text("prompt\nNA\nNone\nb\n")
    assert list_cells(open_rows(tmp_path, split="train[:2]")) == [{"prompt": "NA"}, {"prompt": "None"}]


def test_configurations_and_folders_choose_files(tmp_path):
    for name in ("small", "large"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rows.csv").write_text(f"prompt\n{len(name)}\n{name}\n")
    assert list_cells(open_rows(tmp_path, data_dir="small")) == [{"prompt": "5"}, {"prompt": "small"}]
    (tmp_path / "README.md").write_text(
        "---\nconfigs:\n- config_name: a\n  data_files: small/rows.csv\n"
        "- config_name: b\n  data_files: large/rows.csv\n---\n"
    )
    assert list_cells(open_rows(tmp_path, name="b")) == [{"prompt": "5"}, {"prompt": "large"}]


def test_types_that_a_folder_declares_are_those_of_datasets(tmp_path):
    (tmp_path / "rows.csv").write_text("prompt,n\na,1\n")
    (tmp_path / "README.md").write_text(
        "---\ndataset_info:\n  features:\n  - name: prompt\n    dtype: string\n  - name: n\n    dtype: int64\n---\n"
    )
    assert list_cells(open_rows(tmp_path)) == [{"prompt": "a", "n": 1}]


@pytest.mark.parametrize("folder", [".", "../here"])
def test_the_current_directory_is_a_folder_like_others(tmp_path, monkeypatch, folder):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    write_lines(tmp_path / "here" / "rows.jsonl", LINES)
    assert list_cells(open_rows(folder)) == LINES
    assert open_rows(folder).name == ("rows.jsonl" if folder == "." else "../here/rows.jsonl")
    (tmp_path / "here" / "rows.jsonl").rename("rows.json")
    assert len(list_cells(open_rows(folder))) == 2  # datasets reads it


@pytest.mark.parametrize(("files", "data_dir"), [([], None), (["rows.xyz"], None), (["rows.csv"], "none")])
def test_a_folder_without_files_of_rows_is_one_line(tmp_path, files, data_dir):
    for name in files:
        (tmp_path / name).write_text(TABLE)
    with pytest.raises(FileError, match=r"has no files of rows, expected \.jsonl, .* or \.arrow files$") as caught:
        open_rows(tmp_path, data_dir=data_dir)
    assert "\n" not in str(caught.value)


def test_only_a_folder_of_csv_holds_texts(tmp_path):
    (tmp_path / "a.csv").write_text(TABLE)
    assert open_rows(tmp_path).are_texts
    assert open_rows(tmp_path / "a.csv").are_texts
    (tmp_path / "b.csv").write_text(TABLE)
    assert open_rows(tmp_path).are_texts
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).unlink()
    write_lines(tmp_path / "a.jsonl", LINES)
    assert not open_rows(tmp_path).are_texts
