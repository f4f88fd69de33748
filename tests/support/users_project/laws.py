"""A user's property tests."""

from style import Bench
from template import Garden

from preftemplates.testing import check_laws


def test_laws() -> None:
    check_laws(Garden, max_examples=10)
    check_laws(Garden(), max_examples=10)
    check_laws(Bench, max_examples=10)
