"""Find the files of a folder that are read like files that are named alone, rather than by `datasets`."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from preftemplates.data.dataset_sources import DEFAULT_SPLIT, DatasetChoice, make_split_error, translate_errors
from preftemplates.errors import FileError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_KINDS = {
    ".jsonl": "JSON", ".ndjson": "JSON", ".json": "JSON", ".csv": "CSV", ".tsv": "CSV", ".parquet": "Parquet",
    ".arrow": "Arrow",
}  # fmt: skip
"""The kinds of row files by ending. If a folder has several kinds, `datasets` reads only one."""

_TEXT_KINDS = ({".csv"}, {".jsonl", ".ndjson"})
"""The endings of files whose values `datasets` would change: it guesses the types of texts, and unifies objects."""

_NAMED_SPLIT = re.compile(r"\w+(?:[.-]\w+)*")
"""The name of a split, as opposed to a part of one, such as `train[:100]`."""


_MISSING_WORDS = [
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
]  # fmt: skip
"""The values that pandas takes for missing ones by default, as its documentation of `read_csv` lists them."""


class FolderPlan(NamedTuple):
    """How the rows of a folder are read.

    Attributes:
        files: the files of the split in their order, if each is read like a file that is named alone; otherwise empty.
        options: the options with which `datasets` reads the folder otherwise.
    """

    files: list[Path]
    options: Mapping[str, Any]


def plan_folder(path: Path, choice: DatasetChoice, datasets: Any) -> FolderPlan:
    """Return how the rows of a folder of files are read; `datasets` tells which files belong to the split.

    Raises:
        FileError: the folder has no files of rows, files of several kinds, or no such split or configuration.
    """
    check_one_kind(path / (choice.data_dir or ""))
    failure = "cannot be loaded as a dataset"
    # in an empty cache, the builder's features are those that the folder declares, not those of an earlier load
    with TemporaryDirectory() as cache, translate_errors(str(path), choice, failure):
        builder = datasets.load_dataset_builder(str(path.resolve()), **choice.options, cache_dir=cache)
    options = find_csv_options(builder)
    if builder.info.features is not None or not _has_default_options(builder.config, datasets):
        return FolderPlan([], options)
    by_split = {str(split): list(map(str, files)) for split, files in (builder.config.data_files or {}).items()}
    files = _choose_files(by_split, choice.split or DEFAULT_SPLIT, str(path))
    return FolderPlan([_spell_below(path, Path(file)) for file in files], options)


def check_one_kind(path: Path) -> None:
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


def find_csv_options(builder: Any) -> dict[str, Any]:
    """Return the options for `datasets` with which only an empty CSV value is missing, and `NA` or `None` is a text.

    Args:
        builder: what reads the files. It keeps its own options if it has them, or reads no CSV. In a column that it
            declares as another type than text, such as a number, pandas' words for a missing value are missing too.
    """
    config = builder.config
    if getattr(config, "keep_default_na", None) is not True or config.na_values is not None:
        return {}
    kinds = {name: getattr(feature, "dtype", "") for name, feature in (builder.info.features or {}).items()}
    by_column = {name: [""] if kind in ("string", "large_string") else _MISSING_WORDS for name, kind in kinds.items()}
    return {"keep_default_na": False, "na_values": by_column or [""]}


def _has_default_options(config: Any, datasets: Any) -> bool:
    """Return whether a folder declares nothing about how its files are read, such as another separator."""
    default, base = type(config)(), {field.name for field in fields(datasets.BuilderConfig)}
    names = [field.name for field in fields(config) if field.name not in base]
    return all(getattr(config, name) == getattr(default, name) for name in names)


def _choose_files(by_split: Mapping[str, Sequence[str]], split: str, name: str) -> list[str]:
    """Return the files of a split, or of several joined by +; empty if `datasets` must read them.

    Raises:
        FileError: there is no such split.
    """
    every = [file for files in by_split.values() for file in files]
    endings = {Path(file.removesuffix(".gz")).suffix.lower() for file in every}
    if not any(endings <= kind for kind in _TEXT_KINDS) or not all(Path(file).is_file() for file in every):
        return []
    names = list(by_split) if split == "all" else [part.strip() for part in split.split("+")]
    unknown = [part for part in names if part not in by_split]
    if not unknown:
        return [file for part in names for file in by_split[part]]
    if all(_NAMED_SPLIT.fullmatch(part) for part in names):
        raise make_split_error(name, unknown[0], by_split)
    return []


def _spell_below(folder: Path, file: Path) -> Path:
    """Return the path of a file as the user named its folder."""
    resolved = folder.resolve()
    return folder / file.relative_to(resolved) if file.is_relative_to(resolved) else file
