"""Labels that choose: the better of two stands first, and ranks follow scores."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preftemplates import Preference, Ranked, RowModel, Strength, Template
from preftemplates.errors import Code, RowError
from preftemplates.templates.filters.choices import better_first, numbers, places, ranks

finite = st.integers(-3, 3) | st.floats(allow_nan=False, allow_infinity=False)


@given(st.tuples(st.text(), st.text()), st.integers(-3, 3))
def test_the_second_stands_first_only_where_it_is_better(pair, strength):
    one, two = pair
    assert better_first([one, two], strength) == ([two, one] if strength > 0 else [one, two])
    assert better_first(pair, strength) == better_first(list(pair), strength)
    if strength:
        assert better_first([two, one], -strength) == better_first([one, two], strength)


@pytest.mark.parametrize("pair", [[], ["a"], ["a", "b", "c"], "abc"])
def test_one_chooses_among_two(pair):
    with pytest.raises(RowError, match="expected two values to choose from") as caught:
        better_first(pair, 1)
    assert caught.value.code is Code.BAD_LABEL


def test_what_is_chosen_among_is_not_written_to():
    pair = ["a", "b"]
    better_first(pair, 0).reverse()
    assert pair == ["a", "b"]


@given(st.lists(finite, max_size=8))
def test_ranks_are_the_places_in_the_order_of_the_scores_and_equal_scores_have_the_first_of_theirs(scores):
    order = sorted(scores, reverse=True)
    assert ranks(scores) == [float(order.index(score)) for score in scores]


@given(st.lists(finite, min_size=1, max_size=8), st.integers(1, 5), st.integers(-5, 5))
def test_ranks_say_what_the_scores_say_and_nothing_of_their_units(scores, factor, added):
    found = ranks(scores)
    for one, rank in zip(scores, found, strict=True):
        for other, another in zip(scores, found, strict=True):
            assert (rank < another) == (one > other)
    assert min(found) == 0.0
    whole = [index for index, _ in enumerate(scores)]
    assert ranks([factor * score + added for score in whole]) == ranks(whole)


@given(st.lists(st.text(), max_size=6))
def test_places_count_from_the_best(items):
    assert places(items) == [float(index) for index, _ in enumerate(items)]
    assert places(items) == ranks([-index for index, _ in enumerate(items)])


@given(st.lists(finite, max_size=6))
def test_numbers_are_read_from_text_and_stay_where_they_are_numbers(values):
    assert numbers(values) == numbers([repr(value) for value in values]) == [float(value) for value in values]


@pytest.mark.parametrize("value", ["N/A", "", "4/5", "nan", "inf", "-Infinity", None, [], {}, math.nan, math.inf])
def test_what_is_no_number_is_refused_with_its_value(value):
    with pytest.raises(RowError, match="expected a number") as caught:
        numbers(["4", value])
    assert caught.value.code is Code.BAD_LABEL


def test_a_strength_chooses_among_two_answers_in_a_template_and_zero_is_a_tie():
    class Compared(Template):
        class Row(RowModel):
            one: str
            two: str
            strength: Strength

        preference = Preference(
            prompt="q",
            chosen="{{ ([one, two] | better_first(strength))[0] }}",
            rejected="{{ ([one, two] | better_first(strength))[1] }}",
            margin="{{ strength | abs }}",
        )

    for strength in range(-3, 4):
        sample = Compared().extract({"one": "1", "two": "2", "strength": strength}, "preference")
        texts = "".join(own[0]["content"] for own in sample.responses.values())
        assert (texts, sample.margin) == ("21" if strength > 0 else "12", float(abs(strength)))
        assert sample.is_tie == (strength == 0)
    for strength in (-4, 4, True, 1.5, "1", None):
        with pytest.raises(RowError, match="column 'strength'"):
            Compared().extract({"one": "1", "two": "2", "strength": strength}, "preference")


def test_scores_written_as_texts_rank_answers_in_a_template():
    class Rated(Template):
        class Row(RowModel):
            answers: list[str]
            scores: list[str]

        ranked = Ranked(
            prompt="q", completions="{{ answers }}",
            ranks="{{ scores | numbers | ranks }}", scores="{{ scores | numbers }}",
        )  # fmt: skip

    row = {"answers": ["a", "b", "c"], "scores": ["9", "10", "9.0"]}
    sample = Rated().extract(row, "ranked")
    assert (sample.ranks, sample.scores) == ([1.0, 0.0, 1.0], [9.0, 10.0, 9.0])
    with pytest.raises(RowError) as caught:
        Rated().extract({**row, "scores": ["9", "N/A", "9"]}, "ranked")
    assert caught.value.code is Code.BAD_LABEL


@pytest.mark.parametrize("value", [None, math.nan, "4"])
def test_what_is_no_number_has_no_place_in_an_order(value):
    """A comparison with NaN is always false, which would put it first, or call a pair a tie."""
    for name, call in (("ranks", lambda: ranks([1.0, value])), ("better_first", lambda: better_first("ab", value))):
        with pytest.raises(RowError, match=f"the filter '{name}' needs a number, got ") as caught:
            call()
        assert caught.value.code is Code.BAD_LABEL
