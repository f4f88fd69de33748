"""An exported chat template, read again, is the style that it came from; one that was edited is what it says now."""

import json
import pickle
import re
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from support import STYLE_NAMES, at_least, conversations, texts, transformers_text

from preftemplates import Style, get_style
from preftemplates.core.messages import CONTENT_KEYS, ROLES
from preftemplates.errors import DefinitionError, PrefTemplatesError, RowError
from preftemplates.sandbox.limits import Limits
from preftemplates.styles.chat_template import ChatTemplate
from preftemplates.styles.export import EXPORT_HEADER, format_jinja_literal
from preftemplates.styles.fragments import JINJA_TAG, Fragment, Fragments
from preftemplates.styles.reasoning import THINKING_FIELDS
from preftemplates.styles.reimport import read_header

HELLO = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes"}]


def variants(style):
    yield style
    yield style.with_reasoning("drop-history")
    yield style.with_special_tokens("<cls>", "<sep>")


@pytest.mark.parametrize("name", STYLE_NAMES)
def test_export_then_import_is_the_identity_for_every_style(name):
    for style in variants(get_style(name)):
        again = Style.from_chat_template(style.chat_template)
        assert again == style
        assert again.stop == style.stop
        assert again.render(HELLO) == style.render(HELLO)
        assert again.chat_template == style.chat_template
        assert pickle.loads(pickle.dumps(again)) == style


@pytest.mark.parametrize("name", STYLE_NAMES)
def test_every_exported_style_refuses_what_it_has_no_place_for_and_says_what(name):
    style = get_style(name)
    absent = [role for role in ROLES if role not in style.accepted_roles]
    lost = [({"role": role, "content": "x"}, f"this layout has no turn for the role {role}") for role in absent]
    lost += [
        ({"role": "assistant", "content": "x", key: ["y"]}, f"this layout has no place for {key}")
        for key in ("images", "audio", "videos", "function_call")
    ]
    for message, said in lost:
        with pytest.raises(TemplateError) as caught:
            transformers_text(style.chat_template, [*HELLO, HELLO[0], message])
        assert str(caught.value) == said
        with pytest.raises(RowError):
            style.render([*HELLO, HELLO[0], message])


SWITCHED = "{% for m in messages %}{{ m.content }}{{ eos_token or '' }}{{ x or '' }}{% endfor %}"


@pytest.mark.parametrize("value", ["é\u2028\0'\\u0041{{ 1 }}\r\n#}", True, 1.5, [1, "a"], {"b": [None], "a": 1}, None])
def test_an_imported_template_is_exported_and_imported_with_its_variables(value):
    style = Style.from_chat_template(SWITCHED, eos_token="#} -#}", x=value)
    assert Style.from_chat_template(style.chat_template) == style


@given(texts().filter(lambda text: not JINJA_TAG.search(text)), conversations("user", "assistant"))
@example("#}", HELLO)
@example("-#}\n{", HELLO)
def test_no_text_of_a_style_breaks_out_of_the_header(opening, messages):
    class Opened(Style):
        user = assistant = "{{ content }}|"

    layout = Opened().layout.between(opening, "")
    style = Style.of(layout)
    assert Style.from_chat_template(style.chat_template) == style
    assert style.render(messages).text == opening + "".join(message["content"] + "|" for message in messages)


def test_a_header_is_not_believed_when_the_template_behind_it_is_another():
    chatml = get_style("chatml").chat_template
    header, body = EXPORT_HEADER.match(chatml)[0], chatml[EXPORT_HEADER.match(chatml).end() :]
    edited, swapped, renamed = body.replace("<|im_end|>", "<|end|>"), SWITCHED, body.replace("'user'", "'human'")
    for template in (edited, swapped, renamed):
        assert read_header(header + template, Limits()) is None
        assert Style.from_chat_template(header + template).chat_template.endswith(template)
    assert Style.from_chat_template(header + swapped).render(HELLO).text == "HiYes"
    assert Style.from_chat_template(header + edited).render(HELLO).text.count("<|end|>") == 2


@pytest.mark.parametrize(
    "facts", ["{}", '{"turns": 1}', '{"source": [0]}', '{"source": ["a", {}]}', "{" + '"a":[' * 100_000 + "}", '{"a"}']
)
def test_a_header_that_says_nonsense_is_a_comment(facts):
    source = f"{{#- preftemplates: {facts} -#}}\n{SWITCHED}"
    assert read_header(source, Limits()) is None


