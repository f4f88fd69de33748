"""Manifests: the sizes and hashes of a folder's files, which reveal a damaged or half-written folder."""

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
"""The file that is written last: a folder without it is incomplete."""


PENDING_FILE = ".preftemplates-pending.json"
"""A manifest of files that are being moved to their places."""


def write_manifest(folder: Path, paths: Iterable[Path] | None = None) -> None:
    """Write the sizes and SHA-256 hashes of files to a folder's manifest, after all files are on the disk.

    Args:
        folder: the folder.
        paths: the files in it; None for all of them.
    """
    files = sorted(paths if paths is not None else _list_files(folder))
    entries: dict[str, dict[str, int | str]] = {}
    for path in files:
        with path.open("rb+") as file:  # Windows flushes only files that are open for writing
            os.fsync(file.fileno())
        entries[path.relative_to(folder).as_posix()] = {"size": path.stat().st_size, "sha256": hash_file(path)}
    _write_entries(folder, entries, MANIFEST_FILE)


def _write_entries(folder: Path, entries: Mapping[str, Mapping[str, int | str]], name: str) -> None:
    """Write the entries of a manifest to a file of the folder, completely or not at all."""
    partial = folder / f".{MANIFEST_FILE}"
    with partial.open("w", encoding="utf-8") as file:
        json.dump({"files": entries}, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(folder / name)  # after fsync, or a crash could leave the name with no content
    sync_folder(folder)


def replace_file(folder: Path, name: str, text: str) -> None:
    """Replace a text file in a folder, and its entry in the manifest of the folder or its parent if there is one.

    The new manifest is written to the folder before the file is replaced. So if the command is killed in between, one
    of the two manifests lists the file as it is.

    Args:
        folder: the folder, for which `explain_unreplaceable` returns None.
        name: the file's name.
        text: the new content.

    Raises:
        FileError: the folder cannot be written to.
    """
    folder, name = _find_listing(folder, name)
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


def _find_listing(folder: Path, name: str) -> tuple[Path, str]:
    """Return the folder whose manifest lists a file, and the file's path there: `adapter` is listed by its parent."""
    within_parent = f"{folder.name}/{name}"
    if not (folder / MANIFEST_FILE).is_file() and within_parent in read_manifest(folder.parent):
        return folder.parent, within_parent
    return folder, name


def explain_unreplaceable(folder: Path, name: str) -> str | None:
    """Return the reason why replacing a file would hide damage in the folder; None if the file can be replaced."""
    folder, name = _find_listing(folder, name)
    if not (folder / MANIFEST_FILE).is_file():
        return None
    entries, pending = read_manifest(folder), read_manifest(folder, PENDING_FILE)
    if not entries:
        return f"{MANIFEST_FILE} is damaged"
    # replace_file changes one entry; a run that publishes its files changes others too
    if pending and {**pending, name: None} != {**entries, name: None}:
        return "a run was stopped while it wrote the folder"
    return None if is_unchanged(folder, name) else f"{name} has changed since it was written"


def read_manifest(folder: Path, file: str = MANIFEST_FILE) -> dict[str, dict[str, int | str]]:
    """Return the entries of a folder's manifest by path; empty if there is no readable manifest.

    Paths that lead out of the folder are ignored: the folder and its manifest may come from an untrusted source.
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
    """Return the first fault of a folder's files, in words; None if all of them match its manifest."""
    if not (folder / MANIFEST_FILE).is_file():
        return f"it has no {MANIFEST_FILE}, so it was not written completely"
    entries = read_manifest(folder)
    if not entries:
        return f"{MANIFEST_FILE} is damaged"
    return next((fault for name in entries if (fault := _find_fault(folder, name, entries[name]))), None)


def is_unchanged(folder: Path, name: str) -> bool:
    """Return whether a file is as the folder's manifest, or the pending one, lists it."""
    entries = (read_manifest(folder, file).get(name) for file in (MANIFEST_FILE, PENDING_FILE))
    return any(entry is not None and _find_fault(folder, name, entry) is None for entry in entries)


def _find_fault(folder: Path, name: str, entry: dict[str, int | str]) -> str | None:
    path = folder / name
    try:
        size = path.stat().st_size
        if size != entry["size"]:  # before hashing, which reads gigabytes
            return f"{name} has {size} bytes, expected {entry['size']}"
        return None if hash_file(path) == entry["sha256"] else f"{name} has changed since it was written"
    except OSError as error:
        return f"{name} cannot be read: {error.strerror}"


def hash_file(path: Path) -> str:
    """Return a file's SHA-256 hash."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Flush the names of a folder's files to the disk, on systems that can do that for a folder."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows cannot open folders
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _list_files(folder: Path) -> list[Path]:
    return [
        path for path in folder.rglob("*") if path.is_file() and path.name not in (MANIFEST_FILE, f".{MANIFEST_FILE}")
    ]
