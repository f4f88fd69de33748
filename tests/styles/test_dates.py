"""A style with a fixed date prints it on every day, in transformers too, and is the same style otherwise."""

from datetime import datetime
from unittest.mock import patch

import pytest
from jinja2.exceptions import TemplateError
from real_templates import CONVERSATIONS, TOKENS, real_templates
from support import transformers_text

from preftemplates import Style, get_style, list_styles
from preftemplates.errors import RowError
from preftemplates.styles.dates import pin_date
from preftemplates.styles.environment import FixedMoment

PINNED, LATER = datetime(2025, 3, 9, 7, 5, 8), datetime(2031, 10, 29, 18, 30)
TURNS = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}</s>{% endfor %}"
TALK = [{"role": "user", "content": "Peas?"}, {"role": "assistant", "content": "Yes."}]

DATED = {
    "a date": "{{ strftime_now('%d %B %Y') }}\n" + TURNS,
    "blanks at the start": "\n\n  {{ strftime_now('%d %B %Y') }}\n" + TURNS,
    "two formats": "{{ strftime_now(\"%A, %d %B\") }}|{{ strftime_now( '%j' ) }}\n" + TURNS,
    "if there is a clock": (
        "{% if strftime_now is defined %}{% set day = strftime_now('%d %b %Y') %}{% else %}{% set day = 'x' %}"
        "{% endif %}{{ day }}" + TURNS
    ),
    "in a macro": "{% macro day() %}{{ strftime_now('%Y-%m-%d') }}{% endmacro %}{{ day() }}" + TURNS,
    "in a loop": "{% for m in messages %}{{ strftime_now('%H:%M') }} {{ m.content }}</s>{% endfor %}",
    "a format that is put together": "{{ strftime_now('%d' + ' ' + '%b %Y at %H:%M:%S, %A') }}" + TURNS,
    "a format in a variable": "{% set f = '%-d/%m/%y' %}{{ strftime_now(f) }}" + TURNS,
    "the clock under another name": "{% set now = strftime_now %}{{ now('%Y') }}" + TURNS,
    "a quote in a format": '{{ strftime_now("%d o\'clock %H") }}' + TURNS,
}


def render_at(moment, source, messages, **more):
    with patch("transformers.utils.chat_template_utils.datetime") as clock:
        clock.now.return_value = moment
        return transformers_text(source, messages, False, **more)


@pytest.mark.parametrize("source", DATED.values(), ids=DATED)
def test_a_pinned_date_is_printed_on_every_day(source):
    style = Style.from_chat_template(source)
    with FixedMoment(PINNED):
        on_the_day = style.render(TALK)
        expected, spans = on_the_day.text, on_the_day.spans
    pinned = style.with_date(PINNED)
    with FixedMoment(LATER):
        assert style.text(TALK, False) != expected
        rendered = pinned.render(TALK)
        assert rendered.text == expected
        assert rendered.spans == spans
    assert "depends_on_date" in [finding.code for finding in style.findings]
    assert "depends_on_date" not in [finding.code for finding in pinned.findings]


@pytest.mark.parametrize("source", DATED.values(), ids=DATED)
def test_the_exported_template_prints_the_pinned_date_in_transformers(source):
    pinned = Style.from_chat_template(source, bos_token="<s>").with_special_tokens("<s>", "").with_date(PINNED)
    expected = pinned.text(TALK, False)
    assert render_at(LATER, pinned.chat_template, TALK) == expected
    again = Style.from_chat_template(pinned.chat_template)
    assert again == pinned
    assert again.with_date(LATER).text(TALK, False) == expected


def test_equal_days_give_equal_styles():
    style = Style.from_chat_template(DATED["a date"])
    assert style.with_date(PINNED) == style.with_date(PINNED)
    assert style.with_date(PINNED) != style.with_date(LATER)
    assert style.with_date(PINNED).name == style.name


def test_a_style_without_a_date_is_returned_as_it_is():
    for name in list_styles():
        style = get_style(name)
        assert style.with_date(PINNED) is style
    assert pin_date(TURNS, PINNED) == TURNS


def test_an_untrusted_template_stays_within_its_limits():
    style = Style.from_chat_template(DATED["a date"])
    assert style.with_date(PINNED).layout.limits == style.layout.limits is not None


DATED_REAL = {name: source for name, source in real_templates().items() if "strftime_now" in source}


@pytest.mark.parametrize("name", DATED_REAL)
def test_a_real_template_that_prints_the_date_prints_the_pinned_one(name):
    source = DATED_REAL[name]
    pinned = Style.from_chat_template(source, **TOKENS).with_date(PINNED)
    rendered = 0
    for messages in [*CONVERSATIONS.values()][:4]:
        try:
            expected = render_at(PINNED, source, messages, **TOKENS)
        except (TemplateError, TypeError, ValueError):
            continue
        with FixedMoment(LATER):
            try:
                assert pinned.render(messages).text == expected
            except RowError:
                continue
        assert render_at(LATER, pinned.chat_template, messages, **TOKENS) == expected
        rendered += 1
    assert rendered
