"""Views: the forms in which a dialect asks for messages, and what it has no room for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import conversations, texts

from preftemplates import Dialect, Message, PromptOnly, RowModel, Supervised, Template, messages
from preftemplates.dialects.message_views import MESSAGE_VIEWS, MessageKeys
from preftemplates.errors import Code, DefinitionError, RowError

SYSTEM, ASKED, SAID = (
    {"role": role, "content": text} for role, text in (("system", "s"), ("user", "q"), ("assistant", "a"))
)
CALL = {**SAID, "tool_calls": [{"name": "f"}]}
PARTS = {"role": "user", "content": [{"type": "image", "url": "x"}]}
PLAIN = MessageKeys()
GPT = MessageKeys("from", "value", (("system", "system"), ("user", "human"), ("assistant", "gpt")), only=True)


def build_view(name, talk, keys=PLAIN):
    return MESSAGE_VIEWS[name].build(talk, keys)


def get_refusal_code(name, talk, keys=PLAIN):
    with pytest.raises(RowError) as caught:
        build_view(name, talk, keys)
    return caught.value.code


def make_talk_template(talk):
    """A template of one conversation, with a reply after it."""

    class Talk(Template):
        class Row(RowModel):
            talk: list[Message]
            reply: str

        prompt_only = PromptOnly(prompt=messages("{{ talk }}"))
        supervised = Supervised(prompt=messages("{{ talk }}"), completion="{{ reply }}")

    return Talk(), {"talk": talk, "reply": "yes"}


# --- what each yields ----------------------------------------------------------------------------------------------


@given(conversations("system", "user", "assistant", "tool"))
def test_all_messages_are_the_messages(talk):
    assert build_view("messages", talk) == talk
    assert all(copy is not message for copy, message in zip(build_view("messages", talk), talk, strict=True))


@given(conversations("system", "user", "assistant"))
def test_a_system_message_that_opens_and_what_follows_it_are_the_conversation(talk):
    opens = talk[0]["role"] == "system"
    assert build_view("system", talk) == (talk[0]["content"] if opens else "")
    assert build_view("without_system", talk) == (talk[1:] if opens else talk)


def test_of_no_messages_there_is_no_system_message():
    assert (build_view("system", []), build_view("without_system", []), build_view("messages", [])) == ("", [], [])


@given(st.lists(st.tuples(texts(), texts()), max_size=3), texts(), st.booleans())
def test_history_and_question_are_the_whole_conversation_in_turn(pairs, last, opens):
    turns = [
        {"role": role, "content": text}
        for pair in pairs
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]
    talk = [SYSTEM] * opens + [*turns, {"role": "user", "content": last}]
    assert build_view("history", talk) == [list(pair) for pair in pairs]
    assert build_view("question", talk) == last


@pytest.mark.parametrize(
    "talk",
    [
        [],
        [SYSTEM],
        [SAID],
        [ASKED, SAID],
        [ASKED, ASKED],
        [SAID, ASKED],
        [ASKED, SYSTEM, ASKED],
        [SYSTEM, SYSTEM, ASKED],
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["history", "question"])
def test_turns_that_do_not_alternate_have_no_history(name, talk):
    assert get_refusal_code(name, talk) is Code.BAD_TURNS


@given(st.sampled_from(["user", "assistant", "system"]), texts())
def test_one_message_is_the_only_one_and_its_content_the_text(role, text):
    talk = [{"role": role, "content": text}]
    assert build_view("message", talk) == talk[0]
    assert build_view("content", talk) == text


@pytest.mark.parametrize("name", ["message", "content"])
@pytest.mark.parametrize("talk", [[], [ASKED, SAID]], ids=["none", "two"])
def test_one_message_is_not_none_and_not_two(name, talk):
    assert get_refusal_code(name, talk) is Code.BAD_TURNS


@pytest.mark.parametrize(
    ("name", "talk"),
    [
        ("content", [CALL]), ("content", [PARTS]), ("content", [{"role": "assistant", "name": "x"}]),
        ("system", [{**SYSTEM, "name": "x"}]), ("question", [PARTS]), ("question", [{**ASKED, "images": ["x"]}]),
        ("history", [PARTS, SAID, ASKED]), ("history", [ASKED, CALL, ASKED]), ("question", [ASKED, CALL, ASKED]),
    ],
    ids=str,
)  # fmt: skip
def test_where_there_is_room_for_text_only_nothing_else_is_dropped_in_silence(name, talk):
    assert get_refusal_code(name, talk) is Code.UNSUPPORTED_CONTENT


def test_messages_keep_calls_and_parts():
    talk = [PARTS, {"role": "assistant", "tool_calls": [{"name": "f"}]}, {"role": "tool", "content": "4"}]
    assert build_view("messages", talk) == talk
    assert build_view("message", [CALL]) == CALL


# --- how a message is spelled --------------------------------------------------------------------------------------


@given(conversations("system", "user", "assistant"))
def test_roles_and_keys_are_the_framework_s_and_contents_stay(talk):
    names = {"system": "system", "user": "human", "assistant": "gpt"}
    assert build_view("messages", talk, GPT) == [
        {"from": names[message["role"]], "value": message["content"]} for message in talk
    ]


@pytest.mark.parametrize("role", ["tool", "developer"])
def test_a_role_that_the_framework_has_no_name_for_is_refused(role):
    assert get_refusal_code("messages", [ASKED, {"role": role, "content": "x"}], GPT) is Code.BAD_ROLE
    assert build_view("messages", [{"role": role, "content": "x"}], MessageKeys("from", "value")) == [
        {"from": role, "value": "x"}
    ]


@pytest.mark.parametrize("message", [CALL, {**SAID, "name": "x"}, {**SAID, "reasoning_content": "hm"}], ids=str)
def test_a_framework_with_names_for_roles_has_no_place_for_more_than_a_content(message):
    assert get_refusal_code("messages", [message], GPT) is Code.UNSUPPORTED_CONTENT
    rest = {key: value for key, value in message.items() if key != "role"}
    assert build_view("messages", [message], MessageKeys("from")) == [{"from": "assistant", **rest}]


@pytest.mark.parametrize(
    "message", [{**SAID, "value": "other"}, {"value": "other", **SAID}, {**SAID, "from": "other"}], ids=str
)
def test_a_key_of_the_data_does_not_take_the_place_of_the_role_or_the_content(message):
    assert get_refusal_code("messages", [message], MessageKeys("from", "value")) is Code.UNSUPPORTED_CONTENT
    assert build_view("messages", [message]) == [message]


def test_a_dialect_spells_messages_wherever_its_tables_ask_for_them():
    class Mine(Dialect):
        role_key = "who"
        content_key = "text"
        roles = {"user": "you", "assistant": "me"}
        prompt_only = {"all": "prompt.messages", "one": "prompt.message"}
        supervised = {"talk": "prompt+completion.messages"}

    template, row = make_talk_template([ASKED])
    assert template.with_dialect(Mine()).format(row, "prompt_only") == {
        "all": [{"who": "you", "text": "q"}], "one": {"who": "you", "text": "q"},
    }  # fmt: skip
    talk = template.with_dialect(Mine()).format(row, "supervised")["talk"]
    assert talk == [{"who": "you", "text": "q"}, {"who": "me", "text": "yes"}]
    template, row = make_talk_template([SYSTEM, ASKED])
    with pytest.raises(RowError, match="no turn for the role 'system'") as caught:
        template.with_dialect(Mine()).format(row, "supervised")
    assert (caught.value.code, caught.value.format) == (Code.BAD_ROLE, "supervised")


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"roles": {"usr": "human"}}, "Mine.roles: 'usr' is not a role. Did you mean 'user'?"),
        ({"roles": {"user": 5}}, "Mine.roles: expected text as the name of user"),
        ({"roles": ["user"]}, "Mine: role_key and content_key must be texts, and roles a mapping of roles to names"),
        ({"role_key": 5}, "Mine: role_key and content_key must be texts"),
        ({"content_key": None}, "Mine: role_key and content_key must be texts"),
        ({"role_kye": "from"}, "Mine.role_kye: there is no such dataset type. Did you mean 'role_key'?"),
    ],
)
def test_a_spelling_that_is_declared_wrongly_is_refused(parts, message):
    with pytest.raises(DefinitionError) as caught:
        type("Mine", (Dialect,), {"__module__": __name__, "prompt_only": {"a": "prompt.messages"}, **parts})
    assert str(caught.value).startswith(message)


def test_a_spelling_is_a_part_of_what_a_dialect_is():
    def declare(**parts):
        return type("Mine", (Dialect,), {"__module__": __name__, "prompt_only": {"a": "prompt.messages"}, **parts})()

    different = [declare(), declare(role_key="from"), declare(content_key="value"), declare(roles={"user": "human"})]
    assert len({dialect.digest for dialect in different}) == len(different) == len(set(different))
    assert declare(role_key="role") == declare()


# --- turns that alternate, and calls as text -------------------------------------------------------------------------

RESULT = {"role": "tool", "content": "12"}
WATER = {"type": "function", "function": {"name": "water", "arguments": {"herb": "dill"}}}
CALLING = {"role": "assistant", "content": None, "tool_calls": [WATER]}
CALLS = MessageKeys("from", "value", (*GPT.roles, ("tool", "observation")), only=True, calls_role="function_call")


@pytest.mark.parametrize(
    ("talk", "asking", "answering"),
    [
        ([ASKED], True, False),
        ([SYSTEM, ASKED], True, False),
        ([ASKED, SAID], False, True),
        ([SYSTEM, ASKED, CALLING, RESULT], True, False),
        ([ASKED, CALLING, RESULT, SAID], False, True),
        ([], False, False),
        ([SYSTEM], False, False),
        ([SAID], False, False),
        ([ASKED, ASKED], False, False),
        ([ASKED, SAID, SAID], False, False),
        ([ASKED, SYSTEM, ASKED], False, False),
        ([ASKED, CALLING, RESULT, RESULT, SAID], False, False),
    ],
)
def test_turns_that_do_not_alternate_are_refused(talk, asking, answering):
    for name, fits in (("asking", asking), ("answering", answering)):
        if fits:
            assert build_view(name, talk, CALLS) == build_view("messages", talk, CALLS)
        else:
            assert get_refusal_code(name, talk, CALLS) == Code.BAD_TURNS


@pytest.mark.parametrize(
    ("calls", "text"),
    [
        ([WATER], '{"name": "water", "arguments": {"herb": "dill"}}'),
        ([{"function": {"name": "f", "arguments": {}}}], '{"name": "f", "arguments": {}}'),
        ([WATER, {"function": {"name": "é", "arguments": {}}}], '[{"name": "water", "arguments": {"herb": "dill"}}, '
         '{"name": "é", "arguments": {}}]'),
    ],
)  # fmt: skip
def test_a_turn_that_calls_holds_the_calls_as_text(calls, text):
    for extra in ({}, {"content": None}, {"content": ""}):
        message = {"role": "assistant", **extra, "tool_calls": calls}
        assert build_view("messages", [message], CALLS) == [{"from": "function_call", "value": text}]


@pytest.mark.parametrize(
    "message",
    [
        {**CALLING, "content": "Let me see."},
        {**CALLING, "reasoning_content": "Hm."},
        {**CALLING, "tool_calls": [{**WATER, "id": "call_1"}]},
        {**CALLING, "tool_calls": [{"type": "function", "function": {"name": "f"}}]},
        {**CALLING, "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {**CALLING, "tool_calls": [{"type": "custom", "function": {"name": "f", "arguments": {}}}]},
        {**CALLING, "tool_calls": ["f"]},
        {**RESULT, "tool_call_id": "call_1"},
    ],
)
def test_what_a_text_of_calls_has_no_place_for_is_refused(message):
    assert get_refusal_code("messages", [message], CALLS) == Code.UNSUPPORTED_CONTENT


@pytest.mark.parametrize(
    ("prompt", "dialogue", "conversation"),
    [
        ([ASKED], None, None),
        ([ASKED, SAID, ASKED], None, None),
        ([SYSTEM, ASKED], "bad_turns", None),
        ([], "bad_turns", "bad_turns"),
        ([SYSTEM], "bad_turns", "bad_turns"),
        ([ASKED, ASKED], "bad_turns", "bad_turns"),
        ([ASKED, SYSTEM, ASKED], "bad_turns", "bad_turns"),
        ([ASKED, CALL, ASKED], "unsupported_content", "unsupported_content"),
    ],
)
def test_a_dialogue_is_questions_and_answers_in_turn_and_a_conversation_may_open_with_a_system_message(
    prompt, dialogue, conversation
):
    sample = Supervised(prompt=prompt, completion=[SAID])
    for view, code in (("dialogue", dialogue), ("conversation", conversation)):

        class Views(Dialect):
            supervised = {"talk": f"prompt+completion.{view}"}

        if code is None:
            assert Views().spell(sample, None) == {"talk": [*prompt, SAID]}
        else:
            with pytest.raises(RowError) as caught:
                Views().spell(sample, None)
            assert caught.value.code == code
