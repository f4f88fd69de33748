"""Protect the output folder of a run: replace only files that a run wrote, and let only one run write to it."""

from __future__ import annotations

from contextlib import contextmanager
from errno import ENOENT
from fnmatch import fnmatch
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from preftemplates.errors import one_line
from preftemplates_train.data.checkpoint_files import MODEL_FILES
from preftemplates_train.data.sources import GENERATED
from preftemplates_train.errors import SetupError
from preftemplates_train.model.adapters import ADAPTER_FOLDER
from preftemplates_train.model.checkpoint import RECORD_FILE, CheckpointRecord
from preftemplates_train.model.manifest import MANIFEST_FILE, is_unchanged
from preftemplates_train.training.checkpoints import (
    is_own,
    list_own_checkpoints,
    remove_checkpoint,
    remove_staging_folders,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

LOCK_FILE = ".preftemplates.lock"

WRITTEN_FILES = (
    *MODEL_FILES, RECORD_FILE, MANIFEST_FILE, "README.md", "metrics.json", "scores.jsonl", "report.html",
)  # fmt: skip
"""The files that a run writes to its output folder and to the folder `adapter` in it, other than checkpoints."""

OTHER_WEIGHTS = ("*.bin", "*.pt", "*.pth", "*.gguf", "*.h5", "*.msgpack", "*.onnx")
"""Weights in other file formats: next to the new model, they would seem to belong to it."""

WAY_OUT = "name another --output_dir"


def check_output_folder(folder: Path, *, resuming: bool) -> None:
    """Raise an error for an output folder with files that another run or another program wrote.

    Args:
        folder: the output folder; it need not exist.
        resuming: whether a run is continued in it.

    Raises:
        SetupError: the folder cannot be written to, or contains another program's files or another run's model.
    """
    check_folder_writable(folder, "output_dir")
    if not folder.is_dir():
        return
    if (folder / "trainer_state.json").exists():
        raise SetupError(f"output_dir {folder} is a checkpoint of a run; {WAY_OUT}")
    for path in sorted(folder.iterdir()):
        if path.is_dir() and fnmatch(path.name, "checkpoint-*") and not is_own(path):
            raise SetupError(f"{path} is a checkpoint of another program; {WAY_OUT}")
    for name in _list_replaced_files(folder):
        if name != MANIFEST_FILE and not is_unchanged(folder, name):
            raise SetupError(
                f"output_dir {folder} contains {name}, which was not written by a run or has changed since; {WAY_OUT}"
            )
    if not resuming:
        _check_no_other_model(folder)


def _list_replaced_files(folder: Path) -> Iterator[str]:
    """Yield the names of the files that a run would replace, and of weights that would seem to be its model's."""
    adapter = folder / ADAPTER_FOLDER
    if adapter.exists() and not adapter.is_dir():
        yield ADAPTER_FOLDER
    for path in sorted((*folder.iterdir(), *(adapter.iterdir() if adapter.is_dir() else ()))):
        if any(fnmatch(path.name, pattern) for pattern in (*WRITTEN_FILES, *OTHER_WEIGHTS)):
            yield path.relative_to(folder).as_posix()


def check_folder_writable(folder: Path, setting: str) -> None:
    """Raise an error for an invalid name, and for a folder that cannot be written to.

    Args:
        folder: the folder; it need not exist.
        setting: the setting that names it.

    Raises:
        SetupError: the message names the setting and the folder that cannot be written to.
    """
    shown = one_line(str(folder), 200)
    place: Path | None = None
    try:
        str(folder).encode()
        place = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        if any(path.is_symlink() and not path.exists() for path in (folder, *folder.parents)):
            raise OSError(ENOENT, "it is a broken link")
        with TemporaryFile(dir=place):
            pass
    except OSError as error:
        where = "" if place is None or place == folder.absolute() else f"{place}: "
        message = f"{setting} {shown} cannot be written: {where}{error.strerror}; name another --{setting}"
        raise SetupError(message) from error
    except ValueError as error:  # a null character, or half of a pair of surrogates
        raise SetupError(f"{setting} {shown} is not a valid folder name; name another --{setting}") from error


def _check_no_other_model(folder: Path) -> None:
    """Raise an error rather than replace a model that was trained on a user's rows.

    Models that were trained on the generated set may be replaced: they are quick to train again.
    """
    checkpoints = list_own_checkpoints(folder)
    for path in (folder, *checkpoints):
        is_model = path in checkpoints or (path / RECORD_FILE).exists()
        if is_model and not _is_of_generated_set(path):
            raise SetupError(
                f"{path} contains a model; {WAY_OUT}, or continue its run with --resume_from_checkpoint last"
            )


def _is_of_generated_set(folder: Path) -> bool:
    """Return whether a model or checkpoint was trained on the generated set, by its record."""
    try:
        return set(CheckpointRecord.read(folder).templates) == {GENERATED}
    except SetupError:
        return False


@contextmanager
def lock_output_folder(folder: Path, *, resuming: bool, is_main_process: bool) -> Iterator[None]:
    """Lock an output folder for one run; the operating system releases the lock however the process ends.

    Args:
        folder: the output folder; it is created.
        resuming: whether a run is continued in it; if not, checkpoints of an earlier run on the generated set are
            removed.
        is_main_process: whether this process writes; the other processes of a run lock nothing.

    Raises:
        SetupError: another run has locked the folder, or has written to it in the meantime.
    """
    if not is_main_process:
        yield
        return
    made = [path for path in (folder.absolute(), *folder.absolute().parents) if not path.exists()]
    lock = FileLock(folder / LOCK_FILE, timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise SetupError(f"another run is writing to output_dir {folder}; wait until it ends, or {WAY_OUT}") from error
    except OSError as error:
        raise SetupError(f"output_dir {folder} cannot be written: {error.strerror}; {WAY_OUT}") from error
    try:
        check_output_folder(folder, resuming=resuming)
        remove_staging_folders(folder)
        if not resuming:
            for checkpoint in list_own_checkpoints(folder):
                remove_checkpoint(checkpoint)
        yield
    finally:
        lock.release()
        _remove_empty(made)


def _remove_empty(made: Sequence[Path]) -> None:
    """Remove the folders that a run created, the innermost first, if they contain only its lock."""
    for folder in made:
        try:
            if [path.name for path in folder.iterdir()] == [LOCK_FILE]:
                (folder / LOCK_FILE).unlink()
            folder.rmdir()
        except OSError:  # the folder is not empty
            return
