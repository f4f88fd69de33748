"""Normal form of a text: its words without case, punctuation and whitespace, and the clauses that they stand in."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from itertools import accumulate, chain
from zlib import crc32

_CLAUSE_ENDS = frozenset('.!?:;\n\r\u2028\u2029"“”„«»()[]{}—。｡؟؛۔।॥…')
_APOSTROPHES = frozenset("'’‘ʼ`´")

_SPACELESS = re.compile("[\u0e00-\u0eff\u0f00-\u109f\u1780-\u17ff\u3005-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
"""The characters of scripts that put no space between words: Thai, Lao, Tibetan, Burmese, Khmer, kana, ideographs."""

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
    category = unicodedata.category(char)
    if char in _APOSTROPHES or category == "Cf" or "\ufe00" <= char <= "\ufe0f":
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
        starts: where each clause begins in `letters`, and at last where the last one ends.
        sizes: the number of words in each clause.
        signs: a hash of the signs that are no decoration; 0 if there are none.
    """

    letters: bytes
    words: tuple[int, ...]
    starts: tuple[int, ...]
    sizes: tuple[float, ...]
    signs: int

    @property
    def size(self) -> float:
        """The number of words."""
        return sum(self.sizes)

    @property
    def clauses(self) -> list[bytes]:
        """The letters of each clause."""
        return [self.letters[start:end] for start, end in zip(self.starts, self.starts[1:], strict=False)]


def normalise_text(text: str) -> NormalText:
    """Return the normal form of a text.

    >>> one, other = normalise_text("Don't worry -  be\\nhappy!"), normalise_text("dont worry: be happy")
    >>> one.letters, one.letters == other.letters, one.sizes
    (b'dontworrybehappy', True, (3, 1))
    """
    folded = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text.casefold())
    clauses = [words for clause in folded.translate(_CHARACTERS).split("\n") if (words := clause.split())]
    letters = [("".join(words)).encode("utf-8", "surrogatepass") for words in clauses]
    encoded = [word.encode("utf-8", "surrogatepass") for word in chain.from_iterable(clauses)]
    signs = _SIGNS.findall(folded)
    return NormalText(
        b"".join(letters),
        tuple(map(crc32, encoded)),
        (0, *accumulate(map(len, letters))),
        tuple(map(len, clauses)) if folded.isascii() else tuple(map(_count_words, clauses)),
        hash("".join(map("".join, map(str.split, signs)))) if signs else 0,
    )


def _count_words(words: list[str]) -> float:
    return len(words) - sum(len(word) == 1 and _SPACELESS.match(word) is not None for word in words) / 2
