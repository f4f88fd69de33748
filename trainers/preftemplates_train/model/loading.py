"""Load the model of a run, a sequence classifier with one output, and check it before the first step."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import transformers
from safetensors import safe_open
from torch import nn
from transformers import (
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    AutoConfig,
    AutoModelForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    set_seed,
)
from transformers.utils import SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME, logging
from transformers.utils.hub import cached_file

from preftemplates.errors import preview
from preftemplates_train.data.checkpoint_files import check_weight_files
from preftemplates_train.errors import SetupError, summarize_error
from preftemplates_train.model.checks import check_finite_weights

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from preftemplates_train.settings.config import RewardConfig

HEAD_NAMES = ("score", "classifier")
"""The names of the modules that a classifier adds to its base model."""

DEFAULT_MAX_LENGTH = 1024

POSITIONS_AFTER_PAD = ("roberta", "camembert", "data2vec", "ibert", "lilt", "longformer", "luke", "mpnet", "xmod")
"""Parts of the names of model types whose positions begin after the id of the pad token."""


def load_model_config(name: str, revision: str = "main", *, disable_dropout: bool = True) -> Any:
    """Load a checkpoint's configuration as that of a reward model, without running code from the checkpoint.

    Raises:
        SetupError: there is no such checkpoint, or transformers has no classifier for its model type.
    """
    config = _read_config(name, revision)
    if type(config) not in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING:
        raise SetupError(
            f"{name}: its model cannot be loaded: transformers has no classifier for the model type"
            f" {config.model_type}"
        )
    config.num_labels = 1
    config.id2label, config.label2id = {0: "reward"}, {"reward": 0}
    config.problem_type = "regression"
    if disable_dropout:
        text_config = config.get_text_config()
        for key, value in text_config.to_dict().items():
            if ("dropout" in key or "pdrop" in key) and isinstance(value, float):
                setattr(text_config, key, 0.0)
    return config


def _read_config(name: str, revision: str = "main") -> Any:
    """Load a checkpoint's configuration.

    Raises:
        SetupError: there is no configuration, or its weights are quantised.
    """
    try:
        config = AutoConfig.from_pretrained(name, revision=revision, trust_remote_code=False)
    except Exception as error:
        raise SetupError(f"{name}: its model cannot be loaded: {summarize_error(error)}") from error
    if getattr(config, "quantization_config", None) is not None:
        raise SetupError(f"{name} has quantised weights; name the unquantised checkpoint that it was made from")
    return config


@dataclass(frozen=True)
class HeadOrigin:
    """The origin of a reward model's head.

    Attributes:
        new: the weights that are drawn from the seed, because the checkpoint lacks them.
        unused: the checkpoint's weights that look like a head and are not used.
        taken_from: the checkpoint's module from which the head starts, if the settings name one.
    """

    new: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    taken_from: str | None = None


def load_model(name: str, model_config: Any, config: RewardConfig) -> tuple[PreTrainedModel, HeadOrigin]:
    """Load a checkpoint as a reward model to train; if the checkpoint has no head, it is drawn from the seed.

    Raises:
        SetupError: weights are missing, have the wrong shape or are not finite, or the head that the settings name
            does not exist.
    """
    set_seed(config.seed)
    options: dict[str, Any] = {}
    if config.attn_implementation:
        options["attn_implementation"] = config.attn_implementation
    model, info = load_classifier(
        name, revision=config.model_revision, config=model_config, dtype=config.dtype, **options
    )
    base_prefix = f"{model.base_model_prefix}."
    missing = sorted(key for key in info["missing_keys"] if key.startswith(base_prefix) and "pooler" not in key)
    if missing:
        raise SetupError(f"{name} lacks {len(missing)} of the model's weights, such as {missing[0]}")
    check_finite_weights(model, name)
    if config.use_peft and config.save_adapter:
        _check_adapter_can_hold(sorted(info["missing_keys"]), model, name, config.lora_modules_to_save or ())
    unused = tuple(sorted(key for key in info["unexpected_keys"] if _looks_like_a_head(key)))
    if config.head_from is None:
        return model, HeadOrigin(tuple(sorted(info["missing_keys"])), unused)
    taken = _copy_head(model, name, config.head_from, config.model_revision, unused)
    new = tuple(key for key in sorted(info["missing_keys"]) if not key.startswith(HEAD_NAMES))
    return model, HeadOrigin(new, tuple(key for key in unused if key not in taken), config.head_from)


def list_head_modules(model: PreTrainedModel) -> list[str]:
    """Return the names of the modules with weights that a classifier adds to its base model."""
    return [
        name
        for name, module in model.named_children()
        if name != model.base_model_prefix and not isinstance(module, PreTrainedModel) and [*module.parameters()]
    ]


def _check_adapter_can_hold(
    missing: Sequence[str], model: PreTrainedModel, name: str, trained_whole: Sequence[str]
) -> None:
    """Raise an error if the adapter would lack weights that the checkpoint lacks too: loading would draw other ones.

    Args:
        missing: the weights that the checkpoint lacks.
        model: the model.
        name: the checkpoint.
        trained_whole: the modules that are trained in full, which an adapter contains next to the head.
    """
    held = (*list_head_modules(model), *trained_whole)
    modules = dict.fromkeys(re.sub(r"\.[^.]*$", "", key) for key in missing)
    lost = [module for module in modules if not any(part.endswith(held) for part in _list_parents(module))]
    if lost:
        raise SetupError(
            f"save_adapter: {name} lacks the weights of {', '.join(lost)}, and the adapter would lack them too; add"
            f" --lora_modules_to_save {' '.join(lost)}"
        )


def _list_parents(module: str) -> list[str]:
    """Return the paths of the modules that contain a module, and its own path last."""
    return [module[: match.start()] for match in re.finditer(r"\.|$", module)]


def _copy_head(
    model: PreTrainedModel, name: str, source: str, revision: str, others: tuple[str, ...]
) -> tuple[str, ...]:
    """Copy the weights of another module of the checkpoint to a model's head, and return their names.

    Raises:
        SetupError: the checkpoint has no such weights, or they have another shape than the head.
    """
    head = next((getattr(model, name) for name in HEAD_NAMES if hasattr(model, name)), None)
    keys = tuple(key for key in (f"{source}.weight", f"{source}.bias") if _find_weight(name, key, revision))
    if f"{source}.weight" not in keys:
        holds = f"; it has {', '.join(others)}" if others else ""
        raise SetupError(f"head_from: {name} has no weights {source}.weight in safetensors{holds}")
    if not isinstance(head, nn.Linear):
        raise SetupError(
            f"head_from: the head of {type(model).__name__} is not a single linear layer, so it cannot start from"
            f" {source}"
        )
    for key in keys:
        target: Any = head.weight if key.endswith(".weight") else head.bias
        path = _find_weight(name, key, revision)
        if target is None or path is None:
            continue  # a bias adds the same number to all rewards, so no comparison depends on it
        with safe_open(path, framework="pt") as file:
            values = file.get_tensor(key)
        if values.shape != target.shape:
            raise SetupError(
                f"head_from: {key} has the shape {[*values.shape]}, expected {[*target.shape]}, the head's shape"
            )
        with torch.no_grad():
            target.copy_(values)
    return keys


def _find_weight(name: str, key: str, revision: str) -> str | None:
    """Return the file of a checkpoint that contains a weight; None if no file does."""
    options: dict[str, Any] = {"revision": revision, "_raise_exceptions_for_missing_entries": False}
    index = cached_file(name, SAFE_WEIGHTS_INDEX_NAME, **options)
    if index is None:
        path = cached_file(name, SAFE_WEIGHTS_NAME, **options)
    else:
        shard = json.loads(Path(index).read_text(encoding="utf-8"))["weight_map"].get(key)
        path = None if shard is None else cached_file(name, shard, **options)
    if path is None:
        return None
    with safe_open(path, framework="pt") as file:
        return str(path) if key in file.keys() else None  # noqa: SIM118  it is not a mapping


def load_scorer_weights(name: str) -> PreTrainedModel:
    """Load a reward model to score with; all of its weights must be in the checkpoint.

    Raises:
        SetupError: weights are missing or have the wrong shape, or the model has several labels or another head.
    """
    labels = int(_read_config(name).num_labels)
    if labels != 1:
        raise SetupError(f"{name} has {labels} labels, expected 1 for a reward model")
    model, info = load_classifier(name)
    if info["missing_keys"]:
        heads = sorted(key for key in info["unexpected_keys"] if _looks_like_a_head(key))
        holds = f"; it has {', '.join(heads)}, a head of another kind" if heads else ""
        missing = ", ".join(sorted(info["missing_keys"])[:3])
        raise SetupError(f"{name} lacks weights of the model, which would be drawn at random: {missing}{holds}")
    check_finite_weights(model, name)
    return model


def load_classifier(name: str, **options: Any) -> tuple[PreTrainedModel, dict[str, Any]]:
    """Load a sequence classifier, and return it with the names of the weights that are missing or not used.

    Raises:
        SetupError: it cannot be loaded, or weights have the wrong shape.
    """
    if Path(name).is_dir():
        check_weight_files(Path(name))
    options |= {"ignore_mismatched_sizes": True, "output_loading_info": True, "trust_remote_code": False}
    options |= {"use_safetensors": True}  # a pickle could run code
    try:
        with _hide_notes():
            model, info = AutoModelForSequenceClassification.from_pretrained(name, **options)
    except KeyError as error:  # transformers looks up values of the configuration in its tables
        version = transformers.__version__
        reason = f"its config.json names {preview(error.args[0])}, which transformers {version} does not know"
        raise SetupError(f"{name} cannot be loaded as a reward model: {reason}") from error
    except Exception as error:
        raise SetupError(f"{name} cannot be loaded as a reward model: {summarize_error(error)}") from error
    for weights, saved_shape, shape in sorted(info["mismatched_keys"]):
        raise SetupError(f"{name}: {weights} has the shape {[*saved_shape]}, expected {[*shape]} in a reward model")
    return model, info


def _looks_like_a_head(key: str) -> bool:
    """Return whether a weight has the name of a head for rewards or values; a language model's head does not count."""
    return re.match(r"(?!lm_head)[^.]*(head|score|classifier|reward|value)", key) is not None


