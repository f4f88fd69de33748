"""A chat template renders as transformers renders it, and says which characters are whose."""

import json
import re
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support import at_least, conversations, texts, transformers_text

from preftemplates import Style
from preftemplates.core.spans import Span
from preftemplates.errors import Code, RowError, StyleRefusedError, StyleSyntaxError
from preftemplates.styles.chat_template import ChatTemplate

TURNS = "{% for m in messages %}<{{ m.role }}>{{ m.content }}<end>\n{% endfor %}"
TALK = [
    {"role": "user", "content": " What's 2 + 2?\n"},
    {"role": "assistant", "content": "Four, {{ of }} course. "},
    {"role": "user", "content": "And 3 + 3?"},
    {"role": "assistant", "content": "Sìx\r\n"},
]


def rendered(source, messages, generate=False, **options):
    return Style.from_chat_template(source, **options).render(messages, add_generation_prompt=generate)


@pytest.mark.parametrize(
    "source",
    [
        "{{ messages | tojson }}",
        "{{ messages[0] | tojson(indent=2) }}",
        "{{ {'b': 1, 'a': '<é&>'} | tojson(sort_keys=True, separators=(',', ':')) }}",
        "{% for m in messages %}{% if loop.first %}{% continue %}{% endif %}{{ m.content }}{% break %}{% endfor %}",
        "  {% if true %}\n  a\n  {%- endif %}\n  b\n",
        "{% generation %}{% set x = 1 %}{{ messages[0].content }}{% endgeneration %}{{ x or 'none' }}|",
        "{% for m in messages %}\n    {% generation %}\n    {{ m.content }}\n    {% endgeneration %}\n{% endfor %}\n",
        "{{ tools }}{{ documents }}{{ undefined_name or '' }}|{{ bos_token }}|{{ eos_token }}",
        "{{ messages[-1]['content'].split('u')[0].strip() | upper }}",
        "{% macro f(m) %}{{ m.content | trim }}{% endmacro %}{% for m in messages %}{{ f(m) }}{% endfor %}",
        "{% set ns = namespace(x='') %}{% for m in messages %}{% set ns.x = ns.x + m.content %}{% endfor %}{{ ns.x }}",
    ],
)
def test_what_templates_are_written_for_works_as_in_transformers(source):
    tokens = {"bos_token": "<s>", "eos_token": "</s>"}
    for generate in (False, True):
        expected = transformers_text(source, TALK, generate, **tokens)
        assert rendered(source, TALK, generate, **tokens).text == expected


CALLS = [{"type": "function", "function": {"name": "f", "arguments": {"a": None, "b": (1, ("c",))}}}]


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'none' if messages[0].content is none else 'some' }}",
        "{{ messages[0].content is defined }}{{ messages[0]['content'] is string }}",
        "{% if messages[0].content %}{{ messages[0].content }}{% endif %}{{ messages[0].tool_calls }}",
        "{{ messages[0].tool_calls[0].function.arguments.b }}{{ messages[0] | tojson }}",
        "{{ messages[0].content }}",
    ],
)
@pytest.mark.parametrize("content", [{}, {"content": None}, {"content": ""}, {"content": "Hm."}])
def test_a_call_has_the_content_that_it_is_given_with(source, content):
    messages = [{"role": "assistant", **content, "tool_calls": CALLS}]
    expected = transformers_text(source, messages)
    if content or "{{ messages[0].content }}" not in source or "if" in source:
        assert rendered(source, messages).text == expected
    else:  # what is not defined is never printed, though transformers prints an empty text
        with pytest.raises(StyleRefusedError):
            rendered(source, messages)


@given(conversations("user", "assistant", "system"), st.booleans())
def test_contents_are_printed_as_they_are(messages, generate):
    source = TURNS + "{% if add_generation_prompt %}<assistant>{% endif %}"
    text = "".join(f"<{message['role']}>{message['content']}<end>\n" for message in messages)
    assert rendered(source, messages, generate).text == text + "<assistant>" * generate


@given(st.lists(texts(), min_size=1, max_size=3))
def test_a_trimmed_content_is_told_as_the_part_of_it_that_is_printed(contents):
    messages = [{"role": "user", "content": content} for content in contents]
    result = rendered("{% for m in messages %}<{{ m.content | trim }}>{% endfor %}", messages)
    printed = [result.text[span.start : span.end] for span in result.spans if span.kind == "content"]
    assert "".join(printed) == "".join(content.strip() for content in contents)


