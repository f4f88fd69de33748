"""A row is checked exactly, and only where the format reads it."""

import math
import types
from collections import UserDict
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    BaseModel,
    Field,
)
from row_support import BOUNDED, Inner, reader, refused, row_class
from support import outcome

from preftemplates import Index01, Message, Preference, RowModel, Template, get_template
from preftemplates.errors import Code, RowError
from preftemplates.templates.csv_cells import make_cell_parsers

# --- exact cells ---------------------------------------------------------------------------------------------------

LABELS = [
    True, False, 1.5, -0.5, "1", "0", "\u0661", "", 2, -1, 10**30, math.inf, [1], {}, b"1", 1j,
]  # fmt: skip


@pytest.mark.parametrize("value", LABELS, ids=repr)
def test_a_label_is_the_integer_0_or_1_and_nothing_like_it(value):
    error = refused({"x": value}, x=Index01)
    assert (error.code, error.column) == (Code.BAD_LABEL, "x")
    assert error.value is value
    assert error.message.startswith("expected 0 or 1, got ")


def test_a_label_that_is_0_or_1_is_taken():
    assert [reader(x=Index01).read({"x": value}) for value in (0, 1)] == [{"x": 0}, {"x": 1}]


@pytest.mark.parametrize(
    ("kind", "spelling", "value"),
    [(kind, spelling, value) for kind, spelling, _, outside in BOUNDED for value in outside],
    ids=str,
)
def test_a_value_at_a_bound_that_is_not_of_the_domain_is_a_bad_label(kind, spelling, value):
    error = refused({"x": value}, x=kind)
    assert (error.code, error.column, error.message) == (Code.BAD_LABEL, "x", f"expected {spelling}, got {value!r}")
    assert error.value is value


@pytest.mark.parametrize(
    ("bound", "value", "said"),
    [
        ({"gt": 0}, 0, "greater than 0"),
        ({"lt": 5}, 5, "less than 5"),
        ({"ge": 1}, 0, "greater than or equal to 1"),
        ({"le": 4}, 5, "less than or equal to 4"),
    ],
)
@pytest.mark.parametrize("number", [int, float])
def test_a_bound_within_a_cell_is_kept_too_and_its_label_is_as_bad(bound, value, said, number):
    kind = Annotated[number, Field(**bound)]
    for cell, column, path in ((value, kind | None, "x"), ([2, value], list[kind], "x[1]")):
        error = refused({"x": cell}, x=column)
        assert (error.code, error.column, error.value) == (Code.BAD_LABEL, path, value)
        assert error.message == f"expected {said}, got {value!r}"
    assert reader(x=kind | None).read({"x": 2}) == {"x": 2}
    assert reader(x=list[kind]).read({"x": [2]}) == {"x": [2]}


@pytest.mark.parametrize(("kind", "spelling", "inside", "outside"), BOUNDED, ids=[case[1] for case in BOUNDED])
def test_a_cell_of_a_csv_is_a_number_whatever_its_bounds_and_these_are_kept(kind, spelling, inside, outside):
    for column in (kind, kind | None):
        parse = make_cell_parsers(row_class(x=column))["x"]
        read = reader(x=column).read
        for value in inside:
            cell = parse(repr(value))
            assert (cell, type(cell)) == (value, float if spelling.startswith("float") else int)
            assert read({"x": cell}) == {"x": value}
        for value in outside:
            with pytest.raises(RowError) as caught:
                read({"x": parse(repr(value))})
            assert (caught.value.code, caught.value.value) == (Code.BAD_LABEL, value)


@pytest.mark.parametrize("bounds", [{}, {"gt": -9}, {"ge": -9, "lt": 9}])
def test_a_number_of_a_csv_is_read_alike_with_bounds_and_where_it_may_be_absent(bounds):
    for number, cells in ((int, ["1", "+1", "01", "-3"]), (float, ["1", ".5", "5.", "1e-3", "+1.5"])):
        kind = Annotated[number, Field(**bounds)] if bounds else number
        for column in (kind, kind | None):
            parse = make_cell_parsers(row_class(x=column))["x"]
            assert [parse(cell) for cell in cells] == [number(cell) for cell in cells]
            assert [parse(cell) for cell in ("one", "1_0" if number is int else "1,0")] != [1, 10]
        assert make_cell_parsers(row_class(x=kind | None))["x"]("") is None
        assert make_cell_parsers(row_class(x=kind))["x"]("") is None


