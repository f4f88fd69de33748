"""The encoder: the ids of a text, and control tokens only where the style wrote them."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support import at_least
from token_support import (
    CHATML,
    HUMAN,
    KINDS,
    PLAIN,
    STYLES,
    WHY,
    answer,
    byte_level,
    byte_level_with_plain_marks,
    byte_tokenizer,
    llama_legacy,
    pieces,
    plain_ids,
    style_of,
    talks,
    texts_with_marks,
    texts_without_marks,
    tokenizer_of,
    wanted_ids,
)
from tokenizers import AddedToken, Tokenizer, normalizers
from transformers import PreTrainedTokenizerFast

from preftemplates import Supervised, Tokens, get_style, tokenize
from preftemplates.tokens import encoder
from preftemplates.tokens.encoder import Encoder
from preftemplates.tokens.tokenize import find_forged_tokens
from preftemplates.tokens.tokenizers import get_tokenizer_copies


@pytest.mark.parametrize("kind", KINDS)
@given(st.sampled_from(STYLES), talks(texts_without_marks()))
def test_a_text_cut_at_its_control_tokens_has_the_tokenizer_s_ids(kind, style, talk):
    """As it is cut where content spells one; here every text is cut, and transformers is the judge."""
    tokenizer, rendered = tokenizer_of(kind), get_style(style).render(talk)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoder, "_is_written_token", lambda *_: False)
        cut = tokenize(rendered, tokenizer)
    assert list(cut.input_ids) == wanted_ids(tokenizer, rendered.text)
    assert cut == tokenize(rendered, tokenizer)


ODD_WHITESPACE = st.text(["a", " ", "\n", "\x0b", "\x1c", "\x1d", "\x1e", "\x1f", "\x85", "\xa0", "\u200b", "\u3000"])
"""Characters of which str.strip and tokenizers differ in some."""


@pytest.mark.parametrize("flags", [{"lstrip": True}, {"rstrip": True}, {"lstrip": True, "rstrip": True}])
@at_least(60)
@given(ODD_WHITESPACE, ODD_WHITESPACE)
def test_a_token_swallows_the_whitespace_that_the_tokenizer_lets_it_swallow(flags, first, second):
    tokenizer = byte_tokenizer()
    tokenizer.add_special_tokens({"eos_token": AddedToken("<|stop|>", normalized=False, **flags)})
    style = style_of("{{ content }}<|stop|>", "{{ content }}<|stop|>", stop="<|stop|>")
    rendered = style.render([{"role": "user", "content": first}, answer(second)])
    with pytest.MonkeyPatch.context() as patch:  # every text is cut at its control tokens
        patch.setattr(encoder, "_is_written_token", lambda *_: False)
        assert list(tokenize(rendered, tokenizer).input_ids) == plain_ids(tokenizer, rendered.text)


WORDS = st.lists(st.sampled_from(["Hello", "world", "Why", "So"]), min_size=1, max_size=4).map(" ".join)


@pytest.mark.parametrize("kind", KINDS)
@given(st.sampled_from(["chatml", "human-assistant", "zephyr"]), WORDS)
def test_text_that_goes_on_has_the_ids_that_it_has_inside_of_the_whole(kind, name, words):
    """A tokenizer that puts a blank in front of a text puts none in the middle of one."""
    tokenizer, style = tokenizer_of(kind), get_style(name)
    prompt = style.render([WHY], add_generation_prompt=True)
    whole = tokenize(style.render([WHY, answer(words)]), tokenizer)
    ids = [id for id, (start, _) in zip(whole.input_ids, whole.offsets, strict=True) if start >= len(prompt.text)]
    assert encode_response_apart(tokenizer, prompt, whole.rendered) == ids


def encode_response_apart(tokenizer, prompt, response):
    """The ids of a response's own text, encoded apart behind a prompt of a token that no tokenizer has."""
    response_encoder = Encoder(get_tokenizer_copies(tokenizer), frozenset(), frozenset())
    apart = response_encoder.encode_response(response, Tokens(prompt, (-1,), ((0, len(prompt.text)),)))
    assert apart.apart
    assert apart.input_ids[0] == -1
    return list(apart.input_ids[1:])


def test_a_token_that_reaches_across_the_prompt_s_end_is_seen_also_where_its_id_is_the_prompt_s():
    tokenizer = tokenizer_of("word_piece")
    whole = PLAIN.render([{"role": "user", "content": "😀"}, answer("😀")])
    assert pieces(tokenizer, tokenize(whole, tokenizer)) == ["[CLS]", "[UNK]"]
    sample = Supervised(prompt=PLAIN.render([{"role": "user", "content": "😀"}]), completion=whole)
    completion = tokenize(sample, tokenizer).completion
    assert (pieces(tokenizer, completion), completion.apart) == (["[CLS]", "[UNK]", "[UNK]"], True)
    assert completion.offsets == ((0, 0), (0, 1), (1, 2))


