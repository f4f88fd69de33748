"""The report of a conversion: what became of the rows, and what should be looked at."""

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
    """What became of the rows: rows = formatted + skipped + rejected, always.

    Attributes:
        rows: how many were read.
        formatted: how many came through.
        results: how many results they gave; where each row is one sample, as many.
        skipped: rows that can be formatted and should not be trained on.
        rejected: rows that cannot be formatted.
        flagged: rows among the formatted ones that should be looked at.
        left_out: samples of formatted rows that should not be trained on, where a row gives several.
        lost: how often a response or label has no place in the format, where it is made from another one, or a label
            none in the dialect.
        changed: how often null members of tools and arguments were dropped, and how often the JSON text of arguments
            is written in another way (`preftemplates.errors.ReadingChange`).
        unread: the values of the formatted rows that the template does not read.
        classes: of single answers, how many are good and how many are bad.
        first_answer: the row and the line of the first of them.
        forgotten_prompts: how many prompts later ones were not compared with, since there were too many before.
        forgotten_rows: how many samples later ones were not compared with, since there were too many before.
        unread_test_rows: how many rows of the test set could not be read, and were not compared.
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
        """How many rows may be rejected before that is too many: 10, or 1 % if that is more."""
        return max(10, self.rows // 100)

    @property
    def too_many_rejected(self) -> bool:
        """Whether more rows are rejected than allowed."""
        return len(self.rejected) > self.allowed

    def find_one_class(self) -> RowIssue | None:
        """Return the issue of single answers that are all good, or all bad; None where there are both, or few."""
        if len(self.classes) != 1 or self.classes.total() < 2 or self.first_answer is None:
            return None
        ((label, count),) = self.classes.items()
        message = f"all {count:,} answers have the label {label}; a trainer of unpaired answers needs both"
        return RowIssue(*self.first_answer, Code.ONE_CLASS, message)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the numbers of skipped and rejected rows by code."""
        return {
            name: {str(code): count for code, count in log.counts.items()}
            for name, log in (("skipped", self.skipped), ("rejected", self.rejected))
        }

    def as_json(self) -> dict[str, Any]:
        """Return everything, as JSON-like data."""
        return {
            name: [issue._asdict() for issue in value] if isinstance(value, IssueLog) else value
            for name, value in self.list_parts()
        }

    def list_parts(self) -> Iterator[tuple[str, Any]]:
        """Yield everything by name; issues in their logs, the rest as JSON-like data."""
        for name in ("rows", "formatted", "results", "skipped", "rejected", "flagged", "left_out"):
            yield name, getattr(self, name)
        yield "lost", dict(self.lost)
        yield "changed", dict(self.changed)
        yield "unread", self.unread.as_json()
        yield "forgotten_prompts", self.forgotten_prompts
        yield "forgotten_rows", self.forgotten_rows
        yield "unread_test_rows", self.unread_test_rows

    def merge(self, later: ConversionReport) -> None:
        """Add the counts of rows that come later, whose issues need not be in order; copies are counted at the end."""
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
