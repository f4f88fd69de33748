"""Extraction: the samples of one dataset type in a row, declared or derived from another dataset type."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from preftemplates.core.message_values import Reading
from preftemplates.core.messages import check_content_parts, check_response, check_roles, locate_message_error
from preftemplates.core.paths import parse_path
from preftemplates.core.samples import SAMPLE_TYPES, Preference, Ranked, Sample
from preftemplates.core.tools import clean_tools
from preftemplates.errors import Code, RowError, StyleLimitError, UnknownNameError, preview
from preftemplates.sandbox.budget import CURRENT_BUDGET, describe_without_subject, share_budget
from preftemplates.templates.derivations import Derivation, Lost, Messages, Pairs, find_derivation
from preftemplates.templates.expressions import Field, Filters
from preftemplates.templates.media_columns import list_media_columns
from preftemplates.templates.row_types import read_row_type
from preftemplates.templates.row_validation import RowValidator
from preftemplates.templates.turns import Filler, evaluate_list

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from preftemplates.sandbox.limits import Limits
    from preftemplates.templates.declaration import Declaration, Ties


@dataclass(frozen=True)
class Extracted:
    """The samples of a row with messages, and the losses of derived samples.

    Attributes:
        samples: the samples; a response holds only its own messages.
        lost: how often each response or label of the source was left out.
        reading: the normalisations of tools and call arguments, which make all sources give the same samples.
        ties: the number of samples that the template declares as ties and drops.
        sources: for each sample, the declared sample that it is derived from; empty if the samples are declared.
    """

    samples: tuple[Sample[Messages], ...]
    lost: Lost = field(default_factory=Counter)
    reading: Reading = field(default_factory=Reading)
    ties: int = 0
    sources: tuple[Sample[Messages], ...] = ()

    def with_sources(self) -> Iterator[tuple[Sample[Messages], Sample[Messages] | None]]:
        """Return each sample with the declared sample that it is derived from; None if it is declared itself."""
        return zip_longest(self.samples, self.sources)

    def only(self) -> Sample[Messages]:
        """Return the only sample.

        Raises:
            RowError: `no_sample`, `tie` or `several_samples`.
        """
        if len(self.samples) == 1:
            return self.samples[0]
        if not self.samples and self.ties:
            raise make_tie_error()
        if not self.samples:
            raise RowError("the row has no sample of this dataset type", code=Code.NO_SAMPLE)
        raise RowError(
            f"the row has {len(self.samples)} samples of this dataset type;"
            " extract_all and format_all return all of them",
            code=Code.SEVERAL_SAMPLES,
        )


class Policies(NamedTuple):
    """A template's decisions where a row allows several.

    Attributes:
        roles: the roles that messages may have.
        pairs: the pairs that a ranking gives.
        ties: the policy for pairs in which neither answer is better.
    """

    roles: tuple[str, ...]
    pairs: Pairs = "all"
    ties: Ties = "drop"

    def halves_ties(self, format: str) -> bool:
        """Return whether samples of a dataset type have a probability, one half for a tie."""
        return self.ties == "half" and format == Preference.format


class ExtractionSteps(NamedTuple):
    """The steps that take the samples of one dataset type from rows.

    Attributes:
        sample_type: the dataset type that is filled.
        fillers: the fillers of the prompt and each response.
        values: the expressions of the tools and the labels.
        each: the name and the expression; one sample is filled per value, if a row has several.
        tie: the expression that tells whether neither answer is better, if there is one.
        derivation: the derivation of the samples, if they are not declared.
        validator: the validator of the row's values.
    """

    sample_type: type[Sample[Any]]
    fillers: Mapping[str, Filler]
    values: Mapping[str, Field]
    each: Mapping[str, Field]
    tie: Field | None
    derivation: Derivation | None
    validator: RowValidator


class Extraction:
    """Takes the samples of one dataset type from rows, with the filters of the time when the template was declared.

    Args:
        declaration: the template's declaration.
        format: the dataset type.
        filters: the filters that the declaration uses.
        limits: the limits for evaluating all expressions of a row together; None for a trusted template.

    Attributes:
        has_prompt: whether the samples have a prompt; some datasets have none.

    Raises:
        UnknownNameError: the template neither declares the dataset type nor one that it can be derived from.
    """

    def __init__(self, declaration: Declaration, format: str, filters: Filters, limits: Limits | None = None) -> None:
        is_declared = format in declaration.formats
        self._derivation = None if is_declared else find_derivation(declaration.formats, format)
        if not is_declared and self._derivation is None:
            raise UnknownNameError(f"no dataset type {format!r} here")
        source = declaration.sample(self._derivation.source if self._derivation else format)
        self._sample_type = SAMPLE_TYPES.get(source.format)
        self._fillers = {part: Filler(turns, filters, limits) for part, turns in source.turns}
        self._values = {name: Field(expression, filters, limits) for name, expression in source.values}
        self._each = {name: Field(expression, filters, limits) for name, expression in declaration.each}
        compares = len(self._sample_type.response_names) > 1 or self._sample_type.several is not None
        has_tie = declaration.tie is not None and compares and not self._sample_type.pieces
        self._tie = Field(str(declaration.tie), filters, limits) if has_tie else None
        self._validator = RowValidator(read_row_type(declaration.row), self._find_names())
        self._media = list_media_columns(self._list_message_fields())
        self._limits, self._format = limits, format
        self.has_prompt = bool(source.prompt[0])

    def _find_names(self) -> frozenset[str]:
        """Return the names of the columns that the fields read."""
        fields = (*self._list_message_fields(), *self._values.values(), *([self._tie] if self._tie else []))
        names = frozenset[str]().union(*(field.names for field in fields))
        for name, items in self._each.items():
            names = (names - {name}) | items.names
        return names

    def _list_message_fields(self) -> list[Field]:
        return [field for filler in self._fillers.values() for field in filler.fields]

    def find_parts(self, columns: Collection[str] = ()) -> tuple[str, ...]:
        """Return the labels, `tools` and kinds of media that the samples of a table have.

        A part that only optional columns fill is included if the table has one of these columns.

        Args:
            columns: the columns of the table, apart from those that every row must have.
        """
        known = self._validator.columns
        given = {name for name, column in known.items() if column in columns} | self._required
        return tuple(part for part, names in self._sources.items() if names & given or not names)

    @cached_property
    def _required(self) -> frozenset[str]:
        """The names of the columns that every row must have."""
        fields = self._validator.model.model_fields
        return frozenset(name for name, info in fields.items() if info.is_required())

    @cached_property
    def _sources(self) -> dict[str, frozenset[str]]:
        """The columns that fill each label, the tools and each kind of media."""
        items = {name: field.names for name, field in self._each.items()}
        sources = {name: field.names for name, field in self._values.items()}
        sources = {
            name: frozenset[str]().union(*(items.get(column, {column}) for column in names))
            for name, names in sources.items()
        }
        if self._derivation is not None:
            tools = {"tools": sources["tools"]} if "tools" in sources and self._derivation.keeps_prompt else {}
            always: frozenset[str] = frozenset()
            labels = self._derivation.labels
            named = {
                name: always if origin is None else sources[origin]
                for name, origin in labels.items()
                if origin is None or origin in sources
            }
            sources = {**named, **tools}
        return {**sources, **self._media}

    @property
    def steps(self) -> ExtractionSteps:
        """The steps that take the samples from rows."""
        return ExtractionSteps(
            self._sample_type, self._fillers, self._values, self._each, self._tie, self._derivation, self._validator
        )

    @property
    def limits(self) -> Limits | None:
        """The limits for evaluating the expressions; None for a trusted template."""
        return self._limits

    @property
    def columns(self) -> list[str]:
        """The columns that are read, in the order of the row type."""
        return list(self._validator.columns.values())

    def check_columns(self, columns: Iterable[str]) -> None:
        """Check that no required column is missing (`RowValidator.check_columns`)."""
        self._validator.check_columns(columns)

    @property
    def fills_tools(self) -> bool:
        """Whether the samples may have tools."""
        return "tools" in self._sources

    def labels(self, policies: Policies) -> tuple[str, ...]:
        """Return the labels that the samples have."""
        labels = tuple(name for name in self._values if name in self._sample_type.label_types)
        if self._derivation:
            labels = self._derivation.labels_from(labels)
        return tuple(dict.fromkeys((*labels, "probability"))) if policies.halves_ties(self._format) else labels

    def extract(self, row: Mapping[str, Any], policies: Policies, *, traced: bool) -> Extracted:
        """Return the samples of a row.

        Args:
            row: one record; only the columns that the dataset type reads are accessed.
            policies: the template's decisions where the row allows several.
            traced: whether texts keep the path in the row that they came from.

        Raises:
            RowError: a value, or the result of an expression, is not as declared.
        """
        reading = Reading()
        if self._limits is None:
            filled = list(self._fill_samples(row, policies, traced, reading))
        else:
            filled = self._fill_within_limits(row, policies, traced, reading, self._limits)
        samples = [sample for sample in filled if sample is not None]
        for sample in samples:
            _check_messages(sample, policies.roles)
        ties = len(filled) - len(samples)
        lost: Lost = Counter()
        sources: tuple[Sample[Messages], ...] = ()
        if self._derivation:
            lost, derivation = Counter({"tie": ties} if ties else {}), self._derivation
            made = [
                (sample, derived) for sample in samples for derived in derivation.samples(sample, policies.pairs, lost)
            ]
            sources, samples = tuple(sample for sample, _ in made), [derived for _, derived in made]
            for sample in samples:
                sample.check_labels()
        if policies.halves_ties(self._format):
            samples = [with_probability(sample) for sample in samples]
        return Extracted(tuple(samples), lost, reading, ties, sources)

    def _fill_within_limits(
        self, row: Mapping[str, Any], policies: Policies, traced: bool, reading: Reading, limits: Limits
    ) -> list[Sample[Messages] | None]:
        """Return the declared samples; their messages and values count, and so do copies of a text."""
        samples = []
        with share_budget(limits):
            budget = CURRENT_BUDGET.get()
            try:
                for sample in self._fill_samples(row, policies, traced, reading):
                    if sample is not None:
                        budget.count_values([sample.prompt, *sample.responses.values(), sample.tools])
                    samples.append(sample)
            except StyleLimitError as error:
                raise RowError(f"the template {describe_without_subject(error)}", code=Code.OVER_LIMIT) from None
        return samples

    def _fill_samples(
        self, row: Mapping[str, Any], policies: Policies, traced: bool, reading: Reading
    ) -> Iterator[Sample[Messages] | None]:
        """Yield the declared samples: one, or one per value of `each`; None for a tie that is dropped."""
        values = self._validator.read_traced(row, reading) if traced else self._validator.read(row, reading)
        try:
            for sample_values in self._values_of_samples(values):
                is_tie = self._tie is not None and _read_truth(self._tie.evaluate(sample_values))
                if is_tie and policies.ties == "drop":
                    yield None
                    continue
                sample = self._fill(sample_values, reading)
                yield _make_tie(sample) if is_tie else sample
        except RowError as error:  # expressions know a column by its Python name
            column = self._validator.columns.get(error.column or "", error.column)
            raise RowError(error.message, **{**error.facts, "column": column}) from error.__cause__

    def _values_of_samples(self, values: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the values that fill each sample."""
        if not self._each:
            yield values
        for name, items in self._each.items():
            for item in evaluate_list(items, values, "values"):
                yield {**values, name: item}

    def _fill(self, values: dict[str, Any], reading: Reading) -> Sample[Messages]:
        several = self._sample_type.several
        filled: dict[str, Any] = {}
        for part, filler in self._fillers.items():
            try:
                filled[part] = (
                    filler.fill_several(values, reading) if part == several else filler.fill(values, reading)
                )
            except RowError as error:
                raise locate_message_error(error, part) from error.__cause__
        others = {name: field.evaluate(values) for name, field in self._values.items()}
        if others.get("tools") is not None:
            is_written = any(isinstance(values[name], str) for name in self._values["tools"].names)
            others["tools"] = clean_tools(others["tools"], reading, is_written)
        sample = self._sample_type(**filled, **others)
        sample.check_tools()
        sample.check_labels()
        return sample.with_float_labels()


