"""Each bundled style on one conversation, kept as a golden text, and what it refuses."""

import re
import sys

import pytest
from hypothesis import given
from planted import TEXT_TEMPLATES
from support import STYLE_NAMES, TEMPLATE_NAMES, assert_golden, conversations, spelled_spans

from preftemplates import get_style, get_template
from preftemplates.core.messages import CONTENT_KEYS, ROLES
from preftemplates.errors import Code, RowError
from preftemplates.styles.style import STYLES

TALK = [
    {"role": "system", "content": "Answer in one line."},
    {"role": "user", "content": " How do I keep basil alive? {{ 7 * 7 }}\n"},
    {"role": "assistant", "content": "Light, and water when the soil is dry."},
    {"role": "user", "content": ""},
    {"role": "assistant", "content": "Пожалуйста.\r\n"},
]


ONE_QUESTION_WITH_SYSTEM = ("mistral-v3", "mistral-v3-tekken")
"""The styles that refuse a system text where there are several questions."""


LICENCE = re.compile("Apache-2.0|MIT|BSD|CC-BY|[Ll]icen[cs]e|Terms of Use|research only")


@pytest.mark.parametrize("style", STYLE_NAMES)
def test_a_style_s_file_names_the_source_of_the_layout_and_a_licence(style):
    docstring = sys.modules[STYLES.get(style).__module__].__doc__
    assert re.search("^(Source|Layout): ", docstring, flags=re.MULTILINE)
    assert LICENCE.search(docstring)


def talk_for(style):
    """The conversation as far as the style has a turn for it."""
    talk = TALK[1:] if style in ONE_QUESTION_WITH_SYSTEM else TALK
    return [message for message in talk if message["role"] in get_style(style).accepted_roles]


@pytest.mark.parametrize("name", STYLE_NAMES)
def test_a_style_writes_what_it_wrote_and_says_of_each_character_whose_it_is(name):
    style = get_style(name)
    whole, prompt = style.render(talk_for(name)), style.render(talk_for(name)[:-1], add_generation_prompt=True)
    assert_golden(
        f"styles/{name}.json",
        {
            "roles": list(style.accepted_roles),
            "stop": style.stop,
            "findings": sorted({str(finding.code) for finding in style.findings}),
            "text": whole.text,
            "prompt": prompt.text,
            "spans": [f"{kind} {role} {message}: {text!r}" for text, kind, role, message, *_ in spelled_spans(whole)],
        },
    )


@pytest.mark.parametrize("name", TEMPLATE_NAMES)
def test_a_template_s_example_comes_out_as_it_did(name):
    template = get_template(name)
    columns = {format: template.columns(format) for format in template.formats}
    formats = {format: template.format(template.example, format) for format in template.formats}
    golden = {"columns": columns, "formats": formats}
    if name in TEXT_TEMPLATES:
        in_text = template.with_dialect("text")
        golden["texts"] = {format: in_text.format(template.example, format) for format in template.formats}
    assert_golden(f"templates/{name}.json", golden)


# --- what is refused -----------------------------------------------------------------------------------------------


def refused(style, *messages):
    with pytest.raises(RowError) as caught:
        get_style(style).render(messages)
    return caught.value


def refused_content(style, *messages):
    """Whether a content is refused as such; the same turns with texts are not."""
    texts = [{"role": message["role"], "content": "x"} for message in messages]
    assert get_style(style).render(texts).text.count("x") >= len(texts)
    return refused(style, *messages).code == Code.UNSUPPORTED_CONTENT


HELLO = {"role": "user", "content": "Hi"}


@pytest.mark.parametrize("style", STYLE_NAMES)
@pytest.mark.parametrize("key", CONTENT_KEYS)
def test_content_that_the_style_has_no_place_for_is_refused_and_never_left_out(style, key):
    assert refused_content(style, HELLO, {"role": "assistant", "content": "x", key: ["y"]})
    assert refused_content(style, HELLO, {"role": "assistant", key: ["y"]})


