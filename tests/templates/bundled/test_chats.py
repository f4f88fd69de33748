"""Conversations to learn from: the last answer is the completion, and no turn is changed, cut or added."""

import pytest
from hypothesis import given
from support import conversations, real_rows, texts

from preftemplates import get_template
from preftemplates.data.convert import Conversion
from preftemplates.errors import Code, RowError

AS_MESSAGES = {"Messages": "messages", "NoRobots": "messages", "UltraChat": "messages", "Tulu3-sft": "messages"} | {
    "LMSYS-chat-1m": "conversation"
}
AS_TURNS = ("ShareGPT", "SlimOrca", "OpenHermes")
ANSWER = {"role": "assistant", "content": "By the pond."}
SPEAKERS = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}


def turns(messages):
    return [{"from": SPEAKERS[message["role"]], "value": message["content"]} for message in messages]


def whole(sample):
    return [*sample.prompt, *sample.completion]


@pytest.mark.parametrize(("name", "column"), AS_MESSAGES.items())
@given(talk=conversations("system", "user", "assistant"))
def test_the_last_message_is_learnt_and_all_before_it_is_the_prompt(name, column, talk):
    sample = get_template(name).extract({column: [*talk, ANSWER]}, "supervised")
    assert (sample.prompt, sample.completion) == (talk, [ANSWER])


@pytest.mark.parametrize("name", AS_TURNS)
@given(talk=conversations("system", "user", "assistant", "tool"))
def test_the_last_turn_is_learnt_and_speakers_become_roles(name, talk):
    sample = get_template(name).extract({"conversations": turns([*talk, ANSWER])}, "supervised")
    assert (sample.prompt, sample.completion) == (talk, [ANSWER])


@pytest.mark.parametrize(("name", "column"), [*AS_MESSAGES.items(), *((name, "conversations") for name in AS_TURNS)])
@pytest.mark.parametrize("roles", [[], ["user"], ["assistant"], ["user", "assistant", "user"]])
def test_a_conversation_that_does_not_end_with_an_answer_is_refused_and_not_cut(name, column, roles):
    talk = [{"role": role, "content": "Mint?"} for role in roles]
    asks = talk and name in ("Messages", "Conversations", "ShareGPT") and roles[-1] == "user"
    for format in ("supervised",) if asks else ("supervised", "prompt_only"):
        with pytest.raises(RowError) as caught:
            get_template(name).extract({column: turns(talk) if name in AS_TURNS else talk}, format)
        assert caught.value.code == Code.BAD_TURNS


@pytest.mark.parametrize(
    ("speaker", "role"),
    [("human", "user"), ("user", "user"), ("gpt", "assistant"), ("chatgpt", "assistant"), ("observation", "tool")],
)
def test_the_names_that_sharegpt_s_relatives_have_for_speakers_are_known(speaker, role):
    row = {"conversations": [{"from": speaker, "value": "Mint?"}, {"from": "gpt", "value": "Mint."}]}
    assert get_template("ShareGPT").extract(row, "supervised").prompt == [{"role": role, "content": "Mint?"}]


def test_an_unknown_speaker_is_refused_with_the_nearest():
    row = {"conversations": [{"from": "humann", "value": "Mint?"}, {"from": "gpt", "value": "Mint."}]}
    with pytest.raises(RowError, match="Did you mean 'human'") as caught:
        get_template("ShareGPT").extract(row, "supervised")
    assert caught.value.code == Code.BAD_ROLE


@pytest.mark.parametrize("key", ["from", "value"])
def test_a_turn_that_lacks_a_key_is_refused_with_its_place(key):
    turn = {"from": "gpt", "value": "Mint."}
    row = {"conversations": [{"from": "human", "value": "Mint?"}, {**turn, key: None}]}
    with pytest.raises(RowError) as caught:
        get_template("ShareGPT").extract(row, "supervised")
    assert (caught.value.code, caught.value.column) == (Code.MISSING_FIELD, f"conversations[1].{key}")


