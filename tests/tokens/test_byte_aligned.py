"""Byte-aligned tokenizers: without offsets `tokenize` gives the same tokens, or an error in one line.

A stand-in that hides the offsets of 0.2x takes the place of tokenizers 1.x, which
`engines/test_version_1_alone.py` installs.
"""

import json
import pickle
import sys

import pyarrow as pa
import pytest
from engine_support import BARE_PACKAGE, BareTokenizer, lack_bytes
from hypothesis import given
from hypothesis import strategies as st
from support import at_least
from token_rows import SCHEMA, BlockCounts, Everything, draw_rows, make_row
from token_support import (
    CHATML,
    KINDS,
    MARKS,
    STYLES,
    WHY,
    answer,
    byte_level_normalized,
    style_of,
    talks,
    texts_with_marks,
    texts_without_marks,
    tokenizer_for_style,
    tokenizer_of,
)
from tokenizers import AddedToken, Tokenizer
from transformers import PreTrainedTokenizerFast

from preftemplates import TokenBatchFormatter, find_forged_tokens, get_style, tokenize
from preftemplates.data.batches import ERROR_COLUMN
from preftemplates.data.sample_tokens import make_block_encoder
from preftemplates.errors import Code, DefinitionError, RowError
from preftemplates.tokens.byte_aligned import ByteAlignedTokenizer
from preftemplates.tokens.engines.loading import load_engine, make_default_engine
from preftemplates.tokens.json_tokenizer import JsonTokenizer
from preftemplates.tokens.token_bytes import TokenBytes
from preftemplates.tokens.tokenizers import get_tokenizer_copies

SPELLING = tuple(kind for kind in KINDS if kind != "word_piece")
"""The tokenizers whose tokens spell their texts."""


@pytest.fixture(autouse=True, scope="module")
def _version_1():
    """Put the stand-in in the place of the package, after everything is imported that needs the package."""
    for kind in KINDS:
        tokenizer_of(kind)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "tokenizers", BARE_PACKAGE)
        yield


def bare(tokenizer):
    """The same tokenizer without offsets."""
    return JsonTokenizer(tokenizer.backend_tokenizer.to_str(), tokenizer.special_tokens_map)


BARE = {}


def bare_of(kind):
    if kind not in BARE:
        BARE[kind] = bare(tokenizer_of(kind))
    return BARE[kind]


def list_forged(rendered, tokenizer):
    return [tuple(span) for span in find_forged_tokens(rendered, tokenizer)]


def is_spelled(text, tokenizer):
    """Whether the tokens of a text, read as the tokenizer does, spell it."""
    return not text or get_tokenizer_copies(tokenizer).find_offsets([text]) != [[]]


def try_both(rendered, tokenizer):
    """The tokens of a text and the tokens that its content forges, or the error."""
    try:
        return tokenize(rendered, tokenizer), list_forged(rendered, tokenizer)
    except RowError as error:
        return error.message


# --- the same tokens -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SPELLING)
@at_least(60)
@given(st.sampled_from(STYLES), talks(texts_with_marks() | texts_without_marks()))
def test_the_tokens_are_those_of_a_tokenizer_with_offsets(kind, style, talk):
    rendered = get_style(style).render(talk)
    if is_spelled(rendered.text, bare_of(kind)):
        assert try_both(rendered, bare_of(kind)) == try_both(rendered, tokenizer_of(kind))


@pytest.mark.parametrize("kind", [kind for kind in SPELLING if kind != "unigram"])
def test_texts_are_cut_before_the_same_tokens(kind):
    """A tokenizer with a BOS too: the second part of a text has none."""
    ours, expected = get_tokenizer_copies(bare_of(kind)), get_tokenizer_copies(tokenizer_of(kind))
    names = [*MARKS[:2], "<think>"] if "<think>" in expected.added_tokens else MARKS[:2]
    assert [*map(ours.can_cut_before, names)] == [*map(expected.can_cut_before, names)]


ORDINARY = ("Hello world", " Hello\n\n", "<|im_end|> x", "So.</s>")


@pytest.mark.parametrize("kind", SPELLING)
@pytest.mark.parametrize("style", STYLES)
def test_ordinary_texts_have_tokens(kind, style):
    for text in ORDINARY:
        rendered = get_style(style).render([WHY, answer(text)])
        try:
            assert tokenize(rendered, bare_of(kind)) == tokenize(rendered, tokenizer_of(kind))
        except RowError:
            assert kind == "unigram"


