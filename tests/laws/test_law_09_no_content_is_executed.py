from html import escape

import pytest
from jinja2 import Environment
from planted import BUNDLED_STYLES, BUNDLED_TEMPLATES, PKU, Faulty, check, check_each, faulty_style

from preftemplates import Style, get_style, get_template
from preftemplates.errors import Code, RowError
from preftemplates.styles.fragments import Fragments
from preftemplates.testing import no_cell_is_executed_or_escaped, no_content_is_executed_escaped_or_trimmed


@pytest.mark.parametrize("name", BUNDLED_STYLES)
def test_no_content_is_executed_escaped_or_trimmed(name):
    check_each(get_style(name), no_content_is_executed_escaped_or_trimmed)


@pytest.mark.parametrize("name", BUNDLED_TEMPLATES)
def test_no_cell_is_executed_or_escaped(name):
    check_each(get_template(name), no_cell_is_executed_or_escaped)


@pytest.mark.parametrize("name", ["chatml", "zephyr", "human-assistant"])
def test_a_style_of_fragments_keeps_every_blank(name):
    answer = {"role": "assistant", "content": " \n\tYes.\r\n "}
    assert answer["content"] in get_style(name).render([answer]).text


def with_surrogates(value):
    """The same cell, with a lone surrogate behind every text but roles."""
    if isinstance(value, dict):
        return {key: item if key == "role" else with_surrogates(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_surrogates(item) for item in value]
    return value + "\ud800" if isinstance(value, str) else value


@pytest.mark.parametrize("name", BUNDLED_TEMPLATES)
def test_a_lone_surrogate_is_refused_in_every_column_that_is_read(name):
    template = get_template(name)
    for format in template.formats:
        for column in template.columns(format):
            cell = with_surrogates(template.example.get(column))
            if cell != template.example.get(column):
                with pytest.raises(RowError) as caught:
                    template.format({**template.example, column: cell}, format)
                assert caught.value.code in (Code.BAD_TEXT, Code.BAD_LABEL)


def changing(change):
    """A style of fragments that changes contents."""

    def text(self, messages, asked):
        return Fragments.text(self, [{**each, "content": change(each["content"])} for each in messages], asked)

    return faulty_style(text=text)


def execute(text):
    try:
        return Environment().from_string(text).render()
    except Exception:  # noqa: BLE001  the fault is planted, and may raise anything
        return text


def fill(text):
    try:
        return text.format(prompt="")
    except (LookupError, ValueError):
        return text


CHANGES = {
    "stripped": str.strip,
    "right-stripped": str.rstrip,
    "escaped": escape,
    "executed": execute,
    "formatted": fill,
    "line ends normalised": lambda text: text.replace("\r\n", "\n"),
    "lines split": lambda text: "\n".join(text.splitlines()),
    "NUL lost": lambda text: text.replace("\0", ""),
    "stop removed": lambda text: text.replace("<|im_end|>", ""),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_style_that_changes_contents_is_caught(change):
    with pytest.raises(AssertionError, match="is not the layout with the contents inserted unchanged"):
        check(changing(CHANGES[change]), no_content_is_executed_escaped_or_trimmed)


def test_a_chat_template_may_trim_and_nothing_else():
    source = "{% for message in messages %}<{{ message.content | CHANGE }}>{% endfor %}"
    check(Style.from_chat_template(source.replace("CHANGE", "trim")), no_content_is_executed_escaped_or_trimmed)
    for change in ("escape", "title | trim", "replace('<', '')", "first"):
        style = Style.from_chat_template(source.replace("CHANGE", change))
        with pytest.raises(AssertionError):
            check(style, no_content_is_executed_escaped_or_trimmed)


def test_contents_out_of_order_are_caught():
    style = Style.from_chat_template("{% for message in messages | reverse %}{{ message.content }}{% endfor %}")
    with pytest.raises(AssertionError, match="are not in order"):
        check(style, no_content_is_executed_escaped_or_trimmed)


def afterwards(change):
    return lambda template, row, format: {key: change(text) for key, text in template.format(row, format).items()}


@pytest.mark.parametrize("change", ["escaped", "executed", "line ends normalised"])
def test_a_template_that_changes_cells_is_caught(change):
    with pytest.raises(AssertionError, match="is changed in"):
        check(Faulty(PKU, format=afterwards(CHANGES[change])), no_cell_is_executed_or_escaped)


def test_a_template_that_shows_no_cell_is_caught():
    with pytest.raises(AssertionError, match="not tested"):
        check(Faulty(PKU, format=afterwards(lambda _: "")), no_cell_is_executed_or_escaped)
