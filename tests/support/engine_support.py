"""What the tests of engines share: tokenizers as JSON, rows of ids, and engines with planted differences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from token_support import tokenizer_of
from tokenizers import Tokenizer

from preftemplates.tokens.engines.engine import TokenBatch
from preftemplates.tokens.engines.huggingface import HuggingFaceEngine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TEXTS = ["Hello world", "", "<|im_start|>user\nWhy?<|im_end|>", "naïve 日本 \x04 👩‍🚀", " \n\n "]


def json_of(kind: str) -> str:
    """The `tokenizer.json` of a kind of tokenizer."""
    text: str = tokenizer_of(kind).backend_tokenizer.to_str()
    return text


def reference_of(tokenizer_json: str) -> HuggingFaceEngine:
    """The default engine of a tokenizer."""
    tokenizer = Tokenizer.from_str(tokenizer_json)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return HuggingFaceEngine(tokenizer)


def rows_of(batch: TokenBatch) -> list[list[int]]:
    """The ids of each text."""
    ends = np.cumsum(batch.counts).tolist()
    return [batch.ids[start:end].tolist() for start, end in zip([0, *ends], ends, strict=False)]


def batch_of(rows: Sequence[Sequence[int]]) -> TokenBatch:
    """The batch of these ids."""
    counts = np.array([len(row) for row in rows], np.int64)
    return TokenBatch(np.array([id for row in rows for id in row], np.int32), counts)


class Planted:
    """The default engine, whose ids of each text a function changes."""

    name = "planted 1.0"

    def __init__(self, change: Callable[[str, list[int]], list[int]], kind: str = "byte_level") -> None:
        self.reference, self.change = reference_of(json_of(kind)), change

    def encode(self, texts: Sequence[str]) -> TokenBatch:
        """The changed ids."""
        rows = rows_of(self.reference.encode(texts))
        return batch_of([self.change(text, row) for text, row in zip(texts, rows, strict=True)])


class Panic(BaseException):
    """As pyo3's PanicException, which is none of the usual exceptions."""
