"""Messages are normalised, and what cannot be written or has an unknown role is refused with its place."""

import pickle
import sys
from datetime import date

import pytest

from preftemplates import Style, get_style
from preftemplates.core.messages import ROLES, check_roles, normalise_message
from preftemplates.errors import Code, RowError

USER = {"role": "user", "content": "Hi"}

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
        ({1: 2}, Code.WRONG_TYPE, "message 1 has the key 1, expected a string"),
        ({"x": {1: 2}}, Code.WRONG_TYPE, "message 1: x has the key 1, expected a string"),
        ({"x": [{"a.b": ({None: 2},)}]}, Code.WRONG_TYPE, 'message 1: x[0]["a.b"][0] has the key None'),
        ({"x": {("a",): 2}}, Code.WRONG_TYPE, "message 1: x has the key ('a',)"),
        ({"x": 10**4300}, Code.BAD_NUMBER, "message 1: x is a number with more than 4,300 digits"),
        ({"x": [-(10**5000)]}, Code.BAD_NUMBER, "message 1: x[0] is a number with more than 4,300 digits"),
        ({"x": -(10**4300)}, Code.BAD_NUMBER, "message 1: x is a number with more than 4,300 digits"),
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
    assert str(caught.value).startswith("message 1: expected one of the roles system, developer, user")
    assert (f"Did you mean {guess!r}?" in str(caught.value)) == bool(guess)
