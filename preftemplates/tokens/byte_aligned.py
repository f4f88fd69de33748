"""Byte-aligned tokenizers: the offsets that tokenizers 1.x lacks, computed from the bytes of its tokens."""

from __future__ import annotations

import json
from bisect import bisect_right
from dataclasses import replace
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Self

from preftemplates.core.extras import import_extra
from preftemplates.errors import Code, DefinitionError, PrefTemplatesError, RowError, one_line, preview
from preftemplates.tokens.engines.tokenizer_json import (
    prepare_tokenizer_json,
    read_tokenizer_json,
    temporary_json_file,
    write_tokenizer_json,
)
from preftemplates.tokens.token_bytes import TokenBytes

if TYPE_CHECKING:
    from collections.abc import Sequence

_ADVICE = "install tokenizers before 1.0 (pip install 'tokenizers<1'), which gives the characters of each token"

_PLAIN_TEXTS = ("Hello world", "A b", "The 2 dogs.", "x Y", "\u00c9t\u00e9 \u65e5")
"""Plain texts. A tokenizer spells at least one in full, unless it changes case or whitespace in every text."""


class AlignedEncoding:
    """The tokens of one text, with offsets that are computed on demand.

    Attributes:
        ids: the ids, including those around the text.
        special_tokens_mask: 1 for each token that the post-processor puts around the text, 0 for the others.
    """

    def __init__(
        self, tokenizer: ByteAlignedTokenizer, text: str, plain: list[int], before: int, ids: list[int]
    ) -> None:
        self._tokenizer, self._text, self._plain, self._before = tokenizer, text, plain, before
        self.ids = ids
        after = len(ids) - before - len(plain)
        self.special_tokens_mask = [1] * before + [0] * len(plain) + [1] * after

    @property
    def offsets(self) -> list[tuple[int, int]]:
        """Return the characters `(start, end)` that each token covers, half-open; `(0, 0)` for those around the text.

        Raises:
            RowError: `unsupported_content`: the tokens do not spell the bytes of the text.
        """
        (found,) = self._tokenizer.find_offsets([self._text], [self._plain])
        if len(found) != len(self._plain):
            raise self._tokenizer.make_row_error(self._text)
        after = len(self.ids) - self._before - len(self._plain)
        return [*[(0, 0)] * self._before, *found, *[(0, 0)] * after]


