"""Calls of tools, results and parts are the same whatever container held them."""

import datetime
from collections import Counter

import numpy as np
import pytest

from preftemplates.core.message_values import Reading, clean_message, drop_nulls, list_comparable, settle_content
from preftemplates.core.provenance import Traced, pieces_of
from preftemplates.errors import Code, ReadingChange, RowError


def call(arguments, **more):
    function = {"name": "weather", "arguments": arguments}
    return {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": function, **more}]}


def read(message):
    """The arguments of the only call, and what reading it changed."""
    reading = Reading()
    (result,) = clean_message(message, ("chosen", 1), reading)["tool_calls"]
    return result.get("function", result)["arguments"], reading.count_changes(is_table=False)


@pytest.mark.parametrize(
    ("arguments", "expected", "changes"),
    [
        ({"city": "Turku"}, {"city": "Turku"}, {}),
        ({}, {}, {}),
        ({"city": "Turku", "zone": None}, {"city": "Turku"}, {"null_member": 1}),
        ({"at": {"x": None, "y": [None, {"z": None}]}}, {"at": {"y": [None, {}]}}, {"null_member": 2}),
        ({"days": 2.0, "wind": 2.5, "all": True}, {"days": 2, "wind": 2.5, "all": True}, {}),
        ([("city", "Turku")], {"city": "Turku"}, {}),
        ({"days": np.array([1, np.nan]), "at": float("nan")}, {"days": [1, None]}, {"null_member": 1}),
        ({"days": np.array([1, 2])}, {"days": [1, 2]}, {}),
        ('{"city": "Turku"}', {"city": "Turku"}, {}),
        ('{"city": "Åbo"}', {"city": "Åbo"}, {}),
        ("{}", {}, {}),
        (' {"city":"Turku"}\n', {"city": "Turku"}, {"reformatted": 1}),
        ('{"city": "\\u00c5bo"}', {"city": "Åbo"}, {"reformatted": 1}),
        ('{"days": 2.0}', {"days": 2}, {"reformatted": 1}),
        ('{"city": null, "days": [null]}', {"days": [None]}, {"null_member": 1, "reformatted": 1}),
    ],
    ids=str,
)
def test_arguments_are_an_object_without_null_members_and_what_changes_is_counted(arguments, expected, changes):
    for message in (call(arguments), call(arguments, id="call_1"), {"tool_calls": [{"arguments": arguments}]}):
        result, counts = read(message)
        assert repr(result) == repr(expected)
        assert counts == changes


@pytest.mark.parametrize(
    "arguments",
    [
        '{"city": "Turku"', "{'city': 'Turku'}", "Turku", "", "null", "[1]", "1", '{"a":1,"a":2}', '{"a": NaN}',
        '"{\\"city\\": \\"Turku\\"}"', '{"a": 1e999}', "[" * 10_000, [1], [], 5, True,
        '{"a": ' + "[" * 400 + "]" * 400 + "}",
    ],
    ids=lambda arguments: repr(arguments)[:40],
)  # fmt: skip
def test_arguments_that_are_neither_an_object_nor_its_text_are_refused_with_their_path(arguments):
    with pytest.raises(RowError) as caught:
        read(call(arguments))
    assert caught.value.code is Code.WRONG_TYPE
    assert caught.value.column == "chosen[1].tool_calls[0].function.arguments"
    assert caught.value.message.startswith("expected an object or its JSON text, got ")


@pytest.mark.parametrize(
    "moment", [datetime.datetime(2024, 5, 1), datetime.date(2024, 5, 1), np.datetime64("2024-05-01")]
)
def test_a_moment_that_a_reader_made_of_a_text_is_refused_with_the_fix(moment):
    with pytest.raises(RowError, match=r"read the column as text \(in datasets, .*Value\('string'\)") as caught:
        read(call({"days": [{"from": moment}]}))
    assert caught.value.code is Code.WRONG_TYPE
    assert caught.value.column == "chosen[1].tool_calls[0].function.arguments.days[0].from"


@pytest.mark.parametrize("value", [datetime.datetime(2024, 5, 1), [{"at": datetime.time(1)}]], ids=str)
def test_a_moment_among_the_metadata_of_a_turn_is_refused_too_and_a_picture_is_not(value):
    with pytest.raises(RowError, match="read the column as text") as caught:
        clean_message({"role": "user", "content": "a", "more": value}, ("prompt", 0), Reading())
    assert caught.value.code is Code.WRONG_TYPE
    assert caught.value.column.startswith("prompt[0].more")
    picture = object()
    assert clean_message({"role": "user", "content": "a", "more": [picture]}, (), Reading())["more"] == [picture]


def test_nulls_of_a_table_are_not_counted_and_those_in_json_text_are():
    reading = Reading()
    clean_message(call({"zone": None}), (), reading)
    clean_message(call('{"zone": null}'), (), reading)
    assert reading.count_changes(is_table=True)[ReadingChange.NULL_MEMBER] == 1
    assert reading.count_changes(is_table=False)[ReadingChange.NULL_MEMBER] == 2


def test_calls_that_are_json_text_are_read_and_a_text_that_is_none_is_refused():
    cleaned = clean_message({"role": "assistant", "tool_calls": '[{"name": "w", "arguments": "{}"}]'}, (), Reading())
    assert cleaned["tool_calls"] == [{"name": "w", "arguments": {}}]
    with pytest.raises(RowError, match="expected a list of calls or its JSON text"):
        clean_message({"role": "assistant", "tool_calls": "none"}, (), Reading())


def test_a_message_is_never_written_to():
    message = {**call('{"a": null}'), "name": None}
    before = repr(message)
    clean_message(message, (), Reading())
    assert repr(message) == before


def test_keys_that_a_table_fills_in_are_absent_and_other_values_stay():
    picture = object()
    parts = [{"type": "text", "text": "Hi", "image": None}, {"type": "image", "text": None, "image": picture}]
    message = {"role": "user", "content": parts, "tool_calls": None, "name": None, "images": (picture,), "turn": 1.0}
    assert clean_message(message, (), Reading()) == {
        "role": "user",
        "content": [{"type": "text", "text": "Hi"}, {"type": "image", "image": picture}],
        "images": [picture],
        "turn": 1,
    }


def test_texts_of_arguments_know_the_text_that_they_were_read_from():
    text = Traced.whole('{"city": "Turku"}', "calls[0].value")
    arguments, _ = read(call(text))
    assert [piece.origin for piece in pieces_of(arguments["city"])] == ["calls[0].value"]


def test_a_null_in_a_list_stays_and_one_in_an_object_is_dropped_at_any_depth():
    nulls = Counter()
    assert drop_nulls([None, {"a": None, "b": [None, {"c": None}]}], nulls) == [None, {"b": [None, {}]}]
    assert nulls == {"cells": 2}


# --- contents ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["system", "user", "assistant", "tool"])
def test_a_single_text_part_is_its_text_and_keeps_its_place(role):
    text = Traced.whole("Hi", "prompt[0].content[0].text")
    settled = settle_content({"role": role, "content": [{"type": "text", "text": text, "image": None}]})
    assert settled["content"] == "Hi"
    assert pieces_of(settled["content"]) == text.pieces


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
        [{"type": "text", "text": "a", "image": "cup.png"}],
        [{"type": "image", "image": "cup.png"}],
        [{"type": "text", "text": None}],
        ["a"],
        [],
    ],
    ids=str,
)
def test_other_parts_stay_parts(content):
    assert settle_content({"role": "user", "content": content})["content"] == content


