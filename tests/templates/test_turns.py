"""A declared field is turns: bare texts, messages, and messages that an expression yields."""

import pickle
import sys
from collections import UserDict
from datetime import date
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import texts

from preftemplates import Style, get_style, messages
from preftemplates.core.messages import ROLES, check_roles, normalise_message
from preftemplates.core.provenance import Traced
from preftemplates.errors import Code, DefinitionError, RowError
from preftemplates.templates.turns import Filler, read_turns

USER = {"role": "user", "content": "Hi"}


def filled(source, role="user", **columns):
    return Filler(read_turns(source, role)).fill(columns)


def failure(source, **columns):
    with pytest.raises(RowError) as caught:
        filled(source, **columns)
    return caught.value


@pytest.mark.parametrize("role", ["user", "assistant"])
def test_a_bare_text_is_one_turn_whose_role_follows_from_its_place(role):
    assert filled("{{ a }}!", role, a="x") == [{"role": role, "content": "x!"}]


@given(st.lists(st.sampled_from(["text", "message", "messages"]), max_size=5), texts())
def test_several_turns_are_a_list_of_texts_messages_and_spliced_messages(kinds, content):
    spliced = [{"role": "tool", "content": "t"}, {"role": "user", "content": content}]
    sources = {
        "text": ("{{ a }}", [{"role": "user", "content": content}]),
        "message": ({"role": "system", "content": "{{ a }}"}, [{"role": "system", "content": content}]),
        "messages": (messages("{{ m }}"), spliced),
    }
    wanted = [message for kind in kinds for message in sources[kind][1]]
    assert filled([sources[kind][0] for kind in kinds], a=content, m=spliced) == wanted


def test_lists_in_lists_are_one_list_of_turns():
    assert read_turns(["a", ["b", [messages("{{ c }}")]]], "user") == read_turns(
        ["a", "b", messages("{{ c }}")], "user"
    )


@pytest.mark.parametrize("yielded", [[], ()])
def test_messages_that_yield_nothing_are_an_optional_turn(yielded):
    assert filled([messages("{{ m }}"), "{{ a }}"], m=yielded, a="x") == [{"role": "user", "content": "x"}]


def test_a_message_may_have_further_keys_and_each_is_an_expression():
    calls = [{"name": "f"}]
    source = {"role": "assistant", "content": "{{ c }}", "tool_calls": "{{ calls }}", "name": "Bot"}
    assert filled(source, c="x", calls=calls) == [
        {"role": "assistant", "content": "x", "tool_calls": calls, "name": "Bot"}
    ]


def test_a_key_that_holds_none_counts_as_absent():
    source = {"role": "assistant", "content": "{{ c }}", "tool_calls": "{{ calls }}"}
    assert filled(source, c="x", calls=None) == [{"role": "assistant", "content": "x"}]
    yielded = [{"role": "user", "content": "x", "name": None, "tool_calls": None}]
    assert filled(messages("{{ m }}"), m=yielded) == [{"role": "user", "content": "x"}]


@pytest.mark.parametrize("kind", [dict, UserDict, MappingProxyType], ids=lambda kind: kind.__name__)
def test_a_message_is_read_from_any_mapping_and_never_written_to(kind):
    message = kind({"role": "user", "content": "x", "name": None})
    before = dict(message)
    assert filled(messages("{{ m }}"), m=[message]) == [{"role": "user", "content": "x"}]
    assert dict(message) == before


def test_the_role_is_plain_text_and_the_content_knows_its_cell():
    message = {"role": Traced.whole("user", "m[0].role"), "content": Traced.whole("x", "m[0].content")}
    (normal,) = filled(messages("{{ m }}"), m=[message])
    assert type(normal["role"]) is str
    assert normal["content"].pieces[0].origin == "m[0].content"


# --- refused when it is declared -----------------------------------------------------------------------------------


@pytest.mark.parametrize("source", [5, None, 1.5, b"text", object(), {"a"}], ids=lambda value: type(value).__name__)
def test_what_is_no_turn_is_refused(source):
    with pytest.raises(DefinitionError, match="expected text, a message, messages"):
        read_turns(source, "user")


