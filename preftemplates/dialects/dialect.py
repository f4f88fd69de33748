"""Dialects: the keys and layouts that frameworks expect, as tables, registered by name."""

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
"""Attributes of a dialect about messages."""

_ATTRIBUTES = (*_MESSAGE_ATTRIBUTES, "text_consumer", "config", "pairs_only", "exclusive")
"""All attributes of a dialect next to its tables."""


class Dialect(Frozen):
    """The column names and layout of an output format.

    Declare a dialect as a class with one table per dataset type, and register it with `@register_dialect(name)`.
    Instances are frozen and compare by their tables. `preftemplates.dialects.table.read_shape` documents the entries
    of a table.

    Class attributes:
        role_key, content_key: the keys of a message; by default `role` and `content`.
        roles: the framework's names for roles; a role without a name is rejected. By default all roles stay unchanged.
        dropped: keys of a message that the framework silently drops; a message with one of them is rejected.
        calls_role: the role of a turn that only calls tools; its content is the calls as JSON text, without their ids.
        media: how messages refer to a medium that is under a key of the row: `parts`, by an empty typed part; `marks`,
            by `<image>`, `<video>` and `<audio>` in the text. By default the medium stays in its typed part.
        text_consumer: the framework that tokenizes the texts, if it adds BOS or EOS itself.
        config: a `ConsumerConfig` with which the framework reads a file.
        exclusive: parts of a sample of which the framework reads only one, such as `("images", "tools")`.
        pairs_only: whether the framework reads only rankings of two completions without a tie; others are rejected.

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
    """The declarations of a class and its parents, by name."""

    def __init_subclass__(cls) -> None:
        attributes = {name: value for name, value in vars(cls).items() if not name.startswith("__")}
        cls.declared = {**cls.declared, **attributes}
        cls.table = _read_table(cls)

    @property
    def formats(self) -> tuple[str, ...]:
        """The dataset types that the dialect supports."""
        return tuple(name for name, _ in self.table.formats)

    @cached_property
    def _shapes(self) -> dict[str, ObjectShape]:
        return dict(self.table.formats)

    def shape(self, format: str, parts: Collection[str] = ()) -> ObjectShape:
        """Return the values that each key of a dataset type holds.

        Args:
            format: the dataset type.
            parts: the labels, media and `tools` that are present; optional keys for other parts are left out.

        Raises:
            UnknownNameError: the dialect does not support the dataset type.
        """
        if format not in self._shapes:
            raise UnknownNameError(
                f"the dialect {self.name} does not support the dataset type {preview(format)};"
                f" it supports {', '.join(self.formats)}"
            )
        shape = select_parts(self._shapes[format], parts)
        assert isinstance(shape, ObjectShape)
        return shape

    def keys(self, format: str, parts: Collection[str] = ()) -> tuple[str, ...]:
        """Return the keys of a dataset type in order, with the optional keys of the given parts only."""
        return tuple(key for key, _ in self.shape(format, parts).fields)

    def needs_text(self, format: str) -> bool:
        """Return whether any key holds text in a style."""
        return any(field.needs_text for field in iter_sample_fields(self.shape(format)))

    def spells(self, format: str, label: str) -> bool:
        """Return whether a key holds the label."""
        return any(field.name == label for field in iter_sample_fields(self.shape(format, [label])))

    def keeps_tools(self, format: str) -> bool:
        """Return whether a key holds the tools, or a text of the prompt in which the style writes them."""
        shape = self.shape(format, Sample.prompt_parts)
        return any(field.holds_tools for field in iter_sample_fields(shape))

    def spell(
        self,
        messages: Sample[Any],
        texts: Sample[Any] | None,
        parts: Collection[str] | None = None,
    ) -> dict[str, Any]:
        """Return a sample in the keys of the dialect.

        Args:
            messages: the sample with lists of messages; a response holds only its own messages.
            texts: the sample with texts; a response holds the prompt and its own text. None if no key needs text.
            parts: the labels, tools and media for which the result has its optional keys; by default those of the
                sample. Media in the sample always have their keys.

        Raises:
            RowError: the dialect has no place for something in the sample.
            StyleContractError: a key needs the text of a response alone, and it does not begin with the prompt's text.
        """
        given = messages.given_parts if parts is None else tuple(parts)
        media = (part for part in given if part in MEDIA_COLUMNS.values())
        kinds = tuple(dict.fromkeys((*media, *self.check_media(messages, given))))
        return self.fill(self.shape(messages.format, (*given, *kinds)), messages, texts, kinds)

    def check_media(self, messages: Sample[Any], parts: Collection[str] = ()) -> tuple[str, ...]:
        """Check that the result has a key for every medium in a sample, and return the kinds of media.

        Args:
            messages: the sample with lists of messages.
            parts: as in `spell`.

        Raises:
            RowError: `unsupported_content`; `media_mismatch` if a placeholder in a message has no medium.
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
            raise RowError(
                f"the dialect's framework reads {names} from a file, not both", code=Code.UNSUPPORTED_CONTENT
            )

    def fill(
        self,
        shape: ObjectShape,
        messages: Sample[Any],
        texts: Sample[Any] | None,
        media: Collection[str] = (),
        may_lack: Collection[str] = (),
    ) -> dict[str, Any]:
        """Return a sample in the keys of a selected shape, with these kinds of media.

        Labels in `may_lack` are null if the sample lacks them.

        Raises:
            RowError, StyleContractError: as in `spell`.
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
            chat_template: the path of the chat template that renders the messages; None for the model's own.
            keys: the keys of the rows; by default the keys that every row has.

        Raises:
            FileError: the configuration or the rows have a file ending that the framework does not use.
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
            raise DefinitionError(f"{cls.__name__}.{name}: there is no such dataset type.{guess}")
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
    """Check that several responses are two, one of them better.

    Raises:
        RowError: `unsupported_content` for another number of responses, `bad_label` for a tie.
    """
    found = len(sample.responses)
    if found != 2:
        raise RowError(
            f"the dialect's framework reads exactly two completions, got {found};"
            " use --format preference for the pairs of a ranking",
            code=Code.UNSUPPORTED_CONTENT, value=found,
        )  # fmt: skip
    ranks = getattr(sample, "ranks", None)
    if ranks is not None and len(set(ranks)) == 1:
        raise RowError(
            "the two completions have the same rank, but the dialect's framework accepts no ties",
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
        raise DefinitionError(
            f"{cls.__name__}: role_key and content_key must be texts, and roles a mapping of roles to names"
        )
    if role == content:
        raise DefinitionError(f"{cls.__name__}: role_key and content_key are both {preview(role)}; one would be lost")
    for message_role, name in roles.items():
        if message_role not in ROLES:
            guess = did_you_mean(str(message_role), ROLES)
            raise DefinitionError(f"{cls.__name__}.roles: {preview(message_role)} is not a role.{guess}")
        if not isinstance(name, str):
            raise DefinitionError(
                f"{cls.__name__}.roles: expected text as the name of {message_role}, got {preview(name)}"
            )
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
    """Register a dialect class under a name and its aliases.

    Raises:
        DefinitionError: the name is taken by another class.
    """
    return DIALECTS.decorator(name, Dialect, aliases)


def get_dialect(name: str | Dialect) -> Dialect:
    """Return the dialect with a name; a dialect is returned unchanged.

    Raises:
        UnknownNameError: there is no such dialect; the message suggests the nearest name.
    """
    return name if isinstance(name, Dialect) else DIALECTS.get(name)()


def list_dialects() -> list[str]:
    """Return the names of all dialects."""
    return DIALECTS.names()
