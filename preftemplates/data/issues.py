"""Issues: rows that were not formatted, or that were flagged; most of a long list is stored in a file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from tempfile import TemporaryFile
from typing import IO, Any, NamedTuple, overload

from preftemplates.errors import Code

MAX_IN_MEMORY = 1_000
"""How many issues of a log are kept in memory; the others are in a temporary file."""

MAX_PER_CODE = 100
"""How many issues are kept for each code, for printing."""


_CODES = {str(code): code for code in Code}


class RowIssue(NamedTuple):
    """A row that was not formatted, or that was flagged.

    Attributes:
        row: its number, from 0.
        line: its physical line, from 1, if it has one.
        code: the reason.
        message: the reason in words.
    """

    row: int
    line: int | None
    code: Code
    message: str


class IssueLog(Sequence[RowIssue]):
    """A list of issues that takes little memory, however many there are.

    Example:
        >>> log = IssueLog([RowIssue(3, None, Code.TIE, "A tie.")] * 2)
        >>> len(log), log[0].row, dict(log.counts)
        (2, 3, {<Code.TIE: 'tie'>: 2})
    """

    def __init__(self, issues: Iterable[RowIssue] = ()) -> None:
        self.counts: Counter[Code] = Counter()
        self._first: list[RowIssue] = []
        self._examples: dict[Code, list[RowIssue]] = {}
        self._file: IO[bytes] | None = None
        self.extend(issues)

    def append(self, issue: RowIssue) -> None:
        """Append an issue."""
        self.counts[issue.code] += 1
        examples = self._examples.setdefault(issue.code, [])
        if len(examples) < MAX_PER_CODE:
            examples.append(issue)
        if len(self._first) < MAX_IN_MEMORY:
            self._first.append(issue)
            return
        if self._file is None:
            self._file = TemporaryFile("w+b")  # noqa: SIM115  the file is closed and removed with the log
        self._file.seek(0, 2)
        self._file.write(json.dumps(issue).encode() + b"\n")

    def extend(self, issues: Iterable[RowIssue]) -> None:
        """Append several issues."""
        for issue in issues:
            self.append(issue)

    def __iadd__(self, issues: Iterable[RowIssue]) -> IssueLog:
        self.extend(issues)
        return self

    def examples(self, code: Code) -> list[RowIssue]:
        """Return the first issues of a code."""
        return self._examples.get(code, [])

    def __len__(self) -> int:
        return self.counts.total()

    def __iter__(self) -> Iterator[RowIssue]:
        yield from self._first
        yield from self._read_file()

    def _read_file(self) -> Iterator[RowIssue]:
        file, at = self._file, 0
        while file is not None:
            file.seek(at)
            line = file.readline()
            at = file.tell()
            if not line:
                return
            row, number, code, message = json.loads(line)
            yield RowIssue(row, number, _CODES[code], message)

    @overload
    def __getitem__(self, index: int) -> RowIssue: ...
    @overload
    def __getitem__(self, index: slice) -> list[RowIssue]: ...
    def __getitem__(self, index: int | slice) -> RowIssue | list[RowIssue]:
        if isinstance(index, slice):
            return list(self)[index]
        place = index if index >= 0 else len(self) + index
        issue = next(islice(self, place, None), None) if place >= 0 else None
        if issue is None:
            raise IndexError(index)
        return issue

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, IssueLog | list):
            return NotImplemented
        return len(self) == len(other) and all(one == two for one, two in zip(self, other, strict=True))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({[*islice(self, 3)]}{', ...' if len(self) > 3 else ''})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ([*self],)