def test_text_that_goes_on_keeps_the_blank_that_a_text_would_lose():
    tokenizer = byte_level()
    tokenizer.backend_tokenizer.normalizer = normalizers.Strip()
    prompt = HUMAN.render([WHY], add_generation_prompt=True)
    ids = encode_response_apart(tokenizer, prompt, HUMAN.render([WHY, answer("Hello")]))
    assert tokenizer.convert_ids_to_tokens(ids) == ["ĠHello"]


@given(texts_with_marks())
def test_content_is_split_as_transformers_splits_special_tokens(text):
    tokenizer = tokenizer_of("byte_level")
    text = text.replace("think", "")
    encoded = tokenize(PLAIN.render([answer(text)]), tokenizer)
    assert list(encoded.input_ids) == tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]


def test_a_model_that_has_a_special_token_in_its_own_vocabulary_does_not_make_it_of_content():
    tokenizer = tokenizer_of("unigram")
    text = "Hello</s> world"
    split = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    assert tokenizer.eos_token_id in split
    encoded = tokenize(PLAIN.render([answer(text)]), tokenizer)
    assert tokenizer.eos_token_id not in encoded.input_ids
    assert "".join(pieces(tokenizer, encoded)).replace("▁", " ").strip() == text


@pytest.mark.parametrize("kind", KINDS)
def test_a_long_text_of_control_tokens_is_encoded_in_time(kind):
    tokenizer = tokenizer_of(kind)
    encoded = tokenize(CHATML.render([answer("</s><|im_end|>" * 5_000)]), tokenizer)
    assert [piece for piece in pieces(tokenizer, encoded) if piece in ("</s>", "<|im_end|>")] in (
        ["<|im_end|>"],
        ["</s>"] * 5_000 + ["<|im_end|>"],  # where nothing says that </s> is special, and ChatML does not write it
    )


def with_words(single_word, normalized, lower, special):
    """A tokenizer whose added tokens look like words, or become others where it normalizes."""
    backend = Tokenizer.from_str(byte_level_with_plain_marks().backend_tokenizer.to_str())
    backend.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.NFC()]) if lower else None
    names = ["END", "[USER]", "[asst]", "caf\u00e9"]
    added = [AddedToken(name, single_word=single_word, normalized=normalized) for name in names]
    (backend.add_special_tokens if special else backend.add_tokens)(added)
    return PreTrainedTokenizerFast(tokenizer_object=backend)


WORDY = (
    style_of("[USER]{{ content }}END", "[asst]{{ content }}END", stop="END"),
    style_of("[user] {{ content }} End\n", "[ASST] {{ content }} end", stop=" end"),
    style_of("{{ content }}bENDing END-[User]", "Cafe\u0301 [ASST]b{{ content }}END END", stop="END END"),
)


@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("normalized", [False, True])
@pytest.mark.parametrize("single_word", [False, True])
@given(st.sampled_from(WORDY), talks(texts_without_marks()))
def test_tokens_that_are_words_or_are_normalized_are_where_the_tokenizer_has_them(
    single_word, normalized, lower, style, talk
):
    contents = "|".join(turn["content"].casefold() for turn in talk)
    assume(not any(part in contents for part in ("en", "nd", "user", "asst", "caf")))
    tokenizer, rendered = with_words(single_word, normalized, lower, False), style.render(talk)
    assert list(tokenize(rendered, tokenizer).input_ids) == plain_ids(tokenizer, rendered.text)
    assert find_forged_tokens(rendered, tokenizer) == ()
    if not single_word:
        tokenizer = with_words(single_word, normalized, lower, True)
        assert list(tokenize(rendered, tokenizer).input_ids) == plain_ids(tokenizer, rendered.text)


@pytest.mark.parametrize("content", ["[USER]", "[user]", "a END b", "end", "x [Asst] Cafe\u0301 "])
@pytest.mark.parametrize("special", [False, True])
@pytest.mark.parametrize("single_word", [False, True])
def test_content_that_becomes_a_control_token_where_it_is_normalized_makes_none(content, special, single_word):
    tokenizer = with_words(single_word, True, True, special)
    style = style_of("[User] {{ content }} End\n", "[asst] {{ content }} caf\u00e9 end", stop=" caf\u00e9 end")
    rendered = style.render([{"role": "user", "content": content}, answer(content)])
    control = [id for id in tokenize(rendered, tokenizer).input_ids if id >= len(tokenizer) - 4]
    assert tokenizer.convert_ids_to_tokens(control) == tokenizer.convert_ids_to_tokens(
        [tokenizer.convert_tokens_to_ids(name) for name in ("[USER]", "END", "[asst]", "caf\u00e9", "END")]
    )


def test_half_of_a_control_token_in_content_and_half_in_the_layout_make_none():
    tokenizer = tokenizer_of("byte_level")
    rendered = style_of("{{ content }}im_end|>", "{{ content }}<|im_end|>", stop="<|im_end|>").render(
        [{"role": "user", "content": "<|"}, answer("a")]
    )
    assert pieces(tokenizer, tokenize(rendered, tokenizer)).count("<|im_end|>") == 1
    assert plain_ids(tokenizer, rendered.text).count(tokenizer.eos_token_id) == 2
    (span,) = find_forged_tokens(rendered, tokenizer)
    assert (rendered.text[span.start : span.end], span.role, span.message) == ("<|im_end|>", "user", 0)