@pytest.mark.parametrize(
    ("role", "guess"),
    [("usr", "'user'"), ("User", "'user'"), ("assistant ", "'assistant'"), ("human", None), (None, None), (5, None)],
)
def test_a_role_outside_the_closed_set_is_refused_with_the_nearest(role, guess):
    with pytest.raises(DefinitionError, match="system, developer, user, assistant, tool; got") as caught:
        read_turns({"role": role, "content": "x"}, "user")
    assert (f"Did you mean {guess}?" in str(caught.value)) == bool(guess)


@pytest.mark.parametrize("value", [None, 5, ["x"], {"type": "text"}], ids=str)
def test_a_key_of_a_declared_message_is_text(value):
    with pytest.raises(DefinitionError, match=r"'content' of a message is text or an \{\{ expression \}\}"):
        read_turns({"role": "user", "content": value}, "user")


def test_a_declared_message_has_a_role():
    with pytest.raises(DefinitionError, match="the role of a message is one of"):
        read_turns({"content": "x"}, "user")


def test_a_declared_message_has_content_of_some_kind():
    with pytest.raises(DefinitionError):
        read_turns({"role": "user"}, "user")


@pytest.mark.parametrize("expression", ["Hi", "", "{{ a }} and {{ b }}", "{{ a }}\n", 5, None])
def test_messages_come_from_one_expression_and_nothing_else(expression):
    with pytest.raises(DefinitionError):
        Filler(read_turns(messages(expression), "user"))


# --- refused on a row ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["text", 5, None, {"role": "user"}, {"a"}], ids=str)
def test_what_is_no_list_of_messages_is_refused(value):
    error = failure(messages("{{ m }}"), m=value)
    assert error.code == Code.WRONG_TYPE
    assert "needs a list of messages" in str(error)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("Hi", Code.WRONG_TYPE),
        (None, Code.WRONG_TYPE),
        (["user", "Hi"], Code.WRONG_TYPE),
        ({}, Code.BAD_ROLE),
        ({"content": "Hi"}, Code.BAD_ROLE),
        ({"role": None, "content": "Hi"}, Code.BAD_ROLE),
        ({"role": 5, "content": "Hi"}, Code.BAD_ROLE),
        ({"role": "user"}, Code.MISSING_FIELD),
        ({"role": "user", "content": None}, Code.MISSING_FIELD),
        ({"role": "user", "content": None, "name": None}, Code.MISSING_FIELD),
        ({"role": "user", "content": 5}, Code.WRONG_TYPE),
        ({"role": "user", "content": {"type": "text"}}, Code.WRONG_TYPE),
    ],
    ids=str,
)
def test_what_is_no_message_is_refused_with_its_place_in_the_list(message, code):
    error = failure(messages("{{ m }}"), m=[USER, message])
    assert error.code == code
    assert "message 1" in str(error)


CYCLIC = []
CYCLIC += [CYCLIC, CYCLIC]
SHARED = ["a"]
for _ in range(60):
    SHARED = [SHARED, SHARED]


