"""Datasets: a part or configuration that is not there is an error that names those that are."""

import json
from types import SimpleNamespace

import pytest

from preftemplates.data import open_rows
from preftemplates.data.dataset_sources import DatasetChoice, load_hub_dataset
from preftemplates.data.folders import find_csv_options
from preftemplates.errors import FileError

datasets = pytest.importorskip("datasets")

ROWS = [{"prompt": "a", "chosen": "b"}, {"prompt": "c", "chosen": "d"}]
MORE = [{"prompt": "e", "chosen": "f"}]
TABLE = "system,prompt\nNA,None\n,null\n"


def cells(source):
    return [dict(record.cells) for record in source]


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def saved(tmp_path):
    """One saved part whose name is not known, one whose name is, and two parts."""
    datasets.Dataset.from_list(ROWS).save_to_disk(tmp_path / "one")
    datasets.Dataset.from_list(ROWS, split="test").save_to_disk(tmp_path / "named")
    parts = {"train": datasets.Dataset.from_list(ROWS), "test": datasets.Dataset.from_list(MORE)}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "dict")
    return tmp_path


@pytest.fixture
def folder(tmp_path):
    """A folder of files, with parts, and configurations in folders."""
    write(tmp_path / "files" / "train.jsonl", ROWS)
    write(tmp_path / "files" / "test.jsonl", MORE)
    write(tmp_path / "several" / "small" / "train.jsonl", MORE)
    write(tmp_path / "several" / "large" / "train.jsonl", ROWS)
    (tmp_path / "several" / "README.md").write_text(
        "---\nconfigs:\n- config_name: small\n  data_files: small/train.jsonl\n"
        "- config_name: large\n  data_files: large/train.jsonl\n---\n"
    )
    return tmp_path


def test_a_saved_part_is_read_by_its_own_name_or_none(saved):
    assert cells(open_rows(saved / "one")) == cells(open_rows(saved / "named")) == ROWS
    assert cells(open_rows(saved / "named", split="test")) == ROWS
    assert cells(open_rows(saved / "dict")) == ROWS
    assert cells(open_rows(saved / "dict", split="test")) == MORE


@pytest.mark.parametrize(
    ("name", "split", "message"),
    [
        ("one", "test", r"one is one saved split, without a name; there is no split 'test'$"),
        ("named", "train", r"named is one saved split, 'test'; there is no split 'train'$"),
        ("dict", "tset", r"dict has no split 'tset'. It has train, test$"),
    ],
)
def test_a_part_that_was_not_saved_is_an_error(saved, name, split, message):
    with pytest.raises(FileError, match=message):
        open_rows(saved / name, split=split)


@pytest.mark.parametrize("option", ["name", "data_dir", "revision"])
def test_a_saved_dataset_has_no_configurations(saved, option):
    with pytest.raises(FileError, match="is a saved dataset, which has splits, but no configurations"):
        open_rows(saved / "dict", **{option: "x"})


def test_a_folder_of_files_has_parts(folder):
    assert cells(open_rows(folder / "files", split="test")) == MORE
    with pytest.raises(FileError, match=r"files has no split 'valid'. It has .*train"):
        open_rows(folder / "files", split="valid")


def test_a_dataset_with_configurations_asks_for_one(folder):
    assert cells(open_rows(folder / "several", name="small")) == MORE
    assert cells(open_rows(folder / "several", name="large")) == ROWS
    with pytest.raises(FileError, match=r"several has several configurations; choose one of small, large$"):
        open_rows(folder / "several")
    with pytest.raises(FileError, match=r"several has no configuration 'smal'\. Did you mean 'small'\?$"):
        open_rows(folder / "several", name="smal")


def test_the_folder_of_the_files_is_named(folder):
    (folder / "several" / "README.md").unlink()
    assert cells(open_rows(folder / "several", data_dir="large")) == ROWS
    assert cells(open_rows(folder / "several", data_dir="small")) == MORE


@pytest.mark.parametrize("option", ["split", "name", "data_dir", "revision"])
def test_a_file_has_none_of_these(folder, option):
    with pytest.raises(FileError, match="is a file; only a dataset has splits, configurations, folders and revisions"):
        open_rows(folder / "files" / "train.jsonl", **{option: "x"})


def test_a_dataset_on_the_hub_gets_what_was_chosen(monkeypatch):
    called = []

    def stream(split):
        called.append(split)
        return datasets.Dataset.from_list(ROWS).to_iterable_dataset()

    def load(path, **options):
        called.append((path, options))
        return SimpleNamespace(config=None, as_streaming_dataset=stream)

    monkeypatch.setattr(datasets, "load_dataset_builder", load)
    assert cells(open_rows("a/b", split="test", name="small", data_dir="x", revision="v1")) == ROWS
    assert called == [("a/b", {"name": "small", "data_dir": "x", "revision": "v1"}), "test"]


def test_a_part_that_the_hub_does_not_have_is_an_error(monkeypatch):
    def refuse(*_, **__):
        raise ValueError("Bad split: train. Available splits: ['a', 'b']")

    monkeypatch.setattr(datasets, "load_dataset_builder", refuse)
    with pytest.raises(FileError, match=r"^a/b has no split 'train'. It has a, b$"):
        open_rows("a/b")


def test_streamed_csv_values_are_missing_only_if_they_are_empty(tmp_path):
    (tmp_path / "rows.csv").write_text(TABLE)
    streamed = load_hub_dataset(str(tmp_path), DatasetChoice(), datasets, find_csv_options)
    assert list(streamed) == [{"system": "NA", "prompt": "None"}, {"system": None, "prompt": "null"}]


@pytest.mark.parametrize(("name", "separator"), [("rows.tsv", "\t"), ("rows.csv", ";")])
def test_values_with_other_separators_are_missing_only_if_they_are_empty(tmp_path, name, separator):
    (tmp_path / name).write_text(TABLE.replace(",", separator))
    if separator == ";":
        readme = "---\nconfigs:\n- config_name: default\n  data_files: rows.csv\n  sep: ';'\n---\n"
        (tmp_path / "README.md").write_text(readme)
    assert cells(open_rows(tmp_path)) == [{"system": "NA", "prompt": "None"}, {"system": None, "prompt": "null"}]


def test_in_a_column_that_is_declared_as_numbers_a_word_for_a_missing_value_is_none(tmp_path):
    (tmp_path / "rows.csv").write_text("score,prompt\nNA,NA\n1.5,None\n,\n")
    features = "".join(
        f"  - name: {name}\n    dtype: {kind}\n" for name, kind in (("score", "float64"), ("prompt", "string"))
    )
    (tmp_path / "README.md").write_text(f"---\ndataset_info:\n  features:\n{features}---\n")
    expected = [
        {"score": None, "prompt": "NA"}, {"score": 1.5, "prompt": "None"}, {"score": None, "prompt": None},
    ]  # fmt: skip
    assert cells(open_rows(tmp_path)) == expected
    assert list(load_hub_dataset(str(tmp_path), DatasetChoice(), datasets, find_csv_options)) == expected


def test_an_error_that_is_raised_is_not_printed_too(tmp_path, capfd):
    (tmp_path / "rows.json").write_text('{"a": 1}\n{"a": \n')
    with pytest.raises(FileError, match="cannot be loaded as a dataset"):
        open_rows(tmp_path)
    assert capfd.readouterr().err == ""
