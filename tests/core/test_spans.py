"""A rendered text knows who owns each of its characters."""

import pickle
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support import conversations, texts

from preftemplates import Rendered, Span, Style, get_style
from preftemplates.core.provenance import Traced
from preftemplates.core.spans import Change, content_spans
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


# --- masks of some messages ----------------------------------------------------------------------------------------


def mask_or_none(rendered, kinds, role, messages):
    """The mask of messages; one without True where there is no span, or no message is named."""
    try:
        return rendered.mask(*kinds, role=role, messages=messages)
    except SpanError:
        return [False] * len(rendered.text)


@given(
    conversations("user", "assistant"),
    st.sampled_from(["beginning-of-conversation", "chatml", "human-assistant", "llama3", "zephyr"]),
    st.lists(st.sampled_from(KINDS), min_size=1, max_size=4, unique=True),
    st.sampled_from([None, "user", "assistant"]),
    st.lists(st.sampled_from("abx"), min_size=4, max_size=4),
)
def test_masks_of_other_messages_are_disjoint_and_make_up_that_of_all_of_them(messages, style, kinds, role, parts):
    rendered = get_style(style).render(messages)
    one, other = ([index for index, _ in enumerate(messages) if parts[index] == part] for part in "ab")
    masks = [mask_or_none(rendered, kinds, role, indices) for indices in (one, other)]
    both = mask_or_none(rendered, kinds, role, one + other)
    assert [sum(bits) for bits in zip(*masks, strict=True)] == [int(bit) for bit in both]
    owners = [span for span in rendered.spans for _ in range(span.start, span.end)]
    assert both == [
        span.kind in kinds and role in (None, span.role) and span.message in one + other for span in owners
    ]


LAST_ALONE = "{% for m in messages %}{% if loop.last %}{{ m.content }}{% endif %}{% endfor %}"
TEMPLATES = [
    LAST_ALONE,
    "{% for m in messages %}[{{ m.content }}{% if m.role == 'assistant' %}<|end|>{% endif %}]{% endfor %}",
    "{% for m in messages %}{{ m.content }}{% if not loop.last %}<|end|>{% endif %}{% endfor %}",
    "{% for m in messages %}{{ m.content | upper }}|{% endfor %}",
]


@given(
    conversations("user", "assistant"),
    st.sampled_from(TEMPLATES),
    st.sampled_from([("content",), ("content", "stop"), ("stop",), ("content", "derived")]),
)
def test_the_mask_of_all_messages_by_index_is_that_of_the_role_with_its_errors(messages, source, kinds):
    rendered = Style.from_chat_template(source).render(messages)

    def ask(indices):
        try:
            return rendered.mask(*kinds, role="assistant", messages=indices)
        except SpanError as error:
            return str(error).partition(" in message")[0]

    count = len(messages)
    assert ask(range(count)) == ask(range(-count, 0)) == ask(None)


def test_a_content_that_is_lost_is_an_error_for_its_own_message_alone():
    talk = [{"role": "assistant", "content": "Hello"}, {"role": "assistant", "content": "So."}]
    rendered = Style.from_chat_template(LAST_ALONE + "<|end|>").render(talk)
    assert rendered.mask("content", role="assistant", messages=[1]) == [True] * 3 + [False] * 7
    for role in ("assistant", None):
        with pytest.raises(SpanError, match="the style has dropped the content of message 0"):
            rendered.mask("content", role=role, messages=[0, 1])
    with pytest.raises(SpanError, match=r"no span of kind content and role user in messages 0, 1$"):
        rendered.mask("content", role="user", messages=[1, 0])


def test_an_answer_without_an_end_is_refused_where_another_has_one_though_that_is_not_selected():
    spans = (
        Span(0, 1, "content", "assistant", 0, "content"),
        Span(1, 2, "stop", "assistant", 0),
        Span(2, 3, "content", "assistant", 1, "content"),
    )
    rendered = Rendered("a.b", lambda: spans)
    assert rendered.mask("content", "stop", messages=[0]) == [True, True, False]
    with pytest.raises(SpanError, match=r"message 1 \(assistant\) has no end-of-turn token"):
        rendered.mask("content", "stop", messages=[1])


@pytest.mark.parametrize("style", [get_style("chatml"), Style.from_chat_template("{{ messages[0].content }}")])
def test_a_negative_index_counts_messages_of_which_nothing_is_printed_too(style):
    talk = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": ""}]
    rendered = style.render(talk)
    assert rendered.mask("content", messages=[-2]) == rendered.mask("content", messages=[0])
    if style.name != "chatml":
        assert {span.message for span in rendered.spans} == {0}
        with pytest.raises(SpanError, match="no span of kind content in message 1"):
            rendered.mask("content", messages=[-1])


def test_messages_are_counted_by_spans_and_changes_where_their_number_is_not_known():
    spans, changes = (Span(0, 1, "content", "user", 0, "content"),), (Change(2, "user", "content", "dropped"),)
    assert Rendered("x", lambda: spans, lambda: changes).mask("content", messages=[-3]) == [True]
    assert Rendered("x", lambda: spans).mask("content", messages=[-1]) == [True]
    with pytest.raises(SpanError, match="one of 1 messages"):
        Rendered("x", lambda: spans).mask("content", messages=[1])


@pytest.mark.parametrize(
    ("messages", "error"),
    [
        ([2], "messages holds 2, expected the index of one of 2 messages: 0 is the first, -1 the last"),
        ([0, -3], "messages holds -3, expected the index of one of 2 messages"),
        ([], "messages is empty, expected the index of a message"),
        ([False, True], "messages holds False, expected an index; pass indices, not one bool per message"),
    ],
)
def test_what_is_no_index_of_a_message_is_refused(messages, error):
    talk = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]
    with pytest.raises(SpanError, match=error):
        get_style("chatml").render(talk).mask("content", messages=messages)


COLLECTIONS = [
    list,
    np.array,
    torch.tensor,
    lambda values: [*np.array(values)],
    lambda values: [*torch.tensor(values)],
]


@given(
    st.lists(st.booleans(), min_size=1, max_size=3) | st.lists(st.integers(-2, 1), min_size=1, max_size=3),
    st.sampled_from(COLLECTIONS),
)
def test_indices_of_any_library_are_indices_and_flags_of_any_library_are_refused(values, collect):
    rendered = get_style("chatml").render([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}])
    if isinstance(values[0], bool):
        with pytest.raises(
            SpanError, match=f"messages holds {values[0]}, expected an index; pass indices, not one bool"
        ):
            rendered.mask("content", messages=collect(values))
    else:
        assert rendered.mask("content", messages=collect(values)) == rendered.mask("content", messages=values)


# --- the spans of a content ----------------------------------------------------------------------------------------


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
