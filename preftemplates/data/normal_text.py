"""The normal form of a text: its words without case, punctuation and whitespace, and its clauses."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise
from zlib import crc32

_CLAUSE_ENDS = frozenset('.!?:;<>|*\n\r\u2028\u2029"“”„«»()[]{}—。｡؟؛۔।॥…')
_APOSTROPHES = frozenset("'’‘ʼ`´")

_SPACELESS = re.compile(
    "[\u0e00-\u0eff\u0f00-\u109f\u1780-\u17ff\u3005-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
"""The characters of scripts without spaces: Thai, Lao, Tibetan, Burmese, Khmer, kana, ideographs."""

_CAPITAL = "A-ZÀ-ÖØ-ÞΑ-ΩА-Я"
_ASCII_OPENINGS = re.compile(r"[,\s]+(?:(?=[A-Z][a-z]|-+>?\s)|(?<=,\s))")
_OPENINGS = re.compile(
    rf"[,，\s]+(?:(?=[{_CAPITAL}][^\W\d_{_CAPITAL}]|[-–]+>?\s)|(?<=,\s)|(?<=，)|(?={_SPACELESS.pattern})|(?<={_SPACELESS.pattern}\s))"
)
"""Where a sentence may begin after one without punctuation at its end: after a comma, at a dash or a capital, or at a
space in a script without spaces."""
CLAUSE_END, OPENING = b"\n", b"\0"
"""The separator of clauses, and the mark of a possible start of a sentence."""

MARGIN = 300
"""How many characters at each end of a text are searched for such starts."""

_SIGNS = re.compile(r"[0-9](?:[\s\0]*[-+*/^%×÷−<>=]\s*|[.,])(?=[0-9])")
"""The punctuation that matters in a short text: signs between numbers, and marks within numbers."""

_MAX_SIGNED_WORDS = 128
"""In longer texts this punctuation is ignored, even if they are a short prompt with a wrapper."""

_NAMES = re.compile(r"(?<=[a-z])(\+\+|#)(?!\w)")
"""The ends of names such as C++ and C#."""


class _CharacterMap(dict[int, str]):
    """The result of each character for `str.translate`, filled in on demand."""

    def __missing__(self, code: int) -> str:
        self[code] = _map_character(chr(code))
        return self[code]


def _map_character(char: str) -> str:
    if char in _CLAUSE_ENDS:
        return "\n"
    if char == "\0":  # a possible start of a sentence
        return char
    if char == "ı":
        return "i"  # like the dotted i, since both have the same capital in most languages
    category = unicodedata.category(char)
    if char in _APOSTROPHES or char == "\u0307" or category == "Cf" or "\ufe00" <= char <= "\ufe0f":
        return ""  # inside a word, or without a glyph of its own
    if _SPACELESS.match(char) and category[0] in "LMN":
        _SPACELESS_WORDS.add(_encode(char))
        return f" {char} "
    return char if category[0] in "LMN" else " "


_CHARACTERS = _CharacterMap()
_SPACELESS_WORDS: set[bytes] = set()
"""The characters of scripts without spaces that were found so far."""


@dataclass(frozen=True, slots=True)
class NormalText:
    """A text as words in clauses.

    A character of a script without spaces is one word, which counts as half a word.

    Attributes:
        letters: all words joined, as UTF-8; equal for texts that differ only in case, punctuation and whitespace.
        words: a 32-bit hash of each word.
        starts: where each part begins in `letters`, and where the last one ends. A part is a clause, or begins where
            an unmarked clause may begin.
        sizes: the number of words in each part.
        is_clause: whether the part begins a clause.
        signs: a hash of the punctuation of numbers; 0 if there is none.
    """

    letters: bytes
    words: tuple[int, ...]
    starts: tuple[int, ...]
    sizes: tuple[float, ...]
    is_clause: tuple[bool, ...]
    signs: int

    @property
    def size(self) -> float:
        """Return the number of words."""
        return sum(self.sizes)

    @property
    def clauses(self) -> list[bytes]:
        """Return the bytes of each clause."""
        starts = [start for start, is_clause in zip(self.starts, self.is_clause, strict=False) if is_clause]
        return [self.letters[start:end] for start, end in pairwise((*starts, len(self.letters)))]


def normalise_text(text: str, *, with_openings: bool = True) -> NormalText:
    r"""Return the normal form of a text.

    Args:
        text: any text.
        with_openings: whether a part begins where an unmarked clause may begin.

    >>> one, other = normalise_text("Don't  worry.\nBe happy!"), normalise_text("dont worry: be happy")
    >>> one.letters, one.letters == other.letters, one.sizes
    (b'dontworrybehappy', True, (2, 2))
    """
    folded, is_ascii = fold_text(text, with_openings=with_openings), text.isascii()
    parts: list[list[bytes]] = []
    is_clause: list[bool] = []
    for clause in translate(folded).split(CLAUSE_END):
        of_clause = [words for part in clause.split(OPENING) if (words := part.split())]
        parts += of_clause
        is_clause += [index == 0 for index in range(len(of_clause))]
    letters = [*map(b"".join, parts)]
    hashes = tuple(map(crc32, chain.from_iterable(parts)))
    return NormalText(
        b"".join(letters),
        hashes,
        (0, *accumulate(map(len, letters))),
        tuple(map(len if is_ascii else _count_words, parts)),
        tuple(is_clause),
        hash_signs(folded, len(hashes)),
    )


def fold_text(text: str, *, with_openings: bool) -> str:
    r"""Return a text in lower case, with names spelled out and a mark at each possible start of an unmarked clause.

    >>> fold_text("Well, THEN: C++", with_openings=True)
    'well \x00then: cplusplus'
    """
    is_ascii = text.isascii()
    marked = _mark_openings(text, is_ascii) if with_openings else text
    folded = marked.lower() if is_ascii else unicodedata.normalize("NFKC", marked.casefold())
    if "++" in folded or "#" in folded:
        folded = _NAMES.sub(lambda match: "plusplus" if match[0] == "++" else "sharp", folded)
    return folded


def translate(folded: str) -> bytes:
    r"""Return a folded text as words, separated by spaces, `CLAUSE_END` and `OPENING`.

    >>> translate("don't worry. be")
    b'dont worry\n be'
    """
    return _encode(folded.translate(_CHARACTERS))


def hash_signs(folded: str, words: int) -> int:
    """Return a hash of the punctuation of numbers in a folded text of this many words; 0 if there is none."""
    signs = _SIGNS.findall(folded) if words <= _MAX_SIGNED_WORDS else ()
    return hash("".join("".join(sign.replace("\0", "").split()) for sign in signs)) if signs else 0


def weigh_word(word: bytes) -> float:
    """Return how many words a word counts as: one half for a character of a script without spaces."""
    return 0.5 if word in _SPACELESS_WORDS else 1


def _mark_openings(text: str, is_ascii: bool) -> str:
    openings, mark = _ASCII_OPENINGS if is_ascii else _OPENINGS, " \0"
    text = text.replace("\0", " ")
    if len(text) <= 2 * MARGIN:
        return openings.sub(mark, text)
    first, last = text[:MARGIN], text[-MARGIN:]
    return openings.sub(mark, first) + text[MARGIN:-MARGIN] + openings.sub(mark, last)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _count_words(words: list[bytes]) -> float:
    return sum(map(weigh_word, words))
