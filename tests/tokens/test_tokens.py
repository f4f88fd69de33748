"""Tokens: which span a token belongs to, and masks over tokens."""

import pickle
from dataclasses import FrozenInstanceError
from itertools import chain

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from token_support import (
    CHATML,
    HUMAN,
    KINDS,
    STYLES,
    WHY,
    answer,
    pieces,
    plain_ids,
    talks,
    texts_with_marks,
    tokenizer_of,
)

from preftemplates import Style, get_style, get_template, tokenize
from preftemplates.errors import SpanError


@pytest.mark.parametrize("kind", KINDS)
@given(st.sampled_from(STYLES), talks(texts_with_marks()))
def test_a_token_belongs_to_its_first_character_that_is_no_scaffold(kind, style, talk):
    encoded = tokenize(get_style(style).render(talk), tokenizer_of(kind))
    owners = [span for span in encoded.rendered.spans for _ in range(span.start, span.end)]
    assert len(encoded.input_ids) == len(encoded.offsets) == len(encoded.spans) == len(encoded.kinds) == len(encoded)
    for (start, end), span, of_kind in zip(encoded.offsets, encoded.spans, encoded.kinds, strict=True):
        touched = owners[start:end]
        content = [owner for owner in touched if owner.kind != "scaffold"]
        assert span == next(chain(content, touched), None)
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
    for selection in ([("stop",), None], [("content",), "tool"], [("content",), "assistant"], [(), None]):
        with pytest.raises(SpanError):
            encoded.mask(*selection[0], role=selection[1])
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


def mask_or_none(encoded, kinds, role, messages):
    """The mask of messages; one without True where no token belongs to them, or no message is named."""
    try:
        return encoded.mask(*kinds, role=role, messages=messages)
    except SpanError:
        return [False] * len(encoded)


@pytest.mark.parametrize("kind", KINDS)
@given(
    st.sampled_from(STYLES),
    talks(texts_with_marks()),
    st.sampled_from([("content",), ("stop",), ("content", "stop"), ("content", "derived", "stop", "scaffold")]),
    st.sampled_from([None, "user", "assistant"]),
    st.lists(st.sampled_from("abx"), min_size=4, max_size=4),
)
def test_masks_of_other_messages_are_disjoint_and_make_up_that_of_all_of_them(kind, style, talk, kinds, role, parts):
    encoded = tokenize(get_style(style).render(talk), tokenizer_of(kind))
    one, other = ([index for index, _ in enumerate(talk) if parts[index] == part] for part in "ab")
    masks = [mask_or_none(encoded, kinds, role, indices) for indices in (one, other)]
    both = mask_or_none(encoded, kinds, role, one + other)
    assert [sum(bits) for bits in zip(*masks, strict=True)] == [int(bit) for bit in both]
    assert both == [
        span is not None and span.kind in kinds and role in (None, span.role) and span.message in one + other
        for span in encoded.spans
    ]


def test_a_mask_of_one_message_holds_its_tokens_alone():
    tokenizer = tokenizer_of("byte_level")
    talk = [WHY, answer("Hello"), WHY, answer("world"), WHY, answer("")]
    encoded = tokenize(CHATML.render(talk), tokenizer)
    mask = encoded.mask("content", "stop", messages=[-3])
    assert "".join(pieces(tokenizer, encoded, mask)) == "world<|im_end|>"
    assert mask == encoded.mask("content", "stop", role="assistant", messages={3, 2})
    with pytest.raises(SpanError, match="no token of kind content and role assistant in message 5"):
        encoded.mask("content", role="assistant", messages=[-1])
    with pytest.raises(SpanError, match="expected the index of one of 6 messages"):
        encoded.mask("content", messages=[6])


def test_an_answer_of_a_response_is_counted_after_the_messages_of_its_prompt():
    template = get_template("PKUSafeRLHF").with_style("chatml")
    pair = tokenize(template.render(template.example, "preference"), tokenizer_of("byte_level"))
    whole = pair.chosen.mask("content", "stop", role="assistant")
    assert (
        whole
        == pair.chosen.mask("content", "stop", messages=[1])
        == pair.chosen.mask("content", "stop", messages=[-1])
    )


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
    assert mask == [bool(bit) for bit in judge["assistant_masks"]]


def test_a_blank_that_transformers_counts_to_the_answer_is_scaffold_where_it_is_a_token_of_its_own():
    tokenizer, talk = tokenizer_of("byte_level"), [WHY, answer("Zz")]
    judge = tokenizer.apply_chat_template(
        talk, chat_template=HUMAN.chat_template, return_dict=True, return_assistant_tokens_mask=True
    )
    encoded = tokenize(HUMAN.render(talk), tokenizer)
    assert list(encoded.input_ids) == judge["input_ids"]
    assert pieces(tokenizer, encoded, judge["assistant_masks"]) == ["Ġ", "Z", "z"]
    assert pieces(tokenizer, encoded, encoded.mask("content", role="assistant")) == ["Z", "z"]


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


@pytest.mark.parametrize(
    ("messages", "error"),
    [
        (numpy.array([True, False]), "one bool per message"),
        ([numpy.True_], "one bool per message"),
        (["a"], "expected the index of a message"),
        (1, "expected a collection of indices"),
        (numpy.array([], int), "messages is empty"),
    ],
)
def test_messages_that_are_no_indices_are_an_error(messages, error):
    rendered = CHATML.render([WHY, answer("So.")])
    with pytest.raises(SpanError, match=error):
        rendered.mask("content", messages=messages)


@pytest.mark.parametrize("messages", [numpy.array([1]), numpy.flatnonzero([0, 1]), (index for index in [1]), {-1}])
def test_indices_of_any_collection_are_taken(messages):
    rendered = CHATML.render([WHY, answer("So.")])
    assert rendered.mask("content", messages=messages) == rendered.mask("content", messages=[1])
