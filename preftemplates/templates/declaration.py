"""Declarations: the contents of a template as plain data, read from a class statement."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo  # noqa: TC002

from preftemplates.core.messages import Message
from preftemplates.core.paths import get_row_key
from preftemplates.core.samples import SAMPLE_TYPES, Format, PromptOnly, Sample, list_formats
from preftemplates.core.source_code import function_source
from preftemplates.errors import DefinitionError, UnknownNameError, did_you_mean, preview
from preftemplates.sandbox.limits import Limits
from preftemplates.templates.expressions import FILTERS, Field, Filters
from preftemplates.templates.row_types import has_domain, read_row_type, spell_row
from preftemplates.templates.turns import (
    Filler,
    Turns,
    check_one_expression,
    read_responses,
    read_turns,
    splice_message_lists,
)

_CLASS_PARTS = ("Row", "example", "each", "tie", "ties", "dataset", "licence", "verified", "ignored")
"""The parts that a class may declare next to its samples."""

Ties = Literal["drop", "half", "keep"]
"""The policy for pairs in which neither answer is better: they are left out of training, or get the probability one
half, or are kept with the first listed answer as the chosen one."""

_SET_ON_CLASSES = (
    "name", "declaration", "filters", "extractions", "limits", "written", "default_style", "default_dialect",
    "_abc_impl",
)  # fmt: skip
"""Attributes that are set when a class is created and registered."""


@dataclass(frozen=True)
class SampleSource:
    """One declared sample.

    Attributes:
        format: the dataset type.
        turns: the turns that fill the prompt and each response, by name.
        tools: the expression for the tools of the prompt, if there is one.
        labels: the expression for each label, by name.
    """

    format: str
    turns: tuple[tuple[str, Turns], ...]
    tools: str | None = None
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def prompt(self) -> tuple[Turns, str | None]:
        """The turns and the tools of the prompt."""
        return dict(self.turns)["prompt"], self.tools

    @property
    def values(self) -> tuple[tuple[str, str], ...]:
        """The expressions of the parts that are not messages, by name: tools, if there are any, and labels."""
        return (*(() if self.tools is None else (("tools", self.tools),)), *self.labels)

    @property
    def identity(self) -> Any:
        """The sample as JSON-like data, for digests."""
        turns = {part: [turn.identity for turn in turns] for part, turns in self.turns}
        tools = {} if self.tools is None else {"tools": self.tools}
        return {"turns": turns, **tools, "labels": dict(self.labels)}


@dataclass(frozen=True)
class Declaration:
    """The contents of a template as plain data, which can be read again without the module of its class.

    Attributes:
        row: the row type in its spelling.
        samples: the samples, including the prompt-only one.
        filters: the registered filters that the expressions use, with their source.
        each: a name and an expression; one sample is filled per value of the expression. Empty if a row is one sample.
        tie: the expression that tells whether neither answer is better, if there is one.
    """

    row: str
    samples: tuple[SampleSource, ...]
    filters: tuple[tuple[str, str], ...] = ()
    each: tuple[tuple[str, str], ...] = ()
    tie: str | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """The declaration as JSON-like data, for digests."""
        samples = {sample.format: sample.identity for sample in self.samples}
        tie = {} if self.tie is None else {"tie": self.tie}
        return {"row": self.row, "samples": samples, "filters": dict(self.filters), "each": dict(self.each), **tie}

    @property
    def formats(self) -> tuple[Format, ...]:
        """The dataset types of the template, in the order of `list_formats`."""
        declared = {sample.format for sample in self.samples}
        return tuple(name for name in list_formats() if name in declared)

    def sample(self, format: str) -> SampleSource:
        """Return the declared sample of a dataset type.

        Raises:
            UnknownNameError: the template declares no such sample.
        """
        for sample in self.samples:
            if sample.format == format:
                return sample
        raise UnknownNameError(
            f"no dataset type {preview(format)} here; there are {', '.join(self.formats)}."
            + did_you_mean(str(format), self.formats)
        )


def has_samples(cls: type[Any], root: type[Any]) -> bool:
    """Return whether a class, or a parent below `root`, declares a sample, even under an unknown name."""
    declared, formats = [item for parent in _list_classes(cls, root) for item in vars(parent).items()], list_formats()
    return any(name in formats or isinstance(value, Sample) for name, value in declared)


def _list_classes(cls: type[Any], root: type[Any]) -> list[type[Any]]:
    """Return the classes from the one below `root` down to `cls`."""
    return [parent for parent in reversed(cls.__mro__) if issubclass(parent, root) and parent is not root]


def read_declaration(cls: type[Any], root: type[Any]) -> tuple[Declaration, Filters]:
    """Read and check the declarations of a class and its parents; also return the current filters that they use.

    Raises:
        DefinitionError: a part is unknown, a sample has another name than its dataset type, an expression does not
            parse or reads a column that Row does not declare, a filter is unknown, or prompts differ between samples.
    """
    declared = [item for parent in _list_classes(cls, root) for item in vars(parent).items()]
    parts = {name: value for name, value in declared if not name.startswith("__") and name not in _SET_ON_CLASSES}
    formats = list_formats()
    for name in parts:
        if name not in (*_CLASS_PARTS, *formats):
            raise DefinitionError(
                f"{cls.__name__}.{name}: a template has no such part." + did_you_mean(name, [*_CLASS_PARTS, *formats])
            )
    if not isinstance(getattr(cls, "limits", None), Limits | None):
        raise DefinitionError(f"{cls.__name__}.limits: expected Limits(...), got {preview(cls.limits)}")
    if "Row" not in parts:
        raise DefinitionError(
            f"{cls.__name__} declares samples but no Row; add class Row(RowModel) with the columns' types"
        )
    row = _spell_row_class(cls.__name__, parts["Row"])
    lists = {name for name, info in read_row_type(row).model_fields.items() if info.annotation == list[Message]}
    samples = [_read_sample(cls.__name__, name, parts[name], lists) for name in parts if name in formats]
    declaration = Declaration(
        row,
        _with_prompt_only(cls.__name__, samples),
        each=_read_each(cls.__name__, parts.get("each", {})),
        tie=_read_tie(cls.__name__, parts.get("tie")),
    )
    check_ties(parts.get("ties", "drop"))
    filters = _check_fields(cls.__name__, declaration)
    _check_example(cls.__name__, declaration, parts.get("example"))
    functions = {name: FILTERS.get(name) for name in sorted(filters)}
    sources = tuple((name, function_source(function)) for name, function in functions.items())
    return replace(declaration, filters=sources), functions


def check_ties(ties: Any) -> None:
    """Check that a value is a policy for ties.

    Raises:
        DefinitionError: it is not.
    """
    if ties not in get_args(Ties):
        raise DefinitionError(f"ties must be one of {', '.join(get_args(Ties))}; got {preview(ties)}")


def _read_each(owner: str, each: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(each, Mapping) or len(each) > 1:
        raise DefinitionError(f"{owner}.each: expected a name and the expression of its values, got {preview(each)}")
    for name, source in each.items():
        if not isinstance(name, str) or not name.isidentifier():
            raise DefinitionError(f"{owner}.each: {preview(name)} is not a name")
        try:
            check_one_expression(source, "each")
        except DefinitionError as error:
            raise DefinitionError(f"{owner}.each: {error}") from error
    return tuple(each.items())


def _read_tie(owner: str, tie: Any) -> str | None:
    if tie is None:
        return None
    try:
        check_one_expression(tie, "tie")
    except DefinitionError as error:
        raise DefinitionError(f"{owner}.tie: {error}") from error
    return str(tie)


def _spell_row_class(owner: str, row: Any) -> str:
    if not (isinstance(row, type) and issubclass(row, BaseModel)):
        raise DefinitionError(f"{owner}.Row: expected class Row(RowModel) with the columns' types, got {preview(row)}")
    try:
        return spell_row(row)
    except RecursionError:
        raise DefinitionError(f"{owner}.Row contains itself; declare such a column as dict[str, Any]") from None


def _read_sample(owner: str, name: str, sample: Any, message_lists: Collection[str]) -> SampleSource:
    sample_type = SAMPLE_TYPES.get(name)
    if not isinstance(sample, sample_type):
        raise DefinitionError(f"{owner}.{name}: expected {sample_type.__name__}(...), got {preview(sample)}")
    turns: list[tuple[str, Turns]] = []
    for part in ("prompt", *sample.response_names):
        source = getattr(sample, part)
        try:
            if part == sample.several:
                turns.append((part, read_responses(source)))
            else:
                role = "user" if part == "prompt" else "assistant"
                turns.append((part, read_turns(splice_message_lists(source, message_lists), role)))
        except DefinitionError as error:
            raise DefinitionError(f"{owner}.{name}.{part}: {error}") from error
    for part in sample.response_names:
        if not dict(turns)[part]:
            raise DefinitionError(f"{owner}.{name}.{part} declares no message")
    source = SampleSource(sample.format, tuple(turns), sample.tools, tuple(sample.label_values.items()))
    for part, expression in source.values:
        try:
            check_one_expression(expression, "tools" if part in sample.prompt_parts else "a label")
        except DefinitionError as error:
            raise DefinitionError(f"{owner}.{name}.{part}: {error}") from error
    return source


def _with_prompt_only(owner: str, samples: list[SampleSource]) -> tuple[SampleSource, ...]:
    """Return the samples and, if there is a prompt, the prompt alone."""
    declared = [sample.format for sample in samples]
    prompts = {sample.prompt: sample.format for sample in samples if sample.prompt[0]}
    if PromptOnly.format in declared or not prompts:
        return tuple(samples)
    if len(prompts) > 1:
        raise DefinitionError(
            f"{owner}: {' and '.join(prompts.values())} declare different prompts; declare which one prompt_only has:"
            " prompt_only = PromptOnly(prompt=...)"
        )
    prompt, tools = next(iter(prompts))
    return (*samples, SampleSource(PromptOnly.format, (("prompt", prompt),), tools))


def _check_fields(owner: str, declaration: Declaration) -> set[str]:
    """Check every field against the row, and return the names of the filters used."""
    columns = read_row_type(declaration.row).model_fields
    names, filters = set(columns), set[str]()
    without_domain = {name for name, info in columns.items() if not has_domain(info)}
    for name, source in declaration.each:
        if name in columns:
            raise DefinitionError(f"{owner}.each: {name!r} is already a column of Row")
        filters |= _check_field(f"{owner}.each", Field(source), names)
    names |= {name for name, _ in declaration.each}
    if declaration.tie is not None:
        filters |= _check_field(f"{owner}.tie", Field(declaration.tie), names)
    for sample in declaration.samples:
        fields = _parse_fields(f"{owner}.{sample.format}", sample)
        for part, parsed in fields:
            place = f"{owner}.{sample.format}.{part}"
            filters |= _check_field(place, parsed, names)
            for expression in parsed.expressions:
                # choosing a prompt by a label is harmless: it has no better side, and cannot be inverted
                choosing = expression.choosing | (expression.naming if part != "prompt" else frozenset())
                for name in sorted(choosing & without_domain):
                    raise DefinitionError(f"{place} chooses by {name!r}, {_explain_domain(columns[name])}")
        _check_answers(owner, sample, fields, names)
    _check_compared_texts(owner, declaration)
    return filters


def _explain_domain(info: FieldInfo) -> str:
    """Return why a column cannot choose an answer, and how to declare it."""
    if type(None) in get_args(info.annotation):
        return "whose type allows null, which chooses neither answer; leave out None, and rows with null are rejected"
    labels = "Index01, Index12, FirstIs1, int with ge and le, or Literal of texts"
    return f"whose type allows any value; declare it as {labels}"


def _check_compared_texts(owner: str, declaration: Declaration) -> None:
    """Check comparisons of columns with texts: the text must be possible, and a choice must not merge two texts.

    If a column has three possible texts and an answer depends on one of them, the other two would count as the same.
    """
    columns = read_row_type(declaration.row).model_fields
    domains = {
        name: get_args(info.annotation) for name, info in columns.items() if get_origin(info.annotation) is Literal
    }
    named = {name: set[str]() for name in domains}
    for place, part, field in _list_fields(owner, declaration):
        for expression in field.expressions:
            for name, text in sorted(pair for pair in expression.compared if pair[0] in domains):
                if text not in domains[name]:
                    guess = did_you_mean(text, domains[name]) or f" It has {', '.join(map(repr, domains[name]))}."
                    raise DefinitionError(f"{place} compares {name!r} with {text!r}, which is not in its type.{guess}")
                if part != "prompt":
                    named[name].add(text)
    for name, place in sorted(_find_choosing_columns(owner, declaration).items()):
        others = [text for text in domains.get(name, ()) if text not in named[name]]
        if len(others) > 1:
            raise DefinitionError(
                f"{place} chooses by {name!r}, and {' and '.join(map(repr, others))} choose the same answer; name all"
                f' but one, or declare a tie: tie = "{{{{ {name} == {others[-1]!r} }}}}"'
            )


def _find_choosing_columns(owner: str, declaration: Declaration) -> dict[str, str]:
    """Return the columns that choose between two answers, with the field in which they do.

    A choice between two columns is one, and so is an index that compares, such as `answers[winner == 'b']`. A choice
    between two parts of one column is one if the other answer reads both parts too; else the column may choose how an
    answer is written.
    """
    choosing: dict[str, str] = {}
    for sample in declaration.samples:
        fields = dict(_parse_fields(f"{owner}.{sample.format}", sample))
        answers = {part: fields[part] for part in ("chosen", "rejected") if part in fields}
        for part, field in answers.items():
            other_paths = {
                path
                for name, other in answers.items()
                for expression in other.expressions
                for path in expression.paths
                if name != part
            }
            for choice in (choice for expression in field.expressions for choice in expression.choices):
                is_mirrored = bool(choice.one and choice.other) and choice.one | choice.other <= other_paths
                if choice.is_of_answers or is_mirrored:
                    choosing.setdefault(choice.column, f"{owner}.{sample.format}.{part}")
    return choosing


def _list_fields(owner: str, declaration: Declaration) -> Iterator[tuple[str, str, Field]]:
    """Yield every field with its place and its part."""
    for sample in declaration.samples:
        for part, field in _parse_fields(f"{owner}.{sample.format}", sample):
            yield f"{owner}.{sample.format}.{part}", part, field
    if declaration.tie is not None:
        yield f"{owner}.tie", "tie", Field(declaration.tie)
    for _, source in declaration.each:
        yield f"{owner}.each", "each", Field(source)


def _check_answers(owner: str, sample: SampleSource, fields: list[tuple[str, Field]], declared: set[str]) -> None:
    """Check that some answer depends on the row, and that no part is a column name without braces."""
    answers = SAMPLE_TYPES.get(sample.format).response_names
    for part in ("prompt", *answers):
        for name in (field.source.strip() for field_part, field in fields if field_part == part):
            if name in declared:
                place, column = f"{owner}.{sample.format}.{part}", f"{{{{ {name} }}}}"
                raise DefinitionError(f"{place} is the text {name!r}; to read the column, write {column!r}")
    if answers and not any(field.names for part, field in fields if part in answers):
        raise DefinitionError(f"{owner}.{sample.format}.{answers[0]} reads no column")


def _check_field(place: str, field: Field, declared: set[str]) -> frozenset[str]:
    """Check that a field reads only declared names, and return the names of its filters."""
    for name in sorted(field.names - declared):
        raise DefinitionError(
            f"{place} reads {name!r}, which Row does not declare."
            f"{did_you_mean(name, declared)} Declared: {', '.join(sorted(declared))}."
        )
    return field.filters


def _parse_fields(place: str, sample: SampleSource) -> list[tuple[str, Field]]:
    """Return the parsed fields of a sample, each with its part."""
    fields: list[tuple[str, Field]] = []
    for part, turns in sample.turns:
        try:
            fields += [(part, field) for field in Filler(turns).fields]
        except DefinitionError as error:
            raise DefinitionError(f"{place}.{part}: {error}") from error
    return fields + [(part, Field(source)) for part, source in sample.values]


def _check_example(owner: str, declaration: Declaration, example: Any) -> None:
    if example is None:
        return
    infos = read_row_type(declaration.row).model_fields
    columns = [get_row_key(name, info) for name, info in infos.items()]
    if not isinstance(example, Mapping):
        raise DefinitionError(f"{owner}.example: expected a row, got {preview(example)}")
    for column in example:
        if column not in columns:
            raise DefinitionError(
                f"{owner}.example has {column!r}, which Row does not declare." + did_you_mean(column, columns)
            )
