"""Check the output of `score` and `evaluate`: it replaces no file that the command reads."""

from __future__ import annotations

import os
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from preftemplates.data.writing import check_writable
from preftemplates.errors import FileError
from preftemplates_train.data.checkpoint_files import JSON_FILES, MODEL_FILES, is_adapter, read_adapter_base
from preftemplates_train.errors import SetupError
from preftemplates_train.model.checkpoint import RECORD_FILE
from preftemplates_train.model.manifest import MANIFEST_FILE, PENDING_FILE, read_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from preftemplates_train.evaluation.options import ScoringOptions

READ_FILES = (
    *MODEL_FILES, *JSON_FILES, RECORD_FILE, MANIFEST_FILE, PENDING_FILE, "*.jinja", "chat_template.json",
    "processor_config.json", "*.tiktoken",
)  # fmt: skip
"""Patterns of the files that a folder of a model or tokenizer may be read from."""

FIX = "name another file with --out"


def check_output(out: Path, options: ScoringOptions, *others: Path) -> None:
    """Raise an error for an output that cannot be written, or that would replace a file that the command reads.

    Args:
        out: the output.
        options: the options of the command.
        others: folders of further models that the command reads.

    Raises:
        FileError: the message names the output, and the file or folder that the command reads.
    """
    check_writable(out)
    source = Path(options.source)
    if _is_same(out, source):
        raise FileError(f"{out} is the input; {FIX}")
    # not Path.is_dir(), which raises an error for a name that is too long
    if os.path.isdir(source) and os.path.exists(out) and out.resolve().is_relative_to(source.resolve()):
        raise FileError(f"{out} is a file of the input, the dataset in {source}; {FIX}")
    for option, name in (("--template", options.template), ("--style", options.style)):
        if any(_is_same(out, path) for path in _list_spellings(name) if os.path.isfile(path)):
            raise FileError(f"{out} is the file of {option}; {FIX}")
    for folder in _list_read_folders(options, others):
        if any(_is_same(out, path) for path in _list_read_files(folder, out)):
            raise FileError(f"{out} is a file of the model in {folder}, or would become one; {FIX}")


def _list_spellings(name: str | None) -> Iterator[Path]:
    """Yield the path that a name may stand for, and the one before `:NAME`, as in `templates.py:First`."""
    if name is not None:
        yield Path(os.path.expanduser(name))  # unlike Path.expanduser(), it keeps a user who does not exist
        if ":" in name:
            yield Path(os.path.expanduser(name.rpartition(":")[0]))


def _list_read_folders(options: ScoringOptions, others: tuple[Path, ...]) -> Iterator[Path]:
    """Yield the local folders of models and tokenizers that the command reads, with the base models of adapters."""
    for folder in (options.model, *others):
        yield folder
        if is_adapter(folder):
            try:
                base = Path(read_adapter_base(folder)[0])
            except SetupError:  # raised again when the adapter is loaded
                continue
            if os.path.isdir(base):
                yield base
    yield from (path for path in _list_spellings(options.style) if os.path.isdir(path))


def _list_read_files(folder: Path, out: Path) -> Iterator[Path]:
    """Yield the files in a folder that are read or are listed by its manifests, and the output if it would be read."""
    yield from (folder / name for file in (MANIFEST_FILE, PENDING_FILE) for name in read_manifest(folder, file))
    if os.path.isdir(folder):
        yield from (path for path in folder.rglob("*") if _is_read(path.name))
    if _is_read(out.name):
        yield folder / out.name


def _is_read(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in READ_FILES)


def _is_same(path: Path, other: Path) -> bool:
    """Return whether two paths lead to the same file, through links too; neither need exist."""
    try:
        return os.path.samefile(path, other)
    except ValueError:  # a name with a null character leads to no file
        return False
    except OSError:
        return os.path.realpath(path) == os.path.realpath(other)
