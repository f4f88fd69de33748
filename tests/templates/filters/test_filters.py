"""The bundled filters cut conversations, by turns and by slices, and refuse what has no answer."""

import inspect
import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import conversations, outcome, texts

from preftemplates.core.provenance import Traced
from preftemplates.errors import Code, RowError
from preftemplates.templates.expressions import FILTERS
from preftemplates.templates.filters.shared_prompts import (
    after_history,
    after_prompt,
    before_last_answer,
    common_history,
    with_prompt,
)
from preftemplates.templates.filters.transcripts import human_assistant_turns

MARKS = {"user": "\n\nHuman: ", "assistant": "\n\nAssistant: "}
unmarked = texts().map(lambda text: re.sub("(Human|Assistant): ", r"\1; ", text) + ".")
turns = st.lists(st.tuples(st.sampled_from(sorted(MARKS)), unmarked), min_size=1, max_size=6)


def transcript(turns):
    return "".join(MARKS[role] + content for role, content in turns)


@given(turns)
def test_a_transcript_read_as_turns_is_the_turns_it_was_written_from(turns):
    read = human_assistant_turns(transcript(turns))
    assert [(turn["role"], turn["content"]) for turn in read] == turns


@given(
    st.lists(texts() | st.sampled_from([*MARKS.values(), "Human: ", "\nHuman: ", "\n\nHuman:"]), max_size=8).map(
        "".join
    )
)
def test_any_transcript_rejoins_from_its_turns_byte_for_byte_or_is_refused(text):
    read = outcome(human_assistant_turns, text)
    if text.startswith(tuple(MARKS.values())):
        assert transcript([(turn["role"], turn["content"]) for turn in read]) == text
    else:
        assert read.code == Code.BAD_TURNS


@pytest.mark.parametrize("text", ["", "Human: Hi", " \n\nHuman: Hi", "\nHuman: Hi", "\n\nHuman:Hi", "\n\nhuman: Hi"])
def test_a_transcript_that_begins_in_mid_turn_is_refused(text):
    with pytest.raises(RowError, match="the transcript begins with") as caught:
        human_assistant_turns(text)
    assert caught.value.code == Code.BAD_TURNS


@given(turns)
def test_the_turns_of_a_traced_transcript_are_slices_of_it(turns):
    text = transcript(turns)
    for turn in human_assistant_turns(Traced.whole(text, "chosen")):
        (piece,) = turn["content"].pieces
        assert (piece.origin, text[piece.offset :][: len(turn["content"])]) == ("chosen", turn["content"])


@given(conversations("user", "assistant"), conversations("user", "assistant"))
def test_what_stands_before_the_last_answers_is_shared_or_refused(one, other):
    ends = one[-1]["role"] == other[-1]["role"] == "assistant"
    if ends and one[:-1] == other[:-1] and asks(one[:-1]):
        assert before_last_answer(one, other) == one[:-1]
    else:
        with pytest.raises(RowError) as caught:
            before_last_answer(one, other)
        assert caught.value.code == (Code.PROMPT_MISMATCH if ends else Code.BAD_TURNS)


def asks(turns):
    return any(turn["role"] == "user" for turn in turns)


few = st.lists(st.sampled_from([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]), max_size=5)


@given(few, few, few)
def test_a_history_is_the_longest_whole_turns_that_leave_each_side_an_answer(shared, one, other):
    one, other = shared + one, shared + other
    history = outcome(common_history, one, other)
    if not (one and other):
        assert history.code == Code.BAD_TURNS
        return
    same = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one) + len(other))
    length = min(same, len(one) - 1, len(other) - 1)
    if one[length]["role"] == other[length]["role"] == "assistant" and asks(one[:length]):
        assert history == one[:length] == other[:length]
        assert [after_history(one, other), after_history(other, one)] == [one[length:], other[length:]]
    else:
        assert history.code == Code.PROMPT_MISMATCH


ASK, ANSWER = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}
SYSTEM = {"role": "system", "content": "Be brief."}


@pytest.mark.parametrize(
    "turn",
    [
        {**ASK, "timestamp": 7, "turn_id": "a"},
        {**ASK, "tool_calls": None, "name": None},
        {"role": "user", "content": [{"type": "text", "text": "Hi", "image": None}]},
    ],
    ids=str,
)
def test_metadata_nulls_and_a_text_part_make_no_other_history(turn):
    other = {**ANSWER, "content": "Bye"}
    for filter in (common_history, before_last_answer):
        assert filter([ASK, ANSWER], [turn, other]) == [ASK]
        assert filter([turn, other], [ASK, ANSWER]) == [turn]
    assert after_history([turn, other], [ASK, ANSWER]) == [other]


@pytest.mark.parametrize("shared", [[], [SYSTEM], [ANSWER], [SYSTEM, ANSWER]], ids=len)
def test_a_history_in_which_nobody_asks_is_no_prompt(shared):
    for filter in (common_history, after_history, before_last_answer):
        read = outcome(filter, [*shared, ANSWER], [*shared, {**ANSWER, "content": "Bye"}])
        assert read.code == Code.PROMPT_MISMATCH
        assert "share no user turn" in str(read)


@pytest.mark.parametrize(
    ("prompt", "is_held"),
    [
        (None, True), ("", True), ([], True), ("Hi", True), ("Be brief.", True), ([ASK], True),
        ([{**ASK, "time": 1}], True), ([SYSTEM, ASK], True), ("Hi ", False), ("Bye", False), ([ANSWER], False),
        ([ASK, SYSTEM], False), ({"a": 1}, False),
    ],
)  # fmt: skip
def test_a_prompt_next_to_conversations_is_in_their_history_or_they_are_refused(prompt, is_held):
    history = [SYSTEM, ASK]
    read = outcome(with_prompt, history, prompt)
    assert read == history if is_held else (read.code, read.column) == (Code.PROMPT_MISMATCH, "prompt")


@pytest.mark.parametrize(
    ("prompt", "is_held"), [(None, True), ("", True), ("Two", True), ("two", False), ([ASK], False)]
)
def test_a_prompt_next_to_whole_texts_opens_them_or_they_are_refused(prompt, is_held):
    read = outcome(after_prompt, "Two and two", prompt)
    assert read == "Two and two" if is_held else (read.code, read.column) == (Code.PROMPT_MISMATCH, "prompt")


def test_two_equal_conversations_share_all_but_the_last_answer():
    talk = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    assert (common_history(talk, talk), after_history(talk, talk)) == (talk[:1], talk[1:])


@given(conversations("user", "assistant"), conversations("user", "assistant"))
def test_filters_write_to_nothing_they_are_given(one, other):
    before = [[dict(message) for message in side] for side in (one, other)]
    for filter in (common_history, after_history, before_last_answer):
        try:
            result = filter(one, other)
        except RowError:
            continue
        assert result is not one
        result.append(None)
        assert [one, other] == before


@pytest.mark.parametrize("nothing", [[], "", {}, [[]], [{}]], ids=repr)
@pytest.mark.parametrize("name", FILTERS.names())
def test_a_value_with_nothing_in_it_is_read_or_is_a_row_error(name, nothing):
    """A value of another type than the declared one may raise TypeError or AttributeError: types come first."""
    function = FILTERS.get(name)
    required = [each for each in inspect.signature(function).parameters.values() if each.default is each.empty]
    with suppress(RowError, TypeError, AttributeError):
        function(*[nothing] * len(required))