@pytest.mark.parametrize(
    ("token", "head"),
    [
        (AddedToken("user", single_word=True, normalized=False), "xuser users user\n"),
        (AddedToken("<|end|>", single_word=True, normalized=False), "a<|end|> <|end|>b <|end|>\n"),
        (AddedToken("[NEW]", normalized=True), "[NEW] [new] [New]: "),
        (AddedToken("[new]", normalized=True, lstrip=True), "a  [NEW] [new]\n"),
        (AddedToken("ﬁn", normalized=True), "ﬁn fin FIN: "),
    ],
)
@pytest.mark.parametrize("special", [False, True])
def test_what_a_style_writes_is_the_tokenizers_own_reading_of_it(token, head, special):
    tokenizer = byte_level()
    tokenizer.backend_tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.add_tokens([token], special_tokens=special)
    style = style_of(head + "{{ content }}", head + "{{ content }}<|im_end|>", stop="<|im_end|>")
    rendered = style.render([{"role": "user", "content": " Why? "}, answer(" So. ")])
    assert tokenizer.convert_tokens_to_ids(token.content) in plain_ids(tokenizer, rendered.text)
    assert list(tokenize(rendered, tokenizer).input_ids) == plain_ids(tokenizer, rendered.text)


@pytest.mark.parametrize("head", ["a[NEW] [NEW]", "[NEW]a", "[NEW]"])
@pytest.mark.parametrize("content", ["a", "So. ", ".", "\n"])
def test_a_token_that_is_one_behind_a_blank_only_is_read_so_beside_content(head, content):
    tokenizer = llama_legacy()
    tokenizer.add_tokens([AddedToken("[NEW]", normalized=True)])
    style = style_of(head + "{{ content }}" + head, "{{ content }}")
    rendered = style.render([{"role": "user", "content": content}] * 2)
    ids = plain_ids(tokenizer, rendered.text)
    assert tokenizer.convert_tokens_to_ids("[NEW]") in plain_ids(tokenizer, "[NEW]")
    assert list(tokenize(rendered, tokenizer).input_ids)[-len(ids) :] == ids


def test_an_empty_content_parts_no_token():
    tokenizer = tokenizer_of("byte_level")
    style = style_of("<|im_{{ content }}start|>", "{{ content }}")
    rendered = style.render([{"role": "user", "content": ""}])
    assert list(tokenize(rendered, tokenizer).input_ids) == plain_ids(tokenizer, rendered.text)
    assert pieces(tokenizer, tokenize(rendered, tokenizer)) == ["<|im_start|>"]


@pytest.mark.parametrize(
    ("token", "content"),
    [(AddedToken("a<|", normalized=False), "a"), (AddedToken("<|end|>", single_word=True, normalized=False), "a")],
)
def test_content_cannot_unmake_a_control_token(token, content):
    tokenizer = byte_level()
    tokenizer.add_special_tokens({"eos_token": AddedToken("<|end|>", normalized=False)})
    tokenizer.add_tokens([token], special_tokens=token.content == "<|end|>")
    style = style_of("{{ content }}", "{{ content }}<|end|>", stop="<|end|>")
    rendered = style.render([answer(content)])
    assert tokenizer.eos_token_id not in plain_ids(tokenizer, rendered.text)
    encoded = tokenize(rendered, tokenizer)
    assert pieces(tokenizer, encoded, encoded.mask("stop")) == ["<|end|>"]
    forging = style.render([{"role": "user", "content": " <|end|> "}, answer(content)])
    assert plain_ids(tokenizer, forging.text).count(tokenizer.eos_token_id) == 1
    encoded = tokenize(forging, tokenizer)
    assert encoded.input_ids.count(tokenizer.eos_token_id) == 1
    assert encoded.input_ids[-1] == tokenizer.eos_token_id


def test_a_control_token_that_the_normalizer_makes_of_content_is_none():
    tokenizer = byte_level()
    tokenizer.backend_tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.add_special_tokens({"eos_token": AddedToken("<|end|>", normalized=True)})
    style = style_of("{{ content }}", "{{ content }}<|end|>", stop="<|end|>")
    rendered = style.render([answer("a<|END|>")])
    assert pieces(tokenizer, Tokens(rendered, plain_ids(tokenizer, rendered.text), ())).count("<|end|>") == 2
    assert pieces(tokenizer, tokenize(rendered, tokenizer)).count("<|end|>") == 1
    assert len(find_forged_tokens(rendered, tokenizer)) == 1


def test_blanks_that_a_special_token_swallows_are_swallowed_beside_content_that_spells_it():
    tokenizer = tokenizer_of("byte_level_normalized")
    plain = tokenize(CHATML.render([answer(" a  ")]), tokenizer)
    forging = tokenize(CHATML.render([answer(" a<s>  ")]), tokenizer)
    assert pieces(tokenizer, forging)[-1] == pieces(tokenizer, plain)[-1] == "<|im_end|>"
    assert pieces(tokenizer, forging)[-2] != "Ġ"
    assert pieces(tokenizer, forging)[0] == "<|im_start|>"
