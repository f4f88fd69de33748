"""The report of a conversion: the counts of the rows, and the rows to look at."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from preftemplates.data.issues import IssueLog, RowIssue
from preftemplates.data.unread import UnreadCounts
from preftemplates.errors import Code

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class ConversionReport:
    """The counts of the rows; rows = formatted + skipped + rejected always holds.

    Attributes:
        rows: how many rows were read.
        formatted: how many rows were formatted.
        results: how many results they gave; equal to `formatted` if each row gives one sample.
        skipped: rows that can be formatted but should not be trained on.
        rejected: rows that cannot be formatted.
        flagged: formatted rows that should be looked at.
        left_out: samples that should not be trained on, from formatted rows with several samples.
        lost: how often a response or label has no place in the format to which another one is converted, or a label
            has none in the dialect.
        changed: how often null members of tools and arguments were dropped, and how often the JSON text of arguments
            is written differently (`preftemplates.errors.ReadingChange`).
        unread: the values of the formatted rows that the template does not read.
        classes: for single answers, how many are good and how many are bad.
        first_answer: the row and line of the first single answer.
        forgotten_prompts: how many prompts were not compared with later ones, because the memory was full.
        forgotten_rows: how many samples were not compared with later ones, because the memory was full.
        unread_test_rows: how many rows of the test set could not be read and were not compared.
    """

    rows: int = 0
    formatted: int = 0
    results: int = 0
    skipped: IssueLog = field(default_factory=IssueLog)
    rejected: IssueLog = field(default_factory=IssueLog)
    flagged: IssueLog = field(default_factory=IssueLog)
    left_out: IssueLog = field(default_factory=IssueLog)
    lost: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    unread: UnreadCounts = field(default_factory=UnreadCounts)
    classes: Counter[bool] = field(default_factory=Counter)
    first_answer: tuple[int, int | None] | None = None
    forgotten_prompts: int = 0
    forgotten_rows: int = 0
    unread_test_rows: int = 0

    @property
    def allowed(self) -> int:
        """Return how many rows may be rejected without an error: 10, or 1 % if that is more."""
        return max(10, self.rows // 100)

    @property
    def too_many_rejected(self) -> bool:
        """Return whether more rows are rejected than allowed."""
        return len(self.rejected) > self.allowed

    def find_one_class(self) -> RowIssue | None:
        """Return the issue of single answers that are all good or all bad; None if there are both, or only a few."""
        if len(self.classes) != 1 or self.classes.total() < 2 or self.first_answer is None:
            return None
        ((label, count),) = self.classes.items()
        message = f"all {count:,} answers have the label {label}; training on unpaired answers needs both labels"
        return RowIssue(*self.first_answer, Code.ONE_CLASS, message)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the numbers of skipped and rejected rows by code."""
        return {
            name: {str(code): count for code, count in log.counts.items()}
            for name, log in (("skipped", self.skipped), ("rejected", self.rejected))
        }

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON-like data."""
        return {
            name: [issue._asdict() for issue in value] if isinstance(value, IssueLog) else value
            for name, value in self.list_parts()
        }

    def list_parts(self) -> Iterator[tuple[str, Any]]:
        """Yield the parts of the report by name: issues in their logs, the rest as JSON-like data."""
        for name in ("rows", "formatted", "results", "skipped", "rejected", "flagged", "left_out"):
            yield name, getattr(self, name)
        yield "lost", dict(self.lost)
        yield "changed", dict(self.changed)
        yield "unread", self.unread.as_json()
        yield "forgotten_prompts", self.forgotten_prompts
        yield "forgotten_rows", self.forgotten_rows
        yield "unread_test_rows", self.unread_test_rows

    def merge(self, later: ConversionReport) -> None:
        """Add the counts of later rows, whose issues need not be in order; copies are counted at the end."""
        self.rows += later.rows
        self.formatted += later.formatted
        self.results += later.results
        for name in ("skipped", "rejected", "flagged", "left_out"):
            getattr(self, name).extend(sorted(getattr(later, name), key=lambda issue: issue.row))
        self.lost.update(later.lost)
        self.changed.update(later.changed)
        self.unread.merge(later.unread)
        self.classes.update(later.classes)
        self.first_answer = self.first_answer or later.first_answer
