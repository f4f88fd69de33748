"""Alignment: the bytes of tokens, for many texts at once, are those that `TokenBytes` finds for each text alone."""

from random import Random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from token_rows import ODD_TEXTS, WORDS
from token_support import KINDS, tokenizer_of

from preftemplates.data.columnar.tokens import alignment
from preftemplates.data.columnar.tokens.alignment import TextTokens, TokenTable, align_by_offsets
from preftemplates.tokens.token_bytes import TokenBytes
from preftemplates.tokens.tokenizers import get_tokenizer_copies

PREPENDING = ("byte_level_with_prefix", "metaspace_first", "llama_legacy", "unigram")
"""The tokenizers that may add a space."""


def read(kind):
    """Return a tokenizer's bytes, and its copies."""
    copies = get_tokenizer_copies(tokenizer_of(kind))
    return TokenBytes.read(copies.description), copies


def make_tokens(texts, ids):
    counts = np.array([*map(len, ids)], np.int64)
    return TextTokens(pa.array(texts, pa.string()), np.array([id for one in ids for id in one], np.int32), counts)


def encode(copies, texts):
    return make_tokens(texts, [copies.full.encode(text, add_special_tokens=False).ids for text in texts])


def list_extents(tokens, aligned):
    """Return the bytes of each token, counted from the start of its text."""
    starts, ends = np.split(aligned.starts, tokens.borders[1:-1]), np.split(aligned.ends, tokens.borders[1:-1])
    return [
        [*zip((one - base).tolist(), (other - base).tolist(), strict=True)]
        for one, other, base in zip(starts, ends, tokens.bases[:-1].tolist(), strict=bool(len(tokens.counts)))
    ]


def check(kind, texts):
    """Compare an alignment with the bytes of each text alone; return how many texts are known."""
    token_bytes, copies = read(kind)
    tokens = encode(copies, texts)
    aligned = TokenTable(token_bytes).align(tokens)
    for number, (text, extents) in enumerate(zip(texts, list_extents(tokens, aligned), strict=True)):
        ids = tokens.ids[tokens.borders[number] : tokens.borders[number + 1]].tolist()
        expected = token_bytes.find_extents(text, ids)
        if expected is None:
            assert not aligned.known[number]
            assert all(start == 0 for start, _ in extents)
        elif aligned.known[number]:
            assert extents == [(start, end if end > start else start + 1) for start, end in expected]
    return int(aligned.known.sum())


@pytest.mark.parametrize("kind", KINDS)
@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=5).map("".join) | ODD_TEXTS, min_size=1, max_size=6))
def test_texts_are_aligned_as_each_of_them_alone(kind, texts):
    check(kind, texts)


def draw_texts(seed, count=40):
    random = Random(seed)
    return ["".join(random.choices((*WORDS, "", "</s>"), k=random.randrange(4))) for _ in range(count)]


@pytest.mark.parametrize("size", [1, 2, 7, 50])
@pytest.mark.parametrize("kind", KINDS)
def test_chunks_of_any_size_are_aligned_alike(kind, size, monkeypatch):
    token_bytes, copies = read(kind)
    tokens = encode(copies, draw_texts(size))
    whole = TokenTable(token_bytes).align(tokens)
    monkeypatch.setattr(alignment, "_CHUNK_TOKENS", size)
    cut = TokenTable(token_bytes).align(tokens)
    for name in ("starts", "ends", "known"):
        assert np.array_equal(getattr(cut, name), getattr(whole, name)), name


@pytest.mark.parametrize("size", [1, 5, 1 << 17])
def test_chunks_are_whole_texts_and_all_of_them(size, monkeypatch):
    monkeypatch.setattr(alignment, "_CHUNK_TOKENS", size)
    _, copies = read("byte_level")
    tokens = encode(copies, ["", "Hello world" * 9, "", "a", "b", "", ""])
    ranges = [*tokens.cut()]
    assert [start for start, _ in ranges] == [0, *(stop for _, stop in ranges[:-1])]
    assert ranges[-1][1] == 7
    counts = [int(tokens.counts[start:stop].sum()) for start, stop in ranges]
    assert all(count <= size or stop == start + 1 for count, (start, stop) in zip(counts, ranges, strict=True))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("unigram", "word_piece")])
def test_nearly_all_ordinary_texts_are_known(kind):
    """Only composed characters are not those of their tokens."""
    texts = draw_texts(3)
    composed = sum("\u0301" in text for text in texts) if kind == "byte_level_normalized" else 0
    assert check(kind, texts) >= len(texts) - composed
    assert check("word_piece", texts) < len(texts) // 2


def test_a_text_whose_bytes_do_not_add_up_leaves_those_around_it_known():
    token_bytes, copies = read("byte_level")
    ids = [copies.full.encode(text, add_special_tokens=False).ids for text in ("Hello", "world", "So.", "Hello")]
    tokens = make_tokens(["Hello", "w\u00f6rld", "So?", "Hello"], ids)
    aligned = TokenTable(token_bytes).align(tokens)
    assert aligned.known.tolist() == [True, False, False, True]
    extents = list_extents(tokens, aligned)
    assert extents[0] == extents[3] == token_bytes.find_extents("Hello", ids[0])
    assert {start for start, _ in extents[1] + extents[2]} == {0}


