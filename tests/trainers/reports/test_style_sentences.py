"""The first lines of a run say which style it is, which day it prints, and that a reward is read after a tail."""

import pytest
from preftemplates_train.data.style_choice import StyleChoice
from preftemplates_train.reports.sentences import describe_style

from preftemplates import Style, get_style


@pytest.mark.parametrize(
    ("style", "tail"),
    [
        ("chatml", "\n"),
        ("zephyr", "\n"),
        ("phi3", "\n<|endoftext|>"),
        ("llama3", ""),
        ("plain", ""),
        ("mistral-v3", ""),
    ],
)
def test_a_tail_after_the_end_of_turn_is_said_in_one_line(style, tail):
    lines = describe_style(StyleChoice(get_style(style), f"style: {style}")).split("\n")
    assert get_style(style).edges.tail == tail
    assert lines[0] == f"style: {style}"
    assert len(lines) == 1 + bool(tail)
    assert all(line.startswith(f"note: the style writes {tail!r} after ") for line in lines[1:])


def test_a_custom_template_and_a_style_that_refuses_have_no_tail():
    assert describe_style(StyleChoice(None, "style: none")) == "style: none"
    refusing = Style.from_chat_template("{{ raise_exception('no') }}")
    assert refusing.edges == ("", "", "")
    assert describe_style(StyleChoice(refusing, "style: none")) == "style: none"


def test_the_date_is_said_too():
    lines = describe_style(StyleChoice(get_style("llama3"), "style: llama3", "2026-05-31")).split("\n")
    assert lines[1] == "date: 2026-05-31, which the style prints; the checkpoint keeps printing it"
