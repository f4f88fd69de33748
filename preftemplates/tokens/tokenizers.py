"""Private copies of a tokenizer: one that reads a text as the tokenizer does, and some without control tokens."""

from __future__ import annotations

import json
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol
from weakref import WeakKeyDictionary

from preftemplates.errors import Code, DefinitionError, RowError, one_line
from preftemplates.tokens.byte_aligned import ByteAlignedTokenizer
from preftemplates.tokens.token_bytes import WHITESPACE, TokenBytes

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence


class FastTokenizer(Protocol):
    """The interface of a tokenizer: a fast tokenizer of transformers, or a `JsonTokenizer`."""

    @property
    def is_fast(self) -> bool:
        """Return whether it is a fast tokenizer."""

    @property
    def backend_tokenizer(self) -> Any:
        """Return its `tokenizers.Tokenizer` or `ByteAlignedTokenizer`, which is copied and never changed."""

    @property
    def all_special_tokens(self) -> list[str]:
        """Return the tokens that have a name, such as BOS."""


class Token(NamedTuple):
    """An id, and the characters that it covers."""

    id: int
    start: int
    end: int


PiecePosition = Literal["start", "after", "inside"]
"""The place of a piece in its text: at the start, after a control token, or inside other text.

A tokenizer that puts a space before a text does so at the start, and some also do so after a token. None does so
inside a text.
"""


_PROBES = (
    "Hi",
    " Hi",
    "Hi ",
    "  ",
    "\n",
    "Hi\n\n",
    "é",
    "e\u0301",
    "\u0301",
    "日",
    "😀",
    "1",
    "'s",
    ".",
    "\u200b",
    "Ab\u00a0",
)
"""Texts for both sides of a token, on which a cut may make a difference."""


