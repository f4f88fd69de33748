"""The folder of a run's features: find it, check it before they are computed, and remove what the run wrote."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from transformers.utils import CONFIG_NAME

from preftemplates_train.errors import SetupError
from preftemplates_train.heads.feature_cache import is_feature_file, remove_feature_files
from preftemplates_train.model.adapters import ADAPTER_FOLDER
from preftemplates_train.training.output_folder import check_folder_writable

if TYPE_CHECKING:
    from preftemplates_train.settings.config import RewardConfig

FEATURE_FOLDER = ".features"
"""The folder in the output folder that keeps features until the run ends."""

WRITTEN_FOLDERS = (ADAPTER_FOLDER, "checkpoint-*", ".saving-*")
"""The folders that a run writes to its output folder, and may replace or remove."""

OTHER_CACHE = "name another --feature_cache"


def find_feature_folder(config: RewardConfig) -> Path:
    """Return the folder of a run's features: the one that the settings name, or one in the output folder."""
    return Path(config.feature_cache) if config.feature_cache else Path(str(config.output_dir)) / FEATURE_FOLDER


def check_feature_folder(config: RewardConfig) -> None:
    """Raise an error if a run's features cannot be kept in their folder, or would seem to belong to a model there.

    Raises:
        SetupError: the folder cannot be written to, or contains a model, or the run writes its own model to it.
    """
    if config.train != "head" and config.baselines == "none":
        return
    folder = find_feature_folder(config)
    check_folder_writable(folder, "feature_cache" if config.feature_cache else "output_dir")
    if not config.feature_cache:
        return
    place, output = folder.resolve(), Path(str(config.output_dir)).resolve()
    if place == output:
        raise SetupError(f"feature_cache {folder} is also output_dir, which gets the model; {OTHER_CACHE}")
    if place.is_relative_to(output):
        first = place.relative_to(output).parts[0]
        if any(fnmatch(first, pattern) for pattern in WRITTEN_FOLDERS):
            raise SetupError(
                f"feature_cache {folder} is in a folder that the run writes, {output / first}; {OTHER_CACHE}"
            )
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name == CONFIG_NAME or (path.suffix == ".safetensors" and not is_feature_file(path.name)):
            raise SetupError(
                f"feature_cache {folder} contains {path.name}, a file of a model, to which features would seem to"
                f" belong; {OTHER_CACHE}"
            )


def remove_features(config: RewardConfig) -> None:
    """Remove the features that a run kept in its output folder; those in a folder that the settings name stay."""
    if not config.feature_cache:
        remove_feature_files(find_feature_folder(config))
