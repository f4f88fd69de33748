"""The settings as a dataclass: its defaults, its names, and its values as JSON."""

import json
import pickle
from dataclasses import fields

import pytest
from preftemplates_train.settings.command_line import REFUSED_OPTIONS, read_config
from preftemplates_train.settings.config import RewardConfig
from transformers import TrainingArguments

OWN = sorted({one.name for one in fields(RewardConfig)} - {one.name for one in fields(TrainingArguments)})


def test_the_defaults_are_those_documented():
    config = RewardConfig()
    assert (config.learning_rate, config.num_train_epochs, config.logging_steps) == (1e-5, 1, 10)
    assert (config.per_device_train_batch_size, config.per_device_eval_batch_size) == (8, 16)
    assert (config.save_total_limit, config.report_to, config.bf16) == (2, [], False)
    assert not config.logging_nan_inf_filter
    assert not config.remove_unused_columns


def test_a_configuration_pickles_and_is_written_as_json():
    words = ["--dataset_name", "a.jsonl", "--template", "PKUSafeRLHF", "--pad_token", "<pad>"]
    config = read_config([*words, "--push_to_hub", "--hub_token", "secret"])
    again = pickle.loads(pickle.dumps(config))
    assert again == config
    assert again.to_dict() == config.to_dict() == json.loads(config.to_json_string())
    assert (config.to_dict()["pad_token"], config.to_dict()["hub_token"]) == ("<pad>", "<HUB_TOKEN>")
    assert "secret" not in repr(config)


def test_in_python_one_text_names_one_file():
    assert RewardConfig(dataset_name="a.jsonl", template="T", eval_data="b.jsonl").dataset_name == ["a.jsonl"]


def test_the_fields_have_the_names_that_trl_gives_them():
    trl = pytest.importorskip("trl")
    theirs = {one.name for kind in (trl.RewardConfig, trl.ModelConfig, trl.ScriptArguments) for one in fields(kind)}
    ours = {
        "config",
        "template",
        "style",
        "eval_data",
        "eval_size",
        "length_policy",
        "max_dropped",
        "allow_findings",
        "dry_run",
        "json",
        "datasets",
        "dataset_data_dir",
        "layout",
        "objective",
        "head_from",
        "save_adapter",
        "early_stopping_patience",
        "early_stopping_threshold",
        "train",
        "head_layers",
        "feature_cache",
        "baselines",
    }
    assert set(OWN) - theirs == ours
    offered = {one.name for one in fields(RewardConfig)}
    assert theirs - offered <= set(REFUSED_OPTIONS)
    assert offered & set(REFUSED_OPTIONS) <= {"logging_dir", "warmup_ratio"}  # of older versions of transformers