def nested(depth):
    value = "x"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        ({1: 2}, Code.WRONG_TYPE, "message 1 has the key 1; a key is text"),
        ({"x": {1: 2}}, Code.WRONG_TYPE, "message 1: x has the key 1; a key is text"),
        ({"x": [{"a.b": ({None: 2},)}]}, Code.WRONG_TYPE, 'message 1: x[0]["a.b"][0] has the key None'),
        ({"x": {("a",): 2}}, Code.WRONG_TYPE, "message 1: x has the key ('a',)"),
        ({"x": 10**4300}, Code.BAD_NUMBER, "message 1: x is a number of more than 4,300 digits"),
        ({"x": [-(10**5000)]}, Code.BAD_NUMBER, "message 1: x[0] is a number of more than 4,300 digits"),
        ({"x": -(10**4300)}, Code.BAD_NUMBER, "message 1: x is a number of more than 4,300 digits"),
        ({"x": nested(251)}, Code.TOO_DEEP, "message 1: x is nested more than 250 deep"),
        ({"x": {"y": nested(250)}}, Code.TOO_DEEP, "message 1: x is nested more than 250 deep"),
        ({"x": nested(5000)}, Code.TOO_DEEP, "message 1: x is nested more than 250 deep"),
        ({"x": {"y": CYCLIC}}, Code.TOO_DEEP, "message 1: x is nested more than 250 deep"),
        ({"x": SHARED}, Code.TOO_DEEP, "message 1: x holds more than 1,000,000 values"),
        ({"content": "a\udc80"}, Code.BAD_TEXT, "message 1: content holds a lone surrogate"),
        ({"content": [{"type": "text", "text": "\ud83e\udeb4"}]}, Code.BAD_TEXT, "message 1: content[0].text holds"),
        ({"x": {"\ud800": 1}}, Code.BAD_TEXT, "message 1: x has the key '\\ud800', which holds a lone surrogate"),
        ({"\ud800": 1}, Code.BAD_TEXT, "message 1 has the key '\\ud800'"),
    ],
)
@pytest.mark.parametrize("kind", ["fragments", "template", "isolated"])
def test_what_cannot_be_written_is_refused_with_its_place_in_the_message(more, code, said, kind):
    if kind == "isolated" and sys.platform == "win32":
        pytest.skip("POSIX only")
    source = "{% for m in messages %}{{ m.content }}{% endfor %}"
    apart = Style.from_chat_template(source, isolate=kind == "isolated")
    style = get_style("chatml") if kind == "fragments" else apart
    with pytest.raises(RowError) as caught:
        style.render([USER, {**USER, **more}])
    assert caught.value.code == code
    assert said in caught.value.message
    str(caught.value), pickle.dumps(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        nested(250),
        {"y": nested(249)},
        10**4300 - 1,
        1 - 10**4300,
        float("nan"),
        float("inf"),
        1e400,
        object(),
        b"x",
        date(2026, 11, 20),
        (1, 2),
        "🪴 é",
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_values_are_kept_as_they_are(value):
    assert normalise_message({**USER, "x": value}, 0)["x"] is value
    source = "{% for m in messages %}{{ m.content }}{% endfor %}"
    for style in (get_style("chatml"), Style.from_chat_template(source, reasoning="drop")):
        rendered = style.render([{**USER, "x": value}])
        assert [span.kind for span in rendered.spans].count("content") == 1
        assert "Hi" in rendered.text
        assert [change.field for change in rendered.changes if change.what != "dropped"] == []


def test_a_message_holds_a_million_values_and_no_more():
    full = {**USER, "x": [["a"] * 499_998, ("a",) * 499_995, {"y": None}]}
    assert normalise_message(full, 0) == full
    with pytest.raises(RowError, match=r"message 7: x holds more than 1,000,000 values") as caught:
        normalise_message({**full, "z": True}, 7)
    assert caught.value.code == Code.TOO_DEEP


@pytest.mark.parametrize("value", [5, None, True, {"a": 1}], ids=str)
def test_a_turn_s_content_is_text_or_typed_parts(value):
    assert failure("{{ a }}", a=value).code in (Code.WRONG_TYPE, Code.MISSING_FIELD)


def test_typed_parts_and_calls_without_content_are_messages():
    parts = {"role": "user", "content": [{"type": "text", "text": "Hi"}]}
    call = {"role": "assistant", "tool_calls": [{"name": "f"}]}
    assert normalise_message(parts, 0) == parts
    assert normalise_message(call, 0) == call
    assert normalise_message({**call, "content": None, "name": None}, 0) == {**call, "content": None}


@pytest.mark.parametrize(
    ("role", "guess"), [("User", "user"), ("asistant", "assistant"), ("human", None), ("<|im_end|>", None)]
)
def test_a_role_that_is_not_known_is_refused_with_the_nearest_and_its_place(role, guess):
    with pytest.raises(RowError) as caught:
        check_roles([USER, {"role": role, "content": ""}], ROLES)
    assert (caught.value.code, caught.value.value) == (Code.BAD_ROLE, role)
    assert str(caught.value).startswith("message 1: expected a role among system, developer, user")
    assert (f"Did you mean {guess!r}?" in str(caught.value)) == bool(guess)