@pytest.mark.parametrize(
    ("kind", "value", "code"),
    [
        (str, 5, Code.WRONG_TYPE),
        (str, ["a"], Code.WRONG_TYPE),
        (str, {"a": 1}, Code.WRONG_TYPE),
        (str, True, Code.WRONG_TYPE),
        (str, math.inf, Code.WRONG_TYPE),
        (str, b"a", Code.WRONG_TYPE),
        (int, True, Code.WRONG_TYPE),
        (int, 1.5, Code.WRONG_TYPE),
        (int, "1", Code.WRONG_TYPE),
        (float, True, Code.WRONG_TYPE),
        (float, "1.5", Code.WRONG_TYPE),
        (bool, 2, Code.WRONG_TYPE),
        (bool, "true", Code.WRONG_TYPE),
        (list[str], "abc", Code.WRONG_TYPE),
        (list[str], {"a": 1}, Code.WRONG_TYPE),
        (dict[str, Any], [1], Code.WRONG_TYPE),
        (dict[str, Any], {1: 1}, Code.WRONG_TYPE),
        (str | list[Message], {"a": 1}, Code.WRONG_TYPE),
        (str | list[Message], 5, Code.WRONG_TYPE),
        (Literal["a", "b"], "c", Code.BAD_LABEL),
        (Annotated[int, Field(ge=1, le=5)], 6, Code.BAD_LABEL),
        (Annotated[int, Field(ge=1, le=5)], True, Code.BAD_LABEL),
    ],
    ids=str,
)
def test_nothing_is_coerced_into_the_declared_type(kind, value, code):
    error = refused({"x": value}, x=kind)
    assert (error.code, error.column) == (code, "x")
    assert error.value is value or error.value == value


@pytest.mark.parametrize(
    ("kind", "value", "path"),
    [
        (str, None, "x"),
        (Index01, None, "x"),
        (list[str], None, "x"),
        (list[str], ["a", None], "x[1]"),
        (list[list[str]], [["a"], [None]], "x[1][0]"),
        (dict[str, list[str]], {"k": [None]}, "x.k[0]"),
        (Inner, {"text": None}, "x.text"),
        (list[Inner], [{"text": "t"}, {"text": None}], "x[1].text"),
    ],
    ids=str,
)
def test_a_null_is_missing_at_its_own_path(kind, value, path):
    error = refused({"x": value}, x=kind)
    assert (error.code, error.column, error.message) == (Code.MISSING_FIELD, path, "is null")


@pytest.mark.parametrize(
    ("kind", "value", "path", "code"),
    [
        (list[str], ["a", 5], "x[1]", Code.WRONG_TYPE),
        (list[Message], [{"content": "c"}], "x[0].role", Code.MISSING_FIELD),
        (list[Message], [{"role": "user"}, {"role": 5}], "x[1].role", Code.WRONG_TYPE),
        (Inner, {"text": "t", "the-rank": "1"}, "x.the-rank", Code.WRONG_TYPE),
        (Inner, {}, "x.text", Code.MISSING_FIELD),
        (dict[str, list[int]], {"k": [1, "2"]}, "x.k[1]", Code.WRONG_TYPE),
    ],
    ids=str,
)
def test_an_error_deep_in_a_cell_names_the_path_to_it(kind, value, path, code):
    error = refused({"x": value}, x=kind)
    assert (error.column, error.code) == (path, code)


@pytest.mark.parametrize("kind", [Inner, dict[str, str], dict[str, Any]])
def test_what_should_be_an_object_is_called_one(kind):
    assert refused({"x": "up"}, x=kind).message == "expected an object, got 'up'"


def test_an_optional_column_may_be_absent_or_null():
    optional = reader(x=(str | None, None))
    assert optional.read({}) == optional.read({"x": None}) == {"x": None}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (str, "a\ud800"),
        (list[str], ["a", "\udfff"]),
        (list[Message], [{"role": "user", "content": "\ud800"}]),
        (list[Message], [{"role": "user", "content": "c", "more": {"deep": ["\ud800"]}}]),
        (Inner, {"text": "\ud800"}),
        (Any, {"a": "\ud800"}),
        (dict[str, Any], {"\ud800": 1}),
        (Any, [{"a": {"\ud800": 1}}]),
    ],
    ids=ascii,
)
def test_a_lone_surrogate_is_refused_wherever_it_stands(kind, value):
    error = refused({"x": value}, x=kind)
    assert error.code == Code.BAD_TEXT
    assert error.column.startswith("x")
    assert str(error).isprintable()


