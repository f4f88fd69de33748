"""A declared field is turns: bare texts, messages, and messages that an expression yields."""

from collections import UserDict
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import texts

from preftemplates import messages
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
    with pytest.raises(DefinitionError, match=r"'content' of a message must be text or an \{\{ expression \}\}"):
        read_turns({"role": "user", "content": value}, "user")


def test_a_declared_message_has_a_role():
    with pytest.raises(DefinitionError, match="the role of a message must be one of"):
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
    assert "must be a list of messages" in str(error)


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
    assert "column 'm[1]" in str(error)


@pytest.mark.parametrize("value", [5, None, True, {"a": 1}], ids=str)
def test_a_turn_s_content_is_text_or_typed_parts(value):
    assert failure("{{ a }}", a=value).code in (Code.WRONG_TYPE, Code.MISSING_FIELD)
