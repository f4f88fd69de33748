"""The folder of features: checked before anything is computed, and nobody else's files in it are removed."""

import pytest
from preftemplates_train.errors import SetupError
from preftemplates_train.heads.feature_cache import is_feature_file, remove_feature_files
from preftemplates_train.settings.config import RewardConfig
from preftemplates_train.training.feature_folder import check_feature_folder
from trainer_support import refusal, train_by

OURS = f"{'0' * 32}-{'a' * 32}.safetensors"


@pytest.fixture
def head(small_set, base_model, tmp_path):  # noqa: ARG001  a fixture for its effect
    base = base_model("decoder with BOS")
    return ["--train", "head", "--style", "chatml", "--head_layers", "1", "--baselines", "none",
            "--model_name_or_path", str(base), "--output_dir", str(tmp_path / "out")]  # fmt: skip


def check(output, cache=None, **settings):
    check_feature_folder(RewardConfig(output_dir=str(output), feature_cache=cache and str(cache), **settings))


def test_only_files_of_features_are_removed(tmp_path):
    names = ["notes.txt", "model.safetensors", f"{'0' * 32}.safetensors", f"{OURS}.bak"]
    for name in (*names, OURS, f".{OURS}.123"):
        (tmp_path / name).write_text("x")
    assert [is_feature_file(name) for name in (*names, OURS, f".{OURS}.123")] == [False] * 4 + [True] * 2
    remove_feature_files(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    for name in names:
        (tmp_path / name).unlink()
    remove_feature_files(tmp_path)
    assert not tmp_path.exists()
    remove_feature_files(tmp_path)  # a run without features has no folder


def test_a_run_leaves_the_files_of_the_user_and_the_features_of_a_named_folder(head, tmp_path):
    folder = tmp_path / "out" / ".features"
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    train_by(*head)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    (folder / "notes.txt").unlink()
    again = [*head, "--feature_cache", str(folder)]
    train_by(*again)
    assert [is_feature_file(path.name) for path in folder.iterdir()] == [True] * len([*folder.iterdir()])
    assert train_by(*again)[0].metrics["head"]["groups_computed"] == 0


def test_a_folder_that_gets_a_model_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SetupError, match=r"^feature_cache out is also output_dir, which gets the model; name ano"):
        check(tmp_path / "out", "./out/")
    for name in ("adapter", "checkpoint-5", ".saving-model", "adapter/deep"):
        with pytest.raises(SetupError, match=r"is in a folder that the run writes, .*; name another --feature_cache"):
            check(tmp_path / "out", tmp_path / "out" / name)
    for name in ("features", ".features"):
        check(tmp_path / "out", tmp_path / "out" / name)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_folder_that_contains_a_model_is_refused(tmp_path, name):
    (tmp_path / OURS).write_text("x")
    check(tmp_path / "out", tmp_path)
    (tmp_path / name).write_text("{}")
    with pytest.raises(SetupError, match=f"contains {name}, a file of a model.*; name another --feature_cache$"):
        check(tmp_path / "out", tmp_path)


@pytest.mark.parametrize("below", ["", "/deep", "/deep/er"])
def test_a_file_in_the_place_of_the_folder_is_refused_before_anything_is_read(tmp_path, below):
    (tmp_path / "file").write_text("mine")
    cache = f"{tmp_path / 'file'}{below}"
    data = ["--dataset_name", "gone.jsonl", "--template", "PKUSafeRLHF", "--output_dir", tmp_path / "out"]
    said = refusal(*data, "--feature_cache", cache)
    assert said.startswith(f"feature_cache {cache} cannot be written: ")
    assert said.endswith("Not a directory; name another --feature_cache")
    assert (tmp_path / "file").read_text() == "mine"
    assert not (tmp_path / "out").exists()


def test_a_file_in_the_place_of_the_folder_in_the_output_folder_is_refused(tmp_path):
    (tmp_path / ".features").write_text("mine")
    with pytest.raises(SetupError, match=r"\.features cannot be written: Not a directory; name another --output_dir"):
        check(tmp_path)
    check(tmp_path, baselines="none")  # which reads no features
