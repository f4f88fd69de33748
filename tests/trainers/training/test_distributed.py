"""Two processes train as one does: the same losses, weights and evaluation over all pairs."""

import json
import os
import subprocess
import sys

import pytest
import torch
from preftemplates_train.data.demo import generate
from processes import in_processes
from safetensors.torch import load_file
from support import HANGS
from trainer_support import command


def by_torchrun(*words):
    """The command as a user runs it: its exit code, and what both processes print."""
    launcher = ["-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29517"]
    start = [sys.executable, *launcher, "-m", "preftemplates_train", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(start, capture_output=True, text=True, env=environment, timeout=HANGS)
    return done.returncode, done.stdout, done.stderr


def by_forks(*words):
    """The same by two processes that need not import anything."""
    codes, outputs, errors = zip(*in_processes(2, command, *words), strict=True)
    return max(codes), "".join(outputs), "".join(errors)


def run(tmp_path, name, start, per_device, rows):
    words = [
        "--dataset_name", str(rows), "--eval_size", "0.35", "--template", "PKUSafeRLHF", "--output_dir",
        str(tmp_path / name), "--max_steps", "8", "--logging_steps", "1", "--per_device_train_batch_size",
        str(per_device), "--per_device_eval_batch_size", "5", "--eval_strategy", "no", "--use_cpu",
    ]  # fmt: skip
    code, output, errors = start(*words)
    assert code == 0, errors[-3000:]
    folder = tmp_path / name
    history = json.loads((folder / "checkpoint-8" / "trainer_state.json").read_text())["log_history"]
    return (
        output,
        load_file(folder / "model.safetensors"),
        json.loads((folder / "metrics.json").read_text()),
        history,
    )


@pytest.mark.parametrize("two", [by_forks, pytest.param(by_torchrun, marks=pytest.mark.slow)])
@pytest.mark.usefixtures("two_processes")
def test_two_processes_equal_one(tmp_path, two):
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in generate(120)[0]))
    said, one, figures, history = run(tmp_path, "one", command, 8, rows)
    said_by_two, weights, figures_of_two, history_of_two = run(tmp_path, "two", two, 4, rows)
    for name in one:
        torch.testing.assert_close(weights[name], one[name], rtol=1e-4, atol=1e-5)
    for key in ("loss", "accuracy", "margin"):
        values, others = (
            [entry[key] for entry in entries if "loss" in entry] for entries in (history, history_of_two)
        )
        assert len(values) == 8
        assert others == pytest.approx(values, abs=1e-4), key
    assert figures["pairs"] % 10 != 0  # the last batch of the evaluation is not a full one
    assert figures_of_two["pairs"] == figures["pairs"]
    assert figures_of_two["margin_mean"] == pytest.approx(figures["margin_mean"], abs=1e-4)
    assert figures_of_two["accuracy"] == figures["accuracy"]
    assert said_by_two.count("wrote") == said.count("wrote") == 1
