"""Read datasets: directories that `datasets` saved or can load, and datasets on the hub, which are streamed."""

from __future__ import annotations

import logging
import re
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from preftemplates.errors import FileError, did_you_mean, preview

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

DEFAULT_SPLIT = "train"


class DatasetChoice(NamedTuple):
    """The part of a dataset to read.

    Attributes:
        split: the split; train by default.
        name: the configuration, if the dataset has several.
        data_dir: the folder in the dataset that contains its files.
        revision: the version on the hub.
    """

    split: str | None = None
    name: str | None = None
    data_dir: str | None = None
    revision: str | None = None

    @property
    def options(self) -> dict[str, str]:
        """Return the choices except the split, as arguments of `datasets.load_dataset`."""
        options = {"name": self.name, "data_dir": self.data_dir, "revision": self.revision}
        return {name: value for name, value in options.items() if value is not None}


def keep_media(dataset: Any) -> Any:
    """Return a newly loaded dataset so that it returns images, videos and audio as they are stored.

    Decoded media could not be written again unchanged.
    """
    changed = {name: _without_decoding(feature) for name, feature in (dataset.features or {}).items()}
    for name, feature in changed.items():
        if feature == dataset.features[name]:
            continue
        if hasattr(dataset, "__len__"):  # casting a column of lists would copy all of it
            dataset.info.features[name] = feature
        else:
            dataset = dataset.cast_column(name, feature)
    return dataset


_DECODED = ("Image", "Audio", "Video", "Pdf", "Nifti")
"""The features of `datasets` that hold the bytes of a file."""


def _without_decoding(feature: Any) -> Any:
    """Return a copy of a feature of `datasets` in which nothing is decoded."""
    if isinstance(feature, dict):
        return {name: _without_decoding(inner) for name, inner in feature.items()}
    if isinstance(feature, list):
        return [_without_decoding(inner) for inner in feature]
    if type(feature).__name__ in _DECODED:
        return replace(feature, decode=False)
    inner = getattr(feature, "feature", None)
    return feature if inner is None else replace(feature, feature=_without_decoding(inner))


def is_saved_dataset(path: Path) -> bool:
    """Return whether `datasets` saved a dataset, or one of its splits, in a directory."""
    return any((path / name).exists() for name in ("dataset_dict.json", "state.json"))


def load_saved_dataset(path: Path, choice: DatasetChoice, datasets: Any) -> Any:
    """Load the dataset that `datasets` saved in a directory.

    Raises:
        FileError: it cannot be loaded, or has no such split; the message names the splits that it has.
    """
    if choice.options:
        raise FileError(f"{path} is a saved dataset, which has splits, but no configurations, folders or revisions")
    try:
        dataset = datasets.load_from_disk(str(path))
    except Exception as error:
        raise FileError(f"{path} cannot be loaded as a dataset: {describe_foreign_error(error)}") from error
    if isinstance(dataset, dict):
        split = choice.split or DEFAULT_SPLIT
        if split not in dataset:
            raise make_split_error(str(path), split, list(dataset))
        return dataset[split]
    own = None if dataset.split is None else str(dataset.split)
    if choice.split not in (None, own):
        name = "without a name" if own is None else f"{own!r}"
        raise FileError(f"{path} is one saved split, {name}; there is no split {preview(choice.split)}")
    return dataset


def load_folder(path: Path, choice: DatasetChoice, datasets: Any, options: Mapping[str, Any]) -> Any:
    """Load the files of a folder with `datasets`.

    Raises:
        FileError: they cannot be loaded, or there is no such split; the message names the splits that there are.
    """
    with translate_errors(str(path), choice, "cannot be loaded as a dataset"), _quiet(datasets):
        split = choice.split or DEFAULT_SPLIT
        return datasets.load_dataset(str(path.resolve()), split=split, **choice.options, **options)


def load_hub_dataset(
    name: str, choice: DatasetChoice, datasets: Any, find_options: Callable[[Any], Mapping[str, Any]]
) -> Any:
    """Return a dataset on the hub for streaming.

    Args:
        name: the dataset's name.
        choice: the part to read.
        datasets: the package.
        find_options: returns options to change in the configuration of a builder.

    Raises:
        FileError: the dataset, the split or the configuration does not exist.
    """
    failure = "is neither a file here nor a dataset on the hub"
    with translate_errors(name, choice, failure), _quiet(datasets):
        builder = datasets.load_dataset_builder(name, **choice.options)
        for option, value in find_options(builder).items():
            setattr(builder.config, option, value)
        return builder.as_streaming_dataset(split=choice.split or DEFAULT_SPLIT)


