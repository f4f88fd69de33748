"""A linear head on a frozen model: compute the features, fit the head, and cut the model."""

from __future__ import annotations

import math
import os
from itertools import chain
from typing import TYPE_CHECKING

import torch

from preftemplates_train.errors import SetupError
from preftemplates_train.heads.choice import HeadObjective, fit_best_head
from preftemplates_train.heads.feature_cache import FeatureCache, hash_frozen_weights
from preftemplates_train.heads.feature_table import compute_feature_table
from preftemplates_train.model.features import find_last_linear
from preftemplates_train.model.layers import check_cut, cut_model, find_layer_stack

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from transformers import PreTrainedModel

    from preftemplates_train.data.encoding import TokenGroup
    from preftemplates_train.heads.choice import FittedHead
    from preftemplates_train.heads.feature_table import FeatureTable
    from preftemplates_train.model.features import FeatureReader
    from preftemplates_train.model.loading import HeadOrigin
    from preftemplates_train.settings.config import RewardConfig

MOST_CUTS = 8
"""The number of cuts to try if the settings name none."""

LARGEST_MARGIN = 1e10
"""The largest absolute value of a margin. From about 1e13 on, fits do not converge."""


def choose_depths(number: int, requested: Sequence[int] | None = None) -> list[int]:
    """Return the numbers of layers after which to try to cut a model, ascending.

    Args:
        number: the number of its layers.
        requested: the cuts to try; by default up to eight, evenly from a third of the layers to all.

    Raises:
        SetupError: a requested cut is not from 1 to the number of layers.

    >>> choose_depths(30)
    [10, 13, 16, 19, 21, 24, 27, 30]
    >>> choose_depths(6)
    [2, 3, 4, 5, 6]
    """
    if requested:
        for depth in requested:
            if not 1 <= depth <= number:
                raise SetupError(f"head_layers: expected numbers from 1 to {number}, the model's layers, got {depth}")
        return sorted(set(requested))
    first = max(1, math.ceil(number / 3))
    cuts = min(MOST_CUTS, number - first + 1)
    return [round(first + at * (number - first) / max(1, cuts - 1)) for at in range(cuts)]


def make_objective(config: RewardConfig) -> HeadObjective:
    """Return the objective of the fit of a run's head."""
    return HeadObjective(config.objective, config.label_smoothing_factor)


def check_frozen_model(model: PreTrainedModel, head: HeadOrigin | None, config: RewardConfig) -> None:
    """Raise an error if a run's head cannot be fitted on its model, or the settings name layers that do not exist.

    Raises:
        SetupError: the message names the class of the model, or the setting.
    """
    depths = choose_depths(count_layers(model), config.head_layers)
    check_cut(model, depths[0])
    check_pretrained_features(model, () if head is None else head.new, str(config.model_name_or_path))
    check_bias(model, make_objective(config))


def check_feature_memory(texts: int, depths: int, width: int, memory: float | None = None) -> None:
    """Raise an error if the features of all texts do not fit into half of the memory.

    Args:
        texts: the number of texts.
        depths: the number of cuts.
        width: the number of features of a text at one cut.
        memory: the machine's memory in bytes; by default the size that the operating system reports, if it does.

    Raises:
        SetupError: the message gives both sizes and how to have fewer features.

    >>> check_feature_memory(2_000, 8, 4096)
    """
    size = 4.0 * texts * depths * width
    available = _find_memory() if memory is None else memory
    if size > available / 2:
        raise SetupError(
            f"the features of {texts:,} texts after {depths} layers take {size / 2**30:.1f} GiB, more than half of the"
            f" machine's {available / 2**30:.1f} GiB; name fewer layers with --head_layers, or use fewer rows"
        )


