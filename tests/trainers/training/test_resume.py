"""A run continues from a checkpoint of the same run as if it had not stopped, and from no other."""

import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from preftemplates_train.errors import ResumeError, SetupError
from preftemplates_train.model.checkpoint import CheckpointRecord
from preftemplates_train.model.manifest import write_manifest
from preftemplates_train.training.resume import check_same_run
from run_support import SHORT, Stop, equal, on_rows, rows_file, weights
from trainer_support import train_by

from preftemplates import get_dialect


def test_ctrl_c_stops_with_a_checkpoint_from_which_the_run_goes_on_to_equal_weights(tmp_path, monkeypatch):
    before = signal.getsignal(signal.SIGINT)  # a shell lets its background jobs ignore it
    unbroken, _ = on_rows(tmp_path, folder="unbroken")
    with monkeypatch.context() as patch:
        patch.setattr("preftemplates_train.training.run.LogCallback", lambda _: Stop(2))
        stopped, _ = on_rows(tmp_path, folder="broken")
    assert stopped.stopped_at == 3
    assert not (stopped.folder / "model.safetensors").exists()
    assert signal.getsignal(signal.SIGINT) == before
    resumed, _ = on_rows(tmp_path, "--resume_from_checkpoint", "last", folder="broken")
    equal(weights(resumed.folder), weights(unbroken.folder))
    assert resumed.metrics == unbroken.metrics


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (["--learning_rate", "1e-4"], "learning_rate"),
        (["--seed", "3"], "seed 42, but this run has 3"),
        (["--style", "chatml"], "different style|different templates"),
        (["--max_length", "64"], "max length"),
    ],
)
def test_a_run_goes_on_from_no_checkpoint_made_otherwise(tmp_path, changed, said):
    on_rows(tmp_path)
    with pytest.raises(ResumeError, match=said):
        on_rows(tmp_path, "--resume_from_checkpoint", str(tmp_path / "run" / "checkpoint-6"), *changed)


def test_other_data_is_another_run(tmp_path):
    outcome, _ = on_rows(tmp_path)
    words = [
        *SHORT,
        "--template",
        "PKUSafeRLHF",
        "--output_dir",
        str(outcome.folder),
        "--resume_from_checkpoint",
        "last",
    ]
    changed = rows_file(tmp_path, 40, response_1="worse")
    with pytest.raises(ResumeError, match=r"different (data|tokenizer)"):
        train_by(*words, "--dataset_name", changed)


def test_there_is_no_checkpoint_to_go_on_from(tmp_path):
    with pytest.raises(ResumeError, match="no checkpoint"):
        on_rows(tmp_path, "--resume_from_checkpoint", "last")


def test_the_dialect_is_recorded_and_another_one_is_the_same_run(tmp_path):
    outcome, _ = on_rows(tmp_path)
    record = CheckpointRecord.read(outcome.folder)
    (recorded,) = record.dialects.values()
    assert recorded == {"name": "align-anything", "digest": get_dialect("align-anything").digest}
    check_same_run(record, replace(record, dialects={}), outcome.folder)
    with pytest.raises(ResumeError, match="different templates"):
        check_same_run(record, replace(record, templates={}), outcome.folder)


@pytest.mark.parametrize("steps", [(2, 9, 12), pytest.param(range(1, 13), marks=pytest.mark.faults)])
def test_a_run_continues_exactly_from_every_step_also_at_the_end_of_an_epoch(tmp_path, steps):
    """The set has nine batches an epoch, so that the steps lie inside, at the end of and after an epoch."""
    words = ["--max_steps", "12", "--save_steps", "1", "--save_total_limit", "12"]
    unbroken, _ = on_rows(tmp_path, *words, folder="unbroken")
    for step in steps:
        folder = tmp_path / f"from-{step}"
        shutil.copytree(tmp_path / "unbroken" / f"checkpoint-{step}", folder / f"checkpoint-{step}")
        resumed, text = on_rows(tmp_path, *words, "--resume_from_checkpoint", "last", folder=folder.name)
        assert f"continuing from {folder / f'checkpoint-{step}'}, step {step}" in text
        equal(weights(resumed.folder), weights(unbroken.folder))
        assert resumed.metrics == unbroken.metrics
        assert (folder / "scores.jsonl").read_bytes() == (unbroken.folder / "scores.jsonl").read_bytes()
        assert not list(folder.glob("checkpoint-1[345]"))


