"""Templates: how the rows of a dataset become samples, texts and a framework's keys."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from preftemplates.core.digest import digest
from preftemplates.core.frozen import Frozen
from preftemplates.core.messages import ROLES, Message
from preftemplates.core.pickling import PackedDefinition, pack_definition
from preftemplates.core.samples import FORMATS, Preference, Sample
from preftemplates.core.source_code import class_source
from preftemplates.dialects.dialect import Dialect, get_dialect
from preftemplates.errors import DefinitionError, RowError, StyleError, UnknownNameError, did_you_mean, preview
from preftemplates.styles.style import Style, get_style
from preftemplates.templates.custom import custom_formats, format_custom, is_custom_class, restore_custom
from preftemplates.templates.declaration import Declaration, Ties, check_ties, has_samples, read_declaration
from preftemplates.templates.derivations import Pairs, check_pairs, list_derived_formats
from preftemplates.templates.extraction import Extracted, Extraction
from preftemplates.templates.parts import Parts, read_about
from preftemplates.templates.rendering import render_sample
from preftemplates.templates.results import FormattedRow, ResultFormatter, check_ties_are_spelled, has_equal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from preftemplates.core.spans import Rendered
    from preftemplates.templates.expressions import Filters
    from preftemplates.templates.parts import About


class Template(Frozen):
    """How the rows of one dataset become training data.

    A template is declared as a class with a `Row` and one sample a format, and registered by
    `@register_template(name, style=..., dialect=...)`. An object of it is frozen; it pickles, hashes and compares by
    its declaration, style and dialect.

    A class may instead have its own `format_supervised_sample`, `format_preference_sample`, `check_equal` and
    `format_prompt_only_sample`: a custom template. It formats by these; it has no messages, so `extract`, `render`,
    `columns`, `with_style` and `with_dialect` raise `DefinitionError`.

    Class attributes:
        Row: the columns and their types, a `RowModel`.
        preference, supervised, prompt_only: `Preference(...)` and so on, filled with expressions over the columns; and
            so for every other format.
        each: a name, and the expression over whose values the samples of a row are filled, where a row holds several.
        ties: what becomes of pairs in which neither answer is better: "drop", "half" or "keep".
        example: a row that shows what the dataset looks like.
        dataset, licence: the dataset's name on the hub, and its licence.
        verified: whether a real row was formatted.

    Example:
        >>> from preftemplates import get_template
        >>> template = get_template("PKUSafeRLHF")
        >>> template.format(template.example, "prompt_only")
        {'text': 'BEGINNING OF CONVERSATION: USER: How do I keep basil alive indoors? ASSISTANT:'}
    """

    parts: Parts
    kind = "template"
    holds = "parts"
    declaration: ClassVar[Declaration | None] = None
    filters: ClassVar[Filters] = {}
    written: ClassVar[str] = ""
    default_style: ClassVar[str | Style] = "chatml"
    default_dialect: ClassVar[str | Dialect] = "trl"

    def __init_subclass__(cls) -> None:
        if is_custom_class(cls, Template) and has_samples(cls, Template):
            raise DefinitionError(
                f"{cls.__name__} declares samples and writes methods by hand; it must be one or the other"
            )
        if has_samples(cls, Template):
            cls.declaration, cls.filters = read_declaration(cls, Template)
        else:
            cls.written = class_source(cls)

    def __new__(cls) -> Any:
        """The template that the class declares, or an object of the class if it is a custom template."""
        if is_custom_class(cls, Template):
            return object.__new__(cls)
        if cls.declaration is None:
            raise DefinitionError(
                f"{cls.__name__} declares nothing; ask for a template by name, or write a class of your own"
            )
        style, dialect = get_style(cls.default_style), get_dialect(cls.default_dialect)
        ties: Ties = getattr(cls, "ties", "drop")
        return Template.of(
            Parts(cls.declaration, style, dialect, ties=ties, about=read_about(cls), filters=cls.filters), cls.name
        )

    @property
    def is_custom(self) -> bool:
        """Whether the class writes its methods itself instead of declaring samples."""
        return "parts" not in self.__dict__

    @property
    def held(self) -> Any:
        """What the template is: its parts, or the source of its class."""
        return type(self).written if self.is_custom else self.parts

    @property
    def identity(self) -> Any:
        """What the class declares as JSON-like data, of which the digest is made."""
        return {"text": self.text_digest, "dialect": None if self.is_custom else self.dialect.digest}

    @cached_property
    def text_digest(self) -> str:
        """A hash of what decides the samples and their texts: all but the dialect."""
        if self.is_custom:
            return digest("custom template", self.held)
        parts = self.parts
        declared = {"style": parts.style.digest, "pairs": parts.pairs, "ties": parts.ties}
        return digest("template text", {**parts.declaration.identity, **declared})

    def _require_parts(self, feature: str) -> Parts:
        if self.is_custom:
            raise DefinitionError(
                f"{self.name} formats by hand, so it has no messages and {feature} cannot work;"
                " declare a Row and samples to have it"
            )
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
    def example(self) -> Mapping[str, Any] | None:
        """A row that shows what the dataset looks like, if the template has one."""
        return self.about.example

    @property
    def about(self) -> About:
        """What is known of the dataset."""
        return read_about(type(self)) if self.is_custom else self.parts.about

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats that the template declares, or for which it has a method of its own."""
        if self.is_custom:
            return custom_formats(type(self), Template)
        return self.parts.declaration.formats

    @property
    def derived_formats(self) -> tuple[str, ...]:
        """The formats that are made from those: `unpaired` from `preference`, for example."""
        return () if self.is_custom else list_derived_formats(self.formats)

    def columns(self, format: str) -> list[str]:
        """The row's own names of the columns that a format reads.

        Raises:
            UnknownNameError: the template cannot fill the format.
            DefinitionError: it is a custom template.
        """
        self._require_parts("columns")
        return self._extraction(format).extractor.columns

    def labels(self, format: str) -> tuple[str, ...]:
        """The labels that the samples of a format have.

        Raises:
            UnknownNameError: the template cannot fill the format.
            DefinitionError: it is a custom template; or ties are to be halves, or kept, and the dialect has no key
                that says so.
        """
        parts, labels = self._require_parts("labels"), self._extraction(format).labels
        if format == Preference.format:
            check_ties_are_spelled(parts.dialect, parts.ties, labels)
        return labels

    def check_format(self, format: str) -> None:
        """Refuse a format that the template cannot fill.

        Raises:
            UnknownNameError: it cannot; the message says what it fills.
        """
        formats = (*self.formats, *self.derived_formats)
        if format not in formats:
            raise UnknownNameError(
                f"{self.name} fills no format {preview(format)}; it fills {', '.join(formats)}."
                + did_you_mean(str(format), formats)
            )

    def check_columns(self, format: str, columns: Iterable[str]) -> None:
        """Refuse a table among whose columns one is missing that the format must read.

        Raises:
            RowError: `missing_field`, with the nearest column.
        """
        self._require_parts("check_columns")
        with _name_in_errors(self.name, format):
            self._extraction(format).extractor.check_columns(columns)

    def with_style(self, style: str | Style) -> Template:
        """The same template with another style."""
        return self._with(self._require_parts("with_style"), style=get_style(style))

    def with_dialect(self, dialect: str | Dialect) -> Template:
        """The same template with another dialect."""
        return self._with(self._require_parts("with_dialect"), dialect=get_dialect(dialect))

    def with_pairs(self, pairs: Pairs) -> Template:
        """The same template, whose rankings give other pairs: "all", "adjacent" or "best-worst"."""
        check_pairs(pairs)
        return self._with(self._require_parts("with_pairs"), pairs=pairs)

    def with_ties(self, ties: Ties) -> Template:
        """The same template with another policy for ties: "drop", "half" or "keep"."""
        check_ties(ties)
        return self._with(self._require_parts("with_ties"), ties=ties)

    def _with(self, parts: Parts, **changed: Any) -> Template:
        return Template.of(replace(parts, **changed), self.name)

    def extract(self, row: Mapping[str, Any], format: str) -> Sample[list[Message]]:
        """The sample with messages; a response holds its own messages only, and texts know their cell.

        Raises:
            RowError: a cell is missing, mistyped or outside its domain, or no messages come of it; the row gives no
                sample of the format, or several.
            UnknownNameError: the template cannot fill the format.
            DefinitionError: it is a custom template.
        """
        self._require_parts("extract")
        with _name_in_errors(self.name, format):
            return self._extract(row, format, traced=True).only()

    def extract_all(self, row: Mapping[str, Any], format: str) -> Extracted:
        """All samples of the row with messages, and what was lost in making them from another format.

        Example:
            >>> from preftemplates import get_template
            >>> template = get_template("PKUSafeRLHF")
            >>> extracted = template.extract_all(template.example, "unpaired")
            >>> [sample.label for sample in extracted.samples]
            [True, False]

        Raises:
            RowError, UnknownNameError, DefinitionError: as `extract`, but for the number of samples.
        """
        self._require_parts("extract_all")
        with _name_in_errors(self.name, format):
            return self._extract(row, format, traced=True)

    def render(self, row: Mapping[str, Any], format: str) -> Sample[Rendered]:
        """The sample with rendered texts; a response holds the whole text, prompt included.

        The prompt ends with the style's generation prompt. What follows it in a response is the response's own text.

        Raises:
            RowError: as `extract`; and where the style cannot spell the messages.
        """
        style = self._require_parts("render").style
        with _name_in_errors(self.name, format):
            return render_sample(self._extract(row, format, traced=True).only(), style)

    def format(self, row: Mapping[str, Any], format: str) -> dict[str, Any]:
        """The result in the dialect's keys.

        Raises:
            RowError: as `extract` and `render`.
            UnknownNameError: the template cannot fill the format, or the dialect cannot spell it.
            StyleContractError: a key needs a response's own text, and the style writes none.
        """
        if self.is_custom:
            return self.format_all(row, format)[0]
        with _name_in_errors(self.name, format):
            formatter = self._formatter(format)
            return formatter.format(self._extract(row, format, traced=False).only()).result

    def format_all(self, row: Mapping[str, Any], format: str) -> list[dict[str, Any]]:
        """The results of all samples of the row.

        Raises:
            RowError: as `format`, but for the number of samples.
        """
        return [formatted.result for formatted in self.formatted(row, format).samples]

    def formatted(self, row: Mapping[str, Any], format: str) -> FormattedRow:
        """The results of all samples of the row, each with the messages and texts that it was made of."""
        with _name_in_errors(self.name, format):
            if self.is_custom:
                self.check_format(format)
                return FormattedRow([format_custom(self, Template, row, format)], Counter())
            formatter = self._formatter(format)
            extracted = self._extract(row, format, traced=False)
            samples = [formatter.format(sample) for sample in extracted.samples]
            if not formatter.keeps_tools:
                extracted.lost.update("tools" for sample in extracted.samples if sample.tools is not None)
            return FormattedRow(samples, extracted.lost, formatter.labels_without_key)

    def format_supervised_sample(self, raw_sample: dict[str, Any]) -> dict[str, Any]:
        """`format(raw_sample, "supervised")`."""
        return self.format(raw_sample, "supervised")

    def format_preference_sample(self, raw_sample: dict[str, Any]) -> dict[str, Any]:
        """`format(raw_sample, "preference")`."""
        return self.format(raw_sample, "preference")

    def format_prompt_only_sample(self, raw_sample: dict[str, Any]) -> dict[str, Any]:
        """`format(raw_sample, "prompt_only")`."""
        return self.format(raw_sample, "prompt_only")

    def check_equal(self, raw_sample: dict[str, Any]) -> bool:
        """Whether two of the responses are the same messages.

        Raises:
            DefinitionError: the template fills no format with two responses.
        """
        for name in self.formats:
            if len(FORMATS[name].response_names) > 1:
                return has_equal(self.extract(raw_sample, name))
        raise DefinitionError(f"{self.name} fills no format with two responses, so none can be equal")

    def _extract(self, row: Mapping[str, Any], format: str, traced: bool) -> Extracted:
        return self._extraction(format).extract(row, self._roles, traced=traced)

    def _extraction(self, format: str) -> Extraction:
        if format not in self._extractions:
            self.check_format(format)
            parts = self.parts
            extraction = Extraction(parts.declaration, format, parts.filters, parts.pairs, parts.ties)
            self._extractions[format] = extraction
        return self._extractions[format]

    @cached_property
    def _extractions(self) -> dict[str, Extraction]:
        return {}

    @cached_property
    def _roles(self) -> tuple[str, ...]:
        """The roles that messages may have."""
        return tuple(dict.fromkeys((*ROLES, *self.parts.style.accepted_roles)))

    def _formatter(self, format: str) -> ResultFormatter:
        if format not in self._formatters:
            labels, parts = self.labels(format), self.parts
            self._formatters[format] = ResultFormatter(parts.style, parts.dialect, format, labels)
        return self._formatters[format]

    @cached_property
    def _formatters(self) -> dict[str, ResultFormatter]:
        return {}

    def __setattr__(self, name: str, value: Any) -> None:
        if not self.is_custom:
            super().__setattr__(name, value)
        self.__dict__[name] = value

    def __reduce__(self) -> tuple[Any, ...]:
        if self.is_custom:
            return restore_custom, (pack_definition(type(self)),)
        filters = {name: pack_definition(function) for name, function in self.parts.filters.items()}
        return _restore_template, (replace(self.parts, filters={}), self.name, filters)

    def __delattr__(self, name: str) -> None:
        if not self.is_custom:
            super().__delattr__(name)
        del self.__dict__[name]


@contextmanager
def _name_in_errors(template: str, format: str) -> Iterator[None]:
    """Add the template and the format to an error that passes."""
    try:
        yield
    except (RowError, StyleError) as error:
        raise error.located(template=template, format=format) from error.__cause__


def _restore_template(parts: Parts, name: str, filters: Mapping[str, PackedDefinition]) -> Template:
    """Return a template from its pickled parts."""
    return Template.of(replace(parts, filters={name: packed.unpack() for name, packed in filters.items()}), name)
