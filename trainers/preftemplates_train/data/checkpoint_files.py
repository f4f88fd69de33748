"""Check a local checkpoint's files before transformers reads them: its errors name neither the file nor a fix."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from transformers.utils import CONFIG_NAME, SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME
from transformers.utils.peft_utils import ADAPTER_CONFIG_NAME, ADAPTER_SAFE_WEIGHTS_NAME

from preftemplates.errors import one_line, preview
from preftemplates_train.errors import SetupError, summarize_error

JSON_FILES = (
    CONFIG_NAME, ADAPTER_CONFIG_NAME, "generation_config.json", "tokenizer.json", "tokenizer_config.json",
    "special_tokens_map.json", "added_tokens.json",
)  # fmt: skip
"""The files of a checkpoint that hold a JSON object, other than the index of the weights."""

MODEL_FILES = (
    "*.safetensors", "*.safetensors.index.json", CONFIG_NAME, ADAPTER_CONFIG_NAME, "chat_template.jinja",
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt",
    "*.model",
)  # fmt: skip
"""Patterns of the files that a model consists of, and that this trainer writes."""

SIZES = (
    "num_hidden_layers", "hidden_size", "num_attention_heads", "num_key_value_heads", "vocab_size",
    "n_layer", "n_embd", "n_head", "d_model", "num_heads", "num_layers",
)  # fmt: skip
"""Keys of a configuration that are at least 1; transformers divides by some of them while it reads it."""

PICKLED_WEIGHTS = ("*.bin", "*.pt", "*.pth")

COPY_AGAIN = "copy the checkpoint again"


def check_checkpoint_files(name: str) -> None:
    """Raise an error if a local path is not a complete checkpoint or LoRA adapter; weights are not checked.

    Args:
        name: a directory, or a name on the hub, which is not checked.

    Raises:
        SetupError: the message names the file and the fix.
    """
    path = Path(name)
    shown = one_line(name, 200)
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
        exists = path.exists() or path.is_symlink()
    except (OSError, ValueError) as error:
        raise SetupError(f"there is no directory {shown}: {getattr(error, 'strerror', None) or error}") from error
    if is_file:
        raise SetupError(f"{shown} is a file; a checkpoint is a directory")
    if not is_folder and (exists or name.startswith((".", "/", "~")) or name.count("/") > 1):
        raise SetupError(f"there is no directory {shown}")
    if is_folder:
        _check_folder(path)


def _check_folder(folder: Path) -> None:
    if not is_adapter(folder) and not (folder / CONFIG_NAME).exists():
        raise SetupError(f"{folder} is not a checkpoint: it has no {CONFIG_NAME}")
    for name in JSON_FILES:
        if (folder / name).exists():
            content = _read_object(folder / name)
            if name == CONFIG_NAME:
                _check_sizes(content, folder / name)


def _check_sizes(config: Mapping[str, Any], path: Path) -> None:
    """Raise an error if a size in a configuration, or in its part for text, is below 1."""
    for part in (config, config.get("text_config")):
        if not isinstance(part, Mapping):
            continue
        for key in SIZES:
            size = part.get(key)
            if isinstance(size, int) and size < 1:
                raise SetupError(f"{path}: {key} must be at least 1, got {preview(size)}")


def is_adapter(folder: Path) -> bool:
    """Return whether a folder holds a LoRA adapter, whose base model is elsewhere."""
    return (folder / ADAPTER_CONFIG_NAME).exists()


def read_adapter_base(folder: Path) -> tuple[str, str]:
    """Return the name of an adapter's base model, and its branch, tag or commit.

    Raises:
        SetupError: the adapter does not name a base model.
    """
    config = _read_object(folder / ADAPTER_CONFIG_NAME)
    name, revision = config.get("base_model_name_or_path"), config.get("revision")
    if not (isinstance(name, str) and name):
        raise SetupError(
            f"{folder} is a LoRA adapter whose {ADAPTER_CONFIG_NAME} names no base model, as after training a small"
            " decoder from scratch; name the merged model that the run wrote"
        )
    return name, revision if isinstance(revision, str) else "main"


def has_own_tokenizer_code(folder: Path) -> bool:
    """Return whether a local checkpoint comes with code for its tokenizer; this code is never run."""
    config = folder / "tokenizer_config.json"
    return config.exists() and "auto_map" in _read_object(config)


def check_weight_files(folder: Path) -> None:
    """Raise an error if a local checkpoint's weights are incomplete, or are not safetensors.

    Raises:
        SetupError: the message names the file and the fix.
    """
    files = list(_list_weight_files(folder))
    for path in files:
        list_weights(path)
    if files:
        return
    pickled = [path.name for pattern in PICKLED_WEIGHTS for path in sorted(folder.glob(pattern))]
    if pickled:
        raise SetupError(
            f"{folder} has its weights only as {pickled[0]}, and pickled weights are never read; save the model again"
            " as safetensors"
        )
    name = ADAPTER_SAFE_WEIGHTS_NAME if is_adapter(folder) else SAFE_WEIGHTS_NAME
    raise SetupError(f"{folder} has no weights: there is no file named {name}; {COPY_AGAIN}")


def list_weights(path: Path) -> list[str]:
    """Return the names of the weights in a safetensors file.

    Raises:
        SetupError: the file is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return list(file.keys())
    except (SafetensorError, OSError) as error:
        raise SetupError(f"{path} is damaged: {summarize_error(error)}; {COPY_AGAIN}") from error


def _list_weight_files(folder: Path) -> Iterator[Path]:
    index = folder / SAFE_WEIGHTS_INDEX_NAME
    name = ADAPTER_SAFE_WEIGHTS_NAME if is_adapter(folder) else SAFE_WEIGHTS_NAME
    if (folder / name).exists():
        yield folder / name
    elif index.exists():
        shards = _read_object(index).get("weight_map")
        if not isinstance(shards, Mapping) or not all(isinstance(shard, str) for shard in shards.values()):
            raise SetupError(f"{index} is damaged: it has no weight_map; {COPY_AGAIN}")
        for shard in sorted(set(shards.values())):
            if not (folder / shard).is_file():
                raise SetupError(f"{folder} lacks {shard}, which {index.name} lists; {COPY_AGAIN}")
            yield folder / shard


def _read_object(path: Path) -> Mapping[str, Any]:
    """Return the object in a JSON file.

    Raises:
        SetupError: the file cannot be read, or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SetupError(f"{path} is damaged: {summarize_error(error)}; {COPY_AGAIN}") from error
    if not isinstance(content, Mapping):
        raise SetupError(f"{path} is damaged: expected an object, got {preview(content)}; {COPY_AGAIN}")
    return content
