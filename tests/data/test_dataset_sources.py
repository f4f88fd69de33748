"""Datasets: a part or configuration that is not there is an error that names those that are."""

import json

import pytest

from preftemplates.data import open_rows
from preftemplates.errors import FileError

datasets = pytest.importorskip("datasets")

ROWS = [{"prompt": "a", "chosen": "b"}, {"prompt": "c", "chosen": "d"}]
MORE = [{"prompt": "e", "chosen": "f"}]


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

    def load(path, **options):
        called.append((path, options))
        return datasets.Dataset.from_list(ROWS).to_iterable_dataset()

    monkeypatch.setattr(datasets, "load_dataset", load)
    assert cells(open_rows("a/b", split="test", name="small", data_dir="x", revision="v1")) == ROWS
    options = {"split": "test", "name": "small", "data_dir": "x", "revision": "v1", "streaming": True}
    assert called == [("a/b", options)]


def test_a_part_that_the_hub_does_not_have_is_an_error(monkeypatch):
    def refuse(*_, **__):
        raise ValueError("Bad split: train. Available splits: ['a', 'b']")

    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(FileError, match=r"^a/b has no split 'train'. It has a, b$"):
        open_rows("a/b")
