"""Templates: how a dataset's rows become samples, texts and another framework's keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, TypeVar, cast

from preftemplates.core import python_files
from preftemplates.core.digest import digest
from preftemplates.core.frozen import Frozen
from preftemplates.core.messages import ROLES, Message
from preftemplates.core.pickling import Parcel, pack
from preftemplates.core.registry import Registry
from preftemplates.core.samples import FORMATS, Preference, Sample
from preftemplates.core.source_code import class_source
from preftemplates.core.spans import Rendered
from preftemplates.dialects.dialect import Dialect, get_dialect
from preftemplates.dialects.table import iter_sample_fields
from preftemplates.errors import (
    Code,
    DefinitionError,
    RowError,
    StyleError,
    UnknownNameError,
    did_you_mean,
    preview,
)
from preftemplates.styles.style import Style, get_style
from preftemplates.templates.custom import METHODS, call, is_by_hand, writes
from preftemplates.templates.dataset_info import read_entry
from preftemplates.templates.declaration import Declaration, Ties, check_ties, declares, read_declaration
from preftemplates.templates.derivations import Lost, Pairs, check_pairs, derived_formats
from preftemplates.templates.expressions import Filters
from preftemplates.templates.extraction import Extracted, Extraction
from preftemplates.templates.rendering import render_sample, render_texts
from preftemplates.templates.yaml_template import read_template

C = TypeVar("C", bound="type[Template]")


class About(NamedTuple):
    """What is known of a dataset beside its columns.

    Attributes:
        example: a row that shows what it looks like.
        dataset: its name on the hub.
        licence: the licence of its rows.
        verified: whether a real row of it was formatted.
    """

    example: Mapping[str, Any] | None = None
    dataset: str | None = None
    licence: str | None = None
    verified: bool = False


@dataclass(frozen=True)
class Parts:
    """What a template is: a declaration, a style, a dialect, and the policies for pairs and ties.

    What is known about the dataset is no part of its identity, and the filters are in it by their source, which the
    declaration holds.
    """

    declaration: Declaration
    style: Style
    dialect: Dialect
    pairs: Pairs = "all"
    ties: Ties = "drop"
    about: About = field(default_factory=About, repr=False, compare=False)
    filters: Filters = field(default_factory=dict, repr=False, compare=False)


class Template(Frozen):
    """How the rows of one dataset become training data.

    A template is declared as a class with a `Row` and one sample a format, and registered by
    `@register_template(name, style=..., dialect=...)`. An object of it is frozen; it pickles, hashes and compares by
    its declaration, style and dialect.

    A class may instead write `format_supervised_sample`, `format_preference_sample`, `check_equal` and
    `format_prompt_only_sample` by hand. It formats by these; it has no messages, so `extract`, `render`, `columns`,
    `with_style` and `with_dialect` raise `DefinitionError`.

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
        if is_by_hand(cls, Template) and declares(cls, Template):
            raise DefinitionError(
                f"{cls.__name__} declares samples and writes methods by hand; it must be one or the other"
            )
        if declares(cls, Template):
            cls.declaration, cls.filters = read_declaration(cls, Template)
        else:
            cls.written = class_source(cls)

    def __new__(cls) -> Any:
        """The template that the class declares, or an object of the class if it formats by hand."""
        if is_by_hand(cls, Template):
            return object.__new__(cls)
        if cls.declaration is None:
            raise DefinitionError(
                f"{cls.__name__} declares nothing; ask for a template by name, or write a class of your own"
            )
        style, dialect = get_style(cls.default_style), get_dialect(cls.default_dialect)
        ties: Ties = getattr(cls, "ties", "drop")
        return Template.of(
            Parts(cls.declaration, style, dialect, ties=ties, about=_about(cls), filters=cls.filters), cls.name
        )

    @property
    def by_hand(self) -> bool:
        """Whether the class writes its methods itself instead of declaring samples."""
        return "parts" not in self.__dict__

    @property
    def held(self) -> Any:
        """What the template is: its parts, or the source of its class."""
        return type(self).written if self.by_hand else self.parts

    @property
    def identity(self) -> Any:
        """What the class declares as JSON-like data, of which the digest is made."""
        return {"text": self.text_digest, "dialect": None if self.by_hand else self.dialect.digest}

    @cached_property
    def text_digest(self) -> str:
        """A hash of what decides the samples and their texts: all but the dialect."""
        if self.by_hand:
            return digest("custom template", self.held)
        parts = self.parts
        declared = {"style": parts.style.digest, "pairs": parts.pairs, "ties": parts.ties}
        return digest("template text", {**parts.declaration.identity, **declared})

    def _declared(self, asked: str) -> Parts:
        if self.by_hand:
            raise DefinitionError(
                f"{self.name} formats by hand, so it has no messages and {asked} cannot work;"
                " declare a Row and samples to have it"
            )
        return self.parts

    @property
    def style(self) -> Style:
        """The style that texts are written in."""
        return self._declared("style").style

    @property
    def dialect(self) -> Dialect:
        """The dialect that results are spelled in."""
        return self._declared("dialect").dialect

    @property
    def example(self) -> Mapping[str, Any] | None:
        """A row that shows what the dataset looks like, if the template has one."""
        return self.about.example

    @property
    def about(self) -> About:
        """What is known of the dataset."""
        return _about(type(self)) if self.by_hand else self.parts.about

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats that the template declares, or writes by hand."""
        if self.by_hand:
            return tuple(name for name in FORMATS if writes(type(self), Template, f"format_{name}_sample"))
        return self.parts.declaration.formats

    @property
    def derived_formats(self) -> tuple[str, ...]:
        """The formats that are made from those: `unpaired` from `preference`, for example."""
        return () if self.by_hand else derived_formats(self.formats)

    def columns(self, format: str) -> list[str]:
        """The row's own names of the columns that a format reads.

        Raises:
            UnknownNameError: the template cannot fill the format.
            DefinitionError: the template formats by hand.
        """
        self._declared("columns")
        return self._extraction(format).extractor.columns

    def labels(self, format: str) -> tuple[str, ...]:
        """The labels that the samples of a format have.

        Raises:
            UnknownNameError: the template cannot fill the format.
            DefinitionError: the template formats by hand; or ties are to be halves, or kept, and the dialect has no
                key that says so.
        """
        parts, labels = self._declared("labels"), self._extraction(format).labels
        if parts.ties == "half" and format == Preference.format and not parts.dialect.spells(format, "probability"):
            raise DefinitionError(
                f"ties are halves, and the dialect {parts.dialect.name} spells no probability;"
                " choose another dialect, or with_ties('drop') or with_ties('keep')"
            )
        told = [label for label in labels if format == Preference.format and label in ("margin", "probability")]
        if parts.ties == "keep" and told and not any(parts.dialect.spells(format, label) for label in told):
            raise DefinitionError(
                f"ties are kept, and in the dialect {parts.dialect.name} nothing tells them from other pairs;"
                " choose another dialect, or with_ties('drop')"
            )
        return labels

    def check_format(self, format: str) -> None:
        """Refuse a format that the template cannot fill.

        Raises:
            UnknownNameError: it cannot; the message says what it fills.
        """
        known = (*self.formats, *self.derived_formats)
        if format not in known:
            raise UnknownNameError(
                f"{self.name} fills no format {preview(format)}; it fills {', '.join(known)}."
                + did_you_mean(str(format), known)
            )

    def check_columns(self, format: str, columns: Iterable[str]) -> None:
        """Refuse a table among whose columns one is missing that the format must read.

        Raises:
            RowError: `missing_field`, with the nearest column.
        """
        self._declared("check_columns")
        with _facts(self.name, format):
            self._extraction(format).extractor.check_columns(columns)

    def with_style(self, style: str | Style) -> Template:
        """The same template with another style."""
        return self._with(self._declared("with_style"), style=get_style(style))

    def with_dialect(self, dialect: str | Dialect) -> Template:
        """The same template with another dialect."""
        return self._with(self._declared("with_dialect"), dialect=get_dialect(dialect))

    def with_pairs(self, pairs: Pairs) -> Template:
        """The same template, whose rankings give other pairs: "all", "adjacent" or "best-worst"."""
        check_pairs(pairs)
        return self._with(self._declared("with_pairs"), pairs=pairs)

    def with_ties(self, ties: Ties) -> Template:
        """The same template with another policy for ties: "drop", "half" or "keep"."""
        check_ties(ties)
        return self._with(self._declared("with_ties"), ties=ties)

    def _with(self, parts: Parts, **changed: Any) -> Template:
        return Template.of(replace(parts, **changed), self.name)

    def extract(self, row: Mapping[str, Any], format: str) -> Sample[list[Message]]:
        """The sample with messages; a response holds its own messages only, and texts know their cell.

        Raises:
            RowError: a cell is missing, mistyped or outside its domain, or no messages come of it; the row gives no
                sample of the format, or several.
            UnknownNameError: the template cannot fill the format.
            DefinitionError: the template formats by hand.
        """
        self._declared("extract")
        with _facts(self.name, format):
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
        self._declared("extract_all")
        with _facts(self.name, format):
            return self._extract(row, format, traced=True)

    def render(self, row: Mapping[str, Any], format: str) -> Sample[Rendered]:
        """The sample with rendered texts; a response holds the whole text, prompt included.

        The prompt ends with the style's generation prompt. What follows it in a response is the response's own text.

        Raises:
            RowError: as `extract`; and where the style cannot spell the messages.
        """
        style = self._declared("render").style
        with _facts(self.name, format):
            return render_sample(self._extract(row, format, traced=True).only(), style)

    def format(self, row: Mapping[str, Any], format: str) -> dict[str, Any]:
        """The result in the dialect's keys.

        Raises:
            RowError: as `extract` and `render`.
            UnknownNameError: the template cannot fill the format, or the dialect cannot spell it.
            StyleContractError: a key needs a response's own text, and the style writes none.
        """
        if self.by_hand:
            return self.format_all(row, format)[0]
        with _facts(self.name, format):
            self._spelling(format)
            return self._spelled(self._extract(row, format, traced=False).only(), format).result

    def format_all(self, row: Mapping[str, Any], format: str) -> list[dict[str, Any]]:
        """The results of all samples of the row.

        Raises:
            RowError: as `format`, but for the number of samples.
        """
        return [formatted.result for formatted in self.formatted(row, format).samples]

    def formatted(self, row: Mapping[str, Any], format: str) -> FormattedRow:
        """The results of all samples of the row, each with the messages and texts that it was made of."""
        with _facts(self.name, format):
            if self.by_hand:
                return FormattedRow([self._format_by_hand(row, format)], Counter())
            self._spelling(format)
            extracted = self._extract(row, format, traced=False)
            samples = [self._spelled(sample, format) for sample in extracted.samples]
            if not self._tells_tools(format):
                extracted.lost.update("tools" for sample in extracted.samples if sample.tools is not None)
            return FormattedRow(samples, extracted.lost, self._unsaid(format))

    def _spelled(self, messages: Sample[list[Message]], format: str) -> Formatted:
        style, (needs_text, labels) = self.parts.style, self._spelling(format)
        texts = render_texts(messages, style) if needs_text else None
        try:
            return Formatted(messages, texts, self.parts.dialect.spell(messages, texts, labels))
        except StyleError as error:
            raise error.located(style=style.name) from error

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
            made = Extraction(parts.declaration, format, parts.filters, parts.pairs, parts.ties)
            self._extractions[format] = made
        return self._extractions[format]

    @cached_property
    def _extractions(self) -> dict[str, Extraction]:
        return {}

    @cached_property
    def _roles(self) -> tuple[str, ...]:
        """The roles that messages may have."""
        return tuple(dict.fromkeys((*ROLES, *self.parts.style.accepted_roles)))

    def _spelling(self, format: str) -> tuple[bool, tuple[str, ...]]:
        """Whether the dialect needs texts of a format, and the labels that it has."""
        if format not in self._spellings:
            self._extraction(format)
            self._spellings[format] = self.parts.dialect.needs_text(format), self.labels(format)
        return self._spellings[format]

    @cached_property
    def _spellings(self) -> dict[str, tuple[bool, tuple[str, ...]]]:
        return {}

    def _tells_tools(self, format: str) -> bool:
        """Whether the dialect has a key for tools, or a text in which they stand."""
        dialect = self.parts.dialect
        read = iter_sample_fields(dialect.shape(format))
        in_text = any(each.needs_text and (each.name == "prompt" or each.with_prompt) for each in read)
        return in_text or dialect.spells(format, "tools")

    def _unsaid(self, format: str) -> tuple[str, ...]:
        """The labels of a format for which the dialect has no key."""
        if format not in self._without_key:
            _, labels = self._spelling(format)
            spells, told = self.parts.dialect.spells, FORMATS[format].told
            told = (*told, "tools")  # which a row may lack; see `formatted`
            unsaid = (label for label in labels if label not in told and not spells(format, label))
            self._without_key[format] = tuple(unsaid)
        return self._without_key[format]

    @cached_property
    def _without_key(self) -> dict[str, tuple[str, ...]]:
        return {}

    def _format_by_hand(self, row: Mapping[str, Any], format: str) -> Formatted:
        self.check_format(format)
        result = call(getattr(self, f"format_{format}_sample"), row)
        if not isinstance(result, dict):
            raise RowError(f"format_{format}_sample gave {preview(result)}, and no dict", code=Code.WRONG_TYPE)
        asks = len(FORMATS[format].response_names) > 1 and writes(type(self), Template, "check_equal")
        return Formatted(None, None, result, equal=bool(asks and call(self.check_equal, row)))

    def __setattr__(self, name: str, value: Any) -> None:
        if not self.by_hand:
            super().__setattr__(name, value)
        self.__dict__[name] = value

    def __reduce__(self) -> tuple[Any, ...]:
        if self.by_hand:
            return _restore_by_hand, (pack(type(self)),)
        parcels = {name: pack(function) for name, function in self.parts.filters.items()}
        return _restore, (replace(self.parts, filters={}), self.name, parcels)

    def __delattr__(self, name: str) -> None:
        if not self.by_hand:
            super().__delattr__(name)
        del self.__dict__[name]


@dataclass(frozen=True)
class Formatted:
    """A result, and what it was made of.

    Attributes:
        messages: the sample with messages; None where the template formats by hand.
        texts: the sample with texts; None where the dialect needs none.
        result: the keys and values of the dialect.
        equal: whether a class that formats by hand says, by its `check_equal`, that the responses are equal.
    """

    messages: Sample[list[Message]] | None
    texts: Sample[str] | None
    result: dict[str, Any]
    equal: bool = False


class FormattedRow(NamedTuple):
    """The results of a row, and what of it has no place in them.

    Attributes:
        samples: the results.
        lost: how often each response or label was left out.
        unsaid: the labels of each sample for which the dialect has no key.
    """

    samples: list[Formatted]
    lost: Lost
    unsaid: tuple[str, ...] = ()


def has_equal(sample: Sample[Any]) -> bool:
    """Whether a sample's responses leave no choice: of two or more, all are equal."""
    responses = list(sample.responses.values())
    return len(responses) > 1 and not sample.pieces and all(other == responses[0] for other in responses[1:])


