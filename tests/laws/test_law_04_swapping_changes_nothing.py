import pytest
from hypothesis import given
from planted import BUNDLED_TEMPLATES, HH, PKU, check, check_each

from preftemplates import Index01, Preference, RowModel, Template, get_template
from preftemplates.testing import (
    Choice,
    check_laws,
    find_choice,
    rows,
    swapping_the_answers_and_the_label_changes_nothing,
)

CHOOSING = [
    name
    for name in BUNDLED_TEMPLATES
    if any(find_choice(get_template(name), format) for format in get_template(name).formats)
]


@pytest.mark.parametrize("name", CHOOSING)
def test_swapping_the_answers_and_the_label_changes_nothing(name):
    check_each(get_template(name), swapping_the_answers_and_the_label_changes_nothing)


def test_the_choice_is_found_where_there_is_one():
    assert find_choice(PKU, "preference") == Choice("better_response_id", 1, "response_0", "response_1")
    assert find_choice(get_template("PKUSafeRLHF-safer"), "preference").label == "safer_response_id"
    assert find_choice(get_template("PKUSafeRLHF-safety"), "preference").label == "safer_response_id"
    assert find_choice(PKU, "supervised") is None
    assert find_choice(HH, "preference") is None


def test_what_a_row_says_of_each_answer_is_swapped_with_it():
    choice = Choice("safer", 1, "answer_0", "answer_1")
    row = {"safer": 0, "answer_0": "a", "answer_1": "b", "is_answer_0_safe": True, "is_answer_1_safe": False, "id": 7}
    swapped = {
        **row,
        "safer": 1,
        "answer_0": "b",
        "answer_1": "a",
        "is_answer_0_safe": False,
        "is_answer_1_safe": True,
    }
    assert choice.swap(row) == swapped
    assert choice.swap(choice.swap(row)) == row


def test_flags_that_stay_with_their_columns_are_caught():
    template = get_template("PKUSafeRLHF-safety")
    row = {**template.example, "is_response_1_safe": False}
    swapping_the_answers_and_the_label_changes_nothing(template, row, "preference")

    def swap_without_flags(row):
        first, second = row["response_0"], row["response_1"]
        return {**row, "safer_response_id": 1 - row["safer_response_id"], "response_0": second, "response_1": first}

    with pytest.raises(AssertionError, match="exchanging the answers and label changes the sample"):
        swapping_the_answers_and_the_label_changes_nothing(template, row, "preference", swap_without_flags)


def test_the_law_does_not_pass_where_it_says_nothing():
    with pytest.raises(AssertionError, match="none of these property tests applies"):
        check_laws(HH, laws=[swapping_the_answers_and_the_label_changes_nothing])


class Pair(Template):
    class Row(RowModel):
        question: str
        first: str
        second: str
        better: Index01

    preference = Preference(
        prompt="{{ question }}", chosen="{{ [first, second][better] }}", rejected="{{ [first, second][1 - better] }}"
    )
    example = {"question": "Tea?", "first": "Yes.", "second": "No.", "better": 0}


class SameSideTwice(Pair):
    preference = Preference(
        prompt="{{ question }}", chosen="{{ [first, second][better] }}", rejected="{{ [first, second][better] }}"
    )
    example = Pair.example


class OneSideFixed(Pair):
    preference = Preference(prompt="{{ question }}", chosen="{{ [first, second][better] }}", rejected="{{ second }}")
    example = Pair.example


class FirstIsBetter(Pair):
    preference = Preference(prompt="{{ question }}", chosen="{{ first }}", rejected="{{ second }}")
    example = Pair.example


def test_a_correct_template_of_a_user_passes():
    check(Pair, swapping_the_answers_and_the_label_changes_nothing)


@pytest.mark.parametrize("template", [SameSideTwice, OneSideFixed])
def test_a_label_that_chooses_on_one_side_only_is_caught(template):
    with pytest.raises(AssertionError, match=r"changes the sample|does not exchange"):
        check(template, swapping_the_answers_and_the_label_changes_nothing)


def swap(row):
    return {**row, "first": row["second"], "second": row["first"], "better": 1 - row["better"]}


@given(rows(Pair(), "preference"))
def test_the_way_round_can_be_said(row):
    swapping_the_answers_and_the_label_changes_nothing(Pair(), row, "preference", swap)


def test_a_label_that_is_not_read_is_caught_when_the_way_round_is_said():
    with pytest.raises(AssertionError, match="changes the sample"):
        swapping_the_answers_and_the_label_changes_nothing(FirstIsBetter(), Pair.example, "preference", swap)
