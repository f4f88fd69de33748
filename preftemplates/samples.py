"""Samples: one prompt and k named responses; the class of a sample is its format."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, NotRequired, TypeVar, cast

from typing_extensions import TypedDict

from preftemplates.errors import UnknownNameError, did_you_mean

T = TypeVar("T")
U = TypeVar("U")

ROLES = ("system", "developer", "user", "assistant", "tool")
"""The roles that a message may have; a style may declare more."""


CONTENT_KEYS = (
    "tool_calls",
    "function_call",
    "reasoning_content",
    "reasoning",
    "thinking",
    "images",
    "audio",
    "videos",
)
"""The keys of a message that carry content beside `content`: to leave one out of a text would lose it."""


class Message(TypedDict):
    """One turn: a role, and content that is text, typed parts or None; other keys are kept as they are."""

    role: str
    content: NotRequired[str | list[dict[str, Any]] | None]


Message.__pydantic_config__ = {"extra": "allow", "strict": True}  # type: ignore[attr-defined]


@dataclass(frozen=True, kw_only=True)
class Sample(Generic[T]):
    """One prompt of type T, and responses of type T named by the fields; what is not T is a label.

    T is in turn an expression (in a template's declaration), a list of messages, a `Rendered` text and tokens.
    """

    prompt: T

    format: ClassVar[str] = ""
    """The format's name: the class's own, in snake case."""
    response_names: ClassVar[tuple[str, ...]] = ()
    label_names: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        cls.format = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        own: dict[str, str] = {}
        for parent in reversed(
            [parent for parent in cls.__mro__ if issubclass(parent, Sample) and parent is not Sample]
        ):
            own |= {name: str(kind) for name, kind in vars(parent).get("__annotations__", {}).items()}
        own = {name: kind for name, kind in own.items() if not kind.startswith(("ClassVar", "typing.ClassVar"))}
        cls.response_names = tuple(name for name, kind in own.items() if kind in ("T", "~T"))
        cls.label_names = tuple(name for name in own if name not in cls.response_names)
        FORMATS[cls.format] = cast("type[Sample[Any]]", cls)

    @property
    def responses(self) -> dict[str, T]:
        """The responses by name, in the order of the class."""
        return {name: getattr(self, name) for name in self.response_names}

    @property
    def labels(self) -> dict[str, Any]:
        """The labels by name."""
        return {name: getattr(self, name) for name in self.label_names}

    def map(self, prompt: Callable[[T], U], response: Callable[[T], U]) -> Sample[U]:
        """The same format with the prompt and every response replaced; labels stay."""
        replaced = {name: response(value) for name, value in self.responses.items()}
        return cast("type[Sample[U]]", type(self))(prompt=prompt(self.prompt), **replaced, **self.labels)


FORMATS: dict[str, type[Sample[Any]]] = {}
"""The formats by name; a subclass of `Sample` enters itself."""


@dataclass(frozen=True, kw_only=True)
class PromptOnly(Sample[T]):
    """A prompt to be answered."""


@dataclass(frozen=True, kw_only=True)
class Supervised(Sample[T]):
    """A prompt and the answer to learn."""

    completion: T


@dataclass(frozen=True, kw_only=True)
class Preference(Sample[T]):
    """A prompt, the answer that was preferred and the one that was not."""

    chosen: T
    rejected: T


def format_class(name: str) -> type[Sample[Any]]:
    """The class of the format of that name.

    >>> format_class("preference").response_names
    ('chosen', 'rejected')

    Raises:
        UnknownNameError: there is no such format.
    """
    if name not in FORMATS:
        raise UnknownNameError(
            f"no format {name!r}." + (did_you_mean(str(name), FORMATS) or f" There are: {', '.join(FORMATS)}.")
        )
    return FORMATS[name]
