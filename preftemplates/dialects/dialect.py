"""Dialects: how a result's keys are spelled for another framework, as a table; registered by name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast, get_args

from preftemplates.core.frozen import Frozen
from preftemplates.core.media import MEDIA_COLUMNS
from preftemplates.core.messages import ROLES
from preftemplates.core.registry import Registry
from preftemplates.core.samples import SAMPLE_TYPES, Sample, list_formats
from preftemplates.dialects.consumer_config import ConsumerConfig
from preftemplates.dialects.consumers import TextConsumer
from preftemplates.dialects.media import MediaSpelling, check_media_are_kept, find_kinds
from preftemplates.dialects.message_views import MessageKeys
from preftemplates.dialects.shape_filler import ShapeFiller
from preftemplates.dialects.table import (
    DialectTable,
    ObjectShape,
    find_places,
    iter_sample_fields,
    read_shape,
    select_parts,
)
from preftemplates.errors import Code, DefinitionError, RowError, UnknownNameError, did_you_mean, preview

if TYPE_CHECKING:
    from pathlib import Path

D = TypeVar("D", bound="type[Dialect]")


_MESSAGE_ATTRIBUTES = ("role_key", "content_key", "roles", "dropped", "calls_role", "media")
"""What a dialect declares of messages, next to its tables."""

_ATTRIBUTES = (*_MESSAGE_ATTRIBUTES, "text_consumer", "config", "pairs_only", "exclusive")
"""What a dialect declares next to its tables."""


class Dialect(Frozen):
    """How a result's keys are spelled.

    A dialect is declared as a class with one table a format and registered by `@register_dialect(name)`; an object
    of it is frozen and compares by its tables. What a table may hold, `preftemplates.dialects.table.read_shape` says.

    Class attributes:
        role_key, content_key: the keys of a message; `role` and `content`.
        roles: the framework's names for roles; a role that it has no name for is refused. Without it all stay.
        dropped: keys of a message that the framework leaves out in silence; a message that holds one is refused.
        calls_role: the name of a turn that only calls tools; its content is the calls' JSON text, without their ids.
        media: how messages show a medium that a key of the row holds: `parts`, by a typed part without it; `marks`, by
            `<image>`, `<video>` and `<audio>` in the text. By default it stays in its typed part.
        text_consumer: the framework that tokenizes the texts, if it adds BOS and EOS by itself.
        config: how the framework is configured to read a file, a `ConsumerConfig`.
        exclusive: parts of a sample of which the framework reads one and loses the others: `("images", "tools")`.
        pairs_only: whether the framework reads rankings of exactly two completions without a tie; others are refused.

    Example:
        >>> class Mine(Dialect):
        ...     preference = {"question": "prompt", "good": "chosen", "bad": "rejected"}
        >>> Mine().keys("preference")
        ('question', 'good', 'bad')
    """

    table: DialectTable
    kind = "dialect"
    holds = "table"

    declared: ClassVar[Mapping[str, Any]] = {}
    """What a class and its parents say, by format."""

    def __init_subclass__(cls) -> None:
        attributes = {name: value for name, value in vars(cls).items() if not name.startswith("__")}
        cls.declared = {**cls.declared, **attributes}
        cls.table = _read_table(cls)

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats that the dialect can spell."""
        return tuple(name for name, _ in self.table.formats)

    @cached_property
    def _shapes(self) -> dict[str, ObjectShape]:
        return dict(self.table.formats)

    def shape(self, format: str, parts: Collection[str] = ()) -> ObjectShape:
        """What each key of a format holds.

        Args:
            format: the format's name.
            parts: the labels that there are, and `tools`; keys of others that are optional are left out.

        Raises:
            UnknownNameError: the dialect cannot spell the format.
        """
        if format not in self._shapes:
            raise UnknownNameError(
                f"the dialect {self.name} cannot spell the format {preview(format)};"
                f" it spells {', '.join(self.formats)}"
            )
        shape = select_parts(self._shapes[format], parts)
        assert isinstance(shape, ObjectShape)
        return shape

    def keys(self, format: str, parts: Collection[str] = ()) -> tuple[str, ...]:
        """The keys of a format, in order; those of optional parts only where they are among these."""
        return tuple(key for key, _ in self.shape(format, parts).fields)

    def needs_text(self, format: str) -> bool:
        """Whether any key holds text in a style."""
        return any(field.needs_text for field in iter_sample_fields(self.shape(format)))

    def spells(self, format: str, label: str) -> bool:
        """Whether a key holds that label."""
        return any(field.name == label for field in iter_sample_fields(self.shape(format, [label])))

    def keeps_tools(self, format: str) -> bool:
        """Whether a key holds the tools, or a text of the prompt in which the style writes them."""
        shape = self.shape(format, Sample.prompt_parts)
        return any(field.holds_tools for field in iter_sample_fields(shape))

    def spell(
        self,
        messages: Sample[Any],
        texts: Sample[Any] | None,
        parts: Collection[str] | None = None,
    ) -> dict[str, Any]:
        """The result.

        Args:
            messages: the sample with lists of messages; a response holds its own only.
            texts: the sample with texts; a response holds the prompt and its own. None where no key needs it.
            parts: the labels, the tools and the media that the result has a key for where that is optional; those of
                the sample, if None. Media that the sample shows have one in any case.

        Raises:
            RowError: the dialect has no room for what the sample holds.
            StyleContractError: a key needs a response's own text, and its text does not begin with the prompt's.
        """
        given = messages.given_parts if parts is None else tuple(parts)
        media = (part for part in given if part in MEDIA_COLUMNS.values())
        kinds = tuple(dict.fromkeys((*media, *self.check_media(messages, given))))
        return self.fill(self.shape(messages.format, (*given, *kinds)), messages, texts, kinds)

    def check_media(self, messages: Sample[Any], parts: Collection[str] = ()) -> tuple[str, ...]:
        """Return the kinds of media that a sample shows, after checking that a result has a key for them.

        Args:
            messages: the sample with lists of messages.
            parts: as in `spell`.

        Raises:
            RowError: `unsupported_content`; `media_mismatch` where a place in a message has no medium.
        """
        kinds = find_kinds(messages)
        if self.table.exclusive and messages.tools is not None:
            self._check_exclusive({*parts, *kinds, "tools"})
        if kinds:
            shape = self.shape(messages.format, (*parts, *kinds))
            check_media_are_kept(messages, find_places(shape, self.table.message_keys), self.name)
        return kinds

    def _check_exclusive(self, parts: Collection[str]) -> None:
        if set(self.table.exclusive) <= set(parts):
            names = " or ".join(self.table.exclusive)
            raise RowError(f"the dialect's framework reads {names} of a file, not both", code=Code.UNSUPPORTED_CONTENT)

    def fill(
        self,
        shape: ObjectShape,
        messages: Sample[Any],
        texts: Sample[Any] | None,
        media: Collection[str] = (),
        may_lack: Collection[str] = (),
    ) -> dict[str, Any]:
        """Return the same for a shape that is selected already, for these kinds of media among others.

        Labels that the sample may lack are null where it does.

        Raises:
            RowError, StyleContractError: as `spell`.
        """
        if self.table.pairs_only and messages.several and not messages.pieces:
            _check_is_pair(messages)
        filler = ShapeFiller(messages, texts, self.table.message_keys, bool(media), may_lack)
        result: dict[str, Any] = filler.fill(shape)
        return result

    def configure(
        self,
        format: str,
        *,
        config: str | Path,
        rows: str | Path,
        chat_template: str | Path | None = None,
        keys: Iterable[str] | None = None,
    ) -> str:
        """Return the configuration with which the framework reads a file of rows.

        Args:
            format: the dataset type of the rows.
            config: the path of the configuration.
            rows: the path of the rows.
            chat_template: the path of the chat template that renders the rows' messages; None for the model's own.
            keys: the keys of the rows; without it those of every row.

        Raises:
            FileError: the configuration's name has the wrong ending, or no framework reads rows of that ending.
            DefinitionError: the dialect has no configuration for the dataset type.

        Example:
            >>> script = get_dialect("trl").configure("preference", config="train.py", rows="pairs.jsonl")
            >>> 'data_files=str(HERE / "pairs.jsonl")' in script
            True
        """
        if self.table.config is None:
            names = [name for name in list_dialects() if get_dialect(name).table.config is not None]
            raise DefinitionError(f"the dialect {self.name} has no configuration; these have one: {', '.join(names)}")
        known = list(self.keys(format) if keys is None else keys)
        return self.table.config.render(format, config=config, rows=rows, chat_template=chat_template, keys=known)