def _find_memory() -> float:
    """Return the machine's memory in bytes; infinity if the operating system does not report it."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return math.inf


def check_pretrained_features(model: PreTrainedModel, new_weights: Sequence[str], name: str) -> None:
    """Raise an error if weights before the last linear layer are new: a head on them would read random features.

    Args:
        model: the classifier.
        new_weights: the names of the weights that the checkpoint lacks.
        name: the checkpoint's name.

    Raises:
        SetupError: the message names the class and the first such weight.
    """
    path, _, _ = find_last_linear(model)[0].partition(".modules_to_save")  # peft wraps a head that it trains in full
    random_weights = [weights for weights in new_weights if not weights.startswith(f"{path}.")]
    if random_weights:
        raise SetupError(
            f"{name} has no weights {random_weights[0]}, which {type(model).__name__} applies before its last layer,"
            " so a linear head would read random features; use --train full, or another model"
        )


def open_feature_cache(folder: Path, model: PreTrainedModel, pad_id: int, *, autocast: str) -> FeatureCache:
    """Return the cache of a model's features in a folder.

    Args:
        folder: the folder.
        model: the model, whose frozen weights are part of the key.
        pad_id: the id of the pad token.
        autocast: the name of the type in which the model computes.
    """
    weights = hash_frozen_weights(model, pad_id)
    return FeatureCache(folder, f"{weights} {model.config.to_json_string()} {pad_id} {autocast}")


def install_head(model: PreTrainedModel, fitted: FittedHead, depth: int) -> None:
    """Cut a model and give it a fitted head, in place.

    Args:
        model: the classifier.
        fitted: the head.
        depth: the number of layers after which its features were read.

    Raises:
        SetupError: the model cannot be cut.
    """
    cut_model(model, depth)
    linear = find_last_linear(model)[1]
    with torch.no_grad():
        linear.weight.copy_(fitted.head.weights.to(linear.weight.dtype)[None])
        if linear.bias is not None:
            linear.bias.copy_(fitted.head.bias.to(linear.bias.dtype))


def check_bias(model: PreTrainedModel, objective: HeadObjective) -> None:
    """Raise an error if an objective needs a bias and the model's last layer has none.

    Raises:
        SetupError: the message names both.
    """
    if objective.needs_bias and find_last_linear(model)[1].bias is None:
        raise SetupError(
            f"objective {objective.name} needs a bias, but the head of {type(model).__name__} has none; use an"
            " encoder, --train full, or an objective of pairs"
        )


def check_margins(groups: Iterable[TokenGroup], objective: HeadObjective) -> None:
    """Raise an error for a margin so large that the loss is rounded by more than the fit could improve it.

    Raises:
        SetupError: the message names the row.
    """
    if objective.name != "margin":
        return
    for one in chain.from_iterable(groups):
        if not abs(margin := one.labels.get("margin", 0.0)) <= LARGEST_MARGIN:
            raise SetupError(
                f"{one.sample.source}, row {one.sample.row}: a head cannot be fitted with the margin {margin:g},"
                f" expected a number from {-LARGEST_MARGIN:g} to {LARGEST_MARGIN:g}; fix the row, or scale the column"
            )


def count_layers(model: PreTrainedModel) -> int:
    """Return how many layers a model has."""
    return len(find_layer_stack(model).layers)


def fit_frozen_head(
    reader: FeatureReader,
    groups: Sequence[TokenGroup],
    objective: HeadObjective,
    *,
    seed: int,
    others: Sequence[TokenGroup] = (),
    cache: FeatureCache | None = None,
) -> tuple[FittedHead, FeatureTable]:
    """Compute features and fit the best head.

    Args:
        reader: computes the features.
        groups: the groups to fit.
        objective: the objective of the fit.
        seed: the seed of the cross-validation's folds.
        others: groups whose features are also computed, but that are not fitted.
        cache: keeps the features.

    Returns:
        The head, and the features of all groups.

    Raises:
        SetupError: a margin is too large.
    """
    check_margins(groups, objective)
    table = compute_feature_table(reader, [*groups, *others], cache)
    return fit_best_head(table, groups, objective, seed=seed), table
