"""Unfinished work: what is done stands beside the output until that is written, so that a stopped run can go on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from preftemplates_train.errors import ResumeError


class Unfinished:
    """The lines of a file beside the output, one for each row that is done; the first says what the work is.

    Args:
        out: the output; the lines stand in a file of its name with `.part` behind it.
        job: what the work is. Lines of other work are not gone on from.
        resume: go on from the lines that are there; else they are left behind.

    Raises:
        ResumeError: the lines there are of other work.
    """

    def __init__(self, out: Path, job: Mapping[str, str], *, resume: bool) -> None:
        self.path = out.with_name(out.name + ".part")
        self._head = json.dumps(dict(job)) + "\n"
        if resume and self.path.exists():
            self._check(job)
        else:
            self.path.write_text(self._head, encoding="utf-8")

    def _check(self, job: Mapping[str, str]) -> None:
        with self.path.open(encoding="utf-8") as file:
            head = file.readline()
        if head == self._head:
            return
        try:
            begun = json.loads(head)
        except ValueError:
            begun = {}
        other = [name for name in job if not isinstance(begun, dict) or begun.get(name) != job[name]]
        said = " and another ".join(other)
        raise ResumeError(f"{self.path} was begun with another {said}; remove it, or do not resume")

    def keep(self, whole: int) -> int:
        """Keep as many lines as are whole, in multiples of so many; how many these are."""
        raw = self.path.read_bytes()
        lines = raw[: raw.rfind(b"\n") + 1].splitlines(keepends=True)[1:]
        count = len(lines) // whole * whole
        self.path.write_bytes(self._head.encode() + b"".join(lines[:count]))
        return count

    def add(self, values: Iterator[Any]) -> None:
        """Add a line for each value, as they come."""
        with self.path.open("a", encoding="utf-8") as file:
            for value in values:
                file.write(json.dumps(value) + "\n")
                file.flush()

    def __iter__(self) -> Iterator[Any]:
        """The values of the lines."""
        with self.path.open(encoding="utf-8") as file:
            next(file)
            yield from map(json.loads, file)

    def remove(self) -> None:
        """Remove the lines: the output is written."""
        self.path.unlink()


def digest_of(*paths: Path) -> str:
    """One hash of the bytes of files, in the order of their names."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
