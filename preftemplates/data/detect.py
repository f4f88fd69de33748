"""Detect templates: which of them fit the columns and types of some rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from preftemplates.core.samples import SAMPLE_TYPES, Format, Sample
from preftemplates.errors import Code, RowError, StyleError, find_nearest
from preftemplates.templates.library import get_template, list_templates

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from preftemplates.core.messages import Message
    from preftemplates.templates.template import Template


@dataclass
class TemplateCandidate:
    """A template in one of its formats, and how well rows fit it.

    Attributes:
        template: the template.
        format: the format.
        read: the columns that it reads and that are there.
        unread: the columns that it does not read.
        missing: the columns that it must read and that are not there, each with the nearest that is, or None.
        rows: how many rows were tried.
        fit: how many of them can be formatted.
        reasons: for the others, how many are refused by code.
        first: the sample of the first row that fits.
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

    @property
    def rank(self) -> tuple[Any, ...]:
        """What candidates are sorted by: rows that fit, responses, columns that are read, real rows, name."""
        share = self.fit / self.rows if self.rows else 0.0
        sample_type = SAMPLE_TYPES.get(self.format)
        responses = len(sample_type.response_names) + bool(sample_type.several)
        verified = self.template.about.verified
        return -share, -(responses > 1), len(self.unread), not verified, self.template.name.casefold(), self.format

    @property
    def why(self) -> str:
        """Why the template fits, or does not, in words."""
        if self.missing:
            lacking = [name + (f" (near: {nearest})" if nearest else "") for name, nearest in self.missing.items()]
            return f"has no {', '.join(lacking)}"
        reads = f"{self.fit} of {self.rows} rows fit; reads {', '.join(self.read)}"
        reasons = ", ".join(f"{count} x {code}" for code, count in self.reasons.most_common())
        unread = f"; leaves {', '.join(self.unread)} unread" if self.unread else ""
        return reads + unread + (f"; refuses {reasons}" if reasons else "")

    def as_json(self) -> dict[str, Any]:
        """Return everything but the sample, as JSON-like data."""
        reasons = {str(code): count for code, count in self.reasons.items()}
        counts = {"rows": self.rows, "fit": self.fit, "refused": reasons}
        columns = {"read": self.read, "unread": self.unread, "missing": self.missing}
        return {"template": self.template.name, "format": self.format, **counts, **columns, "why": self.why}


def detect_templates(rows: Sequence[Mapping[str, Any]], names: Iterable[str] | None = None) -> list[TemplateCandidate]:
    """Return the templates that some rows fit, the best first.

    Nothing is decided: several templates may fit the same columns, and two label conventions the same numbers. Look at
    the samples.

    Args:
        rows: some rows of one file.
        names: the templates to try; all that are registered, if None.

    Returns:
        A candidate for each template and format that at least one row fits; prompts alone are a format where nothing
        else fits.

    Example:
        >>> row = {"prompt": "Mint?", "response_0": "Yes.", "response_1": "No.", "better_response_id": 0}
        >>> detect_templates([row])[0].template
        <Template PKUSafeRLHF>
    """
    candidates = [candidate for candidate in _try_templates(rows, names) if candidate.fit]
    if not candidates:  # rows that hold prompts, and nothing else
        prompts = _try_templates(rows, names, prompts=True)
        candidates = [candidate for candidate in prompts if candidate.fit and not candidate.unread]
    return sorted(candidates, key=lambda candidate: candidate.rank)


def find_near_misses(rows: Sequence[Mapping[str, Any]], names: Iterable[str] | None = None) -> list[TemplateCandidate]:
    """Return the templates that lack a column or two for which rows have one of a near name."""
    candidates = _try_templates(rows, names)
    missed = [candidate for candidate in candidates if candidate.missing and all(candidate.missing.values())]
    return sorted(missed, key=lambda candidate: (len(candidate.missing), candidate.rank))


def _try_templates(
    rows: Sequence[Mapping[str, Any]], names: Iterable[str] | None, prompts: bool = False
) -> Iterable[TemplateCandidate]:
    columns = list(dict.fromkeys(str(column) for row in rows for column in row))
    for name in list_templates() if names is None else names:
        template = get_template(name)
        for format in template.formats:
            template_columns = template.known_columns(format)
            if template_columns is not None and (
                prompts == (format == "prompt_only") or template.formats == ("prompt_only",)
            ):
                yield _try_template(template, format, rows, columns, template_columns)


def _try_template(
    template: Template,
    format: Format,
    rows: Sequence[Mapping[str, Any]],
    columns: list[str],
    template_columns: list[str],
) -> TemplateCandidate:
    read_columns = [column for column in template_columns if column in columns]
    unread = [column for column in columns if column not in template_columns]
    candidate = TemplateCandidate(template, format, read_columns, unread)
    try:
        template.check_columns(format, columns)
    except RowError:
        absent = [column for column in template_columns if column not in columns]
        needed = [column for column in absent if _is_needed(template, format, column, columns)]
        candidate.missing = {column: find_nearest(column, candidate.unread) for column in needed}
        return candidate
    for row in rows:
        candidate.rows += 1
        try:
            extracted = template.extract_all(row, format)
        except (RowError, StyleError) as error:
            candidate.reasons[error.code or Code.BAD_EXPRESSION] += 1
            continue
        candidate.fit += 1
        candidate.first = candidate.first or next(iter(extracted.samples), None)
    return candidate


def _is_needed(template: Template, format: Format, column: str, columns: list[str]) -> bool:
    """Whether a column must be there, and not only may be."""
    others = [name for name in template.columns(format) if name != column]
    try:
        template.check_columns(format, [*columns, *others])
    except RowError:
        return True
    return False
