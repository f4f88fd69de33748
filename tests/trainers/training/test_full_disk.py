"""A disk that is full while a checkpoint or the model is saved: one line, and an earlier checkpoint continues."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bad_inputs import CommandServer, list_files, make_place, train_words
from run_support import equal, weights

pytestmark = pytest.mark.faults

BUFFERED = {**os.environ, "PYTHONUNBUFFERED": ""}  # argparse hides an error of a write, and not of the last flush
SAVING = (*train_words(max_steps="4"), "--save_steps", "2")


@pytest.fixture(scope="module")
def server():
    with CommandServer() as running:
        yield running


@pytest.fixture
def place(tmp_path, base_model, checkpoint):
    make_place(tmp_path, base_model("decoder with BOS"), checkpoint("decoder with BOS"))
    return tmp_path


def keep(folder, *names):
    """Leave only these checkpoints in an output folder, as if the run had been stopped after them."""
    for path in folder.iterdir():
        if path.name not in names:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize(
    ("kept", "failing", "limit"),
    [
        ("checkpoint-2", "out/checkpoint-4", 40_000),  # less than the weights
        ("checkpoint-2", "out/checkpoint-4", 200_000),  # less than the optimizer's state
        ("checkpoint-4", "out", 100_000),  # less than the model
        ("checkpoint-4", "out", 31_000),
    ],
)
def test_a_run_whose_disk_is_full_ends_in_one_line_and_continues(server, place, kept, failing, limit):
    """The size that a file may have is limited, which every write beyond it reports as a full disk does."""
    assert server.run(SAVING, place).code == 0
    whole = weights(place / "out")
    keep(place / "out", kept)
    words = (*SAVING, "--resume_from_checkpoint", "last")
    before = list_files(place)
    done = server.run(words, place, file_limit=limit)
    assert done.code == 2, done.err
    assert len(done.err.splitlines()) == 1, done.err
    assert done.err.startswith(f"error: {failing} cannot be written: "), done.err
    assert "; free some space, then add --resume_from_checkpoint last to continue" in done.err
    assert list_files(place) - before <= {"out/.preftemplates.lock"}
    assert server.run(words, place).code == 0
    equal(weights(place / "out"), whole)


def test_a_first_save_that_fails_leaves_no_folder(server, place):
    for limit, said in ((10_000, "cannot be written: "), (40_000, "error: out/checkpoint-2 cannot be written: ")):
        done = server.run(SAVING, place, file_limit=limit)
        assert (done.code, len(done.err.splitlines())) == (2, 1), done.err
        assert said in done.err
        assert not (place / "out").exists()


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="there is no /dev/full")
@pytest.mark.parametrize("words", [[*SAVING, "--dry_run"], SAVING, ["--help"]])
def test_output_that_nobody_can_take_is_one_line(place, words):
    command = [sys.executable, "-m", "preftemplates_train", *words]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, cwd=place, stdout=full, stderr=subprocess.PIPE, text=True, env=BUFFERED)
    assert (done.returncode, done.stderr) == (2, "error: [Errno 28] No space left on device\n")


def test_a_reader_that_goes_away_ends_a_run_in_silence(place):
    command = [sys.executable, "-m", "preftemplates_train", *SAVING]
    process = subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    assert b"Traceback" not in process.stderr.read()
    process.stderr.close()
    process.wait()
