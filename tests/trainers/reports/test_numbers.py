"""Numbers as people read them."""

import math

import pytest
from preftemplates_train.reports.numbers import format_number, format_share


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.0, "0.000"),
        (-12345, "−12,345"),
        (12345.678, "12345.678"),
        (-4e-7, "−4e−7"),
        (2.5e9, "2.5e9"),
        (math.inf, "not finite"),
    ],
)
def test_numbers_are_read_by_people(value, text):
    assert format_number(value) == text
    assert float(format_share(0.12345).rstrip("%")) == 12.3