@pytest.mark.parametrize("style", STYLE_NAMES)
@pytest.mark.parametrize("part", [{"type": "text", "text": "x"}, {"type": "image", "url": "x"}], ids=str)
def test_typed_parts_are_refused(style, part):
    assert refused_content(style, {"role": "user", "content": [part]})
    assert refused_content(style, HELLO, {"role": "assistant", "content": [part]})


def test_an_order_that_is_refused_is_not_blamed_on_a_picture():
    picture = {"role": "user", "content": [{"type": "image", "url": "x"}]}
    assert refused("gemma", HELLO, picture).code == Code.REFUSED_BY_STYLE


USUAL = {
    "system": [{"role": "system", "content": "x"}, HELLO],
    "developer": [{"role": "developer", "content": "x"}, HELLO],
    "user": [{"role": "user", "content": "x"}],
    "assistant": [HELLO, {"role": "assistant", "content": "x"}],
    "tool": [
        HELLO,
        {"role": "assistant", "content": "So."},
        {"role": "tool", "content": "x", "tool_call_id": "call00001"},
    ],
}


@pytest.mark.parametrize("style", STYLE_NAMES)
@pytest.mark.parametrize("role", [*ROLES, "function", "User", "narrator", ""])
def test_a_role_has_a_turn_or_is_refused_with_those_that_have_one(style, role):
    roles = get_style(style).accepted_roles
    if role in roles:
        rendered = get_style(style).render(USUAL[role])
        spans = [span for span in rendered.spans if span[2:4] == ("content", role)]
        assert "x" in [rendered.text[span.start : span.end] for span in spans]
        return
    error = refused(style, HELLO, {"role": role, "content": "x"})
    assert (error.code, error.style, error.value) == (Code.BAD_ROLE, style, role)
    assert f"expected one of the roles {', '.join(roles)}; got {role!r}" in str(error)


# --- facts of single layouts ---------------------------------------------------------------------------------------


@given(conversations("user", "assistant"))
def test_a_transcript_in_human_assistant_style_is_the_text_of_its_turns(messages):
    marks = {"user": "\n\nHuman: ", "assistant": "\n\nAssistant: "}
    style = get_style("human-assistant")
    text = "".join(marks[message["role"]] + message["content"] for message in messages)
    assert style.render(messages).text == text
    assert style.render(messages, add_generation_prompt=True).text == text + "\n\nAssistant:"
    assert style.stop == ""


@given(conversations("user", "assistant"))
def test_the_homework_s_layout_opens_once_and_ends_no_turn(messages):
    text = get_style("beginning-of-conversation").render(messages).text
    turns = {"user": "USER: {} ", "assistant": "ASSISTANT:{}"}
    expected = [turns[message["role"]].replace("{}", message["content"]) for message in messages]
    assert text == "BEGINNING OF CONVERSATION: " + "".join(expected)


@given(conversations("system", "user", "assistant"))
def test_the_plain_style_adds_nothing(messages):
    for generate in (False, True):
        text = get_style("plain").render(messages, add_generation_prompt=generate).text
        assert text == "".join(message["content"] for message in messages)


@given(conversations("system", "user", "assistant"))
def test_llama3_writes_one_bos_and_trims_contents_where_the_spans_show_it(messages):
    rendered = get_style("llama3").render(messages)
    body = rendered.text.removeprefix("<|begin_of_text|>")
    turns = [f"<|start_header_id|>{m['role']}<|end_header_id|>\n\n{m['content'].strip()}<|eot_id|>" for m in messages]
    assert body == "".join(turns)
    contents: dict[int, str] = {}
    for span in rendered.spans:
        if span.kind == "content":
            contents[span.message] = contents.get(span.message, "") + rendered.text[span.start : span.end]
    assert contents == {index: message["content"].strip() for index, message in enumerate(messages)}
