"""Templates: the conversion of a dataset's rows to samples, texts and a framework's keys."""

from __future__ import annotations

from abc import ABCMeta
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, cast, overload

from preftemplates.core.pickling import PackedDefinition, pack_definition
from preftemplates.core.samples import (
    SAMPLE_TYPES,
    Format,
    Judge,
    Preference,
    PromptOnly,
    Ranked,
    Sample,
    Scored,
    Stepwise,
    Supervised,
    Unpaired,
)
from preftemplates.core.source_code import class_source
from preftemplates.dialects.dialect import Dialect, get_dialect
from preftemplates.errors import DefinitionError, RowError, StyleError
from preftemplates.styles.resolve import get_style
from preftemplates.templates.declaration import Declaration, Ties, check_ties, has_samples, read_declaration
from preftemplates.templates.derivations import Messages, Pairs, check_pairs
from preftemplates.templates.extraction import Extracted, Extractions
from preftemplates.templates.parts import Parts, read_about
from preftemplates.templates.rendering import render_sample
from preftemplates.templates.results import FormattedRow, ResultFormatter, has_equal
from preftemplates.templates.schema import TemplateSchema
from preftemplates.templates.text_edges import EdgePolicy, TextEdges, read_text_edges

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from os import PathLike

    from preftemplates.core.spans import Rendered
    from preftemplates.dialects.consumers import TextConsumer
    from preftemplates.sandbox.limits import Limits
    from preftemplates.styles.style import Style
    from preftemplates.templates.expressions import Filters

CUSTOM_METHODS = ("format_supervised_sample", "format_preference_sample", "check_equal", "format_prompt_only_sample")
"""The methods that a class may define itself instead of declaring samples."""