def test_a_template_is_read_with_the_policy_that_is_asked_for():
    thinking = [{"role": "assistant", "content": "<think>Sum.</think>Four."}]
    style = Style.from_chat_template(get_style("plain").chat_template, reasoning="drop")
    assert style.render(thinking).text == "Four."


# --- a header that lies ---------------------------------------------------------------------------------------------

TALK = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "<think>One.</think>Yes"},
    {"role": "user", "content": "Ho"},
    {"role": "assistant", "content": "<think>Two.</think>No"},
]
NOT_SET = ["messages", "add_generation_prompt", "loop", "self", "dict", "namespace", "raise_exception", "range",
           "a-b", "", "a b", "1a", "true", "True", "none", "not", "and", "in", "\u00e9", 5, None]  # fmt: skip


@pytest.mark.parametrize("name", NOT_SET, ids=repr)
def test_no_default_has_a_name_that_a_template_cannot_set_or_finds_already(name):
    with pytest.raises(DefinitionError, match="default"):
        ChatTemplate.read("Hi", None, None, {name: "x"})
    unchecked = replace(ChatTemplate.read("Hi", None, None, {}), defaults=((name, '"x"'),))
    try:
        source = unchecked.export()
    except TypeError:  # a name that is no text is in no source
        return
    assert read_header(source, Limits()) is None


def test_a_default_that_is_nested_too_deeply_is_refused():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(DefinitionError, match="default"):
        Style.from_chat_template("Hi", x=deep)


SOURCES = [
    "{% for m in messages %}{{ m.content }}{% endfor %}{{ thought is defined }}{{ thought_ is defined }}",
    "{% set thought = 1 %}{% for m in messages %}{{ m.content }}{{ thought }}{% endfor %}",
    "{{ x }}{% for thought in messages %}{{ thought.content }}{% endfor %}{{ closing is defined }}",
    "\n\n  {{ messages[0].content }}\n",
    "  {% if true %}\n  x{% endif %}{{ messages[0].content }}",
    "\t{{ messages[0].content }} {",
    "{% for m in messages %}{{ x is defined }}{% endfor %}{% set x = 2 %}{{ x }}",
    "{% for m in messages %}{% for i in [1] %}{{ x is defined }}{% endfor %}{% set x = 2 %}{% endfor %}"
    "{% macro f() %}{{ x }}{% endmacro %}{{ f() }}",
    "{% macro f() %}{{ x }}{% set x = 3 %}{{ x }}{% endmacro %}{{ f() }}{{ x }}",
    "{% if false %}{% set x = 2 %}{% endif %}{{ x }}{{ messages[1].content }}",
    "{% set x = x or 4 %}{% for message in messages %}{{ x }}{{ message.content }}{% endfor %}",
    "{% set messages = messages[1:] %}{{ messages | length }}{{ x is defined }}",
    "{% macro f() %}{{ messages | length }}{% endmacro %}{{ f() }}{% set messages = [] %}",
    "{% for m in messages %}{{ add_generation_prompt is defined }}{% endfor %}{% set add_generation_prompt = 1 %}",
    "{% set dict = 1 %}{{ dict }}{{ messages | length }}{% set raise_exception = 1 %}{% set namespace = 1 %}",
]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("reasoning", ["keep", "drop", "drop-history"])
@pytest.mark.parametrize(("opening", "closing"), [("", ""), (" o", "c\n")])
@pytest.mark.parametrize("roles", [None, ("assistant", "user")])
def test_a_header_stands_only_before_a_template_that_transformers_renders_as_the_style_does(
    source, reasoning, opening, closing, roles
):
    for value in (None, 5):
        layout = ChatTemplate.read(source, None, None, {} if value is None else {"x": value}, reasoning)
        layout = replace(layout, roles=roles or layout.roles).between(opening, closing)
        style = Style.of(layout)
        exported = style.chat_template
        if not EXPORT_HEADER.match(exported):
            continue
        for generate in (False, True):
            try:
                text = style.render(TALK, generate).text
            except PrefTemplatesError:
                continue
            assert transformers_text(exported, TALK, generate) == text
        assert Style.from_chat_template(exported) == style


