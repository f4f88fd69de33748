"""Extraction: the samples of one format that a row gives, as declared or made from another format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from preftemplates.core.messages import check_answers, check_parts, check_roles
from preftemplates.core.samples import Preference, Sample
from preftemplates.errors import Code, RowError, UnknownNameError
from preftemplates.templates.declaration import Declaration, Extractor, Ties
from preftemplates.templates.derivations import Lost, Messages, Pairs, find_derivation
from preftemplates.templates.expressions import Filters


@dataclass(frozen=True)
class Extracted:
    """The samples of a row with messages, and what was lost where they were made from another format.

    Attributes:
        samples: the samples; a response holds its own messages only.
        lost: how often each response or label of the other format was left out.
    """

    samples: tuple[Sample[Messages], ...]
    lost: Lost = field(default_factory=Counter)

    def only(self) -> Sample[Messages]:
        """The only sample.

        Raises:
            RowError: `no_sample` or `several_samples`.
        """
        if len(self.samples) == 1:
            return self.samples[0]
        if not self.samples:
            raise RowError("the row holds no sample of this format", code=Code.NO_SAMPLE)
        raise RowError(
            f"the row gives {len(self.samples)} samples of this format; extract_all and format_all give all of them",
            code=Code.SEVERAL_SAMPLES,
        )


class Extraction:
    """Takes the samples of one format from rows.

    Args:
        declaration: what the template says.
        format: the format's name.
        filters: the filters that the declaration names.
        pairs: which pairs a ranking gives.
        ties: what becomes of pairs in which neither answer is better.

    Raises:
        UnknownNameError: the template neither declares the format nor one that it can be made from.
    """

    def __init__(self, declaration: Declaration, format: str, filters: Filters, pairs: Pairs, ties: Ties) -> None:
        declared = format in declaration.formats
        self._derivation = None if declared else find_derivation(declaration.formats, format)
        if not declared and self._derivation is None:
            raise UnknownNameError(f"no format {format!r} here")
        self._pairs = pairs
        self._half = ties == "half" and format == Preference.format
        source = self._derivation.source if self._derivation else format
        self.extractor = Extractor(declaration, source, filters)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that the samples have."""
        labels = self.extractor.labels
        if self._derivation:
            labels = self._derivation.labels_from(labels)
        return tuple(dict.fromkeys((*labels, "probability"))) if self._half else labels

    def extract(self, row: Mapping[str, Any], roles: Iterable[str], *, traced: bool) -> Extracted:
        """The samples of a row.

        Args:
            row: one record.
            roles: the roles that its messages may have.
            traced: whether texts know the cell that they came from.

        Raises:
            RowError: a cell or what an expression makes of it is not as declared.
        """
        samples: list[Sample[Messages]] = list(self.extractor.extract(row, traced=traced))
        for sample in samples:
            _check_messages(sample, roles)
        lost: Lost = Counter()
        if self._derivation:
            samples = [made for sample in samples for made in self._derivation.samples(sample, self._pairs, lost)]
            for made in samples:
                made.check_labels()
        if self._half:
            samples = [with_probability(sample) for sample in samples]
        return Extracted(tuple(samples), lost)


def _check_messages(sample: Sample[Messages], roles: Iterable[str]) -> None:
    known = tuple(roles)
    for messages in (sample.prompt, *sample.responses.values()):
        check_roles(messages, known)
        check_parts(messages)
    for name, own in sample.responses.items():
        check_answers(own, name)


def with_probability(sample: Sample[Messages]) -> Sample[Messages]:
    """A preference with the probability that its chosen answer is the better one: one half for a tie, or one.

    >>> from preftemplates import Preference
    >>> pair = Preference(prompt=[], chosen=[], rejected=[])
    >>> with_probability(pair).probability, with_probability(replace(pair, margin=0)).probability
    (1.0, 0.5)
    """
    pair = cast("Preference[Messages]", sample)
    if pair.probability is not None:
        return pair
    return replace(pair, probability=0.5 if pair.is_tie else 1.0)
