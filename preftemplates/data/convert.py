"""Conversion: rows in, results out, and every row that did not come through counted by its reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from preftemplates.data.reading import Record
from preftemplates.data.row_rules import ROW_RULES, AcceptedSample, find_skip_reason
from preftemplates.errors import Code, DefinitionError, RowError, StyleContractError, preview
from preftemplates.templates.rendering import render_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from preftemplates.core.samples import Format
    from preftemplates.styles.style import Style
    from preftemplates.templates.results import Formatted
    from preftemplates.templates.template import Template

OnError = Literal["raise", "skip"]

_FLAG_CODES = (Code.CONTROL_TEXT, Code.JSON_TEXT, Code.PROMPT_REPEATED, Code.UNBALANCED_THINKING, Code.PREFIX_UNSTABLE)
"""The rules that rows are flagged by while they are converted; `check` has more."""


class RowIssue(NamedTuple):
    """A row that did not come through, or came through with a flag.

    Attributes:
        row: its number, from 0.
        line: its physical line, from 1, where it has one.
        code: the reason.
        message: the reason in words.
    """

    row: int
    line: int | None
    code: Code
    message: str


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
    """

    rows: int = 0
    formatted: int = 0
    results: int = 0
    skipped: list[RowIssue] = field(default_factory=list)
    rejected: list[RowIssue] = field(default_factory=list)
    flagged: list[RowIssue] = field(default_factory=list)
    left_out: list[RowIssue] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)

    @property
    def allowed(self) -> int:
        """How many rows may be rejected before that is too many: 10, or 1 % if that is more."""
        return max(10, self.rows // 100)

    @property
    def too_many_rejected(self) -> bool:
        """Whether more rows are rejected than allowed."""
        return len(self.rejected) > self.allowed

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the numbers of skipped and rejected rows by code."""
        return {
            "skipped": dict(Counter(str(issue.code) for issue in self.skipped)),
            "rejected": dict(Counter(str(issue.code) for issue in self.rejected)),
        }

    def as_json(self) -> dict[str, Any]:
        """Return everything, as JSON-like data."""
        lists = {
            name: [issue._asdict() for issue in getattr(self, name)]
            for name in ("skipped", "rejected", "flagged", "left_out")
        }
        counts = {"rows": self.rows, "formatted": self.formatted, "results": self.results}
        return {**counts, **lists, "lost": dict(self.lost), "changed": dict(self.changed)}


class Conversion:
    """Formats rows one by one; iterate over it for the results, and read its report at any time.

    Args:
        records: the rows, as `open_rows` gives them; plain mappings are numbered in order.
        template: the template.
        format: the format's name.
        on_error: whether a row that cannot be formatted raises its error or is counted as rejected. Rows that can be
            formatted and should not be trained on (empty, equal) are skipped and counted in both cases.
        file: the file's name, for errors.
        check: refuses a result that the output has no place for, by a `RowError`.
        flag: whether rows that come through are looked at, and flagged.
        traced: whether the messages of what comes through know the cell that they came from.
        style: the style in which messages will be rendered, if it is known. Messages that it cannot spell are
            rejected, and its texts are looked at as those of the template's style are: whether they are equal, hold
            `control_text`, or do not begin with the prompt's text.

    Raises (while iterating):
        RowError: a row cannot be formatted and `on_error` is "raise"; it has the row's number and line.

    Example:
        >>> from preftemplates import get_template
        >>> template = get_template("PKUSafeRLHF")
        >>> conversion = Conversion([template.example, {"prompt": "no more"}], template, "preference", on_error="skip")
        >>> len(list(conversion)), conversion.report.counts()["rejected"]
        (1, {'missing_field': 1})
    """

    def __init__(
        self,
        records: Iterable[Record | Mapping[str, Any]],
        template: Template,
        format: Format,
        *,
        on_error: OnError = "raise",
        file: str | None = None,
        check: Callable[[Mapping[str, Any]], None] | None = None,
        flag: bool = True,
        traced: bool = False,
        style: Style | None = None,
    ) -> None:
        if on_error not in ("raise", "skip"):
            raise DefinitionError(f"on_error is 'raise' or 'skip', got {preview(on_error)}")
        self._records = records
        self._template = template
        self._format = format
        self._on_error = on_error
        self._file = file
        self._check = check
        self._flags = flag
        self._traced = traced
        self._style = template.text_style(format) or style
        self._renders_later = template.text_style(format) is None and style is not None
        self.report = ConversionReport()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (formatted.result for _, formatted in self.accepted())

    def accepted(self) -> Iterator[tuple[Record, Formatted]]:
        """Yield the samples that come through, each with its row and what it was made of; the report begins anew."""
        self.report = ConversionReport()
        for number, item in enumerate(self._records):
            record = item if isinstance(item, Record) else Record(number, None, item)
            self.report.rows += 1
            try:
                samples = self._convert(record)
            except (RowError, StyleContractError) as error:
                located = error.located(row=record.row, line=record.line, file=self._file)
                if self._on_error == "raise":
                    raise located from error
                code = error.code or Code.BAD_EXPRESSION
                self.report.rejected.append(RowIssue(record.row, record.line, code, located.reason))
                continue
            self.report.formatted += bool(samples)
            self.report.results += len(samples)
            for formatted in samples:
                self._flag(record, formatted)
                yield record, formatted

    def _convert(self, record: Record) -> list[Formatted]:
        """The samples of the row that can be trained on; what is left out is counted."""
        if isinstance(record.cells, RowError):
            raise record.cells
        samples, lost, reading = self._template.formatted(record.cells, self._format, traced=self._traced)
        if self._renders_later:
            samples = [self._rendered(formatted) for formatted in samples]
        reasons = [find_skip_reason(formatted, self._template.ties) for formatted in samples]
        good = [formatted for formatted, reason in zip(samples, reasons, strict=True) if reason is None]
        if self._check is not None:
            for formatted in good:
                self._check(formatted.result)
        self.report.lost.update(lost)
        self.report.changed.update(reading.count_changes(record.is_table))
        for formatted in good:
            self.report.lost.update(formatted.without_key)
        bad = [RowIssue(record.row, record.line, reason, reason.meaning) for reason in reasons if reason is not None]
        if good:
            self.report.left_out += bad
        else:
            nothing = RowIssue(record.row, record.line, Code.NO_SAMPLE, Code.NO_SAMPLE.meaning)
            self.report.skipped.append(bad[0] if bad else nothing)
        return good

    def _rendered(self, formatted: Formatted) -> Formatted:
        """Return messages with the texts that the style will make of them.

        Raises:
            RowError: the style cannot spell them.
        """
        if formatted.messages is None or self._style is None:
            return formatted
        return replace(formatted, texts=render_texts(formatted.messages, self._style))

    def _flag(self, record: Record, formatted: Formatted) -> None:
        """Count a row that comes through and should be looked at."""
        if formatted.messages is None or not self._flags:
            return
        accepted = AcceptedSample(record.row, formatted.messages, self._style, formatted.texts)
        for code in _FLAG_CODES:
            message = ROW_RULES[code](accepted, {})
            issue = RowIssue(record.row, record.line, code, message or "")
            if message is not None and issue not in self.report.flagged[-len(_FLAG_CODES) :]:
                self.report.flagged.append(issue)
