"""A folder with a manifest is whole and as it was written, or what is wrong with it is known."""

import json

import pytest
from preftemplates_train.model.manifest import MANIFEST_FILE, find_damage, is_unchanged, read_manifest, write_manifest

FILES = {"a.bin": b"0123456789", "inner/b.json": b"{}"}


@pytest.fixture
def folder(tmp_path):
    for name, content in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    write_manifest(tmp_path)
    return tmp_path


def test_a_whole_folder_has_no_damage(folder):
    assert find_damage(folder) is None
    assert set(read_manifest(folder)) == set(FILES)
    (folder / "more.txt").write_text("not in the manifest")
    assert find_damage(folder) is None


DAMAGES = {
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:4]), "a.bin has 4 bytes, expected 10"),
    "a bit": (lambda path: path.write_bytes(b"0123456788"), "a.bin has changed since it was written"),
    "gone": (lambda path: path.unlink(), "a.bin cannot be read: No such file or directory"),
    "empty": (lambda path: path.write_bytes(b""), "a.bin has 0 bytes, expected 10"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_each_damage_is_named(folder, name):
    damage, words = DAMAGES[name]
    damage(folder / "a.bin")
    assert find_damage(folder) == words
    assert not is_unchanged(folder, "a.bin")
    assert is_unchanged(folder, "inner/b.json")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"files": 3}', '{"files": {"a.bin": {}}}', '{"files": {}}'])
def test_a_damaged_manifest_is_a_damage(folder, content):
    (folder / MANIFEST_FILE).write_text(content)
    assert find_damage(folder) == f"{MANIFEST_FILE} is damaged"


def test_a_folder_without_a_manifest_was_not_written_to_its_end(folder):
    (folder / MANIFEST_FILE).unlink()
    assert find_damage(folder) == f"it has no {MANIFEST_FILE}, so it was not written completely"
    assert not is_unchanged(folder, "a.bin")


def test_a_manifest_may_list_some_files_only(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    write_manifest(tmp_path, [tmp_path / "a"])
    assert json.loads((tmp_path / MANIFEST_FILE).read_text())["files"].keys() == {"a"}


def test_a_manifest_names_no_files_outside_its_folder(folder, tmp_path_factory):
    entry = {"size": 1, "sha256": "x"}
    names = ["../victim.txt", "inner/../../victim.txt", str(tmp_path_factory.mktemp("other") / "victim.txt"), "a.bin"]
    (folder / MANIFEST_FILE).write_text(json.dumps({"files": dict.fromkeys(names, entry)}))
    assert list(read_manifest(folder)) == ["a.bin"]
