"""Checkpoints get their place whole; old ones go only when a newer one verifies; others' stay."""

import pytest
from preftemplates_train.model.manifest import MANIFEST_FILE, find_damage, write_manifest
from preftemplates_train.training.checkpoints import (
    find_staging_folder,
    list_own_checkpoints,
    prune_checkpoints,
    publish_checkpoint,
    remove_staging_folders,
)


def write(folder):
    folder.mkdir(parents=True)
    (folder / "weights").write_text(folder.name)
    return folder


@pytest.fixture
def folder(tmp_path):
    for step in (2, 4, 10):
        write_manifest(write(tmp_path / f"checkpoint-{step}"))
    return tmp_path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_checkpoint_gets_its_place_with_a_manifest(tmp_path):
    checkpoint = tmp_path / "checkpoint-3"
    write(find_staging_folder(checkpoint) / checkpoint.name)
    assert list_own_checkpoints(tmp_path) == []
    publish_checkpoint(checkpoint)
    assert names(tmp_path) == ["checkpoint-3"]
    assert find_damage(checkpoint) is None


def test_a_checkpoint_of_the_same_step_is_replaced(folder):
    checkpoint = folder / "checkpoint-4"
    (checkpoint / "older").write_text("x")
    write(find_staging_folder(checkpoint) / checkpoint.name)
    publish_checkpoint(checkpoint)
    assert names(checkpoint) == [MANIFEST_FILE, "weights"]


def test_what_a_run_that_ended_while_it_saved_has_left_is_removed(folder):
    write(find_staging_folder(folder / "checkpoint-12") / "checkpoint-12")
    remove_staging_folders(folder)
    assert names(folder) == ["checkpoint-10", "checkpoint-2", "checkpoint-4"]


def test_the_newest_comes_first_and_others_are_not_listed(folder):
    write(folder / "checkpoint-20")
    write_manifest(write(folder / "checkpoint-best"))
    (folder / "checkpoint-30").write_text("a file")
    assert [path.name for path in list_own_checkpoints(folder)] == ["checkpoint-10", "checkpoint-4", "checkpoint-2"]


@pytest.mark.parametrize(
    ("limit", "best", "left"),
    [
        (1, None, {10}),
        (2, None, {4, 10}),
        (1, 2, {2, 10}),
        (2, 2, {2, 10}),
        (None, None, {2, 4, 10}),
        (0, None, {2, 4, 10}),
        (9, None, {2, 4, 10}),
    ],
)
def test_the_oldest_go_and_the_best_and_the_newest_stay(folder, limit, best, left):
    write(folder / "checkpoint-1")
    kept = None if best is None else folder / f"checkpoint-{best}"
    prune_checkpoints(folder, limit, folder / "checkpoint-10", kept)
    assert set(names(folder)) == {f"checkpoint-{step}" for step in {*left, 1}}


def test_nothing_goes_where_the_newest_is_damaged(folder):
    (folder / "checkpoint-10" / "weights").write_text("torn")
    prune_checkpoints(folder, 1, folder / "checkpoint-10", None)
    assert names(folder) == ["checkpoint-10", "checkpoint-2", "checkpoint-4"]