DAMAGES = {
    "the weights are cut": lambda folder: cut(folder / "model.safetensors"),
    "the optimizer's state is cut": lambda folder: cut(folder / "optimizer.pt"),
    "the trainer's state is cut": lambda folder: cut(folder / "trainer_state.json"),
    "a bit of the weights is another": lambda folder: flip(folder / "model.safetensors"),
    "the random state is gone": lambda folder: (folder / "rng_state.pth").unlink(),
    "the record is gone": lambda folder: (folder / "preftemplates.json").unlink(),
    "the manifest is gone": lambda folder: (folder / "preftemplates-manifest.json").unlink(),
    "the tokenizer is empty": lambda folder: (folder / "tokenizer.json").write_bytes(b""),
}


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path):
    content = bytearray(path.read_bytes())
    content[-7] ^= 1
    path.write_bytes(content)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run with checkpoints of two steps."""
    folder = tmp_path_factory.mktemp("finished")
    on_rows(folder, "--save_steps", "3")
    return folder


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_passed_over_with_a_line_and_named_where_it_is_asked_for(tmp_path, finished, damage):
    here = shutil.copytree(finished, tmp_path / "here")
    before = weights(here / "run")
    DAMAGES[damage](here / "run" / "checkpoint-6")
    with pytest.raises(ResumeError, match="checkpoint-6 is damaged: "):
        on_rows(here, "--save_steps", "3", "--resume_from_checkpoint", str(here / "run" / "checkpoint-6"))
    resumed, text = on_rows(here, "--save_steps", "3", "--resume_from_checkpoint", "last")
    assert f"skipped {here / 'run' / 'checkpoint-6'}, which is damaged: " in text
    assert "checkpoint-3, step 3" in text
    equal(weights(resumed.folder), before)


def test_no_checkpoint_that_is_whole_is_an_error_that_names_the_newest(tmp_path, finished):
    here = shutil.copytree(finished, tmp_path / "here")
    for step in (3, 6):
        cut(here / "run" / f"checkpoint-{step}" / "model.safetensors")
    with pytest.raises(ResumeError, match=r"no checkpoint in .* is intact: .*checkpoint-6, which is damaged"):
        on_rows(here, "--save_steps", "3", "--resume_from_checkpoint", "last")


def test_a_checkpoint_of_weights_alone_is_not_continued(tmp_path):
    on_rows(tmp_path, "--save_only_model", "true")
    said = r"checkpoint-6 has no optimizer\.pt, scheduler\.pt, rng_state\.pth, because it was saved with --save"
    with pytest.raises(ResumeError, match=said):
        on_rows(tmp_path, "--save_only_model", "true", "--resume_from_checkpoint", "last")


def test_the_same_rows_under_another_path_are_the_same_run(tmp_path, finished):
    here = shutil.copytree(finished, tmp_path / "here")
    shutil.rmtree(here / "run" / "checkpoint-6")
    (here / "moved").mkdir()
    moved = shutil.move(here / "rows-40.jsonl", here / "moved" / "rows.jsonl")
    words = [*SHORT, "--template", "PKUSafeRLHF", "--output_dir", str(here / "run"), "--save_steps", "3"]
    resumed, _ = train_by(*words, "--dataset_name", str(moved), "--resume_from_checkpoint", "last")
    equal(weights(resumed.folder), weights(finished / "run"))


@pytest.mark.parametrize("value", ["false", "False"])
def test_false_continues_nothing(tmp_path, value):
    run_yaml = tmp_path / "run.yaml"
    run_yaml.write_text(f"resume_from_checkpoint: {value}\n")
    outcome, _ = on_rows(tmp_path, "--config", str(run_yaml))
    assert outcome.metrics


def test_a_checkpoint_of_another_folder_does_not_replace_a_model(tmp_path, finished):
    here = shutil.copytree(finished, tmp_path / "here")
    on_rows(here, "--save_steps", "3", "--seed", "7", folder="other")
    before = weights(here / "other")
    with pytest.raises(SetupError, match="other contains a model; name another --output_dir"):
        on_rows(
            here, "--save_steps", "3", "--resume_from_checkpoint", str(here / "run" / "checkpoint-3"), folder="other"
        )
    equal(weights(here / "other"), before)
    resumed, _ = on_rows(
        here, "--save_steps", "3", "--resume_from_checkpoint", str(here / "run" / "checkpoint-3"), folder="third"
    )
    equal(weights(resumed.folder), weights(finished / "run"))


def test_the_best_checkpoint_is_found_where_the_folder_has_been_moved(tmp_path):
    words = ["--save_steps", "2", "--eval_strategy", "steps", "--eval_steps", "2", "--load_best_model_at_end", "true"]
    words += ["--metric_for_best_model", "loss", "--greater_is_better", "true"]  # the first is the best
    first, _ = on_rows(tmp_path, *words, folder="before")
    best = weights(first.folder)
    equal(best, weights(first.folder / "checkpoint-2"))
    (tmp_path / "before").rename(tmp_path / "after")
    moved, _ = on_rows(tmp_path, *words, "--resume_from_checkpoint", "last", folder="after")
    equal(weights(moved.folder), best)
    cut(tmp_path / "after" / "checkpoint-2" / "model.safetensors")
    with pytest.raises(ResumeError, match=r"the best checkpoint, .*checkpoint-2, cannot be loaded: "):
        on_rows(tmp_path, *words, "--resume_from_checkpoint", "last", folder="after")


def test_a_checkpoint_of_several_processes_is_not_continued_by_fewer(tmp_path, finished):
    here = shutil.copytree(finished, tmp_path / "here")
    folder = here / "run" / "checkpoint-6"
    for number in (0, 1):
        shutil.copy(folder / "rng_state.pth", folder / f"rng_state_{number}.pth")
    (folder / "rng_state.pth").unlink()
    write_manifest(folder)
    with pytest.raises(ResumeError, match="was written by 2 processes, but this run has 1"):
        on_rows(here, "--save_steps", "3", "--resume_from_checkpoint", "last")


def test_a_run_that_is_killed_while_it_writes_its_model_is_continued(tmp_path, finished, monkeypatch):
    here = shutil.copytree(finished, tmp_path / "here")
    words = ["--save_steps", "3", "--resume_from_checkpoint", "last"]
    moves = []

    class Killed(BaseException):
        pass

    def move(path, target, replace=Path.replace):
        moves.append(path)
        if path.parent.name == ".saving-model" and len(moves) > 5:
            raise Killed
        return replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", move)
        with pytest.raises(Killed):
            on_rows(here, *words)
    assert len(moves) > 5
    resumed, _ = on_rows(here, *words)
    equal(weights(resumed.folder), weights(finished / "run"))
    assert not (here / "run" / ".preftemplates-pending.json").exists()
