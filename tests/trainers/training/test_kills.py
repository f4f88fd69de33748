"""A run that is killed while it saves loses what it did since the save before, and nothing more."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from run_support import equal, on_rows, rows_file
from safetensors.torch import load_file
from support import HANGS

KILLS = Path(__file__).parents[2] / "support" / "killed_runs.py"
SAVING = ["--max_steps", "6", "--eval_strategy", "no", "--per_device_train_batch_size", "4", "--save_steps", "1"]


@pytest.mark.parametrize(("number"), [4, pytest.param(50, marks=pytest.mark.faults)])
def test_a_kill_while_saving_costs_no_more_than_the_last_interval(tmp_path, number):
    words = [*SAVING, "--dataset_name", rows_file(tmp_path), "--template", "PKUSafeRLHF"]
    command = [sys.executable, str(KILLS), str(tmp_path), str(number), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANGS)
    assert done.returncode == 0, done.stderr
    results = [result for result in json.loads(done.stdout) if result["step"] is not None]
    assert len(results) > number / 2, "most runs ended before they were killed"
    for result in results:
        assert result["newest"] >= result["step"] - 1, result
        assert result["torn"] == 0, result
        assert (result["code"], result["left"]) == (0, []), result
    unbroken, _ = on_rows(tmp_path, "--save_steps", "1", "--max_steps", "6")
    for result in results:
        equal(load_file(tmp_path / f"{result['kill']}.safetensors"), load_file(unbroken.folder / "model.safetensors"))
    print(f"{len(results)} kills, {sum(result['newest'] < result['step'] - 1 for result in results)} cost more")
