"""Law 21: the same rows give equal samples from every container, after the keys of objects are sorted."""

import json
from collections.abc import Mapping
from datetime import date

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sources import QUICK, ROWS, SOURCES, Everything, describe, differences, is_installed, make_call, make_tool
from support import few

from preftemplates import get_template
from preftemplates.core import containers, message_values, tools
from preftemplates.errors import Code, RowError
from preftemplates.templates import cell_readers

TEMPLATE = Everything()


def need(source):
    if not is_installed(source):
        pytest.importorskip(SOURCES[source][0])


def demand_equal(source, rows, folder, formats=TEMPLATE.formats, template=TEMPLATE):
    for format in formats:
        found = differences(source, rows, template, format, folder)
        assert found == [], f"{format} from {source}: {found[0][0]} is not {found[0][1]}"


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("format", TEMPLATE.formats)
def test_every_dataset_type_is_the_same_from_every_container(source, format, tmp_path):
    need(source)
    demand_equal(source, ROWS, tmp_path, [format])
    assert describe(TEMPLATE, ROWS[0], format).startswith("{")


# --- drawn rows ----------------------------------------------------------------------------------------------------

LETTERS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=4)
TEXT = LETTERS.filter(str.strip).map(lambda text: f"a{text}")
NUMBER = st.integers(-9, 9) | st.sampled_from([0.5, -2.5, 3.0])
MEMBERS = {
    "text": TEXT,
    "whole": st.integers(-(2**53), 2**53),
    "number": NUMBER,
    "yes": st.booleans(),
    "texts": st.lists(st.none() | TEXT, max_size=2),
    "inner": st.fixed_dictionaries({"kind": TEXT}, optional={"size": st.none() | NUMBER}),
    "list": st.lists(st.fixed_dictionaries({"kind": TEXT}, optional={"size": NUMBER}), min_size=1, max_size=2),
}
"""Members of objects by name: in a table, each has one type."""


def objects():
    """Objects with some of the members, some of which are null; at least one has a value, or a table has no type."""
    nullable = {name: st.none() | values for name, values in MEMBERS.items()}
    return st.fixed_dictionaries({"text": TEXT}, optional={key: nullable[key] for key in MEMBERS if key != "text"})


ANSWER = st.builds(lambda text: {"role": "assistant", "content": text}, TEXT)
TALKS = st.lists(
    st.builds(lambda text, turn: {"role": "user", "content": text, "turn": turn}, TEXT, st.integers(0, 9)),
    min_size=1,
    max_size=2,
)


@st.composite
def drawn_rows(draw):
    """Two or three rows of every dataset type, one of which calls a function."""
    rows = []
    for number in range(draw(st.integers(2, 3))):
        call = [make_call(**draw(objects()))] if number == 0 or draw(st.booleans()) else []
        count = draw(st.integers(1, 3))
        rows.append(
            {
                **ROWS[0],
                "question": draw(TEXT),
                "talk": draw(TALKS),
                "result": draw(objects()),
                "good": [*call, draw(ANSWER)],
                "bad": [draw(ANSWER)],
                "answers": draw(st.lists(TEXT, min_size=count, max_size=count)),
                "better": draw(st.sampled_from([0, 1, None])),
                "margin": draw(st.none() | st.sampled_from([0, 1, 2.5])),
                "is_good": draw(st.booleans()),
                "scores": draw(st.lists(NUMBER, min_size=count, max_size=count)),
                "right": draw(st.lists(st.booleans(), min_size=count, max_size=count)),
                "attributes": draw(st.dictionaries(st.sampled_from(["clear", "kind", "short"]), NUMBER, min_size=1)),
                "tools": [make_tool(**draw(objects()))]
                if number == 0
                else draw(st.none() | st.just(ROWS[0]["tools"][:1])),
            }
        )
    return rows


