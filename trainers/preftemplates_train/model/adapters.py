"""LoRA adapters: add them to a model, save them as peft does, and merge them into their base model."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn
from transformers.utils.peft_utils import ADAPTER_CONFIG_NAME, ADAPTER_SAFE_WEIGHTS_NAME

from preftemplates.data.reading import spell_install
from preftemplates.errors import did_you_mean, preview
from preftemplates_train.data.checkpoint_files import (
    COPY_AGAIN,
    check_checkpoint_files,
    check_weight_files,
    list_weights,
    read_adapter_base,
)
from preftemplates_train.errors import SetupError, summarize_error
from preftemplates_train.model.checks import check_finite_weights
from preftemplates_train.model.loading import (
    grow_vocabulary,
    list_head_modules,
    load_classifier,
    load_model_config,
)
from preftemplates_train.model.weight_hashes import hash_base_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from preftemplates_train.model.checkpoint import CheckpointRecord
    from preftemplates_train.settings.config import RewardConfig

ADAPTER_FOLDER = "adapter"
"""The folder in the output folder that the adapter is written to."""

PEFT_PREFIX = "base_model.model."
"""The prefix that peft adds to the names of the base model's weights."""

NAME_MERGED = "name the merged model that the run wrote"


def add_lora(model: PreTrainedModel, config: RewardConfig) -> Any:
    """Return the model with LoRA adapters; its head is trained in full and saved with the adapter.

    Raises:
        SetupError: peft is not installed, or finds no modules to adapt.
    """
    try:
        from peft import LoraConfig, TaskType, get_peft_model
    except ImportError as error:
        raise SetupError(f"--use_peft needs peft: {spell_install('peft')}") from error
    targets = config.lora_target_modules
    linear_names = _list_module_names(model, nn.Linear)
    if targets is not None and targets != ["all-linear"]:
        _check_module_names("lora_target_modules", targets, model, linear_names)
    _check_module_names("lora_modules_to_save", config.lora_modules_to_save or (), model, linear_names)
    try:
        adapters = LoraConfig(
            task_type=TaskType.SEQ_CLS,
            r=config.lora_r,
            lora_alpha=config.lora_alpha,
            lora_dropout=0.0 if config.disable_dropout else config.lora_dropout,
            # peft has a meaning for this text, but takes a list of it for the name of a module
            target_modules="all-linear" if targets == ["all-linear"] else targets,
            # peft adds only heads named `classifier` or `score` by itself
            modules_to_save=[*list_head_modules(model), *(config.lora_modules_to_save or ())],
            use_rslora=config.use_rslora,
            use_dora=config.use_dora,
        )
        adapted = get_peft_model(model, adapters, revision=config.model_revision)
    except (ValueError, TypeError, AttributeError) as error:
        reason, _, _ = summarize_error(error).partition(". ")
        raise SetupError(
            f"lora_target_modules: {reason}; the model's linear modules are {', '.join(linear_names)}"
        ) from error
    # after get_peft_model, which sets it to the model's own name; a relative path fails from another folder
    adapters.base_model_name_or_path = _make_absolute(config.model_name_or_path)
    return adapted


def _make_absolute(name: str | None) -> str | None:
    """Return the absolute path of a local folder; a name on the hub is returned unchanged."""
    folder = None if name is None else Path(name)
    return name if folder is None or not folder.is_dir() else str(folder.resolve())


def _list_module_names(model: nn.Module, kind: type[nn.Module]) -> list[str]:
    """Return the last parts of the paths of a model's modules of a class, each once."""
    return sorted({re.sub(r".*\.", "", name) for name, part in model.named_modules() if isinstance(part, kind)})


def _check_module_names(setting: str, names: Sequence[str], model: nn.Module, known: Sequence[str]) -> None:
    """Raise an error for a name with which no module's path ends: peft ignores such a name.

    Raises:
        SetupError: the message names the setting and the linear modules.
    """
    paths = [f".{path}" for path, _ in model.named_modules()]
    for name in names:
        if not any(path.endswith(f".{name}") for path in paths):
            guess = did_you_mean(name, known)
            modules = f"its linear modules are {', '.join(known)}.{guess}"
            raise SetupError(f"{setting}: the model has no module {preview(name)}; {modules}")