class Extractions:
    """The extractions of one declaration, each created when its dataset type is first used.

    Templates that differ in style, dialect or policies share them, so that no expression is parsed twice.
    """

    def __init__(self, declaration: Declaration, filters: Filters, limits: Limits | None = None) -> None:
        self._declaration = declaration
        self.filters = filters
        self._limits = limits
        self._by_format: dict[str, Extraction] = {}

    def made(self, format: str) -> Extraction | None:
        """Return the extraction of a dataset type, if it exists already."""
        return self._by_format.get(format)

    def make(self, format: str) -> Extraction:
        """Create the extraction of a dataset type.

        Raises:
            UnknownNameError: the template neither declares the dataset type nor one that it can be derived from.
        """
        extraction = Extraction(self._declaration, format, self.filters, self._limits)
        return self._by_format.setdefault(format, extraction)


def make_tie_error() -> RowError:
    """Return the error for a row whose only sample is a declared tie, if ties are dropped."""
    return RowError("neither answer is better, and ties are dropped", code=Code.TIE)


def _make_tie(sample: Sample[Messages]) -> Sample[Messages]:
    """Return the sample with labels for a tie."""
    if isinstance(sample, Preference):
        return replace(sample, probability=0.5)
    if isinstance(sample, Ranked):
        return replace(sample, ranks=[0.0] * len(sample.responses), scores=None)
    return sample