@pytest.mark.parametrize("adds_bos", [True, False])
@pytest.mark.parametrize("name", ["chatml", "llama3", "mistral-v3"])
def test_a_prompt_has_the_same_ids_in_each_response(name, adds_bos):
    tokenizer, style = tokenizer_for_style(name, adds_bos), get_style(name)
    template = Everything().with_style(style)
    sample = template.render(make_row(["Why?\n"], " Hello", "\n<|im_end|>So."), "preference")
    assert tokenize(sample, bare(tokenizer)) == tokenize(sample, tokenizer)


@pytest.mark.parametrize("kind", [kind for kind in SPELLING if kind != "unigram"])
def test_a_batch_has_the_same_columns(kind, monkeypatch):
    table = pa.Table.from_pylist(draw_rows(3, 40, ("", "\nSo.", *MARKS[:3])), SCHEMA)
    template = Everything().with_style("chatml")
    counts = BlockCounts(monkeypatch)
    expected = TokenBatchFormatter(template, "preference", tokenizer_of(kind), on_error="column")(table).to_pylist()
    encoded = counts.encoded
    formatter = TokenBatchFormatter(template, "preference", bare_of(kind), on_error="column")
    results = formatter(table).to_pylist()
    assert counts.encoded == 2 * encoded or kind == "byte_level_normalized"
    assert formatter.engine.name == "tokenizers 1.0 (stand-in)"
    assert pickle.loads(pickle.dumps(formatter))(table).to_pylist() == results
    equal = [result == other for result, other in zip(results, expected, strict=True)]
    assert sum(equal) >= (40 if kind != "byte_level_normalized" else 5)
    for is_equal, result in zip(equal, results, strict=True):
        assert is_equal or "do not spell its bytes" in result[ERROR_COLUMN]


def test_other_engines_are_compared_with_it():
    encoder = make_block_encoder(bare_of("byte_level"), CHATML, engine="tokenizers-1")
    assert encoder.engine.name == "tokenizers 1.0 (stand-in)"
    with pytest.raises(DefinitionError, match=r"is installed; use the engine 'tokenizers-1'"):
        make_block_encoder(bare_of("byte_level"), CHATML, engine="tokenizers")
    reference = make_default_engine(bare_of("byte_level").backend_tokenizer)
    with pytest.raises(RowError) as refused:
        load_engine("tokenizers-1", bare_of("byte_level").json, reference).encode(["\ud800"])
    assert refused.value.code is Code.BAD_TEXT
    with pytest.raises(RowError, match="lone surrogate"):
        reference.encode(["a", "\ud800"])


# --- what has no tokens ----------------------------------------------------------------------------------------------


def test_a_text_whose_bytes_are_not_those_of_its_tokens_is_an_error_in_one_line():
    tokenizer = bare(byte_level_normalized())
    rendered = CHATML.render([WHY, answer("Cafe\u0301")])
    for call in (tokenize, find_forged_tokens):
        with pytest.raises(RowError) as refused:
            call(rendered, tokenizer)
        assert refused.value.code is Code.UNSUPPORTED_CONTENT
        assert refused.value.message.isprintable()
        assert "(tokenizers 1.0 (stand-in) has no offsets); install tokenizers before 1.0" in refused.value.message
    assert tokenize(CHATML.render([WHY, answer("Café")]), tokenizer)
    assert get_tokenizer_copies(tokenizer).find_offsets(["Cafe\u0301", "a"]) == [[], [(0, 1)]]


def test_a_lone_surrogate_is_bad_text():
    with pytest.raises(RowError) as refused:
        tokenize(CHATML.render([answer("a\ud800")]), bare_of("byte_level"))
    assert refused.value.code is Code.BAD_TEXT


def test_a_tokenizer_that_changes_every_text_is_refused_at_once():
    template = Everything().with_style("chatml")
    for call in (
        lambda: tokenize(CHATML.render([WHY]), bare_of("word_piece")),
        lambda: TokenBatchFormatter(template, "preference", bare_of("word_piece")),
    ):
        with pytest.raises(
            DefinitionError, match="has no offsets, and the tokens of this tokenizer do not spell"
        ) as no:
            call()
        assert no.value.message.isprintable()
    assert bare_of("word_piece")("Hello")["input_ids"] == tokenizer_of("word_piece")("Hello")["input_ids"]


