"""A partial output: rows that are done are kept next to the output until it is written, so that a run can continue."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from preftemplates_train.errors import ResumeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


class PartialOutput:
    """A file next to the output with a line for each row that is done; its first line describes the job.

    Args:
        out: the output; the lines are in a file of its name followed by `.part`.
        job: describes the job, by name. Lines of another job are not continued.
        resume: continue the lines that are there; else replace them.

    Raises:
        ResumeError: the lines there are of another job.
    """

    def __init__(self, out: Path, job: Mapping[str, str], *, resume: bool) -> None:
        self.path = out.with_name(out.name + ".part")
        self._header = json.dumps(dict(job)) + "\n"
        if resume and self.path.exists():
            self._check_job(job)
        else:
            self.path.write_text(self._header, encoding="utf-8")

    def _check_job(self, job: Mapping[str, str]) -> None:
        with self.path.open(encoding="utf-8") as file:
            header = file.readline()
        if header == self._header:
            return
        try:
            other_job = json.loads(header)
        except ValueError:
            other_job = {}
        differing = [name for name in job if not isinstance(other_job, dict) or other_job.get(name) != job[name]]
        names = " and another ".join(differing)
        raise ResumeError(f"{self.path} was begun with another {names}; remove it, or do not resume")

    def truncate(self, multiple: int) -> int:
        """Keep the whole lines, as many as are a multiple of a number, and return how many these are."""
        content = self.path.read_bytes()
        lines = content[: content.rfind(b"\n") + 1].splitlines(keepends=True)[1:]
        count = len(lines) // multiple * multiple
        self.path.write_bytes(self._header.encode() + b"".join(lines[:count]))
        return count

    def append(self, values: Iterator[Any]) -> None:
        """Append a line for each value, one by one."""
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
        """Remove the file: the output is written."""
        self.path.unlink()


def hash_files(*paths: Path) -> str:
    """Return one hash of the bytes of files, in the order of their names."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