@pytest.mark.parametrize("texts", [[], [""], ["", "", ""], ["", "Hello", ""]])
@pytest.mark.parametrize("kind", ["byte_level", "llama_legacy"])
def test_empty_texts_have_no_tokens_and_are_known(kind, texts):
    assert check(kind, texts) == len(texts)


@pytest.mark.parametrize("kind", ["byte_level", "llama_legacy"])
def test_a_text_that_lost_all_its_tokens_moves_no_other(kind):
    """A tokenizer may drop all characters of a text; the texts after it are at their own bytes all the same."""
    token_bytes, copies = read(kind)
    ids = [copies.full.encode(text, add_special_tokens=False).ids for text in ("Hello", "world")]
    tokens = make_tokens(["Hello", "\x04\x05", "world"], [ids[0], [], ids[1]])
    aligned = TokenTable(token_bytes).align(tokens)
    assert aligned.known.tolist() == [True, False, True]
    extents = list_extents(tokens, aligned)
    assert [extents[0], extents[2]] == [
        [(start, max(end, start + 1)) for start, end in token_bytes.find_extents(text, one)]
        for text, one in zip(("Hello", "world"), ids, strict=True)
    ]


def test_a_slice_of_a_column_is_aligned_as_a_column():
    token_bytes, copies = read("metaspace_first")
    texts = draw_texts(11)
    tokens = encode(copies, texts)
    part = TextTokens(
        tokens.texts.slice(5, 20), tokens.ids[tokens.borders[5] : tokens.borders[25]], tokens.counts[5:25]
    )
    aligned, expected = (TokenTable(token_bytes).align(one) for one in (part, encode(copies, texts[5:25])))
    assert all(np.array_equal(one, other) for one, other in zip(aligned, expected, strict=True))


def test_taken_texts_keep_their_tokens():
    _, copies = read("byte_level")
    texts = draw_texts(2)
    taken = encode(copies, texts).take(np.array([7, 0, 7]))
    expected = encode(copies, [texts[7], texts[0], texts[7]])
    assert taken.texts.to_pylist() == expected.texts.to_pylist()
    assert taken.ids.tolist() == expected.ids.tolist()
    assert taken.counts.tolist() == expected.counts.tolist()


# --- offsets -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["word_piece", "byte_level_normalized", "unigram"])
def test_offsets_tell_what_the_bytes_do_not(kind):
    token_bytes, copies = read(kind)
    texts = ["Hello w\u00f6rld", "e\u0301 日本", "", "👩‍🚀 So", "Hello"]
    tokens = encode(copies, texts)
    first = TokenTable(token_bytes).align(tokens)
    aligned = align_by_offsets(tokens, first, copies.find_offsets)
    assert aligned.known.all()
    assert not first.known.all()
    for number, (text, extents) in enumerate(zip(texts, list_extents(tokens, aligned), strict=True)):
        if not first.known[number]:
            offsets = copies.full.encode(text, add_special_tokens=False).offsets
            assert extents == [(len(text[:start].encode()), len(text[:end].encode())) for start, end in offsets]
        else:
            assert extents == list_extents(tokens, first)[number]


def test_offsets_are_asked_for_only_where_they_are_needed():
    token_bytes, copies = read("byte_level")
    asked = []

    def find_offsets(texts):
        asked.extend(texts)
        return copies.find_offsets(texts)

    tokens = encode(copies, ["Hello", "world"])
    known = TokenTable(token_bytes).align(tokens)
    assert align_by_offsets(tokens, known, find_offsets) is known
    assert asked == []
    other = make_tokens(
        ["Hello", "w"], [tokens.ids[: tokens.counts[0]].tolist(), tokens.ids[tokens.counts[0] :].tolist()]
    )
    aligned = align_by_offsets(other, TokenTable(token_bytes).align(other), find_offsets)
    assert asked == ["w"]
    assert aligned.known.tolist() == [True, len(copies.full.encode("w").ids) == tokens.counts[1]]


def test_a_text_with_another_number_of_tokens_stays_unknown():
    token_bytes, copies = read("word_piece")
    tokens = encode(copies, ["Hello w\u00f6rld", "Hello w\u00f6rld"])

    def find_offsets(texts):
        first, second = copies.find_offsets(texts)
        return [first[:-1], second]

    aligned = align_by_offsets(tokens, TokenTable(token_bytes).align(tokens), find_offsets)
    assert aligned.known.tolist() == [False, True]


# --- planted faults ------------------------------------------------------------------------------------------------


def keep_the_space(table):
    table._is_leading[:] = False


def forget_added_tokens(table):
    table._is_added[:] = False


def drop_the_space_always(table):
    table._try = lambda tokens, _, own=table._try: own(tokens, "all")


FAULTS = [
    (keep_the_space, "byte_level_with_prefix"), (keep_the_space, "metaspace_first"), (keep_the_space, "llama_legacy"),
    (forget_added_tokens, "byte_level_with_prefix"), (forget_added_tokens, "llama_legacy"),
    (drop_the_space_always, "metaspace_first"),
]  # fmt: skip


@pytest.mark.parametrize(("plant", "kind"), FAULTS)
def test_a_space_that_is_handled_otherwise_leaves_texts_unknown(plant, kind):
    token_bytes, copies = read(kind)
    tokens = encode(copies, ["Hello</s>world", "Hello", " Hello", "Hello</s> world", "</s>"])
    table = TokenTable(token_bytes)
    assert table.align(tokens).known.all()
    plant(table)
    assert not table.align(tokens).known.all()
