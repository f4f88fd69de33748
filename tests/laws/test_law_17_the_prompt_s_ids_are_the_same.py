from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted import BUNDLED_STYLES, PKU, TEXT_TEMPLATES, writing
from support import at_least
from token_support import KINDS, plain_ids, talks, texts_with_marks, texts_without_marks, tokenizer_of, wanted_ids

from preftemplates import Preference, PromptOnly, get_style, get_template, tokenize


def pair_of(style, talk, other):
    """A preference over a conversation whose last turn is the answer."""
    *asked, answer = talk
    rendered = [style.render([*asked, {**answer, "content": text}]) for text in (answer["content"], other)]
    prompt = style.render(asked, add_generation_prompt=True)
    return Preference(prompt=prompt, chosen=rendered[0], rejected=rendered[1])


def the_prompt_s_ids_are_the_same(tokenizer, sample, tokenize=tokenize):
    """Law 17: prompt-only, chosen and rejected begin with the same ids, and the others are the response's own."""
    tokens = tokenize(sample, tokenizer)
    prompt = tokenize(PromptOnly(prompt=sample.prompt), tokenizer).prompt
    assert tokens.prompt == prompt == tokenize(sample.prompt, tokenizer)
    length = len(sample.prompt.text)
    for name, response in tokens.responses.items():
        rendered = sample.responses[name]
        assert response.rendered is rendered
        assert response.prompt_length == len(prompt)
        assert response.input_ids[: len(prompt)] == prompt.input_ids
        assert response.offsets[: len(prompt)] == prompt.offsets
        assert not any(rendered.text[start:length].strip() for start, _ in response.offsets[len(prompt) :])
        assert response.apart == (response.input_ids != tokenize(rendered, tokenizer).input_ids)


def without_control_text_the_ids_are_the_tokenizer_s(tokenizer, sample):
    """Law 17, the rest of it: what is not encoded apart has the ids that transformers gives the whole text."""
    tokens = tokenize(sample, tokenizer)
    assert list(tokens.prompt.input_ids) == wanted_ids(tokenizer, sample.prompt.text)
    for response in tokens.responses.values():
        assert response.apart == (list(response.input_ids) != wanted_ids(tokenizer, response.rendered.text))


@pytest.mark.parametrize("kind", KINDS)
@at_least(40)
@given(st.sampled_from(BUNDLED_STYLES), talks(texts_with_marks()), texts_with_marks())
def test_the_prompt_s_ids_are_the_same(kind, style, talk, other):
    the_prompt_s_ids_are_the_same(tokenizer_of(kind), pair_of(writing(style, talk, other), talk, other))


@pytest.mark.parametrize("kind", KINDS)
def test_the_prompt_s_ids_are_the_same_in_every_template_and_in_every_style(kind):
    """With each tokenizer a third of the templates and of the styles, so that each is read by three tokenizers."""
    first = KINDS.index(kind) % 3
    templates = [get_template(name) for name in TEXT_TEMPLATES[first::3]]
    for template in [*templates, *(PKU.with_style(style) for style in BUNDLED_STYLES[first::3])]:
        for format in template.formats:
            sample = template.render(template.example, format)
            the_prompt_s_ids_are_the_same(tokenizer_of(kind), sample)
            without_control_text_the_ids_are_the_tokenizer_s(tokenizer_of(kind), sample)


@pytest.mark.parametrize("kind", KINDS)
@at_least(40)
@given(st.sampled_from(BUNDLED_STYLES), talks(texts_without_marks()), texts_without_marks())
def test_without_control_text_the_ids_are_the_tokenizer_s(kind, style, talk, other):
    without_control_text_the_ids_are_the_tokenizer_s(tokenizer_of(kind), pair_of(get_style(style), talk, other))


@given(talks(texts_without_marks()), texts_without_marks())
def test_what_is_encoded_apart_has_the_ids_of_its_own_text(talk, other):
    tokenizer = tokenizer_of("byte_level")
    sample = pair_of(get_style("chatml"), talk, other)
    for response in tokenize(sample, tokenizer).responses.values():
        own = response.rendered.text[len(sample.prompt.text) :]
        if response.apart:
            assert list(response.input_ids[response.prompt_length :]) == plain_ids(tokenizer, own)


WHOLE = {"user": "Why?", "assistant": "\nSo."}
TALK = [{"role": role, "content": content} for role, content in WHOLE.items()]


def test_a_line_end_that_joins_the_prompt_s_is_encoded_apart():
    tokenizer = tokenizer_of("byte_level")
    pair = tokenize(pair_of(get_style("llama3"), TALK, "So."), tokenizer)
    assert pair.rejected.apart
    assert list(pair.rejected.input_ids) == [
        *plain_ids(tokenizer, pair.prompt.rendered.text),
        *plain_ids(tokenizer, "So.<|eot_id|>"),
    ]


# --- planted faults ------------------------------------------------------------------------------------------------


def encoding_the_whole(sample, tokenizer):
    """Each text is encoded whole, wherever its tokens fall."""
    if not isinstance(sample, Preference):
        return tokenize(sample, tokenizer)
    prompt = tokenize(sample.prompt, tokenizer)
    return sample.map(lambda _: prompt, lambda whole: replace(tokenize(whole, tokenizer), prompt_length=len(prompt)))


def with_a_bos_of_its_own(sample, tokenizer):
    """The response is encoded as a text of its own."""
    if not isinstance(sample, Preference):
        return tokenize(sample, tokenizer)
    tokens = tokenize(sample, tokenizer)
    length = len(sample.prompt.text)

    def apart(response):
        own = wanted_ids(tokenizer, response.rendered.text[length:])
        ids = (*tokens.prompt.input_ids, *own)
        return replace(response, input_ids=ids, apart=False)

    return tokens.map(lambda prompt: prompt, apart)


@pytest.mark.parametrize("fault", [encoding_the_whole, with_a_bos_of_its_own])
def test_a_planted_fault_is_caught(fault):
    tokenizer = tokenizer_of("byte_level_with_bos")
    the_prompt_s_ids_are_the_same(tokenizer, pair_of(get_style("llama3"), TALK, "So."))
    with pytest.raises(AssertionError):
        the_prompt_s_ids_are_the_same(tokenizer, pair_of(get_style("llama3"), TALK, "So."), fault)
