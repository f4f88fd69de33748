"""Find settings that the user gives and that would have no effect, each with a fix."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from preftemplates_train.settings.run_settings import RunSettings
from preftemplates_train.settings.validation import explain_evaluations

Settings = Mapping[str, Any]


def find_ineffective_settings(named: Settings, settings: Settings) -> Iterator[str]:
    """Yield a line for each setting that would have no effect.

    Args:
        named: the settings given as flags. A file may list every setting with its default, so it is not checked.
        settings: all settings that differ from their defaults, including the flags.
    """
    for name, (value, reason) in INEFFECTIVE_VALUES.items():
        if name in named and named[name] is value:
            yield f"{name} {str(value).lower()} has no effect: {reason}"
    for name, reason in INEFFECTIVE_SETTINGS.items():
        if named.get(name) not in (None, [], -1):
            yield f"{name} has no effect: {reason}"
    for dependence in DEPENDENCES:
        for name in dependence.names:
            if _is_asked_for(name, named) and not dependence.holds(settings):
                fix = dependence.fix if isinstance(dependence.fix, str) else dependence.fix(settings)
                yield f"{name} has no effect {dependence.condition}; {fix}"


def _is_asked_for(name: str, named: Settings) -> bool:
    """Return whether a flag sets a value other than the default."""
    own = RunSettings.__dataclass_fields__.get(name)
    return named.get(name) not in (None, False, [], own and own.default)


INEFFECTIVE_VALUES: Mapping[str, tuple[Any, str]] = {
    "do_train": (False, "this command always trains; to measure a checkpoint, use `preftemplates-train evaluate`"),
    "do_eval": (False, "held-out rows are always measured at the end; to hold out none, use --eval_size 0"),
    "do_predict": (True, "this command trains; to write the rewards of rows, use `preftemplates-train score`"),
    "prediction_loss_only": (True, "the metrics need all scores"),
    "average_tokens_across_devices": (False, "the loss is a mean over samples, not over tokens"),
    "disable_tqdm": (False, "each log entry is printed as a line, without tqdm's bars"),
}
"""Values of settings of transformers that have no effect, each with the reason or a fix."""

INEFFECTIVE_SETTINGS: Mapping[str, str] = {
    "label_names": "the template names the labels",
    "length_column_name": "--layout grouped counts the tokens itself",
    "include_for_metrics": "the metrics are computed from the scores; metrics.json lists them",
    "local_rank": "torchrun gives each process its rank",
    "logging_dir": "the programs in --report_to have their own settings for it",
}
"""Settings of transformers whose values have no effect, each with the reason or a fix."""


class Dependence(NamedTuple):
    """Settings that have an effect only together with another.

    Attributes:
        names: the settings.
        holds: whether the other setting gives them an effect.
        condition: when they have no effect, in words.
        fix: how to give them an effect, or to leave them out; a function if that depends on the other settings.
    """

    names: tuple[str, ...]
    holds: Callable[[Settings], bool]
    condition: str
    fix: str | Callable[[Settings], str]


def _is_on(*names: str) -> Callable[[Settings], bool]:
    return lambda settings: any(settings.get(name) for name in names)


def _is(name: str, default: str, *values: str) -> Callable[[Settings], bool]:
    return lambda settings: str(settings.get(name, default)) in values


def _reports_to(*programs: str) -> Callable[[Settings], bool]:
    def holds(settings: Settings) -> bool:
        named = settings.get("report_to") or "none"
        reporters = {*([named] if isinstance(named, str) else named)} - {"none"}
        return bool(reporters & {*programs, "all"} if programs else reporters)

    return holds


DEPENDENCES = (
    Dependence(
        (
            "lora_r", "lora_alpha", "lora_dropout", "lora_target_modules", "lora_modules_to_save", "use_rslora",
            "use_dora", "save_adapter",
        ),
        _is_on("use_peft"),
        "without LoRA",
        "add --use_peft",
    ),
    Dependence(("head_layers",), _is("train", "full", "head"), "without --train head", "add --train head"),
    Dependence(
        ("feature_cache",),
        lambda settings: settings.get("train") == "head" or settings.get("baselines") != "none",
        "without baselines",
        "leave it out",
    ),
    Dependence(
        ("lora_dropout",),
        lambda settings: settings.get("disable_dropout") is False,
        "while dropout is disabled",
        "add --no_disable_dropout",
    ),
    Dependence(
        ("model_revision", "head_from", "dtype", "attn_implementation"),
        _is_on("model_name_or_path"),
        "for the small decoder from scratch",
        "name a model with --model_name_or_path",
    ),
    Dependence(
        ("model_revision",),
        lambda settings: not Path(settings.get("model_name_or_path") or "").is_dir(),
        "for a model in a local directory",
        "leave it out",
    ),
    Dependence(
        ("eval_steps",),
        _is("eval_strategy", "no", "steps"),
        "without eval_strategy steps",
        explain_evaluations,
    ),
    Dependence(
        ("eval_delay", "eval_accumulation_steps", "metric_for_best_model", "greater_is_better"),
        lambda settings: str(settings.get("eval_strategy", "no")) != "no",
        "without evaluations in the run",
        explain_evaluations,
    ),
    Dependence(
        ("save_steps",),
        _is("save_strategy", "steps", "steps"),
        "without save_strategy steps",
        "add --save_strategy steps",
    ),
    Dependence(
        ("logging_steps",),
        _is("logging_strategy", "steps", "steps"),
        "without logging_strategy steps",
        "add --logging_strategy steps",
    ),
    Dependence(
        ("warmup_steps", "warmup_ratio"),
        lambda settings: str(settings.get("lr_scheduler_type", "linear")) != "constant",
        "with lr_scheduler_type constant",
        "add --lr_scheduler_type constant_with_warmup",
    ),
    Dependence(
        ("hub_model_id", "hub_strategy", "hub_token", "hub_private_repo", "hub_always_push", "hub_revision"),
        _is_on("push_to_hub"),
        "without push_to_hub",
        "add --push_to_hub",
    ),
    Dependence(("run_name",), _reports_to(), "without report_to", "name a program with --report_to"),
    Dependence(
        ("project", "trackio_space_id", "trackio_bucket_id", "trackio_static_space_id"),
        _reports_to("trackio"),
        "without trackio",
        "add --report_to trackio",
    ),
    Dependence(
        ("warmup_steps",),
        lambda settings: settings.get("warmup_ratio") is None,
        "next to warmup_ratio",
        "keep one",
    ),
    Dependence(
        ("activation_checkpointing_kwargs",),
        _is_on("activation_checkpointing", "gradient_checkpointing"),
        "without activation checkpointing",
        "add --activation_checkpointing",
    ),
    Dependence(  # the older name of the same setting; older versions of transformers have no other
        ("gradient_checkpointing_kwargs",),
        _is_on("activation_checkpointing", "gradient_checkpointing"),
        "without gradient checkpointing",
        "add --gradient_checkpointing",
    ),
    Dependence(("fsdp_config",), _is_on("fsdp"), "without FSDP", "add --fsdp"),
    Dependence(
        ("liger_kernel_config",), _is_on("use_liger_kernel"), "without the Liger kernel", "add --use_liger_kernel"
    ),
)  # fmt: skip
"""Settings that have an effect only together with others."""
