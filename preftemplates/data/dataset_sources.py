"""Read datasets: directories that `datasets` saved or can load, and datasets on the hub, which are streamed."""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from preftemplates.errors import FileError, did_you_mean, preview

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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


def load_directory(path: Path, choice: DatasetChoice, datasets: Any) -> Any:
    """Load the dataset in a directory.

    Raises:
        FileError: it cannot be loaded, or has no such split; the message names the splits that it has.
    """
    if not any((path / name).exists() for name in ("dataset_dict.json", "state.json")):
        _check_one_kind(path / (choice.data_dir or ""))
        return _load(str(path), choice, datasets, "cannot be loaded as a dataset")
    if choice.options:
        raise FileError(f"{path} is a saved dataset, which has splits, but no configurations, folders or revisions")
    try:
        dataset = datasets.load_from_disk(str(path))
    except Exception as error:
        raise FileError(f"{path} cannot be loaded as a dataset: {describe_foreign_error(error)}") from error
    if isinstance(dataset, dict):
        split = choice.split or DEFAULT_SPLIT
        if split not in dataset:
            raise _make_split_error(str(path), split, list(dataset))
        return dataset[split]
    own = None if dataset.split is None else str(dataset.split)
    if choice.split not in (None, own):
        name = "without a name" if own is None else f"{own!r}"
        raise FileError(f"{path} is one saved split, {name}; there is no split {preview(choice.split)}")
    return dataset


_KINDS = {
    ".jsonl": "JSON", ".ndjson": "JSON", ".json": "JSON", ".csv": "CSV", ".tsv": "CSV", ".parquet": "Parquet",
    ".arrow": "Arrow",
}  # fmt: skip
"""The kinds of row files by ending. If a folder has several kinds, `datasets` reads only one."""


def _check_one_kind(path: Path) -> None:
    """Raise an error for a folder with several kinds of files, since `datasets` would silently ignore some.

    Raises:
        FileError: there are several kinds; the message names a file of each.
    """
    first: dict[str, str] = {}
    with suppress(OSError, ValueError):
        if "data_files:" in (path / "README.md").read_text(encoding="utf-8"):  # it declares which files are read
            return
    for file in sorted(path.rglob("*")):
        kind = _KINDS.get(Path(file.stem).suffix if file.suffix == ".gz" else file.suffix)
        is_hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
        about = is_hidden or file.name.startswith(("dataset_info", "config", "README", "metadata"))
        if kind is not None and not about and file.is_file():
            first.setdefault(kind, str(file.relative_to(path)))
    if len(first) > 1:
        names = ", ".join(f"{name} is {kind}" for kind, name in first.items())
        raise FileError(
            f"{path} holds files of several kinds, of which datasets would read only one: {names};"
            " read each file alone"
        )


def load_hub_dataset(name: str, choice: DatasetChoice, datasets: Any) -> Any:
    """Return a dataset on the hub for streaming.

    Raises:
        FileError: the dataset, the split or the configuration does not exist.
    """
    failure = "is neither a file here nor a dataset on the hub"
    return _load(name, choice, datasets, failure, streaming=True)


def _load(name: str, choice: DatasetChoice, datasets: Any, failure: str, **options: Any) -> Any:
    split = choice.split or DEFAULT_SPLIT
    try:
        with _quiet_unless_watched(datasets):
            return datasets.load_dataset(name, split=split, **choice.options, **options)
    except ConnectionError as error:  # also what datasets raises if it may not ask the hub
        start = f"{name}:" if Path(name).exists() else f"there is no file {name}, and"
        raise FileError(f"{start} the hub cannot be reached: {describe_foreign_error(error)}") from error
    except Exception as error:
        raise _find_choice_error(name, split, choice, str(error)) or FileError(
            f"{name} {failure}: {describe_foreign_error(error)}"
        ) from error


@contextmanager
def _quiet_unless_watched(datasets: Any) -> Iterator[None]:
    """Disable the progress bars of `datasets` if nobody sees them, as they would fill a log."""
    if sys.stderr.isatty() or datasets.are_progress_bars_disabled():
        yield
        return
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.enable_progress_bars()


_SPLITS = re.compile(r"(?:Bad|Unknown) split\b.*?\[(.*?)\]", re.DOTALL)
_MISSING_NAME = re.compile(r"Config name is missing\..*?\[(.*?)\]", re.DOTALL)
_UNKNOWN_NAME = re.compile(r"BuilderConfig .* not found\. Available: \[(.*?)\]", re.DOTALL)


def _find_choice_error(name: str, split: str, choice: DatasetChoice, message: str) -> FileError | None:
    """Return the error for a split or configuration that does not exist; None if the fault is another one."""
    if match := _SPLITS.search(message):
        return _make_split_error(name, split, _read_names(match[1]))
    if match := _MISSING_NAME.search(message):
        return FileError(f"{name} has several configurations; choose one of {', '.join(_read_names(match[1]))}")
    if match := _UNKNOWN_NAME.search(message):
        names = _read_names(match[1])
        guess = did_you_mean(str(choice.name), names) or f" It has {', '.join(names)}"
        return FileError(f"{name} has no configuration {preview(choice.name)}.{guess}")
    return None


def _read_names(listed: str) -> list[str]:
    return [name.strip(" '\"") for name in listed.split(",")]


def _make_split_error(name: str, split: str, splits: Iterable[str]) -> FileError:
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
