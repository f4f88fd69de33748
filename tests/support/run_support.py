"""What the tests of whole runs share: short runs on rows."""

import json
import signal

import torch
from safetensors.torch import load_file
from trainer_support import train_by
from transformers import TrainerCallback

SHORT = ["--max_steps", "6", "--eval_strategy", "no", "--per_device_train_batch_size", "4", "--logging_steps", "1"]


class Stop(TrainerCallback):
    """Sends SIGINT in the middle of a step."""

    def __init__(self, step):
        self.step = step

    def on_step_begin(self, _args, state, _control, **_):
        if state.global_step == self.step:
            signal.raise_signal(signal.SIGINT)  # heard before the next line; a signal to the process may come later


def rows_file(folder, number=40, **changed):
    rows = [
        {"prompt": f"question {n}", "response_0": f"good {n}", "response_1": "bad", "better_response_id": 0, **changed}
        for n in range(number)
    ]
    path = folder / f"rows-{number}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def on_rows(tmp_path, *words, folder="run"):
    named = [
        "--dataset_name",
        rows_file(tmp_path),
        "--template",
        "PKUSafeRLHF",
        "--output_dir",
        str(tmp_path / folder),
    ]
    return train_by(*SHORT, *named, *words)


def weights(folder):
    return load_file(folder / "model.safetensors")


def equal(one, other):
    assert one.keys() == other.keys()
    for name in one:
        assert torch.equal(one[name], other[name]), name
