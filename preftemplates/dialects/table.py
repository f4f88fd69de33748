"""Tables of keys: the value of each key of a result, as a dialect declares it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from preftemplates.dialects.chat_api import spell_api_tools
from preftemplates.dialects.media import MEDIA_VIEWS, Places
from preftemplates.dialects.message_views import MESSAGE_VIEWS, MessageKeys
from preftemplates.errors import DefinitionError, did_you_mean, preview

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from preftemplates.core.samples import Sample
    from preftemplates.dialects.consumer_config import ConsumerConfig
    from preftemplates.dialects.consumers import TextConsumer

_SAMPLE_FIELD = re.compile(r"(?P<prompt>prompt\+)?(?P<name>\w+)(\.(?P<view>\w+))?(?P<optional>\?)?")


@dataclass(frozen=True)
class SampleField:
    """A field of a sample: the messages or the text of the prompt or a response.

    Attributes:
        name: `prompt`, or the name of the response.
        with_prompt: whether the prompt comes before the response.
        view: the form of the messages (`preftemplates.dialects.message_views`); empty for text.
        optional: whether the key is left out if the template does not fill the field.
    """

    name: str
    with_prompt: bool = False
    view: str = ""
    optional: bool = False

    @property
    def needs_text(self) -> bool:
        """Whether it is text in a style."""
        return not self.view

    @property
    def part(self) -> str:
        """The part of a sample that must be present if the key is optional."""
        return self.name

    @property
    def holds_tools(self) -> bool:
        """Whether it holds the tools of the prompt, as a value or in the text."""
        return self.needs_text and (self.with_prompt or self.name == "prompt")

    @property
    def identity(self) -> Any:
        """The entry as tables write it, for digests."""
        name = f"prompt+{self.name}" if self.with_prompt else self.name
        return name + (f".{self.view}" if self.view else "") + ("?" if self.optional else "")


TOOL_VIEWS: dict[str, Callable[[str], Any]] = {"": str, "list": json.loads, "openai": spell_api_tools}
"""The forms in which a table may ask for tools: the text of a JSON list, the list, and OpenAI's list of functions."""


@dataclass(frozen=True)
class ToolsField(SampleField):
    """The tools of the prompt. Without tools, a text is null, and a list is left out, since APIs reject null."""

    @property
    def is_text(self) -> bool:
        """Whether the tools are the text of a JSON list, as they are in a sample."""
        return not self.view

    @property
    def needs_text(self) -> bool:
        """Whether it is text in a style."""
        return False

    @property
    def holds_tools(self) -> bool:
        """Whether it holds the tools of the prompt, as a value or in the text."""
        return True


@dataclass(frozen=True)
class MediaField(SampleField):
    """The images, videos or audio that messages show, in order."""

    @property
    def part(self) -> str:
        """The part of a sample that must be present if the key is optional: `images`, `videos` or `audios`."""
        return MEDIA_VIEWS[self.view].part


@dataclass(frozen=True)
class LabelField(SampleField):
    """A label of a sample."""

    @property
    def needs_text(self) -> bool:
        """Whether it is text in a style."""
        return False


@dataclass(frozen=True)
class FixedValue:
    """A value that is the same in every result."""

    value: Any

    @property
    def identity(self) -> Any:
        """The entry as JSON-like data, for digests."""
        return {"fixed": self.value}


@dataclass(frozen=True)
class DefaultedField:
    """A label, or a default value if the template does not fill the label."""

    field: LabelField
    default: FixedValue

    @property
    def identity(self) -> Any:
        """The entry as JSON-like data, for digests."""
        return {"field": self.field.identity, "default": self.default.value}


@dataclass(frozen=True)
class DefaultedEntry:
    """An entry of a dialect's table that `with_default` returns: the name of a label and a default value."""

    name: str
    default: Any


@dataclass(frozen=True)
class ObjectShape:
    """An object with values by key."""

    fields: tuple[tuple[str, ResultShape], ...]

    @property
    def identity(self) -> Any:
        """The entry as JSON-like data, for digests."""
        return {"keys": [[key, shape.identity] for key, shape in self.fields]}


@dataclass(frozen=True)
class ListShape:
    """A list of fixed length, with a shape for each value."""

    shapes: tuple[ResultShape, ...]

    @property
    def identity(self) -> Any:
        """The entry as JSON-like data, for digests."""
        return {"items": [shape.identity for shape in self.shapes]}