@pytest.mark.parametrize(
    "own", ["{% set dict = 1 %}{{ dict }}", "{% macro dict(a) %}{{ a }}{% endmacro %}{{ dict(1) }}"]
)
@pytest.mark.parametrize("reasoning", ["drop", "drop-history"])
def test_a_source_may_call_something_else_dict(own, reasoning):
    source = "{% for m in messages %}{{ m.content }}{% endfor %}" + own
    style = Style.of(ChatTemplate.read(source, None, None, {}, reasoning))
    talk = [HELLO[0], {"role": "assistant", "content": "<think>a</think>b"}, HELLO[0]]
    assert transformers_text(style.chat_template, talk) == style.render(talk).text == "HibHi1"
    assert Style.from_chat_template(style.chat_template) == style


@pytest.mark.parametrize("source", SOURCES[:6])
def test_these_sources_have_a_header_all_the_same(source):
    style = Style.from_chat_template(source, x=5, reasoning="drop")
    assert Style.from_chat_template(style.chat_template) == style


def test_a_template_too_deep_to_be_walked_through_is_exported_without_a_header_if_that_might_matter():
    deep = "{{ x is defined and (" + "+".join(["1"] * 390) + ") }}"
    assert not EXPORT_HEADER.match(Style.from_chat_template(deep, x=1).chat_template)


def test_a_variable_that_the_header_does_not_tell_of_reaches_the_template():
    exported = Style.from_chat_template(SWITCHED, x="!").chat_template
    assert Style.from_chat_template(exported).render(HELLO).text == "Hi!Yes!"
    assert Style.from_chat_template(exported, x="?", y=1).render(HELLO).text == "Hi!Yes!"
    assert Style.from_chat_template(exported, eos_token="|").render(HELLO).text == "Hi|!Yes|!"
    chatml = get_style("chatml")
    assert Style.from_chat_template(chatml.chat_template, bos_token="<s>", eos_token="</s>") == chatml


def test_a_header_of_two_fragments_for_one_role_is_not_believed():
    turns = (Fragment("user", "first ", ""), Fragment("assistant", "", ""), Fragment("user", "last ", ""))
    with pytest.raises(DefinitionError, match="got 2 for 'user'"):
        Fragments("", turns)
    source = unchecked(turns=turns).export()
    assert read_header(source, Limits()) is None
    assert Style.from_chat_template(source).render(TALK[:1]).text == "first Hi"


def unchecked(**facts):
    """A layout of fragments of which nothing was checked."""
    layout = object.__new__(Fragments)
    usual = Fragments("", (Fragment("user", "", ""), Fragment("assistant", "", "")))
    for name, fact in {**vars(usual), **facts}.items():
        object.__setattr__(layout, name, fact)
    return layout


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats() | st.sampled_from(["", "a", "user", "assistant"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "role", "head"]), inner),
    max_leaves=5,
)
NAMES = ("opening", "closing", "stop", "reasoning", "turns", "source", "bos_token", "defaults", "roles", "more")


