"""The engine of tokie."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING, Any

from preftemplates.core.extras import import_extra
from preftemplates.tokens.engines.engine import TokenBatch, import_numpy, register_engine
from preftemplates.tokens.engines.tokenizer_json import temporary_json_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class TokieEngine:
    """The engine of a `tokie.Tokenizer`.

    Args:
        package: the module `tokie`.
        tokenizer_json: the text of a `tokenizer.json`.
    """

    def __init__(self, package: Any, tokenizer_json: str) -> None:
        self.name = f"tokie {metadata.version('tokie')}"
        with temporary_json_file(tokenizer_json) as path:
            self._tokenizer = package.Tokenizer.from_json(path)

    def encode(self, texts: Sequence[str]) -> TokenBatch:
        """Encode texts, without special tokens around them."""
        ids, counts = self._tokenizer.encode_batch_flat([*texts], add_special_tokens=False)
        np = import_numpy()
        return TokenBatch(ids.astype(np.int32), counts.astype(np.int64))


@register_engine("tokie")
def load_tokie_engine(tokenizer_json: str, directory: Path | None) -> TokieEngine:
    """Build the tokie engine of a tokenizer.

    Raises:
        MissingPackageError: `tokie` is not installed.
    """
    assert directory is None  # only an engine with `side_loaded` is given one
    return TokieEngine(import_extra("tokie", "the engine 'tokie' encodes texts"), tokenizer_json)
