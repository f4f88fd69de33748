"""Early stopping: where a run stops, what it prints and keeps, and that a resumed run stops at the same step."""

import json
import shutil

import pytest
from preftemplates_train.training.trainer import RewardTrainer
from run_support import Stop, equal, on_rows, rows_file, weights
from trainer_support import command

EVALUATED = ["--eval_strategy", "steps", "--eval_steps", "2", "--max_steps", "20", "--save_total_limit", "20"]
WORSE = [*EVALUATED, "--metric_for_best_model", "loss", "--greater_is_better", "true"]
"""The loss falls, so that each evaluation is worse than the first."""

EARLY = [*WORSE, "--early_stopping_patience", "3"]


def state_of(folder, step):
    return json.loads((folder / f"checkpoint-{step}" / "trainer_state.json").read_text())


def kept(text):
    """The line about the stop and the weights that are kept."""
    return next((line for line in text.splitlines() if "the model has the weights of" in line), None)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A run that stops early: the folder of its rows, its outcome and what it printed."""
    folder = tmp_path_factory.mktemp("stopped")
    return folder, *on_rows(folder, *EARLY)


def test_a_run_stops_after_so_many_evaluations_and_keeps_the_best_weights(stopped):
    _, outcome, text = stopped
    assert outcome.stopped_at is None
    steps = {path.name for path in outcome.folder.glob("checkpoint-*")}
    assert steps == {"checkpoint-2", "checkpoint-4", "checkpoint-6", "checkpoint-8"}
    loss = next(entry["eval_loss"] for entry in state_of(outcome.folder, 2)["log_history"] if "eval_loss" in entry)
    assert kept(text) == (
        "stopped early at step 8 of 20: loss did not improve in 3 evaluations in a row; the model has the weights of"
        f" checkpoint-2, whose loss is {loss:.4f}"
    )
    equal(weights(outcome.folder), weights(outcome.folder / "checkpoint-2"))
    assert outcome.metrics["loss"] == pytest.approx(loss, abs=1e-6)
    assert {"metrics.json", "report.html", "README.md"} <= {path.name for path in outcome.folder.iterdir()}


def test_the_command_ends_with_code_0(tmp_path):
    words = ["--dataset_name", rows_file(tmp_path), "--template", "PKUSafeRLHF", "--output_dir", tmp_path / "run"]
    code, out, err = command(*words, *EARLY, "--early_stopping_patience", "1", "--logging_strategy", "no")
    assert (code, err) == (0, "")
    assert "stopped early at step 4 of 20: loss did not improve in 1 evaluation; " in out


@pytest.mark.parametrize("step", [5, 6])
def test_a_resumed_run_stops_where_an_unbroken_one_does(stopped, tmp_path, monkeypatch, step):
    _, unbroken, said = stopped
    with monkeypatch.context() as patch:
        patch.setattr("preftemplates_train.training.run.LogCallback", lambda _: Stop(step - 1))
        broken, text = on_rows(tmp_path, *EARLY)
    assert (broken.stopped_at, kept(text)) == (step, None)
    resumed, text = on_rows(tmp_path, *EARLY, "--resume_from_checkpoint", "last")
    assert kept(text) == kept(said)
    equal(weights(resumed.folder), weights(unbroken.folder))
    equal(weights(resumed.folder / "checkpoint-8"), weights(unbroken.folder / "checkpoint-8"))
    assert not (resumed.folder / "checkpoint-10").exists()
    evaluations = [
        [entry["eval_loss"] for entry in state_of(run.folder, 8)["log_history"] if "eval_loss" in entry]
        for run in (resumed, unbroken)
    ]
    assert evaluations[0] == evaluations[1]


def test_a_run_that_had_stopped_trains_no_further_unless_it_gets_more_patience(stopped, tmp_path):
    rows, unbroken, said = stopped
    here = shutil.copytree(rows, tmp_path / "here")
    for path in (here / "run").iterdir():
        if path.is_file():
            path.unlink()
    resumed, text = on_rows(here, *EARLY, "--resume_from_checkpoint", "last")
    assert "\nstep " not in text
    assert kept(text) == kept(said)
    equal(weights(resumed.folder), weights(unbroken.folder))
    patient, text = on_rows(here, *EARLY, "--resume_from_checkpoint", "last", "--early_stopping_patience", "5")
    assert "stopped early at step 12 of 20: loss did not improve in 5 evaluations in a row" in text
    equal(weights(patient.folder), weights(unbroken.folder))


def test_early_stopping_may_begin_with_a_resumed_run(tmp_path):
    on_rows(tmp_path, *WORSE, "--load_best_model_at_end", "--save_steps", "2", "--max_steps", "20")
    for step in range(6, 21, 2):
        shutil.rmtree(tmp_path / "run" / f"checkpoint-{step}")
    _, text = on_rows(tmp_path, *EARLY, "--resume_from_checkpoint", "last")
    assert "stopped early at step 10 of 20: loss did not improve in 3 evaluations in a row" in text


def test_the_evaluation_with_which_a_resumed_run_begins_does_not_count(tmp_path):
    words = [*EARLY, "--eval_on_start"]
    first, said = on_rows(tmp_path, *words)
    assert "stopped early at step 8 of 20" in kept(said)
    for step in (6, 8):
        shutil.rmtree(first.folder / f"checkpoint-{step}")
    _, text = on_rows(tmp_path, *words, "--resume_from_checkpoint", "last")
    assert kept(text) == kept(said)


def test_only_more_than_the_threshold_is_an_improvement(tmp_path):
    words = [*EVALUATED, "--early_stopping_patience", "2", "--early_stopping_threshold", "100"]
    outcome, text = on_rows(tmp_path, *words)
    assert "stopped early at step 6 of 20: loss did not improve by more than 100 in 2 evaluations in a row" in text
    equal(weights(outcome.folder), weights(outcome.folder / "checkpoint-6"))


def test_a_run_that_reaches_its_end_says_which_weights_it_kept(tmp_path):
    outcome, text = on_rows(tmp_path, *EVALUATED, "--early_stopping_patience", "3", "--max_steps", "6")
    assert kept(text) == f"the model has the weights of checkpoint-6, whose loss is {outcome.metrics['loss']:.4f}"


def test_a_best_evaluation_without_a_checkpoint_is_said(tmp_path):
    _, text = on_rows(tmp_path, *EARLY, "--save_steps", "4", "--max_steps", "6")
    assert kept(text) == "the model has the weights of the last step, since the best evaluation has no checkpoint"


def test_the_best_saved_checkpoint_is_kept_where_a_better_evaluation_was_not_saved(tmp_path, monkeypatch):
    """Checkpoints come every second evaluation; that of step 3 is the best and has none."""

    def pick(self, metrics, trial):
        step = self.state.global_step
        return determine(self, {**metrics, "eval_loss": abs(step - 3.2)}, trial)

    determine = RewardTrainer._determine_best_metric
    monkeypatch.setattr(RewardTrainer, "_determine_best_metric", pick)
    words = ["--eval_strategy", "steps", "--eval_steps", "1", "--save_strategy", "steps", "--save_steps", "2"]
    words += ["--load_best_model_at_end", "--metric_for_best_model", "loss", "--save_total_limit", "1"]
    outcome, text = on_rows(tmp_path, *words, "--max_steps", "8", "--learning_rate", "1e-3")
    assert "the model has the weights of checkpoint-2" in text
    equal(weights(outcome.folder), weights(outcome.folder / "checkpoint-2"))
