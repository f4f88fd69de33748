"""A layout of one fragment a role gives text, spans and a chat template."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import conversations, texts

from preftemplates.core.spans import Span
from preftemplates.errors import DefinitionError
from preftemplates.styles.fragments import Fragment, Fragments

literals = texts().map(lambda text: re.sub(r"\{(?=[{%#])", "(", text))


def layout(**fragments: str) -> Fragments:
    opening, stop, closing = (fragments.pop(part, "") for part in ("opening", "stop", "closing"))
    turns = tuple(Fragment.read(role, source) for role, source in fragments.items())
    return Fragments(opening, turns, stop, closing)


@given(literals, literals)
def test_a_fragment_is_a_literal_the_content_once_and_a_literal(head, tail):
    for slot in ("{{ content }}", "{{content}}", "{{- content -}}"):
        fragment = f"{head}{slot}{tail}"
        if not fragment.startswith("{{{"):
            assert Fragment.read("user", fragment) == ("user", head, tail)


@pytest.mark.parametrize(
    "source",
    ["", "text", "{{ content }}{{ content }}", "{{ contents }}", "{{ content | trim }}", "{{ message.content }}", None,
     5, ["{{ content }}"]],
)  # fmt: skip
def test_a_fragment_without_the_content_once_is_refused(source):
    with pytest.raises(DefinitionError, match=r"user: a role template must be text with \{\{ content \}\} in it once"):
        Fragment.read("user", source)


@pytest.mark.parametrize("more", ["{{ bos_token }}", "{% if x %}", "{# remark #}", "{{- x }}", "{%- x %}"])
@pytest.mark.parametrize("place", ["{more}{{{{ content }}}}", "{{{{ content }}}}{more}"])
def test_other_jinja_in_a_fragment_is_refused_and_a_chat_template_is_named(more, place):
    with pytest.raises(DefinitionError, match="use a chat_template for anything else"):
        Fragment.read("user", place.format(more=more))


def test_a_layout_has_a_turn_for_the_assistant():
    with pytest.raises(DefinitionError, match="a role template for the role assistant"):
        layout(user="U{{ content }}")


@pytest.mark.parametrize("stop", ["<end>", "\n<eos>", "<eos>\n\n", "{{ content }}"])
def test_the_stop_is_what_follows_the_content_of_an_answer(stop):
    with pytest.raises(DefinitionError, match="does not follow the content of the assistant's role template"):
        layout(assistant="A{{ content }}<eos>\n", stop=stop)


@pytest.mark.parametrize(
    ("head", "prompt"),
    [("A:", "A:"), ("A: ", "A:"), ("A:\t ", "A:"), ("A:\n", "A:\n"), ("A:\n ", "A:\n"), (" ", ""), ("", "")],
)
def test_the_generation_prompt_is_the_assistant_s_head_without_trailing_blanks(head, prompt):
    assert layout(assistant=head + "{{ content }}").generation_prompt == prompt


MARKED = layout(
    opening="<open>", system="S{{ content }}s", user="U{{ content }}u", assistant="A {{ content }}.!", stop="."
)


@given(conversations("system", "user", "assistant"), st.booleans())
def test_a_text_is_the_opening_the_turns_and_the_generation_prompt(messages, generate):
    heads = {"system": ("S", "s"), "user": ("U", "u"), "assistant": ("A ", ".!")}
    turns = [heads[message["role"]][0] + message["content"] + heads[message["role"]][1] for message in messages]
    expected = "<open>" + "".join(turns) + ("A" if generate else "")
    assert MARKED.text(messages, generate) == expected


@given(conversations("system", "user", "assistant"), st.booleans())
def test_spans_tell_head_content_stop_and_tail_apart(messages, generate):
    text = MARKED.text(messages, generate)
    spans = MARKED.spans(messages, generate)
    parts = [(text[span.start : span.end], span.kind, span.role, span.message) for span in spans]
    expected = [("<open>", "scaffold", None, None)]
    for index, message in enumerate(messages):
        role = message["role"]
        head, stop, tail = {"system": ("S", "", "s"), "user": ("U", "", "u"), "assistant": ("A ", ".", "!")}[role]
        expected += [(head, "scaffold", role, index), (message["content"], "content", role, index)]
        expected += [(stop, "stop", role, index)] * bool(stop) + [(tail, "scaffold", role, index)]
    assert parts == expected + [("A", "scaffold", "assistant", None)] * generate


@given(conversations("system", "user", "assistant"), literals.filter(bool))
def test_the_closing_ends_a_text_that_asks_for_no_answer_and_is_scaffold(messages, closing):
    closed = replace(MARKED, closing=closing)
    text, spans = MARKED.text(messages, False), MARKED.spans(messages, False)
    assert closed.text(messages, False) == text + closing
    assert closed.spans(messages, False) == (*spans, Span(len(text), len(text) + len(closing), "scaffold"))
    assert closed.text(messages, True) == MARKED.text(messages, True)
    assert closed.spans(messages, True) == MARKED.spans(messages, True)
