"""The chat API's messages and tools: ids of calls, arguments as text, and what the API refuses."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preftemplates.dialects.chat_api import spell_api_messages, spell_api_tools
from preftemplates.dialects.message_views import MESSAGE_VIEWS, MessageKeys
from preftemplates.errors import Code, RowError

ASKED = {"role": "user", "content": "q"}


def call(name="f", arguments=None, **more):
    return {"type": "function", "function": {"name": name, "arguments": arguments or {}}, **more}


def calls(*made, **more):
    return {"role": "assistant", "tool_calls": list(made), **more}


def answer(content="4", **more):
    return {"role": "tool", "content": content, **more}


def ids(talk):
    spelled = spell_api_messages(talk)
    made = [one["id"] for message in spelled for one in message.get("tool_calls", [])]
    return made, [message["tool_call_id"] for message in spelled if message["role"] == "tool"]


def get_refusal(talk):
    with pytest.raises(RowError) as caught:
        spell_api_messages(talk)
    return caught.value.code, caught.value.reason


# --- ids -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 3), max_size=4))
def test_calls_are_numbered_over_the_conversation_and_answered_in_order(sizes):
    talk = [turn for size in sizes for turn in [ASKED, calls(*[call()] * size), *[answer()] * size]]
    expected = [f"call_{number}" for number in range(sum(sizes))]
    assert ids(talk) == (expected, expected)
    assert spell_api_messages(talk) == spell_api_messages(talk)


def test_an_id_that_the_row_brings_is_kept_and_no_new_id_is_the_same():
    talk = [ASKED, calls(call(id="call_1"), call(), call()), answer(), answer(), answer()]
    assert ids(talk) == (["call_1", "call_0", "call_2"],) * 2


def test_an_answer_that_names_its_call_is_its_answer_and_the_others_follow_in_order():
    talk = [ASKED, calls(call(id="a"), call(id="b"), call(id="c")), answer(tool_call_id="b"), answer(), answer()]
    assert ids(talk)[1] == ["b", "a", "c"]


def test_the_same_id_may_be_used_again_in_another_turn_and_not_in_the_same():
    turn = [calls(call(id="x")), answer(tool_call_id="x")]
    assert ids([*turn, *turn]) == (["x", "x"], ["x", "x"])
    assert get_refusal([calls(call(id="x"), call(id="x"))]) == (
        Code.UNSUPPORTED_CONTENT,
        "message 0: two calls have the same id",
    )


def test_a_response_goes_on_with_the_numbers_of_its_prompt():
    prompt = [ASKED, calls(call()), answer()]
    for name, kind in (("openai_messages", list), ("openai_message", dict)):
        built = MESSAGE_VIEWS[name].build([calls(call())], MessageKeys(), prompt)
        message = built if kind is dict else built[0]
        assert message["tool_calls"][0]["id"] == "call_1"


def test_a_tool_s_name_is_checked_and_not_written():
    spelled = spell_api_messages([calls(call("f")), answer(name="f")])
    assert spelled[1] == {"role": "tool", "content": "4", "tool_call_id": "call_0"}
    code, reason = get_refusal([calls(call("f")), answer(name="g")])
    assert (code, reason) == (Code.BAD_TURNS, "message 1 is of the tool 'g' but answers a call of 'f'")


# --- calls ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (call(arguments={"a": [1, "é"]}), '{"a": [1, "é"]}'),
        (call(arguments='{"a":  1}'), '{"a":  1}'),
        ({"name": "f"}, "{}"),
        ({"name": "f", "arguments": None}, "{}"),
        ({"name": "f", "arguments": {"a": None}}, '{"a": null}'),
    ],
    ids=str,
)
def test_arguments_are_the_text_of_a_json_object(made, text):
    (message,) = spell_api_messages([calls(made)])
    assert message["tool_calls"][0]["function"] == {"name": "f", "arguments": text}
    assert "content" not in message


@pytest.mark.parametrize(
    "made",
    [
        call(arguments="not JSON"), call(arguments="[1]"), call(arguments={"a": float("nan")}), call(arguments=[1]),
        call(arguments='{"a": NaN}'), call(name="has space"), call(name="x" * 65), call(name=None), {"arguments": {}},
        call(id=5), call(id=""), {**call(), "type": "custom"}, {**call(), "index": 0}, {"function": "f"},
    ],
    ids=str,
)  # fmt: skip
def test_a_call_that_the_api_refuses_is_refused(made):
    assert get_refusal([ASKED, calls(made)])[0] is Code.UNSUPPORTED_CONTENT


def test_an_empty_list_of_calls_is_left_out():
    assert spell_api_messages([{**calls(), "content": "a"}]) == [{"role": "assistant", "content": "a"}]
    assert get_refusal([{**calls(), "content": None}])[0] is Code.MISSING_FIELD


# --- turns and contents --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("talk", "reason"),
    [
        ([ASKED, answer()], "message 1 answers no call"),
        ([calls(call()), answer(), answer()], "message 2 answers no call"),
        ([calls(call(id="a")), answer(tool_call_id="b")], "message 1 answers the unknown call 'b'"),
        ([calls(call("f")), ASKED], "message 1 follows a call of 'f' that has no answer"),
        ([calls(call("f"), call("g")), answer(), ASKED], "message 2 follows a call of 'g' that has no answer"),
        ([calls(call(), call()), answer()], "message 1 is the last one, but a call has no answer"),
    ],
)
def test_calls_and_answers_that_do_not_match_are_refused(talk, reason):
    assert get_refusal(talk) == (Code.BAD_TURNS, reason)


def test_a_conversation_may_end_with_calls():
    assert ids([ASKED, calls(call(), call())]) == (["call_0", "call_1"], [])


URLS = [
    {"url": "local.png"},
    "local.png",
    {"url": None},
    {"url": ""},
    {"foo": 1},
    "file:///a.png",
    "data:text/plain,a",
]
"""What is no URL of an image that the API takes."""


@pytest.mark.parametrize(
    "message",
    [
        {"role": "assistant", "content": "a", "reasoning_content": "hm"}, {**ASKED, "images": ["x"]},
        {**ASKED, "tool_calls": [call()]}, {"role": "assistant", "content": "a", "function_call": {"name": "f"}},
        {"role": "user", "content": [{"type": "image", "url": "x"}]},
        *({"role": "user", "content": [{"type": "image_url", "image_url": url}]} for url in URLS),
        {"role": "system", "content": [{"type": "image_url", "image_url": {"url": "x"}}]},
        {"role": "user", "content": [{"type": "text", "text": "x", "index": 0}]},
    ],
    ids=str,
)  # fmt: skip
def test_what_the_api_has_no_key_for_is_refused(message):
    assert get_refusal([message])[0] is Code.UNSUPPORTED_CONTENT


def test_parts_that_the_api_has_are_kept():
    parts = [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "https://x/a.png"}}]
    assert spell_api_messages([{"role": "user", "content": parts}]) == [{"role": "user", "content": parts}]


def test_another_role_is_refused():
    assert get_refusal([{"role": "critic", "content": "x"}])[0] is Code.BAD_ROLE


def test_messages_for_a_table_hold_texts_only():
    flat = MESSAGE_VIEWS["flat_messages"].build
    thought = {"role": "assistant", "content": "a", "reasoning_content": "hm"}
    assert flat([ASKED, thought], MessageKeys()) == [ASKED, thought]
    for message in (calls(call()), {"role": "user", "content": [{"type": "text", "text": "x"}]}):
        with pytest.raises(RowError, match="reads messages as a table") as caught:
            flat([message], MessageKeys())
        assert caught.value.code is Code.UNSUPPORTED_CONTENT


# --- tools ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("kind", [{}, {"type": "function"}])
def test_tools_are_functions_however_they_are_written(wrapped, kind):
    function = {
        "name": "f",
        "description": "d",
        "parameters": {"type": "object", "properties": {"a": {"type": "null"}}},
    }
    tool = {**kind, "function": function} if wrapped else {**kind, **function}
    assert spell_api_tools(json.dumps([tool])) == [{"type": "function", "function": function}]


@pytest.mark.parametrize(
    "tool",
    [
        {"name": "a b"}, {}, {"type": "web_search"}, {"name": "f", "required": []},
        {"function": {"name": "f"}, "id": 1}, {"name": "f", "parameters": []},
        {"name": "f", "parameters": {"type": "dict"}},
        {"name": "f", "parameters": {"properties": {"a": {"type": "str"}}}},
        {"name": "f", "parameters": {"properties": {"a": {"type": "array", "items": {"type": ["string", "any"]}}}}},
        {"name": "f", "parameters": {"properties": {"a": {"anyOf": [{"type": "None"}]}}}},
    ],
    ids=str,
)  # fmt: skip
def test_a_tool_that_the_api_refuses_is_refused(tool):
    with pytest.raises(RowError) as caught:
        spell_api_tools(json.dumps([{"name": "ok"}, tool]))
    assert caught.value.code is Code.UNSUPPORTED_CONTENT
    assert "tools[1]" in caught.value.reason


def test_a_property_may_be_called_type():
    parameters = {"type": "object", "properties": {"type": {"type": "string"}, "items": {"type": "number"}}}
    assert spell_api_tools(json.dumps([{"name": "f", "parameters": parameters}]))


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
        {"type": "image", "base64": "iVBORw0KGgo="},
        {"type": "image", "image": b"\x89PNG\r\n\x1a\n"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
    ],
    ids=str,
)
def test_an_image_that_is_written_out_is_a_data_url(part):
    (message,) = spell_api_messages([{"role": "user", "content": [part]}])
    url = "data:image/png;base64,iVBORw0KGgo="
    assert message["content"] == [{"type": "image_url", "image_url": {"url": url}}]


def test_an_image_of_anthropic_may_be_a_url():
    part = {"type": "image", "source": {"type": "url", "url": "https://x/a.png"}}
    (message,) = spell_api_messages([{"role": "user", "content": [part]}])
    assert message["content"] == [{"type": "image_url", "image_url": {"url": "https://x/a.png"}}]
