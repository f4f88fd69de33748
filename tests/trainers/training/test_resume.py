"""A run continues from a checkpoint of the same run as if it had not stopped, and from no other."""

import signal
from dataclasses import replace

import pytest
from preftemplates_train.errors import ResumeError
from preftemplates_train.model.checkpoint import CheckpointRecord
from preftemplates_train.training.resume import check_same_run
from run_support import SHORT, equal, on_rows, rows_file, weights
from trainer_support import train_by
from transformers import TrainerCallback

from preftemplates import get_dialect


class Stop(TrainerCallback):
    """Sends SIGINT in the middle of a step."""

    def __init__(self, step):
        self.step = step

    def on_step_begin(self, _args, state, _control, **_):
        if state.global_step == self.step:
            signal.raise_signal(signal.SIGINT)  # heard before the next line; a signal to the process may come later


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
        (["--seed", "3"], "seed 42, and here it is 3"),
        (["--style", "chatml"], "another style|another templates"),
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
    with pytest.raises(ResumeError, match=r"another (data|tokenizer)"):
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
    with pytest.raises(ResumeError, match="another templates"):
        check_same_run(record, replace(record, templates={}), outcome.folder)