def save_adapter(folder: Path, model: Any, tokenizer: PreTrainedTokenizerFast, record: CheckpointRecord) -> None:
    """Write a model's adapter with its head as peft does, and the tokenizer and the record next to it.

    The embeddings are left out, unless they are trained. A run adds embeddings for the pad token only, which no text
    contains, so `load_adapted_model` can add new ones.
    """
    model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)  # peft's form for a model card, with nothing filled in
    tokenizer.model_max_length = record.max_length
    tokenizer.save_pretrained(folder)
    record.write(folder)


def load_adapted_model(folder: Path, tokenizer: PreTrainedTokenizerFast, record: CheckpointRecord) -> PreTrainedModel:
    """Load an adapter's base model and merge the adapter into it.

    Args:
        folder: the adapter's folder.
        tokenizer: the adapter's tokenizer, with its pad token.
        record: the adapter's record.

    Raises:
        SetupError: peft is not installed, the base model or the adapter cannot be loaded, or the base model has other
            weights than when the adapter was trained.
    """
    try:
        from peft import PeftModel
    except ImportError as error:
        raise SetupError(f"{folder} is a LoRA adapter, which needs peft: {spell_install('peft')}") from error
    check_weight_files(folder)
    saved = frozenset(list_weights(folder / ADAPTER_SAFE_WEIGHTS_NAME))
    model = _load_base(folder, record, saved)
    grow_vocabulary(model, tokenizer)  # before the adapter, whose trained embeddings have the grown shape
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # missing and unknown weights are errors below
            adapted = PeftModel.from_pretrained(model, str(folder))
    except Exception as error:
        raise SetupError(f"{folder} cannot be added to its base model: {summarize_error(error)}") from error
    _check_weight_names(folder, adapted, saved)
    merged = merge_adapters(adapted)
    check_finite_weights(merged, str(folder))
    return merged


def _load_base(folder: Path, record: CheckpointRecord, saved: frozenset[str]) -> PreTrainedModel:
    """Load an adapter's base model.

    Args:
        folder: the adapter's folder.
        record: the adapter's record.
        saved: the names of the adapter's weights.

    Raises:
        SetupError: the base model cannot be loaded, a weight is in neither the base model nor the adapter, or the base
            model's weights have changed since the adapter was trained.
    """
    name, revision = read_adapter_base(folder)
    dtype = record.settings.get("dtype", "auto")  # the type in which the run loaded the base model
    try:
        check_checkpoint_files(name)
        config = load_model_config(name, revision)
        model, info = load_classifier(name, revision=revision, config=config, dtype=dtype)
    except SetupError as error:
        raise SetupError(
            f"{folder} is a LoRA adapter on {name}, and this base model cannot be loaded: {error.message}; restore it,"
            f" or set base_model_name_or_path in {ADAPTER_CONFIG_NAME} to its new path"
        ) from error
    # transformers fills missing weights at random, and the adapter may replace them, such as the head
    drawn = sorted(weights for weights in info["missing_keys"] if PEFT_PREFIX + weights not in saved)
    if drawn:
        raise SetupError(f"{folder} lacks the weights {drawn[0]}, and so does its base model; {NAME_MERGED}")
    if record.base_weights is not None and hash_base_weights(model, info["missing_keys"]) != record.base_weights:
        raise SetupError(
            f"{folder} is a LoRA adapter on {name}, whose weights have changed since the adapter was trained; restore"
            f" them, set base_model_name_or_path in {ADAPTER_CONFIG_NAME} to a copy of them, or {NAME_MERGED}"
        )
    return model


def _check_weight_names(folder: Path, adapted: Any, saved: frozenset[str]) -> None:
    """Raise an error if an adapter lacks weights, or has weights of another model: peft ignores both.

    Args:
        folder: the adapter's folder.
        adapted: the model with the adapter.
        saved: the names of the adapter's weights.
    """
    from peft import get_peft_model_state_dict

    needed = set(get_peft_model_state_dict(adapted, save_embedding_layers=False))
    for name in sorted(needed - saved):
        raise SetupError(f"{folder} lacks the weights {name.removeprefix(PEFT_PREFIX)}; {COPY_AGAIN}")
    known = {name.replace(".default.", ".") for name in adapted.state_dict()}  # files omit the adapter's name
    for name in sorted(saved - needed - known):
        raise SetupError(f"{folder} has weights for {name.removeprefix(PEFT_PREFIX)}, which its base model lacks")


def merge_adapters(model: Any) -> PreTrainedModel:
    """Return the model with its adapters merged into the weights; a model without adapters is returned unchanged."""
    return model.merge_and_unload() if hasattr(model, "merge_and_unload") else model  # type: ignore[no-any-return]
