"""Law 20: a reversible style reads its own texts back, and refuses rather than guesses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted import BUNDLED_STYLES, check, style_of
from support import few

from preftemplates import get_style
from preftemplates.errors import RowError, StyleContractError
from preftemplates.styles import parsing
from preftemplates.testing import conversations, parsing_undoes_rendering

REVERSIBLE = [name for name in BUNDLED_STYLES if get_style(name).reversible]


@pytest.mark.parametrize("name", REVERSIBLE)
@few()
@given(st.data())
def test_a_reversible_style_reads_its_texts_back(name, data):
    style = get_style(name)
    parsing_undoes_rendering(style, data.draw(conversations(style)))


def test_hh_and_chatml_are_reversible_and_others_say_that_they_are_not():
    assert {"human-assistant", "chatml", "zephyr", "beginning-of-conversation"} <= {*REVERSIBLE}
    for name in ("plain", "llama3"):
        assert not get_style(name).reversible
        with pytest.raises(StyleContractError, match="not reversible"):
            get_style(name).parse("Hi")


@pytest.mark.parametrize(
    ("style", "text", "why"),
    [
        ("chatml", "Hi", "no turn begins there"),
        ("chatml", "<|im_start|>user\nHi", "the turn of user does not end"),
        ("chatml", "<|im_start|>cook\nHi<|im_end|>\n", "no turn begins there"),
        ("chatml", "<|im_start|>user\nHi<|im_end|>\nand more", "does not end"),
        ("chatml", "<|im_start|>user\na <|im_end|> b<|im_end|>\n", "contains '<|im_end|>', which marks a turn"),
        ("human-assistant", "Human: Hi", "no turn begins there"),
        ("human-assistant", "\n\nHuman: Hi\n\nHuman:you", "contains '\\n\\nHuman:', which marks a turn"),
        ("beginning-of-conversation", "USER: Hi ASSISTANT:Yes", "expected it to begin with 'BEGINNING OF"),
        (
            "beginning-of-conversation",
            "BEGINNING OF CONVERSATION: USER: Hi ASSISTANT:",
            "empty answer or with a generation prompt",
        ),
    ],
)
def test_what_is_no_text_of_the_style_or_may_be_two_conversations_is_refused(style, text, why):
    with pytest.raises(RowError) as caught:
        get_style(style).parse(text)
    assert why in str(caught.value)
    assert (caught.value.code, caught.value.style) == ("bad_turns", style)


def test_what_stands_around_the_turns_is_read_too():
    style = get_style("zephyr").with_special_tokens("<s>", "[SEP]")
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": " Yes "}]
    assert style.parse(style.render(messages).text) == messages
    assert style.parse(style.render(messages, add_generation_prompt=True).text) == messages


def test_long_texts_are_read_in_time_that_grows_with_their_turns():
    messages = [{"role": role, "content": "x" * 20} for _ in range(5_000) for role in ("user", "assistant")]
    style = get_style("chatml")
    assert style.parse(style.render(messages).text) == messages


@pytest.mark.parametrize(
    "broken",
    [
        lambda _layout, text: [{"role": "user", "content": text}],
        lambda layout, text: [
            {**message, "content": message["content"].strip()} for message in parsing.parse_conversation(layout, text)
        ],
        lambda layout, text: parsing.parse_conversation(layout, text)[:-1],
    ],
    ids=["does not split", "trims", "loses the last turn"],
)
def test_the_law_catches_a_parser_that_is_wrong(broken, monkeypatch):
    style = style_of(("U: ", "\n"), ("A: ", "\n"))
    check(style, parsing_undoes_rendering)
    monkeypatch.setattr("preftemplates.styles.fragments.parse_conversation", broken)
    with pytest.raises(AssertionError, match="is parsed back as"):
        check(style, parsing_undoes_rendering)
