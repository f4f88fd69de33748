"""Token bytes: the bytes that each token of a vocabulary spells, from which spans are found without offsets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from preftemplates.tokens.engines.tokenizer_json import list_byte_characters

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")

_BYTES_BY_CHARACTER = {character: byte for byte, character in enumerate(list_byte_characters())}

WHITESPACE = (
    "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""The characters that an added token with `lstrip` or `rstrip` swallows: `\\s` in Rust, which is White_Space.

`str.strip()` would also remove four characters that are not whitespace in Rust: U+001C to U+001F.
"""

_SPACES = re.compile(b"(?:%s)*" % b"|".join(re.escape(char.encode()) for char in WHITESPACE))
"""A run of whitespace in UTF-8."""


@dataclass(frozen=True)
class TokenBytes:
    r"""The bytes that each token of a tokenizer spells.

    They are read from the tokenizer's description: the alphabet of byte-level tokenizers, the mark that SentencePiece
    writes for a space, and its tokens for single bytes. They do not include what a tokenizer changes in a text
    (accents, case, whitespace). So either the tokens of a text spell exactly its bytes, or nothing is known about the
    text.

    Attributes:
        spellings: the bytes by id; None for the unknown token and for an id without a token.
        may_prepend: whether the tokenizer may add a space at the start of a text, or after an added token.
        added: the ids of the added tokens; the texts between them are encoded separately.
        strips_left: the ids of the added tokens that swallow the whitespace before them.
        strips_right: the ids of the added tokens that swallow the whitespace after them.

    Example:
        >>> model = {"type": "BPE", "vocab": {"\u0120Hi": 0, "!": 1}}
        >>> known = TokenBytes.read({"model": model, "pre_tokenizer": {"type": "ByteLevel"}})
        >>> known.spellings, known.find_extents(" Hi!", [0, 1])
        ((b' Hi', b'!'), [(0, 3), (3, 4)])
    """

    spellings: tuple[bytes | None, ...]
    may_prepend: bool = False
    added: frozenset[int] = frozenset()
    strips_left: frozenset[int] = frozenset()
    strips_right: frozenset[int] = frozenset()

    @classmethod
    def read(cls, description: Mapping[str, Any]) -> Self:
        """Read the bytes from a tokenizer's description, the object in its `tokenizer.json`."""
        model, added = description["model"], description.get("added_tokens") or ()
        steps = [*_list_steps(description.get("normalizer")), *_list_steps(description.get("pre_tokenizer"))]
        spell = _choose_speller(steps, model, [*_list_steps(description.get("decoder"))])
        spellings = {id: spell(token) for token, id in _list_vocabulary(model)}
        # before the added tokens, of which <unk> is often one: a text may spell its name
        for id in _find_unknown(model):
            spellings[id] = None
        spellings |= {token["id"]: token["content"].encode() for token in added}
        if any(step["type"] == "Prepend" for step in steps):  # it is put before the names of these tokens too
            spellings |= {token["id"]: b" " + spellings[token["id"]] for token in added if token.get("normalized")}
        size = max(spellings, default=-1) + 1
        return cls(
            tuple(map(spellings.get, range(size))),
            any(map(_may_prepend, steps)),
            frozenset(token["id"] for token in added),
            frozenset(token["id"] for token in added if token.get("lstrip")),
            frozenset(token["id"] for token in added if token.get("rstrip")),
        )

    @cached_property
    def leading_spaces(self) -> frozenset[int]:
        """Return the ids of the tokens that begin with a space, which the tokenizer may have added."""
        return frozenset(id for id, spelling in enumerate(self.spellings) if spelling and spelling[:1] == b" ")

    def find_extents(self, text: str, ids: Sequence[int]) -> list[tuple[int, int]] | None:
        """Return the bytes `(start, end)` that each token spells, half-open; None unless these are the text's bytes.

        A token that is only a space which the tokenizer has added spells no bytes. An added token also spells the
        whitespace that it swallows.

        Args:
            text: the text.
            ids: the ids of its tokens, without those that the tokenizer puts around a text.
        """
        data, starts = text.encode(), {at for at in range(len(ids)) if at == 0 or ids[at - 1] in self.added}
        # The tokenizer may have added a space at the text's start and after each added token, only at the start, or
        # nowhere. The ids do not tell, so each case is tried until the spelled bytes are those of the text.
        droppings: list[Container[int]] = [starts, {0}, ()] if self.may_prepend else [()]
        if self.strips_left.isdisjoint(ids) and self.strips_right.isdisjoint(ids):
            for dropping in droppings:
                spelled = [self._spell(id, at in dropping) for at, id in enumerate(ids)]
                # one comparison instead of a walk, since nearly all texts have tokens that swallow no whitespace
                if None not in spelled and b"".join(filter(None, spelled)) == data:
                    return [*_list_extents([len(spelling or b"") for spelling in spelled])]
            droppings = []  # a walk would fail in the same way
        # last, with a choice at each start: Metaspace adds no space before a space that the text has
        walks = [(dropping, False) for dropping in droppings] + ([(starts, True)] if self.may_prepend else [])
        found = (self._walk(data, ids, dropping, optional=optional) for dropping, optional in walks)
        return next((extents for extents in found if extents is not None), None)

    def _walk(
        self, data: bytes, ids: Sequence[int], dropping: Container[int], *, optional: bool
    ) -> list[tuple[int, int]] | None:
        """Match tokens to bytes one by one; those in `dropping` may lack a leading space, or do unless `optional`."""
        extents, start = list[tuple[int, int]](), 0
        for place, id in enumerate(ids):
            whole, shorter = self._spell(id, False), self._spell(id, place in dropping)
            if whole is None or shorter is None:
                return None
            spelling = whole if optional and data.startswith(whole, start) else shorter
            begin = data.find(spelling, start) if id in self.strips_left else start
            if begin < start or not _SPACES.fullmatch(data, start, begin) or not data.startswith(spelling, begin):
                return None
            end = begin + len(spelling)
            if id in self.strips_right and (whitespace := _SPACES.match(data, end)):
                end = whitespace.end()
            extents.append((start, end))
            start = end
        return extents if start == len(data) else None

    def _spell(self, id: int, without_space: bool) -> bytes | None:
        spelling = self.spellings[id] if id < len(self.spellings) else None
        return spelling[1:] if without_space and id in self.leading_spaces and spelling else spelling


