"""Alignment: find which bytes of its text each token spells, for many texts at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from preftemplates.data.columnar.arrays import to_arrow, to_arrow_bytes
from preftemplates.data.columnar.kernels import get_offsets, read_bytes
from preftemplates.data.columnar.turns import list_ranges

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa

    from preftemplates.data.columnar.kernels import Mask
    from preftemplates.data.columnar.turns import Numbers
    from preftemplates.tokens.token_bytes import TokenBytes

    FindOffsets = Callable[[Sequence[str]], Sequence[Sequence[tuple[int, int]]]]

_CHUNK_TOKENS = 1 << 17
"""The most tokens that are compared at once, so that their numbers fit in a processor's cache."""

_UNKNOWN = b"\xff"
"""Stands for the unknown token; no text in UTF-8 contains this byte."""


class TextTokens(NamedTuple):
    """The tokens of some texts.

    Attributes:
        texts: N texts in one column.
        ids: the ids of all texts, one text after another, shape (T,).
        counts: the number of ids of each text, shape (N,).
    """

    texts: pa.Array
    ids: Numbers
    counts: Numbers

    @property
    def bases(self) -> Numbers:
        """Return the byte at which each text starts among all bytes, and where the last one ends, shape (N + 1,)."""
        offsets = get_offsets(self.texts).astype(np.int64)
        return np.asarray(offsets - offsets[0])

    @property
    def borders(self) -> Numbers:
        """Return the index of the first token of each text, and the number of tokens, shape (N + 1,)."""
        return np.append(0, np.cumsum(self.counts))

    def take(self, places: Numbers) -> TextTokens:
        """Return the tokens of some texts."""
        tokens = list_ranges(self.borders[places], self.counts[places])
        return TextTokens(self.texts.take(to_arrow(places)), self.ids[tokens], self.counts[places])

    def cut(self) -> Iterator[tuple[int, int]]:
        """Yield ranges of texts with few tokens."""
        borders, start = self.borders, 0
        while start < len(self.counts):
            stop = int(np.searchsorted(borders, borders[start] + _CHUNK_TOKENS, "right")) - 1
            stop = max(start + 1, min(stop, len(self.counts)))
            yield start, stop
            start = stop


class Alignment(NamedTuple):
    """The bytes that each token covers, counted from the first byte of all texts.

    Attributes:
        starts: the first byte of each token.
        ends: the byte after the last byte of each token. A token that is only a space added by the tokenizer covers
            the byte after it, as in the offsets of Hugging Face's tokenizers.
        known: for each text, whether its alignment is known; if not, its tokens are at its first byte.
    """

    starts: Numbers
    ends: Numbers
    known: Mask