def test_a_pair_of_surrogates_that_json_read_as_one_character_is_text():
    assert reader(x=str).read({"x": "\U0001f600"}) == {"x": "\U0001f600"}


@pytest.mark.parametrize("depth", [250, 251, 100_000])
def test_a_deep_cell_is_read_and_one_beyond_reading_is_refused(depth):
    cell: Any = "x"
    for _ in range(depth):
        cell = [cell]
    for read in (reader(x=Any).read, reader(x=Any).read_traced):
        result = outcome(read, {"x": cell})
        assert isinstance(result, dict) if depth == 250 else result.code == Code.TOO_DEEP
    while isinstance(cell, list):  # taken apart here, or freeing it would recurse
        cell = cell[0]


# --- what a row is -------------------------------------------------------------------------------------------------

REAL = {"prompt": "p", "response_0": "a", "response_1": "b", "better_response_id": 1}


def test_columns_that_the_format_does_not_read_are_not_looked_at():
    pku = get_template("PKUSafeRLHF")
    row = {**REAL, "answer": None, "is_response_0_safe": object(), "\ud800": 1, 5: 6}
    assert pku.format(row, "preference") == pku.format(REAL, "preference")
    with pytest.raises(RowError, match="column 'answer': is null"):
        pku.format(row, "supervised")


class Counted(dict):
    """A row that remembers what was asked of it."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.asked: list[str] = []

    def __getitem__(self, key: str) -> Any:
        self.asked.append(key)
        return super().__getitem__(key)


def test_only_the_columns_of_the_format_are_fetched():
    pku, row = get_template("PKUSafeRLHF"), Counted(REAL)
    pku.format(row, "prompt_only")
    assert set(row.asked) == {"prompt"} == set(pku.columns("prompt_only"))


@pytest.mark.parametrize("kind", [dict, UserDict, types.MappingProxyType, Counted], ids=lambda kind: kind.__name__)
def test_any_mapping_is_a_row(kind):
    assert get_template("PKUSafeRLHF").format(kind(REAL), "preference") == {
        "better_text": "BEGINNING OF CONVERSATION: USER: p ASSISTANT:b",
        "worse_text": "BEGINNING OF CONVERSATION: USER: p ASSISTANT:a",
    }


@pytest.mark.parametrize(
    "row", [None, [], "prompt", 5, [("prompt", "p")], object()], ids=lambda row: type(row).__name__
)
def test_what_is_no_mapping_is_no_row(row):
    with pytest.raises(RowError, match="a row must be a mapping of columns to values") as caught:
        get_template("PKUSafeRLHF").format(row, "preference")
    assert caught.value.code == Code.WRONG_TYPE


def test_the_lazy_rows_of_a_dataset_s_map_format_like_dicts():
    from datasets import Dataset

    pku = get_template("PKUSafeRLHF")
    rows = [{**REAL, "prompt": f"p{n}", "better_response_id": n % 2} for n in range(5)]
    kinds = set()

    def format(row):
        kinds.add(type(row).__name__)
        return pku.format(row, "preference")

    dataset = Dataset.from_list(rows)
    mapped = dataset.map(format, remove_columns=dataset.column_names, load_from_cache_file=False)
    assert list(mapped) == [pku.format(row, "preference") for row in rows]
    assert kinds == {"LazyRow"}


class Nested(BaseModel):
    inner: list[Inner]


class OverNested(Template):
    class Row(RowModel):
        data: Nested

    preference = Preference(
        prompt="{{ data.inner[0].text }}", chosen="{{ data.inner[1].text }}", rejected="{{ data.inner[-1].text }}"
    )


@given(st.lists(st.text(max_size=5), min_size=2, max_size=4))
def test_nested_rows_are_read_by_name_and_their_texts_know_their_path(contents):
    row = {"data": {"inner": [{"text": content, "the-rank": None} for content in contents], "more": 1}}
    sample = OverNested().extract(row, "preference")
    assert [sample.prompt[0]["content"], sample.chosen[0]["content"]] == contents[:2]
    assert sample.chosen[0]["content"].pieces[0].origin == "data.inner[1].text"