class TokenizerCopies:
    """Private copies of a tokenizer: one that reads a text as the tokenizer does, and some without control tokens.

    A copy without control tokens is made on first use, one for each position at which the tokenizer treats a piece
    differently.

    Attributes:
        full: the copy that reads a text as the tokenizer does.
        added_tokens: the added tokens by name, each as the tokenizer's JSON describes it.
        names_by_id: the names of the added tokens by id.
        special: the names of the added tokens that are control tokens wherever the style writes them.
        can_cut_before: returns whether a text may be encoded in two parts, the second of which begins with a token.
        prefix_ids, suffix_ids: the ids that the tokenizer puts before and after plain text.
        json: the tokenizer's `tokenizer.json`.
        description: the same as a Python object.
    """

    def __init__(self, tokenizer: FastTokenizer) -> None:
        backend = tokenizer.backend_tokenizer
        self._from_json = type(backend).from_str
        self.json: str = backend.to_str()
        self.description: dict[str, Any] = json.loads(self.json)
        description = self.description
        self.added_tokens = {token["content"]: token for token in description["added_tokens"]}
        self.names_by_id = {token["id"]: name for name, token in self.added_tokens.items()}
        special = {name for name, token in self.added_tokens.items() if token["special"]}
        # `tokenizer.eos_token = "<|end|>"` marks nothing special in the backend
        special |= self.added_tokens.keys() & {*tokenizer.all_special_tokens}
        # the unknown token stands for content, unless it also ends texts: an unknown character must not end one
        unknown = _unknown_tokens(description["model"]) - _boundary_tokens(tokenizer)
        self.special = frozenset(special - unknown)
        self.full = self._from_json(self.json)
        self.full.no_truncation()
        self.full.no_padding()
        try:
            probe = self.full.encode("a")  # any text: a post-processor adds the same ids to all of them
        except (KeyboardInterrupt, SystemExit, MemoryError):
            raise
        except BaseException as error:  # a panic in Rust, such as for an unknown token that is not in the vocabulary
            raise DefinitionError(f"this tokenizer cannot encode text: {one_line(str(error), 200)}") from error
        is_added = probe.special_tokens_mask
        self.prefix_ids = tuple(probe.ids[: is_added.index(0)]) if 0 in is_added else ()
        self.suffix_ids = tuple(probe.ids[len(is_added) - is_added[::-1].index(0) :]) if 0 in is_added else ()
        self.full.post_processor = None  # some post-processors trim whitespace off the offsets
        # caches of the instance: a decorated method's cache belongs to the class and would keep every instance alive
        self.find_added = lru_cache(maxsize=4096)(self._find_added)
        self.get_copy = lru_cache(maxsize=16)(self._make_copy)
        self.get_ids = lru_cache(maxsize=16)(self._get_ids)
        self.can_cut_before = lru_cache(maxsize=64)(self._can_cut_before)

    def find_offsets(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Return for each text the characters `(start, end)` that each of its tokens covers, half-open.

        With tokenizers 1.x, the list is empty for a text whose tokens do not spell its bytes.
        """
        if isinstance(self.full, ByteAlignedTokenizer):
            return self.full.find_offsets(texts)
        return [encoding.offsets for encoding in self.full.encode_batch([*texts], add_special_tokens=False)]

    def _find_added(self, text: str) -> tuple[Token, ...]:
        """Return the added tokens that a text of the style spells, as the tokenizer finds them, without whitespace.

        A token is left out if other characters produced it, such as the unknown token.
        """
        tokens: list[Token] = []
        for candidates in extend_over_gaps(encode_text(self.full, text), self.names_by_id, len(text)):
            # the token's own characters first, then those up to the next token, which may be an accent
            for token in (self._strip_whitespace(candidate, text) for candidate in candidates):
                if self._is_spelled(text[token.start : token.end], self.names_by_id[token.id]):
                    tokens.append(token)
                    break
        return tuple(tokens)

    def _strip_whitespace(self, token: Token, text: str) -> Token:
        """Remove the whitespace that a token swallows, unless its name includes it."""
        name = self.names_by_id[token.id]
        covered, flags = text[token.start : token.end], self.added_tokens[name]
        leading = len(covered) - len(covered.lstrip(WHITESPACE)) - (len(name) - len(name.lstrip(WHITESPACE)))
        trailing = len(covered) - len(covered.rstrip(WHITESPACE)) - (len(name) - len(name.rstrip(WHITESPACE)))
        start = token.start + max(0, leading if flags["lstrip"] else 0)
        end = token.end - max(0, trailing if flags["rstrip"] else 0)
        return token._replace(start=start, end=end)

    def _is_spelled(self, text: str, name: str) -> bool:
        """Return whether a text is the name of a token, or equals it after the tokenizer's normalization of both."""
        if text == name:
            return True
        normalizer = self.full.normalizer if self.added_tokens[name]["normalized"] else None
        return normalizer is not None and normalizer.normalize_str(text) == normalizer.normalize_str(name)

    @cached_property
    def word_tokens(self) -> frozenset[str]:
        """Return the added tokens that the tokenizer does not find after a letter."""
        # a normalizer with Prepend, as Llama's, turns the name into "▁<tool>", which is not in "x<tool>"
        names = [name for name, token in self.added_tokens.items() if token["normalized"] and not token["single_word"]]
        encodings = self.full.encode_batch_fast(["x" + name for name in names], add_special_tokens=False)
        words = {name for name, token in self.added_tokens.items() if token["single_word"]}
        ids = (self.added_tokens[name]["id"] for name in names)
        found = (id in encoding.ids for id, encoding in zip(ids, encodings, strict=True))
        return frozenset(words | {name for name, is_found in zip(names, found, strict=True) if not is_found})

    def _can_cut_before(self, name: str) -> bool:
        """Return whether the ids of a text equal those of the part before this token plus those of the rest.

        This is tried out, with spaces, line ends, accents, digits and characters of several scripts on both sides.
        """
        # also after another such token: one with `lstrip` swallows a line end that is before the cut
        heads = [head + name + middle for middle in ("", "\n", "Hi ") for head in ("", *_PROBES)] + [*_PROBES]
        tails = [name + tail for tail in ("", *_PROBES)]
        texts = [*heads, *tails, *(head + tail for head in heads for tail in tails)]
        ids = [encoding.ids for encoding in self.full.encode_batch_fast(texts, add_special_tokens=False)]
        of_heads, of_tails = ids[: len(heads)], ids[len(heads) : len(heads) + len(tails)]
        return ids[len(heads) + len(tails) :] == [head + tail for head in of_heads for tail in of_tails]

    def _get_ids(self, control: frozenset[str]) -> frozenset[int]:
        # 0.2x drops these bytes; counted as control, their ids lead every batch to `tokenize`, which raises
        missing = self.full.missing_bytes if isinstance(self.full, ByteAlignedTokenizer) else ()
        return frozenset([*(self.added_tokens[name]["id"] for name in control), *missing])

    @cached_property
    def token_bytes(self) -> TokenBytes:
        """Return the bytes of the tokens."""
        is_aligned = isinstance(self.full, ByteAlignedTokenizer)
        return self.full.token_bytes if is_aligned else TokenBytes.read(self.description)

    def _make_copy(self, control: frozenset[str], position: PiecePosition) -> Any:
        """Build the tokenizer for a piece at that position, which reads control tokens as text."""
        description = json.loads(self.json)
        parts = {part: _adapt_part(description[part], position) for part in ("normalizer", "pre_tokenizer")}
        # nothing to adapt: one copy for all positions, since each holds the whole vocabulary
        if position != "start" and all(description[part] == adapted for part, adapted in parts.items()):
            return self.get_copy(control, "start")
        # `encode_special_tokens` below encodes special tokens as text, so exactly the control tokens are marked
        # special
        for token in description["added_tokens"]:
            token["special"] = token["content"] in control
        description |= {**parts, "post_processor": None, "truncation": None, "padding": None}
        copy = self._from_json(json.dumps(description))
        copy.encode_special_tokens = True
        return copy


_COPIES: WeakKeyDictionary[Any, tuple[Any, TokenizerCopies]] = WeakKeyDictionary()
"""The copies by tokenizer, with the state that they were made from. They never refer to it, which would keep it."""


def get_tokenizer_copies(tokenizer: FastTokenizer) -> TokenizerCopies:
    """Return the private copies of a tokenizer, cached for as long as it lives and has the same tokens.

    Raises:
        DefinitionError: the tokenizer is not a fast tokenizer; or tokenizers 1.x is installed, and it cannot load the
            tokenizer or find its tokens in a text (`ByteAlignedTokenizer.check`).
    """
    backend: Any = getattr(tokenizer, "backend_tokenizer", None)
    if not getattr(tokenizer, "is_fast", False) or not hasattr(backend, "to_str"):
        raise DefinitionError(
            f"got {type(tokenizer).__name__}, expected a fast tokenizer of transformers, which knows the characters of"
            " each token; load one with AutoTokenizer.from_pretrained, wrap a tokenizers.Tokenizer in"
            " PreTrainedTokenizerFast(tokenizer_object=...), or use JsonTokenizer.from_files without transformers"
        )
    processor = backend.post_processor
    # the tokenizer can change after it was copied: `add_special_tokens` adds ids, `eos_token = ...` only names one,
    # and `add_bos_token = True` replaces the post-processor; comparing `to_str()` would write the vocabulary each time
    state = backend.get_vocab_size(), (*tokenizer.all_special_tokens,), processor and processor.__getstate__()
    copied_state, copies = _COPIES.get(tokenizer, (None, None))
    if copies is None or copied_state != state:
        if isinstance(backend, ByteAlignedTokenizer):
            backend.check()
        copies = TokenizerCopies(tokenizer)
        _COPIES[tokenizer] = state, copies
    return copies


def encode_text(tokenizer: Any, text: str) -> list[Token]:
    """Encode a text with a `tokenizers.Tokenizer`, without special tokens around it.

    Raises:
        RowError: `bad_text`: the text is not valid Unicode.
    """
    try:
        encoding = tokenizer.encode(text, add_special_tokens=False)
    except (TypeError, UnicodeError) as error:  # tokenizers raises TypeError for a lone surrogate
        raise RowError(
            "the text is not valid Unicode: it holds a lone surrogate", code=Code.BAD_TEXT, value=text
        ) from error
    return [Token(id, *offsets) for id, offsets in zip(encoding.ids, encoding.offsets, strict=True)]


def extend_over_gaps(tokens: Sequence[Token], ids: Collection[int], length: int) -> list[tuple[Token, Token]]:
    """Return the tokens with these ids, each next to a copy that reaches up to the start of the next token.

    If a tokenizer composes an accent with its letter, no token's offsets include the accent.
    """
    ends = [*(token.start for token in tokens[1:]), length]
    # not strict: without tokens, `ends` still has the length
    matching = [(token, end) for token, end in zip(tokens, ends, strict=False) if token.id in ids]
    return [(token, token._replace(end=max(token.end, end))) for token, end in matching]


def _unknown_tokens(model: Mapping[str, Any]) -> set[str]:
    """Return the token that a model gives for unknown text; it is not a control token."""
    if isinstance(model["vocab"], list) and isinstance(model.get("unk_id"), int):
        return {model["vocab"][model["unk_id"]][0]}
    return {model["unk_token"]} if model.get("unk_token") else set()


def _boundary_tokens(tokenizer: FastTokenizer) -> set[str]:
    """Return the tokens that begin, end or separate texts."""
    attributes = ("bos_token", "eos_token", "cls_token", "sep_token")
    return {token for name in attributes if (token := getattr(tokenizer, name, None))}


def _adapt_part(part: Any, position: PiecePosition) -> Any:
    """Change a normalizer or pre-tokenizer so that it adds no space to a piece at a position without one."""
    kind = part["type"] if part else None
    if kind == "Sequence":
        key = "normalizers" if "normalizers" in part else "pretokenizers"
        steps = [_adapt_part(step, position) for step in part[key]]
        return {**part, key: [step for step in steps if step is not None]}  # a Prepend is left out
    if kind == "MetaspaceNormalizer" and (
        position == "inside" or (position == "after" and part["prepend"] == "first")
    ):
        return {**part, "prepend": "never"}  # tokenizers 1.x has this instead of Metaspace
    if kind == "Metaspace":
        scheme = part.get("prepend_scheme", "always")  # older files have only add_prefix_space
        if position == "inside" or (position == "after" and scheme == "first"):
            return {**part, "prepend_scheme": "never"} | (
                {"add_prefix_space": False} if "add_prefix_space" in part else {}
            )
    # these act on each part between added tokens, so after a control token they stay as they are
    if position == "inside" and kind in ("Prepend", "ByteLevel", "Strip"):
        changes = {"ByteLevel": {"add_prefix_space": False}, "Strip": {"strip_left": False}}
        return None if kind == "Prepend" else {**part, **changes[kind]}
    return part
