"""Manifests: the sizes and hashes of a folder's files, by which a damaged or half-written folder is known."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import PurePath
from typing import TYPE_CHECKING

from preftemplates.data.writing import write_text
from preftemplates.errors import FileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

MANIFEST_FILE = "preftemplates-manifest.json"
"""The file that is written last: a folder without it is not whole."""


PENDING_FILE = ".preftemplates-pending.json"
"""A manifest of files that are being moved to their places."""


def write_manifest(folder: Path, paths: Iterable[Path] | None = None) -> None:
    """Write the sizes and SHA-256 hashes of files into a folder, after all of them are on the disk.

    Args:
        folder: the folder.
        paths: the files within it; all of them, if None.
    """
    files = sorted(paths if paths is not None else _list_files(folder))
    entries: dict[str, dict[str, int | str]] = {}
    for path in files:
        with path.open("rb+") as file:
            os.fsync(file.fileno())
        entries[path.relative_to(folder).as_posix()] = {"size": path.stat().st_size, "sha256": hash_file(path)}
    _write_entries(folder, entries, MANIFEST_FILE)


def _write_entries(folder: Path, entries: Mapping[str, Mapping[str, int | str]], name: str) -> None:
    """Write the entries of a manifest whole into a file of the folder."""
    partial = folder / f".{MANIFEST_FILE}"
    with partial.open("w", encoding="utf-8") as file:
        json.dump({"files": entries}, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(folder / name)
    sync_folder(folder)


def replace_file(folder: Path, name: str, text: str) -> None:
    """Replace a text file in a folder, and its entry in the folder's manifest if there is one.

    The new manifest is in the folder before the file is replaced, so that a command which is killed meanwhile leaves a
    file that one of the two manifests lists.

    Args:
        folder: the folder, for which `explain_unreplaceable` gives no reason.
        name: the file's name.
        text: the new content.

    Raises:
        FileError: the folder cannot be written to.
    """
    content = text.encode()
    entry: dict[str, int | str] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    try:
        if not (folder / MANIFEST_FILE).is_file():
            write_text(folder / name, text)
            return
        _write_entries(folder, {**read_manifest(folder), name: entry}, PENDING_FILE)
        write_text(folder / name, text)
        (folder / PENDING_FILE).replace(folder / MANIFEST_FILE)
    except OSError as error:
        raise FileError(f"{folder} cannot be written: {error.strerror or error}") from error
    sync_folder(folder)


def explain_unreplaceable(folder: Path, name: str) -> str | None:
    """Return why a file cannot be replaced without a manifest that lists damage as whole, in words; None if it can."""
    if not (folder / MANIFEST_FILE).is_file():
        return None
    entries, pending = read_manifest(folder), read_manifest(folder, PENDING_FILE)
    if not entries:
        return f"{MANIFEST_FILE} is damaged"
    if pending and {**pending, name: None} != {**entries, name: None}:
        return "a run was stopped while it wrote the folder"
    return None if is_unchanged(folder, name) else f"{name} has other bytes than were written"


def read_manifest(folder: Path, file: str = MANIFEST_FILE) -> dict[str, dict[str, int | str]]:
    """Return the entries of a folder's manifest by path; empty if there is none that can be read.

    Paths that lead out of the folder are left out: a manifest may come with somebody else's folder.
    """
    try:
        entries = json.loads((folder / file).read_text(encoding="utf-8"))["files"]
        return {
            str(name): {"size": int(entry["size"]), "sha256": str(entry["sha256"])}
            for name, entry in entries.items()
            if not PurePath(name).is_absolute() and ".." not in PurePath(name).parts
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def find_damage(folder: Path) -> str | None:
    """Return what is wrong with a folder's files, in words; None if all of them are as its manifest says."""
    if not (folder / MANIFEST_FILE).is_file():
        return f"it has no {MANIFEST_FILE}, so it was not written to its end"
    entries = read_manifest(folder)
    if not entries:
        return f"{MANIFEST_FILE} is damaged"
    return next((fault for name in entries if (fault := _find_fault(folder, name, entries[name]))), None)


def is_unchanged(folder: Path, name: str) -> bool:
    """Return whether a manifest of the folder, in place or pending, lists a file, and the file is still the same."""
    entries = (read_manifest(folder, file).get(name) for file in (MANIFEST_FILE, PENDING_FILE))
    return any(entry is not None and _find_fault(folder, name, entry) is None for entry in entries)


def _find_fault(folder: Path, name: str, entry: dict[str, int | str]) -> str | None:
    path = folder / name
    try:
        size = path.stat().st_size
        if size != entry["size"]:
            return f"{name} has {size} bytes, and {entry['size']} were written"
        return None if hash_file(path) == entry["sha256"] else f"{name} has other bytes than were written"
    except OSError as error:
        return f"{name} cannot be read: {error.strerror}"


def hash_file(path: Path) -> str:
    """Return a file's SHA-256 hash."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Let the names of a folder's files reach the disk, where the system can do that for a folder."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _list_files(folder: Path) -> list[Path]:
    return [
        path for path in folder.rglob("*") if path.is_file() and path.name not in (MANIFEST_FILE, f".{MANIFEST_FILE}")
    ]
