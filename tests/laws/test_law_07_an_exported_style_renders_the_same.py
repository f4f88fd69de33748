import re
from functools import cache

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from jinja2.exceptions import TemplateError
from planted import BUNDLED_STYLES, CHATML, HELLO, accepted, check, check_each, faulty_style, rendered_by, style_of
from support import few
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast
from transformers.utils.chat_template_utils import render_jinja_template

from preftemplates import Style, get_style
from preftemplates.core.messages import ROLES
from preftemplates.errors import RowError
from preftemplates.styles.fragments import CONTENT_SLOT, JINJA_TAG, Fragments
from preftemplates.testing import an_exported_style_reads_back_the_same, conversations, nasty_text


@cache
def tokenizer():
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"?": 0}, unk_token="?")))


def transformers_renders_the_same(style, messages):
    """It renders at least one message, and raises where the style refuses; how many texts are compared."""
    ways = accepted(style, messages) if messages else []
    for asked in (False, True) if messages else ():
        asking = {"chat_template": style.chat_template, "tokenize": False, "add_generation_prompt": asked}
        if asked in ways:
            text = tokenizer().apply_chat_template(messages, **asking)
            assert text == style.render(messages, add_generation_prompt=asked).text
        else:
            with pytest.raises(TemplateError):
                tokenizer().apply_chat_template(messages, **asking)
    return len(ways)


IMPORTED = {
    "trimming": Style.from_chat_template(
        "{% for message in messages %}\n  {%- if loop.first %}{{ bos_token }}{% endif %}\n"
        "{{ '[' + message['role'] + '] ' + message['content'] | trim }}\n{% endfor %}\n",
        bos_token="<s>'\\",
    ),
    "switched": Style.from_chat_template(
        "\n  {% if polite and count == 2 %}Please.\n{% endif %}{% for m in messages %}{{ m.content }}{{ eos_token }}"
        "{% endfor %}{% if add_generation_prompt %}\n{% endif %}",
        eos_token="</s>\n",
        polite=True,
        count=2,
    ),
}


@pytest.mark.parametrize("name", BUNDLED_STYLES)
def test_an_exported_style_renders_as_transformers_renders_it_and_refuses_what_it_refuses(name):
    style, compared = get_style(name), []

    @few()
    @given(conversations(style))
    def compare(messages):
        compared.append(transformers_renders_the_same(style, messages))

    compare()
    assert sum(map(bool, compared)) * 5 >= len(compared)


@pytest.mark.parametrize("name", IMPORTED)
@given(conversations())
def test_an_imported_style_is_exported_with_its_tokens(name, messages):
    transformers_renders_the_same(IMPORTED[name], messages)
    an_exported_style_reads_back_the_same(IMPORTED[name], messages)


SHOWING = "{% for m in messages %}{{ m.content }}{{ x }}{% endfor %}{% if x is none %}none{% endif %}"


@pytest.mark.parametrize("value", ["é\u2028\0'\\u0041{{ 1 }}\r\n", True, -1, 1.5, [1, "a"], {"a": [None, True]}, None])
def test_an_imported_style_is_exported_with_its_variables(value):
    style = Style.from_chat_template(SHOWING, x=value)
    assert style.render(HELLO).spans is not None
    transformers_renders_the_same(style, HELLO)
    an_exported_style_reads_back_the_same(style, HELLO)


@pytest.mark.parametrize("value", [[1], {"a": 1}])
def test_a_style_with_a_variable_of_many_values_has_a_stop_and_a_hash(value):
    style = Style.from_chat_template(SHOWING.replace("{{ x }}", "</s>"), x=value)
    assert style.stop == "</s>"
    assert hash(style) == hash(Style.from_chat_template(SHOWING.replace("{{ x }}", "</s>"), x=value))


@pytest.mark.parametrize("name", BUNDLED_STYLES)
def test_an_exported_style_reads_back_the_same(name):
    check_each(get_style(name), an_exported_style_reads_back_the_same)


@pytest.mark.parametrize("name", BUNDLED_STYLES)
@few()
@given(st.data())
def test_the_generation_marks_hold_what_follows_the_prompt_through_the_stop(name, data):
    style = get_style(name)
    messages = data.draw(rendered_by(style).filter(lambda messages: False in accepted(style, messages)))
    texts, marks = render_jinja_template(
        [messages], chat_template=style.chat_template, return_assistant_tokens_mask=True
    )
    wanted = []
    for index, message in enumerate(messages):
        if message["role"] == "assistant":
            assume(True in accepted(style, messages[:index]))
            begin = len(style.render(messages[:index], add_generation_prompt=True).text)
            own = [span for span in style.render(messages).spans if span.message == index and span.kind != "scaffold"]
            wanted.append((begin, own[-1].end))
    assert texts == [style.render(messages).text]
    assert [tuple(mark) for mark in marks[0]] == wanted


@pytest.mark.parametrize("name", BUNDLED_STYLES)
def test_an_exported_style_refuses_the_roles_that_the_style_refuses(name):
    style = get_style(name)
    again = Style.from_chat_template(style.chat_template)
    for role in {*ROLES} - {*style.accepted_roles}:
        with pytest.raises(RowError):
            style.render([{"role": role, "content": "Hi"}])
        with pytest.raises(RowError):
            again.render([{"role": role, "content": "Hi"}])


LITERALS = nasty_text().filter(lambda text: not JINJA_TAG.search(text) and not CONTENT_SLOT.search(text))


@given(LITERALS, LITERALS, LITERALS, LITERALS, LITERALS, conversations(CHATML))
@example("\n", "\n\n", "{%", "'\\n' -}}", "\r\n#}", HELLO)
def test_whatever_a_style_writes_is_exported(opening, head, tail, asking, stop, messages):
    style = style_of((head, tail), (asking, stop + tail), stop, opening)
    turns = [message for message in messages if message["role"] in style.accepted_roles]
    transformers_renders_the_same(style, turns)
    an_exported_style_reads_back_the_same(style, turns)


def export_wrongly(change):
    """A style whose layout is exported with a change."""
    return faulty_style(write_chat_template=lambda layout: change(Fragments.write_chat_template(layout)))


FAULTS = {
    "an escaped newline": lambda source: source.replace("\\n", "\\\\n"),
    "a line end that trim_blocks takes": lambda source: source.replace("\\n'", "'"),
    "line ends between prints": lambda source: re.sub(r"(?<=[{][{])-|-(?=[}][}])|(?<=%)-|-(?=%)", "", source),
    "a trimmed content": lambda source: source.replace("message['content'] -", "message['content'] | trim -"),
    "a lost opening of turns": lambda source: source.replace("<|im_start|>user", "user"),
    "no generation prompt": lambda source: source.replace("if add_generation_prompt", "if false"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_export_that_renders_otherwise_is_caught(fault):
    style = export_wrongly(FAULTS[fault])
    with pytest.raises(AssertionError, match="renders another text"):
        check(style, an_exported_style_reads_back_the_same)
    with pytest.raises(AssertionError):
        transformers_renders_the_same(style, HELLO)
