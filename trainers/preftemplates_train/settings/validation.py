"""Check settings: the ranges of single settings, and settings that contradict each other."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from preftemplates.data.dataset_sources import DEFAULT_SPLIT
from preftemplates.errors import did_you_mean, preview
from preftemplates_train.errors import SetupError
from preftemplates_train.settings.objectives import FIGURES, OBJECTIVES
from preftemplates_train.settings.ranges import RANGES

SOURCE_KEYS = ("path", "template", "weight", "split", "name", "data_dir")
"""The keys of an entry of `datasets`."""

MOST_WEIGHT = 1000
"""The largest weight of an entry: the samples of an epoch are in memory, each as often as its weight says."""


def find_contradictions(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each fault of the settings. Of the machine, only the model's folder is looked at."""
    checks = (
        check_ranges, _check_objective, _check_mappings, _check_training, _check_loading, _check_named_data,
        _check_held_out_data,
    )  # fmt: skip
    return chain.from_iterable(check(settings) for check in checks)


def check_ranges(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each setting that is out of its range; settings may be missing."""
    for name, values in RANGES.items():
        try:
            is_valid = name not in settings or values.contains(settings[name])
        except TypeError:  # Python code may pass a value of any type
            is_valid = False
        if not is_valid:
            yield f"{name} must be {values.words}, got {preview(settings[name])}"
    yield from check_allowed_values(settings)


def check_allowed_values(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each setting with a value that is not supported."""
    for name, (allowed, reason) in ALLOWED_VALUES.items():
        if name in settings and settings[name] not in allowed:
            yield f"{name} must be {' or '.join(str(value).lower() for value in allowed)}: {reason}"


ALLOWED_VALUES: Mapping[str, tuple[Sequence[Any], str]] = {
    "dataloader_drop_last": ([False], "evaluations would also drop samples, without counting them"),
    "eval_do_concat_batches": ([True], "the metrics are computed from all scores at once, not per batch"),
    "batch_eval_metrics": ([False], "the metrics are computed from all scores at once, not per batch"),
    "train_sampling_strategy": (
        ["random", "sequential"], "a pair has two lengths; to batch by length, use --layout grouped"
    ),
    "remove_unused_columns": ([False], "it would remove the columns that are trained on"),
    "include_num_input_tokens_seen": (["no", "all", "non_padding", True, False], "no other tokens can be counted"),
}  # fmt: skip
"""Settings of transformers of which only some values are supported: these values, and the reason."""

MAPPINGS = ("lr_scheduler_kwargs", "activation_checkpointing_kwargs", "gradient_checkpointing_kwargs")
"""Settings that hold arguments by name."""


def _check_mappings(settings: Mapping[str, Any]) -> Iterator[str]:
    for name in MAPPINGS:
        value = settings.get(name)  # older versions of transformers have only one of the two checkpointing names
        is_json_object = isinstance(value, str) and value.startswith("{")  # transformers parses it
        if not (value is None or is_json_object or _has_text_keys(value)):
            yield f'{name} must be a mapping from names to values, such as {{"name": 1}}, got {preview(value)}'


def _has_text_keys(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)


def _check_training(settings: Mapping[str, Any]) -> Iterator[str]:
    if settings["layout"] == "branches" and settings["attn_implementation"]:
        yield "attn_implementation has no effect with layout branches, which computes attention itself; keep one"
    if settings["fp16"] and settings["bf16"]:
        yield "fp16 and bf16 are both on; keep one"
    yield from _check_adapter(settings)
    yield from _check_best_metric(settings)
    yield from _check_early_stopping(settings)
    yield from _check_intervals(settings)


def _check_objective(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each setting that contradicts the objective."""
    name = settings["objective"]
    objective = OBJECTIVES.get(str(name))
    if objective is None:
        guess = did_you_mean(str(name), OBJECTIVES)
        yield f"objective must be one of {', '.join(OBJECTIVES)}; got {preview(name)}.{guess}"
        return
    if settings["label_smoothing_factor"] and not objective.takes_smoothing:
        others = ", ".join(other.name for other in OBJECTIVES.values() if other.takes_smoothing)
        yield (
            f"label_smoothing_factor is not supported by objective {name}, whose loss cannot treat labels as wrong;"
            f" leave it out, or choose one of {others}"
        )
    if settings["center_rewards_coefficient"] and objective.needs_bias:
        labels = " and ".join(objective.labels)
        yield (
            f"center_rewards_coefficient pulls rewards to zero, but objective {name} learns the zero point from"
            f" {labels}; leave it out"
        )


def _check_adapter(settings: Mapping[str, Any]) -> Iterator[str]:
    name = settings["model_name_or_path"]
    if name and os.path.isfile(os.path.join(name, "adapter_config.json")):
        yield f"{name} is a LoRA adapter; merge it into its base model (peft's merge_and_unload), and name the result"
    if settings["use_peft"] and settings["save_adapter"] and not name:
        yield "save_adapter needs a base model that can be loaded again; name one with --model_name_or_path"


def _check_loading(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each fault of the data loader's settings."""
    if settings["dataloader_num_workers"] == 0:
        for name in ("dataloader_prefetch_factor", "dataloader_persistent_workers"):
            if settings[name]:
                yield f"{name} needs data loader workers; add --dataloader_num_workers 1, or leave it out"
    accelerator = settings["accelerator_config"]
    if isinstance(accelerator, Mapping) and accelerator.get("dispatch_batches"):
        yield "accelerator_config: dispatch_batches must be false: each process reads its own samples"


def _check_best_metric(settings: Mapping[str, Any]) -> Iterator[str]:
    name, objective = settings["metric_for_best_model"], OBJECTIVES.get(str(settings["objective"]))
    figures = () if objective is None else FIGURES[objective.figures]
    if name is not None and figures and str(name).removeprefix("eval_") not in figures:
        guess = did_you_mean(str(name), figures)
        yield f"metric_for_best_model must be one of {', '.join(figures)}; got {preview(name)}.{guess}"


LOGGING_STEPS = 10
"""The default of `logging_steps`."""


def find_implied_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that early stopping implies: a metric, and a checkpoint after each evaluation.

    Args:
        settings: the settings that differ from their defaults; they take precedence over those that are returned.
    """
    if settings.get("early_stopping_patience") is None or settings.get("train") == "head":
        return {}
    implied: dict[str, Any] = {"load_best_model_at_end": True, "metric_for_best_model": "loss"}
    evaluations = _get_text(settings.get("eval_strategy", "no"))
    if evaluations in ("steps", "epoch"):
        implied["save_strategy"] = evaluations
    if evaluations == "steps":
        implied["save_steps"] = _get_eval_steps({"eval_steps": None, "logging_steps": LOGGING_STEPS, **settings})
    return implied


def _check_early_stopping(settings: Mapping[str, Any]) -> Iterator[str]:
    if settings["early_stopping_patience"] is None:
        if settings["early_stopping_threshold"]:
            yield "early_stopping_threshold has no effect without early stopping; add --early_stopping_patience 3"
        return
    evaluations, checkpoints = (_get_text(settings[name]) for name in ("eval_strategy", "save_strategy"))
    if evaluations == "no":
        yield f"early_stopping_patience has no effect without evaluations in the run; {explain_evaluations(settings)}"
    elif not settings["load_best_model_at_end"]:
        yield "early_stopping_patience keeps the best weights, but load_best_model_at_end is false; set it to true"
    elif checkpoints == "no":
        yield (
            "early_stopping_patience keeps the best weights, but save_strategy no saves no checkpoints; set it to"
            f" {evaluations}"
        )


def _check_intervals(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line if evaluations and checkpoints do not fit together."""
    evaluations, checkpoints = (_get_text(settings[name]) for name in ("eval_strategy", "save_strategy"))
    if checkpoints == "best" and settings["metric_for_best_model"] is None:
        yield "save_strategy best needs a metric to compare; add --metric_for_best_model loss"
    if checkpoints == "best" and evaluations == "no":
        yield f"save_strategy best needs evaluations; {explain_evaluations(settings)}"
    for name in ("reduce_lr_on_plateau", "greedy"):
        if _get_text(settings["lr_scheduler_type"]) == name and evaluations == "no":
            yield f"lr_scheduler_type {name} needs evaluations; {explain_evaluations(settings)}"
    if not settings["load_best_model_at_end"] or checkpoints == "best":
        return
    if evaluations != checkpoints:
        yield (
            "load_best_model_at_end needs an evaluation before each checkpoint, but eval_strategy is"
            f" {evaluations} and save_strategy is {checkpoints}; set both to steps or epoch"
        )
    elif evaluations == "steps" and not _is_multiple(settings["save_steps"], _get_eval_steps(settings)):
        yield (
            "load_best_model_at_end needs an evaluation before each checkpoint, but save_steps"
            f" {settings['save_steps']:g} is not a multiple of eval_steps {_get_eval_steps(settings):g}"
        )


def _get_text(value: object) -> str:
    """Return the text of a choice, which may be a member of one of transformers' enumerations."""
    return str(getattr(value, "value", value))


def _get_eval_steps(settings: Mapping[str, Any]) -> float:
    """Return the interval of evaluations in steps; by default, transformers takes that of the log."""
    return float(settings["eval_steps"] or settings["logging_steps"])


def _is_multiple(steps: float, other: float) -> bool:
    """Return whether one interval is a multiple of another; both must be numbers of steps, or shares of the run."""
    return (steps < 1) == (other < 1) and math.isclose(steps / other, round(steps / other))


def _check_named_data(settings: Mapping[str, Any]) -> Iterator[str]:
    for name in ("output_dir", "model_name_or_path", "template", "style", "dataset_name", "datasets", "eval_data"):
        if settings[name] in ("", [], [""]):
            yield f"{name} is empty"
    if settings["datasets"] and settings["dataset_name"]:
        yield "datasets and dataset_name both name the training data; keep one"
    if settings["eval_data"] and settings["dataset_test_split"]:
        yield "eval_data and dataset_test_split both name the held-out data; keep one"


def _check_held_out_data(settings: Mapping[str, Any]) -> Iterator[str]:
    trained = settings["dataset_train_split"] or DEFAULT_SPLIT
    if settings["dataset_test_split"] == trained and not settings["datasets"]:
        yield f"dataset_test_split {preview(trained)} is also trained on; name another split, or use --eval_size"
    for name in ("eval_data", "dataset_test_split", "dataset_train_split", "dataset_config", "dataset_data_dir"):
        if settings[name] and not (settings["datasets"] or settings["dataset_name"]):
            yield f"{name} needs training data; name it with --dataset_name"
    if settings["dataset_name"] and not settings["template"]:
        yield "--dataset_name needs --template; `preftemplates detect FILE` finds the templates that fit"
    if settings["eval_strategy"] != "no" and is_nothing_held_out(settings):
        yield "eval_strategy needs held-out rows, but eval_size is 0; hold out rows, or set eval_strategy to no"


def explain_evaluations(settings: Mapping[str, Any]) -> str:
    """Return how to evaluate in the run: by held-out rows, if there are none, and steps at which to evaluate."""
    held_out = "hold out rows with --eval_size or --eval_data, and " if is_nothing_held_out(settings) else ""
    return f"{held_out}add --eval_strategy steps"


def is_nothing_held_out(settings: Mapping[str, Any]) -> bool:
    """Return whether data is named and all of it is trained on; a part of the generated set is always held out."""
    data = settings.get("dataset_name") or settings.get("datasets")
    held_out = settings.get("eval_data") or settings.get("dataset_test_split") or settings.get("eval_size") != 0
    return bool(data) and not held_out


def normalize_source(number: int, entry: object, template: str | None) -> dict[str, Any]:
    """Return an entry of `datasets`, with its weight as a number.

    Args:
        number: its index in the list, from 0.
        entry: the entry.
        template: the template for all entries, if one is set.

    Raises:
        SetupError: the message names the entry and its key.
    """
    place = f"datasets[{number}]"
    if not isinstance(entry, Mapping):
        raise SetupError(f"{place}: expected a mapping with {', '.join(SOURCE_KEYS)}; got {preview(entry)}")
    for key in entry:
        if key not in SOURCE_KEYS:
            guess = did_you_mean(str(key), SOURCE_KEYS)
            raise SetupError(f"{place}: there is no key {preview(key)}.{guess}")
    source = {key: value for key, value in entry.items() if value is not None}
    if "path" not in source:
        raise SetupError(f"{place}: path is missing")
    if "template" not in source and not template:
        raise SetupError(f"{place}: template is missing, and --template names none for all datasets")
    for key in ("path", "template", "split", "name", "data_dir"):
        if key in source and not (isinstance(source[key], str) and source[key]):
            raise SetupError(f"{place}.{key}: expected text, got {preview(source[key])}")
    return {**source, "weight": _read_weight(source.get("weight", 1), place)}


def _read_weight(value: Any, place: str) -> float:
    try:
        weight = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        weight = math.nan
    if not 0 < weight <= MOST_WEIGHT:
        raise SetupError(f"{place}.weight: expected a number above 0 and at most {MOST_WEIGHT}, got {preview(value)}")
    return weight
