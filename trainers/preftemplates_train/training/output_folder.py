"""The output folder of a run: nobody else's files are replaced, and no two runs write into it."""

from __future__ import annotations

from contextlib import contextmanager
from errno import ENOENT
from fnmatch import fnmatch
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from preftemplates.errors import one_line
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
    "*.safetensors", "*.safetensors.index.json", "config.json", "adapter_config.json", "chat_template.jinja",
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt",
    "*.model", RECORD_FILE, MANIFEST_FILE, "README.md", "metrics.json", "scores.jsonl", "report.html",
)  # fmt: skip
"""What a run writes into its output folder, besides checkpoints, and into the folder `adapter` within it."""

OTHER_WEIGHTS = ("*.bin", "*.pt", "*.pth", "*.gguf", "*.h5", "*.msgpack", "*.onnx")
"""Weights in other formats, next to which a model would be taken for theirs."""

WAY_OUT = "name another --output_dir"


def check_output_folder(folder: Path, *, resuming: bool) -> None:
    """Raise an error rather than replace what another run or somebody else made.

    Args:
        folder: the output folder; it need not exist.
        resuming: whether a run is continued in it.

    Raises:
        SetupError: the folder cannot be written, or holds files that are not this trainer's, or another run's model.
    """
    _check_writable(folder)
    if not folder.is_dir():
        return
    if (folder / "trainer_state.json").exists():
        raise SetupError(f"output_dir {folder} is a checkpoint of a run; {WAY_OUT}")
    for path in sorted(folder.iterdir()):
        if path.is_dir() and fnmatch(path.name, "checkpoint-*") and not is_own(path):
            raise SetupError(f"{path} is a checkpoint of another program; {WAY_OUT}")
    for name in _list_replaced_files(folder):
        if name != MANIFEST_FILE and not is_unchanged(folder, name):
            raise SetupError(f"output_dir {folder} holds {name}, which is not as a run here wrote it; {WAY_OUT}")
    if not resuming:
        _check_no_other_model(folder)


def _list_replaced_files(folder: Path) -> Iterator[str]:
    """Yield the names of the files that a run would replace, or whose weights would be taken for its model's."""
    adapter = folder / ADAPTER_FOLDER
    if adapter.exists() and not adapter.is_dir():
        yield ADAPTER_FOLDER
    for path in sorted((*folder.iterdir(), *(adapter.iterdir() if adapter.is_dir() else ()))):
        if any(fnmatch(path.name, pattern) for pattern in (*WRITTEN_FILES, *OTHER_WEIGHTS)):
            yield path.relative_to(folder).as_posix()


def _check_writable(folder: Path) -> None:
    """Refuse a name that no folder can have, and a place in which nothing can be made."""
    shown = one_line(str(folder), 200)
    place: Path | None = None
    try:
        str(folder).encode()
        place = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        if any(path.is_symlink() and not path.exists() for path in (folder, *folder.parents)):
            raise OSError(ENOENT, "a link that leads nowhere")
        with TemporaryFile(dir=place):
            pass
    except OSError as error:
        where = "" if place is None or place == folder.absolute() else f"{place}: "
        raise SetupError(f"output_dir {shown} cannot be written: {where}{error.strerror}; {WAY_OUT}") from error
    except ValueError as error:  # a null character, or half of a pair of surrogates
        raise SetupError(f"output_dir {shown} is a name that no folder can have; {WAY_OUT}") from error


def _check_no_other_model(folder: Path) -> None:
    """Refuse to write over what another run made of a user's rows; the generated set is quick to train on again."""
    checkpoints = list_own_checkpoints(folder)
    for path in (folder, *checkpoints):
        is_model = path in checkpoints or (path / RECORD_FILE).exists()
        if is_model and not _is_of_generated_set(path):
            raise SetupError(
                f"{path} holds a model; {WAY_OUT}, or continue its run with --resume_from_checkpoint last"
            )


def _is_of_generated_set(folder: Path) -> bool:
    """Return whether a model or checkpoint says that it was trained on the generated set."""
    try:
        return set(CheckpointRecord.read(folder).templates) == {GENERATED}
    except SetupError:
        return False


@contextmanager
def lock_output_folder(folder: Path, *, resuming: bool, is_main_process: bool) -> Iterator[None]:
    """Hold an output folder for one run; the operating system frees it when the process ends, however it ends.

    Args:
        folder: the output folder; it is made.
        resuming: whether a run is continued in it; if not, checkpoints of an earlier run on the generated set go.
        is_main_process: whether this process writes; the others of a run hold nothing.

    Raises:
        SetupError: another run holds the folder, or has written into it meanwhile.
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
        raise SetupError(f"another run writes into output_dir {folder}; wait for its end, or {WAY_OUT}") from error
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
    """Remove folders that a run made and wrote nothing into but its lock, the innermost first."""
    for folder in made:
        try:
            if [path.name for path in folder.iterdir()] == [LOCK_FILE]:
                (folder / LOCK_FILE).unlink()
            folder.rmdir()
        except OSError:  # it holds something
            return
