"""Rows that have one cell in common become one row, and no row is lost."""

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preftemplates.data.grouping import group_rows
from preftemplates.data.reading import Record, RowSource
from preftemplates.errors import Code, FileError, RowError

KEYS = st.one_of(
    st.sampled_from(["a", "b", "1", "True", 1, True, 1.5, None]),
    st.lists(st.dictionaries(st.sampled_from(["role", "content"]), st.sampled_from(["a", "b"])), max_size=2),
)


def source_of(records):
    return RowSource("mine", iter(records), lambda: None)


def groups_of(rows):
    records = [Record(number, number + 1, cells) for number, cells in enumerate(rows)]
    return list(group_rows(source_of(records), "key"))


@given(st.lists(KEYS, min_size=1, max_size=12))
def test_a_group_holds_exactly_the_rows_whose_cell_is_the_same_in_order(keys):
    rows = [{"key": key, "number": number} for number, key in enumerate(keys)]
    groups = groups_of(rows)
    assert sorted(chain.from_iterable(numbers(record) for record in groups)) == list(range(len(keys)))
    for record in groups:
        grouped = numbers(record)
        assert grouped == sorted(grouped)
        assert (record.row, record.line) == (grouped[0], grouped[0] + 1)
        same = [number for number, key in enumerate(keys) if repr(key_of(key)) == repr(key_of(record.cells["key"]))]
        assert grouped == same
    assert [record.row for record in groups] == sorted(record.row for record in groups)


def numbers(record):
    return [row["number"] for row in record.cells["rows"]]


def key_of(key):
    """A cell without the order of its keys."""
    return [sorted(item.items()) for item in key] if isinstance(key, list) else key


def test_rows_that_cannot_be_grouped_come_as_errors_in_their_place_and_all_are_counted():
    broken = RowError("broken", code=Code.BAD_JSON)
    records = [Record(0, 1, {"key": 1}), Record(1, 2, broken), Record(2, 3, {"kez": 1}), Record(3, 4, {"key": 1})]
    source = group_rows(source_of(records), "key")
    first, second, third = source
    assert first.cells == {"key": 1, "rows": [{"key": 1}, {"key": 1}]}
    assert second.cells is broken
    assert isinstance(third.cells, RowError)
    assert (third.row, third.cells.code, third.cells.column) == (2, Code.MISSING_FIELD, "key")
    assert str(third.cells) == "column 'key': missing; nearest: 'kez' [missing_field]"
    assert source.ungrouped == 4


def test_a_source_without_rows_is_an_error_as_before():
    with pytest.raises(FileError, match="mine has no rows"):
        list(group_rows(source_of([]), "key"))
