"""A user's property tests."""

# pyright: strict

from style import Bench
from template import Tasting

from preftemplates.testing import check_laws


def test_laws() -> None:
    check_laws(Tasting, max_examples=10)
    check_laws(Tasting(), max_examples=10)
    check_laws(Bench, max_examples=10)
