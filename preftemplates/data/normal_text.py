"""Normal form of a text: its words without case, punctuation and whitespace, and the clauses that they stand in."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise
from zlib import crc32

_CLAUSE_ENDS = frozenset('.!?:;\n\r\u2028\u2029"“”„«»()[]{}—。｡؟؛۔।॥…')
_APOSTROPHES = frozenset("'’‘ʼ`´")

_SPACELESS = re.compile("[\u0e00-\u0eff\u0f00-\u109f\u1780-\u17ff\u3005-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
"""The characters of scripts that put no space between words: Thai, Lao, Tibetan, Burmese, Khmer, kana, ideographs."""

_CAPITAL = "A-ZÀ-ÖØ-ÞΑ-ΩА-Я"
_OPENINGS = re.compile(
    rf"(?<=,)\s+|(?<=[^\W_])\s+(?=[{_CAPITAL}][^\W\d_{_CAPITAL}])|(?<={_SPACELESS.pattern})\s+(?=\w)|(?<=\w)\s+(?={_SPACELESS.pattern})"
)
"""Where a sentence may begin after one without a mark at its end: after a comma, at a capital, or at a space that the
script has not."""
_OPENING, _MARGIN = "\0", 300
"""The mark of such a place, and the number of characters at each end of a text in which they are looked for."""

_SIGNS = re.compile(r"[0-9]+\s*[-+*/^%×÷−<>=]\s*(?=[0-9])|[a-z]\+\+|[a-z]#(?!\w)")
"""The punctuation that is no decoration: signs between numbers, and the names of C++ and C#."""


class _CharacterMap(dict[int, str]):
    """For `str.translate`: what each character becomes; filled in as characters are met."""

    def __missing__(self, code: int) -> str:
        self[code] = _map_character(chr(code))
        return self[code]


def _map_character(char: str) -> str:
    if char in _CLAUSE_ENDS:
        return "\n"
    if char == _OPENING:
        return char
    if char == "ı":
        return "i"  # as the dotted one, whose capital is the same in most languages
    category = unicodedata.category(char)
    if char in _APOSTROPHES or char == "\u0307" or category == "Cf" or "\ufe00" <= char <= "\ufe0f":
        return ""  # within a word, or without a shape of its own
    if _SPACELESS.match(char) and category[0] in "LMN":
        return f" {char} "
    return char if category[0] in "LMN" else " "


_CHARACTERS = _CharacterMap()


@dataclass(frozen=True, slots=True)
class NormalText:
    """A text as words in clauses.

    A word of a script without spaces is one character, which counts as half a word.

    Attributes:
        letters: all words joined, as UTF-8: equal for texts that differ in case, punctuation and whitespace.
        words: a 32-bit hash of each word.
        starts: where each part begins in `letters`, and at last where the last one ends. A part is a clause, or begins
            where a clause may begin that no mark sets off.
        sizes: the number of words in each part.
        is_clause: whether a clause begins with the part.
        signs: a hash of the signs that are no decoration; 0 if there are none.
    """

    letters: bytes
    words: tuple[int, ...]
    starts: tuple[int, ...]
    sizes: tuple[float, ...]
    is_clause: tuple[bool, ...]
    signs: int

    @property
    def size(self) -> float:
        """The number of words."""
        return sum(self.sizes)

    @property
    def clauses(self) -> list[bytes]:
        """The letters of each clause."""
        starts = [start for start, is_clause in zip(self.starts, self.is_clause, strict=False) if is_clause]
        return [self.letters[start:end] for start, end in pairwise((*starts, len(self.letters)))]


def normalise_text(text: str) -> NormalText:
    """Return the normal form of a text.

    >>> one, other = normalise_text("Don't worry -  be\\nhappy!"), normalise_text("dont worry: be happy")
    >>> one.letters, one.letters == other.letters, one.sizes
    (b'dontworrybehappy', True, (3, 1))
    """
    marked = _mark_openings(text.replace(_OPENING, " "))
    folded = marked.lower() if marked.isascii() else unicodedata.normalize("NFKC", marked.casefold())
    parts: list[list[str]] = []
    is_clause: list[bool] = []
    for clause in folded.translate(_CHARACTERS).split("\n"):
        words = [words for part in clause.split(_OPENING) if (words := part.split())]
        parts += words
        is_clause += [index == 0 for index in range(len(words))]
    letters = [_encode("".join(words)) for words in parts]
    signs = _SIGNS.findall(folded)
    return NormalText(
        b"".join(letters),
        tuple(crc32(_encode(word)) for word in chain.from_iterable(parts)),
        (0, *accumulate(map(len, letters))),
        tuple(map(len if folded.isascii() else _count_words, parts)),
        tuple(is_clause),
        hash("".join("".join(sign.split()) for sign in signs)) if signs else 0,
    )


def _mark_openings(text: str) -> str:
    mark = f" {_OPENING}"
    if len(text) <= 2 * _MARGIN:
        return _OPENINGS.sub(mark, text)
    first, last = text[:_MARGIN], text[-_MARGIN:]
    return _OPENINGS.sub(mark, first) + text[_MARGIN:-_MARGIN] + _OPENINGS.sub(mark, last)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _count_words(words: list[str]) -> float:
    return len(words) - sum(len(word) == 1 and _SPACELESS.match(word) is not None for word in words) / 2