@contextmanager
def translate_errors(name: str, choice: DatasetChoice, failure: str) -> Iterator[None]:
    """Turn the errors of `datasets` while it finds or loads a dataset into this library's.

    Args:
        name: the name of the dataset, for messages.
        choice: the part that is read.
        failure: what is wrong if the error is unknown, as words after the name.

    Raises:
        FileError: something in the block failed.
    """
    try:
        yield
    except FileError:
        raise
    except ConnectionError as error:  # also what datasets raises if it may not ask the hub
        start = f"{name}:" if Path(name).exists() else f"there is no file {name}, and"
        raise FileError(f"{start} the hub cannot be reached: {describe_foreign_error(error)}") from error
    except Exception as error:
        if type(error).__name__ in ("EmptyDatasetError", "DataFilesNotFoundError"):
            folder = Path(name, choice.data_dir) if choice.data_dir else name
            raise FileError(f"{folder} has no files of rows, expected {_ROW_ENDINGS} files") from error
        raise _find_choice_error(name, choice, str(error)) or FileError(
            f"{name} {failure}: {describe_foreign_error(error)}"
        ) from error


_ROW_ENDINGS = ".jsonl, .ndjson, .json, .csv, .tsv, .parquet or .arrow"
"""The endings of the files of rows that `datasets` looks for."""


@contextmanager
def _quiet(datasets: Any) -> Iterator[None]:
    """Keep `datasets` from printing errors that it raises too, and progress bars that nobody sees."""
    handlers = logging.getLogger("datasets").handlers
    hides_bars = not sys.stderr.isatty() and not datasets.are_progress_bars_disabled()
    for handler in handlers:
        handler.addFilter(_is_not_raised)
    if hides_bars:
        datasets.disable_progress_bars()
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(_is_not_raised)
        if hides_bars:
            datasets.enable_progress_bars()


def _is_not_raised(record: logging.LogRecord) -> bool:
    """Return whether a log record is something else than an error about a file, which a builder raises too."""
    return record.levelno != logging.ERROR or not record.name.startswith("datasets.packaged_modules.")


_SPLITS = re.compile(r"(?:Bad|Unknown) split\b.*?\[(.*?)\]", re.DOTALL)
_MISSING_NAME = re.compile(r"Config name is missing\..*?\[(.*?)\]", re.DOTALL)
_UNKNOWN_NAME = re.compile(r"BuilderConfig .* not found\. Available: \[(.*?)\]", re.DOTALL)


def _find_choice_error(name: str, choice: DatasetChoice, message: str) -> FileError | None:
    """Return the error for a split or configuration that does not exist; None if the fault is another one."""
    if match := _SPLITS.search(message):
        return make_split_error(name, choice.split or DEFAULT_SPLIT, _read_names(match[1]))
    if match := _MISSING_NAME.search(message):
        return FileError(f"{name} has several configurations; choose one of {', '.join(_read_names(match[1]))}")
    if match := _UNKNOWN_NAME.search(message):
        names = _read_names(match[1])
        guess = did_you_mean(str(choice.name), names) or f" It has {', '.join(names)}"
        return FileError(f"{name} has no configuration {preview(choice.name)}.{guess}")
    return None


def _read_names(listed: str) -> list[str]:
    return [name.strip(" '\"") for name in listed.split(",")]


def make_split_error(name: str, split: str, splits: Iterable[str]) -> FileError:
    """Return the error for a split that a dataset does not have."""
    return FileError(f"{name} has no split {preview(split)}. It has {', '.join(splits)}")


def describe_foreign_error(error: BaseException) -> str:
    """Return the type and first line of another library's error, or of its cause if it has no text."""
    if type(error).__name__ in ("DatasetGenerationError", "DatasetGenerationCastError"):
        error = error.__cause__ or error.__context__ or error
    found, expected = (getattr(error, f"{name}_column_names", None) for name in ("table", "requested"))
    if found is not None and expected is not None:  # the text of datasets' CastError is two schemas
        return _describe_other_columns(list(found), list(expected))
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"


def _describe_other_columns(found: list[str], expected: list[str]) -> str:
    """Describe how the columns of a file differ from those of the first file of a dataset."""
    more = [f"one has {preview(name)}, which the first lacks" for name in found if name not in expected]
    less = [f"one lacks {preview(name)}" for name in expected if name not in found]
    differences = "; ".join([*more, *less][:8]) or "columns with the same name have different types"
    return f"its files have different columns: {differences}; read each file alone, or give them all the same columns"


def count_rows(dataset: Any, split: str | None) -> int | None:
    """Return how many rows a dataset has, if it knows."""
    if hasattr(dataset, "__len__"):
        return len(dataset)
    info = (dataset.info.splits or {}).get(split or DEFAULT_SPLIT)
    return info.num_examples if info else None
