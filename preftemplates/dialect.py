"""Dialects: how a result's keys are spelled for another framework, as a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, TypeVar

from preftemplates.errors import Code, DefinitionError, StyleContractError, UnknownNameError, did_you_mean, preview
from preftemplates.frozen import Frozen
from preftemplates.provenance import plain, plain_data
from preftemplates.registry import Registry
from preftemplates.samples import FORMATS, Sample

D = TypeVar("D", bound="type[Dialect]")


class Cell(NamedTuple):
    """What one key holds.

    Attributes:
        key: the key in the result.
        response: the response, or None for the prompt alone.
        with_prompt: whether the prompt stands before the response.
        as_messages: whether it is a list of messages and no text.
    """

    key: str
    response: str | None
    with_prompt: bool
    as_messages: bool

    @classmethod
    def read(cls, key: str, source: str, format: type[Sample[Any]]) -> Cell:
        """Read `prompt`, `chosen` (its own text), `prompt+chosen` (from character 0) or these with `.messages`.

        Raises:
            DefinitionError: the format has no such response.
        """
        if not isinstance(key, str) or not isinstance(source, str):
            raise DefinitionError(f"a table holds texts by key, got {preview(key)}: {preview(source)}")
        what = source.removesuffix(".messages")
        name = what.removeprefix("prompt+")
        as_messages = what != source
        if what == "prompt":
            return cls(key, None, False, as_messages)
        if name not in format.response_names:
            known = ["prompt", *format.response_names]
            raise DefinitionError(f"{key!r} is {source!r}, which {format.format} has not." + did_you_mean(name, known))
        return cls(key, name, name != what, as_messages)


@dataclass(frozen=True)
class Table:
    """The cells of each format."""

    formats: tuple[tuple[str, tuple[Cell, ...]], ...]


class Dialect(Frozen):
    """How a result's keys are spelled.

    A dialect is declared as a class with one table a format and registered by `@register_dialect(name)`; an object
    of it is frozen and compares by its tables.

    Example:
        >>> class Mine(Dialect):
        ...     preference = {"question": "prompt", "good": "chosen", "bad": "rejected"}
        >>> Mine().keys("preference")
        ('question', 'good', 'bad')
    """

    table: Table
    holds = "table"

    declared: ClassVar[Mapping[str, Any]] = {}
    """What a class and its parents say, by format."""

    def __init_subclass__(cls) -> None:
        own = {name: value for name, value in vars(cls).items() if not name.startswith("__")}
        cls.declared = {**cls.declared, **own}
        cls.table = _read_table(cls)

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats that the dialect can spell."""
        return tuple(name for name, _ in self.table.formats)

    @cached_property
    def _cells(self) -> dict[str, tuple[Cell, ...]]:
        return dict(self.table.formats)

    def cells(self, format: str) -> tuple[Cell, ...]:
        """What each key of a format holds.

        Raises:
            UnknownNameError: the dialect cannot spell the format.
        """
        if format not in self._cells:
            raise UnknownNameError(
                f"the dialect {self.name} cannot spell the format {preview(format)};"
                f" it spells {', '.join(self.formats)}"
            )
        return self._cells[format]

    def keys(self, format: str) -> tuple[str, ...]:
        """The keys of a format, in order."""
        return tuple(cell.key for cell in self.cells(format))

    def needs_text(self, format: str) -> bool:
        """Whether any key holds text, so that a style is needed."""
        return not all(cell.as_messages for cell in self.cells(format))

    def spell(self, messages: Sample[Any], texts: Sample[Any] | None) -> dict[str, Any]:
        """The result.

        Args:
            messages: the sample with lists of messages; a response holds its own only.
            texts: the sample with texts; a response holds the prompt and its own. None where no key needs it.

        Raises:
            StyleContractError: a key needs a response's own text, and its text does not begin with the prompt's.
        """
        return {cell.key: _value(cell, messages, texts) for cell in self.cells(messages.format)}


def _value(cell: Cell, messages: Sample[Any], texts: Sample[Any] | None) -> Any:
    if cell.as_messages or texts is None:
        own = messages.responses[cell.response] if cell.response else messages.prompt
        return plain_data([*messages.prompt, *own] if cell.with_prompt else own)
    if cell.response is None:
        return plain(texts.prompt)
    whole = plain(texts.responses[cell.response])
    if cell.with_prompt:
        return whole
    if not whole.startswith(texts.prompt):
        raise StyleContractError(
            f"the text of {cell.response} does not begin with the prompt's text, so it has no text of its own;"
            " a dialect with whole texts or messages can spell it",
            code=Code.PREFIX_UNSTABLE,
        )
    return whole[len(texts.prompt) :]


def _read_table(cls: type[Dialect]) -> Table:
    formats: list[tuple[str, tuple[Cell, ...]]] = []
    for name, keys in cls.declared.items():
        if name not in FORMATS:
            raise DefinitionError(f"{cls.__name__}.{name}: there is no such format." + did_you_mean(name, FORMATS))
        if not isinstance(keys, Mapping) or not keys:
            raise DefinitionError(f"{cls.__name__}.{name}: expected a table of keys, got {preview(keys)}")
        try:
            formats.append((name, tuple(Cell.read(key, source, FORMATS[name]) for key, source in keys.items())))
        except DefinitionError as error:
            raise DefinitionError(f"{cls.__name__}.{name}: {error}") from error
    return Table(tuple(formats))


DIALECTS: Registry[type[Dialect]] = Registry("dialect", "preftemplates.dialects")


def register_dialect(name: str) -> Callable[[D], D]:
    """Register a dialect class under a name.

    Raises:
        DefinitionError: the name is taken by another class.
    """
    return DIALECTS.decorator(name, Dialect)


def get_dialect(name: str | Dialect) -> Dialect:
    """The dialect of that name; a dialect is returned as it is.

    Raises:
        UnknownNameError: there is none; the message says which name is near.
    """
    return name if isinstance(name, Dialect) else DIALECTS.get(name)()


def list_dialects() -> list[str]:
    """The names of all dialects."""
    return DIALECTS.names()