def _read_table(cls: type[Dialect]) -> DialectTable:
    formats: list[tuple[str, ObjectShape]] = []
    for name, keys in cls.declared.items():
        if name in _ATTRIBUTES:
            continue
        if name not in list_formats():
            guess = did_you_mean(name, [*list_formats(), *_ATTRIBUTES])
            raise DefinitionError(f"{cls.__name__}.{name}: there is no such format.{guess}")
        if not isinstance(keys, Mapping) or not keys:
            raise DefinitionError(f"{cls.__name__}.{name}: expected a table of keys, got {preview(keys)}")
        try:
            shape = read_shape(name, keys, SAMPLE_TYPES.get(name))
        except DefinitionError as error:
            raise DefinitionError(f"{cls.__name__}.{name}: {error}") from error
        formats.append((name, cast("ObjectShape", shape)))
    consumer = cls.declared.get("text_consumer")
    if not isinstance(consumer, TextConsumer | None):
        raise DefinitionError(f"{cls.__name__}.text_consumer: expected TextConsumer(...), got {preview(consumer)}")
    pairs_only = cls.declared.get("pairs_only", False)
    if not isinstance(pairs_only, bool):
        raise DefinitionError(f"{cls.__name__}.pairs_only: expected True or False, got {preview(pairs_only)}")
    exclusive = cls.declared.get("exclusive", ())
    known = ("tools", *MEDIA_COLUMNS.values())
    if not isinstance(exclusive, tuple) or not set(exclusive) <= set(known):
        raise DefinitionError(
            f"{cls.__name__}.exclusive: expected some of {', '.join(known)}, got {preview(exclusive)}"
        )
    config = _read_config(cls, dict(formats))
    return DialectTable(tuple(formats), _read_message_keys(cls), consumer, config, pairs_only, exclusive)


