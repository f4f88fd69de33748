"""Count every row and sample of a source, and raise errors when too many are rejected or dropped."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from preftemplates.data.issues import IssueLog, RowIssue
from preftemplates.data.row_rules import REMEMBERING
from preftemplates.errors import preview
from preftemplates_train.data.lengths import LengthReport
from preftemplates_train.errors import SetupError, TooManyBadRowsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from preftemplates.data import ConversionReport
    from preftemplates.errors import Code
    from preftemplates_train.data.labelled_texts import LabelledTexts
    from preftemplates_train.settings.objectives import SampleUnit
    from preftemplates_train.settings.run_settings import LengthPolicy


@dataclass
class SourceReport:
    """The counts of a source.

    Attributes:
        name: the name of the source.
        template: the name of its template.
        unit: the word for a sample.
        rows: the counts of its rows, one report per file or split.
        train: the counts of its training samples.
        held_out: the counts of its held-out samples.
        shared: its training rows whose prompts are also held out, exactly or nearly.
    """

    name: str
    template: str
    unit: SampleUnit = "pair"
    rows: list[ConversionReport] = field(default_factory=list)
    train: LengthReport = field(default_factory=LengthReport)
    held_out: LengthReport = field(default_factory=LengthReport)
    shared: IssueLog = field(default_factory=IssueLog)

    def summarize(self) -> dict[str, Any]:
        """Return all counts by name; rows = formatted + skipped + rejected. Single answers have no count `equal`."""
        sides = [asdict(self.train), asdict(self.held_out)]
        names = ("too_long", *(("equal",) if self.unit == "pair" else ()), "unencodable", "cut", "control_text")
        dropped = {name: sum(side[name] for side in sides) for name in names}
        return {
            "name": self.name,
            "template": self.template,
            "rows": sum(report.rows for report in self.rows),
            "formatted": sum(report.formatted for report in self.rows),
            "skipped": sum(len(report.skipped) for report in self.rows),
            "rejected": sum(len(report.rejected) for report in self.rows),
            **{str(code): count for code, (count, _) in self.count_copies().items()},
            **dropped,
            f"train_{self.unit}s": self.train.kept,
            f"eval_{self.unit}s": self.held_out.kept,
        }

    def count_copies(self) -> dict[Code, tuple[int, RowIssue | None]]:
        """Return the number of rows that are copies and the first such row, by the codes of `check`."""
        logs = [*(report.flagged for report in self.rows), self.shared]
        return {
            code: (sum(log.counts[code] for log in logs), next(chain(*(log.examples(code) for log in logs)), None))
            for code in REMEMBERING
        }


def check_rejected_rows(name: str, report: ConversionReport) -> None:
    """Raise an error for a source with more rejected rows than allowed.

    Raises:
        TooManyBadRowsError: the message names the first rejected row.
    """
    if report.too_many_rejected:
        first = report.rejected[0]
        line = "" if first.line is None else f" (line {first.line})"
        raise TooManyBadRowsError(
            f"{name}: {len(report.rejected)} of {report.rows} rows are rejected, more than the {report.allowed}"
            f" allowed; the first is row {first.row}{line}: {first.message}"
        )


def make_no_sample_error(
    purpose: str,
    reports: Mapping[str, Sequence[ConversionReport]],
    unit: SampleUnit = "pair",
    dropped: Mapping[str, LengthReport] = MappingProxyType({}),
    max_length: int = 0,
    policy: LengthPolicy = "drop",
) -> SetupError:
    """Return the error for data without samples, with the reason why samples are dropped or a row gives none.

    Args:
        purpose: the verb phrase after "no pair to".
        reports: the counts of the rows by the source's name.
        unit: the word for a sample.
        dropped: the counts of the samples by the source's name, if they were encoded.
        max_length: the largest number of tokens that a text may have.
        policy: how a sample with a longer text is handled.
    """
    for name, report in dropped.items():
        if report.kept:
            return SetupError(
                f"there is no {unit} to {purpose}: {name}: its weight leaves none of {report.kept} {unit}s; use a"
                " larger weight"
            )
        if report.samples:
            reasons, remedies = _describe_dropped(report, max_length, policy)
            use = f"; use {' or '.join(remedies)}" if remedies else ""
            return SetupError(
                f"there is no {unit} to {purpose}: {name}: all {report.samples} {unit}s are dropped: {reasons}{use}"
            )
    first_reasons = (
        f": {name}, row {issue.row}: {issue.message}"
        for name, of_source in reports.items()
        for report in of_source
        for issue in (*report.rejected, *report.skipped)
    )
    return SetupError(f"there is no {unit} to {purpose}" + next(first_reasons, ""))


def _describe_dropped(report: LengthReport, max_length: int, policy: LengthPolicy) -> tuple[str, list[str]]:
    """Return the counts of dropped samples by their reasons, and the options that keep more samples."""
    longer = ["a larger --max_length", *(["--length_policy cut_prompt"] if policy == "drop" else [])]
    causes: tuple[tuple[int, str, list[str]], ...] = (
        (report.too_long, f"too long for {max_length} tokens", longer),
        (report.unencodable, "unencodable", ["another --pad_token"]),
        (report.equal, "equal as tokens", []),
    )
    reasons = ", ".join(f"{count} {reason}" for count, reason, _ in causes if count)
    return reasons, [option for count, _, options in causes if count for option in options]


def check_dropped_samples(
    name: str,
    report: LengthReport,
    max_length: int,
    allowed: float,
    policy: LengthPolicy = "drop",
    unit: SampleUnit = "pair",
) -> None:
    """Raise an error for a source with a greater share of dropped samples than allowed.

    Raises:
        SetupError: the message counts the reasons and names the options that keep more samples.
    """
    dropped = report.samples - report.kept
    if dropped <= allowed * report.samples:
        return
    reasons, options = _describe_dropped(report, max_length, policy)
    remedies = ", ".join([*options, "or a higher --max_dropped"]) if options else "a higher --max_dropped"
    share = f"{dropped} of {report.samples} {unit}s" if report.kept else f"all {report.samples} {unit}s"
    raise SetupError(
        f"{name}: {share} would be dropped, more than the {allowed:.0%} allowed: {reasons}; use {remedies}"
    )


def check_pad_token(
    name: str, samples: Sequence[LabelledTexts], pad_token: str, allowed: float, unit: SampleUnit = "pair"
) -> None:
    """Raise an error if the texts of more samples than may be dropped contain the pad token.

    A framework that loads the model may treat the token as padding, and give such a text another reward.

    Raises:
        SetupError: the message counts the samples.
    """
    spelling = sum(any(pad_token in text for text in sample.texts) for sample in samples)
    if spelling > allowed * len(samples):
        raise SetupError(
            f"{name}: the pad token {preview(pad_token)} is in the texts of {spelling} of {len(samples)} {unit}s, more"
            f" than the {allowed:.0%} allowed; name another --pad_token"
        )
