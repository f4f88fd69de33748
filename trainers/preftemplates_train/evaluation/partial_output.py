"""A partial output: keep finished rows next to the output until it is written, so that a run can continue."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from preftemplates.errors import FileError
from preftemplates_train.errors import ResumeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


def find_partial_path(out: Path) -> Path:
    """Return the path of the finished rows of an output."""
    return out.with_name(out.name + ".part")


class PartialOutput:
    """A file next to the output with a line for each finished row; its first line describes the job.

    Args:
        out: the output; the lines are in a file with its name and `.part`.
        job: the values that identify the job, by name. The lines of another job are not continued.
        resume: whether to continue existing lines; if not, they are replaced.

    Raises:
        ResumeError: the existing lines are of another job.
        FileError: the existing file was not written by this class.
    """

    def __init__(self, out: Path, job: Mapping[str, str], *, resume: bool) -> None:
        self.path = find_partial_path(out)
        self._header = json.dumps(dict(job)) + "\n"
        if self.path.exists():
            self._check_is_own()
        if resume and self.path.exists():
            self._check_job(job)
        else:
            self.path.write_text(self._header, encoding="utf-8")

    def _check_is_own(self) -> None:
        with self.path.open("rb") as file:
            header = file.readline()
        try:
            is_own = not header or {"model", "input"} <= set(json.loads(header))
        except (ValueError, TypeError, RecursionError):
            is_own = False
        if not is_own:
            raise FileError(f"{self.path} would be replaced, but `score` did not write it; rename or remove it")

    def _check_job(self, job: Mapping[str, str]) -> None:
        with self.path.open(encoding="utf-8") as file:
            header = file.readline()
        if header == self._header:
            return
        other_job = json.loads(header) if header else {}
        differing = [name for name in job if other_job.get(name) != job[name]]
        names = " and another ".join(differing)
        raise ResumeError(f"{self.path} was started with another {names}; remove it, or leave out --resume")

    def truncate(self, multiple: int) -> int:
        """Keep complete lines, as many as a multiple of a number, and return their number."""
        content = self.path.read_bytes()
        lines = content[: content.rfind(b"\n") + 1].splitlines(keepends=True)[1:]
        count = len(lines) // multiple * multiple
        self.path.write_bytes(self._header.encode() + b"".join(lines[:count]))
        return count

    def append(self, values: Iterator[Any]) -> None:
        """Append a line for each value, and flush after each."""
        with self.path.open("a", encoding="utf-8") as file:
            for value in values:
                file.write(json.dumps(value) + "\n")
                file.flush()

    def __iter__(self) -> Iterator[Any]:
        """Yield the values of the lines."""
        with self.path.open(encoding="utf-8") as file:
            next(file)
            yield from map(json.loads, file)

    def remove(self) -> None:
        """Remove the file, after the output is written."""
        self.path.unlink()


def hash_files(*paths: Path) -> str:
    """Return a single hash of the contents of files, in the order of their names."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
