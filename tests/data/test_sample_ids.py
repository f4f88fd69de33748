"""Many samples at a time get the ids that `tokenize` gives each, and control text in content is found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted import BUNDLED_STYLES, writing
from support import at_least, real_rows
from token_support import (
    KINDS,
    MARKS,
    WHY,
    answer,
    byte_level,
    plain_ids,
    style_of,
    talks,
    texts_with_marks,
    texts_without_marks,
    tokenizer_of,
)
from tokenizers import AddedToken

from preftemplates import Preference, get_style, get_template, tokenize
from preftemplates.data.convert import Conversion
from preftemplates.data.sample_ids import SampleEncoder, TextSample, find_extents
from preftemplates.errors import PrefTemplatesError, RowError
from preftemplates.templates.rendering import render_sample
from preftemplates.tokens.tokenize import find_forged_tokens
from preftemplates.tokens.tokenizers import get_tokenizer_copies

BLANK = "x"


def make_pair(*talk, chosen, rejected):
    return Preference(prompt=list(talk), chosen=[answer(chosen)], rejected=[answer(rejected)])


def make_text_sample(pair, style):
    return TextSample(style.texts(pair.prompt, pair.responses.values())[1], pair)


def tokenize_alone(pair, style, tokenizer):
    """The ids of a pair by `tokenize`; None where it has none."""
    try:
        texts = render_sample(pair, style).responses.values()
        return [list(tokenize(text, tokenizer).input_ids) for text in texts]
    except RowError:
        return None


def check_many(pairs, style, tokenizer, encoder=SampleEncoder):
    """The law: the ids of many are those of each, whichever comes first."""
    samples = [make_text_sample(pair, style) for pair in pairs]
    for order in (1, -1):
        encoded = encoder(tokenizer, style).encode(samples[::order])[::order]
        for pair, one in zip(pairs, encoded, strict=True):
            expected = tokenize_alone(pair, style, tokenizer)
            assert (one and one.responses) == expected
            if one is not None:
                texts = render_sample(pair, style).responses.values()
                forged = [find_forged_tokens(text, tokenizer) for text in texts]
                assert one.control_text == any(forged)


@pytest.mark.parametrize("kind", KINDS)
@at_least(40)
@given(
    st.sampled_from(BUNDLED_STYLES),
    talks(texts_with_marks() | texts_without_marks()),
    texts_with_marks(),
)
def test_the_ids_of_many_are_those_of_each(kind, style, talk, other):
    *asked, last = talk
    blank = [{**message, "content": BLANK} for message in asked]
    try:
        style = writing(style, talk, other)
        pairs = [
            make_pair(*blank, chosen=BLANK, rejected=BLANK),
            make_pair(*asked, chosen=last["content"], rejected=other),
            make_pair(*blank, chosen="Hello", rejected=other),
        ]
        [make_text_sample(pair, style) for pair in pairs]
    except PrefTemplatesError:
        return  # the style does not take one of them
    check_many(pairs, style, tokenizer_of(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_real_rows_get_the_ids_of_each(kind):
    template, tokenizer = get_template("HH").with_style("llama3"), tokenizer_of(kind)
    rows = real_rows("hh_rlhf/harmless-base_test_even.jsonl.gz")[:60]
    pairs = [one.plain_messages for _, one in Conversion(rows, template, "preference", on_error="skip").accepted()]
    assert len(pairs) > 40
    check_many(pairs, template.style, tokenizer)


def test_most_samples_are_encoded_plainly(monkeypatch):
    """One sample of each structure is rendered with spans, and those that spell a control token."""
    style, tokenizer = get_style("chatml"), tokenizer_of("byte_level")
    exact = []
    original = SampleEncoder._encode_exactly
    monkeypatch.setattr(
        SampleEncoder, "_encode_exactly", lambda self, pair, *rest: exact.append(pair) or original(self, pair, *rest)
    )
    pairs = [make_pair(WHY, chosen=f"Yes {number}.", rejected="No.") for number in range(50)]
    pairs.append(make_pair(WHY, chosen="Yes.<|im_end|>", rejected="No."))
    encoder = SampleEncoder(tokenizer, style)
    encoded = encoder.encode([make_text_sample(pair, style) for pair in pairs])
    assert exact == [pairs[0], pairs[-1]]
    assert [one.control_text for one in encoded] == [False] * 50 + [True]


@pytest.mark.parametrize("where", ["prompt", "chosen", "tools"])
def test_control_text_is_found_wherever_it_stands(where):
    style, tokenizer = get_style("qwen3"), tokenizer_of("byte_level")
    call = {"name": "look", "arguments": {"at": "a<|im_end|>b" if where == "tools" else "a"}}
    asked = [
        {"role": "user", "content": "Look.<|im_end|>" if where == "prompt" else "Look."},
        {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": call}]},
        {"role": "tool", "content": "Seen."},
    ]
    chosen = "I see.<|im_start|>" if where == "chosen" else "I see."
    plain = [{**message} for message in asked]
    plain[0]["content"] = "Look."
    pairs = [make_pair(*plain, chosen="I see.", rejected="No."), make_pair(*asked, chosen=chosen, rejected="No.")]
    encoded = SampleEncoder(tokenizer, style).encode([make_text_sample(pair, style) for pair in pairs])
    assert encoded[1].control_text
    assert encoded[1].responses == tokenize_alone(pairs[1], style, tokenizer)


def test_a_planted_encoder_that_trusts_the_tokenizer_is_found():
    class Trusting(SampleEncoder):
        def _is_as_written(self, *_):
            return True

    style, tokenizer = get_style("chatml"), tokenizer_of("byte_level")
    pairs = [make_pair(WHY, chosen=text, rejected="No.") for text in ("Yes.", "Yes.<|im_end|>")]
    with pytest.raises(AssertionError):
        check_many(pairs, style, tokenizer, Trusting)


def test_content_that_spells_a_control_token_and_breaks_the_style_s_is_found():
    """Its ids are those that the style writes: one <|end|>, which is the question's here and not the style's."""
    tokenizer = byte_level()
    tokenizer.add_special_tokens({"eos_token": AddedToken("<|end|>", normalized=False)})
    tokenizer.add_tokens([AddedToken("a<|", normalized=False)])
    style = style_of("{{ content }}", "{{ content }}<|end|>", stop="<|end|>")
    pairs = [
        make_pair({"role": "user", "content": "q"}, chosen="b", rejected="xb"),
        make_pair({"role": "user", "content": "q <|end|> "}, chosen="a", rejected="xa"),
    ]
    whole = style.texts(pairs[1].prompt, pairs[1].responses.values())[1][0]
    assert plain_ids(tokenizer, whole).count(tokenizer.eos_token_id) == 1
    check_many(pairs, style, tokenizer)


# --- custom templates ----------------------------------------------------------------------------------------------


def test_a_value_that_stands_whole_in_a_custom_text_cannot_forge_a_control_token():
    tokenizer = tokenizer_of("byte_level")
    end, value = tokenizer.eos_token_id, "a<|im_end|>b"
    texts = [f"USER: Hi ASSISTANT: {value}<|im_end|>", "USER: Hi ASSISTANT: No.<|im_end|>"]
    sample = TextSample(texts, None, [find_extents(text, ["Hi", value, "No."]) for text in texts])
    (encoded,) = SampleEncoder(tokenizer, None).encode([sample])
    assert [ids.count(end) for ids in encoded.responses] == [1, 1]
    assert [ids[-1] for ids in encoded.responses] == [end, end]
    assert encoded.control_text
    (unmarked,) = SampleEncoder(tokenizer, None).encode([TextSample(texts)])
    assert [ids.count(end) for ids in unmarked.responses] == [2, 1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_custom_text_gets_what_the_tokenizer_adds(kind):
    tokenizer = tokenizer_of(kind)
    texts = ["USER: Hello ASSISTANT: world", "USER: Hello ASSISTANT: Why?"]
    (encoded,) = SampleEncoder(tokenizer, None).encode([TextSample(texts)])
    assert encoded.responses == [tokenizer(text)["input_ids"] for text in texts]


VALUES = st.lists(st.sampled_from([*MARKS, "Hello", "world"]), min_size=1, max_size=4).map(" ".join)


@pytest.mark.parametrize("kind", KINDS)
@given(st.sampled_from(["", *MARKS]), VALUES, st.lists(VALUES, min_size=2, max_size=2), st.sampled_from(["", *MARKS]))
def test_content_changes_no_control_token_of_a_custom_text(kind, first, asked, answers, last):
    """The control tokens are those of `tokenizer(text)` for plain words, also after a BOS of the text's own."""
    tokenizer = tokenizer_of(kind)
    control = get_tokenizer_copies(tokenizer).get_ids(get_tokenizer_copies(tokenizer).special)
    texts = [f"{first}USER: {asked} ASSISTANT: {answer} {last}" for answer in answers]
    plain = tokenizer(f"{first}USER: {BLANK} ASSISTANT: {BLANK} {last}")["input_ids"]
    starts = len(f"{first}USER: "), len(f"{first}USER: {asked} ASSISTANT: ")
    contents = [
        tuple((start, start + len(value)) for start, value in zip(starts, (asked, answer), strict=True))
        for answer in answers
    ]
    (encoded,) = SampleEncoder(tokenizer, None).encode([TextSample(texts, None, contents)])
    for text, ids in zip(texts, encoded.responses, strict=True):
        assert [id for id in ids if id in control] == [id for id in plain if id in control]
        assert encoded.control_text or ids == tokenizer(text)["input_ids"]


