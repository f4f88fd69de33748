"""The folder of a run: nothing of another run is written over, and what cannot be written to is refused."""

import json
import os
from pathlib import Path

import pytest
from preftemplates_train.errors import SetupError
from preftemplates_train.model.checkpoint import CheckpointRecord
from preftemplates_train.training.outputs import check_no_other_model, check_writable
from support import HOMEWORK
from trainer_support import command, refusal, train_by
from transformers import AutoTokenizer

QUICK = ["--max_steps", "2", "--eval_strategy", "no", "--per_device_train_batch_size", "4", "--logging_steps", "1"]


def rows_file(folder, number=12):
    path = folder / "rows.jsonl"
    rows = [
        {"prompt": f"q{n}", "response_0": f"good {n}", "response_1": "bad", "better_response_id": 0}
        for n in range(number)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def words_for(folder, *more):
    return [*QUICK, "--dataset_name", str(rows_file(folder)), "--template", "PKUSafeRLHF",
            "--output_dir", str(folder / "run"), *more]  # fmt: skip


def everything(folder):
    return {path.relative_to(folder): path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_a_model_that_somebody_trained_is_not_written_over(tmp_path):
    train_by(*words_for(tmp_path))
    before = everything(tmp_path / "run")
    said = refusal(*words_for(tmp_path))
    assert said == f"{tmp_path / 'run'} holds a model; name another --output_dir, or add --resume_from_checkpoint last"
    assert everything(tmp_path / "run") == before


def test_checkpoints_of_a_run_that_was_stopped_are_not_written_over(tmp_path):
    train_by(*words_for(tmp_path))
    for path in (tmp_path / "run").iterdir():
        if path.is_file():
            path.unlink()
    said = refusal(*words_for(tmp_path))
    assert said.startswith(f"{tmp_path / 'run' / 'checkpoint-2'} holds a model; name another --output_dir")
    train_by(*words_for(tmp_path, "--resume_from_checkpoint", "last"))
    assert (tmp_path / "run" / "model.safetensors").exists()


@pytest.mark.usefixtures("small_set")
def test_the_generated_set_may_be_trained_on_again_and_nothing_of_the_older_run_stays(tmp_path):
    words = [*QUICK, "--save_strategy", "no", "--output_dir", str(tmp_path)]
    train_by(*words, "--style", "chatml")
    assert (tmp_path / "chat_template.jinja").exists()
    train_by(*words, "--template", str(HOMEWORK))
    assert not (tmp_path / "chat_template.jinja").exists()
    assert AutoTokenizer.from_pretrained(tmp_path).chat_template is None
    assert CheckpointRecord.read(tmp_path).style is None


def test_another_s_files_in_the_folder_are_no_model(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "checkpoint-5").mkdir()
    check_no_other_model(tmp_path)
    check_no_other_model(tmp_path / "not there")


def test_a_file_in_the_place_of_the_folder_is_refused_before_anything_is_read(tmp_path):
    (tmp_path / "run").write_text("mine")
    said = refusal("--dataset_name", "gone.jsonl", "--template", "PKUSafeRLHF", "--output_dir", tmp_path / "run")
    assert said == f"output_dir {tmp_path / 'run'} cannot be written: {tmp_path / 'run'}: Not a directory"
    said = refusal("--output_dir", tmp_path / "run" / "deep" / "er")
    assert said.endswith(f"{tmp_path / 'run'}: Not a directory")
    assert (tmp_path / "run").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_refused(tmp_path):
    (tmp_path / "run").mkdir(mode=0o555)
    with pytest.raises(SetupError, match=r"cannot be written: .*run: Permission denied"):
        check_writable(tmp_path / "run" / "new")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no folder here that even root cannot write to")
def test_a_folder_that_nobody_can_write_to_is_refused():
    with pytest.raises(SetupError, match="output_dir /proc/new cannot be written: /proc: "):
        check_writable(Path("/proc/new"))


def test_a_folder_that_can_be_written_to_is_left_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_writable(Path("new/folder"))
    check_writable(Path("."))
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_refused_writes_nothing(tmp_path):
    for more in (["--pad_token", "<|im_end|>"], ["--max_length", "5"], ["--style", "none such"]):
        refusal(*words_for(tmp_path, "--style", "chatml", *more))
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


def test_the_command_ends_with_0_and_names_what_it_wrote(tmp_path):
    code, out, _ = command(*words_for(tmp_path))
    assert code == 0
    assert out.splitlines()[-1] == f"wrote {tmp_path / 'run'}: the model, report.html, metrics.json, scores.jsonl"
