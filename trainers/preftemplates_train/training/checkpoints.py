"""Checkpoints on disk: written under a temporary name, published when complete, pruned if a newer one is intact."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

from preftemplates_train.model.checkpoint import RECORD_FILE
from preftemplates_train.model.manifest import MANIFEST_FILE, find_damage, sync_folder, write_manifest

if TYPE_CHECKING:
    from pathlib import Path

_STAGING_PREFIX = ".saving-"
_NAME = re.compile(r"checkpoint-(\d+)")


def find_staging_folder(checkpoint: Path) -> Path:
    """Return the folder in which a checkpoint is written before it is moved to its place."""
    return checkpoint.with_name(f"{_STAGING_PREFIX}{checkpoint.name}")


def remove_staging_folders(folder: Path) -> None:
    """Remove the staging folders of runs that ended while they saved."""
    for path in (*folder.glob(f"{_STAGING_PREFIX}checkpoint-*"), *folder.glob(f"{_STAGING_PREFIX}removed-*")):
        shutil.rmtree(path, ignore_errors=True)


def publish_checkpoint(checkpoint: Path) -> None:
    """Move a checkpoint from its staging folder to its place, with a manifest."""
    staging = find_staging_folder(checkpoint)
    written = staging / checkpoint.name
    write_manifest(written)
    if checkpoint.exists():  # a run that continued from an older checkpoint has reached this step again
        remove_checkpoint(checkpoint)
    written.rename(checkpoint)
    sync_folder(checkpoint.parent)
    shutil.rmtree(staging, ignore_errors=True)


def list_own_checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints in an output folder that this trainer wrote, intact or not, the newest first."""
    steps = {
        int(match[1]): path
        for path in folder.glob("checkpoint-*")
        if path.is_dir() and (match := _NAME.fullmatch(path.name)) and is_own(path)
    }
    return [steps[step] for step in sorted(steps, reverse=True)]


def is_own(checkpoint: Path) -> bool:
    """Return whether this trainer wrote a folder: it has one of two files that no other program writes."""
    return (checkpoint / MANIFEST_FILE).exists() or (checkpoint / RECORD_FILE).exists()


def prune_checkpoints(folder: Path, limit: int | None, newest: Path, best: Path | None) -> None:
    """Remove the oldest of this trainer's checkpoints until no more than the allowed number are left.

    Args:
        folder: the output folder.
        limit: the number of checkpoints that stay; None or 0 for all.
        newest: the checkpoint that was just written; if it is damaged, nothing is removed.
        best: a checkpoint that always stays.
    """
    if not limit or limit < 0:
        return
    checkpoints = list_own_checkpoints(folder)
    spare = [path for path in reversed(checkpoints) if path not in (newest, best)]
    removed = spare[: max(0, len(checkpoints) - max(limit, len({newest, best} - {None})))]
    if removed and find_damage(newest) is None:
        for path in removed:
            remove_checkpoint(path)


def remove_checkpoint(checkpoint: Path) -> None:
    """Remove a checkpoint; if the process ends in between, no part of the checkpoint is left under its name."""
    removed = checkpoint.with_name(f"{_STAGING_PREFIX}removed-{checkpoint.name}")
    shutil.rmtree(removed, ignore_errors=True)
    checkpoint.rename(removed)
    shutil.rmtree(removed, ignore_errors=True)