@given(texts())
def test_a_text_that_is_rendered_knows_the_turn_that_it_came_from(answer):
    row = {"conversations": [{"from": "human", "value": "Mint?"}, {"from": "gpt", "value": answer}]}
    rendered = get_template("ShareGPT").with_style("plain").render(row, "supervised").completion
    told = [span.source for span in rendered.spans if span.kind == "content"]
    assert told == [("conversations[0].value", 0), ("conversations[1].value", 0)][: 2 if answer else None]


# --- real rows -----------------------------------------------------------------------------------------------------

REAL = {
    "fastchat/dummy_conversation.json": ("ShareGPT", 500),
    "torchtune/chat_tiny.json": ("ShareGPT", 1),
    "ms_swift/conversations.jsonl": ("ShareGPT", 3),
    "ms_swift/chatml.jsonl": ("Messages", 3),
    "tinker/conversations.jsonl": ("Messages", 128),
}


@pytest.mark.parametrize(("file", "name", "count"), [(file, *reads) for file, reads in REAL.items()])
def test_all_real_conversations_format(file, name, count):
    conversion = Conversion(real_rows(file), get_template(name), "supervised", on_error="skip")
    results = list(conversion)
    report = conversion.report
    assert (report.rows, report.formatted, len(results)) == (count, count, count)
    assert (report.skipped, report.rejected) == ([], [])


@pytest.mark.parametrize("file", REAL)
def test_fault_9_the_turns_of_real_rows_stay_as_they_are_and_no_system_text_is_added(file):
    name, _ = REAL[file]
    differing = []
    for index, row in enumerate(real_rows(file)):
        sample = get_template(name).extract(row, "supervised")
        before = row["messages"] if name == "Messages" else [turn["value"] for turn in row["conversations"]]
        after = whole(sample) if name == "Messages" else [message["content"] for message in whole(sample)]
        if before != after:
            differing.append(index)
    assert differing == []


@given(texts())
def test_fault_9_a_system_text_is_the_row_s_own_and_where_it_has_none_there_is_none(system):
    ask = {"role": "user", "content": "Mint?"}
    told = {"role": "system", "content": system}
    template = get_template("Messages").with_dialect("trl")
    assert template.format({"messages": [told, ask, ANSWER]}, "supervised")["prompt"] == [told, ask]
    assert template.format({"messages": [ask, ANSWER]}, "supervised")["prompt"] == [ask]


@pytest.mark.parametrize(
    ("answer", "solution", "expected"),
    [("5", None, "5"), (None, "5", "5"), ("", "5", "5"), ("5", "5", "5"), (None, None, None)],
)
def test_a_reference_answer_has_two_names(answer, solution, expected):
    row = {"messages": [{"role": "user", "content": "2+3?"}], "answer": answer, "solution": solution}
    assert get_template("Messages").extract(row, "prompt_only").answer == expected


def test_two_reference_answers_that_differ_are_rejected():
    row = {"messages": [{"role": "user", "content": "2+3?"}], "answer": "4", "solution": "5"}
    with pytest.raises(RowError, match="two columns for one value have '4' and '5'"):
        get_template("Messages").extract(row, "prompt_only")


def test_the_rejected_side_has_the_same_tools_or_the_row_is_rejected():
    talk = [{"role": "user", "content": "Water it."}, {"role": "assistant", "content": "Yes."}]
    other = [talk[0], {"role": "assistant", "content": "No."}]
    row = {
        "messages": talk,
        "rejected_messages": other,
        "tools": '[{"name": "f"}]',
        "rejected_tools": '[{"name": "f"}]',
    }
    assert '"f"' in get_template("ms-swift-pairs").extract(row, "preference").tools
    with pytest.raises(RowError, match="two columns for one value"):
        get_template("ms-swift-pairs").extract({**row, "rejected_tools": '[{"name": "g"}]'}, "preference")


def test_whole_texts_of_align_anything_have_the_prompt_of_their_column():
    row = {"prompt": "Two and two?", "text": "Two and two? Four."}
    (prompt,) = get_template("align-anything-text").extract(row, "prompt_only").prompt
    assert prompt["content"] == "Two and two?"
