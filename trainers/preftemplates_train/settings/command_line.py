"""The settings that a command line names, merged from the defaults, a preset, a file and flags."""

from __future__ import annotations

import argparse
from functools import cache
from typing import TYPE_CHECKING, Any

from preftemplates_train.errors import SetupError, summarize_error
from preftemplates_train.settings.parser import HelpPage, SettingsParser
from preftemplates_train.settings.run_settings import TINY_PRESET, RunSettings
from preftemplates_train.settings.validation import find_ineffective_settings, is_nothing_held_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from preftemplates_train.settings.config import RewardConfig

PROGRAM = "preftemplates-train"

HELP_GROUPS = {
    "data": (
        "dataset_name", "dataset_config", "dataset_data_dir", "dataset_train_split", "dataset_test_split", "datasets",
        "template", "style", "eval_data", "eval_size", "max_length", "length_policy", "max_dropped", "allow_findings",
    ),
    "model": (
        "model_name_or_path", "model_revision", "head_from", "dtype", "attn_implementation", "layout", "objective",
        "center_rewards_coefficient", "pad_token",
        "disable_dropout", "use_peft", "lora_r", "lora_alpha", "lora_dropout", "lora_target_modules",
        "lora_modules_to_save", "use_rslora", "use_dora",
    ),
    "run": (
        "config", "output_dir", "dry_run", "num_train_epochs", "learning_rate", "per_device_train_batch_size", "seed",
        "resume_from_checkpoint", "help", "help_all",
    ),
}  # fmt: skip
"""What `--help` shows."""

REFUSED_OPTIONS = {
    "torch_dtype": "it is called --dtype here, as in TRL",
    "trust_remote_code": "no code of a checkpoint is run",
    "load_in_8bit": "weights are loaded whole; --use_peft with --dtype bfloat16 takes less memory",
    "load_in_4bit": "weights are loaded whole; --use_peft with --dtype bfloat16 takes less memory",
    "group_by_length": "--layout grouped does that, and --layout branches pads nothing",
    "packing": "--layout branches pads nothing",
}
"""Options of TRL and transformers that are not taken, and why."""

USAGE = "%(prog)s [--config run.yaml] [--option value ...]"
DESCRIPTION = "Train a reward model on preferences. Without a model and data: a small one, on generated rows."
EPILOG = (
    "Every field of transformers.TrainingArguments is an option too; --help_all shows them. "
    "The commands score and evaluate have a --help of their own."
)


@cache
def _make_parser(settings: type) -> SettingsParser:
    page = HelpPage(USAGE, DESCRIPTION, HELP_GROUPS, TINY_PRESET, "without a model", EPILOG, REFUSED_OPTIONS)
    parser = SettingsParser(settings, PROGRAM, page)
    help_text = "Show every option and exit."
    parser.add_argument("--help_all", "--help-all", action="store_true", default=argparse.SUPPRESS, help=help_text)
    return parser


def _make_full_parser() -> SettingsParser:
    from preftemplates_train.settings.config import RewardConfig  # imports torch

    return _make_parser(RewardConfig)


def _parse_run_flags(argv: Sequence[str]) -> dict[str, Any]:
    """Return the settings that a command line names; import torch only for options that are not in `RunSettings`."""
    parser = _make_parser(RunSettings)
    flags, remaining = parser.parse_known_flags(argv)
    if remaining and not remaining[0].startswith("-"):
        parser.refuse_argument(remaining[0])
    if "help_all" in flags:
        print(_make_full_parser().render_help(every_option=True), end="")
        raise SystemExit(0)
    return _make_full_parser().parse_flags(argv) if remaining else flags


def read_config(argv: Sequence[str]) -> RewardConfig:
    """Return the settings that a command line gives; `--help` and `--help_all` print and exit.

    Lowest first: the defaults, `TINY_PRESET` when no model is named, the file of `--config`, the flags.

    Args:
        argv: the command's words, without its name.

    Raises:
        SetupError: a setting is unknown, has the wrong type or contradicts another.
    """
    flags = _parse_run_flags(argv)
    file_settings = {} if flags.get("config") is None else _make_full_parser().read_file(flags["config"])
    for contradiction in find_ineffective_settings(flags):  # a file may hold every default
        raise SetupError(contradiction)
    settings = {**file_settings, **flags}
    preset = TINY_PRESET if settings.get("model_name_or_path") is None else {}
    if is_nothing_held_out(settings):
        preset = {name: value for name, value in preset.items() if not name.startswith("eval_")}
    from preftemplates_train.settings.config import RewardConfig

    try:
        return RewardConfig(**{**preset, **settings})
    except (ValueError, TypeError, OSError, ImportError, NotImplementedError) as error:  # raised by transformers
        raise SetupError(summarize_error(error)) from error
