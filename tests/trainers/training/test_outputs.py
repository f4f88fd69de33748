"""The folder of a run: nothing of another run is written over, and what cannot be written to is refused."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from preftemplates_train.errors import SetupError
from preftemplates_train.model.checkpoint import CheckpointRecord
from preftemplates_train.model.manifest import write_manifest
from preftemplates_train.training.output_folder import check_output_folder, lock_output_folder
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
    way_out = "name another --output_dir, or continue its run with --resume_from_checkpoint last"
    assert said == f"{tmp_path / 'run'} contains a model; {way_out}"
    assert everything(tmp_path / "run") == before


def test_checkpoints_of_a_run_that_was_stopped_are_not_written_over(tmp_path):
    train_by(*words_for(tmp_path))
    for path in (tmp_path / "run").iterdir():
        if path.is_file():
            path.unlink()
    said = refusal(*words_for(tmp_path))
    assert said.startswith(f"{tmp_path / 'run' / 'checkpoint-2'} contains a model; name another --output_dir")
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


def test_files_that_a_run_does_not_write_may_lie_in_the_folder(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    check_output_folder(tmp_path, resuming=False)
    check_output_folder(tmp_path / "not there", resuming=False)


@pytest.mark.parametrize("resuming", [False, True])
@pytest.mark.parametrize(
    "name", ["README.md", "config.json", "model.safetensors", "model-00001-of-00002.safetensors", "pytorch_model.bin",
             "tokenizer.json", "metrics.json", "scores.jsonl", "report.html", "preftemplates.json"],
)  # fmt: skip
def test_no_file_of_anybody_else_is_replaced(tmp_path, name, resuming):
    (tmp_path / name).write_text("mine")
    with pytest.raises(
        SetupError,
        match=f"contains {name}, which was not written by a run or has changed since; name another --output_dir",
    ):
        check_output_folder(tmp_path, resuming=resuming)
    assert (tmp_path / name).read_text() == "mine"


def test_checkpoints_of_another_program_stay(tmp_path):
    (tmp_path / "checkpoint-5").mkdir()
    with pytest.raises(SetupError, match="checkpoint-5 is a checkpoint of another program; name another --output_dir"):
        check_output_folder(tmp_path, resuming=False)


@pytest.mark.usefixtures("small_set")
def test_a_file_that_a_run_wrote_and_its_user_changed_is_the_user_s(tmp_path):
    words = [*QUICK, "--save_strategy", "no", "--output_dir", str(tmp_path)]
    train_by(*words)
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(SetupError, match=r"contains README\.md, which was not written by a run"):
        train_by(*words)
    assert (tmp_path / "README.md").read_text() == "mine"


def test_two_runs_do_not_write_into_one_folder_and_a_dead_one_does_not_block(tmp_path):
    code = (
        "import os, sys; from pathlib import Path\n"
        "from preftemplates_train.training.output_folder import lock_output_folder\n"
        "with lock_output_folder(Path(sys.argv[1]), resuming=False, is_main_process=True):\n"
        "    print('locked', flush=True); sys.stdin.readline(); os._exit(9)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "locked\n"
        with (
            pytest.raises(SetupError, match="another run is writing to output_dir"),
            lock_output_folder(tmp_path, resuming=False, is_main_process=True),
        ):
            pass
        with lock_output_folder(tmp_path, resuming=False, is_main_process=False):
            pass
        other.communicate("\n")
    assert other.returncode == 9
    with lock_output_folder(tmp_path, resuming=False, is_main_process=True):
        pass


def test_a_file_in_the_place_of_the_folder_is_refused_before_anything_is_read(tmp_path):
    (tmp_path / "run").write_text("mine")
    said = refusal("--dataset_name", "gone.jsonl", "--template", "PKUSafeRLHF", "--output_dir", tmp_path / "run")
    assert said == f"output_dir {tmp_path / 'run'} cannot be written: Not a directory; name another --output_dir"
    said = refusal("--output_dir", tmp_path / "run" / "deep" / "er")
    assert said.endswith(f"{tmp_path / 'run'}: Not a directory; name another --output_dir")
    assert (tmp_path / "run").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_refused(tmp_path):
    (tmp_path / "run").mkdir(mode=0o555)
    with pytest.raises(SetupError, match=r"cannot be written: .*run: Permission denied"):
        check_output_folder(tmp_path / "run" / "new", resuming=False)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no folder here that even root cannot write to")
def test_a_folder_that_nobody_can_write_to_is_refused():
    with pytest.raises(SetupError, match="output_dir /proc/new cannot be written: /proc: "):
        check_output_folder(Path("/proc/new"), resuming=False)


def test_a_folder_that_can_be_written_to_is_left_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_output_folder(Path("new/folder"), resuming=False)
    check_output_folder(Path("."), resuming=False)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_refused_writes_nothing(tmp_path):
    for more in (["--pad_token", "<|im_end|>"], ["--max_length", "5"], ["--style", "none such"]):
        refusal(*words_for(tmp_path, "--style", "chatml", *more))
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


def test_the_command_ends_with_0_and_names_what_it_wrote(tmp_path):
    code, out, _ = command(*words_for(tmp_path))
    assert code == 0
    assert out.splitlines()[-1] == f"wrote {tmp_path / 'run'}: the model, report.html, metrics.json, scores.jsonl"


def test_checkpoints_without_a_record_are_somebody_s(tmp_path):
    checkpoint = tmp_path / "checkpoint-5"
    checkpoint.mkdir()
    (checkpoint / "model.safetensors").write_text("mine")
    write_manifest(checkpoint)
    with pytest.raises(SetupError, match="checkpoint-5 contains a model; name another --output_dir"):
        check_output_folder(tmp_path, resuming=False)


def test_a_checkpoint_is_no_output_folder(tmp_path):
    (tmp_path / "trainer_state.json").write_text("{}")
    with pytest.raises(SetupError, match="is a checkpoint of a run; name another --output_dir"):
        check_output_folder(tmp_path, resuming=True)