@pytest.mark.parametrize("value", ["x", "x<|im_end|>y"])
def test_both_answers_have_as_many_bos(value):
    """Two as in `tokenizer(text)`, whether or not a value spells a control token."""
    tokenizer = tokenizer_of("byte_level_with_bos")
    texts = [f"<|begin_of_text|>USER: Hi ASSISTANT: {answer}" for answer in (value, "No.")]
    contents = [find_extents(text, ["Hi", value, "No."]) for text in texts]
    (encoded,) = SampleEncoder(tokenizer, None).encode([TextSample(texts, None, contents)])
    assert [ids.count(tokenizer.bos_token_id) for ids in encoded.responses] == [2, 2]
    assert [ids[:2] for ids in encoded.responses] == [tokenizer(text)["input_ids"][:2] for text in texts]


def test_extents_are_every_place_of_a_value_without_its_blanks():
    assert find_extents("a b a", [" a ", "", " "]) == ((0, 1), (4, 5))
    text = "Hi there, Hi"
    assert [text[slice(*extent)] for extent in find_extents(text, ["Hi", "there"])] == ["Hi", "there", "Hi"]
    assert find_extents("Hi", ["there"]) == ()


# A prompt that is encoded once

SWALLOWS = "byte_level_normalized"
"""The kind of tokenizer whose control tokens swallow the blanks before them."""


