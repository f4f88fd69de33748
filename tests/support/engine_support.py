"""What the tests of engines share: tokenizers as JSON, rows of ids, and engines with planted differences."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock
from token_support import CORPUS, MARKS, tokenizer_of
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, trainers

import preftemplates
from preftemplates.tokens.engines.engine import TokenBatch
from preftemplates.tokens.engines.huggingface import HuggingFaceEngine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT = Path(preftemplates.__file__).parent.parent
FOLDER = ROOT / "build" / "engines"
"""Where the packages of other engines are installed."""

VERSION_1 = "tokenizers==1.0.0rc3"

TEXTS = ["Hello world", "", "<|im_start|>user\nWhy?<|im_end|>", "naïve 日本 \x04 👩‍🚀", " \n\n "]


def json_of(kind: str) -> str:
    """The `tokenizer.json` of a kind of tokenizer."""
    text: str = tokenizer_of(kind).backend_tokenizer.to_str()
    return text


def lack_bytes() -> str:
    """The JSON of a byte-level tokenizer that lacks the bytes that its corpus does not have, with added tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=300, show_progress=False))
    tokenizer.add_special_tokens([AddedToken(mark, normalized=False) for mark in MARKS])
    text: str = tokenizer.to_str()
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


# --- tokenizers 1.x --------------------------------------------------------------------------------------------------


class BareEncoding(list[int]):
    """As an encoding of tokenizers 1.x: it has ids and no offsets."""

    @property
    def ids(self) -> list[int]:
        """The ids."""
        return [*self]

    @property
    def ids_array(self) -> np.ndarray[Any, np.dtype[np.uint32]]:
        """The ids."""
        return np.array(self, np.uint32)


class BareTokenizer:
    """Stands in for the `Tokenizer` of tokenizers 1.x: it has the ids of 0.2x, and no offsets."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        tokenizer.no_truncation()
        tokenizer.no_padding()

    @classmethod
    def from_file(cls, path: str) -> BareTokenizer:
        """Read a `tokenizer.json`."""
        return cls(Tokenizer.from_file(path))

    def encode_batch(
        self, inputs: list[str], add_special_tokens: bool, encode_special_tokens: bool = False, **_: None
    ) -> list[BareEncoding]:
        """Return the ids of texts."""
        self._tokenizer.encode_special_tokens = encode_special_tokens
        encodings = self._tokenizer.encode_batch(inputs, add_special_tokens=add_special_tokens)
        return [BareEncoding(encoding.ids) for encoding in encodings]


BARE_PACKAGE = SimpleNamespace(Tokenizer=BareTokenizer, __version__="1.0 (stand-in)")
"""Stands in for the package `tokenizers` of version 1.x, in `sys.modules`."""


def run_uv(*words: str) -> None:
    """Run uv of this environment."""
    done = subprocess.run([str(Path(sys.executable).parent / "uv"), *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def make_version_1_environment() -> str:
    """Return the Python of an environment with tokenizers 1.x and pyarrow, without transformers."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    python = str(FOLDER / "alone" / "bin" / "python")
    with FileLock(FOLDER / "lock"):
        run_uv("venv", "--quiet", "--allow-existing", "--python", sys.executable, str(FOLDER / "alone"))
        run_uv("pip", "install", "--quiet", "--python", python, "-e", f"{ROOT}[arrow]", VERSION_1)
    return python