@contextmanager
def _hide_notes() -> Iterator[None]:
    """Hide transformers' notes on a new head, which is expected in a new reward model."""
    verbosity_before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity_before)


def fit_vocabulary(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, tokens_before: int, largest_id: int
) -> None:
    """Add an embedding for a new pad token, and set the pad token in the model's configuration.

    Args:
        model: the model.
        tokenizer: the tokenizer, with its pad token.
        tokens_before: the number of its tokens when it was loaded, which may exceed the model's embeddings.
        largest_id: the largest id in all texts.

    Raises:
        SetupError: a text contains a token without an embedding, or the model numbers positions from another pad
            token, so that it would number them differently when it is loaded again.
    """
    vocabulary = _count_embeddings(model)
    if largest_id >= vocabulary:
        token = preview(tokenizer.convert_ids_to_tokens(largest_id))
        raise SetupError(
            f"a text contains the token {token} with the id {largest_id}, but the model has only {vocabulary}"
            f" embeddings for the {tokens_before} tokens of the tokenizer; use the tokenizer of the model"
        )
    pad = tokenizer.convert_ids_to_tokens(model.config.get_text_config().pad_token_id or 0)
    if _is_counted_after_pad(model.config) and pad != tokenizer.pad_token:
        raise SetupError(
            f"the model numbers positions from its pad token {pad!r}, so {tokenizer.pad_token!r} cannot be the pad"
            " token"
        )
    grow_vocabulary(model, tokenizer)


