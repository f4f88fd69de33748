"""Loss flags: which messages are trained on, by their roles and by the keys that training libraries read."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import STYLE_NAMES

from preftemplates import get_style, get_template, has_loss_flags, select_trained_messages
from preftemplates.core.loss_flags import LOSS_FLAGS
from preftemplates.core.messages import locate_message_error
from preftemplates.errors import Code, RowError

ROLES = ("system", "user", "assistant", "tool")
TALK = [
    {"role": "user", "content": "Mint?"},
    {"role": "assistant", "content": "Sun."},
    {"role": "user", "content": "Sure?"},
    {"role": "assistant", "content": "Shade."},
]


def flagged(key, *values):
    """The messages of TALK, each with the value of a key; None leaves the key out."""
    return [message if value is None else {**message, key: value} for message, value in zip(TALK, values, strict=True)]


def test_answers_are_trained_on_where_nothing_is_flagged():
    assert select_trained_messages(TALK) == [1, 3]
    assert select_trained_messages(TALK, roles=["user"]) == [0, 2]
    assert select_trained_messages(TALK, roles=[]) == select_trained_messages([]) == []


@pytest.mark.parametrize("key", ["weight", "loss_weight", "train", "training"])
@pytest.mark.parametrize(("no", "yes"), [(0, 1), (False, True), (0.0, 1.0), (np.bool_(False), np.float32(1))])
def test_a_flag_selects_and_deselects_a_message_of_any_role(key, no, yes):
    assert select_trained_messages(flagged(key, None, no, None, None)) == [3]
    assert select_trained_messages(flagged(key, yes, no, None, yes)) == [0, 3]
    assert select_trained_messages(flagged(key, None, yes, no, no), roles=["user"]) == [0, 1]


@pytest.mark.parametrize(("no", "yes"), [(False, True), (0, 1)])
def test_the_flag_masked_says_the_opposite(no, yes):
    assert select_trained_messages(flagged("masked", None, yes, None, None)) == [3]
    assert select_trained_messages(flagged("masked", no, yes, yes, None)) == [0, 3]


@given(st.lists(st.tuples(st.sampled_from(ROLES), st.sampled_from([None, *LOSS_FLAGS]), st.booleans()), max_size=6))
def test_a_message_is_trained_on_by_its_flag_or_else_by_its_role(drawn):
    messages = [{"role": role, "content": ""} | ({} if key is None else {key: value}) for role, key, value in drawn]
    expected = [
        index
        for index, (role, key, value) in enumerate(drawn)
        if (role == "assistant" if key is None else value != (key == "masked"))
    ]
    assert select_trained_messages(messages) == expected
    assert has_loss_flags(messages) == any(key is not None for _, key, _ in drawn)


@pytest.mark.parametrize("gap", [None, float("nan"), Decimal("nan"), np.float64("nan")])
@pytest.mark.parametrize("key", LOSS_FLAGS)
def test_what_a_table_fills_in_is_no_flag(key, gap):
    messages = [{**message, key: gap} for message in TALK]
    assert select_trained_messages(messages) == [1, 3]
    assert not has_loss_flags(messages)


@pytest.mark.parametrize("key", LOSS_FLAGS)
@pytest.mark.parametrize("value", [0.5, -1, 2, float("inf"), 10**30, Decimal("0.5")])
def test_a_weight_that_is_neither_0_nor_1_is_rejected(key, value):
    messages = flagged(key, None, None, None, value)
    with pytest.raises(RowError, match=rf"^message 3: {key}: got .*, expected 0 or 1, as a mask") as caught:
        select_trained_messages(messages)
    assert caught.value.code == Code.BAD_LABEL
    assert "\n" not in str(caught.value)
    assert locate_message_error(caught.value, "messages").column == f"messages[3].{key}"
    assert has_loss_flags(messages)


@pytest.mark.parametrize("value", ["1", "false", "", [1], {"train": True}])
def test_a_flag_that_is_no_number_is_rejected(value):
    with pytest.raises(RowError, match=r"^message 1: train: got .*, expected 0, 1, true or false") as caught:
        select_trained_messages(flagged("train", None, value, None, None))
    assert caught.value.code == Code.WRONG_TYPE


def test_flags_that_contradict_each_other_are_rejected_and_those_that_agree_are_not():
    agreeing = {"weight": 1, "loss_weight": 1.0, "train": True, "masked": False}
    assert select_trained_messages([{**TALK[0], **agreeing}]) == [0]
    with pytest.raises(
        RowError, match="message 0: masked: got True, which contradicts weight 1; remove one"
    ) as caught:
        select_trained_messages([{**TALK[0], **agreeing, "masked": True}])
    assert caught.value.code == Code.BAD_LABEL


@pytest.mark.parametrize("key", LOSS_FLAGS)
@pytest.mark.parametrize("name", ["Messages", "Conversations"])
def test_flags_reach_the_messages_of_a_sample(name, key):
    messages = flagged(key, None, key == "masked", None, None)
    column = "messages" if name == "Messages" else "conversations"
    sample = get_template(name).extract({column: messages}, "supervised")
    assert select_trained_messages([*sample.prompt, *sample.completion]) == [3]


@pytest.mark.parametrize("name", STYLE_NAMES)
def test_no_bundled_style_prints_a_flag(name):
    style = get_style(name)
    plain = style.render(TALK)
    for key in LOSS_FLAGS:
        rendered = style.render(flagged(key, 0, 1, True, False))
        assert (rendered.text, rendered.spans, rendered.changes) == (plain.text, plain.spans, plain.changes)
