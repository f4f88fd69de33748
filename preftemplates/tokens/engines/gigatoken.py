"""The engine of gigatoken."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING, Any

from preftemplates.core.extras import import_extra
from preftemplates.tokens.engines.engine import TokenBatch, import_numpy, register_engine

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class GigatokenEngine:
    """The engine of a `gigatoken.Tokenizer`.

    Args:
        package: the module `gigatoken`.
        tokenizer_json: the text of a `tokenizer.json`.
    """

    def __init__(self, package: Any, tokenizer_json: str) -> None:
        self.name = f"gigatoken {metadata.version('gigatoken')}"
        self._tokenizer = package.Tokenizer.from_json(tokenizer_json)

    def encode(self, texts: Sequence[str]) -> TokenBatch:
        """Encode texts, without special tokens around them."""
        np = import_numpy()
        rows = self._tokenizer.encode_batch([*texts])
        layout = getattr(rows, "layout", None)
        if layout is not None:  # an Awkward array, which holds all ids in one array
            offsets = np.asarray(layout.offsets.data, np.int64)
            ids = np.asarray(layout.content.data)[offsets[0] : offsets[-1]]
            return TokenBatch(ids.astype(np.int32), np.diff(offsets))
        counts = np.fromiter(map(len, rows), np.int64, len(rows))  # without Awkward, a list of arrays
        return TokenBatch(np.concatenate(rows).astype(np.int32) if rows else np.empty(0, np.int32), counts)


@register_engine("gigatoken")
def load_gigatoken_engine(tokenizer_json: str, directory: Path | None) -> GigatokenEngine:
    """Build the gigatoken engine of a tokenizer.

    Raises:
        MissingPackageError: `gigatoken` is not installed.
    """
    assert directory is None  # only an engine with `side_loaded` is given one
    return GigatokenEngine(import_extra("gigatoken", "the engine 'gigatoken' encodes texts"), tokenizer_json)
