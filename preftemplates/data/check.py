"""Check rows: report what is wrong with them by code, before anything is trained on them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from preftemplates.core.samples import Format, Preference
from preftemplates.data.content_rules import SINGLE_ROW_RULES
from preftemplates.data.convert import FIRST_ROWS, Conversion
from preftemplates.data.convert_report import ConversionReport
from preftemplates.data.copies import TEST_CODES, CopyFinder, TestPrompts
from preftemplates.data.issues import RowIssue
from preftemplates.data.reading import Record
from preftemplates.data.result_slice import SliceOptions
from preftemplates.data.row_rules import AcceptedSample
from preftemplates.data.shortcuts import SHORTCUTS, Shortcut, ShortcutCounts
from preftemplates.errors import Code, DefinitionError, RowError, did_you_mean

if TYPE_CHECKING:
    from preftemplates.data.columnar.checks.checking import ColumnarSliceChecker
    from preftemplates.data.columnar.checks.copies import ColumnarCopyFinder
    from preftemplates.data.copies import TestPrompt
    from preftemplates.data.issues import IssueLog
    from preftemplates.data.unread import UnreadCounts
    from preftemplates.styles.style import Style
    from preftemplates.templates.results import Formatted
    from preftemplates.templates.template import Template

RowStatus = Literal["rejected", "skipped", "left out", "flagged"]
"""Rejected rows cannot be formatted. Skipped rows, and samples that are left out of a row with several, should not be
trained on. Flagged rows are formatted and should be looked at."""

MAX_EXAMPLES = 20
"""The most rows that are kept for each code."""

T = TypeVar("T")

RowsToCheck = Iterable[Record | Mapping[str, Any]]


@dataclass
class RowFinding:
    """Rows with the same status and code.

    Attributes:
        verdict: the status of these rows.
        code: the reason.
        count: the number of rows.
        examples: the first of these rows.
    """

    verdict: RowStatus
    code: Code
    count: int = 0
    examples: list[RowIssue] = field(default_factory=list)

    def add(self, issue: RowIssue) -> None:
        """Count one row."""
        self.count += 1
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(issue)

    def as_json(self) -> dict[str, Any]:
        """Return the finding as JSON-like data."""
        examples = [{"row": issue.row, "line": issue.line, "message": issue.message} for issue in self.examples]
        return {"verdict": self.verdict, "code": str(self.code), "count": self.count, "examples": examples}


@dataclass
class CheckReport:
    """The problems of rows, and how often simple rules guess the chosen answer.

    Attributes:
        conversion: the counts of the rows: rows = formatted + skipped + rejected.
        findings: the problems by status and code, the most severe status first.
        shortcuts: for pairs, how often each rule that ignores meaning finds the chosen answer.
    """

    conversion: ConversionReport = field(default_factory=ConversionReport)
    findings: list[RowFinding] = field(default_factory=list)
    shortcuts: dict[str, Shortcut] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Return how many rows were read."""
        return self.conversion.rows

    @property
    def formatted(self) -> int:
        """Return how many rows were formatted."""
        return self.conversion.formatted

    @property
    def results(self) -> int:
        """Return how many samples the rows gave."""
        return self.conversion.results

    @property
    def skipped(self) -> int:
        """Return how many rows can be formatted but should not be trained on, even if their codes were not checked."""
        return len(self.conversion.skipped)

    @property
    def rejected(self) -> int:
        """Return how many rows cannot be formatted, even if their codes were not checked."""
        return len(self.conversion.rejected)

    @property
    def ok(self) -> bool:
        """Return whether there are no findings."""
        return not self.findings

    def counts(self) -> dict[str, int]:
        """Return the number of rows by code."""
        counts: dict[str, int] = {}
        for finding in self.findings:
            counts[str(finding.code)] = counts.get(str(finding.code), 0) + finding.count
        return counts

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON-like data."""
        findings = [finding.as_json() for finding in self.findings]
        names = ("rows", "formatted", "results", "skipped", "rejected")
        return {
            **{name: getattr(self, name) for name in names},
            "findings": findings,
            "shortcuts": {name: shortcut.as_json() for name, shortcut in self.shortcuts.items()},
            "forgotten_prompts": self.conversion.forgotten_prompts,
            "forgotten_rows": self.conversion.forgotten_rows,
            "unread_test_rows": self.conversion.unread_test_rows,
        }


def check(
    rows: RowsToCheck,
    template: Template,
    format: Format = "preference",
    *,
    test: RowsToCheck | None = None,
    without: Sequence[str] = (),
    file: str | None = None,
    style: Style | None = None,
    special_tokens: Collection[str] | None = None,
) -> CheckReport:
    """Read rows through a template, and report their problems.

    Args:
        rows: the rows, as `open_rows` returns them, or plain mappings.
        template: the dataset template.
        format: the format's name.
        test: rows of a test set; training rows should not contain their prompts.
        without: the codes and shortcuts that are not checked. Rows that cannot be formatted are still rejected.
        file: the file's name, for messages.
        style: the style in which messages will be rendered, if known. Messages that it cannot render are rejected, and
            its texts are checked as those of the template's style are.
        special_tokens: the special tokens of the tokenizer that will be used, which no content should spell; those of
            common tokenizers by default.

    Raises:
        UnknownNameError: the template cannot fill the format, or the dialect cannot write it.
        DefinitionError: `without` has a name that is neither a code nor a shortcut.

    Example:
        >>> from preftemplates import get_template
        >>> template = get_template("PKUSafeRLHF")
        >>> report = check([template.example, template.example, {"prompt": "no more"}], template)
        >>> report.rows, report.counts()
        (3, {'missing_field': 1, 'duplicate': 1})
    """
    template.check_format(format)
    tokens = None if special_tokens is None else frozenset(special_tokens)
    checker = Checker(template, format, check_rule_names(without), style, tokens)
    conversion = Conversion(rows, template, format, on_error="skip", file=file, flag=False, traced=True, style=style)
    checker.check(conversion, test)
    return checker.report(conversion.report)


def check_rule_names(names: Sequence[str]) -> frozenset[str]:
    """Check that each name is a code or a shortcut, and return the names.

    Raises:
        DefinitionError: a name is neither; the message suggests the nearest name.
    """
    rule_names = [*map(str, Code), *SHORTCUTS]
    for name in names:
        if name not in rule_names:
            guess = did_you_mean(name, rule_names) or (
                f" The shortcuts are {', '.join(SHORTCUTS)}; the page 'Troubleshooting' lists the codes."
            )
            raise DefinitionError(f"no code or shortcut {name!r}.{guess}")
    return frozenset(names)


class Checker:
    """Checks rows one by one or slice by slice, and collects the findings of the rules."""

    def __init__(
        self,
        template: Template,
        format: Format,
        without: frozenset[str],
        style: Style | None,
        special_tokens: frozenset[str] | None = None,
    ) -> None:
        self._special_tokens = special_tokens
        self._template, self._format, self._without = template, format, without
        self._rules = {code: rule for code, rule in SINGLE_ROW_RULES.items() if code not in without}
        self._copies: CopyFinder | ColumnarCopyFinder = CopyFinder(without)
        self._findings: dict[tuple[RowStatus, Code], RowFinding] = {}
        self._flagged: tuple[int, set[Code]] = (-1, set())
        self._columns = template.known_columns(format)
        counts_shortcuts = format == Preference.format and self._columns is not None
        self._shortcuts = ShortcutCounts() if counts_shortcuts else None
        self._style = template.text_style(format) or style
        self._unread_test_rows = 0

    def check(self, conversion: Conversion, test: RowsToCheck | None) -> None:
        """Check all rows: by slices if there are many, otherwise one by one.

        Args:
            conversion: formats the rows.
            test: the rows of a test set.
        """
        prompts = None if test is None else TestPrompts(test, self._template, self._format)
        compared = prompts if prompts is not None and not self._without.issuperset(TEST_CODES) else ()
        first_prompts, prompt_rest = _read_first(compared)
        first_records, records = _read_first(conversion.list_records())
        is_large = FIRST_ROWS in (len(first_prompts), len(first_records))
        columnar = self._make_slice_checker(conversion) if is_large else None
        if columnar is None:
            self._check_rows(conversion, records, prompt_rest)
        else:
            self._check_slices(columnar, records, prompt_rest)
        self._unread_test_rows = 0 if prompts is None else prompts.unread_rows

    def _make_slice_checker(self, conversion: Conversion) -> ColumnarSliceChecker | None:
        """Return a checker of slices; None if a library for columns is not installed or no plan can be made."""
        if not (find_spec("pyarrow") and find_spec("numpy")):
            return None
        from preftemplates.data.columnar.checks.checking import ColumnarSliceChecker

        style = self._style if self._template.text_style(self._format) is None else None
        options = SliceOptions(self._template, self._format, style, self._special_tokens)
        columns = None if self._shortcuts is None else [*(self._columns or ())]
        checker = ColumnarSliceChecker(conversion, options, columns, self._without)
        return None if checker.reason else checker

    def _check_rows(self, conversion: Conversion, records: Iterable[Record], prompts: Iterable[TestPrompt]) -> None:
        copies = CopyFinder(self._without)
        self._copies = copies
        for prompt in prompts:
            copies.remember_test_prompt(prompt.messages, prompt.row, prompt.tools)
        for record in records:
            for formatted in conversion.accept(record):
                accepted = self._make_accepted(record, formatted)
                if accepted is not None:
                    self._flag(record, self._apply_rules(accepted) | copies.find(accepted))
                    self._count_shortcuts(formatted)

    def _check_slices(
        self, checker: ColumnarSliceChecker, records: Iterator[Record], prompts: Iterable[TestPrompt]
    ) -> None:
        self._copies = checker.copies
        checker.remember_test(prompts)
        for found in checker.check(records):
            flagged: list[tuple[int, RowIssue]] = []
            for number, record, formatted in found.others:
                accepted = self._make_accepted(record, formatted)
                assert accepted is not None
                issues = self._apply_rules(accepted).items()
                flagged += [(number, RowIssue(record.row, record.line, *issue)) for issue in issues]
                self._count_shortcuts(formatted)
            for _, issue in sorted([*flagged, *found.copies], key=lambda item: item[0]):
                self._flag_once(issue)
            for name, choices in found.choices.items():
                if self._shortcuts is not None:
                    self._shortcuts.by_name[name].add_counts(*choices)

    def _make_accepted(self, record: Record, formatted: Formatted) -> AcceptedSample | None:
        """Return a sample in the form that rules take; None for a custom template."""
        if formatted.messages is None:
            return None
        assert not isinstance(record.cells, RowError)
        unread = tuple(self._template.find_unread(record.cells))
        return AcceptedSample(
            record.row, formatted.messages, self._style, formatted.texts, unread, self._special_tokens
        )

    def _apply_rules(self, accepted: AcceptedSample) -> dict[Code, str]:
        """Return the findings of the rules on single samples."""
        messages = {code: rule(accepted, {}) for code, rule in self._rules.items()}
        return {code: message for code, message in messages.items() if message is not None}

    def _count_shortcuts(self, formatted: Formatted) -> None:
        if self._shortcuts is not None:
            self._shortcuts.add(formatted, self._columns or ())

    def _flag(self, record: Record, messages: Mapping[Code, str]) -> None:
        for code, message in messages.items():
            self._flag_once(RowIssue(record.row, record.line, code, message))

    def _flag_once(self, issue: RowIssue) -> None:
        """Flag a row, once for each code."""
        row, codes = self._flagged
        if row != issue.row:
            codes = set()
        if issue.code not in codes:
            self._add("flagged", issue)
        self._flagged = issue.row, codes | {issue.code}

    def _add(self, status: RowStatus, issue: RowIssue) -> None:
        self._findings.setdefault((status, issue.code), RowFinding(status, issue.code)).add(issue)

    def report(self, rows: ConversionReport) -> CheckReport:
        """Return the findings, with the counts of a conversion of the rows."""
        lists: dict[RowStatus, IssueLog] = {
            "rejected": rows.rejected, "skipped": rows.skipped, "left out": rows.left_out
        }  # fmt: skip
        for status, issues in lists.items():
            for issue in issues:
                if issue.code not in self._without:
                    self._add(status, issue)
        if rows.unread.content_rows and Code.UNREAD_CONTENT not in self._without:
            self._findings["flagged", Code.UNREAD_CONTENT] = _make_unread_finding(rows.unread)
        one_class = rows.find_one_class()
        if one_class is not None and Code.ONE_CLASS not in self._without:
            finding = RowFinding("flagged", Code.ONE_CLASS, rows.classes.total(), [one_class])
            self._findings["flagged", Code.ONE_CLASS] = finding
        order = [*lists, "flagged"]
        findings = sorted(self._findings.values(), key=lambda finding: (order.index(finding.verdict), -finding.count))
        shortcuts = {} if self._shortcuts is None else self._shortcuts.by_name
        shortcuts = {name: shortcut for name, shortcut in shortcuts.items() if name not in self._without}
        rows.forgotten_prompts, rows.forgotten_rows = self._copies.forgotten, self._copies.forgotten_rows
        rows.unread_test_rows = self._unread_test_rows
        return CheckReport(rows, findings, shortcuts)


def _read_first(items: Iterable[T]) -> tuple[list[T], Iterator[T]]:
    """Return the first few items, and an iterator over all items."""
    rest = iter(items)
    first = [*islice(rest, FIRST_ROWS)]
    return first, chain(first, rest)


def _make_unread_finding(unread: UnreadCounts) -> RowFinding:
    """Return the finding for rows that hold content which the template does not read."""
    examples = [
        RowIssue(row, line, Code.UNREAD_CONTENT, f"not read: {', '.join(paths)}")
        for row, line, paths in unread.first_rows
    ]
    return RowFinding("flagged", Code.UNREAD_CONTENT, unread.content_rows, examples)
