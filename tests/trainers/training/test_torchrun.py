"""Two processes that torchrun starts: an error is printed once, and SIGTERM ends both with a checkpoint."""

import os
import signal
import subprocess
import sys

import psutil
import pytest
from bad_inputs import make_place, train_words
from preftemplates_train.model.manifest import find_damage
from run_support import equal, weights
from support import HANGS

pytestmark = pytest.mark.faults

LAUNCHER = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
COMMAND = [*LAUNCHER, "-m", "preftemplates_train"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", "COLUMNS": "200"}
RUN = (*train_words(max_steps="60"), "--use_cpu", "--logging_steps", "1", "--save_steps", "60")


@pytest.fixture
def place(tmp_path, base_model, checkpoint):
    make_place(tmp_path, base_model("decoder with BOS"), checkpoint("decoder with BOS"))
    return tmp_path


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--learning_rate", "-1"], "error: learning_rate must be at least 0 and finite, got -1.0"),
        (["--dataset_name", "gone.jsonl"], "error: gone.jsonl does not exist."),
    ],
)
def test_an_error_of_all_processes_is_printed_once(place, words, message):
    done = subprocess.run(
        [*COMMAND, *RUN, *words], cwd=place, env=ENVIRONMENT, capture_output=True, text=True, timeout=HANGS
    )
    assert done.returncode != 0
    assert done.stderr.count(message) == 1
    assert not (place / "out").exists()


@pytest.fixture(scope="module")
def whole(tmp_path_factory, base_model, checkpoint):
    """The weights of a run that nobody stops."""
    folder = tmp_path_factory.mktemp("whole")
    make_place(folder, base_model("decoder with BOS"), checkpoint("decoder with BOS"))
    subprocess.run([*COMMAND, *RUN], cwd=folder, env=ENVIRONMENT, capture_output=True, check=True, timeout=HANGS)
    return weights(folder / "out")


@pytest.mark.parametrize("receiver", ["torchrun", "the second process"])
def test_sigterm_ends_both_with_a_checkpoint_that_continues(place, receiver, whole):
    process = subprocess.Popen(
        [*COMMAND, *RUN], cwd=place, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        if line.startswith("step"):
            break
    children = psutil.Process(process.pid).children()
    workers = {child.environ()["RANK"]: child.pid for child in children if "preftemplates_train" in child.cmdline()}
    os.kill(process.pid if receiver == "torchrun" else workers["1"], signal.SIGTERM)
    out, err = process.communicate(timeout=HANGS)
    assert process.returncode != 0
    assert out.count("stopped at step ") == 1, err[-3000:]
    assert not any(map(psutil.pid_exists, workers.values()))
    (stopped,) = (place / "out").glob("checkpoint-*")
    assert find_damage(stopped) is None
    again = [*COMMAND, *RUN, "--resume_from_checkpoint", "last"]
    subprocess.run(again, cwd=place, env=ENVIRONMENT, capture_output=True, check=True, timeout=HANGS)
    equal(weights(place / "out"), whole)
