"""Values of other libraries become Python's own, and nothing else does."""

import datetime
import math
from decimal import Decimal

import numpy as np
import pytest

from preftemplates.core.containers import is_gap, to_integer, to_object, to_plain, unwrap
from preftemplates.core.provenance import Traced


class SparkRow(tuple):
    """A row as Spark has it: a tuple that knows its fields."""

    def asDict(self):  # noqa: N802  Spark's name
        return dict(zip(("city", "days"), self, strict=True))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.int64(1), 1),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.array([1, 2]), [1, 2]),
        (np.array(3), 3),
        (np.array([1.0, np.nan]), [1.0, None]),
        (Decimal("3"), 3),
        (Decimal("3.00"), 3),
        (Decimal("0.5"), 0.5),
        (Decimal("NaN"), None),
        (SparkRow(("Turku", 2)), {"city": "Turku", "days": 2}),
        ("a", "a"),
        (None, None),
    ],
    ids=repr,
)
def test_a_value_of_another_library_is_the_plain_value_that_it_stands_for(value, expected):
    result = unwrap(value)
    assert (result, type(result)) == (expected, type(expected))


def test_values_of_pandas_torch_and_pyarrow_are_plain_values():
    pandas, torch, arrow = map(pytest.importorskip, ("pandas", "torch", "pyarrow"))
    assert unwrap(pandas.NA) is None
    assert unwrap(pandas.NaT) is None
    assert unwrap(pandas.Series([1, 2])) == [1, 2]
    assert (unwrap(torch.tensor(1)), unwrap(torch.tensor([0.5]))) == (1, [0.5])
    assert (unwrap(arrow.scalar(1)), unwrap(arrow.array(["a"]))) == (1, ["a"])


@pytest.mark.parametrize(
    "value",
    [
        datetime.datetime(2024, 5, 1), np.datetime64("2024-05-01", "ns"), object(), b"a", np.zeros((2, 2, 3)),
        Decimal("Infinity"), Decimal("1E+999999"), {"a": np.int64(1)}, Traced.whole("a", "prompt"), (1, 2),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_a_moment_a_picture_and_what_is_plain_already_stay_what_they_are(value):
    result = unwrap(value)
    assert result is value or (math.isinf(result) and isinstance(value, Decimal))


def test_moments_in_an_array_stay_moments():
    (moment,) = unwrap(np.array(["2024-05-01"], dtype="datetime64[ns]"))
    assert moment == np.datetime64("2024-05-01")


def test_whole_floats_are_integers_as_far_as_floats_are_exact():
    assert [to_integer(value) for value in (2.0, -0.0, 2.5, 2.0**53, 2.0**54)] == [2, 0, 2.5, 2**53, 2.0**54]
    assert [type(to_integer(value)) for value in (2.0, -0.0, 2.5, 2.0**54, True)] == [int, int, float, float, bool]


def test_a_gap_is_none_or_nan():
    assert [is_gap(value) for value in (None, math.nan, np.float64("nan"), 0, "", math.inf)] == [True] * 3 + [
        False
    ] * 3


def test_pairs_of_a_map_are_an_object_unless_a_key_would_be_lost():
    assert to_object([("a", 1), ("b", [2])]) == {"a": 1, "b": [2]}
    for value in ([("a", 1), ("a", 2)], [(1, 2)], [["a", 1]], [("a", 1, 2)], [], "ab"):
        assert to_object(value) is value


def test_nested_data_is_plain_all_the_way_down_and_nulls_and_floats_stay():
    value = {"a": np.array([np.int64(1), 2]), "b": ({"c": None}, [("d", Decimal("2"))]), "e": [1.0]}
    assert to_plain(value) == {"a": [1, 2], "b": [{"c": None}, {"d": 2}], "e": [1.0]}
