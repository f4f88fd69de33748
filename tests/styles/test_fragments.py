"""A layout of one fragment a role gives text, spans and a chat template."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from support import at_least, conversations, texts, transformers_text

from preftemplates.core.messages import CONTENT_KEYS
from preftemplates.core.spans import Span
from preftemplates.errors import DefinitionError, RowError
from preftemplates.styles.fragments import Fragment, Fragments, literal
from preftemplates.styles.reasoning import FIELDS

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
    with pytest.raises(DefinitionError, match=r"user: a fragment is text with \{\{ content \}\} in it once"):
        Fragment.read("user", source)


@pytest.mark.parametrize("more", ["{{ bos_token }}", "{% if x %}", "{# remark #}", "{{- x }}", "{%- x %}"])
@pytest.mark.parametrize("place", ["{more}{{{{ content }}}}", "{{{{ content }}}}{more}"])
def test_other_jinja_in_a_fragment_is_refused_and_a_chat_template_is_named(more, place):
    with pytest.raises(DefinitionError, match="anything richer is a chat_template"):
        Fragment.read("user", place.format(more=more))


def test_a_layout_has_a_turn_for_the_assistant():
    with pytest.raises(DefinitionError, match="a fragment for the role assistant"):
        layout(user="U{{ content }}")


@pytest.mark.parametrize("stop", ["<end>", "\n<eos>", "<eos>\n\n", "{{ content }}"])
def test_the_stop_is_what_follows_the_content_of_an_answer(stop):
    with pytest.raises(DefinitionError, match="does not follow the content of the assistant fragment"):
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
    wanted = "<open>" + "".join(turns) + ("A" if generate else "")
    assert MARKED.text(messages, generate) == wanted


@given(conversations("system", "user", "assistant"), st.booleans())
def test_spans_tell_head_content_stop_and_tail_apart(messages, generate):
    text = MARKED.text(messages, generate)
    spans = MARKED.spans(messages, generate)
    told = [(text[span.start : span.end], span.kind, span.role, span.message) for span in spans]
    wanted = [("<open>", "scaffold", None, None)]
    for index, message in enumerate(messages):
        role = message["role"]
        head, stop, tail = {"system": ("S", "", "s"), "user": ("U", "", "u"), "assistant": ("A ", ".", "!")}[role]
        wanted += [(head, "scaffold", role, index), (message["content"], "content", role, index)]
        wanted += [(stop, "stop", role, index)] * bool(stop) + [(tail, "scaffold", role, index)]
    assert told == wanted + [("A", "scaffold", "assistant", None)] * generate


@given(conversations("system", "user", "assistant"), literals.filter(bool))
def test_the_closing_ends_a_text_that_asks_for_no_answer_and_is_scaffold(messages, closing):
    closed = replace(MARKED, closing=closing)
    text, spans = MARKED.text(messages, False), MARKED.spans(messages, False)
    assert closed.text(messages, False) == text + closing
    assert closed.spans(messages, False) == (*spans, Span(len(text), len(text) + len(closing), "scaffold"))
    assert closed.text(messages, True) == MARKED.text(messages, True)
    assert closed.spans(messages, True) == MARKED.spans(messages, True)


# --- export --------------------------------------------------------------------------------------------------------


@at_least(200)
@given(texts())
def test_a_text_written_as_a_jinja_string_reads_back_as_itself(text):
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    assert environment.from_string("{{- " + literal(text) + " -}}").render() == text


@given(literals, literals, literals, literals, conversations("user", "assistant"), st.booleans())
def test_the_export_is_rendered_by_transformers_to_the_same_text(opening, head, tail, closing, messages, generate):
    turns = {"user": f"{tail}{{{{ content }}}}{head}", "assistant": f"{head}{{{{ content }}}}{tail}"}
    odd = layout(opening=opening, closing=closing, **turns)
    assert transformers_text(odd.chat_template, messages, generate) == odd.text(messages, generate)


KEY = "this layout has no place for "
ROLE = "this layout has no turn for the role "
NO_TEXT = "content must be text"
LOST = [
    ({"role": "tool", "content": "x"}, ROLE + "tool"),
    ({"role": "User", "content": "x"}, ROLE + "User"),
    ({"role": "it's \\ {{ x }}", "content": "x"}, ROLE + "it's \\ {{ x }}"),
    ({"role": "user", "content": [{"type": "text", "text": "x"}]}, NO_TEXT),
    ({"role": "user", "content": {"text": "x"}}, NO_TEXT),
    ({"role": "user", "content": 5}, NO_TEXT),
    ({"role": "user"}, NO_TEXT),
    ({"role": "assistant", "content": None, "tool_calls": [{"name": "f"}]}, NO_TEXT),
    *(
        # transformers calls every thought reasoning_content too, and that stands first
        ({"role": role, "content": "x", key: ["y"]}, KEY + ("reasoning_content" if key in FIELDS else key))
        for key in CONTENT_KEYS
        for role in ("user", "assistant")
    ),
]


@pytest.mark.parametrize(("message", "said"), LOST, ids=str)
@pytest.mark.parametrize("before", [[], [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]])
def test_what_the_layout_has_no_place_for_is_refused_by_the_export_as_well(message, said, before):
    for closing in ("", "</s>"):
        with pytest.raises(TemplateError) as caught:
            transformers_text(replace(MARKED, closing=closing).chat_template, [*before, message])
        assert (type(caught.value), str(caught.value)) == (TemplateError, said)
    with pytest.raises((RowError, KeyError)):
        MARKED.text([*before, message], False)


@pytest.mark.parametrize("key", CONTENT_KEYS)
@pytest.mark.parametrize("empty", [None, [], "", {}], ids=str)
def test_a_key_that_holds_nothing_is_refused_by_neither(key, empty):
    message = {"role": "assistant", "content": "x", key: empty}
    assert transformers_text(MARKED.chat_template, [message]) == MARKED.text([message], False) == "<open>A x.!"


@pytest.mark.parametrize("reasoning", ["drop", "drop-history"])
def test_a_thought_is_dropped_by_the_export_where_the_policy_says_so_and_refused_elsewhere(reasoning):
    dropping = replace(MARKED, reasoning=reasoning)
    thought = {"role": "assistant", "content": "x", "thinking": "y"}
    for messages in ([thought, {"role": "user", "content": "z"}], [{"role": "user", "content": "z"}, thought]):
        if reasoning == "drop" or messages[0] is thought:
            assert transformers_text(dropping.chat_template, messages) == dropping.text(messages, False)
            assert "y" not in dropping.text(messages, False)
        else:
            with pytest.raises(TemplateError, match=f"^{KEY}reasoning_content$"):
                transformers_text(dropping.chat_template, messages)
            with pytest.raises(RowError, match="got thinking"):
                dropping.text(messages, False)