def _check_is_pair(sample: Sample[Any]) -> None:
    """Refuse several responses that are not two, or of which none is better.

    Raises:
        RowError: `unsupported_content` for another number, `bad_label` for a tie.
    """
    found = len(sample.responses)
    if found != 2:
        raise RowError(
            f"the dialect's framework takes exactly two completions, got {found};"
            " --format preference gives the pairs of a ranking",
            code=Code.UNSUPPORTED_CONTENT, value=found,
        )  # fmt: skip
    ranks = getattr(sample, "ranks", None)
    if ranks is not None and len(set(ranks)) == 1:
        raise RowError(
            "the two completions have the same rank, and the dialect's framework takes no ties",
            code=Code.BAD_LABEL, value=list(ranks),
        )  # fmt: skip


def _read_config(cls: type[Dialect], formats: Collection[str]) -> ConsumerConfig | None:
    config = cls.declared.get("config")
    if config is None:
        return None
    if not isinstance(config, ConsumerConfig):
        raise DefinitionError(f"{cls.__name__}.config: expected ConsumerConfig(...), got {preview(config)}")
    for format in config.texts:
        if format not in formats:
            raise DefinitionError(f"{cls.__name__}.config: the dialect has no table for {preview(format)}")
    return config


def _read_message_keys(cls: type[Dialect]) -> MessageKeys:
    defaults = zip(_MESSAGE_ATTRIBUTES, ("role", "content", {}, (), "", "inline"), strict=True)
    role, content, roles, dropped, calls_role, media = (cls.declared.get(name, default) for name, default in defaults)
    if not (isinstance(role, str) and isinstance(content, str) and isinstance(roles, Mapping)):
        raise DefinitionError(f"{cls.__name__}: role_key and content_key are texts, and roles names by role")
    if role == content:
        raise DefinitionError(f"{cls.__name__}: role_key and content_key are both {preview(role)}; one would be lost")
    for message_role, name in roles.items():
        if message_role not in ROLES:
            guess = did_you_mean(str(message_role), ROLES)
            raise DefinitionError(f"{cls.__name__}.roles: {preview(message_role)} is no role.{guess}")
        if not isinstance(name, str):
            raise DefinitionError(f"{cls.__name__}.roles: the name of {message_role} is text, got {preview(name)}")
    if not isinstance(dropped, tuple) or not all(isinstance(key, str) for key in dropped):
        raise DefinitionError(f"{cls.__name__}.dropped: expected a tuple of keys, got {preview(dropped)}")
    if not isinstance(calls_role, str):
        raise DefinitionError(f"{cls.__name__}.calls_role: expected a name, got {preview(calls_role)}")
    if media not in get_args(MediaSpelling):
        raise DefinitionError(
            f"{cls.__name__}.media: expected {' or '.join(get_args(MediaSpelling))}, got {preview(media)}"
        )
    return MessageKeys(role, content, tuple(roles.items()), bool(roles), dropped, calls_role, media)


DIALECTS: Registry[type[Dialect]] = Registry("dialect", "preftemplates.dialects.bundled", "preftemplates.dialects")


def register_dialect(name: str, *, aliases: Iterable[str] = ()) -> Callable[[D], D]:
    """Register a dialect class under a name, and under other names by which it is found.

    Raises:
        DefinitionError: the name is taken by another class.
    """
    return DIALECTS.decorator(name, Dialect, aliases)


def get_dialect(name: str | Dialect) -> Dialect:
    """Return the dialect of that name; a dialect is returned as it is.

    Raises:
        UnknownNameError: there is none; the message says which name is near.
    """
    return name if isinstance(name, Dialect) else DIALECTS.get(name)()


def list_dialects() -> list[str]:
    """Return the names of all dialects."""
    return DIALECTS.names()
