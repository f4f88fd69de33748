"""What a template reads and gives, as far as it is known before the first row."""

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
"""Names of ways to train that users take for dataset types."""


class TemplateSchema(Frozen):
    """What a template reads and gives: its formats, their columns and labels, and the keys of the results."""

    parts: Parts
    is_custom: ClassVar[bool] = False
    """Whether the class writes its methods itself instead of declaring samples."""

    example: ClassVar[Mapping[str, Any] | Any] = computed(lambda template: template.about.example)
    """A row that shows what the dataset looks like; None if the template has none.

    For type checkers, it is a row: `None` in the type would demand a check before each use of an example.
    """
    ignored: ClassVar[Sequence[str]] = computed(lambda template: template.about.ignored)
    """The paths of values that the template leaves out on purpose, such as `id` or `answers[].model`."""
    ties: ClassVar[Ties] = computed(lambda template: template.parts.ties)
    """How pairs are handled in which neither answer is better."""

    @property
    def identity(self) -> Any:
        """What the class declares as JSON-like data, of which the digest is made."""
        edges = {} if self.parts.edges is None else {"edges": self.parts.edges.identity}
        return {"text": self.text_digest, "dialect": self.dialect.digest, **edges}

    @cached_property
    def text_digest(self) -> str:
        """A hash of what decides the samples and their texts: all but the dialect."""
        parts = self.parts
        declared = {"style": parts.style.digest, "pairs": parts.pairs, "ties": parts.ties}
        return digest("template text", {**parts.declaration.identity, **declared})

    def _require_parts(self, feature: str) -> Parts:  # noqa: ARG002  a custom template names the feature it lacks
        """What the template is made of."""
        return self.parts

    @property
    def style(self) -> Style:
        """The style that texts are written in."""
        return self._require_parts("style").style

    @property
    def dialect(self) -> Dialect:
        """The dialect that results are spelled in."""
        return self._require_parts("dialect").dialect

    @property
    def about(self) -> About:
        """What is known of the dataset."""
        return self.parts.about

    @property
    def formats(self) -> tuple[Format, ...]:
        """The formats that the template declares, or for which it has a method of its own."""
        return self.parts.declaration.formats

    @property
    def derived_formats(self) -> tuple[Format, ...]:
        """The formats that are made from those: `unpaired` from `preference`, for example."""
        return list_derived_formats(self.formats)

    @property
    def row_type(self) -> type[RowModel]:
        """The columns of a row and their types; without any for a custom template."""
        return read_row_type(self.parts.declaration.row)

    @cached_property
    def cell_parsers(self) -> Mapping[str, Callable[[str], Any]]:
        """For each column that is not text: how a cell written as text, as in a CSV, becomes a value of its type."""
        return make_cell_parsers(self.row_type)

    def describe(self) -> dict[str, Any]:
        """Return the names of style and dialect, the columns that each format reads, derived formats and ties."""
        columns = {format: self.known_columns(format) for format in self.formats}
        names = {"style": self.style.name, "dialect": self.dialect.name}
        return {**names, "formats": columns, "derived": list(self.derived_formats), "ties": self.ties}

    def columns(self, format: Format) -> list[str]:
        """The row's own names of the columns that a format reads.

        Raises:
            UnknownNameError: the template cannot fill the format.
            DefinitionError: it is a custom template.
        """
        self._require_parts("columns")
        return self._extraction(format).columns

    def known_columns(self, format: Format) -> list[str] | None:
        """Return the same; None for a custom template, which may read any column.

        Raises:
            UnknownNameError: the template cannot fill the format.
        """
        return self.columns(format)

    def select_columns(self, format: Format, columns: Sequence[str]) -> list[str]:
        """Return the columns of a table that a format reads; a custom template may read any.

        Raises:
            RowError: `missing_field`, where one is missing that must be there, with the nearest.
        """
        self.check_columns(format, columns)
        return [column for column in self.columns(format) if column in columns]

    def find_unread(
        self,
        row: Mapping[str, Any],
        touched: Collection[str] | None = None,  # noqa: ARG002  a custom template needs it
    ) -> Iterator[UnreadValue]:
        """Yield the values of a row that no format of the template reads, and that it does not ignore on purpose.

        Args:
            row: one record.
            touched: for a custom template, the columns that its class has looked at (`FormattedRow.touched`).
        """
        return self._unread_finder.find(row)

    def find_read_columns(self) -> frozenset[str]:
        """Return the columns in which nothing is unread: all that they hold is read, or ignored."""
        return self._unread_finder.find_read_columns()

    @cached_property
    def _unread_finder(self) -> UnreadFinder:
        columns = {column for format in self.formats for column in self.columns(format)}
        return UnreadFinder(self.row_type, columns, self.about.ignored)

    def labels(self, format: Format) -> tuple[str, ...]:
        """The labels that the samples of a format have.

        Raises:
            UnknownNameError: the template cannot fill the format.
            DefinitionError: it is a custom template; or ties are to be halves, or kept, and the dialect has no key
                that says so.
        """
        parts, labels = self._require_parts("labels"), self._extraction(format).labels(self._policies)
        if format == Preference.format:
            check_ties_are_spelled(parts.dialect, parts.ties, labels)
        return labels

    def sample_parts(self, format: Format) -> tuple[str, ...]:
        """Return the labels, `tools` and the kinds of media for which every result of a format has a key.

        What only columns fill that a row need not have is not among them (`Template.with_columns`).

        Raises:
            UnknownNameError, DefinitionError: as `labels`.
        """
        return self._select_parts(format, (*self._extraction(format).find_parts(), *self.parts.keyed))

    def optional_parts(self, format: Format) -> tuple[str, ...]:
        """Return the labels and `tools` that a row need not fill.

        Raises:
            UnknownNameError, DefinitionError: as `labels`.
        """
        extraction = self._extraction(format)
        always = self._select_parts(format, extraction.find_parts())
        parts = self._select_parts(format, extraction.find_parts(extraction.columns))
        return tuple(part for part in parts if part not in always and part not in MEDIA_COLUMNS.values())

    def find_parts(self, columns: Sequence[str]) -> Iterator[str]:
        """Yield the labels, `tools` and kinds of media that columns of a table fill and that rows may lack."""
        for format in (*self.formats, *self.derived_formats):
            extraction = self._extraction(format)
            always = extraction.find_parts()
            yield from (part for part in extraction.find_parts(columns) if part not in always)

    def check_parts(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the names of parts of a sample, each once, after checking that its samples may have them.

        Raises:
            DefinitionError: none may have one of them.
        """
        formats = (*self.formats, *self.derived_formats)
        known = dict.fromkeys((*MEDIA_COLUMNS.values(), "tools"))
        known |= dict.fromkeys(label for format in formats for label in SAMPLE_TYPES.get(format).label_types)
        parts = tuple(dict.fromkeys(names))
        for part in parts:
            if part not in known:
                raise DefinitionError(f"the parts of its samples are {', '.join(known)}; got {preview(part)}")
        return parts

    def _select_parts(self, format: Format, given: Collection[str]) -> tuple[str, ...]:
        """The parts of a format's samples that are given by their columns, or in all samples."""
        labels, parts = self.labels(format), {*given}
        policy = {"probability"} if self._policies.halves_ties(format) else set()
        kinds = (kind for kind in given if kind in MEDIA_COLUMNS.values())
        return (
            *(label for label in labels if label in parts or label in policy),
            *(("tools",) if "tools" in parts and self._extraction(format).fills_tools else ()),
            *dict.fromkeys(kinds),
        )

    def result_shape(self, format: Format) -> tuple[ObjectShape, MessageKeys]:
        """Return what each key of the results of a format holds, and the keys of a message.

        Raises:
            UnknownNameError: the template cannot fill the format, or the dialect cannot spell it.
            DefinitionError: as `choose_edges`.
        """
        self.check_format(format)
        self.choose_edges(format)
        return self.dialect.shape(format, self.sample_parts(format)), self.dialect.table.message_keys

    def choose_edges(self, format: Format) -> TextEdges | None:
        """Return what the texts of a format have of BOS and EOS; None where they are as the style writes them.

        Raises:
            DefinitionError: the dialect's framework would write a second BOS or EOS, and nothing says what it adds; or
                its tokenizer adds another BOS than the style.
        """
        parts = self.parts
        consumer = parts.dialect.table.consumer if parts.dialect.needs_text(format) else None
        return choose_text_edges(consumer, parts.style, parts.edges, parts.dialect.name)

    def spells(self, format: Format) -> bool:
        """Whether the results of a format have keys in the dialect."""
        return format in self.dialect.formats

    def text_style(self, format: Format) -> Style | None:
        """Return the style in which the results of a format hold text; None if they hold none, or the class's own."""
        return self.style if self.dialect.needs_text(format) else None

    def check_format(self, format: str) -> Format:
        """Return a name as that of a format, after checking that the template can fill it.

        Raises:
            UnknownNameError: it cannot; the message says what it fills.
        """
        formats = (*self.formats, *self.derived_formats)
        if format not in formats:
            guess = did_you_mean(str(format), formats)
            if str(format).casefold() in TRAINING_METHODS:
                guess = (
                    f" {preview(format)} is a way to train: DPO and reward models use preference, SFT uses supervised,"
                    " KTO uses unpaired, GRPO and PPO use prompt_only."
                )
            raise UnknownNameError(
                f"{self.name} fills no format {preview(format)}; it fills {', '.join(formats)}.{guess}"
            )
        return OwnFormat(format)

    def check_columns(self, format: Format, columns: Iterable[str]) -> None:
        """Refuse a table among whose columns one is missing that the format must read.

        Raises:
            RowError: `missing_field`, with the nearest column.
        """
        self._require_parts("check_columns")
        try:
            self._extraction(format).check_columns(columns)
        except (RowError, StyleError) as error:
            raise self._name_error(error, format) from error.__cause__

    def _name_error(self, error: RowError | StyleError, format: str) -> RowError | StyleError:
        """Return the same error with the names of the template and the format."""
        return error.located(template=self.name, format=format)

    def get_extraction(self, format: Format) -> tuple[Extraction, Policies]:
        """Return what takes the samples of a format from rows, and what is decided where a row leaves a choice.

        Raises:
            UnknownNameError: the template cannot fill the format.
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
