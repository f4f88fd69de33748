"""Find the characters that an engine reads with another Unicode version than the default engine."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from preftemplates.tokens.engines.engine import import_numpy
from preftemplates.tokens.engines.self_check import encode_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from preftemplates.tokens.engines.engine import Engine

_DENSE = (
    *((0x80, 0x3400), (0x4DC0, 0x4E00), (0xA000, 0xAC00), (0xD7A4, 0xD800), (0xE000, 0xE010), (0xF8F0, 0x13000)),
    *((0x13430, 0x13460), (0x16000, 0x17000), (0x18CD0, 0x18DF0), (0x1A000, 0x1B300), (0x1BC00, 0x1BD00)),
    *((0x1CC00, 0x1FC00), (0xE0000, 0xE0200)),
)
"""Ranges in which every code point is tried. Between them are large blocks of one kind, such as CJK ideographs."""

_STRIDE = 64
"""In a large block, only every code point at this distance is tried."""

_PAIRS = (
    *("\U00016d67\U00016d67", "\U00016d63\U00016d67", "\U00011382\U000113c9", "\U00011384\U000113bb"),
    *("\U0001138b\U000113c2", "\U00011390\U000113c9", "\U000113c2\U000113c2", "\U000113c2\U000113b8"),
    *("\U000113c2\U000113c9", "\U000105d2\u0307", "\U000105da\u0307"),
)
"""Pairs of characters that Unicode 16 composes into one."""

_PACK = 200
"""How many characters are tried in one text."""

_MAX_PACKS = 150
"""If more texts than this differ, the cause must be something else than the Unicode version."""


def find_differing_characters(engine: Engine, reference: Engine, description: dict[str, Any]) -> frozenset[str]:
    r"""Return the characters for which an engine gives other ids than the default engine.

    Engines use different Unicode versions, which decide which characters are alphabetic and which compose. About
    70,000 characters are tried: inside words, and between accents if the tokenizer normalizes texts.

    Args:
        engine: the engine.
        reference: the default engine.
        description: the object in the tokenizer's `tokenizer.json`.

    Returns:
        The non-ASCII characters that differ; empty if so many differ that the cause must be something else.

    Raises:
        DefinitionError: the engine raises an exception.

    Example:
        >>> from tokenizers import Tokenizer, models
        >>> from preftemplates.tokens.engines.huggingface import HuggingFaceEngine
        >>> engines = [HuggingFaceEngine(Tokenizer(models.BPE(vocab, []))) for vocab in ({"a": 0}, {"a": 0, "é": 1})]
        >>> find_differing_characters(*engines, {"normalizer": None})
        frozenset({'é'})
    """
    place = _choose_place(description)
    tried = [*_PAIRS, *map(chr, _list_code_points())]
    packs = [tried[start : start + _PACK] for start in range(0, len(tried), _PACK)]
    # packs first, then the characters of those that differ: about 350 texts instead of 70,000
    differing = _find_differing(engine, reference, ["".join(map(place, pack)) for pack in packs])
    if not differing or len(differing) > _MAX_PACKS:
        return frozenset()
    suspects = [text for index in differing for text in packs[index]]
    found = [suspects[index] for index in _find_differing(engine, reference, [*map(place, suspects)])]
    return frozenset(character for text in found for character in _widen(text))


def make_character_table(characters: frozenset[str]) -> Any:
    """Return a bool NumPy array that is True at the code points of these characters.

    >>> make_character_table(frozenset("é"))[[0xE8, 0xE9]].tolist()
    [False, True]
    """
    np = import_numpy()
    table = np.zeros(0x110000, np.bool_)
    table[[ord(character) for character in characters]] = True
    return table


def find_texts_with(characters: frozenset[str], table: Any, texts: Sequence[str]) -> list[int]:
    """Return the indices of the texts that contain any of these characters, in order.

    Args:
        characters: non-ASCII characters.
        table: the result of `make_character_table` for them.
        texts: the texts.

    Raises:
        UnicodeEncodeError: a text has a lone surrogate.

    Example:
        >>> characters = frozenset("é")
        >>> find_texts_with(characters, make_character_table(characters), ["e", "ö", "né"])
        [2]
    """
    np = import_numpy()
    candidates = [index for index, text in enumerate(texts) if not text.isascii()]
    # in UTF-32, one lookup in NumPy tells of all characters, since most batches have none of these
    joined = "".join(texts[index] for index in candidates).encode("utf-32-le")  # -le: without a BOM
    if not table[np.frombuffer(joined, np.uint32)].any():
        return []
    return [index for index in candidates if not characters.isdisjoint(texts[index])]


def _choose_place(description: dict[str, Any]) -> Callable[[str], str]:
    """Return a function that puts a character into the surroundings in which the tokenizer's parts may differ."""
    words = [token["content"] for token in description.get("added_tokens") or () if token.get("single_word")]
    normalizes = bool(description.get("normalizer"))

    def put(text: str) -> str:
        # the accents move across the character only if it is an accent in the engine's Unicode version
        accents = f"a\u0301{text}\u0323 {text}{text}\u0307 " if normalizes else ""
        # a `single_word` token is not found next to what is `\w` in the engine's Unicode version
        return f"a{text}b {text} {accents}" + (f"{words[0]}{text} {text}{words[0]} " if words else "")

    return put


def _list_code_points() -> list[int]:
    """Return the code points to try, in order."""
    dense = [*chain.from_iterable(range(start, end) for start, end in _DENSE)]
    sparse = {*range(0x80, 0x110000, _STRIDE)}.difference(dense, range(0xD800, 0xE000))
    return sorted([*dense, *sparse])


def _widen(text: str) -> list[str]:
    """Return the non-ASCII characters of a text that differs, with their neighbours if only a sample was tried."""
    code_points = [ord(character) for character in text if not character.isascii()]
    if len(code_points) == 1 and not any(start <= code_points[0] < end for start, end in _DENSE):
        middle = code_points[0]
        code_points = [*range(max(0x80, middle - _STRIDE + 1), min(middle + _STRIDE, 0x110000))]
    return [*map(chr, code_points)]  # `_DENSE` covers the neighbours of surrogates, so none is among them


def _find_differing(engine: Engine, reference: Engine, texts: Sequence[str]) -> list[int]:
    """Return the indices of the texts for which two engines give different ids."""
    rows = zip(encode_rows(engine, texts), encode_rows(reference, texts), strict=True)
    return [index for index, (one, other) in enumerate(rows) if one != other]
