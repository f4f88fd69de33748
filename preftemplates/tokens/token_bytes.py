"""Token bytes: what each token of a vocabulary spells, so that spans can be assigned without offsets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")


@dataclass(frozen=True)
class TokenBytes:
    r"""The bytes that each token of a tokenizer spells.

    They are read from the tokenizer's description: the alphabet of byte-level tokenizers, the mark that SentencePiece
    writes for a space, and its tokens for single bytes. What a tokenizer changes in a text (accents, case, whitespace)
    is not in them. So the bytes of a text's tokens are the text's own, or nothing is known of the text.

    Attributes:
        spellings: the bytes by id; None for the unknown token, and for an id without a token.
        may_prepend: whether the tokenizer may add a space at the start of a text, or after an added token.
        added: the ids of the added tokens, between which texts are encoded apart.

    Example:
        >>> model = {"type": "BPE", "vocab": {"\u0120Hi": 0, "!": 1}}
        >>> known = TokenBytes.read({"model": model, "pre_tokenizer": {"type": "ByteLevel"}})
        >>> known.spellings, known.find_extents(" Hi!", [0, 1])
        ((b' Hi', b'!'), [(0, 3), (3, 4)])
    """

    spellings: tuple[bytes | None, ...]
    may_prepend: bool = False
    added: frozenset[int] = frozenset()

    @classmethod
    def read(cls, description: Mapping[str, Any]) -> Self:
        """Read the bytes from a tokenizer's description, as its `tokenizer.json` holds it."""
        model, added = description["model"], description.get("added_tokens") or ()
        steps = [*_list_steps(description.get("normalizer")), *_list_steps(description.get("pre_tokenizer"))]
        spell = _choose_speller(steps, model, [*_list_steps(description.get("decoder"))])
        spellings = {id: spell(token) for token, id in _list_vocabulary(model)}
        for id in _find_unknown(model):
            spellings[id] = None
        spellings |= {token["id"]: token["content"].encode() for token in added}
        size = max(spellings, default=-1) + 1
        return cls(
            tuple(map(spellings.get, range(size))),
            any(map(_may_prepend, steps)),
            frozenset(token["id"] for token in added),
        )

    @cached_property
    def leading_spaces(self) -> frozenset[int]:
        """The ids of the tokens that begin with a space, which the tokenizer may have added."""
        return frozenset(id for id, spelling in enumerate(self.spellings) if spelling and spelling[:1] == b" ")

    def find_extents(self, text: str, ids: Sequence[int]) -> list[tuple[int, int]] | None:
        """Return which bytes of a text each token spells, half-open; None unless they are all of its bytes.

        A token that is nothing but a space that the tokenizer has added spells no byte.

        Args:
            text: the text.
            ids: the ids of its tokens, without those that the tokenizer adds around a text.
        """
        data, starts = text.encode(), self.find_segment_starts(ids)
        for dropping in self.list_droppings(starts):
            spelled = [self._spell(id, at in dropping) for at, id in enumerate(ids)]
            if None not in spelled and b"".join(filter(None, spelled)) == data:
                return [*_list_extents([len(spelling or b"") for spelling in spelled])]
        return None

    def find_segment_starts(self, ids: Sequence[int]) -> list[int]:
        """Return the places of the first token, and of each one after an added token."""
        return [at for at in range(len(ids)) if at == 0 or ids[at - 1] in self.added]

    def list_droppings(self, starts: Sequence[int]) -> list[Container[int]]:
        """Return at which of these places a leading space may have been added, in the order in which to try them."""
        return [{*starts}, {*starts[:1]}, ()] if self.may_prepend else [()]

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
    """Whether a step may add a space at the start of a text."""
    kind = step["type"]
    if kind == "Metaspace":
        return bool(step.get("prepend_scheme", "always") != "never" and step.get("add_prefix_space", True))
    return bool(kind == "Prepend" or (kind == "ByteLevel" and step.get("add_prefix_space", False)))


def _list_vocabulary(model: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield the tokens of a model, each with its id."""
    vocabulary = model.get("vocab") or {}
    if isinstance(vocabulary, dict):
        yield from vocabulary.items()
    else:
        yield from ((token, id) for id, (token, _) in enumerate(vocabulary))


def _find_unknown(model: Mapping[str, Any]) -> list[int]:
    """The id of the token for what the model does not know, which spells anything."""
    if isinstance(model.get("unk_id"), int):
        return [model["unk_id"]]
    vocabulary, unknown = model.get("vocab"), model.get("unk_token")
    return [vocabulary[unknown]] if isinstance(vocabulary, dict) and unknown in vocabulary else []


def _choose_speller(steps: Sequence[Mapping[str, Any]], model: Mapping[str, Any], decoders: Sequence[Any]) -> Any:
    """Return the function that spells a token of the model."""
    if any(step["type"] == "ByteLevel" for step in (*steps, *decoders)):
        return _spell_byte_level
    spaces = [step["replacement"] for step in steps if step["type"] == "Metaspace"]
    spaces += [step["content"] for step in steps if step["type"] == "Replace" and step["pattern"] == {"String": " "}]
    space, falls_back = (spaces or [" "])[0], bool(model.get("byte_fallback"))

    def spell(token: str) -> bytes | None:
        byte = _BYTE_TOKEN.fullmatch(token) if falls_back else None
        return bytes([int(byte[1], 16)]) if byte else token.replace(space, " ").encode() if space else token.encode()

    return spell


def _make_alphabet() -> dict[str, int]:
    """The byte of each character of GPT-2's alphabet (`bytes_to_unicode` of its code): printable bytes are themselves.

    The others are, in order, the characters from 256 on.
    """
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + place): byte for place, byte in enumerate(others)}


_ALPHABET = _make_alphabet()


def _spell_byte_level(token: str) -> bytes | None:
    """The bytes of a token of a byte-level model; None if a character is none of the alphabet."""
    try:
        return bytes(map(_ALPHABET.__getitem__, token))
    except KeyError:
        return None
