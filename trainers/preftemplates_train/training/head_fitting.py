"""`--train head`: fit a linear head on the run's frozen model, and cut the model at the chosen layer."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch

from preftemplates_train.heads.choice import smooth_losses
from preftemplates_train.heads.feature_table import list_text_groups
from preftemplates_train.heads.frozen_head import (
    check_feature_memory,
    choose_depths,
    count_layers,
    fit_frozen_head,
    install_head,
    make_objective,
    open_feature_cache,
)
from preftemplates_train.model.features import FeatureReader
from preftemplates_train.training.feature_folder import find_feature_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from transformers import PreTrainedModel

    from preftemplates_train.heads.choice import FittedHead
    from preftemplates_train.heads.feature_cache import FeatureCache
    from preftemplates_train.settings.config import RewardConfig
    from preftemplates_train.training.prepare import PreparedRun


def make_feature_reader(
    run: PreparedRun, model: PreTrainedModel, config: RewardConfig, depths: list[int]
) -> FeatureReader:
    """Return a reader of a run's model's features, on the run's device."""
    model.to(config.device)  # type: ignore[arg-type]
    return FeatureReader(
        model,
        depths,
        int(run.tokenizer.pad_token_id),
        shares_prefixes=run.layout == "branches",
        batch_size=2 * config.per_device_eval_batch_size,
        autocast=_make_autocast(config),
    )


def _make_autocast(config: RewardConfig) -> AbstractContextManager[Any]:
    """Return the autocast context of the run's model."""
    kinds = {config.bf16: torch.bfloat16, config.fp16: torch.float16}
    dtype = kinds.get(True)
    return nullcontext() if dtype is None else torch.autocast(config.device.type, dtype=dtype)


def open_run_cache(run: PreparedRun, model: PreTrainedModel, config: RewardConfig) -> FeatureCache:
    """Return the feature cache of a run's model, in the folder that the settings name or in the output folder."""
    precision = "bf16" if config.bf16 else "fp16" if config.fp16 else "none"
    return open_feature_cache(find_feature_folder(config), model, int(run.tokenizer.pad_token_id), autocast=precision)


def fit_run_head(run: PreparedRun, config: RewardConfig) -> dict[str, Any]:
    """Fit the head of a run's model and cut the model, in place.

    Returns:
        The value of `head` in `metrics.json`: the chosen layer, the number of layers, the penalty, the CPU time in
        seconds, the numbers of groups of texts that were computed and found in the cache, and the validation losses.

    Raises:
        SetupError: the model cannot be cut, or its last layer lacks a bias that the objective needs.
    """
    start = time.process_time()
    objective = make_objective(config)
    layers = count_layers(run.model)
    depths = choose_depths(layers, config.head_layers)
    reader, cache = make_feature_reader(run, run.model, config, depths), open_run_cache(run, run.model, config)
    check_feature_memory(sum(map(len, list_text_groups(run.encoded.groups))), len(depths), reader.width)
    fitted, _ = fit_frozen_head(reader, run.encoded.groups, objective, seed=config.seed, cache=cache)
    install_head(run.model, fitted, depths[fitted.cut])
    return {
        **describe_choice(fitted, depths, layers),
        "seconds": time.process_time() - start,
        "groups_computed": cache.computed,
        "groups_from_cache": cache.reused,
        "validation": _list_losses(fitted, depths),
    }


def _list_losses(fitted: FittedHead, depths: list[int]) -> list[dict[str, Any]]:
    """Return the validation loss of each layer and penalty, and the smoothed loss by which they are chosen."""
    smooth = smooth_losses(fitted.validation)
    return [
        {
            "layer": depths[loss.cut],
            "penalty": loss.penalty,
            "loss": loss.mean,
            "smooth_loss": smooth.get((loss.cut, loss.penalty)),
        }
        for loss in fitted.validation
    ]


def describe_choice(fitted: FittedHead, depths: list[int], layers: int) -> dict[str, Any]:
    """Return the chosen layer, the number of layers, and the chosen penalty."""
    return {"layer": depths[fitted.cut], "layers": layers, "penalty": fitted.penalty}


def describe_fitted_head(head: Mapping[str, Any]) -> str:
    """Return a line with the chosen layer and penalty, and the cost of the fit."""
    cached = f", {head['groups_from_cache']:,} prompts from the cache" if head["groups_from_cache"] else ""
    return (
        f"head: fitted on layer {head['layer']} of {head['layers']}, penalty {head['penalty']:g},"
        f" {_list_chosen(head)}; {head['seconds']:.1f} s of CPU time{cached}"
    )


def _list_chosen(head: Mapping[str, Any]) -> str:
    """Return what cross-validation has chosen: the layer, if several were tried, and the penalty."""
    tried = {one["layer"] for one in head["validation"]}
    if not tried:
        return "neither chosen by cross-validation, for which there are too few prompts"
    return "both chosen by cross-validation" if len(tried) > 1 else "the penalty chosen by cross-validation"