def test_an_added_token_that_is_not_found_is_refused(monkeypatch):
    encode = BareTokenizer.encode_batch

    def split(self, inputs, **options):
        rows = encode(self, inputs, **options)
        return [type(row)([1, *row]) if text == "<think>" else row for text, row in zip(inputs, rows, strict=True)]

    monkeypatch.setattr(BareTokenizer, "encode_batch", split)
    with pytest.raises(
        DefinitionError, match=r"gives the ids \[1, 410\] for the added token '<think>', expected \[410\]"
    ):
        tokenize(CHATML.render([WHY]), bare(tokenizer_of("byte_level")))


@pytest.mark.parametrize(
    "error", [ValueError("a `ByteLevel`\nis not"), type("Panic", (BaseException,), {})("a `ByteLevel`")]
)
def test_a_tokenizer_that_cannot_be_loaded_is_refused(error, monkeypatch):
    def fail(_):
        raise error

    monkeypatch.setattr(BareTokenizer, "from_file", fail)
    with pytest.raises(
        DefinitionError, match=r"cannot load this tokenizer: .*a `ByteLevel`.*; install tokenizers before"
    ):
        ByteAlignedTokenizer(bare_of("byte_level").json)


# --- a vocabulary that lacks bytes -----------------------------------------------------------------------------------


def test_a_text_with_a_byte_that_the_vocabulary_lacks_is_an_error():
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(lack_bytes()))
    lacking = JsonTokenizer(lack_bytes())
    plain, odd = (CHATML.render([WHY, answer(text)]) for text in ("Hello", "Hel\x04lo"))
    assert tokenize(plain, lacking) == tokenize(plain, tokenizer)
    for call in (tokenize, find_forged_tokens):
        with pytest.raises(RowError, match="do not spell its bytes"):
            call(odd, lacking)
    with pytest.raises(RowError, match="do not spell its bytes"):
        lacking("Hel\x04lo")
    assert lacking("Hello") == {"input_ids": tokenizer("Hello")["input_ids"]}


def test_no_batch_has_the_id_of_a_byte_that_the_vocabulary_lacks():
    template = Everything().with_style("chatml")
    rows = [make_row([asked], text, "Hello") for asked, text in (("Why?", "So."), ("W\x04", "So."), ("Why?", "a\x04"))]
    table = pa.Table.from_pylist(rows, SCHEMA)
    for format in ("prompt_only", "preference"):
        formatter = TokenBatchFormatter(template, format, JsonTokenizer(lack_bytes()), on_error="column")
        errors = [row[ERROR_COLUMN] is not None for row in formatter(table).to_pylist()]
        assert errors == [False, True, format != "prompt_only"]


# --- added tokens as words -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [{"single_word": True}, {"normalized": True}, {"lstrip": True, "rstrip": True}])
@pytest.mark.parametrize("kind", ["byte_level", "metaspace_first", "llama_legacy"])
def test_added_tokens_with_flags_are_found_in_the_same_places(kind, flags):
    model = Tokenizer.from_str(tokenizer_of(kind).backend_tokenizer.to_str())
    model.add_tokens([AddedToken("<tool>", **{"normalized": False} | flags)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=model)
    assert get_tokenizer_copies(bare(tokenizer)).word_tokens == get_tokenizer_copies(tokenizer).word_tokens
    style = style_of("{{ content }}", "{{ content }} <tool> <tool>\n")
    for text in ("Hello", "Hello<tool>", " <tool> ", "<tool>\n<tool>x", "x <tool>y"):
        rendered = style.render([answer(text), WHY, answer(text)])
        assert tokenize(rendered, bare(tokenizer)) == tokenize(rendered, tokenizer)
        assert list_forged(rendered, bare(tokenizer)) == list_forged(rendered, tokenizer)


def test_the_newer_format_is_read_as_the_older_one():
    """As version 1.x writes these tokenizers; `engines/test_version_1_alone.py` reads what it writes."""
    description = json.loads(bare_of("byte_level").json)
    newer = description | {"pre_tokenizer": None, "model": description["model"] | {"byte_level": True}}
    assert ByteAlignedTokenizer(json.dumps(newer)).token_bytes == bare_of("byte_level").backend_tokenizer.token_bytes
    description = json.loads(bare_of("metaspace_first").json)
    normalizer = {"type": "MetaspaceNormalizer", "replacement": "▁", "prepend": "first", "drop_whitespace": False}
    newer = description | {"pre_tokenizer": None, "normalizer": normalizer}
    assert TokenBytes.read(newer) == bare_of("metaspace_first").backend_tokenizer.token_bytes