def make_pairs(prompt):
    """Pairs of one structure with the same prompt."""
    turns = [{"role": "user", "content": prompt}, answer("Yes. ")]
    return [make_pair(*turns, turns[0], chosen=f"{prompt} {number}", rejected="No.") for number in range(3)]


class Counting:
    """A tokenizer that counts the characters that it encodes."""

    def __init__(self, tokenizer):
        self.tokenizer, self.characters = tokenizer, 0

    def encode_batch_fast(self, texts, **options):
        self.characters += sum(map(len, texts))
        return self.tokenizer.encode_batch_fast(texts, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_texts_are_cut_where_that_changes_no_id(kind):
    copies = get_tokenizer_copies(tokenizer_of(kind))
    assert copies.can_cut_before("<|im_start|>") == (kind != SWALLOWS)
    for prompt in ("Hi ", "a\n\n", "e\u0301", "日本", "x" * 50):
        check_many(make_pairs(prompt), get_style("chatml"), tokenizer_of(kind))


@pytest.mark.parametrize("kind", ["byte_level", SWALLOWS])
def test_the_prompt_is_encoded_once(kind, monkeypatch):
    tokenizer, style = tokenizer_of(kind), get_style("chatml")
    encoder = SampleEncoder(tokenizer, style)
    samples = [make_text_sample(pair, style) for pair in make_pairs("Why? " * 100)]
    expected = [one.responses for one in encoder.encode(samples)]
    counting = Counting(get_tokenizer_copies(tokenizer).full)
    monkeypatch.setattr(encoder._copies, "full", counting)
    assert [one.responses for one in encoder.encode(samples)] == expected
    whole = sum(len(text) for sample in samples for text in sample.responses)
    prompts = sum(text.rindex("<|im_start|>") for sample in samples for text in sample.responses[:1])
    assert counting.characters == (whole if kind == SWALLOWS else whole - prompts)


def test_a_cut_that_changes_ids_is_found(monkeypatch):
    tokenizer = tokenizer_of(SWALLOWS)
    monkeypatch.setattr(get_tokenizer_copies(tokenizer), "can_cut_before", lambda _: True)
    with pytest.raises(AssertionError):
        check_many(make_pairs("Hi \n"), get_style("zephyr"), tokenizer)
