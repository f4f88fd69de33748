"""Read the settings of a run from the defaults, a preset, a file and flags."""

from __future__ import annotations

import argparse
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any

from preftemplates_train.errors import SetupError
from preftemplates_train.settings.effects import find_ineffective_settings
from preftemplates_train.settings.head_settings import find_head_faults
from preftemplates_train.settings.parser import HelpPage, SettingsParser
from preftemplates_train.settings.run_settings import TINY_PRESET, RunSettings
from preftemplates_train.settings.validation import check_ranges, find_implied_settings, is_nothing_held_out

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from preftemplates_train.settings.config import RewardConfig

PROGRAM = "preftemplates-train"

HELP_GROUPS = {
    "data": (
        "dataset_name", "dataset_config", "dataset_data_dir", "dataset_train_split", "dataset_test_split", "datasets",
        "template", "style", "eval_data", "eval_size", "max_length", "length_policy", "max_dropped", "allow_findings",
    ),
    "model": (
        "model_name_or_path", "model_revision", "train", "head_layers", "feature_cache", "head_from", "dtype",
        "attn_implementation", "layout", "objective", "center_rewards_coefficient", "pad_token", "disable_dropout",
        "use_peft", "lora_r", "lora_alpha", "lora_dropout", "lora_target_modules",
        "lora_modules_to_save", "use_rslora", "use_dora", "save_adapter",
    ),
    "run": (
        "config", "output_dir", "dry_run", "json", "baselines", "num_train_epochs", "learning_rate",
        "per_device_train_batch_size", "early_stopping_patience", "early_stopping_threshold", "seed",
        "resume_from_checkpoint", "help", "help_all",
    ),
}  # fmt: skip
"""The options that `--help` shows, by group."""

_WHOLE_WEIGHTS = "weights are not quantised; to save memory, use --use_peft with --dtype bfloat16"

REFUSED_OPTIONS = {
    "torch_dtype": "it is called --dtype here, as in TRL",
    "trust_remote_code": "code in a checkpoint is never run",
    "model_init_kwargs": "use --dtype, --attn_implementation and --model_revision instead",
    "load_in_8bit": _WHOLE_WEIGHTS,
    "load_in_4bit": _WHOLE_WEIGHTS,
    "bnb_4bit_quant_type": _WHOLE_WEIGHTS,
    "bnb_4bit_quant_storage": _WHOLE_WEIGHTS,
    "use_bnb_nested_quant": _WHOLE_WEIGHTS,
    "quantization_config": _WHOLE_WEIGHTS,
    "lora_task_type": "it is always SEQ_CLS",
    "lora_target_parameters": "adapters are added to modules; name them with --lora_target_modules",
    "dataset_streaming": "all rows are read before the first step, because held-out prompts are drawn from them",
    "dataset_num_proc": "one process reads the rows",
    "ignore_bias_buffers": "no supported model needs it",
    "chat_template_path": "--style takes a tokenizer's directory or a .jinja file",
    "eos_token": "the style writes the end-of-turn tokens",
    "pad_to_multiple_of": "--layout branches pads nothing, and --layout grouped pads little",
    "activation_offloading": "to save memory, use --activation_checkpointing",
    "group_by_length": "--layout grouped does that, and --layout branches pads nothing",
    "packing": "--layout branches pads nothing",
    "max_seq_length": "it is called --max_length",
    "use_liger": "it is called --use_liger_kernel",
    "evaluation_strategy": "it is called --eval_strategy",
    "warmup_ratio": "--warmup_steps also accepts a share of the run, such as 0.1",
    "lr": "it is called --learning_rate",
    "batch_size": "it is called --per_device_train_batch_size",
    "num_epochs": "it is called --num_train_epochs",
    "no_cuda": "it is called --use_cpu",
    "overwrite_output_dir": "a run never replaces other files; name another --output_dir",
    "save_safetensors": "weights are always saved as safetensors",
    "logging_dir": "the programs in --report_to have their own settings for it",
}
"""Options of TRL and transformers that are not supported, each with the reason or the option to use instead.

`logging_dir` and `warmup_ratio` are options of older versions of transformers. If one of these versions is installed,
both are checked like its other options.
"""

USAGE = "%(prog)s [--config run.yaml] [--option value ...]"
DESCRIPTION = "Train a reward model. Without options, train a small model on generated rows."
EPILOG = (
    "Every field of transformers.TrainingArguments is also an option; --help_all shows them all. "
    "For the other commands, see score --help, evaluate --help and completion --help."
)


@cache
def _make_parser(settings: type) -> SettingsParser:
    page = HelpPage(USAGE, DESCRIPTION, HELP_GROUPS, TINY_PRESET, "without a model", EPILOG, REFUSED_OPTIONS)
    parser = SettingsParser(settings, PROGRAM, page)
    help_text = "Show every option and exit."
    parser.add_argument("--help_all", "--help-all", action="store_true", default=argparse.SUPPRESS, help=help_text)
    return parser


def make_run_parser() -> SettingsParser:
    """Return the parser of every option of a run; it imports torch."""
    from preftemplates_train.settings.config import RewardConfig  # imports torch

    return _make_parser(RewardConfig)


def _parse_run_flags(argv: Sequence[str]) -> dict[str, Any]:
    """Return the settings in a command line; import torch only for options that are not in `RunSettings`."""
    parser = _make_parser(RunSettings)
    flags, remaining = parser.parse_known_flags(argv)
    if remaining and not remaining[0].startswith("-"):
        parser.refuse_argument(remaining[0])
    if "help_all" in flags:
        print(make_run_parser().render_help(every_option=True), end="")
        raise SystemExit(0)
    return make_run_parser().parse_flags(argv) if remaining else flags


def read_config(argv: Sequence[str]) -> RewardConfig:
    """Return the settings of a run from its command line; `--help` and `--help_all` print and exit.

    Each source takes precedence over those before it: the defaults, the settings that early stopping implies,
    `TINY_PRESET` when no model is named, the file of `--config`, the flags.

    Args:
        argv: the command's words, without its name.

    Raises:
        SetupError: a setting is unknown, has the wrong type or contradicts another.
    """
    flags = _parse_run_flags(argv)
    file_settings = {} if flags.get("config") is None else make_run_parser().read_file(flags["config"])
    settings = {**file_settings, **flags}
    preset = TINY_PRESET if settings.get("model_name_or_path") is None else {}
    if is_nothing_held_out(settings):
        preset = {name: value for name, value in preset.items() if not name.startswith("eval_")}
    settings = {**preset, **settings}
    settings = {**find_implied_settings(settings), **settings}
    # Ranges come first, so that a value that is out of range gets the same error in a flag as in a file.
    checks = (check_ranges(settings), _find_head_faults(settings), find_ineffective_settings(flags, settings))
    for fault in chain(*checks):
        raise SetupError(fault)
    from preftemplates_train.settings.config import RewardConfig

    return RewardConfig(**settings)


def _find_head_faults(settings: dict[str, Any]) -> Iterator[str]:
    """Yield the faults of the settings of a head, of which no later check may say how to give them an effect."""
    if settings.get("train") == "head":
        from preftemplates_train.settings.config import list_defaults  # imports torch

        yield from find_head_faults(settings, list_defaults())
