"""What an engine is, and the registry of engines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from preftemplates.core.extras import import_extra
from preftemplates.core.registry import DefinitionSite, Registry
from preftemplates.errors import Code, RowError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np


class TokenBatch(NamedTuple):
    """The token ids of several texts.

    Attributes:
        ids: int32, of shape (T,): the ids of all texts, one text after the other.
        counts: int64, of shape (N,): how many ids each of the N texts has; together they are T.
    """

    ids: np.ndarray[Any, np.dtype[np.int32]]
    counts: np.ndarray[Any, np.dtype[np.int64]]


class Engine(Protocol):
    """A tokenizer that encodes many texts at a time; several threads may share it.

    Attributes:
        name: the library with its version, such as `tokenizers 0.23.3`.
    """

    name: str

    def encode(self, texts: Sequence[str]) -> TokenBatch:
        """Return the ids of texts, without special tokens around them.

        An added token that a text spells becomes its id, as in `tokenizer(text, add_special_tokens=False)`. Nothing is
        padded or truncated.

        Raises:
            RowError: `bad_text`: a text is not Unicode.
        """


class LoadFunction(Protocol):
    """What an engine's file registers: a function that makes the engine of one tokenizer."""

    def __call__(self, tokenizer_json: str, directory: Path | None) -> Engine:
        """Return the engine of a tokenizer.

        Args:
            tokenizer_json: the text of its `tokenizer.json`, without truncation, padding and post-processor.
            directory: where the engine's package is installed; None for the packages of this environment.
        """


@dataclass(frozen=True)
class EngineEntry:
    """An engine in the registry.

    Attributes:
        load: makes the engine of one tokenizer.
        side_loaded: the package by which a directory is recognised, if the engine can be loaded from one; or empty.
    """

    load: LoadFunction
    side_loaded: str = ""


ENGINES: Registry[EngineEntry] = Registry("engine", "preftemplates.tokens.engines", "preftemplates.engines")


def register_engine(name: str, *, side_loaded: str = "") -> Callable[[LoadFunction], LoadFunction]:
    """Register the function that loads an engine under a name.

    A file in this package registers one engine. So does a package's entry point in the group `preftemplates.engines`.

    Args:
        name: the engine's name.
        side_loaded: the package by which a directory is recognised, if the engine can be loaded from one.

    Raises:
        DefinitionError: the name is taken.

    Example:
        >>> from preftemplates.errors import DefinitionError
        >>> try:
        ...     register_engine("my engine")(lambda tokenizer_json, directory: None)
        ... except DefinitionError as error:
        ...     print(error.message.partition("; ")[2])
        got 'my engine'
    """

    def register(load: LoadFunction) -> LoadFunction:
        ENGINES.register(name, EngineEntry(load, side_loaded), DefinitionSite.of(load))
        return load

    return register


def make_bad_text_error(texts: Sequence[str]) -> RowError | None:
    r"""Return the error for the first text that is not Unicode; None if all of them are.

    >>> make_bad_text_error(["a", "\ud800"]).code
    <Code.BAD_TEXT: 'bad_text'>
    """
    for text in texts:
        try:
            text.encode()
        except UnicodeError:
            return RowError("a lone surrogate: the text is not Unicode", code=Code.BAD_TEXT, value=text)
    return None


def import_numpy() -> Any:
    """Return the module `numpy`, which only some features of the library need.

    Raises:
        MissingPackageError: it is not installed.

    Example:
        >>> import_numpy().__name__
        'numpy'
    """
    return import_extra("numpy", "an engine gives token ids as NumPy arrays")
