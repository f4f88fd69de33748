"""A rendered text knows who owns each of its characters."""

import pickle
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import conversations, texts

from preftemplates import Rendered, Span, get_style
from preftemplates.core.provenance import Traced
from preftemplates.core.spans import content_spans
from preftemplates.errors import SpanError

KINDS = ("content", "derived", "stop", "scaffold")


def test_spans_are_found_when_they_are_asked_for_and_once():
    found = []

    def find():
        found.append(1)
        return (Span(0, 1, "scaffold"),)

    rendered = Rendered("x", find)
    assert (str(rendered), found) == ("x", [])
    assert rendered.spans == rendered.spans == (Span(0, 1, "scaffold"),)
    assert found == [1]


@given(
    conversations("system", "user", "assistant"),
    st.sampled_from(["chatml", "llama3", "beginning-of-conversation", "human-assistant"]),
    st.lists(st.sampled_from(KINDS), min_size=1, max_size=4, unique=True),
    st.sampled_from([None, "system", "user", "assistant"]),
)
def test_a_mask_is_true_exactly_in_the_spans_asked_for_and_refused_where_there_is_none(messages, style, kinds, role):
    if style in ("beginning-of-conversation", "human-assistant"):
        messages = [
            {**message, "role": "user" if message["role"] == "system" else message["role"]} for message in messages
        ]
    rendered = get_style(style).render(messages)
    owners = [(span.kind, span.role) for span in rendered.spans for _ in range(span.start, span.end)]
    assert len(owners) == len(rendered.text)
    if not any(span.kind in kinds and role in (None, span.role) for span in rendered.spans):
        with pytest.raises(SpanError):
            rendered.mask(*kinds, role=role)
    else:
        wanted = [kind in kinds and role in (None, owner) for kind, owner in owners]
        assert rendered.mask(*kinds, role=role) == wanted


def test_a_mask_of_nothing_is_refused():
    with pytest.raises(SpanError, match="none given"):
        get_style("chatml").render([{"role": "user", "content": "Hi"}]).mask()


def test_the_content_of_an_empty_answer_is_an_empty_span_and_its_mask_marks_nothing():
    rendered = get_style("chatml").render([{"role": "assistant", "content": ""}])
    (content,) = [span for span in rendered.spans if span.kind == "content"]
    assert content.start == content.end
    assert rendered.mask("content", role="assistant") == [False] * len(rendered.text)


@given(st.lists(st.tuples(st.sampled_from(["known", "changed", "unknown"]), texts()), max_size=5), st.integers(0, 9))
def test_the_spans_of_a_content_partition_it_and_say_what_is_known_of_each_part(parts, start):
    known = {
        "known": lambda text: Traced.whole(text, "cell"),
        "changed": lambda text: Traced.whole(text, "cell").swapcase(),
        "unknown": lambda text: text,
    }
    text = Traced("", ())
    for kind, part in parts:
        text = text + known[kind](part)
    spans = content_spans(start, text, "user", 3, "content")
    assert spans
    assert [spans[0].start, spans[-1].end] == [start, start + len(text)]
    assert all(before.end == after.start for before, after in pairwise(spans))
    owners = {"known": ("content", "cell"), "changed": ("derived", None), "unknown": ("content", None)}
    wanted = [owners[kind] for kind, part in parts for _ in (known[kind](part))]
    assert [
        (span.kind, span.source and span.source[0]) for span in spans for _ in range(span.start, span.end)
    ] == wanted
    assert {span[3:6] for span in spans} == {("user", 3, "content")}


@given(conversations("user", "assistant"))
def test_a_rendered_text_pickles_with_its_spans(messages):
    rendered = get_style("llama3").render(messages)
    again = pickle.loads(pickle.dumps(rendered))
    assert (again.text, again.spans) == (rendered.text, rendered.spans)


@pytest.mark.parametrize("style", ["chatml", "llama3"])
def test_one_conversation_rendered_twice_is_equal_and_two_are_not(style):
    hi, ho = ([{"role": "user", "content": content}] for content in ("hi", "ho"))
    assert get_style(style).render(hi) == get_style(style).render(hi)
    assert get_style(style).render(hi) != get_style(style).render(ho)
