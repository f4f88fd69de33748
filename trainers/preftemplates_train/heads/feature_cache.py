"""A folder of computed features, keyed by the weights and the token ids that they were computed from."""

from __future__ import annotations

import hashlib
import json
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from preftemplates_train.errors import TrainingError, make_write_error, summarize_error
from preftemplates_train.model.features import find_last_linear
from preftemplates_train.model.weight_hashes import hash_weights
from preftemplates_train.progress import track

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from torch import Tensor
    from transformers import PreTrainedModel

    from preftemplates_train.model.features import FeatureReader

    Groups = Sequence[Sequence[Sequence[int]]]

GROUPS_PER_FILE = 128
"""The number of groups per file: a run that is stopped loses at most this many."""

WRITE_FIX = (
    "free some space, or name another --feature_cache, then run the command again; it reuses the features that are"
    " written"
)

_FILE_NAME = re.compile(r"[0-9a-f]{32}-[0-9a-f]{32}\.safetensors|\.[0-9a-f]{32}-[0-9a-f]{32}\.safetensors\.\d+")


def is_feature_file(name: str) -> bool:
    """Return whether a file has the name of a complete or a temporary file of features."""
    return _FILE_NAME.fullmatch(name) is not None


def remove_feature_files(folder: Path) -> None:
    """Remove the files of features in a folder, and the folder if nothing else is in it."""
    with suppress(OSError):  # there is no such folder, or it contains other files
        for path in folder.iterdir():
            if is_feature_file(path.name):
                path.unlink()
        folder.rmdir()


def hash_frozen_weights(model: PreTrainedModel, pad_id: int) -> str:
    """Return a hash of the weights that features depend on, with their names, types and shapes.

    The last linear layer and the pad token's embedding are left out: both may be drawn from a run's seed, and no
    feature depends on them.

    Args:
        model: the classifier.
        pad_id: the id of the pad token, which no text contains.
    """
    return hash_weights(_list_frozen_weights(model, pad_id))


def _list_frozen_weights(model: PreTrainedModel, pad_id: int) -> Iterator[tuple[str, Tensor]]:
    head, embeddings = f"{find_last_linear(model)[0]}.", model.get_input_embeddings()
    for name, weights in model.state_dict().items():
        if name.startswith(head):
            continue
        if any(weights.data_ptr() == parameter.data_ptr() for parameter in embeddings.parameters()):
            yield f"{name} before the pad token", weights[:pad_id]
            yield f"{name} after the pad token", weights[pad_id + 1 :]
        else:
            yield name, weights


def hash_group(texts: Sequence[Sequence[int]]) -> str:
    """Return a hash of the ids of a group's texts."""
    return hashlib.sha256(repr([tuple(text) for text in texts]).encode()).hexdigest()


class CachedGroup(NamedTuple):
    """The place of a group's features: a file, and its rows from `start` up to `stop`."""

    path: Path
    start: int
    stop: int


class FeatureCache:
    """Features in a folder; a run that was stopped continues after the last file that it wrote.

    Args:
        folder: the folder; it is created when the first file is written.
        key: identifies everything that the features depend on, except the token ids.

    Attributes:
        reused: the number of groups that were read from existing files.
        computed: the number of groups that were computed.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder
        self._key = key
        self.reused = 0
        self.computed = 0

    def read(self, reader: FeatureReader, groups: Groups) -> list[Tensor]:
        """Return the features of the texts of each group, shape (texts, depths, width); compute missing ones.

        Args:
            reader: computes features.
            groups: the ids of each text, by group.

        Raises:
            TrainingError: the folder cannot be written, or one of its files cannot be read.
        """
        prefix = hashlib.sha256(f"{self._key} {reader.depths}".encode()).hexdigest()[:32]
        cached = dict(self._list_cached(prefix))
        missing = [texts for texts in groups if hash_group(texts) not in cached]
        self.reused += len(groups) - len(missing)
        self.computed += len(missing)
        for start in track(range(0, len(missing), GROUPS_PER_FILE), "computing features"):
            cached |= self._write_file(prefix, missing[start : start + GROUPS_PER_FILE], reader)
        places = [cached[hash_group(texts)] for texts in groups]
        contents = {path: _read_features(path) for path in {place.path for place in places}}
        return [contents[place.path][place.start : place.stop] for place in places]

    def _list_cached(self, prefix: str) -> Iterator[tuple[str, CachedGroup]]:
        """Yield the hash and the place of each group in the files of a key; damaged files are ignored."""
        for path in sorted(self.folder.glob(f"{prefix}-*.safetensors")):
            try:
                with safe_open(path, framework="pt") as file:
                    entries = json.loads(file.metadata()["groups"])
                    yield from _list_places(path, entries)
            except (OSError, SafetensorError, KeyError, TypeError, ValueError):
                continue

    def _write_file(self, prefix: str, groups: Groups, reader: FeatureReader) -> dict[str, CachedGroup]:
        """Compute features and write them to a temporary file, which gets its name when it is complete."""
        features = reader.read(groups)
        entries = [(hash_group(texts), len(texts)) for texts in groups]
        name = hashlib.sha256(repr(entries).encode()).hexdigest()[:32]
        path = self.folder / f"{prefix}-{name}.safetensors"
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            save_file({"features": torch.cat(features)}, partial, metadata={"groups": json.dumps(entries)})
            partial.replace(path)
        except (OSError, SafetensorError) as error:
            with suppress(OSError):  # the error raised below says more
                partial.unlink(missing_ok=True)
            raise make_write_error(self.folder, error, WRITE_FIX) from error
        return dict(_list_places(path, entries))


def _list_places(path: Path, entries: Sequence[tuple[str, int]]) -> Iterator[tuple[str, CachedGroup]]:
    start = 0
    for group, texts in entries:
        yield group, CachedGroup(path, start, start + texts)
        start += texts


def _read_features(path: Path) -> Tensor:
    try:
        with safe_open(path, framework="pt") as file:
            features: Tensor = file.get_tensor("features")
    except (OSError, SafetensorError) as error:  # another program has changed the file since it was listed
        raise TrainingError(f"{path} cannot be read: {summarize_error(error)}; run the command again") from error
    return features
