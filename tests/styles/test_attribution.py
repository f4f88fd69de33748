"""A text that a chat template rendered tells what the template did to each message."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import at_least, texts

from preftemplates import Span, Style, get_style
from preftemplates.core.paths import parse_path
from preftemplates.core.provenance import Traced
from preftemplates.core.spans import Change
from preftemplates.errors import SpanError, StyleLimitError
from preftemplates.sandbox.limits import Limits
from preftemplates.styles.attribution import _classify_changes
from preftemplates.styles.chat_template import ChatTemplate

ASKED = {"role": "user", "content": " Why? "}
ANSWER = {"role": "assistant", "content": "<think>Hm.</think>So.", "reasoning_content": "Hm."}
TALK = [{"role": "system", "content": "Be brief."}, ASKED, ANSWER]


def rendered(source, messages=TALK):
    return Style.from_chat_template(source).render(messages)


EACH = "{% for m in messages %}[⟨content⟩]{% endfor %}"
WHOLE = EACH.replace("⟨content⟩", "{{ m.content }}{{ m.reasoning_content or '' }}")


@pytest.mark.parametrize(
    ("source", "changes"),
    [
        (WHOLE, []),
        (EACH.replace("⟨content⟩", "{{ m.content }}"), [(2, "reasoning_content", "dropped")]),
        (WHOLE.replace("m.content", "m.content.strip()"), [(1, "content", "trimmed")]),
        (WHOLE.replace("m.content", "m.content.rstrip()"), [(1, "content", "trimmed")]),
        (WHOLE.replace("m.content", "m.content.split('</think>')[-1]"), [(2, "content", "cut")]),
        (WHOLE.replace("m.content", "m.content.replace('k', '')"), [(2, "content", "cut")]),
        (WHOLE.replace("in messages", "in messages[1:]"), [(0, "content", "dropped")]),
        (WHOLE + "{{ messages[0].content[:2] }}", [(0, "content", "repeated")]),
        (WHOLE.replace("m.content", "m.content | upper"), [(index, "content", "rewritten") for index in range(3)]),
        (
            "{{ messages | tojson }}",
            [*[(index, "content", "rewritten") for index in range(3)], (2, "reasoning_content", "rewritten")],
        ),
        (WHOLE.replace("m.content }}", "m.content }}{{ m.content | upper }}"), "rewritten"),
    ],
)
def test_what_a_template_did_to_a_text_has_a_name(source, changes):
    named = [(change.message, change.field, change.what) for change in rendered(source).changes]
    if changes == "rewritten":
        changes = [(index, "content", "rewritten") for index in range(3)]
    assert named == changes
    assert all(change.role == TALK[change.message]["role"] for change in rendered(source).changes)


def test_the_words_that_say_what_kind_a_part_is_are_not_missed():
    parts = [{"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": "there"}]}]
    assert rendered("{% for p in messages[0].content %}{{ p.text }}{% endfor %}", parts).changes == ()
    assert rendered("{{ messages[0].content[0].text }}", parts).changes == (
        Change(0, "user", "content[1].text", "dropped"),
    )


@given(st.text("ab \n", max_size=9), st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=4))
def test_the_name_of_a_change_follows_from_the_parts_that_are_printed(text, drawn):
    parts = sorted((min(pair), max(pair)) for pair in drawn if max(pair) <= len(text) and pair[0] != pair[1])
    printed = [index for start, end in parts for index in range(start, end)]
    lost = [index for index in range(len(text)) if index not in printed]
    expected = set()
    if not printed:
        expected |= {"dropped"} if text.strip() else set()
    elif lost:
        outer = all(text[index].isspace() and not min(printed) < index < max(printed) for index in lost)
        expected.add("trimmed" if outer else "cut")
    if len(set(printed)) < len(printed):
        expected.add("repeated")
    assert set(_classify_changes(text, parts, derived=False)) == expected


ODD_KEYS = st.lists(
    st.sampled_from(["", "a.b", "a[0]", '"', "\\", "type", "d.type", "0"]) | st.text("a.[\"]", max_size=3),
    min_size=1, max_size=3, unique=True,
)  # fmt: skip


@given(ODD_KEYS, st.sampled_from([str, lambda key: {key: "text"}, lambda key: ["text", key]]))
def test_a_change_names_the_text_under_any_key_of_a_call(keys, make):
    arguments = {key: make(f"<{key}>") for key in keys}
    calls = [{"type": "function", "function": {"name": "water", "arguments": arguments}}]
    changes = rendered(WHOLE, [ASKED, {"role": "assistant", "content": "So.", "tool_calls": calls}]).changes
    start = ("tool_calls", 0, "function")
    expected = [(*start, "name")]
    for key, value in arguments.items():
        parts = {(): value} if isinstance(value, str) else value if isinstance(value, dict) else dict(enumerate(value))
        steps = [(*start, "arguments", key, *([part] if part != () else [])) for part in parts]
        expected += [path for path in steps if path[-1] != "type"]
    assert [(parse_path(change.field), change.what) for change in changes] == [(path, "dropped") for path in expected]


def test_a_field_whose_key_looks_like_a_path_is_not_taken_for_the_text_at_that_path():
    asked = {
        "role": "user",
        "content": [{"type": "text", "text": Traced.whole("Why?", "question")}],
        "content[0].text": "Why not?",
    }
    source = "{{ messages[0].content[0].text }}{{ messages[0]['content[0].text'] }}"
    fields = [(span.field, span.source) for span in rendered(source, [asked]).spans]
    assert fields == [("content[0].text", ("question", 0)), ('["content[0].text"]', None)]


def test_a_field_whose_name_begins_as_another_s_is_not_that_one():
    asked = {"role": "user", "content": "Why?", "tool_calls_note": "none", "contents": "gone"}
    result = rendered("{{ messages[0].content }}{{ messages[0].tool_calls_note | upper }}", [asked])
    assert result.mask("content", role="user") == [True] * 4 + [False] * 4


@pytest.mark.parametrize(
    ("source", "kinds", "role", "reason"),
    [
        (WHOLE.replace("in messages", "in messages[1:]"), ["content"], "system", "no span of kind content"),
        (WHOLE.replace("m.content", "m.content | upper"), ["content", "stop"], "user", "no span"),
        (
            "{% for m in messages %}{% if loop.index != 3 %}{{ m.content }}{% endif %}{% endfor %}",
            ["content"],
            "assistant",
            "the style has dropped the content of message 2 (assistant)",
        ),
        (
            "{% for m in messages %}{{ m.content | upper if loop.last else m.content }}{% endfor %}",
            ["content", "stop"],
            "assistant",
            "the style has rewritten the content of message 4 (assistant)",
        ),
    ],
)
def test_a_mask_that_would_leave_a_whole_message_out_is_refused(source, kinds, role, reason):
    result = rendered(source, [*TALK, ASKED, ANSWER])
    with pytest.raises(SpanError) as caught:
        result.mask(*kinds, role=role)
    assert reason in str(caught.value)


def test_a_mask_of_what_was_derived_is_given_when_it_is_asked_for():
    result = rendered("{% for m in messages %}{{ m.content | upper }}.{% endfor %}", TALK[:2])
    assert result.mask("content", "derived", role="user") == [False] * 10 + [True] * 6 + [False]


@at_least(100)
@given(texts(), texts())
def test_an_empty_content_that_is_not_printed_stands_where_it_would_have_stood(before, answer):
    source = "{% for m in messages %}<{% if m.content %}{{ m.content }}{% endif %}>{% endfor %}"
    messages = [
        {"role": "user", "content": before},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": answer},
    ]
    result = rendered(source, messages)
    spans = [span for span in result.spans if span.message == 1 and span.kind == "content"]
    assert spans == [Span(len(before) + 3, len(before) + 3, "content", "assistant", 1, "content")]
    assert [span.start for span in result.spans[1:]] == [span.end for span in result.spans[:-1]]


def test_an_empty_content_has_no_place_where_the_layout_changes_with_it():
    result = rendered("{% for m in messages %}{{ '<' + m.content + '>' if m.content else 'nothing' }}{% endfor %}", [
        {"role": "assistant", "content": ""}
    ])  # fmt: skip
    assert [span.kind for span in result.spans] == ["scaffold"]
    with pytest.raises(SpanError):
        result.mask("content", role="assistant")


@pytest.mark.parametrize(
    "source",
    [
        "{{ messages | tojson }}",
        "{{ (messages[0].content ~ messages[1].content ~ messages[2].content) | indent(2, true) }}",
        "{{ (messages[0].content ~ messages[1].content ~ messages[2].content) | e }}",
        "{{ [messages[0].content, messages[1].content] }}",
        "{% for m in messages %}{{ m.content | upper }}{% endfor %}",
        "{% for m in messages %}{{ m.content }}{% endfor %}{{ messages | tojson }}",
    ],
)
@pytest.mark.parametrize("contents", [("a<", "", "b"), ("", "", ""), ("", "a", ""), ("a\nb", "", "")])
def test_spans_partition_the_text_where_empty_contents_lie_in_derived_text(source, contents):
    result = rendered(source, [{"role": "user", "content": content} for content in contents])
    assert "".join(result.text[span.start : span.end] for span in result.spans) == result.text
    assert [span.start for span in result.spans[1:]] == [span.end for span in result.spans[:-1]]


def test_a_hundred_empty_contents_are_placed_by_one_more_render(monkeypatch):
    counted, render = [], ChatTemplate.render_source

    def counting(self, *args, **options):
        counted.append(self)
        return render(self, *args, **options)

    monkeypatch.setattr(ChatTemplate, "render_source", counting)
    source = "{% for m in messages %}<{% if m.content %}{{ m.content }}{% endif %}>{% endfor %}"
    result = Style.from_chat_template(source).render([{"role": "user", "content": ""}] * 100)
    assert [(span.start, span.end) for span in result.spans if span.kind == "content"] == [
        (2 * index + 1, 2 * index + 1) for index in range(100)
    ]
    assert len(counted) < 5  # text, spans, marks, and what finds the stop


def test_all_renders_that_spans_need_share_one_time():
    slow = "{% for m in messages %}{{ m.content or loop.index }}{% endfor %}{% for i in range(40000) %}{% endfor %}"
    style = Style.from_chat_template(slow, limits=Limits(seconds=0.2))
    result = style.render([{"role": "user", "content": ""}] * 500)
    with pytest.raises(StyleLimitError, match="longer than"):
        result.spans


def test_a_text_of_very_many_pieces_has_its_own_limit():
    source = "{% set c = (messages[0].content[0] ~ 'x') * 50000 %}{% for i in range(40) %}{{ c }}{% endfor %}"
    result = rendered(source)
    assert len(result.text) == 4_000_000
    with pytest.raises(StyleLimitError):
        result.spans


@pytest.mark.parametrize(
    ("key", "field"), [("x.y", 'arguments["x.y"]'), ("x[0]", 'arguments["x[0]"]'), ('x"', 'arguments["x\\""]')]
)
def test_a_key_that_looks_like_a_path_is_no_path(key, field):
    arguments = {"x": [{"y": "long ago"}, "near"], key: "far", "a-b": "c"}
    arguments["x"] = {"y": "long ago"} if key == "x.y" else ["long ago"]
    talk = [{"role": "user", "content": "Hi", "arguments": arguments}]
    result = rendered("{% for k in messages[0].arguments %}<{{ messages[0].arguments[k] }}>{% endfor %}", talk)
    contents = {span.field: result.text[span.start : span.end] for span in result.spans if span.kind == "content"}
    assert contents == {field: "far", "arguments.a-b": "c"}
    assert {change.field for change in result.changes} == {
        "content", *(["arguments.x.y"] if key == "x.y" else ["arguments.x[0]"])
    }  # fmt: skip


def test_a_field_of_a_message_that_looks_like_a_path_is_its_own():
    talk = [{"role": "user", "content": "Hi", "a.b": "one", "a": {"b": "other"}}]
    result = rendered("{{ messages[0].content }}{{ messages[0]['a.b'] }}{{ messages[0].a.b }}", talk)
    assert [(span.field, result.text[span.start : span.end]) for span in result.spans] == [
        ("content", "Hi"), ('["a.b"]', "one"), ("a.b", "other")
    ]  # fmt: skip


def test_sixteen_thousand_renders_on_eight_threads_mix_no_spans():
    styles = [get_style("llama3"), Style.from_chat_template(WHOLE), Style.from_chat_template(EACH)]

    def wrong(worker):
        count = 0
        for number in range(2000):
            content = f"{worker}:{number} " * (number % 7 + 1)
            style = styles[(worker + number) % 2]
            result = style.render(
                [{"role": "user", "content": content}, {"role": "assistant", "content": content[::-1]}]
            )
            contents = [result.text[span.start : span.end] for span in result.spans if span.kind == "content"]
            count += [text.strip() for text in contents] != [content.strip(), content[::-1].strip()]
        return count

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(wrong, range(8))) == [0] * 8


def test_the_spans_of_a_long_conversation_are_told():
    talk = list(chain.from_iterable([ASKED, ANSWER] for _ in range(2000)))
    result = rendered(WHOLE, talk)
    assert sum(span.kind == "content" for span in result.spans) == 6000
    assert result.changes == ()


def test_an_imported_style_pickles_by_its_source_and_knows_its_spans_afterwards():
    style = Style.from_chat_template(WHOLE)
    rendered_before = style.render(TALK)
    again = pickle.loads(pickle.dumps(style))
    assert again == style
    assert hash(again) == hash(style)
    assert again.render(TALK) == rendered_before
    assert len(pickle.dumps(style)) < 2000