@dataclass(frozen=True)
class PerResponseShape:
    """A list with one value per response, in a sample of several responses."""

    shape: ResultShape

    @property
    def identity(self) -> Any:
        """The entry as JSON-like data, for digests."""
        return {"each": self.shape.identity}


ResultShape = SampleField | FixedValue | DefaultedField | ObjectShape | ListShape | PerResponseShape
"""The shape of the value under one key of a table."""


@dataclass(frozen=True)
class DialectTable:
    """The keys of each dataset type, the spelling of messages, and the configuration of the framework."""

    formats: tuple[tuple[str, ObjectShape], ...]
    message_keys: MessageKeys
    consumer: TextConsumer | None = None
    config: ConsumerConfig | None = None
    pairs_only: bool = False
    exclusive: tuple[str, ...] = ()

    @property
    def identity(self) -> Any:
        """The table as JSON-like data, for digests."""
        formats = {name: shape.identity for name, shape in self.formats}
        consumer = {} if self.consumer is None else {"consumer": self.consumer.identity}
        pairs = {"pairs_only": True} if self.pairs_only else {}
        exclusive = {"exclusive": self.exclusive} if self.exclusive else {}
        return {"formats": formats, "messages": self.message_keys.identity, **consumer, **pairs, **exclusive}


def fixed(value: str | float | bool | None) -> FixedValue:
    """Return an entry of a dialect's table whose value is the same in every result.

    Example:
        >>> from preftemplates import Dialect, get_template
        >>> class Mine(Dialect):
        ...     prompt_only = {"prompt": "prompt.messages", "source": fixed("mine")}
        >>> get_template("TRL").with_dialect(Mine()).format({"prompt": "Hi"}, "prompt_only")
        {'prompt': [{'role': 'user', 'content': 'Hi'}], 'source': 'mine'}
    """
    return FixedValue(value)


def with_default(label: str, value: str | float | bool | None) -> DefaultedEntry:
    """Return an entry of a dialect's table that holds a label, or a value if the template does not fill the label.

    Example:
        >>> from preftemplates import Dialect, get_template
        >>> class Mine(Dialect):
        ...     prompt_only = {"prompt": "prompt.content", "truth": with_default("answer", "none")}
        >>> get_template("TRL").with_dialect(Mine()).format({"prompt": "Hi"}, "prompt_only")
        {'prompt': 'Hi', 'truth': 'none'}
    """
    return DefaultedEntry(label, value)


def read_shape(key: str, entry: Any, format: type[Sample[Any]], in_each: bool = False) -> ResultShape:
    """Return the shape that an entry of a table describes.

    A string names the prompt, a response (its own text), a response after `prompt+` (from character 0), or a label.
    `.view` asks for messages in a form, or for the media in them. `?` after a label, tools or media marks it as
    optional. A mapping or a list holds further entries. In a dataset type with several responses, a list of one entry
    has one value per response.

    Raises:
        DefinitionError: the dataset type has no such response or label, or there is no such view.
    """
    if isinstance(entry, FixedValue):
        return entry
    if isinstance(entry, DefaultedEntry):
        field = _read_sample_field(key, f"{entry.name}?", format)
        if not isinstance(field, LabelField):
            raise DefinitionError(f"{key!r} has a default, but {entry.name!r} is not a label")
        return DefaultedField(field, FixedValue(entry.default))
    if isinstance(entry, str):
        return _read_sample_field(key, entry, format)
    if isinstance(entry, Mapping) and entry and all(isinstance(inner_key, str) for inner_key in entry):
        fields = ((inner_key, read_shape(inner_key, inner, format, in_each)) for inner_key, inner in entry.items())
        return ObjectShape(tuple(fields))
    if isinstance(entry, list) and entry:
        if len(entry) == 1 and format.several and not in_each:
            return PerResponseShape(read_shape(key, entry[0], format, in_each=True))
        return ListShape(tuple(read_shape(key, item, format, in_each) for item in entry))
    raise DefinitionError(f"{preview(key)}: expected a text, a table or a list, got {preview(entry)}")


