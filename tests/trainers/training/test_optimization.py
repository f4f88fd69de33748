"""What cannot be optimized is one line before any row is read."""

from dataclasses import fields

import pytest
import torch
from preftemplates_train.errors import SetupError
from preftemplates_train.settings.config import RewardConfig
from preftemplates_train.training.environment import check_environment
from preftemplates_train.training.optimization import check_optimization
from trainer_support import refusal


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"optim": "sgd"},
        {"optim": "adafactor"},
        {"lr_scheduler_type": "cosine_with_restarts", "lr_scheduler_kwargs": {"num_cycles": 2}},
        {"lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs": {"min_lr": 1e-7}},
    ],
)
def test_what_can_be_made_passes(settings):
    check_optimization(RewardConfig(use_cpu=True, **settings))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--optim", "adamw_bnb_8bit"], "optim adamw_bnb_8bit cannot be created: "),
        (["--lr_scheduler_type", "cosine_with_min_lr"], "lr_scheduler_type cosine_with_min_lr cannot be created: "),
        (
            ["--lr_scheduler_type", "cosine", "--lr_scheduler_kwargs", '{"cycles": 2}'],
            "lr_scheduler_type cosine with lr_scheduler_kwargs {'cycles': 2} cannot be created: ",
        ),
        (
            ["--metric_for_best_model", "acc"],
            "metric_for_best_model must be one of loss, accuracy, ",
        ),
        (["--do_train", "false"], "do_train false has no effect: this command always trains; "),
        (["--do_predict", "true"], "do_predict true has no effect: "),
        (["--torch_dtype", "bfloat16"], "--torch_dtype is not supported: it is called --dtype here, as in TRL"),
        (["--load_in_4bit", "true"], "--load_in_4bit is not supported: weights are not quantised; "),
        (["--trust_remote_code", "true"], "--trust_remote_code is not supported: code in a checkpoint is never run"),
    ],
)
def test_what_cannot_be_made_is_one_line_before_a_row_is_read(words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = ["--dataset_name", "not-there.jsonl", "--template", "PKUSafeRLHF"]
    assert refusal(*rows, "--use_cpu", "true", *words).startswith(said)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(
    "activation_checkpointing" not in {one.name for one in fields(RewardConfig)},
    reason="this version of transformers checkpoints the activations of all layers",
)
def test_the_arguments_that_transformers_itself_takes_may_be_given():
    options = {"every_n_layers": 2, "offload": True, "use_reentrant": False}
    check_environment(RewardConfig(activation_checkpointing=True, activation_checkpointing_kwargs=options))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_half_precision_needs_a_gpu():
    config = RewardConfig(use_cpu=True)
    config.fp16 = True
    with pytest.raises(SetupError, match="fp16 needs a GPU"):
        check_environment(config)