class TokenTable:
    """The bytes of the tokens of a vocabulary, as columns.

    Args:
        token_bytes: the bytes of the tokens.

    Attributes:
        size: the number of ids.
    """

    def __init__(self, token_bytes: TokenBytes) -> None:
        spellings, leading = token_bytes.spellings, token_bytes.leading_spaces
        self.size, self._may_prepend = len(spellings), token_bytes.may_prepend
        shorter = [spelling[1:] if id in leading and spelling else spelling for id, spelling in enumerate(spellings)]
        both = [_UNKNOWN if spelling is None else spelling for spelling in (*spellings, *shorter)]
        self._spelled = to_arrow_bytes(both)
        self._lengths = np.fromiter(map(len, both), np.int32, len(both))
        self._is_leading, self._is_added = np.zeros(self.size, bool), np.zeros(self.size, bool)
        self._is_leading[[*leading]] = True
        self._is_added[[*token_bytes.added]] = True

    def align(self, tokens: TextTokens) -> Alignment:
        """Return which bytes each token spells, for texts that their tokens spell exactly."""
        count = len(tokens.ids)
        ends, lengths = np.empty(count, np.int64), np.empty(count, np.int32)
        known = np.zeros(len(tokens.counts), bool)
        borders, bases = tokens.borders, tokens.bases
        for start, stop in tokens.cut():
            chunk = slice(borders[start], borders[stop])
            part = TextTokens(tokens.texts.slice(start, stop - start), tokens.ids[chunk], tokens.counts[start:stop])
            lengths[chunk], known[start:stop] = self._align_chunk(part)
            np.cumsum(lengths[chunk], out=ends[chunk])
            ends[chunk] += bases[start]
            lost = np.diff(part.bases) * (part.counts == 0)  # the bytes of texts without tokens
            if lost.any():
                ends[chunk] += np.repeat(np.cumsum(lost), part.counts)
        starts = ends - lengths
        if self._may_prepend:
            np.maximum(ends, starts + 1, out=ends)
        return Alignment(starts, ends, known)

    def _align_chunk(self, tokens: TextTokens) -> tuple[Numbers, Mask]:
        """Return how many bytes each token spells, and which texts their tokens spell exactly.

        In a text that they do not spell, the last token is given the bytes of the whole text.
        """
        lengths, known = np.zeros(len(tokens.ids), np.int32), np.zeros(len(tokens.counts), bool)
        for where in ("all", "first", "none") if self._may_prepend else ("none",):
            rest = np.flatnonzero(~known)
            some = tokens if len(rest) == len(known) else tokens.take(rest)
            found, fits = self._try(some, where)
            if len(rest) == len(known) and fits.all():
                return found, fits
            fitting = rest[fits]
            lengths[list_ranges(tokens.borders[fitting], tokens.counts[fitting])] = found[np.repeat(fits, some.counts)]
            known[fitting] = True
            if known.all():
                break
        others = np.flatnonzero(~known & (tokens.counts > 0))
        lengths[tokens.borders[others + 1] - 1] = np.diff(tokens.bases)[others]
        return lengths, known

    def _try(self, tokens: TextTokens, where: str) -> tuple[Numbers, Mask]:
        """Return how many bytes each token spells under one assumption, and which texts their tokens spell exactly.

        The assumption is that the tokenizer added a leading space at all starts of segments, at the first one, or at
        none.
        """
        chosen = tokens.ids
        if where != "none":
            begins = np.zeros(len(chosen) + 1, bool)
            if where == "all":
                begins[1:] = self._is_added[chosen]
            begins[tokens.borders] = True
            # the ids from `size` on stand for the same tokens without their leading space
            chosen = chosen + np.int32(self.size) * (begins[:-1] & self._is_leading[chosen])
        lengths = self._lengths[chosen]
        ends, bases = np.append(0, np.cumsum(lengths))[tokens.borders], tokens.bases
        fits = np.diff(ends) == np.diff(bases)
        texts = tokens.texts
        if not fits.all():
            chosen, texts = chosen[np.repeat(fits, tokens.counts)], texts.take(to_arrow(np.flatnonzero(fits)))
        spelled, data = read_bytes(self._spelled.take(to_arrow(chosen))), read_bytes(texts)
        if not np.array_equal(spelled, data):
            wrong = np.flatnonzero(spelled != data)
            text_ends = np.cumsum(np.diff(bases)[fits])
            fits[np.flatnonzero(fits)[np.searchsorted(text_ends, wrong, "right")]] = False
        return lengths, fits


def align_by_offsets(tokens: TextTokens, alignment: Alignment, find_offsets: FindOffsets) -> Alignment:
    """Complete an alignment for texts that are not known yet, with the offsets of the tokenizer.

    Args:
        tokens: the tokens.
        alignment: the alignment so far.
        find_offsets: returns the characters of each token; a text with another number of tokens stays unknown.
    """
    rest = np.flatnonzero(~alignment.known)
    if not len(rest):
        return alignment
    some: list[str] = tokens.texts.take(to_arrow(rest)).to_pylist()
    starts, ends, known = alignment.starts.copy(), alignment.ends.copy(), alignment.known.copy()
    borders, bases = tokens.borders, tokens.bases
    for at, text, offsets in zip(rest.tolist(), some, find_offsets(some), strict=True):
        if len(offsets) != tokens.counts[at]:
            continue
        data = np.frombuffer(text.encode(), np.uint8)
        characters = np.append(np.flatnonzero((data & 0xC0) != 0x80), len(data)) + bases[at]
        pairs = np.array(offsets, np.int64).reshape(-1, 2)
        chunk = slice(borders[at], borders[at + 1])
        starts[chunk], ends[chunk] = characters[pairs[:, 0]], characters[pairs[:, 1]]
        known[at] = True
    return Alignment(starts, ends, known)
