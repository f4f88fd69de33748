"""Checkpoints on disk: written under another name, published whole, pruned only where a newer one verifies."""

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
    """Return the folder in which a checkpoint is written before it gets its place; the checkpoint is within it."""
    return checkpoint.with_name(f"{_STAGING_PREFIX}{checkpoint.name}")


def remove_staging_folders(folder: Path) -> None:
    """Remove what runs that ended while they saved have left in an output folder."""
    for path in (*folder.glob(f"{_STAGING_PREFIX}checkpoint-*"), *folder.glob(f"{_STAGING_PREFIX}removed-*")):
        shutil.rmtree(path, ignore_errors=True)


def publish_checkpoint(checkpoint: Path) -> None:
    """Move a checkpoint from its staging folder to its place, with a manifest."""
    staging = find_staging_folder(checkpoint)
    written = staging / checkpoint.name
    write_manifest(written)
    if checkpoint.exists():  # a run that went on from an older one has come to this step again
        remove_checkpoint(checkpoint)
    written.rename(checkpoint)
    sync_folder(checkpoint.parent)
    shutil.rmtree(staging, ignore_errors=True)


def list_own_checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints in an output folder that this trainer wrote, whole or not, the newest first."""
    steps = {
        int(match[1]): path
        for path in folder.glob("checkpoint-*")
        if path.is_dir() and (match := _NAME.fullmatch(path.name)) and is_own(path)
    }
    return [steps[step] for step in sorted(steps, reverse=True)]


def is_own(checkpoint: Path) -> bool:
    """Return whether this trainer wrote a folder: it has one of the two files that others do not write."""
    return (checkpoint / MANIFEST_FILE).exists() or (checkpoint / RECORD_FILE).exists()


def prune_checkpoints(folder: Path, limit: int | None, newest: Path, best: Path | None) -> None:
    """Remove the oldest of this trainer's checkpoints until as many are left as allowed.

    Args:
        folder: the output folder.
        limit: how many stay; all of them, if None or 0.
        newest: the checkpoint that was just written; nothing is removed if it is damaged.
        best: a checkpoint that stays.
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
    """Remove a checkpoint; a process that ends meanwhile leaves no part of it under its name."""
    removed = checkpoint.with_name(f"{_STAGING_PREFIX}removed-{checkpoint.name}")
    shutil.rmtree(removed, ignore_errors=True)
    checkpoint.rename(removed)
    shutil.rmtree(removed, ignore_errors=True)