def _read_sample_field(key: str, entry: str, format: type[Sample[Any]]) -> SampleField:
    match = _SAMPLE_FIELD.fullmatch(entry)
    name, view = (match["name"], match["view"] or "") if match else (entry, "")
    names = [*format.prompt_parts, *format.response_names, *format.label_types]
    field_class = MediaField if view in MEDIA_VIEWS else _find_field_class(name, format)
    is_value = field_class is not SampleField
    wrong = not match or name not in names or (match["prompt"] and name not in format.response_names)
    if field_class is MediaField and name not in ("prompt", *format.response_names):
        wrong = True
    if not match or wrong or (field_class is LabelField and view) or (match["optional"] and not is_value):
        raise DefinitionError(
            f"{key!r} is {entry!r}, which {format.format} does not have." + did_you_mean(name, names)
        )
    views = TOOL_VIEWS if field_class is ToolsField else {**MESSAGE_VIEWS, **MEDIA_VIEWS}
    if view and view not in views:
        raise DefinitionError(f"{key!r} is {entry!r}; there is no view {view!r}." + did_you_mean(view, views))
    return field_class(name, bool(match["prompt"]), view, bool(match["optional"]))


def _find_field_class(name: str, format: type[Sample[Any]]) -> type[SampleField]:
    if name in format.label_types:
        return LabelField
    return ToolsField if name in format.prompt_parts[1:] else SampleField


def iter_sample_fields(shape: ResultShape) -> Iterator[SampleField]:
    """Yield every field of a sample that a shape asks for."""
    if isinstance(shape, SampleField):
        yield shape
    else:
        for inner in _inner_shapes(shape):
            yield from iter_sample_fields(inner)


def _inner_shapes(shape: ResultShape) -> Sequence[ResultShape]:
    """Return the shapes directly inside a shape."""
    if isinstance(shape, ObjectShape):
        return [inner for _, inner in shape.fields]
    if isinstance(shape, PerResponseShape):
        return [shape.shape]
    if isinstance(shape, DefaultedField):
        return [shape.field]
    return shape.shapes if isinstance(shape, ListShape) else []


def select_parts(shape: ResultShape, parts: Collection[str]) -> ResultShape | None:
    """Return a shape without the optional parts that are not given; None if nothing is left.

    A whole table keeps its remaining keys, even if there are none.
    """
    if isinstance(shape, SampleField):
        return None if shape.optional and shape.part not in parts else shape
    if isinstance(shape, FixedValue):
        return shape
    if isinstance(shape, DefaultedField):
        return shape if shape.field.name in parts else shape.default
    if isinstance(shape, ObjectShape):
        return ObjectShape(tuple(_select_parts_of_fields(shape.fields, parts)))
    inner = [field for _, field in _select_parts_of_fields([("", field) for field in _inner_shapes(shape)], parts)]
    if not inner:
        return None
    return PerResponseShape(inner[0]) if isinstance(shape, PerResponseShape) else ListShape(tuple(inner))


def _select_parts_of_fields(
    fields: Iterable[tuple[str, ResultShape]], parts: Collection[str]
) -> Iterator[tuple[str, ResultShape]]:
    """Yield the fields that are not empty after the selection; Parquet has no struct without a field."""
    for key, field in fields:
        rest = select_parts(field, parts)
        if rest is not None and rest != ObjectShape(()):
            yield key, rest


@lru_cache(maxsize=1024)
def find_places(shape: ObjectShape, keys: MessageKeys) -> Places:
    """Return the media that a result of a shape has."""
    kept, has_messages = set[tuple[str, str]](), False
    for field in iter_sample_fields(shape):
        if isinstance(field, MediaField):
            kinds: Collection[str] = (MEDIA_VIEWS[field.view].kind,)
        elif field.view in MESSAGE_VIEWS and not isinstance(field, ToolsField | LabelField):
            has_messages = True
            kinds = MESSAGE_VIEWS[field.view].media if keys.media == "inline" else ()
        else:
            continue
        kept |= {(kind, name) for kind in kinds for name in (field.name, *(("prompt",) * field.with_prompt))}
    return Places(frozenset(kept), has_messages)


def spell_shape(shape: ResultShape) -> Any:
    """Return a shape as a table writes it; the inverse of `read_shape`.

    >>> from preftemplates.core.samples import Preference
    >>> table = {"good": "prompt+chosen", "more": [{"text": "rejected.content", "by": "margin?"}]}
    >>> spell_shape(read_shape("", table, Preference)) == table
    True
    """
    if isinstance(shape, SampleField):
        view = f".{shape.view}" if shape.view else ""
        return "prompt+" * shape.with_prompt + shape.name + view + "?" * shape.optional
    if isinstance(shape, ObjectShape):
        return {key: spell_shape(inner) for key, inner in shape.fields}
    if isinstance(shape, FixedValue):
        return {"fixed": shape.value}
    if isinstance(shape, DefaultedField):
        return {"label": shape.field.name, "default": shape.default.value}
    return [spell_shape(inner) for inner in _inner_shapes(shape)]
