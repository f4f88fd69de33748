"""Defaults, a preset, a file and flags make one configuration, and `--help` shows what they may say."""

import re
from dataclasses import fields

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from preftemplates_train.errors import SetupError
from preftemplates_train.settings.command_line import HELP_GROUPS, _make_parser, read_config
from preftemplates_train.settings.config import RewardConfig
from preftemplates_train.settings.run_settings import TINY_PRESET, RunSettings
from transformers import HfArgumentParser, TrainingArguments

OFFERED = sorted({action.dest for action in HfArgumentParser(TrainingArguments)._actions} - {"help"})
OWN = sorted({one.name for one in fields(RewardConfig)} - {one.name for one in fields(TrainingArguments)})
DATA = ["--dataset_name", "a.jsonl", "--template", "PKUSafeRLHF"]


def outcome(read_it):
    """The configuration's values, or the refusal without the word for where the setting stood."""
    try:
        return read_it().to_dict() | {"config": None}
    except SetupError as error:
        return error.message.removeprefix("--")


# What is merged


def test_without_a_word_a_small_model_is_trained():
    config = read_config([])
    assert {name: getattr(config, name) for name in TINY_PRESET} == TINY_PRESET
    assert config.model_name_or_path is None
    assert config.output_dir == "reward-model"


def test_with_a_model_the_preset_is_left_alone(read):
    expected = outcome(lambda: RewardConfig(model_name_or_path="m"))
    assert outcome(lambda: read_config(["--model_name_or_path", "m"])) == expected
    assert outcome(lambda: read("model_name_or_path: m")) == expected
    assert expected["learning_rate"] == 1e-5
    assert outcome(lambda: read("model_name_or_path: null"))["learning_rate"] == TINY_PRESET["learning_rate"]


SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "learning_rate": st.floats(0, 1),
        "num_train_epochs": st.floats(0, 10),
        "seed": st.integers(0, 2**32 - 1),
        "max_length": st.integers(2, 10**6),
        "style": st.text("abcé'\"\\{}:#- ", min_size=1),
        "disable_dropout": st.booleans(),
        "length_policy": st.sampled_from(["drop", "cut_prompt"]),
        "lr_scheduler_type": st.sampled_from(["linear", "constant"]),
        "debug": st.lists(st.just("underflow_overflow"), min_size=1, max_size=1),
    },
)


def words(settings):
    """The settings as flags."""
    for name, value in settings.items():
        yield from [f"--{name}", *value] if isinstance(value, list) else [f"--{name}={value}"]


@given(SETTINGS, SETTINGS)
def test_flags_win_over_the_file_which_wins_over_the_preset(run_yaml, file, flags):
    run_yaml.write_text(yaml.safe_dump(file, allow_unicode=True), encoding="utf-8")
    config = read_config(["--config", str(run_yaml), *words(flags)])
    merged = RewardConfig(**{**TINY_PRESET, **file, **flags, "config": str(run_yaml)})
    assert config.to_dict() == merged.to_dict()


def test_the_preset_evaluates_only_where_something_is_held_out():
    assert read_config([*DATA]).eval_strategy == "steps"
    assert read_config([*DATA, "--eval_size", "0"]).eval_strategy == "no"
    assert read_config([*DATA, "--eval_size", "0", "--eval_data", "b"]).eval_strategy == "steps"
    assert read_config([*DATA, "--eval_size", "0", "--dataset_test_split", "test"]).eval_strategy == "steps"
    assert read_config(["--eval_size", "0"]).eval_strategy == "steps"


@pytest.mark.filterwarnings("ignore:.gradient_checkpointing:FutureWarning")
@pytest.mark.parametrize("name", OFFERED)
def test_each_setting_of_transformers_can_be_named_in_a_file(read, name):
    value = getattr(RewardConfig(), name) if name == "hub_token" else RewardConfig().to_dict()[name]
    assert outcome(lambda: read({name: value, "model_name_or_path": "m"})) == outcome(
        lambda: RewardConfig(model_name_or_path="m")
    )


@given(SETTINGS)
def test_a_configuration_written_to_a_file_is_read_again(run_yaml, settings):
    wrote = RewardConfig(**settings).to_dict()
    written = {name: value for name, value in wrote.items() if name not in ("config", "hub_token")}
    run_yaml.write_text(yaml.safe_dump(written))
    assert read_config(["--config", str(run_yaml)]).to_dict() == {**wrote, "config": str(run_yaml)}
    assert set(written) == {*OFFERED, *OWN} - {"config", "hub_token"}


# What is shown


def helped(capsys, option):
    with pytest.raises(SystemExit) as caught:
        read_config([option])
    assert caught.value.code == 0
    return capsys.readouterr().out


def test_the_help_shows_our_settings_and_few_others(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    shown = helped(capsys, "--help")
    assert helped(capsys, "-h") == shown
    for name in (name for names in HELP_GROUPS.values() for name in names):
        assert len(re.findall(rf"^  (?:-\w, )?--{name}\b", shown, re.MULTILINE)) == 1, name
    assert len(shown.splitlines()) < 140
    assert "--adam_beta1" not in shown
    assert "[default: 1e-05, 0.002 without a model]" in " ".join(shown.split())
    assert "[default: true, off by --no_disable_dropout]" in " ".join(shown.split())
    assert "Every field of transformers.TrainingArguments is also an option; --help_all" in " ".join(shown.split())


def test_every_setting_is_in_the_long_help_and_ours_in_the_short_one(capsys):
    shown = helped(capsys, "--help_all")
    for name in {*OFFERED, *OWN}:
        assert shown.count(f"\n  --{name} ") == 1, name
    grouped = [name for names in HELP_GROUPS.values() for name in names]
    assert set(OWN) <= set(grouped)
    assert len(grouped) == len(set(grouped))
    assert {one.name for one in fields(RunSettings)} == {*grouped} - {"help", "help_all"}
    assert all(one.metadata.get("help") for one in fields(RunSettings))


def test_what_the_help_shows_is_the_same_for_both_parsers():
    """The first page and quick errors come from `RunSettings`, and everything else from `RewardConfig`."""
    quick, full = (_make_parser(kind) for kind in (RunSettings, RewardConfig))
    assert quick.format_help() == full.format_help()
    for name, kind in quick.setting_types.items():
        assert full.setting_types[name]._replace(parse=str) == kind._replace(parse=str), name
        assert RewardConfig.__dataclass_fields__[name] is RunSettings.__dataclass_fields__[name]
