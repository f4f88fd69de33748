"""Shapes: what one key of a result holds, as a dialect's table says it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from preftemplates.core.provenance import plain, plain_data
from preftemplates.core.samples import Sample
from preftemplates.dialects.message_views import VIEWS, Spelling
from preftemplates.errors import Code, DefinitionError, RowError, StyleContractError, did_you_mean, preview

SOURCE = re.compile(r"(?P<prompt>prompt\+)?(?P<name>\w+)(\.(?P<view>\w+))?(?P<optional>\?)?")


@dataclass(frozen=True)
class SampleField:
    """The prompt, a response or a label.

    Attributes:
        name: `prompt`, or the response's or label's name.
        with_prompt: whether the prompt stands before the response.
        view: the form of messages that is asked for (`preftemplates.dialects.message_views`); empty for text.
        optional: whether a label may be left out by the template; then the key is left out of the result.
        is_label: whether it is a label.
    """

    name: str
    with_prompt: bool = False
    view: str = ""
    optional: bool = False
    is_label: bool = False

    @property
    def needs_text(self) -> bool:
        """Whether it is text in a style."""
        return not self.view and not self.is_label

    @property
    def identity(self) -> Any:
        """The entry as tables write it, for digests."""
        name = f"prompt+{self.name}" if self.with_prompt else self.name
        return name + (f".{self.view}" if self.view else "") + ("?" if self.optional else "")


@dataclass(frozen=True)
class Fixed:
    """A value that is the same in every result."""

    value: Any

    @property
    def identity(self) -> Any:
        """The entry as JSON-like data, for digests."""
        return {"fixed": self.value}


@dataclass(frozen=True)
class Struct:
    """Values by key."""

    fields: tuple[tuple[str, Shape], ...]

    @property
    def identity(self) -> Any:
        """The entry as JSON-like data, for digests."""
        return {"keys": [[key, shape.identity] for key, shape in self.fields]}


@dataclass(frozen=True)
class Items:
    """A list of values, one written after the other."""

    shapes: tuple[Shape, ...]

    @property
    def identity(self) -> Any:
        """The entry as JSON-like data, for digests."""
        return {"items": [shape.identity for shape in self.shapes]}


@dataclass(frozen=True)
class Each:
    """A list with one value for each of the several responses of a sample."""

    shape: Shape

    @property
    def identity(self) -> Any:
        """The entry as JSON-like data, for digests."""
        return {"each": self.shape.identity}


Shape = SampleField | Fixed | Struct | Items | Each


def fixed(value: str | float | bool | None) -> Fixed:
    """In a dialect's table: a value that is the same in every result.

    Example:
        >>> from preftemplates import Dialect, get_template
        >>> class Mine(Dialect):
        ...     prompt_only = {"prompt": "prompt.messages", "source": fixed("mine")}
        >>> get_template("TRL").with_dialect(Mine()).format({"prompt": "Hi"}, "prompt_only")
        {'prompt': [{'role': 'user', 'content': 'Hi'}], 'source': 'mine'}
    """
    return Fixed(value)


def read_shape(key: str, source: Any, format: type[Sample[Any]], in_each: bool = False) -> Shape:
    """The shape that an entry of a table describes.

    A text names the prompt, a response (its own text), `prompt+` and a response (from character 0) or a label. `.view`
    asks for messages in a form, and `?` behind a label says that a template may leave it out. A mapping and a list
    hold further entries. In a format of several responses, a list of one entry has one value for each of them.

    Raises:
        DefinitionError: the format has no such response or label, or there is no such view.
    """
    if isinstance(source, Fixed):
        return source
    if isinstance(source, str):
        return _read_source(key, source, format)
    if isinstance(source, Mapping) and source and all(isinstance(inner, str) for inner in source):
        return Struct(tuple((inner, read_shape(inner, value, format, in_each)) for inner, value in source.items()))
    if isinstance(source, list) and source:
        if len(source) == 1 and format.several and not in_each:
            return Each(read_shape(key, source[0], format, in_each=True))
        return Items(tuple(read_shape(key, item, format, in_each) for item in source))
    raise DefinitionError(f"a table holds texts by key, got {preview(key)}: {preview(source)}")


def _read_source(key: str, source: str, format: type[Sample[Any]]) -> SampleField:
    read = SOURCE.fullmatch(source)
    name, view = (read["name"], read["view"] or "") if read else (source, "")
    is_label = name in format.label_names
    known = ["prompt", *format.response_names, *format.label_names]
    wrong = not read or name not in known or (read["prompt"] and name not in format.response_names)
    if not read or wrong or (is_label and view) or (read["optional"] and not is_label):
        raise DefinitionError(f"{key!r} is {source!r}, which {format.format} has not." + did_you_mean(name, known))
    if view and view not in VIEWS:
        raise DefinitionError(f"{key!r} is {source!r}; there is no view {view!r}." + did_you_mean(view, VIEWS))
    return SampleField(name, bool(read["prompt"]), view, bool(read["optional"]), is_label)


def sources(shape: Shape) -> Iterator[SampleField]:
    """All sources in a shape."""
    if isinstance(shape, SampleField):
        yield shape
    else:
        for each in _inner(shape):
            yield from sources(each)


def _inner(shape: Shape) -> Sequence[Shape]:
    """The shapes that stand directly in a shape."""
    if isinstance(shape, Struct):
        return [each for _, each in shape.fields]
    if isinstance(shape, Each):
        return [shape.shape]
    return shape.shapes if isinstance(shape, Items) else []


def without_labels(shape: Shape, labels: Collection[str]) -> Shape | None:
    """The shape without what holds an optional label that is not among these; None if nothing is left.

    Of a whole table the keys that are left are given, even if there is none.
    """
    if isinstance(shape, SampleField):
        return None if shape.optional and shape.name not in labels else shape
    if isinstance(shape, Fixed):
        return shape
    if isinstance(shape, Struct):
        return Struct(tuple((key, each) for key, each in _kept(shape.fields, labels)))
    inner = [each for _, each in _kept([("", each) for each in _inner(shape)], labels)]
    if not inner:
        return None
    return Each(inner[0]) if isinstance(shape, Each) else Items(tuple(inner))


def _kept(fields: Iterable[tuple[str, Shape]], labels: Collection[str]) -> Iterator[tuple[str, Shape]]:
    """The fields of which something is left; Parquet has no struct without a field."""
    for key, each in fields:
        kept = without_labels(each, labels)
        if kept is not None and kept != Struct(()):
            yield key, kept


@dataclass(frozen=True)
class Filling:
    """What shapes are filled with.

    Attributes:
        messages: the sample with lists of messages; a response holds its own only.
        texts: the sample with texts; a response holds the prompt and its own. None where no shape needs it.
        spelling: how messages are spelled.
        index: which of the several responses is meant, inside an `Each`.
    """

    messages: Sample[Any]
    texts: Sample[Any] | None
    spelling: Spelling
    index: int | None = None

    def value(self, shape: Shape) -> Any:
        """The value.

        Raises:
            RowError: the dialect has no room for the messages, or the sample lacks a label that it must have.
            StyleContractError: a response's own text is asked for, and its text does not begin with the prompt's.
        """
        if isinstance(shape, Fixed):
            return shape.value
        if isinstance(shape, Struct):
            return {key: self.value(each) for key, each in shape.fields}
        if isinstance(shape, Items):
            return [self.value(each) for each in shape.shapes]
        if isinstance(shape, Each):
            count = len(self.messages.responses)
            return [
                Filling(self.messages, self.texts, self.spelling, index).value(shape.shape) for index in range(count)
            ]
        if shape.is_label:
            return self._label(shape)
        if shape.name == self.messages.several and self.index is None:
            return [
                Filling(self.messages, self.texts, self.spelling, index).value(shape)
                for index in range(len(self.messages.responses))
            ]
        name = f"{shape.name}[{self.index}]" if shape.name == self.messages.several else shape.name
        return self._messages(shape, name) if shape.view else self._text(shape, name)

    def _label(self, source: SampleField) -> Any:
        value = getattr(self.messages, source.name)
        if value is None and source.name == "tools":  # a row may have none
            return None
        if value is None:
            raise RowError(f"the sample has no {source.name}", code=Code.MISSING_FIELD)
        listed = self.messages.label_kinds[source.name].startswith("list[")
        return plain_data(value[self.index] if listed and self.index is not None else value)

    def _messages(self, source: SampleField, name: str) -> Any:
        own = self.messages.prompt if name == "prompt" else self.messages.responses[name]
        messages = [*self.messages.prompt, *own] if source.with_prompt else own
        return VIEWS[source.view][1](messages, self.spelling)

    def _text(self, source: SampleField, name: str) -> str:
        assert self.texts is not None
        if name == "prompt":
            return plain(self.texts.prompt)
        whole = plain(self.texts.responses[name])
        if source.with_prompt:
            return whole
        before = self._before(name)
        if not whole.startswith(before):
            raise StyleContractError(
                f"the text of {name} does not begin with the prompt's text, so it has no text of its own;"
                " a dialect with whole texts or messages can spell it",
                code=Code.PREFIX_UNSTABLE,
            )
        return whole[len(before) :]

    def _before(self, name: str) -> str:
        """What stands before a response's own text: the prompt's, or that up to the piece before it."""
        assert self.texts is not None
        names = list(self.texts.responses)
        at = names.index(name)
        return plain(self.texts.responses[names[at - 1]] if self.texts.pieces and at else self.texts.prompt)


def spell_shape(shape: Shape) -> Any:
    """A shape as a table writes it; the inverse of `read_shape`.

    >>> from preftemplates.core.samples import Preference
    >>> table = {"good": "prompt+chosen", "more": [{"text": "rejected.content", "by": "margin?"}]}
    >>> spell_shape(read_shape("", table, Preference)) == table
    True
    """
    if isinstance(shape, SampleField):
        view = f".{shape.view}" if shape.view else ""
        return "prompt+" * shape.with_prompt + shape.name + view + "?" * shape.optional
    if isinstance(shape, Struct):
        return {key: spell_shape(each) for key, each in shape.fields}
    if isinstance(shape, Fixed):
        return {"fixed": shape.value}
    return [spell_shape(each) for each in (shape.shapes if isinstance(shape, Items) else [shape.shape])]