@pytest.mark.parametrize("source", QUICK)
@settings(few(12), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(drawn_rows())
def test_drawn_rows_are_the_same_from_every_container(source, tmp_path_factory, rows):
    need(source)
    import pyarrow as pa

    try:
        demand_equal(source, rows, tmp_path_factory.mktemp("rows"))
    except pa.ArrowException:  # a table has one type for each member, and some values have none
        assume(False)


# --- the same, spelled otherwise -----------------------------------------------------------------------------------


def spell_as_json_text(value):
    """A row whose cells of lists and objects are JSON text."""
    return {key: json.dumps(cell) if isinstance(cell, list | dict) else cell for key, cell in value.items()}


def spell_arguments_as_text(value):
    """The same data, in which the arguments of calls are JSON text."""
    if isinstance(value, list):
        return [spell_arguments_as_text(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: json.dumps(item) if key == "arguments" else spell_arguments_as_text(item) for key, item in value.items()
    }


def spell_contents_as_parts(value):
    """The same data, in which the contents of messages are one part."""
    if isinstance(value, list):
        return [spell_contents_as_parts(item) for item in value]
    if not isinstance(value, dict) or "role" not in value:
        return value
    text = value["content"]
    return (
        value if not isinstance(text, str) else {**value, "content": [{"type": "text", "text": text, "image": None}]}
    )


@pytest.mark.parametrize("format", TEMPLATE.formats)
@few(12)
@given(drawn_rows())
def test_a_row_is_the_same_as_json_text_with_arguments_as_text_and_contents_as_parts(format, rows):
    for row in rows:
        expected = describe(TEMPLATE, row, format)
        parts = {key: spell_contents_as_parts(cell) for key, cell in row.items()}
        for spelled in (spell_as_json_text(row), spell_arguments_as_text(row), parts, spell_as_json_text(parts)):
            assert describe(TEMPLATE, spelled, format) == expected


# --- what no reading restores --------------------------------------------------------------------------------------


def test_a_date_that_load_dataset_makes_of_a_text_is_refused_with_the_fix(tmp_path):
    pytest.importorskip("datasets")
    rows = [{"prompt": "2024-05-01", "completion": "a"}, {"prompt": "2024-05-02", "completion": "b"}]
    (first, _) = SOURCES["`load_dataset`"][1](rows, tmp_path, get_template("TRL"))
    assert isinstance(first["prompt"], date)
    with pytest.raises(RowError, match=r"read the column as text \(in datasets, .*Value\('string'\)") as caught:
        get_template("TRL").format(first, "supervised")
    assert (caught.value.code, caught.value.column) == (Code.WRONG_TYPE, "prompt")


# --- planted faults ------------------------------------------------------------------------------------------------


def keep_nulls(value, nulls, where="cells"):
    if isinstance(value, Mapping):
        return {key: keep_nulls(item, nulls, where) for key, item in value.items()}
    return [keep_nulls(item, nulls, where) for item in value] if isinstance(value, list) else value


def stay(value):
    return value


def never(_):
    return False


FAULTS = {
    "nulls of tables are kept": (message_values, "drop_nulls", keep_nulls, "Parquet", "supervised"),
    "nulls in tools are kept": (tools, "drop_nulls", keep_nulls, "Parquet", "prompt_only"),
    "whole floats stay floats in arguments": (message_values, "to_integer", stay, "Parquet", "unpaired"),
    "whole floats stay floats in cells": (cell_readers, "to_integer", stay, "pandas, records", "preference"),
    "arrays stay arrays": (cell_readers, "unwrap", stay, "pandas, Parquet", "ranked"),
    "gaps stay NaN": (cell_readers, "is_gap", lambda value: value is None, "pandas, records", "preference"),
    "rows of Spark stay rows": (cell_readers, "unwrap", stay, "Spark's types", "unpaired"),
    "decimal numbers stay decimal": (containers, "_convert_decimal", stay, "Spark's types", "supervised"),
    "results keep the order of their keys": (message_values, "_sort_keys", stay, "Arrow", "supervised"),
    "a table's content is null": (message_values, "_has_calls", never, "Parquet", "unpaired"),
}  # fmt: skip
"""What is replaced by what, and a container and a dataset type that show it."""

GAPS = [{**ROWS[0], "better": better, "tools": None} for better in (0, 1, None)]
REORDERED = [ROWS[0], {**ROWS[1], "result": {"done": True, "left": 1}}]
WITHOUT_CONTENT = [
    {
        **ROWS[0],
        "good": [{key: value for key, value in ROWS[0]["good"][0].items() if key != "content"}, *ROWS[0]["good"][1:]],
    }
]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_seen(fault, monkeypatch, tmp_path):
    module, name, replacement, source, format = FAULTS[fault]
    for number, rows in enumerate((ROWS, GAPS, REORDERED, WITHOUT_CONTENT)):
        folder = tmp_path / str(number)
        folder.mkdir()
        demand_equal(source, rows, folder, [format])
    monkeypatch.setattr(module, name, replacement)
    found = []
    for number, rows in enumerate((ROWS, GAPS, REORDERED, WITHOUT_CONTENT)):
        found += differences(source, rows, TEMPLATE, format, tmp_path / str(number))
    assert found
