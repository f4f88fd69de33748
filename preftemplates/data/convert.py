"""Conversion: rows in, results out, and every other row counted by its reason."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Literal

from preftemplates.core.samples import Unpaired
from preftemplates.data.content_rules import SINGLE_ROW_RULES
from preftemplates.data.convert_report import ConversionReport
from preftemplates.data.issues import RowIssue
from preftemplates.data.reading import Record
from preftemplates.data.result_slice import SliceOptions
from preftemplates.data.row_rules import AcceptedSample
from preftemplates.data.skips import find_skip_reasons
from preftemplates.data.slices import RowSliceConverter, make_slice_converter
from preftemplates.errors import Code, DefinitionError, RowError, StyleContractError, preview
from preftemplates.templates.rendering import render_texts
from preftemplates.templates.results import list_unwritten_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from preftemplates.core.samples import Format
    from preftemplates.data.copies import CopyFinder
    from preftemplates.data.result_slice import ResultSlice
    from preftemplates.styles.style import Style
    from preftemplates.templates.results import Formatted
    from preftemplates.templates.template import Template
    from preftemplates.templates.unread import UnreadValue

OnError = Literal["raise", "skip"]

OnCopy = Literal["flag", "skip"]
"""Whether copies are written and flagged, or skipped."""


FIRST_ROWS = 1000
"""How many rows are converted one by one before the others are converted as columns."""

_CHECKS_OF_PLANS = ("check_fits_json", "check_fits_schema")
"""The checks that every result of a plan passes, since it holds only texts, messages of texts and labels."""

_SKIPPED_COPIES = (Code.DUPLICATE, Code.IN_TEST, Code.NEAR_TEST)
"""The copies that can be skipped. A contradiction may be the right row, and a near copy of a prompt with other answers
may be another question."""


class Conversion:
    """Formats rows one by one; iterate over it for the results, and read its report at any time.

    Args:
        records: the rows, as `open_rows` returns them; plain mappings are numbered in order.
        template: the dataset template.
        format: the format's name.
        on_error: whether a row that cannot be formatted raises its error or is counted as rejected. In both cases,
            rows that should not be trained on (empty, equal) are skipped and counted.
        file: the file's name, for errors.
        check: raises a `RowError` for a result that the output has no place for.
        flag: whether formatted rows are checked and flagged.
        traced: whether the messages of formatted rows know the values that they came from.
        style: the style in which messages will be rendered, if known. Messages that it cannot render are rejected, and
            its texts are checked as those of the template's style are: whether they are equal, hold `control_text`, or
            do not begin with the prompt's text.
        special_tokens: the special tokens of the tokenizer that will be used, which no content should spell; those of
            common tokenizers by default.
        copies: finds rows that are copies of earlier rows, or whose prompts are in a test set; None finds no copies.
        on_copy: whether such rows are flagged or skipped. Contradictions are flagged in both cases.
        read_keys: keys of messages that are read later and therefore not reported as unread.

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
        special_tokens: Collection[str] | None = None,
        copies: CopyFinder | None = None,
        on_copy: OnCopy = "flag",
        read_keys: Collection[str] = (),
    ) -> None:
        if on_error not in ("raise", "skip"):
            raise DefinitionError(f"on_error must be 'raise' or 'skip'; got {preview(on_error)}")
        if on_copy not in ("flag", "skip"):
            raise DefinitionError(f"on_copy must be 'flag' or 'skip'; got {preview(on_copy)}")
        self._records = records
        self._template = template
        self._format = format
        self._on_error = on_error
        self._file = file
        self._check = check
        self._flags = flag
        self._traced = traced
        self._special_tokens = None if special_tokens is None else frozenset(special_tokens)
        self._copies, self._on_copy = copies, on_copy
        self._read_keys = frozenset(read_keys)
        self._unread: tuple[UnreadValue, ...] = ()
        self._style = template.text_style(format) or style
        self._renders_later = template.text_style(format) is None and style is not None
        self.report = ConversionReport()
        self._last_flagged: deque[RowIssue] = deque(maxlen=len(SINGLE_ROW_RULES))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (formatted.result for _, formatted in self.accepted())

    def accepted(self) -> Iterator[tuple[Record, Formatted]]:
        """Yield the formatted samples, each with its row and its source; start a new report."""
        self.report = ConversionReport()
        for record in self.list_records():
            for formatted in self.accept(record):
                yield record, formatted
        self.finish()

    def list_records(self) -> Iterator[Record]:
        """Yield the rows; number plain mappings in order."""
        for number, item in enumerate(self._records):
            yield item if isinstance(item, Record) else Record(number, None, item)

    def accept(self, record: Record) -> list[Formatted]:
        """Return the samples of one row that are kept, and count the row.

        Raises:
            RowError: the row cannot be formatted and `on_error` is "raise".
        """
        self.report.rows += 1
        try:
            samples = self._convert(record)
        except (RowError, StyleContractError) as error:
            if error.code is Code.TIE:  # raised by a filter
                self.report.skipped.append(RowIssue(record.row, record.line, Code.TIE, error.reason))
                return []
            located = error.located(row=record.row, line=record.line, file=self._file)
            if self._on_error == "raise":
                raise located from error
            code = error.code or Code.BAD_EXPRESSION
            self.report.rejected.append(RowIssue(record.row, record.line, code, located.reason))
            return []
        self.report.formatted += bool(samples)
        self.report.results += len(samples)
        for formatted in samples:
            self._count_class(record, formatted)
            self._flag(record, formatted)
        return samples

    def find_unread(self, cells: Any, touched: frozenset[str] | None = None) -> tuple[UnreadValue, ...]:
        """Return the values of a row that the template does not read.

        Args:
            cells: the row.
            touched: for a custom template, the columns that its class has read.
        """
        unread = self._template.find_unread(cells, touched)
        return tuple(value for value in unread if "[]" not in value.path or value.key not in self._read_keys)

    def finish(self) -> None:
        """Complete the counts that are only known after the last row."""
        if self._copies is not None:
            self.report.forgotten_prompts = self._copies.forgotten
            self.report.forgotten_rows = self._copies.forgotten_rows
            self.report.unread_test_rows = self._copies.unread_test_rows
        issue = self.report.find_one_class() if self._flags else None
        if issue is not None:
            self.report.flagged.append(issue)

    def convert_slices(self, first_rows: int = FIRST_ROWS) -> Iterator[ResultSlice]:
        """Yield the results in slices, mostly as columns; start a new report, which equals that of the row path.

        If pyarrow is not installed or no plan can be made of the template, all rows are formatted one by one.

        Args:
            first_rows: how many rows are always formatted one by one; a small file is finished before the libraries
                for columns are imported.

        Raises:
            RowError: as for iterating.
        """
        self.report = ConversionReport()
        records, row_converter = self.list_records(), RowSliceConverter(self)
        for record in islice(records, first_rows):
            yield row_converter.convert([record])
        following = next(records, None)
        if following is not None:
            converter = make_slice_converter(self, self.make_slice_options())
            for rows in converter.cut(chain([following], records)):
                yield converter.convert(rows)
        self.finish()

    def make_slice_options(self) -> SliceOptions | None:
        """Return the options of the columnar path; None if only the row path can do what is asked."""
        check = getattr(self._check, "func", self._check)  # a partial function holds it as `func`
        is_known = check is None or getattr(check, "__name__", "") in _CHECKS_OF_PLANS
        if self._copies is not None or self._traced or not self._flags or not is_known:
            return None
        style = self._style if self._renders_later else None
        return SliceOptions(self._template, self._format, style, self._special_tokens)

    def _convert(self, record: Record) -> list[Formatted]:
        """Return the row's samples that can be trained on; count the others."""
        if isinstance(record.cells, RowError):
            raise record.cells
        row = self._template.formatted(record.cells, self._format, traced=self._traced)
        samples, lost, reading = row.samples, row.lost, row.reading
        if self._renders_later:
            samples = [self._rendered(formatted) for formatted in samples]
        reasons = find_skip_reasons(samples, self._template.ties)
        good = [formatted for formatted, reason in zip(samples, reasons, strict=True) if reason is None]
        if self._check is not None:
            for formatted in good:
                self._check(formatted.result)
        self.report.lost.update(lost)
        self.report.changed.update(reading.count_changes(record.is_table))
        reasons += [Code.TIE] * row.ties
        bad = [RowIssue(record.row, record.line, reason, reason.meaning) for reason in reasons if reason is not None]
        if good:
            self._unread = self.find_unread(record.cells, row.touched)
        if self._copies is not None:
            good, copies = self._select_kept(record, good)
            bad += copies
        for formatted in good:
            self.report.lost.update(formatted.without_key)
        if good:
            self.report.left_out += bad
            self.report.unread.add(self._unread, record.row, record.line)
        else:
            nothing = RowIssue(record.row, record.line, Code.NO_SAMPLE, Code.NO_SAMPLE.meaning)
            self.report.skipped.append(bad[0] if bad else nothing)
        return good

    def _select_kept(self, record: Record, samples: list[Formatted]) -> tuple[list[Formatted], list[RowIssue]]:
        """Return the samples that are kept, and the reasons for the others; flag copies that are kept."""
        kept: list[Formatted] = []
        skipped, flagged = list[RowIssue](), dict[Code, RowIssue]()
        for formatted in samples:
            found = {
                code: RowIssue(record.row, record.line, code, message)
                for code, message in self._find_copies(record, formatted).items()
            }
            copies = [issue for code, issue in found.items() if code in _SKIPPED_COPIES]
            if copies and self._on_copy == "skip":
                skipped.append(copies[0])
            else:
                kept.append(formatted)
                flagged |= found
        self.report.flagged += flagged.values()
        return kept, skipped

    def _find_copies(self, record: Record, formatted: Formatted) -> Mapping[Code, str]:
        if formatted.messages is None or self._copies is None:
            return {}
        return self._copies.find(AcceptedSample(record.row, formatted.messages, self._style, unread=self._unread))

    def _rendered(self, formatted: Formatted) -> Formatted:
        """Return messages with their texts in the style.

        Raises:
            RowError: the style cannot render them.
        """
        if formatted.messages is None or self._style is None:
            return formatted
        texts = render_texts(formatted.messages, self._style)
        unwritten = tuple(list_unwritten_keys(formatted.messages, texts))
        return replace(formatted, texts=texts, without_key=(*formatted.without_key, *unwritten))

    def _count_class(self, record: Record, formatted: Formatted) -> None:
        """Count the labels of single answers."""
        if isinstance(formatted.messages, Unpaired):
            self.report.classes[bool(formatted.messages.label)] += 1
            self.report.first_answer = self.report.first_answer or (record.row, record.line)

    def _flag(self, record: Record, formatted: Formatted) -> None:
        """Count a formatted row that should be looked at."""
        if formatted.messages is None or not self._flags:
            return
        accepted = AcceptedSample(
            record.row, formatted.messages, self._style, formatted.texts, self._unread, self._special_tokens
        )
        for code, rule in SINGLE_ROW_RULES.items():
            message = rule(accepted, {})
            issue = RowIssue(record.row, record.line, code, message or "")
            if message is not None and issue not in self._last_flagged:
                self._last_flagged.append(issue)
                self.report.flagged.append(issue)