def test_a_content_that_the_template_rewrites_is_derived_and_has_no_place():
    result = rendered("{{ messages[0].content | upper }}", [{"role": "user", "content": "abc"}])
    assert [(span.kind, span.role, span.message) for span in result.spans] == [("derived", "user", 0)]


def test_the_date_of_today_can_be_printed():
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", rendered("{{ strftime_now('%Y-%m-%d') }}", TALK).text)


@pytest.mark.parametrize(
    "source", ["{{ undefined_name }}", "{{ messages[0].conten }}", "{{ 'a' ~ messages[0].conten }}"]
)
def test_what_is_not_defined_may_be_tested_and_is_never_printed(source):
    with pytest.raises(StyleRefusedError, match=r"is undefined|no attribute 'conten'"):
        rendered(source, TALK)
    tested = source.replace("{{ ", "{{ 'none' if (").replace(" }}", ") is not defined }}").replace("'a' ~ ", "")
    assert rendered(tested, TALK).text == "none"


@pytest.mark.parametrize(
    ("source", "line"),
    [("{{", 1), ("a\n{% if x %}\nb", 3), ("\n\n{{ x | }}", 3), ("{% nonsense %}", 1), ("a\n{{ x | nonsense }}", 2)],
)
def test_a_template_that_does_not_parse_is_refused_when_it_is_imported_with_its_line(source, line):
    with pytest.raises(StyleSyntaxError) as caught:
        Style.from_chat_template(source)
    assert caught.value.line == line
    assert str(caught.value).startswith(f"line {line}: the chat template does not parse: ")


@pytest.mark.parametrize(
    "source",
    [
        "{{ raise_exception('only user and assistant') }}", "{{ messages[9].content }}", "{{ 1 / 0 }}",
        "{{ 'a' + 1 }}", "{{ messages.append(1) }}", "{{ messages[0].update(role='x') }}", "{{ bos_token.x.y }}",
        "{{ messages[0].content.nothing() }}", "{{ namespace() | tojson }}",
    ],
)  # fmt: skip
def test_a_template_that_raises_refuses_the_row_and_changes_nothing(source):
    messages = [{"role": "user", "content": "x"}]
    with pytest.raises(RowError) as caught:
        rendered(source, messages)
    assert (caught.value.code, caught.value.style) == (Code.REFUSED_BY_STYLE, "imported")
    assert messages == [{"role": "user", "content": "x"}]


def test_what_a_template_says_of_a_content_is_cut_and_escaped():
    with pytest.raises(RowError) as caught:
        rendered(
            "{{ raise_exception(messages[0].content) }}", [{"role": "user", "content": "\x1b[31m\n" + "x" * 9999}]
        )
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


# --- the stop ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "stop"),
    [
        (TURNS, "<end>"),
        ("{% for m in messages %}{{ m.content }}{{ eos_token }}\n\n{% endfor %}", "</s>"),
        ("{% for m in messages %}{{ m.content }} {% endfor %}", ""),
        ("{% for m in messages %}{{ m.content }}<a> <b>\n{% endfor %}", "<a> <b>"),
        ("{{ raise_exception('no') }}", ""),
        ("{{ messages[0].content }}", ""),
    ],
)
def test_the_stop_is_what_follows_the_last_answer_without_trailing_blanks(source, stop):
    assert Style.from_chat_template(source, eos_token="</s>").stop == stop


def test_the_stop_is_a_span_behind_each_answer_and_nowhere_else():
    result = rendered(TURNS, TALK)
    stops = [span for span in result.spans if span.kind == "stop"]
    assert [(result.text[span.start : span.end], span.role, span.message) for span in stops] == [
        ("<end>", "assistant", 1),
        ("<end>", "assistant", 3),
    ]


# --- its variables -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", [True, False, 5, 1.5, "text", "it's\n", ["a", {"b": None}], {"c": [True]}, [False]], ids=repr
)
def test_a_default_reaches_the_template_and_its_export(value):
    source = "{{ thing | tojson }}{% for m in messages %}{{ m.content }}{{ '!' if thing }}{% endfor %}"
    style = Style.from_chat_template(source, thing=value)
    text = json.dumps(value, ensure_ascii=False) + ("x!" if value else "x")
    messages = [{"role": "user", "content": "x"}]
    assert style.render(messages).text == text
    assert style.stop == ("!" if value else "")
    assert transformers_text(style.chat_template, messages) == text
    assert style == Style.from_chat_template(source, thing=value)
    assert hash(style) == hash(Style.from_chat_template(source, thing=value))


