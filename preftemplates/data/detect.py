"""Detect which templates fit the columns and types of some rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from preftemplates.core.paths import spell_path
from preftemplates.core.samples import SAMPLE_TYPES, Format, PromptOnly, Sample
from preftemplates.data.csv_rows import parse_cells
from preftemplates.data.row_rules import is_json_text
from preftemplates.errors import Code, RowError, StyleError, find_nearest
from preftemplates.templates.library import TEMPLATES, get_template
from preftemplates.templates.unread import UnreadValue, carries_content, has_value, is_ignored

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from preftemplates.core.messages import Message
    from preftemplates.templates.template import Template


DetectedRow = Mapping[str, Any] | RowError
"""A row, or the error with which it could not be read."""

_LOSS = 0.2
"""The factor by which a candidate's score falls for each unread column of content."""


@dataclass
class TemplateCandidate:
    """A template in one dataset type, and how well rows fit it.

    Attributes:
        template: the template.
        format: the format.
        read: the columns that it reads and that exist.
        unread: the columns that it does not read.
        missing: the required columns that do not exist, each with the nearest existing column, or None.
        rows: how many rows were tried.
        fit: how many of them can be formatted.
        reasons: how many of the other rows are rejected, by code.
        first: the sample of the first row that fits.
        unread_content: the unread columns that carry content, such as a label or a score.
        absent: how many of the columns that it would read do not exist.
        first_rejected: the number of the first rejected row, and the reason.
        variant_of: the template that gives the same samples with another label, if this one is named after it.
    """

    template: Template
    format: Format
    read: list[str]
    unread: list[str]
    missing: dict[str, str | None] = field(default_factory=dict)
    rows: int = 0
    fit: int = 0
    reasons: Counter[Code] = field(default_factory=Counter)
    first: Sample[list[Message]] | None = None
    unread_content: list[str] = field(default_factory=list)
    absent: int = 0
    first_rejected: tuple[int, str] | None = None
    variant_of: TemplateCandidate | None = None

    @property
    def score(self) -> float:
        """Return how much of the rows is read, from 0 to 1: the share of rows that fit, times 0.2 for each loss.

        A loss is an unread column that carries content, samples without a prompt, or texts that are the JSON text of
        messages.
        """
        share = self.fit / self.rows if self.rows else 0.0
        has_no_prompt = self.first is not None and not self.first.prompt
        is_json = self.first is not None and _holds_json_text(self.first)
        return share * _LOSS ** (len(self.unread_content) + has_no_prompt + is_json)

    @property
    def rank(self) -> tuple[Any, ...]:
        """Return the sort key: what is read, responses, columns, real rows, no particular dataset, name."""
        if self.variant_of is not None:  # users choose another label themselves
            return (*self.variant_of.rank, self.template.name.casefold(), self.format)
        sample_type = SAMPLE_TYPES.get(self.format)
        responses = len(sample_type.response_names) + bool(sample_type.several)
        about, name = self.template.about, self.template.name.casefold()
        # among templates with the same result, a layout is a better suggestion than a particular dataset
        layout = (not about.verified, bool(about.dataset), self.absent, name, self.format)
        return -self.score, -min(responses, 2), len(self.unread), *layout

    @property
    def why(self) -> str:
        """Return why the template fits or does not fit, in words."""
        if self.missing:
            lacking = [name + (f" (nearest: {nearest})" if nearest else "") for name, nearest in self.missing.items()]
            return f"has no {', '.join(lacking)}"
        fit = f"{self.fit} of {self.rows} rows fit"
        if self.first_rejected is not None:
            reasons = ", ".join(f"{count} {code}" for code, count in self.reasons.most_common())
            number, reason = self.first_rejected
            rejected = f"{self.rows - self.fit} of {self.rows} rows rejected"
            fit = f"all columns present, {rejected} ({reasons}); the first is row {number}: {reason}"
        unread = f"; leaves {', '.join(self.unread)} unread" if self.unread else ""
        return f"{fit}; reads {', '.join(self.read)}{unread}"

    def as_json(self) -> dict[str, Any]:
        """Return everything except the sample, as JSON-like data."""
        reasons = {str(code): count for code, count in self.reasons.items()}
        counts = {"rows": self.rows, "fit": self.fit, "refused": reasons}
        columns = {"read": self.read, "unread": self.unread, "missing": self.missing}
        return {"template": self.template.name, "format": self.format, **counts, **columns, "why": self.why}


def detect_templates(
    rows: Sequence[DetectedRow], names: Iterable[str] | None = None, *, are_texts: bool = False
) -> list[TemplateCandidate]:
    """Return the templates that some rows fit, the best first.

    The result is not a decision: several templates may fit the same columns, and two label conventions the same
    numbers. Look at the samples.

    Args:
        rows: some rows of one file; an error stands for a row that could not be read and counts as rejected.
        names: the templates to try; None for all registered templates.
        are_texts: whether all values are texts, as in a CSV, so that each template parses them by its types.

    Returns:
        A candidate for each template and dataset type that at least one row fits. Prompts alone count only if nothing
            else fits.

    Example:
        >>> row = {"prompt": "Mint?", "response_0": "Yes.", "response_1": "No.", "better_response_id": 0}
        >>> detect_templates([row])[0].template
        <Template PKUSafeRLHF>
    """
    tried = list(_try_templates(rows, names, are_texts=are_texts))
    _find_variants(tried)
    candidates = [candidate for candidate in tried if _is_found(candidate)]
    if not candidates:  # rows of prompts alone
        prompts = _try_templates(rows, names, prompts=True, are_texts=are_texts)
        candidates = [candidate for candidate in prompts if candidate.fit and not candidate.unread]
    return sorted(candidates, key=lambda candidate: (_is_covered(candidate, candidates), candidate.rank))


