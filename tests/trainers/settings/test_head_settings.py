"""A head reads some settings; all others are refused with `--train head`, in flags, files and Python alike."""

from dataclasses import fields

import pytest
import yaml
from preftemplates_train.errors import SetupError
from preftemplates_train.settings.command_line import read_config
from preftemplates_train.settings.config import RewardConfig
from preftemplates_train.settings.head_settings import HEAD_SETTINGS

HEAD = {"train": "head", "model_name_or_path": "m"}
NAMES = {one.name for one in fields(RewardConfig)}

WITHOUT_EFFECT = {
    "use_peft": True, "learning_rate": 0.1, "neftune_noise_alpha": 5.0, "adam_beta1": 0.5, "eval_on_start": True,
    "auto_find_batch_size": True, "use_liger_kernel": True, "data_seed": 3, "torch_empty_cache_steps": 2,
    "train_sampling_strategy": "sequential", "disable_dropout": False, "dataloader_num_workers": 2,
    "early_stopping_patience": 2, "early_stopping_threshold": 0.5, "eval_strategy": "steps", "lora_r": 4,
    "save_adapter": True, "head_from": "value_head", "resume_from_checkpoint": "last", "push_to_hub": True,
    "dataloader_pin_memory": False, "report_to": "all", "save_strategy": "no",
}  # fmt: skip


def flags(settings):
    for name, value in settings.items():
        yield from [f"--{name}", str(value).lower() if isinstance(value, bool) else str(value)]


@pytest.mark.parametrize(("name", "value"), WITHOUT_EFFECT.items())
def test_a_setting_that_a_head_does_not_read_is_refused_wherever_it_is_set(read, name, value):
    settings = {**HEAD, name: value}
    for refused in (
        lambda: read_config([*flags(settings)]),
        lambda: read(settings),
        lambda: read({name: value}, *flags(HEAD)),
        lambda: RewardConfig(**settings),
    ):
        with pytest.raises(SetupError) as caught:
            refused()
        assert str(caught.value) == (
            f"{name} has no effect with --train head, which fits a head in one step; leave it out"
        )


def test_a_setting_with_its_default_is_accepted(read):
    defaults = {"learning_rate": 1e-5, "use_peft": False, "save_steps": 500, "disable_dropout": True}
    defaults["resume_from_checkpoint"] = "false"
    for config in (read_config([*flags({**HEAD, **defaults})]), read({**HEAD, **defaults})):
        assert config.train == "head"


def test_the_settings_of_a_head_written_to_a_file_are_read_again(tmp_path):
    wrote = RewardConfig(**HEAD, head_layers=[1], seed=3, per_device_eval_batch_size=2).to_dict()
    written = {name: value for name, value in wrote.items() if name not in ("config", "hub_token")}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(written))
    assert read_config(["--config", str(tmp_path / "run.yaml")]).head_layers == [1]


def test_the_settings_of_a_head_exist():
    assert NAMES >= HEAD_SETTINGS


def test_without_a_model_the_model_comes_first():
    for more in (["--use_peft"], ["--lora_r", "4"], ["--early_stopping_patience", "2"]):
        with pytest.raises(SetupError, match=r"^--train head needs a pretrained model; name one with"):
            read_config(["--train", "head", *more])


def test_no_advice_leads_to_an_option_that_a_head_does_not_take():
    for more in (["--lora_r", "4"], ["--save_adapter"], ["--eval_steps", "4"], ["--early_stopping_patience", "2"]):
        with pytest.raises(SetupError, match=rf"^{more[0][2:]} has no effect with --train head"):
            read_config([*flags(HEAD), *more])