def _list_extents(lengths: Sequence[int]) -> Iterator[tuple[int, int]]:
    start = 0
    for length in lengths:
        yield start, start + length
        start += length


def _list_steps(part: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    """Yield the steps of a normalizer, a pre-tokenizer or a decoder."""
    if part is None:
        return
    if part["type"] == "Sequence":
        for key in ("normalizers", "pretokenizers", "decoders"):
            for step in part.get(key) or ():
                yield from _list_steps(step)
        return
    yield part


def _may_prepend(step: Mapping[str, Any]) -> bool:
    """Return whether a step may add a space at the start of a text."""
    kind = step["type"]
    if kind == "Metaspace":
        return bool(step.get("prepend_scheme", "always") != "never" and step.get("add_prefix_space", True))
    if kind == "MetaspaceNormalizer":
        return bool(step["prepend"] != "never")
    return bool(kind == "Prepend" or (kind == "ByteLevel" and step.get("add_prefix_space", False)))


def _list_vocabulary(model: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield the tokens of a model with their ids."""
    vocabulary = model.get("vocab") or {}
    if isinstance(vocabulary, dict):
        yield from vocabulary.items()
    else:
        yield from ((token, id) for id, (token, _) in enumerate(vocabulary))


def _find_unknown(model: Mapping[str, Any]) -> list[int]:
    """Return the id of the unknown token, which may stand for any text, in a list; empty if there is none."""
    vocabulary, unknown = model.get("vocab"), model.get("unk_token")
    if isinstance(vocabulary, list) and isinstance(model.get("unk_id"), int):
        return [model["unk_id"]]
    return [vocabulary[unknown]] if isinstance(vocabulary, dict) and unknown in vocabulary else []


def _choose_speller(steps: Sequence[Mapping[str, Any]], model: Mapping[str, Any], decoders: Sequence[Any]) -> Any:
    """Return the function that spells a token of the model."""
    if model.get("byte_level") or any(step["type"] == "ByteLevel" for step in (*steps, *decoders)):
        return _spell_byte_level
    # Replace of a space, next to Prepend, is how older Llama tokenizers spell Metaspace
    spaces = [step["replacement"] for step in steps if step["type"] in ("Metaspace", "MetaspaceNormalizer")]
    spaces += [step["content"] for step in steps if step["type"] == "Replace" and step["pattern"] == {"String": " "}]
    space, falls_back = (spaces or [" "])[0], bool(model.get("byte_fallback"))

    def spell(token: str) -> bytes | None:
        byte = _BYTE_TOKEN.fullmatch(token) if falls_back else None  # otherwise <0x0A> is text of six characters
        # an empty replacement drops spaces: "ab".replace("", " ") would put one around each character
        return bytes([int(byte[1], 16)]) if byte else token.replace(space, " ").encode() if space else token.encode()

    return spell


def _spell_byte_level(token: str) -> bytes | None:
    """Return the bytes of a token of a byte-level model; None if a character is not in the alphabet."""
    try:
        return bytes(map(_BYTES_BY_CHARACTER.__getitem__, token))
    except KeyError:
        return None
