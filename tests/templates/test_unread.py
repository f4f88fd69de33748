"""Unread values: what a row holds and its template does not read, by path; and rows that know what was looked at."""

import json
import math
import pickle

import pytest
from support import HOMEWORK

from preftemplates import Message, Preference, RowModel, Template, get_template, list_templates, messages
from preftemplates.errors import DefinitionError
from preftemplates.templates.touched_row import TouchedRow
from preftemplates.templates.unread import UnreadValue, carries_content, is_context


class Answer(RowModel):
    text: str


class Row(RowModel):
    prompt: str
    answers: list[Answer]
    history: list[Message]


class Two(Template):
    Row = Row
    preference = Preference(
        prompt=[messages("{{ history }}"), "{{ prompt }}"],
        chosen="{{ answers[0].text }}",
        rejected="{{ answers[1].text }}",
    )


ROW = {
    "prompt": "Hi", "answers": [{"text": "Hello"}, {"text": "No"}],
    "history": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
}  # fmt: skip


def unread_of(template, row, **options):
    return [unread.path for unread in template.find_unread(row, **options)]


def test_columns_and_nested_keys_that_are_not_declared_are_unread():
    row = {
        **ROW,
        "system": "Be brief.",
        "answers": [{"text": "Hello", "model": "m"}, {"text": "No", "model": None}],
        "history": [{"role": "user", "content": "a", "timestamp": 3, "tool_calls": []}],
        "better.id": 0,
    }
    assert unread_of(Two(), row) == ["answers[].model", "history[].timestamp", "system", '["better.id"]']


def test_a_declared_column_that_another_format_reads_is_read():
    assert unread_of(get_template("TRL"), get_template("TRL").example) == []


@pytest.mark.parametrize("value", [None, "", [], {}, math.nan])
def test_what_says_nothing_is_not_unread(value):
    assert unread_of(Two(), {**ROW, "system": value}) == []


@pytest.mark.parametrize("value", [0, False, " ", [None], 0.0])
def test_what_says_something_is(value):
    assert unread_of(Two(), {**ROW, "extra": value}) == ["extra"]


def test_what_is_ignored_on_purpose_is_not_reported_nor_is_what_it_leads_to():
    class Ignoring(Two):
        ignored = ["meta", "answers[].model"]

    row = {**ROW, "meta": {"id": 3}, "metadata": 4, "answers": [{"text": "a", "model": "m"}, {"text": "b", "by": "n"}]}
    assert unread_of(Ignoring(), row) == ["answers[].by", "metadata"]
    assert Ignoring().digest == Two().digest  # it is a fact about the dataset, and changes no text


@pytest.mark.parametrize("ignored", ["id", 3, [3], [""]])
def test_ignored_is_a_list_of_names(ignored):
    with pytest.raises(DefinitionError, match=r"Wrong\.ignored: expected"):
        type("Wrong", (Two,), {"ignored": ignored})()


def test_the_example_of_a_bundled_template_is_read_whole():
    templates = [get_template(name) for name in list_templates()]
    found = {template.name: unread_of(template, template.example) for template in templates if template.example}
    assert {name: paths for name, paths in found.items() if paths} == {}


@pytest.mark.parametrize(
    ("path", "context", "content"),
    [
        ("system", True, True),
        ("images", True, True),
        ("userPrompt", True, True),
        ("chosen[].images", True, True),
        ("is_response_0_safe", False, True),
        ("score_A", False, True),
        ("label", False, True),
        ("prompt_id", False, False),
        ("response_0_source", False, False),
        ("model", False, False),
        ("timestamp", False, False),
        ('["better.id"]', False, False),
        ("0", False, False),
    ],
)
def test_names_say_what_carries_content(path, context, content):
    assert (is_context(UnreadValue(path, 1)), carries_content(UnreadValue(path, 1))) == (context, content)


@pytest.mark.parametrize(
    "value", [{"bytes": b"x", "path": None}, [{"bytes": b"x"}], {"array": [0.0], "sampling_rate": 8000}]
)
def test_media_carry_content_whatever_they_are_called(value):
    assert carries_content(UnreadValue("x", value))


# --- custom templates ----------------------------------------------------------------------------------------------


def test_a_custom_template_reports_the_keys_that_it_did_not_touch():
    template = get_template(str(HOMEWORK))
    row = {"prompt": "q", "response_0": "a", "response_1": "b", "better_response_id": 1, "system": "Be brief."}
    formatted = template.formatted(row, "preference")
    assert unread_of(template, row, touched=formatted.touched) == ["system"]
    assert unread_of(template, row) == []


@pytest.mark.parametrize(
    "walk",
    [list, dict, lambda row: {**row}, lambda row: [*row.items()], lambda row: row | {}, lambda row: row.copy(), len],
)
def test_a_row_that_is_walked_through_is_looked_at_as_a_whole(walk):
    row = TouchedRow(a=1, b=2)
    assert row["a"] == 1
    walk(row)
    assert row.list_touched() == (frozenset("a") if walk is len else None)


def test_a_touched_row_is_the_dict_that_it_was():
    row = TouchedRow({"a": 1, "b": None})
    assert row == {"a": 1, "b": None}
    assert isinstance(row, dict)
    assert (row.get("a"), row.get("c", 3), row.pop("b"), row.setdefault("d", 4)) == (1, 3, None, 4)
    assert row.list_touched() == {"a", "b", "c", "d"}
    assert json.dumps(row) == '{"a": 1, "d": 4}'
    assert type(pickle.loads(pickle.dumps(row))) is dict