def _read_truth(value: Any) -> bool:
    """Check and return the value of a tie expression.

    Raises:
        RowError: `bad_label` if it is neither true nor false.
    """
    if not isinstance(value, bool):
        raise RowError(f"tie: expected true or false, got {preview(value)}", code=Code.BAD_LABEL, value=value)
    return value


def _check_messages(sample: Sample[Messages], roles: tuple[str, ...]) -> None:
    responses = sample.responses
    for name, messages in (("prompt", sample.prompt), *responses.items()):
        try:
            check_roles(messages, roles)
            check_content_parts(messages)
        except RowError as error:
            raise locate_message_error(error, *parse_path(name)) from error.__cause__
    for name, messages in responses.items():
        check_response(messages, name)


def with_probability(sample: Sample[Messages]) -> Sample[Messages]:
    """Return a preference with the probability that its chosen answer is better: one half for a tie, otherwise one.

    >>> from preftemplates import Preference
    >>> pair = Preference(prompt=[], chosen=[], rejected=[])
    >>> with_probability(pair).probability, with_probability(replace(pair, margin=0)).probability
    (1.0, 0.5)
    """
    pair = cast("Preference[Messages]", sample)
    if pair.probability is not None:
        return pair
    return replace(pair, probability=0.5 if pair.is_tie else 1.0)
