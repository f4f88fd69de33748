"""Alignment: which bytes of its text each token spells, for many texts at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from preftemplates.data.columnar.arrays import to_arrow, to_arrow_bytes
from preftemplates.data.columnar.kernels import get_offsets, read_bytes
from preftemplates.data.columnar.turns import list_ranges

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

    from preftemplates.data.columnar.kernels import Mask
    from preftemplates.data.columnar.turns import Numbers
    from preftemplates.tokens.token_bytes import TokenBytes

    FindOffsets = Callable[[Sequence[str]], Sequence[Sequence[tuple[int, int]]]]


class Alignment(NamedTuple):
    """Which bytes of its text each token covers.

    Attributes:
        starts: the first byte of each token, counted from the start of its text.
        ends: the byte after the last one. A token that is nothing but a space that the tokenizer has added covers what
            follows it, as in the offsets of Hugging Face's tokenizers.
        known: for each text whether that is known; for the tokens of another text both numbers are 0.
    """

    starts: Numbers
    ends: Numbers
    known: Mask


class TokenTable:
    """The bytes of the tokens of a vocabulary, as columns.

    Args:
        token_bytes: the bytes.
    """

    def __init__(self, token_bytes: TokenBytes) -> None:
        spellings, leading = token_bytes.spellings, token_bytes.leading_spaces
        self.size, self._token_bytes = len(spellings), token_bytes
        shorter = [spelling[1:] if id in leading and spelling else spelling for id, spelling in enumerate(spellings)]
        both = [spelling or b"" for spelling in (*spellings, *shorter)]
        self._spelled = to_arrow_bytes(both)
        self._lengths = np.fromiter(map(len, both), np.int64, len(both))
        self._is_unknown = np.array([spelling is None for spelling in spellings], bool)
        self._is_leading, self._is_added = np.zeros(self.size, bool), np.zeros(self.size, bool)
        self._is_leading[[*leading]] = True
        self._is_added[[*token_bytes.added]] = True

    def align(self, ids: Numbers, counts: Numbers, texts: pa.Array) -> Alignment:
        """Return which bytes each token spells, where the bytes of all tokens of a text are those of the text.

        Args:
            ids: the ids of all texts, shape (T,).
            counts: how many of them each text has, shape (N,).
            texts: N texts.
        """
        starts, ends = np.zeros(len(ids), np.int64), np.zeros(len(ids), np.int64)
        known = np.zeros(len(counts), bool)
        firsts = np.cumsum(counts) - counts
        for where in ("all", "first", "none") if self._token_bytes.may_prepend else ("none",):
            if known.all():
                break
            if known.any():
                rest = np.flatnonzero(~known)
                tokens = list_ranges(firsts[rest], counts[rest])
                lengths, fits = self._try(ids[tokens], counts[rest], texts.take(to_arrow(rest)), where)
                places, fitting = tokens[np.repeat(fits, counts[rest])], rest[fits]
                lengths = lengths[np.repeat(fits, counts[rest])]
            else:
                lengths, fits = self._try(ids, counts, texts, where)
                fitting = np.flatnonzero(fits)
                chosen = np.repeat(fits, counts)
                places, lengths = np.flatnonzero(chosen), lengths[chosen]
            known[fitting] = True
            sizes = np.diff(get_offsets(texts)).astype(np.int64)[fitting]
            stops = np.cumsum(lengths) - np.repeat(np.cumsum(sizes) - sizes, counts[fitting])
            starts[places], ends[places] = stops - lengths, np.maximum(stops, stops - lengths + 1)
        return Alignment(starts, ends, known)

    def _try(self, ids: Numbers, counts: Numbers, texts: pa.Array, where: str) -> tuple[Numbers, Mask]:
        """How many bytes each token spells, and for which texts these are the bytes of the text.

        A leading space is taken as added by the tokenizer at all starts of segments, at the first one, or at none.
        """
        chosen = ids.astype(np.int64)
        if where != "none":
            begins = np.zeros(len(ids) + 1, bool)
            if where == "all":
                begins[1:] = self._is_added[ids]
            begins[np.cumsum(counts) - counts] = True
            chosen = chosen + self.size * (begins[:-1] & self._is_leading[ids])
        lengths = self._lengths[chosen]
        fits = ~_any_of_text(self._is_unknown[ids], counts)
        sizes = np.diff(get_offsets(texts)).astype(np.int64)
        fits &= _sum_by_text(lengths, counts) == sizes
        tokens = slice(None) if fits.all() else np.repeat(fits, counts)
        some = texts if fits.all() else texts.take(to_arrow(np.flatnonzero(fits)))
        spelled, data = read_bytes(self._spelled.take(to_arrow(chosen[tokens]))), read_bytes(some)
        if not np.array_equal(spelled, data):
            wrong = np.flatnonzero(spelled != data)
            ends = np.cumsum(sizes[fits])
            fits[np.flatnonzero(fits)[np.searchsorted(ends, wrong, "right")]] = False
        return lengths, fits


def align_by_offsets(
    alignment: Alignment,
    counts: Numbers,
    texts: pa.Array,
    find_offsets: FindOffsets,
    wanted: Mask,
) -> Alignment:
    """Return an alignment with the texts that are not known yet, from the offsets of the tokenizer.

    Args:
        alignment: what is known.
        counts: how many tokens each text has.
        texts: the texts.
        find_offsets: returns the characters of each token; a text with another number of tokens stays unknown.
        wanted: the texts of which it should be known.
    """
    rest = np.flatnonzero(wanted & ~alignment.known)
    if not len(rest):
        return alignment
    some: Sequence[Any] = texts.take(to_arrow(rest)).to_pylist()
    starts, ends, known = alignment.starts.copy(), alignment.ends.copy(), alignment.known.copy()
    firsts = np.cumsum(counts) - counts
    for at, text, offsets in zip(rest.tolist(), some, find_offsets(some), strict=True):
        if len(offsets) != counts[at]:
            continue
        data = np.frombuffer(text.encode(), np.uint8)
        borders = np.append(np.flatnonzero((data & 0xC0) != 0x80), len(data))
        pairs = np.array(offsets, np.int64).reshape(-1, 2)
        tokens = slice(firsts[at], firsts[at] + counts[at])
        starts[tokens], ends[tokens] = borders[pairs[:, 0]], borders[pairs[:, 1]]
        known[at] = True
    return Alignment(starts, ends, known)


def _sum_by_text(values: Numbers, counts: Numbers) -> Numbers:
    """The sum of the values of the tokens of each text."""
    sums = np.append(0, np.cumsum(values))
    ends = np.cumsum(counts)
    return np.asarray(sums[ends] - sums[ends - counts])


def _any_of_text(values: Mask, counts: Numbers) -> Mask:
    """Whether a value is true for any token of each text."""
    if not values.any():
        return np.zeros(len(counts), bool)
    return np.asarray(_sum_by_text(values, counts) > 0)
