"""The default engine: Hugging Face tokenizers before version 1, as transformers uses it."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from preftemplates.core.extras import import_extra
from preftemplates.errors import DefinitionError
from preftemplates.tokens.engines.engine import TokenBatch, import_numpy, make_bad_text_error, register_engine

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class HuggingFaceEngine:
    """The engine of a `tokenizers.Tokenizer` with offsets, that is, before version 1.

    Args:
        tokenizer: a `tokenizers.Tokenizer` without truncation and padding. It is not copied.

    Example:
        >>> from tokenizers import Tokenizer, models
        >>> tokenizer = Tokenizer(models.BPE({"a": 0, "b": 1}, []))
        >>> ids, counts = HuggingFaceEngine(tokenizer).encode(["ab", "", "b"])
        >>> ids.tolist(), counts.tolist()
        ([0, 1, 1], [2, 0, 1])
    """

    def __init__(self, tokenizer: Any) -> None:
        self.name = f"tokenizers {import_extra('tokenizers', 'the engine encodes texts').__version__}"
        self._tokenizer = tokenizer

    def encode(self, texts: Sequence[str]) -> TokenBatch:
        """Encode texts, without special tokens around them.

        Raises:
            RowError: `bad_text`: a text is not valid Unicode.
        """
        np = import_numpy()
        try:
            encodings = self._tokenizer.encode_batch_fast([*texts], add_special_tokens=False)
        except (TypeError, UnicodeError) as error:  # TypeError for a lone surrogate, which names no text
            bad_text = make_bad_text_error(texts)
            if bad_text is None:
                raise
            raise bad_text from error
        counts = np.fromiter(map(len, encodings), np.int64, len(encodings))
        # the fastest of nine ways to get the ids into an array: 4 % of the encoding time
        ids = np.fromiter(chain.from_iterable(encoding.ids for encoding in encodings), np.int32, int(counts.sum()))
        return TokenBatch(ids, counts)


@register_engine("tokenizers")
def load_huggingface_engine(tokenizer_json: str, directory: Path | None) -> HuggingFaceEngine:
    """Build the engine of a tokenizer.

    Raises:
        DefinitionError: the installed `tokenizers` is 1.0 or newer.
        MissingPackageError: `tokenizers` is not installed.
    """
    assert directory is None  # only an engine with `side_loaded` is given one
    tokenizers = import_extra("tokenizers", "the engine 'tokenizers' encodes texts")
    if not hasattr(tokenizers.Tokenizer, "encode_batch_fast"):
        raise DefinitionError(
            f"the engine 'tokenizers' needs tokenizers before 1.0, but {tokenizers.__version__} is installed; use the"
            " engine 'tokenizers-1'"
        )
    tokenizer = tokenizers.Tokenizer.from_str(tokenizer_json)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return HuggingFaceEngine(tokenizer)
