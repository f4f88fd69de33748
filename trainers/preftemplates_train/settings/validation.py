"""Which settings are valid: ranges of single settings, and settings that contradict each other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any

from preftemplates.data.dataset_sources import DEFAULT_SPLIT
from preftemplates.errors import did_you_mean, preview
from preftemplates_train.errors import SetupError

UNTRAINABLE_FINDINGS = ("drops_answer", "same_text", "unstable")
"""Findings of a style with which nothing is trained, unless they are allowed."""

RANGES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "eval_size": ("at least 0 and less than 1", lambda share: 0 <= share < 1),
    "max_dropped": ("at least 0 and at most 1", lambda share: 0 <= share <= 1),
    "allow_findings": (
        f"among {', '.join(UNTRAINABLE_FINDINGS)}",
        lambda codes: {*(codes or ())} <= {*UNTRAINABLE_FINDINGS},
    ),
    "max_length": ("at least 2", lambda tokens: tokens is None or tokens >= 2),
    "center_rewards_coefficient": ("at least 0 and finite", lambda times: times is None or 0 <= times < math.inf),
    "label_smoothing_factor": ("at least 0 and less than 0.5", lambda share: 0 <= share < 0.5),
    "lora_r": ("at least 1", lambda rank: rank >= 1),
    "lora_dropout": ("at least 0 and less than 1", lambda share: 0 <= share < 1),
    "learning_rate": ("at least 0 and finite", lambda rate: 0 <= rate < math.inf),
    "num_train_epochs": ("at least 0 and finite", lambda epochs: 0 <= epochs < math.inf),
    "per_device_train_batch_size": ("at least 1", lambda pairs: pairs >= 1),
    "per_device_eval_batch_size": ("at least 1", lambda pairs: pairs >= 1),
    "gradient_accumulation_steps": ("at least 1", lambda steps: steps >= 1),
    "seed": ("at least 0 and less than 2**32", lambda seed: 0 <= seed < 2**32),
}
"""What a number must be, in words and as a test."""


SOURCE_KEYS = ("path", "template", "weight", "split", "name", "data_dir")
"""The keys of an entry of `datasets`."""


def find_contradictions(settings: Mapping[str, Any]) -> Iterator[str]:
    """Return what is wrong with settings, whatever the machine, in one line each."""
    checks = (_check_ranges, _check_training, _check_named_data, _check_held_out_data)
    return chain.from_iterable(check(settings) for check in checks)


def _check_ranges(settings: Mapping[str, Any]) -> Iterator[str]:
    for name, (expected, is_valid) in RANGES.items():
        if not is_valid(settings[name]):
            yield f"{name} must be {expected}, got {preview(settings[name])}"


def _check_training(settings: Mapping[str, Any]) -> Iterator[str]:
    if settings["layout"] == "branches" and settings["attn_implementation"]:
        yield "attn_implementation is given, and layout branches computes attention in its own way; keep one"
    if settings["objective"] == "plackett_luce" and settings["label_smoothing_factor"]:
        yield "label_smoothing_factor is how many pairs are wrong, and objective plackett_luce learns whole rankings"
    yield from _check_best_metric(settings)
    if settings["remove_unused_columns"]:
        yield "remove_unused_columns must be false: the columns that it removes are those that are trained on"


METRICS = (
    "loss", "accuracy", "accuracy_stderr", "pairs", "chosen_mean", "chosen_std", "rejected_mean", "rejected_std",
    "margin_mean", "margin_std",
)  # fmt: skip
"""The figures of an evaluation, by which the best checkpoint can be chosen."""


def _check_best_metric(settings: Mapping[str, Any]) -> Iterator[str]:
    name = settings["metric_for_best_model"]
    if name is not None and str(name).removeprefix("eval_") not in METRICS:
        guess = did_you_mean(str(name), METRICS)
        yield f"metric_for_best_model {preview(name)} is not a figure; there are {', '.join(METRICS)}.{guess}"


def _check_named_data(settings: Mapping[str, Any]) -> Iterator[str]:
    for name in ("model_name_or_path", "template", "style", "dataset_name", "datasets", "eval_data"):
        if settings[name] in ("", [], [""]):
            yield f"{name} is empty"
    if settings["datasets"] and settings["dataset_name"]:
        yield "datasets and dataset_name both name what to train on; keep one"
    if settings["eval_data"] and settings["dataset_test_split"]:
        yield "eval_data and dataset_test_split both name what is held out; keep one"


def _check_held_out_data(settings: Mapping[str, Any]) -> Iterator[str]:
    trained = settings["dataset_train_split"] or DEFAULT_SPLIT
    if settings["dataset_test_split"] == trained and not settings["datasets"]:
        yield f"dataset_test_split {preview(trained)} is the part that is trained on; name another, or --eval_size"
    for name in ("eval_data", "dataset_test_split", "dataset_train_split", "dataset_config", "dataset_data_dir"):
        if settings[name] and not (settings["datasets"] or settings["dataset_name"]):
            yield f"{name} is given without dataset_name, which names what to train on"
    if settings["dataset_name"] and not settings["template"]:
        yield "dataset_name is given without template, which says how rows are read; `preftemplates list` shows them"
    if settings["eval_strategy"] != "no" and is_nothing_held_out(settings):
        yield "eval_strategy asks for evaluations, and nothing is held out: eval_size is 0"


def find_ineffective_settings(settings: Mapping[str, Any]) -> Iterator[str]:
    """Return what is wrong with settings that somebody has given and that would have no effect, in one line each."""
    for name, (value, reason) in INEFFECTIVE.items():
        if name in settings and settings[name] is value:
            yield f"{name} {str(value).lower()} has no effect here: {reason}"


INEFFECTIVE: Mapping[str, tuple[Any, str]] = {
    "do_train": (False, "this command trains; `preftemplates-train evaluate` measures a checkpoint"),
    "do_eval": (False, "held-out rows are measured at the end; --eval_size 0 holds out none"),
    "do_predict": (True, "`preftemplates-train score` gives every row its rewards"),
    "prediction_loss_only": (True, "the figures come from all scores"),
}
"""Settings of transformers of which a value has no effect, with the way out."""


def is_nothing_held_out(settings: Mapping[str, Any]) -> bool:
    """Return whether data is named and all of it is trained on; of the generated set a part is always held out."""
    data = settings.get("dataset_name") or settings.get("datasets")
    held_out = settings.get("eval_data") or settings.get("dataset_test_split") or settings.get("eval_size") != 0
    return bool(data) and not held_out


def normalize_source(number: int, entry: object, template: str | None) -> dict[str, Any]:
    """Return one of `datasets`, with its weight as a number.

    Args:
        number: its place in the list, from 0.
        entry: the entry.
        template: the template of all entries, if there is one.

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
        raise SetupError(f"{place}: template is missing, and there is none for all")
    for key in ("path", "template", "split", "name", "data_dir"):
        if key in source and not (isinstance(source[key], str) and source[key]):
            raise SetupError(f"{place}.{key}: expected text, got {preview(source[key])}")
    return {**source, "weight": _read_weight(source.get("weight", 1), place)}


def _read_weight(value: Any, place: str) -> float:
    try:
        weight = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        weight = math.nan
    if not 0 < weight < math.inf:
        raise SetupError(f"{place}.weight: expected a number above 0, got {preview(value)}")
    return weight
