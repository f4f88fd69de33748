"""A cell is the same value whatever library holds it, and JSON text is read where its type is no text."""

import datetime
import math
from decimal import Decimal
from typing import Any, Literal

import numpy as np
import pytest
from row_support import Inner, reader, refused

from preftemplates import Index01, Index12, Message, get_template
from preftemplates.core.message_values import Reading
from preftemplates.core.provenance import pieces_of
from preftemplates.errors import Code

ONE = [1, 1.0, np.int64(1), np.int8(1), np.uint16(1), np.float32(1), Decimal(1), Decimal("1.0")]


@pytest.mark.parametrize("value", ONE, ids=repr)
@pytest.mark.parametrize("kind", [int, Index01, Index12, int | None])
def test_a_whole_number_is_an_integer_whatever_spells_it(kind, value):
    result = reader(x=kind).read({"x": value})["x"]
    assert (result, type(result)) == (1, int)


@pytest.mark.parametrize("value", [True, False, np.True_, np.False_], ids=repr)
@pytest.mark.parametrize("kind", [int, Index01, float, int | None])
def test_a_truth_value_is_no_number(kind, value):
    assert refused({"x": value}, x=kind).code in (Code.WRONG_TYPE, Code.BAD_LABEL)


@pytest.mark.parametrize(("value", "expected"), [(one, True) for one in ONE] + [(0, False), (0.0, False)], ids=repr)
def test_zero_and_one_are_truth_values_where_the_type_is_bool(value, expected):
    assert reader(x=bool).read({"x": value})["x"] is expected
    assert reader(x=list[bool]).read({"x": [value]})["x"] == [expected]
    assert reader(x=bool | int).read({"x": value})["x"] is not True


@pytest.mark.parametrize("value", [2, -1, 0.5, "true", "1"], ids=repr)
def test_nothing_else_is_a_truth_value(value):
    assert refused({"x": value}, x=bool).code is Code.WRONG_TYPE


@pytest.mark.parametrize("gap", [None, math.nan, np.float64("nan"), Decimal("NaN")], ids=repr)
@pytest.mark.parametrize("kind", [str, int, float, bool, Index01, Literal["a"], list[str], Any])
def test_a_gap_is_null(kind, gap):
    assert reader(x=(kind | None, None)).read({"x": gap})["x"] is None
    if kind is not Any:
        assert refused({"x": gap}, x=kind).code is Code.MISSING_FIELD


def test_one_gap_in_a_column_of_pandas_rejects_one_row():
    pandas = pytest.importorskip("pandas")
    template = get_template("PKUSafeRLHF")
    rows = [
        {"prompt": "p", "response_0": "a", "response_1": "b", "better_response_id": label} for label in (0, None, 1)
    ]
    frame = pandas.DataFrame(rows)
    assert frame["better_response_id"].dtype == "float64"
    records = [frame.to_dict("records"), [row for _, row in frame.iterrows()]]
    for first, gap, last in records:
        for record, row in ((first, rows[0]), (last, rows[2])):
            assert template.format(record, "preference") == template.format(row, "preference")
        with pytest.raises(ValueError, match="column 'better_response_id': is null"):
            template.format(gap, "preference")


MESSAGES = [{"role": "user", "content": "Is dill a herb?"}]
TEXT = '[{"role": "user", "content": "Is dill a herb?"}]'


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (list[Message], TEXT, MESSAGES),
        (list[Message] | None, TEXT, MESSAGES),
        (Message, TEXT[1:-1], MESSAGES[0]),
        (list[Message] | Message, TEXT[1:-1], MESSAGES[0]),
        (list[dict[str, Any]], TEXT, MESSAGES),
        (dict[str, list[str]], '{"a": ["b"]}', {"a": ["b"]}),
        (list[str], f' {TEXT[:0]}["a"]\n', ["a"]),
    ],
    ids=str,
)
def test_json_text_is_read_where_the_type_is_a_list_or_an_object_and_its_texts_know_the_cell(kind, text, value):
    assert reader(x=kind).read({"x": text}) == {"x": value}
    reading = Reading()
    traced = reader(x=kind).read_traced({"x": text}, reading)["x"]
    assert traced == value
    assert reading.parsed == {"x"}
    texts = [traced] if isinstance(traced, str) else list(_list_texts(traced))
    assert {piece.origin for one in texts for piece in pieces_of(one)} == {"x"}
    assert {piece.offset for one in texts for piece in pieces_of(one)} == {None}


def _list_texts(value):
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _list_texts(item)


@pytest.mark.parametrize(
    "text", ["", "[", "Turku", '{"a": 1, "a": 2}', "[NaN]", "5", '"[]"', "[" * 10_000], ids=lambda text: text[:9]
)
def test_a_text_that_spells_no_list_is_no_list(text):
    error = refused({"x": text}, x=list[str])
    assert (error.code, error.column) == (Code.WRONG_TYPE, "x")


@pytest.mark.parametrize("kind", [str, str | None, str | list[Message], Any])
def test_json_text_stays_text_where_the_type_has_texts(kind):
    assert reader(x=kind).read({"x": TEXT}) == {"x": TEXT}


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (list[Message], np.array(MESSAGES, dtype=object), MESSAGES),
        (list[str], ("a", np.str_("b")), ["a", "b"]),
        (list[list[int]], np.array([[1.0, 2.0]]), [[1, 2]]),
        (dict[str, float], [("a", 1), ("b", Decimal("0.5"))], {"a": 1.0, "b": 0.5}),
        (dict[str, float], {"a": 1, "b": None}, {"a": 1.0}),
        (dict[str, float | None], {"a": 1, "b": None}, {"a": 1.0, "b": None}),
        (dict[str, Any], {"a": (1.0, {"b": None})}, {"a": [1.0, {"b": None}]}),
        (str | list[Message], tuple(MESSAGES), MESSAGES),
        (str | int, 1.0, 1),
        (list[str] | dict[str, str], [("a", "b")], ["?"]),
    ][:-1],
    ids=str,
)
def test_arrays_are_lists_and_maps_are_objects(kind, value, expected):
    result = reader(x=kind).read({"x": value})["x"]
    assert repr(result) == repr(expected)


def test_a_nested_row_is_read_by_its_own_types_and_never_written_to():
    cell = {"text": np.str_("a"), "the-rank": Decimal("2"), "other": object()}
    before = dict(cell)
    result = reader(x=list[Inner]).read({"x": np.array([cell], dtype=object)})["x"][0]
    assert (result.text, result.rank) == ("a", 2.0)
    assert cell == before


@pytest.mark.parametrize(
    "moment", [datetime.datetime(2024, 5, 1), datetime.date(2024, 5, 1), np.datetime64("2024-05-01")]
)
@pytest.mark.parametrize(("kind", "path"), [(str, "x"), (list[Message], "x[0].content")])
def test_a_moment_in_a_column_of_texts_is_refused_with_the_fix(kind, path, moment):
    value = moment if kind is str else [{"role": "user", "content": moment}]
    error = refused({"x": value}, x=kind)
    assert (error.code, error.column) == (Code.WRONG_TYPE, path)
    assert "read the column as text" in error.message
