"""Models that are made once for all the trainer's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from preftemplates_train.data.demo import generate
from processes import fork_server
from trainer_support import MAKERS, few_generated, train_by

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def one_thread():
    """Tests run side by side: a second thread waits for the other test's."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def small_set(monkeypatch):
    """Makes the generated set a smaller one."""
    monkeypatch.setattr("preftemplates_train.data.sources.generate", few_generated)


@pytest.fixture(scope="session")
def two_processes():
    """Keeps the server whose forks join a run, until the last test is over."""
    with fork_server():
        yield


@pytest.fixture(scope="session")
def base_model(tmp_path_factory):
    """From a kind to the folder of an untrained model; None for the small decoder that a run makes itself."""
    made = {"decoder": None}

    def make(kind: str) -> Path | None:
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp("base") / "model"
            MAKERS[kind](made[kind])
        return made[kind]

    return make


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory, base_model):
    """From a kind to the folder of a reward model that was trained for a few steps on the generated set.

    The kinds that make no decoder from scratch see a smaller set.
    """
    made = {}

    def make(kind: str) -> Path:
        if kind not in made:
            torch.set_num_threads(1)
            made[kind] = tmp_path_factory.mktemp("trained") / "reward-model"
            words = ["--output_dir", str(made[kind]), "--max_steps", "6", "--eval_strategy", "no"]
            words += ["--style", "chatml", "--logging_steps", "2", "--per_device_train_batch_size", "8"]
            if base_model(kind) is not None:
                words += ["--model_name_or_path", str(base_model(kind)), "--learning_rate", "1e-3"]
            with pytest.MonkeyPatch.context() as patch:
                rows = generate if kind == "decoder" else few_generated
                patch.setattr("preftemplates_train.data.sources.generate", rows)
                train_by(*words)
        return made[kind]

    return make
