"""Byte-aligned tokenizers: those of tokenizers 1.x, which has no offsets, with offsets from the bytes of tokens."""

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
)
from preftemplates.tokens.token_bytes import TokenBytes

if TYPE_CHECKING:
    from collections.abc import Sequence

_ADVICE = "install tokenizers before 1.0 (pip install 'tokenizers<1'), which gives the characters of each token"

_PLAIN_TEXTS = ("Hello world", "A b", "The 2 dogs.", "x Y", "\u00c9t\u00e9 \u65e5")
"""Texts that a tokenizer spells in full, at least one of them, unless it changes case or whitespace in every text."""


class AlignedEncoding:
    """The tokens of one text, of which the characters are found when they are asked for.

    Attributes:
        ids: the ids, with those around the text.
        special_tokens_mask: 1 for each token that the post-processor has put around the text, 0 for the others.
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
        """The characters `(start, end)` that each token covers, half-open; `(0, 0)` for those around the text.

        Raises:
            RowError: `unsupported_content`: the bytes of the tokens are not those of the text.
        """
        (found,) = self._tokenizer.find_offsets([self._text], [self._plain])
        if len(found) != len(self._plain):
            raise self._tokenizer.make_row_error(self._text)
        after = len(self.ids) - self._before - len(self._plain)
        return [*[(0, 0)] * self._before, *found, *[(0, 0)] * after]


class ByteAlignedTokenizer:
    """A tokenizer of tokenizers 1.x, with the methods of version 0.2x that this library calls.

    Version 1.x gives ids alone. Here the characters of a token come from its bytes (`TokenBytes`), which are known
    where the bytes of all tokens are those of the text. Texts with other bytes have no offsets: an accent that a
    normalizer composes, or a character that the vocabulary lacks. Everything is made from the JSON text, so a changed
    copy is `ByteAlignedTokenizer.from_str` of changed JSON.

    Args:
        tokenizer_json: the text of a `tokenizer.json`, in the older format (version 1.0) or the one of 1.x (2.0).

    Attributes:
        tokenizer: the `tokenizers.Tokenizer`.
        version: the version of `tokenizers`.
        token_bytes: the bytes of the tokens.
        missing_bytes: the ids of tokens that stand for bytes that the vocabulary lacks. Version 1.x wants a token for
            each byte, so they are added, and no text may have one. Version 0.2x drops such bytes instead.
        encode_special_tokens: whether special tokens in texts are encoded as text.

    Raises:
        MissingPackageError: `tokenizers` is not installed.
        DefinitionError: `tokenizers` cannot load the tokenizer.
    """

    normalizer: Any = None
    post_processor: Any = None

    def __init__(self, tokenizer_json: str) -> None:
        package = import_extra("tokenizers", "a text is turned into tokens")
        self.version: str = package.__version__
        self._json = tokenizer_json
        self.encode_special_tokens = False
        description = read_tokenizer_json(tokenizer_json)
        self.token_bytes, self.missing_bytes = TokenBytes.read(description), frozenset[int]()
        prepared, first_id = prepare_tokenizer_json(tokenizer_json)
        if first_id is not None:
            filled = json.loads(prepared) | {"post_processor": description.get("post_processor")}
            self.missing_bytes = frozenset(range(first_id, max(filled["model"]["vocab"].values()) + 1))
            spellings = self.token_bytes.spellings
            padding = (None,) * (max(self.missing_bytes) + 1 - len(spellings))
            self.token_bytes = replace(self.token_bytes, spellings=(*spellings, *padding))
            tokenizer_json = json.dumps(filled)
        try:
            with temporary_json_file(tokenizer_json) as path:  # it converts the older format in files alone
                self.tokenizer = package.Tokenizer.from_file(path)
        except (PrefTemplatesError, KeyboardInterrupt, SystemExit, MemoryError):
            raise
        except BaseException as error:  # a panic of Rust is none of the usual exceptions
            reason = one_line(" ".join(f"{type(error).__name__}: {error}".split()), 300)
            raise DefinitionError(
                f"tokenizers {self.version} cannot load this tokenizer: {reason}; {_ADVICE}"
            ) from error

    @classmethod
    def from_str(cls, tokenizer_json: str) -> Self:
        """Return the tokenizer of a JSON text."""
        return cls(tokenizer_json)

    def to_str(self) -> str:
        """Return the JSON text."""
        return self._json

    def no_truncation(self) -> None:
        """Do nothing: no text is truncated."""

    def no_padding(self) -> None:
        """Do nothing: no text is padded."""

    def get_vocab_size(self) -> int:
        """Return the largest id plus one."""
        return len(self.token_bytes.spellings)

    def encode(self, text: str, add_special_tokens: bool = True) -> AlignedEncoding:
        """Return the tokens of a text.

        Args:
            text: the text.
            add_special_tokens: whether to add what the post-processor puts around a text.

        Raises:
            RowError: `unsupported_content`: the text has a byte for which the vocabulary has no token.
        """
        (encoding,) = self.encode_batch([text], add_special_tokens)
        if not self.missing_bytes.isdisjoint(encoding.ids):
            raise self.make_row_error(text)
        return encoding

    def encode_batch(self, texts: Sequence[str], add_special_tokens: bool = True) -> list[AlignedEncoding]:
        """Return the tokens of texts; arguments as for `encode`."""
        before, after = self._added_ids if add_special_tokens else ([], [])
        return [
            AlignedEncoding(self, text, ids, len(before), [*before, *ids, *after])
            for text, ids in zip(texts, self._encode_plainly(texts), strict=True)
        ]

    encode_batch_fast = encode_batch
    """The same: offsets are not found before they are asked for."""

    def find_offsets(
        self, texts: Sequence[str], ids: Sequence[Sequence[int]] | None = None
    ) -> list[list[tuple[int, int]]]:
        """Return for each text the characters `(start, end)` that each of its tokens covers, half-open.

        A token that is nothing but a space that the tokenizer has added covers the character after it, as in 0.2x.

        Args:
            texts: the texts.
            ids: the ids of each, without those around it; None to encode them here.

        Returns:
            Nothing for a text whose tokens do not spell its bytes.
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

        There is no older version here to compare ids with. So two things are checked: that the tokens of at least one
        of a few plain texts spell its bytes, which no tokenizer does that changes case or drops spaces; and that the
        name of each added token is that token alone, which version 1.0.0rc3 gets wrong for some Unigram models.

        Raises:
            DefinitionError: one of these is not so.
        """
        if not any(self.find_offsets(_PLAIN_TEXTS)):
            raise DefinitionError(
                f"tokenizers {self.version} has no offsets, and the tokens of this tokenizer do not spell their texts"
                f" (it changes case, accents or spaces), so spans and masks have no tokens; {_ADVICE}"
            )
        added = read_tokenizer_json(self._json).get("added_tokens") or ()
        ids_by_name = {token["content"]: token["id"] for token in added if token["content"]}
        for (name, id), ids in zip(ids_by_name.items(), self._encode_plainly([*ids_by_name]), strict=True):
            if ids != [id]:
                shown = ", ".join(map(str, ids[:6]))
                raise DefinitionError(
                    f"tokenizers {self.version} gives the ids [{shown}] for the added token {preview(name)}, expected"
                    f" [{id}]; {_ADVICE}"
                )

    @cached_property
    def _added_ids(self) -> tuple[list[int], list[int]]:
        """The ids that the post-processor puts before a text and after it."""
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
            padding=None,
            truncation=None,
        )
        return [encoding.ids for encoding in encodings]

    def _find_offsets(self, text: str, ids: Sequence[int]) -> list[tuple[int, int]]:
        extents = self.token_bytes.find_extents(text, ids)
        if extents is None:
            return []
        if text.isascii():
            return [(start, end if end > start else min(start + 1, len(text))) for start, end in extents]
        starts = [0, *accumulate(len(character.encode()) for character in text)]
        offsets = []
        for start, end in extents:
            first = bisect_right(starts, start) - 1
            last = bisect_right(starts, end - 1) if end > start else first + 1
            offsets.append((first, min(last, len(text))))
        return offsets