def grow_vocabulary(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Add embeddings if the pad token has none, and set the pad token in the model's configuration."""
    if int(tokenizer.pad_token_id or 0) >= _count_embeddings(model):
        with _hide_notes():
            model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    for config in {id(part): part for part in (model.config, model.config.get_text_config())}.values():
        config.pad_token_id = tokenizer.pad_token_id


def _count_embeddings(model: PreTrainedModel) -> int:
    embeddings: Any = model.get_input_embeddings()
    return int(embeddings.num_embeddings)


def count_positions(model_config: Any) -> int | None:
    """Return the number of positions of the model; None if its configuration does not state it."""
    text_config = model_config.get_text_config()
    positions = getattr(text_config, "max_position_embeddings", None) or getattr(text_config, "n_positions", None)
    if positions and _is_counted_after_pad(model_config):
        positions -= (text_config.pad_token_id or 0) + 1
    return positions if positions and positions > 0 else None


def _is_counted_after_pad(model_config: Any) -> bool:
    """Return whether a model's positions begin after the id of the pad token."""
    return any(kind in str(model_config.get_text_config().model_type) for kind in POSITIONS_AFTER_PAD)


def choose_max_length(requested: int | None, positions: int | None) -> int:
    """Return the most tokens that a text may have.

    Args:
        requested: the value of the setting `max_length`.
        positions: the number of the model's positions, if it is known.

    Raises:
        SetupError: the setting exceeds the number of positions.
    """
    if requested is not None and positions is not None and requested > positions:
        raise SetupError(f"max_length must be at most {positions}, the model's positions, got {requested}")
    return requested or min(DEFAULT_MAX_LENGTH, positions or DEFAULT_MAX_LENGTH)
