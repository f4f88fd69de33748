"""Extraction: the samples of one format that a row gives, as declared or made from another format."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from preftemplates.core.messages import Message, check_content_parts, check_response, check_roles
from preftemplates.core.samples import FORMATS, Preference, Sample
from preftemplates.errors import Code, RowError, UnknownNameError
from preftemplates.templates.declaration import Declaration, Ties, parse_fields
from preftemplates.templates.derivations import Lost, Messages, Pairs, find_derivation
from preftemplates.templates.expressions import Field, Filters
from preftemplates.templates.row_types import read_row_type
from preftemplates.templates.row_validation import RowValidator
from preftemplates.templates.turns import Filler, evaluate_list

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


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
        is_declared = format in declaration.formats
        self._derivation = None if is_declared else find_derivation(declaration.formats, format)
        if not is_declared and self._derivation is None:
            raise UnknownNameError(f"no format {format!r} here")
        self._pairs = pairs
        self._halves_ties = ties == "half" and format == Preference.format
        source = self._derivation.source if self._derivation else format
        self.extractor = Extractor(declaration, source, filters)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that the samples have."""
        labels = self.extractor.labels
        if self._derivation:
            labels = self._derivation.labels_from(labels)
        return tuple(dict.fromkeys((*labels, "probability"))) if self._halves_ties else labels

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
            derivation = self._derivation
            samples = [derived for sample in samples for derived in derivation.samples(sample, self._pairs, lost)]
            for sample in samples:
                sample.check_labels()
        if self._halves_ties:
            samples = [with_probability(sample) for sample in samples]
        return Extracted(tuple(samples), lost)


def _check_messages(sample: Sample[Messages], roles: Iterable[str]) -> None:
    roles = tuple(roles)
    for messages in (sample.prompt, *sample.responses.values()):
        check_roles(messages, roles)
        check_content_parts(messages)
    for name, messages in sample.responses.items():
        check_response(messages, name)


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


class Extractor:
    """Turns rows into samples of one format, by the filters that were there when the template was declared."""

    def __init__(self, declaration: Declaration, format: str, filters: Filters) -> None:
        source = declaration.sample(format)
        self._format = FORMATS[format]
        self._fillers = {part: Filler(turns, filters) for part, turns in source.turns}
        self._labels = {name: Field(expression, filters) for name, expression in source.labels}
        self._each = {name: Field(expression, filters) for name, expression in declaration.each}
        names = frozenset[str]().union(*(field.names for _, field in parse_fields(format, source, filters)))
        for name, items in self._each.items():
            names = (names - {name}) | items.names
        self._validator = RowValidator(read_row_type(declaration.row), names)

    @property
    def columns(self) -> list[str]:
        """The columns that are read, in the order of the row type."""
        return list(self._validator.columns.values())

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that are filled."""
        return tuple(self._labels)

    def check_columns(self, columns: Iterable[str]) -> None:
        """Refuse columns among which one that must be there is missing (`RowValidator.check_columns`)."""
        self._validator.check_columns(columns)

    def extract(self, row: Mapping[str, Any], *, traced: bool) -> Iterator[Sample[list[Message]]]:
        """The samples with messages: one, or one for each value of `each`.

        Args:
            row: one record; only the columns that the format reads are looked at.
            traced: whether texts know the cell that they came from.

        Raises:
            RowError: a cell or what an expression makes of it is not as declared.
        """
        values = self._validator.read_traced(row) if traced else self._validator.read(row)
        try:
            for sample_values in self._values_of_samples(values):
                yield self._fill(sample_values)
        except RowError as error:  # an expression knows a column by its Python name
            column = self._validator.columns.get(error.column or "", error.column)
            raise RowError(error.message, **{**error.facts, "column": column}) from error.__cause__

    def _values_of_samples(self, values: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The values with which each sample is filled."""
        if not self._each:
            yield values
        for name, items in self._each.items():
            for item in evaluate_list(items, values, "values"):
                yield {**values, name: item}

    def _fill(self, values: dict[str, Any]) -> Sample[list[Message]]:
        filled: dict[str, Any] = {}
        for part, filler in self._fillers.items():
            filled[part] = filler.fill_several(values) if part == self._format.several else filler.fill(values)
        sample = self._format(**filled, **{name: field.evaluate(values) for name, field in self._labels.items()})
        sample.check_labels()
        return sample.with_float_labels()
