"""The interface of an engine, and the registry of engines."""

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
        ids: int32 of shape (T,): the ids of all texts, one text after another.
        counts: int64 of shape (N,): the number of ids of each of the N texts; they add up to T.
    """

    ids: np.ndarray[Any, np.dtype[np.int32]]
    counts: np.ndarray[Any, np.dtype[np.int64]]


class Engine(Protocol):
    """A tokenizer that encodes many texts at once. Several threads may share it.

    Attributes:
        name: the name and version of the library, such as `tokenizers 0.23.3`.
    """

    name: str

    def encode(self, texts: Sequence[str]) -> TokenBatch:
        """Encode texts, without special tokens around them.

        An added token that a text spells becomes its id, as in `tokenizer(text, add_special_tokens=False)`. Texts are
        neither padded nor truncated.

        Raises:
            RowError: `bad_text`: a text is not valid Unicode.
        """


class LoadFunction(Protocol):
    """A function that builds the engine of one tokenizer; the file of an engine registers one."""

    def __call__(self, tokenizer_json: str, directory: Path | None) -> Engine:
        """Build the engine of a tokenizer.

        Args:
            tokenizer_json: the text of the `tokenizer.json`, without truncation, padding and post-processor.
            directory: where the engine's package is installed; None for this environment's packages.
        """


@dataclass(frozen=True)
class EngineEntry:
    """An engine in the registry.

    Attributes:
        load: builds the engine of one tokenizer.
        side_loaded: the package that identifies a directory from which the engine can be loaded; empty if it cannot.
    """

    load: LoadFunction
    side_loaded: str = ""


ENGINES: Registry[EngineEntry] = Registry("engine", "preftemplates.tokens.engines", "preftemplates.engines")


def register_engine(name: str, *, side_loaded: str = "") -> Callable[[LoadFunction], LoadFunction]:
    """Register the function that loads an engine under a name.

    A file in this package registers one engine. A package's entry point in the group `preftemplates.engines` does too.

    Args:
        name: the engine's name.
        side_loaded: the package that identifies a directory from which the engine can be loaded.

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
    r"""Return the error for the first text that is not valid Unicode; None if all are.

    >>> make_bad_text_error(["a", "\ud800"]).code
    <Code.BAD_TEXT: 'bad_text'>
    """
    for text in texts:  # engines call this after a failure only, so that valid batches pay nothing
        try:
            text.encode()
        except UnicodeError:
            return RowError("the text is not valid Unicode: it holds a lone surrogate", code=Code.BAD_TEXT, value=text)
    return None


def import_numpy() -> Any:
    """Import `numpy`, which only some features of the library need.

    Raises:
        MissingPackageError: `numpy` is not installed.

    Example:
        >>> import_numpy().__name__
        'numpy'
    """
    return import_extra("numpy", "an engine returns token ids as NumPy arrays")