class TemplateMeta(ABCMeta):
    """The type of template classes: a class with its own methods becomes a subclass of `CustomTemplate`."""

    custom_base: type[Template] | None = None
    """`CustomTemplate`, once it is defined."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> Any:
        """Return the class, with another base if it has its own methods."""
        if any(method in namespace or _is_inherited(bases, method) for method in CUSTOM_METHODS):
            bases = _add_base(bases, TemplateMeta.custom_base)
        return super().__new__(cls, name, bases, namespace, **options)


def _add_base(bases: tuple[type, ...], base: type[Template] | None) -> tuple[type, ...]:
    """Return the bases with another base, which replaces `Template` if that is among them."""
    if base is None or any(issubclass(each, base) for each in bases):
        return bases
    replaced = tuple(base if each is Template else each for each in bases)
    return replaced if base in replaced else (*bases, base)


def _is_inherited(bases: Sequence[type], method: str) -> bool:
    """Return whether a class with these bases overrides a method of `Template` or adds it.

    Methods of a mixin listed after a template class are hidden by those of `Template`.
    """
    first = next((index for index, base in enumerate(bases) if issubclass(base, Template)), len(bases))
    visible = [*bases[:first], *(base for base in bases[first:] if issubclass(base, Template))]
    functions = (getattr(base, method, None) for base in visible)
    return any(function is not None and function is not getattr(Template, method, None) for function in functions)


class Template(TemplateSchema, metaclass=TemplateMeta):
    """A dataset template turns the rows of one dataset into training data.

    Declare a template as a class with a `Row` and one sample per dataset type, and register it with
    `@register_template(name, style=..., dialect=...)`. Instances are frozen; they pickle, hash and compare by their
    declaration, style and dialect.

    A class may instead define `format_supervised_sample`, `format_preference_sample`, `check_equal` and
    `format_prompt_only_sample` itself. Such a custom template has no messages, so `extract`, `render`, `columns`,
    `with_style` and `with_dialect` raise `DefinitionError`.

    Class attributes:
        Row: the columns and their types, a `RowModel`.
        preference, supervised, prompt_only: the samples, as `Preference(...)` and so on with expressions over the
            columns; likewise for every other dataset type.
        each: a name and an expression; one sample is filled per value of the expression, if a row has several samples.
        ties: the policy for pairs in which neither answer is better: "drop", "half" or "keep".
        example: an example row.
        dataset, licence: the dataset's name on the hub, and its licence.
        verified: whether a real row was formatted.

    Example:
        >>> from preftemplates import get_template
        >>> template = get_template("PKUSafeRLHF")
        >>> template.format(template.example, "prompt_only")
        {'text': 'BEGINNING OF CONVERSATION: USER: How do I keep basil alive indoors? ASSISTANT:'}
    """

    kind = "template"
    holds = "parts"
    declaration: ClassVar[Declaration | None] = None
    filters: ClassVar[Filters] = {}
    extractions: ClassVar[Extractions]
    limits: ClassVar[Limits | None] = None
    written: ClassVar[str] = ""
    default_style: ClassVar[str | Style] = "chatml"
    default_dialect: ClassVar[str | Dialect] = "trl"

    def __init_subclass__(cls) -> None:
        if not has_samples(cls, Template):
            cls.written = class_source(cls)
        elif cls.is_custom:
            raise DefinitionError(
                f"{cls.__name__} declares samples and also defines its own methods; do only one of the two"
            )
        else:
            cls.declaration, cls.filters = read_declaration(cls, Template)
            cls.extractions = Extractions(
                cls.declaration, cls.filters, cls.limits
            )  # all instances of the class share them

    def __new__(cls) -> Self:
        """Return the template that the class declares, or an instance of a custom template."""
        if cls.declaration is None:
            raise DefinitionError(
                f"{cls.__name__} declares nothing; get a template by its name, or write your own class"
            )
        style, dialect = get_style(cls.default_style), get_dialect(cls.default_dialect)
        ties: Any = cls.ties
        ties = "drop" if isinstance(ties, property) else ties
        about, shared = read_about(cls), cls.extractions
        parts = Parts(cls.declaration, style, dialect, ties=ties, limits=cls.limits, about=about, extractions=shared)
        return cast("Self", Template.of(parts, cls.name))

    def with_style(self, style: str | PathLike[str] | Style) -> Template:
        """Return the template with another style, named as for `get_style`."""
        return self._with(self._require_parts("with_style"), style=get_style(style))

    def with_dialect(self, dialect: str | Dialect) -> Template:
        """Return the template with another dialect, and without edges, which you must set again."""
        return self._with(self._require_parts("with_dialect"), dialect=get_dialect(dialect), edges=None)

    def with_pairs(self, pairs: Pairs) -> Template:
        """Return the template with another choice of pairs from rankings: "all", "adjacent" or "best-worst"."""
        check_pairs(pairs)
        return self._with(self._require_parts("with_pairs"), pairs=pairs)

    def with_ties(self, ties: Ties) -> Template:
        """Return the template with another policy for ties: "drop", "half" or "keep"."""
        check_ties(ties)
        return self._with(self._require_parts("with_ties"), ties=ties)

    def with_edges(self, *, bos: EdgePolicy, eos: EdgePolicy) -> Template:
        """Return the template with texts that keep or drop the style's BOS and stop.

        This matters for text dialects whose consumer tokenizes the texts itself, such as `trl-text`.

        Args:
            bos: "keep" if the consumer's tokenizer adds no BOS, "drop" if it adds one.
            eos: "keep" if the consumer appends EOS to an answer that does not end with it, "drop" if it always does.

        Raises:
            DefinitionError: the dialect has no text that a framework tokenizes, or there is no such policy.
        """
        self._require_consumer("with_edges")
        return self._with(self.parts, edges=TextEdges(bos, eos))

    def with_tokenizer(self, tokenizer: Any) -> Template:
        """Return the template with texts that leave out the special tokens added by the framework and this tokenizer.

        Raises:
            DefinitionError: the dialect has no text that a framework tokenizes.
        """
        consumer = self._require_consumer("with_tokenizer")
        return self._with(self.parts, edges=read_text_edges(tokenizer, consumer))

    def with_columns(self, columns: Iterable[str]) -> Template:
        """Return the template for a table with these columns, so that each result has the keys that the columns fill.

        Without it, a result has the keys for optional media, tools and labels only if its own row fills them.

        Args:
            columns: the names of the table's columns.

        Example:
            >>> from preftemplates import get_template
            >>> template = get_template("TRL").with_columns(["prompt", "chosen", "rejected", "images"])
            >>> template.with_dialect("trl").format({"prompt": "Hi", "completion": "Hi."}, "supervised")["images"]
            []
        """
        return self.with_parts((*self._require_parts("with_columns").keyed, *self.find_parts(list(columns))))

    def with_parts(self, names: Iterable[str]) -> Template:
        """Return the template with a key for these parts of a sample in each result.

        Args:
            names: some of `images`, `videos`, `audios`, `tools` and the optional labels.

        Raises:
            DefinitionError: no sample of the template may have one of these parts.

        Example:
            >>> from preftemplates import get_template
            >>> template = get_template("TRL").with_parts(["margin"])
            >>> template.format({"prompt": "Hi", "chosen": "Hi.", "rejected": "No."}, "preference")["margin"] is None
            True
        """
        return self._with(self._require_parts("with_parts"), keyed=self.check_parts(names))

    def _require_consumer(self, feature: str) -> TextConsumer:
        dialect = self._require_parts(feature).dialect
        if dialect.table.consumer is None:
            raise DefinitionError(f"no framework adds BOS or EOS to the dialect {dialect.name}; omit the tokenizer")
        return dialect.table.consumer

    def adapted(self, **changed: Any) -> Template:
        """Return the template with another `style`, `dialect`, `pairs` or `ties`; a custom template stays unchanged.

        Raises:
            UnknownNameError, DefinitionError: as in `with_style` and so on.
        """
        template: Template = self
        for part, value in changed.items():
            template = getattr(template, f"with_{part}")(value)
        return template

    def _with(self, parts: Parts, **changed: Any) -> Template:
        return Template.of(replace(parts, **changed), self.name)

    @overload
    def extract(self, row: Mapping[str, Any], format: Literal["prompt_only"]) -> PromptOnly[Messages]: ...
    @overload
    def extract(self, row: Mapping[str, Any], format: Literal["supervised"]) -> Supervised[Messages]: ...
    @overload
    def extract(self, row: Mapping[str, Any], format: Literal["preference"]) -> Preference[Messages]: ...
    @overload
    def extract(self, row: Mapping[str, Any], format: Literal["unpaired"]) -> Unpaired[Messages]: ...
    @overload
    def extract(self, row: Mapping[str, Any], format: Literal["ranked"]) -> Ranked[Messages]: ...
    @overload
    def extract(self, row: Mapping[str, Any], format: Literal["scored"]) -> Scored[Messages]: ...
    @overload
    def extract(self, row: Mapping[str, Any], format: Literal["stepwise"]) -> Stepwise[Messages]: ...
    @overload
    def extract(self, row: Mapping[str, Any], format: Literal["judge"]) -> Judge[Messages]: ...
    @overload
    def extract(self, row: Mapping[str, Any], format: Format) -> Sample[Messages]: ...
    def extract(self, row: Mapping[str, Any], format: Format) -> Any:
        """Extract the sample with messages; a response holds its own messages only, and texts keep their origin.

        Raises:
            RowError: a value is missing, has the wrong type or is outside its domain, or gives no messages; or the
                row has no sample of the dataset type, or several.
            UnknownNameError: the template cannot fill the dataset type.
            DefinitionError: it is a custom template.
        """
        self._require_parts("extract")
        try:
            return self._extract(row, format, traced=True).only()
        except (RowError, StyleError) as error:
            raise self._name_error(error, format) from error.__cause__

    def extract_all(self, row: Mapping[str, Any], format: Format) -> Extracted:
        """Extract all samples of a row with messages, and count the losses of derived samples.

        Example:
            >>> from preftemplates import get_template
            >>> template = get_template("PKUSafeRLHF")
            >>> extracted = template.extract_all(template.example, "unpaired")
            >>> [sample.label for sample in extracted.samples]
            [True, False]

        Raises:
            RowError, UnknownNameError, DefinitionError: as in `extract`, except for the number of samples.
        """
        self._require_parts("extract_all")
        try:
            return self._extract(row, format, traced=True)
        except (RowError, StyleError) as error:
            raise self._name_error(error, format) from error.__cause__

    @overload
    def render(self, row: Mapping[str, Any], format: Literal["prompt_only"]) -> PromptOnly[Rendered]: ...
    @overload
    def render(self, row: Mapping[str, Any], format: Literal["supervised"]) -> Supervised[Rendered]: ...
    @overload
    def render(self, row: Mapping[str, Any], format: Literal["preference"]) -> Preference[Rendered]: ...
    @overload
    def render(self, row: Mapping[str, Any], format: Literal["unpaired"]) -> Unpaired[Rendered]: ...
    @overload
    def render(self, row: Mapping[str, Any], format: Literal["ranked"]) -> Ranked[Rendered]: ...
    @overload
    def render(self, row: Mapping[str, Any], format: Literal["scored"]) -> Scored[Rendered]: ...
    @overload
    def render(self, row: Mapping[str, Any], format: Literal["stepwise"]) -> Stepwise[Rendered]: ...
    @overload
    def render(self, row: Mapping[str, Any], format: Literal["judge"]) -> Judge[Rendered]: ...
    @overload
    def render(self, row: Mapping[str, Any], format: Format) -> Sample[Rendered]: ...
    def render(self, row: Mapping[str, Any], format: Format) -> Any:
        """Render the sample to text; the text of a response includes its prompt.

        The prompt ends with the style's generation prompt. The rest of a response's text is its own.

        Raises:
            RowError: as in `extract`, or the style cannot spell the messages.
        """
        style = self._require_parts("render").style
        try:
            return render_sample(self._extract(row, format, traced=True).only(), style)
        except (RowError, StyleError) as error:
            raise self._name_error(error, format) from error.__cause__

    def format(self, row: Mapping[str, Any], format: Format) -> dict[str, Any]:
        """Format a row in the dialect's keys.

        Raises:
            RowError: as in `extract` and `render`.
            UnknownNameError: the template cannot fill the dataset type, or the dialect does not support it.
            StyleContractError: a key needs the text of a response alone, and it does not begin with the prompt's text.
        """
        try:
            return self._formatter(format).format(self._extract(row, format, traced=False).only()).result
        except (RowError, StyleError) as error:
            raise self._name_error(error, format) from error.__cause__

    def format_all(self, row: Mapping[str, Any], format: Format) -> list[dict[str, Any]]:
        """Format all samples of a row.

        Raises:
            RowError: as in `format`, except for the number of samples.
        """
        return [formatted.result for formatted in self.formatted(row, format).samples]

    def formatted(self, row: Mapping[str, Any], format: Format, *, traced: bool = False) -> FormattedRow:
        """Format all samples of a row, and return each result with the messages and texts that it was made from.

        Args:
            row: one record.
            format: the dataset type.
            traced: whether the texts of messages keep their origin in the row.

        Raises:
            RowError: as in `format_all`.
        """
        try:
            formatter = self._formatter(format)
            extracted = self._extract(row, format, traced=traced)
            others = len(extracted.samples) - 1
            samples = [formatter.format(sample, others, source) for sample, source in extracted.with_sources()]
            return FormattedRow(samples, extracted.lost, extracted.reading, ties=extracted.ties)
        except (RowError, StyleError) as error:
            raise self._name_error(error, format) from error.__cause__

    def format_supervised_sample(self, raw_sample: dict[str, Any]) -> dict[str, Any]:
        """Return `format(raw_sample, "supervised")`."""
        return self.format(raw_sample, "supervised")

    def format_preference_sample(self, raw_sample: dict[str, Any]) -> dict[str, Any]:
        """Return `format(raw_sample, "preference")`."""
        return self.format(raw_sample, "preference")

    def format_prompt_only_sample(self, raw_sample: dict[str, Any]) -> dict[str, Any]:
        """Return `format(raw_sample, "prompt_only")`."""
        return self.format(raw_sample, "prompt_only")

    def check_equal(self, raw_sample: dict[str, Any]) -> bool:
        """Return whether all responses are the same messages.

        Raises:
            DefinitionError: the template has no dataset type with two responses.
        """
        for name in self.formats:
            if len(SAMPLE_TYPES.get(name).response_names) > 1:
                return has_equal(self.extract(raw_sample, name))
        raise DefinitionError(f"{self.name} has no dataset type with two responses to compare")

    def _extract(self, row: Mapping[str, Any], format: Format, traced: bool) -> Extracted:
        return self._extraction(format).extract(row, self._policies, traced=traced)

    def _formatter(self, format: Format) -> ResultFormatter:
        if format not in self._formatters:
            given, optional = self.sample_parts(format), self.optional_parts(format)
            edges, has_prompt = self.choose_edges(format), self._extraction(format).has_prompt
            self._formatters[format] = ResultFormatter(
                self.style, self.dialect, format, given, edges, optional=optional, has_prompt=has_prompt
            )
        return self._formatters[format]

    @cached_property
    def _formatters(self) -> dict[str, ResultFormatter]:
        return {}

    def __reduce__(self) -> tuple[Any, ...]:
        functions = {name: pack_definition(function) for name, function in self.parts.extractions.filters.items()}
        types = [SAMPLE_TYPES.get(format) for format in self.formats]
        packed_types = [pack_definition(sample_type) for sample_type in types]
        return _restore_template, (self.parts.without_functions(), self.name, functions, packed_types)


def _restore_template(
    parts: Parts, name: str, functions: Mapping[str, PackedDefinition], sample_types: Iterable[PackedDefinition]
) -> Template:
    """Return a template from its pickled parts; dataset types of other modules register themselves when unpacked."""
    for sample_type in sample_types:
        sample_type.unpack()
    filters = {name: function.unpack() for name, function in functions.items()}
    return Template.of(replace(parts, extractions=Extractions(parts.declaration, filters, parts.limits)), name)