@contextmanager
def _facts(template: str, format: str) -> Iterator[None]:
    """Add the template and the format to an error that passes."""
    try:
        yield
    except (RowError, StyleError) as error:
        raise error.located(template=template, format=format) from error.__cause__


def _restore(parts: Parts, name: str, filters: Mapping[str, Parcel]) -> Template:
    """A template from its pickled parts."""
    return Template.of(replace(parts, filters={name: parcel.open() for name, parcel in filters.items()}), name)


def _restore_by_hand(parcel: Parcel) -> Template:
    return cast(Template, parcel.open()())


def _about(cls: type[Template]) -> About:
    """What a class says about its dataset; `Template` itself has properties of these names."""
    said = {name: getattr(cls, name, None) for name in About._fields}
    return About(
        **{name: value for name, value in said.items() if value is not None and not isinstance(value, property)}
    )


TEMPLATES: Registry[type[Template]] = Registry(
    "template", "preftemplates.templates.bundled", "preftemplates.templates"
)


def register_template(
    name: str,
    *,
    style: str | Style | None = None,
    dialect: str | Dialect | None = None,
    aliases: Iterable[str] = (),
) -> Callable[[C], C]:
    """Register a template class under a name.

    Args:
        name: letters, digits, `.`, `_` and `-`.
        style: the style that it formats with unless told otherwise; chatml if none is named here or by a parent class.
        dialect: likewise the dialect; trl.
        aliases: other names by which the template is found.

    Raises:
        DefinitionError: the name is taken by another class, or the class neither declares nor formats.
        UnknownNameError: there is no such style or dialect.
    """
    register = TEMPLATES.decorator(name, Template, aliases)

    def decorate(cls: C) -> C:
        if isinstance(cls, type) and issubclass(cls, Template):
            if cls.declaration is None and not is_by_hand(cls, Template):
                raise DefinitionError(
                    f"{cls.__name__} declares no sample (such as preference = Preference(...)) and writes none of"
                    f" {', '.join(METHODS)}"
                )
            if style is not None:
                get_style(style)  # refused here if there is none
                cls.default_style = style
            if dialect is not None:
                get_dialect(dialect)
                cls.default_dialect = dialect
        return cast(C, register(cls))

    return decorate