def places(value, path=()):
    """Every place in a value."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def changed(value, path, replacement):
    """The value with another one in a place."""
    if not path:
        return replacement
    copy = value.copy()
    copy[path[0]] = changed(value[path[0]], path[1:], replacement)
    return copy


@given(st.data())
def test_a_header_with_anything_in_any_place_is_a_comment_or_tells_the_truth(data):
    style = data.draw(st.sampled_from([get_style("chatml"), Style.from_chat_template(SOURCES[0], x=1)]))
    header = EXPORT_HEADER.match(style.chat_template)
    facts, body = json.loads(header[1]), style.chat_template[header.end() :]
    facts = changed(facts, data.draw(st.sampled_from([*places(facts)])), data.draw(JSON))
    if isinstance(facts, dict):
        facts |= data.draw(st.dictionaries(st.sampled_from(NAMES), JSON, max_size=1))
        with suppress(TypeError, ValueError, AttributeError, StopIteration, KeyError):  # the body that fits to the lie
            layout = unchecked(**{**facts, "turns": tuple(Fragment(*turn) for turn in facts["turns"])})
            body = layout.write_chat_template()
    source = f"{{#- preftemplates: {json.dumps(facts)} -#}}\n{body}"
    try:
        style = Style.from_chat_template(source)
        rendered = style.render(TALK)
    except PrefTemplatesError:
        return
    assert (rendered.text, rendered.spans[-1].end) == (transformers_text(source, TALK), len(rendered.text))
    assert style.render(TALK, add_generation_prompt=True).text == transformers_text(source, TALK, True)


@pytest.mark.parametrize("part", ["opening", "closing", "stop"])
@pytest.mark.parametrize("value", [5, True, {"a": 1}, ["a"], None], ids=repr)
def test_a_header_whose_parts_are_no_text_is_not_believed(part, value):
    with pytest.raises(DefinitionError):
        Fragments(**{"opening": "", "turns": (Fragment("assistant", "", ""),), part: value})
    if part != "stop":
        with pytest.raises(DefinitionError):
            ChatTemplate("Hi").between(**{"opening": "", "closing": "", part: value})
    layout = replace(ChatTemplate("Hi{{ messages[0].content }}"), **({} if part == "stop" else {part: value}))
    for source in (layout.export(), unchecked(**{part: value if part != "stop" else ""}).export()):
        Style.from_chat_template(source).render(TALK)


@pytest.mark.parametrize("turn", [("user", 5, ""), ("user", "", None), (1, "", ""), ("user", "", []), "abc"], ids=repr)
def test_a_fragment_that_is_no_text_is_refused(turn):
    turns = (Fragment("assistant", "", ""), Fragment(*turn) if isinstance(turn, tuple) else turn)
    with pytest.raises(DefinitionError, match="fragments"):
        Fragments("", turns)


# --- the template --------------------------------------------------------------------------------------------------


literals = texts().map(lambda text: re.sub(r"\{(?=[{%#])", "(", text))


def fragments(opening, closing, stop="", **turns):
    return Fragments(opening, tuple(Fragment.read(role, source) for role, source in turns.items()), stop, closing)


MARKED = fragments("<open>", "", ".", system="S{{ content }}s", user="U{{ content }}u", assistant="A {{ content }}.!")


@at_least(200)
@given(texts())
def test_a_text_written_as_a_jinja_string_reads_back_as_itself(text):
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    assert environment.from_string("{{- " + format_jinja_literal(text) + " -}}").render() == text


@given(literals, literals, literals, literals, conversations("user", "assistant"), st.booleans())
def test_the_export_is_rendered_by_transformers_to_the_same_text(opening, head, tail, closing, messages, generate):
    turns = {"user": f"{tail}{{{{ content }}}}{head}", "assistant": f"{head}{{{{ content }}}}{tail}"}
    odd = fragments(opening, closing, **turns)
    assert transformers_text(odd.write_chat_template(), messages, generate) == odd.text(messages, generate)


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
        ({"role": role, "content": "x", key: ["y"]}, KEY + ("reasoning_content" if key in THINKING_FIELDS else key))
        for key in CONTENT_KEYS
        for role in ("user", "assistant")
    ),
]


@pytest.mark.usefixtures("thought_aliases")
@pytest.mark.parametrize(("message", "said"), LOST, ids=str)
@pytest.mark.parametrize("before", [[], [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]])
def test_what_the_layout_has_no_place_for_is_refused_by_the_export_as_well(message, said, before):
    for closing in ("", "</s>"):
        with pytest.raises(TemplateError) as caught:
            transformers_text(replace(MARKED, closing=closing).write_chat_template(), [*before, message])
        assert (type(caught.value), str(caught.value)) == (TemplateError, said)
    with pytest.raises((RowError, KeyError)):
        MARKED.text([*before, message], False)


@pytest.mark.parametrize("key", CONTENT_KEYS)
@pytest.mark.parametrize("empty", [None, [], "", {}], ids=str)
def test_a_key_that_holds_nothing_is_refused_by_neither(key, empty):
    message = {"role": "assistant", "content": "x", key: empty}
    assert transformers_text(MARKED.write_chat_template(), [message]) == MARKED.text([message], False) == "<open>A x.!"


@pytest.mark.usefixtures("thought_aliases")
@pytest.mark.parametrize("reasoning", ["drop", "drop-history"])
def test_a_thought_is_dropped_by_the_export_where_the_policy_says_so_and_refused_elsewhere(reasoning):
    dropping = replace(MARKED, reasoning=reasoning)
    thought = {"role": "assistant", "content": "x", "thinking": "y"}
    for messages in ([thought, {"role": "user", "content": "z"}], [{"role": "user", "content": "z"}, thought]):
        if reasoning == "drop" or messages[0] is thought:
            assert transformers_text(dropping.write_chat_template(), messages) == dropping.text(messages, False)
            assert "y" not in dropping.text(messages, False)
        else:
            with pytest.raises(TemplateError, match=f"^{KEY}reasoning_content$"):
                transformers_text(dropping.write_chat_template(), messages)
            with pytest.raises(RowError, match="got thinking"):
                dropping.text(messages, False)


def test_without_opening_and_closing_the_export_is_the_source_with_its_variables():
    assert ChatTemplate(SWITCHED).write_chat_template() == SWITCHED
