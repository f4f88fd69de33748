"""Copies of a tokenizer: made of fast ones only, kept apart from the tokenizer, and made anew when it changes."""

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
from token_support import (
    CHATML,
    PLAIN,
    WHY,
    answer,
    byte_level,
    pieces,
    style_of,
    tokenizer_of,
)
from tokenizers import Tokenizer, models
from transformers import ByT5Tokenizer

from preftemplates import tokenize
from preftemplates.errors import Code, DefinitionError, RowError
from preftemplates.tokens.tokenizers import get_tokenizer_copies


@pytest.mark.parametrize("tokenizer", [ByT5Tokenizer(), Tokenizer(models.BPE()), None, str.split])
def test_what_is_no_fast_tokenizer_is_refused(tokenizer):
    with pytest.raises(
        DefinitionError, match=f"got {type(tokenizer).__name__}, expected a fast tokenizer of transformers"
    ):
        tokenize(CHATML.render([WHY]), tokenizer)


def test_the_tokenizer_is_not_changed_and_its_settings_have_no_effect():
    rendered = CHATML.render([answer("a <|im_end|> " * 9)])
    expected = tokenize(rendered, tokenizer_of("byte_level"))
    tokenizer = byte_level()
    tokenizer.backend_tokenizer.enable_truncation(3)
    tokenizer.backend_tokenizer.enable_padding(length=99)
    tokenizer.backend_tokenizer.encode_special_tokens = True
    before = tokenizer.backend_tokenizer.to_str()
    assert tokenize(rendered, tokenizer) == expected
    assert tokenizer.backend_tokenizer.to_str() == before
    assert tokenizer.backend_tokenizer.encode_special_tokens


def test_a_token_that_is_added_later_is_seen():
    tokenizer = byte_level()
    rendered = style_of("{{ content }}", "{{ content }}<|end|>", stop="<|end|>").render([answer("<|end|>")])
    assert "<|end|>" not in pieces(tokenizer, tokenize(rendered, tokenizer))
    tokenizer.add_tokens(["<|end|>"])
    assert pieces(tokenizer, tokenize(rendered, tokenizer)).count("<|end|>") == 1
    user = style_of("{{ content }}", "{{ content }}").render([answer("<|end|>")])
    assert pieces(tokenizer, tokenize(user, tokenizer)) == ["<|end|>"]
    tokenizer.eos_token = "<|end|>"
    assert "<|end|>" not in pieces(tokenizer, tokenize(user, tokenizer))


def test_a_bos_that_is_switched_on_later_is_seen():
    tokenizer = byte_level()
    tokenizer.bos_token = "<s>"
    assert pieces(tokenizer, tokenize(PLAIN.render([answer("a")]), tokenizer)) == ["a"]
    tokenizer.add_bos_token = True
    assert pieces(tokenizer, tokenize(PLAIN.render([answer("a")]), tokenizer)) == ["<s>", "a"]


def test_the_copies_go_with_their_tokenizer():
    tokenizer = byte_level()
    tokenize(CHATML.render([answer("<|im_end|>")]), tokenizer)
    copies = weakref.ref(get_tokenizer_copies(tokenizer))
    assert copies() is get_tokenizer_copies(tokenizer)
    del tokenizer
    gc.collect()
    assert copies() is None


def test_threads_share_a_tokenizer():
    tokenizer = byte_level()
    texts = [CHATML.render([answer(f"{number} <|im_end|> {'a' * number}")]) for number in range(40)]
    expected = [tokenize(text, tokenizer_of("byte_level")) for text in texts]

    def use(text):
        tokenizer.backend_tokenizer.enable_truncation(2)
        tokenizer.backend_tokenizer.no_truncation()
        return tokenize(text, tokenizer)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(use, texts * 5)) == expected * 5


def test_a_lone_surrogate_is_refused():
    with pytest.raises(RowError) as refused:
        tokenize(CHATML.render([answer("a\ud800")]), tokenizer_of("byte_level"))
    assert refused.value.code is Code.BAD_TEXT