class ByteAlignedTokenizer:
    """A tokenizer of tokenizers 1.x, with those methods of version 0.2x that this library calls.

    Version 1.x returns only ids. This class finds the characters of each token from its bytes (`TokenBytes`), which
    works if the tokens of a text spell exactly its bytes. Other texts have no offsets, for example if a normalizer
    composes an accent or the vocabulary lacks a character. Everything is made from the JSON text, so a changed copy is
    `ByteAlignedTokenizer.from_str` of changed JSON.

    Args:
        tokenizer_json: the text of a `tokenizer.json`, in the older format (version 1.0) or the one of 1.x (2.0).

    Attributes:
        tokenizer: the `tokenizers.Tokenizer`.
        version: the version of `tokenizers`.
        token_bytes: the bytes of the tokens.
        missing_bytes: the ids of tokens for bytes that the vocabulary lacks. Version 1.x needs a token for each byte,
            so they are added here, and texts that contain one are rejected. Version 0.2x drops such bytes instead.
        encode_special_tokens: whether special tokens in texts are encoded as text.

    Raises:
        MissingPackageError: `tokenizers` is not installed.
        DefinitionError: `tokenizers` cannot load the tokenizer.
    """

    # for `TokenizerCopies`; None is right, since a text that a normalizer changes has no offsets here anyway
    normalizer: Any = None
    post_processor: Any = None

    def __init__(self, tokenizer_json: str) -> None:
        package = import_extra("tokenizers", "a text is turned into tokens")
        self.version: str = package.__version__
        self._json = tokenizer_json
        self.encode_special_tokens = False
        description = read_tokenizer_json(tokenizer_json)
        self.missing_bytes = frozenset[int]()
        prepared, first_id = prepare_tokenizer_json(tokenizer_json)
        if first_id is not None:
            # `prepared` lacks the post-processor, which `_added_ids` needs
            filled = json.loads(prepared) | {"post_processor": description.get("post_processor")}
            self.missing_bytes = frozenset(range(first_id, max(filled["model"]["vocab"].values()) + 1))
            tokenizer_json = write_tokenizer_json(filled)
        try:
            with temporary_json_file(tokenizer_json) as path:  # only `from_file` converts the older format
                self.tokenizer = package.Tokenizer.from_file(path)
            # after loading, which checks the values that `read_tokenizer_json` does not check
            self.token_bytes = TokenBytes.read(description)
        except (PrefTemplatesError, KeyboardInterrupt, SystemExit, MemoryError):
            raise
        except BaseException as error:  # a panic in Rust is not an Exception
            reason = one_line(" ".join(f"{type(error).__name__}: {error}".split()), 300)
            raise DefinitionError(
                f"tokenizers {self.version} cannot load this tokenizer: {reason}; {_ADVICE}"
            ) from error
        if self.missing_bytes:
            spellings = self.token_bytes.spellings
            # without a spelling, no text with one of these ids has offsets, so `tokenize` rejects it
            padding = (None,) * (max(self.missing_bytes) + 1 - len(spellings))
            self.token_bytes = replace(self.token_bytes, spellings=(*spellings, *padding))

    @classmethod
    def from_str(cls, tokenizer_json: str) -> Self:
        """Build the tokenizer that a JSON text describes."""
        return cls(tokenizer_json)

    def to_str(self) -> str:
        """Return the JSON text of the tokenizer."""
        return self._json

    def no_truncation(self) -> None:
        """Do nothing, since no text is truncated."""

    def no_padding(self) -> None:
        """Do nothing, since no text is padded."""

    def get_vocab_size(self) -> int:
        """Return the largest id plus one."""
        return len(self.token_bytes.spellings)

    def encode(self, text: str, add_special_tokens: bool = True) -> AlignedEncoding:
        """Encode a text.

        Args:
            text: the text.
            add_special_tokens: whether to add the tokens that the post-processor puts around a text.

        Raises:
            RowError: `unsupported_content`: the text has a byte for which the vocabulary has no token.
        """
        (encoding,) = self.encode_batch([text], add_special_tokens)
        # not in `encode_batch`, where one text must not fail the others: `TokenizerCopies.get_ids` counts these ids as
        # control tokens, so batches leave a text with one to `tokenize`, which raises
        if not self.missing_bytes.isdisjoint(encoding.ids):
            raise self.make_row_error(text)
        return encoding

    def encode_batch(self, texts: Sequence[str], add_special_tokens: bool = True) -> list[AlignedEncoding]:
        """Encode several texts; the arguments are those of `encode`."""
        before, after = self._added_ids if add_special_tokens else ([], [])
        return [
            AlignedEncoding(self, text, ids, len(before), [*before, *ids, *after])
            for text, ids in zip(texts, self._encode_plainly(texts), strict=True)
        ]

    encode_batch_fast = encode_batch
    """The same method, since offsets are always computed on demand."""

    def find_offsets(
        self, texts: Sequence[str], ids: Sequence[Sequence[int]] | None = None
    ) -> list[list[tuple[int, int]]]:
        """Return for each text the characters `(start, end)` that each of its tokens covers, half-open.

        A token that is only a space which the tokenizer has added covers the character after it, as in 0.2x.

        Args:
            texts: the texts.
            ids: the ids of each text, without those around it; None to encode the texts here.

        Returns:
            An empty list for a text whose tokens do not spell its bytes.
        """
        rows = self._encode_plainly(texts) if ids is None else ids
        return [self._find_offsets(text, row) for text, row in zip(texts, rows, strict=True)]

    def make_row_error(self, text: str) -> RowError:
        """Return the error for a text whose tokens do not spell its bytes."""
        return RowError(
            f"the tokens of the text {preview(text)} do not spell its bytes, so their characters are unknown"
            f" (tokenizers {self.version} has no offsets); {_ADVICE}",
            code=Code.UNSUPPORTED_CONTENT,
            value=text,
        )

    def check(self) -> None:
        """Raise an error unless the characters of tokens can be found from their ids.

        No older version is installed to compare ids with. So this checks that the tokens of at least one of a few
        plain texts spell its bytes, which fails for a tokenizer that changes case or drops spaces. It also checks that
        the name of each added token encodes to that token alone, which fails in version 1.0.0rc3 for some Unigram
        models.

        Raises:
            DefinitionError: one of the checks fails.
        """
        if not any(self.find_offsets(_PLAIN_TEXTS)):
            raise DefinitionError(
                f"tokenizers {self.version} has no offsets, and the tokens of this tokenizer do not spell their texts"
                f" (it changes case, accents or spaces), so spans and masks have no tokens; {_ADVICE}"
            )
        added = read_tokenizer_json(self._json).get("added_tokens") or ()
        ids_by_name = {token["content"]: token["id"] for token in added if token["content"]}  # "" has no ids
        for (name, id), ids in zip(ids_by_name.items(), self._encode_plainly([*ids_by_name]), strict=True):
            if ids != [id]:
                shown = ", ".join(map(str, ids[:6]))
                raise DefinitionError(
                    f"tokenizers {self.version} gives the ids [{shown}] for the added token {preview(name)}, expected"
                    f" [{id}]; {_ADVICE}"
                )

    @cached_property
    def _added_ids(self) -> tuple[list[int], list[int]]:
        """Return the ids that the post-processor puts before a text and after it."""
        # encodings of 1.x have no special_tokens_mask, so the ids of the text are searched for among all of them
        whole = self._encode_batch(["a"], True)[0]
        (plain,) = self._encode_plainly(["a"])
        for start in range(len(whole) - len(plain) + 1) if plain else ():
            if whole[start : start + len(plain)] == plain:
                return whole[:start], whole[start + len(plain) :]
        return [], []

    def _encode_plainly(self, texts: Sequence[str]) -> list[list[int]]:
        return self._encode_batch(texts, False)

    def _encode_batch(self, texts: Sequence[str], add_special_tokens: bool) -> list[list[int]]:
        encodings = self.tokenizer.encode_batch(
            [*texts],
            add_special_tokens=add_special_tokens,
            encode_special_tokens=self.encode_special_tokens,
            padding=None,  # 1.x applies those of the file by default
            truncation=None,
        )
        return [encoding.ids for encoding in encodings]

    def _find_offsets(self, text: str, ids: Sequence[int]) -> list[tuple[int, int]]:
        extents = self.token_bytes.find_extents(text, ids)
        if extents is None:
            return []
        if text.isascii():
            # an empty extent is an added space: it covers the next character, as in 0.2x
            return [(start, end if end > start else min(start + 1, len(text))) for start, end in extents]
        # extents count bytes and offsets count characters; a token of some bytes of 😀 covers all of it, as in 0.2x
        starts = [0, *accumulate(len(character.encode()) for character in text)]
        offsets = []
        for start, end in extents:
            first = bisect_right(starts, start) - 1
            last = bisect_right(starts, end - 1) if end > start else first + 1
            offsets.append((first, min(last, len(text))))  # nothing follows the text's end
        return offsets
