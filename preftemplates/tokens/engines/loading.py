"""Load an engine by name or from a directory, and use it only if the self-check finds its ids equal."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preftemplates.errors import FileError, PrefTemplatesError, preview
from preftemplates.tokens.engines.engine import ENGINES, EngineEntry, TokenBatch, import_numpy, make_bad_text_error
from preftemplates.tokens.engines.huggingface import HuggingFaceEngine
from preftemplates.tokens.engines.self_check import check_engine, encode_safely, raise_engine_error
from preftemplates.tokens.engines.tokenizer_json import prepare_tokenizer_json, read_tokenizer_json
from preftemplates.tokens.engines.tokenizers_1 import Tokenizers1Engine
from preftemplates.tokens.engines.unicode_sweep import (
    find_differing_characters,
    find_texts_with,
    make_character_table,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from preftemplates.tokens.engines.engine import Engine


class CheckedEngine:
    """An engine backed by the default one, which encodes the texts that the engine would encode differently.

    Args:
        engine: the engine.
        reference: the default engine.
        first_id: the first id that the tokenizer itself does not have. The default engine encodes texts with such ids.
            None if no ids were added.
        characters: non-ASCII characters; the default engine encodes texts with any of them.
    """

    def __init__(
        self, engine: Engine, reference: Engine, first_id: int | None = None, characters: frozenset[str] = frozenset()
    ) -> None:
        self.name = engine.name
        self._engine, self._reference, self._first_id, self._characters = engine, reference, first_id, characters
        self._table = make_character_table(characters) if characters else None

    def encode(self, texts: Sequence[str]) -> TokenBatch:
        """Encode texts, without special tokens around them.

        Raises:
            RowError: `bad_text`: a text is not valid Unicode.
            DefinitionError: the engine raises an exception.
        """
        try:
            batch = encode_safely(self._engine, texts)
            indexes = self._find_others(batch, texts)
        except (PrefTemplatesError, UnicodeError) as error:  # `find_texts_with` encodes texts, which a surrogate stops
            bad_text = make_bad_text_error(texts)
            if bad_text is None:
                raise
            raise bad_text from error
        return self._replace(batch, texts, indexes) if indexes else batch

    def _find_others(self, batch: TokenBatch, texts: Sequence[str]) -> list[int]:
        """Return the indices of the texts that the default engine has to encode."""
        np, indexes = import_numpy(), set[int]()
        if self._first_id is not None:
            foreign = np.flatnonzero(batch.ids >= self._first_id)
            # right: a text without ids ends where the one before it does, and has none of the ids
            indexes |= {*np.searchsorted(np.cumsum(batch.counts), foreign, side="right").tolist()}
        if self._characters:
            indexes |= {*find_texts_with(self._characters, self._table, texts)}
        return sorted(indexes)

    def _replace(self, batch: TokenBatch, texts: Sequence[str], indexes: Sequence[int]) -> TokenBatch:
        """Replace the ids of some texts with those of the default engine."""
        np = import_numpy()
        replaced = self._reference.encode([texts[index] for index in indexes])
        rows, counts = np.split(batch.ids, np.cumsum(batch.counts)[:-1]), batch.counts.copy()
        for index, ids in zip(indexes, np.split(replaced.ids, np.cumsum(replaced.counts)[:-1]), strict=True):
            rows[index], counts[index] = ids, len(ids)
        return TokenBatch(np.concatenate(rows), counts)


def make_default_engine(tokenizer: Any) -> HuggingFaceEngine | Tokenizers1Engine:
    """Build the engine of the installed tokenizers, whose ids are those of `tokenize`.

    Args:
        tokenizer: a `tokenizers.Tokenizer` before 1.0 without truncation and padding, or a `ByteAlignedTokenizer` of
            version 1.x.

    Example:
        >>> from tokenizers import Tokenizer, models
        >>> engine = make_default_engine(Tokenizer(models.BPE({"a": 0, "b": 1}, [])))
        >>> engine.encode(["ab"]).ids.tolist()
        [0, 1]
    """
    version = getattr(tokenizer, "version", None)
    return HuggingFaceEngine(tokenizer) if version is None else Tokenizers1Engine(tokenizer.tokenizer, version)


def list_engines() -> list[str]:
    """Return the names of all engines, sorted, whether or not their packages are installed.

    >>> list_engines()
    ['gigatoken', 'tokenizers', 'tokenizers-1', 'tokie']
    """
    return ENGINES.names()


def load_engine(name_or_directory: str, tokenizer_json: str, reference: Engine) -> CheckedEngine:
    """Load an engine for a tokenizer and check that its ids equal those of the default engine.

    If tokenizers 1.x is installed, it is the default engine. The engine `tokenizers-1` is then compared with itself,
    and `ByteAlignedTokenizer.check` checks what that comparison cannot.

    The check takes one or two seconds. The default engine encodes texts on which engines are known to differ: those
    with bytes that the vocabulary lacks, and those with characters that another Unicode version treats differently.

    Args:
        name_or_directory: the engine's name, or a directory into which tokenizers 1.x was installed
            (`pip install --no-deps --target DIRECTORY tokenizers==1.0.0rc3`). That way transformers keeps using
            tokenizers 0.2x.
        tokenizer_json: the text of the tokenizer's `tokenizer.json`.
        reference: the default engine of this tokenizer.

    Raises:
        UnknownNameError: no engine has that name.
        FileError: the directory does not exist or holds no engine.
        MissingPackageError: the engine's package is not installed.
        DefinitionError: the engine cannot load the tokenizer, or its ids differ.

    Example:
        >>> from tokenizers import Tokenizer, models
        >>> from preftemplates.tokens.engines.huggingface import HuggingFaceEngine
        >>> tokenizer = Tokenizer(models.BPE({"a": 0, "b": 1}, []))
        >>> engine = load_engine("tokenizers", tokenizer.to_str(), HuggingFaceEngine(tokenizer))
        >>> engine.name.partition(" ")[0], engine.encode(["ab", "b"]).ids.tolist()
        ('tokenizers', [0, 1, 1])
    """
    entry, directory = _find_entry(name_or_directory)
    prepared, first_id = prepare_tokenizer_json(tokenizer_json)
    try:
        loaded = entry.load(prepared, directory)
    except PrefTemplatesError:
        raise
    except BaseException as error:  # noqa: BLE001  a panic in Rust is not an Exception
        raise_engine_error(preview(name_or_directory), error, "load this tokenizer")
    description = read_tokenizer_json(tokenizer_json)
    # with the added bytes left to the reference: otherwise each character with such a byte would differ
    characters = find_differing_characters(CheckedEngine(loaded, reference, first_id), reference, description)
    engine = CheckedEngine(loaded, reference, first_id, characters)
    check_engine(engine, reference, tokenizer_json)  # last, so that it checks what is used
    return engine


def _find_entry(name_or_directory: str) -> tuple[EngineEntry, Path | None]:
    """Find the registry entry of an engine, and the directory that holds its package."""
    if not isinstance(name_or_directory, str):
        raise ENGINES.make_unknown_name_error(name_or_directory)
    directory = Path(name_or_directory)
    is_path = os.sep in name_or_directory or (os.altsep or os.sep) in name_or_directory
    # tokie is the engine, even next to a folder of that name, which is ./tokie
    if not is_path and (ENGINES.find(name_or_directory) is not None or not directory.is_dir()):
        return ENGINES.get(name_or_directory), None
    if not directory.is_dir():
        raise FileError(
            f"engine {preview(name_or_directory)}: no such directory; pass the name of an engine"
            f" ({', '.join(list_engines())}) or a directory that holds tokenizers 1.x"
        )
    for name in list_engines():
        entry = ENGINES.get(name)
        if entry.side_loaded and (directory / entry.side_loaded / "__init__.py").is_file():
            return entry, directory
    raise FileError(
        f"engine {preview(name_or_directory)}: the directory holds no engine; install one with pip install --no-deps"
        f" --target {preview(name_or_directory)} 'tokenizers>=1.0.0rc3'"
    )