@given(conversations("user", "assistant"), st.booleans())
def test_an_import_exports_a_template_that_needs_no_tokens_and_reads_back(messages, generate):
    source = "{{ bos_token }}" + TURNS + "{% if add_generation_prompt %}<assistant>{{ eos_token }}{% endif %}"
    style = Style.from_chat_template(source, bos_token="<s>", eos_token="{{ '</s>' }}\n")
    text = style.render(messages, add_generation_prompt=generate).text
    assert text.startswith("<s>")
    assert transformers_text(style.chat_template, messages, generate) == text
    assert Style.from_chat_template(style.chat_template).render(messages, add_generation_prompt=generate).text == text


# --- its opening and closing ---------------------------------------------------------------------------------------

BITS = (
    "{", "}", " ", "\t", "\n", "\r\n", "\r", "x", "{# remark #}", " {#- remark -#}\n", "{% raw %}{{{% endraw %}",
    "{{ bos_token }}", "{{- eos_token -}}", "{{ '{' }}", "{{ closing }}", "{% set closing = 1 %}{{ closing_ }}",
    "  {% if true %}\n a \n  {% endif %}", "{%- if true -%} b {%- endif -%}",
    "{% for m in messages %}\n  {% generation %}{{ m.content }}{% endgeneration %}\n{% endfor %}",
    "{% macro f(x) %}{{ x }}{% endmacro %}{{ f(messages[0].content | trim) }}",
    "{% set add_generation_prompt = true %}", "{% set add_generation_prompt = false %}",
    "{% if add_generation_prompt %}<assistant>{% endif %}",
)  # fmt: skip
"""Parts of chat templates; what Jinja does to the blanks at an edge depends on what stands beside them."""


def parses(source):
    try:
        return bool(ChatTemplate.read(source, None, None, {}))
    except StyleSyntaxError:
        return False


sources = st.lists(st.sampled_from(BITS), max_size=6).map("".join).filter(parses)


@at_least(300)
@given(sources, texts(), texts(), conversations("user", "assistant"), st.booleans())
@example("a\n  ", "<s>", "</s>", TALK, False)
@example("  {% if true %}a{% endif %}\n\n", "<s>", "</s>", TALK, False)
@example("a{\r\n", "<s>", "</s>", TALK, False)
def test_whatever_the_source_is_the_opening_stands_before_its_text_and_the_closing_behind(
    source, opening, closing, messages, generate
):
    tokens = {"bos_token": "<b>", "eos_token": "<e>\n"}
    layout = ChatTemplate(source, **tokens, opening=opening, closing=closing)
    expected = opening + transformers_text(source, messages, generate, **tokens) + closing * (not generate)
    assert layout.text(messages, generate) == expected
    assert transformers_text(layout.write_chat_template(), messages, generate) == expected


@given(sources, texts(), texts(), conversations("user", "assistant"), st.booleans())
@example("{% for m in messages %}{{ m.content }}{{ '<e>' if messages[1] }}{% endfor %}", "", "<e>", TALK[1:2], False)
def test_the_spans_between_opening_and_closing_are_what_they_are_without_them(
    source, opening, closing, messages, generate
):
    bare = ChatTemplate(source, "<b>", "<e>")
    layout = replace(bare, opening=opening, closing=closing)
    begin, whole = len(opening), len(layout.text(messages, generate))
    spans = bare.render(messages, generate).spans
    inner = [span._replace(start=span.start + begin, end=span.end + begin) for span in spans]
    end = begin + len(bare.text(messages, generate))
    edges = [Span(0, begin, "scaffold")] * (begin > 0), [Span(end, whole, "scaffold")] * (end < whole)
    assert layout.render(messages, generate).spans == (*edges[0], *inner, *edges[1])


@pytest.mark.parametrize("closing", ["</s>", "<end>", "\n"])
def test_a_closing_is_no_part_of_the_stop(closing):
    assert replace(ChatTemplate(TURNS), closing=closing).stop == "<end>"
    unended = ChatTemplate("{% for m in messages %}{{ m.content }}{% endfor %}", closing=closing)
    assert unended.stop == ""
    assert [span.kind for span in unended.render(TALK[:2], False).spans] == ["content", "content", "scaffold"]
