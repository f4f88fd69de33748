"""Normal forms of many texts at once, equal to those of `normalise_text`, as columns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from preftemplates.data.columnar.checks.hashes import Sequences
from preftemplates.data.columnar.kernels import count_before, get_offsets, read_bytes
from preftemplates.data.columnar.turns import list_ranges
from preftemplates.data.normal_text import (
    CLAUSE_END,
    MARGIN,
    OPENING,
    fold_text,
    hash_signs,
    translate,
    weigh_word,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from preftemplates.data.columnar.kernels import Mask
    from preftemplates.data.columnar.turns import Numbers

_END, _OPENING, _SPACE = CLAUSE_END[0], OPENING[0], ord(" ")
_NOTHING = 0xFF
"""Stands for a character that is left out, such as an apostrophe; UTF-8 never uses this byte."""

_QUOTE, _STOP, _SPACE_MARK = 0x80, 0x81, 0x82
"""Each stands for a common non-ASCII mark; in UTF-8, no character begins with one of these bytes."""

_MARKS = {"’": _QUOTE, "‘": _QUOTE, "“": _STOP, "”": _STOP, "—": _STOP, "…": _STOP, "\u00a0": _SPACE_MARK}

_ODD, _SEPARATOR, _WHITESPACE, _CAPITAL, _SMALL, _DIGIT, _ALPHANUMERIC = (1 << bit for bit in range(7))


def _classify_byte(code: int) -> int:
    char = chr(code)
    if code >= 0x80:
        return (
            _SEPARATOR | _WHITESPACE if code == _SPACE_MARK else _ODD * (code not in _MARKS.values() and code >= 0xC0)
        )
    if char == "#" or (code < 0x20 and char not in "\t\n\v\f\r"):
        return _ODD
    kinds = [
        (_SEPARATOR, char == "," or char.isspace()), (_WHITESPACE, char.isspace()), (_CAPITAL, char.isupper()),
        (_SMALL, char.islower()), (_DIGIT, char.isdigit()), (_ALPHANUMERIC, char.isalnum()),
    ]  # fmt: skip
    return sum(kind for kind, holds in kinds if holds)


_KINDS = np.array([*map(_classify_byte, range(256))], np.uint8)
_TRANSLATED = np.array([(translate(chr(code).lower()) or bytes([_NOTHING]))[0] for code in range(256)], np.uint8)
_TRANSLATED[[_QUOTE, _STOP, _SPACE_MARK]] = _NOTHING, _END, _SPACE
_DASH = re.compile(rb"-+>?[\s\x82]")


@dataclass(frozen=True, eq=False)
class NormalTexts:
    """Texts as words in clauses, each like `NormalText`.

    Attributes:
        letters: a hash of the characters of each text.
        letter_places: where each word begins among the characters of all texts, with their number at the end.
        words: the number of the first word of each text, with that of all words at the end.
        parts: the number of the first word of each part.
        part_bounds: the number of the first part of each text, with that of all parts at the end.
        is_clause: whether the part begins a clause.
        weights: how many words each word counts as.
        signs: a hash of the punctuation of numbers in each text; 0 if there is none.
    """

    letters: Sequences
    letter_places: Numbers
    words: Numbers
    parts: Numbers
    part_bounds: Numbers
    is_clause: Mask
    weights: Numbers
    signs: Numbers

    def hash_parts(self, starts: Numbers, ends: Numbers, which: Numbers) -> Numbers:
        """Return the hashes of the characters from one word of a text up to another.

        Args:
            starts: the number of the first word.
            ends: the number of the word after the last.
            which: the number of the text.
        """
        return self.letters.hash_parts(self.letter_places[starts], self.letter_places[ends], which)

    def hash_words(self) -> Numbers:
        """Return a hash of each word."""
        texts = np.repeat(np.arange(len(self.signs)), np.diff(self.words))
        places = np.arange(len(texts))
        return self.hash_parts(places, places + 1, texts)


def normalise_texts(texts: pa.Array, with_openings: Mask) -> NormalTexts:
    """Return the normal forms of texts.

    Args:
        texts: the texts, as UTF-8 that may have lone surrogates.
        with_openings: in which texts a part begins where an unmarked clause may begin.

    >>> import pyarrow as pa
    >>> normal = normalise_texts(pa.array(["Don't  worry.", "dont worry"]), np.zeros(2, bool))
    >>> one, other = normal.letters.hash_whole()
    >>> bool(one == other), np.diff(normal.words).tolist()
    (True, [2, 2])
    """
    whole, offsets = read_bytes(texts), get_offsets(texts).astype(np.int64)
    whole_bounds = offsets - offsets[0]
    data, bounds = _shorten_marks(whole, whole_bounds)
    kinds = _KINDS[data]
    odd = _find_odd_texts(data, kinds, bounds)
    marked = np.flatnonzero(with_openings & ~odd)
    translated = _TRANSLATED[data]
    _mark_openings(translated, data, kinds, bounds[marked], bounds[marked + 1])
    folded = {}
    for index in np.flatnonzero(odd).tolist():
        text = whole[whole_bounds[index] : whole_bounds[index + 1]].tobytes().decode("utf-8", "surrogatepass")
        folded[index] = fold_text(text, with_openings=bool(with_openings[index]))
    others = {index: translate(text) for index, text in folded.items()}
    normal = _split(*_replace_texts(translated, bounds, others))
    for index, text in folded.items():
        words = others[index].replace(OPENING, b" ").split()
        normal.signs[index] = hash_signs(text, len(words)) & (2**64 - 1)
        if not text.isascii():
            normal.weights[normal.words[index] : normal.words[index + 1]] = [*map(weigh_word, words)]
    return normal


def _shorten_marks(data: Numbers, bounds: Numbers) -> tuple[Numbers, Numbers]:
    """Replace common non-ASCII marks by one byte each, and return the bytes of the texts and their new bounds."""
    leads = np.flatnonzero(data >= 0xC2)
    if not len(leads):
        return data, bounds
    padded = np.append(data, np.zeros(2, np.uint8))
    following = [padded[leads + step] for step in range(3)]
    shortened, surplus = data.copy(), np.zeros(len(data), bool)
    for mark, code in _MARKS.items():
        encoded = mark.encode()
        found = leads[
            np.logical_and.reduce([bytes_at == byte for bytes_at, byte in zip(following, encoded, strict=False)])
        ]
        shortened[found] = code
        for step in range(1, len(encoded)):
            surplus[found + step] = True
    return (shortened[~surplus], bounds - count_before(surplus)[bounds]) if surplus.any() else (data, bounds)


def _find_odd_texts(data: Numbers, kinds: Numbers, bounds: Numbers) -> Mask:
    """Return which texts are translated one by one: those with non-ASCII, names such as C++ or signs of numbers."""
    plus = np.flatnonzero(data == ord("+"))
    found = [np.flatnonzero(kinds & _ODD), plus[:-1][np.diff(plus) == 1]]
    digits = np.flatnonzero(kinds & _DIGIT)
    apart = np.flatnonzero(np.diff(digits) > 1)
    if len(apart):
        before = count_before((kinds & _ALPHANUMERIC) != 0)
        between = before[digits[apart + 1]] - before[digits[apart]]
        found.append(digits[apart[between == 1]])
    odd = np.zeros(len(bounds) - 1, bool)
    odd[np.searchsorted(bounds, np.concatenate(found), side="right") - 1] = True
    return odd


def _mark_openings(translated: Numbers, data: Numbers, kinds: Numbers, starts: Numbers, ends: Numbers) -> None:
    """Write a mark where an unmarked clause may begin, as `fold_text` does.

    Args:
        translated: the bytes to write to.
        data: the bytes of the texts.
        kinds: the kind of each byte.
        starts: where each text begins; only its ends are searched.
        ends: where each text ends.
    """
    long = ends - starts > 2 * MARGIN
    starts, ends = (np.concatenate([starts, ends[long] - MARGIN]),
                    np.concatenate([np.where(long, starts + MARGIN, ends), ends[long]]))  # fmt: skip
    order = np.argsort(starts, kind="stable")
    starts, ends = starts[order], ends[order]
    places = list_ranges(starts, ends - starts)
    places = places[(kinds[places] & _SEPARATOR) != 0]
    if not len(places):
        return
    margins = np.searchsorted(starts, places, side="right") - 1
    is_first = np.append(True, (np.diff(places) != 1) | (np.diff(margins) != 0))
    runs, firsts = np.cumsum(is_first) - 1, np.flatnonzero(is_first)
    run_ends = places[np.append(firsts[1:], len(places)) - 1] + 1
    marks = _find_marks(data, run_ends, ends[margins[firsts]])
    commas = np.flatnonzero(
        (data[places[:-1]] == ord(",")) & ((kinds[places[1:]] & _WHITESPACE) != 0) & ~is_first[1:]
    )  # fmt: skip
    after_commas = np.zeros(len(run_ends), np.int64)
    after_commas[runs[commas]] = places[commas] + 2  # of several in a run, the last
    marks = np.where(marks > 0, marks, after_commas)
    replaced = places[(translated[places] == _END) & (places < marks[runs])]
    translated[replaced] = _SPACE
    translated[marks[marks > 0] - 1] = _OPENING


def _find_marks(data: Numbers, places: Numbers, ends: Numbers) -> Numbers:
    """Return the places after which there is a word with a capital or an arrow; 0 for the others."""
    padded = np.append(data, np.zeros(1, np.uint8))
    following = [padded[np.minimum(places + step, len(data))] for step in (0, 1)]
    inside = [places + step < ends for step in (0, 1)]
    first, second = (_KINDS[byte] for byte in following)
    marks = np.where(inside[1] & ((first & _CAPITAL) != 0) & ((second & _SMALL) != 0), places, 0)
    for index in np.flatnonzero(inside[0] & (following[0] == ord("-"))).tolist():
        if _DASH.match(data[places[index] : ends[index]].tobytes()):
            marks[index] = places[index]
    return marks


def _replace_texts(translated: Numbers, bounds: Numbers, others: Mapping[int, bytes]) -> tuple[Numbers, Numbers]:
    """Replace the bytes of some texts, and drop bytes that stand for nothing.

    Returns:
        The bytes of all texts, and where each text begins and the last one ends.
    """
    if others:
        lengths = np.diff(bounds)
        is_other = np.zeros(len(lengths), bool)
        is_other[[*others]] = True
        kept = translated[np.repeat(~is_other, lengths)]
        lengths[is_other] = [*map(len, others.values())]
        bounds = np.append(0, np.cumsum(lengths))
        is_other = np.repeat(is_other, lengths)
        translated = np.empty(int(bounds[-1]), np.uint8)
        translated[~is_other] = kept
        translated[is_other] = np.frombuffer(b"".join(others.values()), np.uint8)
    nothing = translated == _NOTHING
    if nothing.any():
        bounds = bounds - count_before(nothing)[bounds]
        translated = translated[~nothing]
    return translated, bounds


def _split(translated: Numbers, bounds: Numbers) -> NormalTexts:
    """Split translated texts into words in clauses."""
    is_letter = translated > _SPACE
    letters = count_before(is_letter)
    begins = is_letter.copy()
    begins[1:] &= ~is_letter[:-1]
    inner = bounds[bounds < len(translated)]
    begins[inner] = is_letter[inner]
    places = np.flatnonzero(begins)
    words = np.searchsorted(places, bounds)
    opens_clause = np.zeros(len(places) + 1, bool)
    opens_clause[words[:-1]] = True
    opens_clause[np.searchsorted(places, np.flatnonzero(translated == _END))] = True
    opens_part = opens_clause.copy()
    opens_part[np.searchsorted(places, np.flatnonzero(translated == _OPENING))] = True
    parts = np.flatnonzero(opens_part[:-1])
    return NormalTexts(
        Sequences(translated[is_letter], letters[bounds[:-1]], np.diff(letters[bounds])),
        np.append(letters[places], letters[-1]),
        words,
        parts,
        np.searchsorted(parts, words),
        opens_clause[parts],
        np.ones(len(places)),
        np.zeros(len(words) - 1, np.uint64),
    )
