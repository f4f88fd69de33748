"""Schemas: the inputs and outputs of a template that are known before the first row."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from preftemplates.core.digest import digest
from preftemplates.core.frozen import Frozen, computed
from preftemplates.core.media import MEDIA_COLUMNS
from preftemplates.core.messages import ROLES
from preftemplates.core.samples import SAMPLE_TYPES, Format, OwnFormat, Preference
from preftemplates.errors import DefinitionError, RowError, StyleError, UnknownNameError, did_you_mean, preview
from preftemplates.templates.csv_cells import make_cell_parsers
from preftemplates.templates.derivations import list_derived_formats
from preftemplates.templates.extraction import Extraction, Policies
from preftemplates.templates.results import check_ties_are_spelled
from preftemplates.templates.row_types import RowModel, read_row_type
from preftemplates.templates.text_edges import choose_text_edges
from preftemplates.templates.unread import UnreadFinder, UnreadValue

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from preftemplates.dialects.dialect import Dialect
    from preftemplates.dialects.message_views import MessageKeys
    from preftemplates.dialects.table import ObjectShape
    from preftemplates.styles.style import Style
    from preftemplates.templates.declaration import Ties
    from preftemplates.templates.parts import About, Parts
    from preftemplates.templates.text_edges import TextEdges


TRAINING_METHODS = frozenset(
    ("cpo", "dpo", "grpo", "ipo", "kto", "orpo", "ppo", "reward", "rl", "rlhf", "rm", "sft", "simpo")
)
"""Names of training methods that users confuse with dataset types."""


class TemplateSchema(Frozen):
    """The inputs and outputs of a template: its dataset types, their columns and labels, and keys of the results."""

    parts: Parts
    is_custom: ClassVar[bool] = False
    """Whether the class has its own methods instead of declaring samples."""

    example: ClassVar[Mapping[str, Any] | Any] = computed(lambda template: template.about.example)
    """An example row; None if the template has none.

    Its declared type is a row: with `None` in it, type checkers would demand a check before each use of an example.
    """
    ignored: ClassVar[Sequence[str]] = computed(lambda template: template.about.ignored)
    """The paths of values that the template deliberately does not read, such as `id` or `answers[].model`."""
    ties: ClassVar[Ties] = computed(lambda template: template.parts.ties)
    """The policy for pairs in which neither answer is better."""

    @property
    def identity(self) -> Any:
        """The declarations as JSON-like data, for digests."""
        edges = {} if self.parts.edges is None else {"edges": self.parts.edges.identity}
        return {"text": self.text_digest, "dialect": self.dialect.digest, **edges}

    @cached_property
    def text_digest(self) -> str:
        """A hash of everything that determines the samples and their texts, which excludes the dialect."""
        parts = self.parts
        declared = {"style": parts.style.digest, "pairs": parts.pairs, "ties": parts.ties}
        return digest("template text", {**parts.declaration.identity, **declared})

    def _require_parts(self, feature: str) -> Parts:  # noqa: ARG002  a custom template names the feature it lacks
        """Return the parts of the template; a custom template raises an error that names the feature."""
        return self.parts

    @property
    def style(self) -> Style:
        """The style of the texts."""
        return self._require_parts("style").style

    @property
    def dialect(self) -> Dialect:
        """The dialect of the results."""
        return self._require_parts("dialect").dialect

    @property
    def about(self) -> About:
        """The facts about the dataset."""
        return self.parts.about

    @property
    def formats(self) -> tuple[Format, ...]:
        """The dataset types that the template declares, or for which it has its own method."""
        return self.parts.declaration.formats

    @property
    def derived_formats(self) -> tuple[Format, ...]:
        """The dataset types derived from these, such as `unpaired` from `preference`."""
        return list_derived_formats(self.formats)

    @property
    def row_type(self) -> type[RowModel]:
        """The columns of a row and their types; empty for a custom template."""
        return read_row_type(self.parts.declaration.row)

    @cached_property
    def cell_parsers(self) -> Mapping[str, Callable[[str], Any]]:
        """A parser for each column that is not text, which converts text as in a CSV to a value of its type."""
        return make_cell_parsers(self.row_type)

    def describe(self) -> dict[str, Any]:
        """Return the names of style and dialect, each dataset type's columns, the derived dataset types and ties."""
        columns = {format: self.known_columns(format) for format in self.formats}
        names = {"style": self.style.name, "dialect": self.dialect.name}
        return {**names, "formats": columns, "derived": list(self.derived_formats), "ties": self.ties}

    def columns(self, format: Format) -> list[str]:
        """Return the columns that a dataset type reads, by the row's own names.

        Raises:
            UnknownNameError: the template cannot fill the dataset type.
            DefinitionError: it is a custom template.
        """
        self._require_parts("columns")
        return self._extraction(format).columns

    def known_columns(self, format: Format) -> list[str] | None:
        """Return the columns that a dataset type reads; None for a custom template, which may read any column.

        Raises:
            UnknownNameError: the template cannot fill the dataset type.
        """
        return self.columns(format)

    def select_columns(self, format: Format, columns: Sequence[str]) -> list[str]:
        """Return the columns of a table that a dataset type reads; a custom template may read any.

        Raises:
            RowError: `missing_field` if a required one is missing; the message suggests the nearest column.
        """
        self.check_columns(format, columns)
        return [column for column in self.columns(format) if column in columns]

    def find_unread(
        self,
        row: Mapping[str, Any],
        touched: Collection[str] | None = None,  # noqa: ARG002  a custom template needs it
    ) -> Iterator[UnreadValue]:
        """Yield the values of a row that no dataset type of the template reads, except ignored ones.

        Args:
            row: one record.
            touched: the columns that the class of a custom template has read (`FormattedRow.touched`).
        """
        return self._unread_finder.find(row)

    def find_read_columns(self) -> frozenset[str]:
        """Return the columns without unread values: everything in them is read or ignored."""
        return self._unread_finder.find_read_columns()

    @cached_property
    def _unread_finder(self) -> UnreadFinder:
        columns = {column for format in self.formats for column in self.columns(format)}
        return UnreadFinder(self.row_type, columns, self.about.ignored)

    def labels(self, format: Format) -> tuple[str, ...]:
        """Return the labels that the samples of a dataset type have.

        Raises:
            UnknownNameError: the template cannot fill the dataset type.
            DefinitionError: it is a custom template; or ties are halved or kept, and the dialect has no key to
                distinguish them.
        """
        parts, labels = self._require_parts("labels"), self._extraction(format).labels(self._policies)
        if format == Preference.format:
            check_ties_are_spelled(parts.dialect, parts.ties, labels)
        return labels

    def sample_parts(self, format: Format) -> tuple[str, ...]:
        """Return the labels, `tools` and kinds of media for which every result of a dataset type has a key.

        Parts that only optional columns fill are not included (`Template.with_columns`).

        Raises:
            UnknownNameError, DefinitionError: as in `labels`.
        """
        return self._select_parts(format, (*self._extraction(format).find_parts(), *self.parts.keyed))

    def optional_parts(self, format: Format) -> tuple[str, ...]:
        """Return the labels and `tools` that a row need not fill.

        Raises:
            UnknownNameError, DefinitionError: as in `labels`.
        """
        extraction = self._extraction(format)
        always = self._select_parts(format, extraction.find_parts())
        parts = self._select_parts(format, extraction.find_parts(extraction.columns))
        return tuple(part for part in parts if part not in always and part not in MEDIA_COLUMNS.values())

    def find_parts(self, columns: Sequence[str]) -> Iterator[str]:
        """Yield the labels, `tools` and kinds of media that optional columns of a table fill."""
        for format in (*self.formats, *self.derived_formats):
            extraction = self._extraction(format)
            always = extraction.find_parts()
            yield from (part for part in extraction.find_parts(columns) if part not in always)

    def check_parts(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the names of parts of a sample without duplicates, after checking that samples may have them.

        Raises:
            DefinitionError: no sample may have one of these parts.
        """
        formats = (*self.formats, *self.derived_formats)
        known = dict.fromkeys((*MEDIA_COLUMNS.values(), "tools"))
        known |= dict.fromkeys(label for format in formats for label in SAMPLE_TYPES.get(format).label_types)
        parts = tuple(dict.fromkeys(names))
        for part in parts:
            if part not in known:
                raise DefinitionError(f"its samples have no part {preview(part)}; they may have {', '.join(known)}")
        return parts

    def _select_parts(self, format: Format, given: Collection[str]) -> tuple[str, ...]:
        """Return the parts of a dataset type's samples that are given or that a policy adds."""
        labels, parts = self.labels(format), {*given}
        policy = {"probability"} if self._policies.halves_ties(format) else set()
        kinds = (kind for kind in given if kind in MEDIA_COLUMNS.values())
        return (
            *(label for label in labels if label in parts or label in policy),
            *(("tools",) if "tools" in parts and self._extraction(format).fills_tools else ()),
            *dict.fromkeys(kinds),
        )

    def result_shape(self, format: Format) -> tuple[ObjectShape, MessageKeys]:
        """Return the shape of the results of a dataset type, and the keys of a message.

        Raises:
            UnknownNameError: the template cannot fill the dataset type, or the dialect does not support it.
            DefinitionError: as in `choose_edges`.
        """
        self.check_format(format)
        self.choose_edges(format)
        return self.dialect.shape(format, self.sample_parts(format)), self.dialect.table.message_keys

    def choose_edges(self, format: Format) -> TextEdges | None:
        """Return the BOS and EOS of a dataset type's texts; None if they stay as the style writes them.

        Raises:
            DefinitionError: the dialect's framework would add a second BOS or EOS, and it is unknown what its
                tokenizer adds; or its tokenizer adds another BOS than the style.
        """
        parts = self.parts
        consumer = parts.dialect.table.consumer if parts.dialect.needs_text(format) else None
        return choose_text_edges(consumer, parts.style, parts.edges, parts.dialect.name)

    def spells(self, format: Format) -> bool:
        """Return whether the dialect has keys for the results of a dataset type."""
        return format in self.dialect.formats

    def text_style(self, format: Format) -> Style | None:
        """Return the style of the results' text; None if they hold no text, or a custom template's own."""
        return self.style if self.dialect.needs_text(format) else None

    def check_format(self, format: str) -> Format:
        """Check that the template can fill a dataset type, and return its name.

        Raises:
            UnknownNameError: it cannot; the message lists its dataset types.
        """
        formats = (*self.formats, *self.derived_formats)
        if format not in formats:
            guess = did_you_mean(str(format), formats)
            if str(format).casefold() in TRAINING_METHODS:
                guess = (
                    f" {preview(format)} is a training method: DPO and reward models use preference,"
                    " SFT uses supervised, KTO uses unpaired, GRPO and PPO use prompt_only."
                )
            raise UnknownNameError(
                f"{self.name} has no dataset type {preview(format)}; it has {', '.join(formats)}.{guess}"
            )
        return OwnFormat(format)

    def check_columns(self, format: Format, columns: Iterable[str]) -> None:
        """Check that a table has all columns that a dataset type requires.

        Raises:
            RowError: `missing_field`; the message suggests the nearest column.
        """
        self._require_parts("check_columns")
        try:
            self._extraction(format).check_columns(columns)
        except (RowError, StyleError) as error:
            raise self._name_error(error, format) from error.__cause__

    def _name_error(self, error: RowError | StyleError, format: str) -> RowError | StyleError:
        """Return the error with the names of the template and the dataset type."""
        return error.located(template=self.name, format=format)

    def get_extraction(self, format: Format) -> tuple[Extraction, Policies]:
        """Return the extraction of a dataset type's samples, and the policies for it.

        Raises:
            UnknownNameError: the template cannot fill the dataset type.
            DefinitionError: it is a custom template.
        """
        self._require_parts("get_extraction")
        return self._extraction(format), self._policies

    def _extraction(self, format: str) -> Extraction:
        extractions = self.parts.extractions
        return extractions.made(format) or extractions.make(self.check_format(format))

    @cached_property
    def _policies(self) -> Policies:
        parts = self.parts
        roles = tuple(dict.fromkeys((*ROLES, *parts.style.accepted_roles)))
        return Policies(roles, parts.pairs, parts.ties)