def _is_covered(candidate: TemplateCandidate, others: Sequence[TemplateCandidate]) -> bool:
    """Return whether a template reads only prompts from columns that another one reads with an answer."""
    return candidate.format == PromptOnly.format and any(
        other.format != PromptOnly.format and other.fit >= candidate.fit and {*other.read} >= {*candidate.read}
        for other in others
    )


def _is_found(candidate: TemplateCandidate) -> bool:
    """Return whether rows fit a template that is neither a variant nor reads only prompts from rows with more."""
    if not candidate.fit or (candidate.variant_of and not candidate.variant_of.fit):
        return False
    return candidate.format != PromptOnly.format or not candidate.unread_content


def _holds_json_text(sample: Sample[list[Message]]) -> bool:
    """Return whether a content is the JSON text of messages."""
    return any(is_json_text(message) for part in (sample.prompt, *sample.responses.values()) for message in part)


def _find_variants(candidates: Sequence[TemplateCandidate]) -> None:
    """Mark each candidate that is a variant of another one by its label, such as `PKUSafeRLHF-safer`.

    A variant may read more columns, as `PKUSafeRLHF-safety` does. Another label is never recommended just because the
    first is bad.
    """
    by_name = {(candidate.template.name, candidate.format): candidate for candidate in candidates}
    for candidate in candidates:
        name, _, suffix = candidate.template.name.rpartition("-")
        base = by_name.get((name, candidate.format)) if suffix else None
        if base is None or base.missing or candidate.missing:
            continue
        if len(base.read) <= len(candidate.read) and len({*base.read} - {*candidate.read}) == 1:
            candidate.variant_of = base


def find_near_misses(
    rows: Sequence[DetectedRow], names: Iterable[str] | None = None, *, are_texts: bool = False
) -> list[TemplateCandidate]:
    """Return the templates that reject all rows, and those whose missing columns have near names in the rows.

    The arguments are those of `detect_templates`.
    """
    candidates = list(_try_templates(rows, names, are_texts=are_texts))
    rejecting = [candidate for candidate in candidates if candidate.rows and candidate.read and not candidate.fit]
    missed = [candidate for candidate in candidates if candidate.missing and all(candidate.missing.values())]
    return [
        *sorted(rejecting, key=lambda candidate: (len(candidate.unread_content), candidate.rank)),
        *sorted(missed, key=lambda candidate: (len(candidate.missing), candidate.rank)),
    ]


def _try_templates(
    rows: Sequence[DetectedRow], names: Iterable[str] | None, *, prompts: bool = False, are_texts: bool
) -> Iterable[TemplateCandidate]:
    readable = [row for row in rows if isinstance(row, Mapping)]
    columns = list(dict.fromkeys(str(column) for row in readable for column in row))
    content = _find_content_columns(readable)
    for name in TEMPLATES.load_names()[0] if names is None else names:
        template = get_template(name)
        for format in template.formats:
            template_columns = template.known_columns(format)
            if template_columns is not None and (
                prompts == (format == PromptOnly.format) or template.formats == (PromptOnly.format,)
            ):
                cells = [_parse_row(row, template) for row in rows] if are_texts else rows
                yield _try_template(template, format, cells, columns, template_columns, content)


def _parse_row(row: DetectedRow, template: Template) -> DetectedRow:
    return parse_cells(row, template.cell_parsers) if isinstance(row, Mapping) else row


def _find_content_columns(rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the columns that carry content in some row."""
    values = {str(column): value for row in rows for column, value in row.items() if has_value(value)}
    return {column for column, value in values.items() if carries_content(UnreadValue(spell_path((column,)), value))}


def _try_template(
    template: Template,
    format: Format,
    rows: Sequence[DetectedRow],
    columns: list[str],
    template_columns: list[str],
    content: Collection[str],
) -> TemplateCandidate:
    read_columns = [column for column in template_columns if column in columns]
    ignored = frozenset(template.about.ignored)
    unread = [column for column in columns if column not in template_columns]
    candidate = TemplateCandidate(template, format, read_columns, unread)
    candidate.absent = len(template_columns) - len(read_columns)
    candidate.unread_content = [column for column in unread if column in content and not is_ignored(column, ignored)]
    try:
        template.check_columns(format, columns)
    except RowError:
        absent = [column for column in template_columns if column not in columns]
        needed = [column for column in absent if _is_needed(template, format, column, columns)]
        candidate.missing = {column: find_nearest(column, candidate.unread) for column in needed}
        return candidate
    for number, row in enumerate(rows):
        candidate.rows += 1
        try:
            if isinstance(row, RowError):
                raise row
            extracted = template.extract_all(row, format)
        except (RowError, StyleError) as error:
            candidate.reasons[error.code or Code.BAD_EXPRESSION] += 1
            candidate.first_rejected = candidate.first_rejected or (number, error.reason)
            continue
        candidate.fit += 1
        candidate.first = candidate.first or next(iter(extracted.samples), None)
    return candidate


def _is_needed(template: Template, format: Format, column: str, columns: list[str]) -> bool:
    """Return whether a column is required."""
    others = [name for name in template.columns(format) if name != column]
    try:
        template.check_columns(format, [*columns, *others])
    except RowError:
        return True
    return False
