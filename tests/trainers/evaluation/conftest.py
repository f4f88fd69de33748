"""Checkpoints that the tests of scoring share."""

import json
import shutil

import pytest
from preftemplates_train.data.demo import generate
from preftemplates_train.evaluation.scorer import Scorer
from score_support import write
from support import HOMEWORK
from trainer_support import train_by

QUICK = ["--max_steps", "2", "--eval_strategy", "no", "--save_strategy", "no", "--per_device_train_batch_size", "4"]


@pytest.fixture(scope="module")
def folder(checkpoint):
    return checkpoint("decoder")


@pytest.fixture(scope="module")
def scorer(folder):
    return Scorer(folder)


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory):
    """A checkpoint that the homework's class was trained with."""
    folder = tmp_path_factory.mktemp("hand")
    rows = write(folder / "rows.jsonl", generate(200)[0])
    words = ["--template", str(HOMEWORK), "--dataset_name", str(rows), "--output_dir", str(folder / "model")]
    return train_by(*QUICK, *words)[0].folder


AT_ONCE = 50


@pytest.fixture
def few_at_once(monkeypatch):
    """Lets a file be scored in smaller windows; their size."""
    for module in ("score_file", "scorer"):
        monkeypatch.setattr(f"preftemplates_train.evaluation.{module}.ROWS_PER_WINDOW", AT_ONCE)
    return AT_ONCE


@pytest.fixture
def cutting(folder, tmp_path):
    """The checkpoint, as if it had been trained with short texts of which prompts were cut."""
    copy = shutil.copytree(folder, tmp_path / "cutting", ignore=shutil.ignore_patterns("checkpoint-*"))
    record = json.loads((copy / "preftemplates.json").read_text())
    (copy / "preftemplates.json").write_text(json.dumps({**record, "max_length": 40, "length_policy": "cut_prompt"}))
    return copy