def test_a_result_that_is_an_object_is_its_json_text_with_sorted_keys():
    result = {"celsius": 31.0, "at": "Åbo", "note": None, "days": [None, {"b": 1, "a": 2}]}
    settled = settle_content({"role": "tool", "content": result})
    assert settled["content"] == '{"at": "Åbo", "celsius": 31, "days": [null, {"a": 2, "b": 1}]}'
    assert settle_content({"role": "user", "content": result})["content"] == result
    with pytest.raises(RowError, match=r"content\.at"):
        settle_content({"role": "tool", "content": {"at": datetime.date(2024, 5, 1)}})


def test_a_call_without_content_has_the_content_none_as_a_table_has_it():
    message = call({})
    without = {key: value for key, value in message.items() if key != "content"}
    assert settle_content(without)["content"] is None
    assert settle_content({**message, "content": None})["content"] is None
    assert settle_content(message)["content"] == ""


# --- comparison ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"content": "Hi", "timestamp": 1}, {"content": "Hi", "timestamp": 2, "turn_id": "a"}),
        ({"content": "Hi", "name": None, "tool_calls": None}, {"content": "Hi"}),
        ({"content": [{"type": "text", "text": "Hi"}]}, {"content": "Hi"}),
        ({"tool_calls": call({"a": 1}, id="x")["tool_calls"]}, {"tool_calls": call('{"a": 1}', id="y")["tool_calls"]}),
        ({"tool_calls": call({"a": 1, "b": None})["tool_calls"]}, {"tool_calls": call({"a": 1.0})["tool_calls"]}),
    ],
    ids=str,
)
def test_metadata_nulls_parts_and_ids_make_no_turn_another_one(one, other):
    assert list_comparable([{"role": "assistant", **one}]) == list_comparable([{"role": "assistant", **other}])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"content": "Hi"}, {"content": "Hi "}),
        ({"content": "Hi"}, {"content": "Hi", "images": ["a.png"]}),
        ({"content": "Hi", "reasoning_content": "a"}, {"content": "Hi", "reasoning_content": "b"}),
        ({"content": "Hi", "role": "user"}, {"content": "Hi"}),
        ({"tool_calls": call({"a": 1})["tool_calls"]}, {"tool_calls": call({"a": 2})["tool_calls"]}),
    ],
    ids=str,
)
def test_roles_contents_and_what_carries_content_make_another_turn(one, other):
    assert list_comparable([{"role": "assistant", **one}]) != list_comparable([{"role": "assistant", **other}])