def get_template(name: str | Template) -> Template:
    """The template of that name, or in that Python file; a template is returned as it is.

    Args:
        name: a registered name; or a dataset's name on the hub, `Anthropic/hh-rlhf`, where one template is for it; or
            the path of a `.py` file that registers one template, or of several with the name behind a colon:
            `mine.py:Second`; or the path of a `.yaml` file that declares one; or an entry of LLaMA-Factory's
            `dataset_info.json`, its name behind a colon: `data/dataset_info.json:dpo_en_demo`.

    Raises:
        UnknownNameError: there is none; the message says which name is near.
        FileError: the file cannot be read or run.
    """
    if isinstance(name, Template):
        return name
    if str(name).endswith((".yaml", ".yml")):
        return read_template(str(name), Template)
    path, is_entry, wanted = str(name).rpartition(".json:")
    if is_entry:
        return read_entry(f"{path}.json", wanted, Template)
    path, is_file, wanted = str(name).rpartition(".py")
    if is_file and (not wanted or wanted.startswith(":")):
        return _template_in(path + is_file, wanted[1:])
    return _made(_named_by_dataset(name) if "/" in str(name) else name)


def _made(name: str) -> Template:
    return cast(Template, TEMPLATES.get(name)())


def _named_by_dataset(dataset: str) -> str:
    """The name of the only template for a dataset."""
    folded = dataset.casefold()
    known = {name: str(get_template(name).about.dataset).casefold() for name in list_templates()}
    names = [name for name, of in known.items() if of == folded]
    if len(names) == 1:
        return names[0]
    if names:
        raise UnknownNameError(f"{dataset} has {len(names)} templates: {', '.join(names)}; say which one")
    raise UnknownNameError(f"no template is for the dataset {preview(dataset)}")


def _template_in(path: str, wanted: str) -> Template:
    names = TEMPLATES.names_from(python_files.load(path).__name__)
    if wanted and wanted not in names:
        raise UnknownNameError(f"{path} registers no template {wanted!r}." + did_you_mean(wanted, names))
    if not wanted and len(names) != 1:
        listed = f": {', '.join(names)}; say which one, as {path}:{names[0]}" if names else ", by @register_template"
        raise UnknownNameError(f"{path} registers {len(names) or 'no'} templates{listed}")
    return _made(wanted or names[0])


def list_templates() -> list[str]:
    """The names of all templates."""
    return TEMPLATES.names()
