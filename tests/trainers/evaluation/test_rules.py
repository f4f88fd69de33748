"""Content-blind rules: what each chooses, and what a list mark is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from preftemplates_train.evaluation.figures import evaluate_samples
from preftemplates_train.evaluation.places import NO_PLACE, SAME_PLACE, explain_no_places
from preftemplates_train.evaluation.rules import (
    CONTENT_BLIND_RULES,
    apply_rule,
    count_answer_list_marks,
    count_list_marks,
    count_list_marks_around,
    find_best_rule,
    measure_rules,
)
from preftemplates_train.evaluation.scored_samples import PairMargins, ScoredSample
from support import HOMEWORK

from preftemplates import get_template
from preftemplates.data.reading import Record

OPPOSITES = {"longer": "shorter", "first": "last", "more_list_marks": "fewer_list_marks"}


def pair(number=0, tokens=(5, 5), marks=(0, 0), first=None, margin=1.0):
    return ScoredSample(number, 0, {}, [margin, 0.0], [0, 1], tokens, None, first, marks)


def accuracies(samples):
    return measure_rules(samples, lambda scored: PairMargins.from_samples(scored).accuracy)


# --- list marks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("", 0),
        ("one line", 0),
        ("- a", 1),
        ("* a\n+ b\n- c", 3),
        ("1. a\n2) b\n10. c\n123456789) d", 4),
        ("1234567890. a", 0),
        ("Intro:\n\n  - nested\n\t* deeper", 2),
        ("-a\n*a*\n**b**\n+1\n1.5\n1.a\n-", 0),
        ("---\n- - -\n* * *\n***", 0),
        ("text - with a dash\n> - quoted", 0),
        ("- a\r\n- b\r\n", 2),
        ("- \n-  \n- a", 1),
    ],
)
def test_what_a_list_mark_is(text, number):
    assert count_list_marks(text) == number


def test_long_lines_do_not_hang():
    """Planted: what a pattern that tries every way would not end on."""
    for text in ("- " * 100_000, " " * 200_000 + "x", "-" + " " * 200_000 + "\n", "1" * 200_000, "*" * 200_000):
        assert count_list_marks(text) == 0


def test_the_marks_of_an_answer_are_those_of_its_contents():
    parts = [{"type": "text", "text": "- a\n- b"}, {"type": "image", "image": "- c"}]
    answer = [
        {"role": "assistant", "content": "- a"},
        {"role": "tool", "content": parts},
        {"role": "assistant", "content": None, "tool_calls": [{"text": "- d"}]},
    ]
    assert count_answer_list_marks(answer) == 3


@pytest.mark.parametrize(
    ("text", "contents", "number"),
    [
        ("USER: - a ASSISTANT: - b\n- c", (), 1),
        ("USER: - a ASSISTANT: - b\n- c", ((6, 9), (21, 28)), 3),
        ("ASSISTANT: see 1. b\n- c", ((11, 23), (15, 16)), 1),
        ("ASSISTANT: - a", ((11, 12), (11, 14)), 1),
        ("- a", ((0, 3),), 1),
    ],
)
def test_in_a_custom_template_s_text_contents_begin_lines(text, contents, number):
    assert count_list_marks_around(text, contents) == number


# --- rules -----------------------------------------------------------------------------------------------------------


def test_each_rule_chooses_what_its_name_says():
    samples = [
        pair(0, tokens=(9, 5), marks=(1, 3), first=True),
        pair(1, tokens=(9, 5), marks=(0, 0), first=True),
        pair(2, tokens=(4, 5), marks=(0, 0), first=False),
        pair(3, tokens=(5, 5), marks=(2, 0), first=True),
    ]
    assert "first" not in accuracies(samples[:2])  # both are in one place, which may be a column of its own
    assert accuracies(samples) == {
        "longer": 2.5 / 4,
        "shorter": 1.5 / 4,
        "first": 3 / 4,
        "last": 1 / 4,
        "more_list_marks": 2 / 4,
        "fewer_list_marks": 2 / 4,
    }


drawn_samples = st.lists(
    st.builds(
        lambda tokens, marks, first: pair(0, tokens, marks, first),
        st.tuples(st.integers(1, 4), st.integers(1, 4)),
        st.tuples(st.integers(0, 2), st.integers(0, 2)),
        st.none() | st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


@given(drawn_samples)
def test_opposite_rules_are_the_mirror_and_unknown_places_count_one_half(samples):
    found = accuracies(samples)
    for name, opposite in OPPOSITES.items():
        assert (name in found) == (opposite in found)
        if name in found:
            assert found[name] + found[opposite] == pytest.approx(1)
    firsts = [sample.first_listed for sample in samples]
    if {True, False} <= {*firsts}:
        assert found["first"] == pytest.approx(np.mean([0.5 if first is None else first for first in firsts]))
    else:
        assert "first" not in found
    assert found[find_best_rule(found)] == max(found.values())


def test_a_rule_ranks_any_number_of_answers():
    sample = ScoredSample(0, 0, {}, [0.0] * 3, [0, 1, 1], [7, 5, 9], None, None, [1, 0, 0])
    assert accuracies([sample]) == {"longer": 0.5, "shorter": 0.5, "more_list_marks": 1.0, "fewer_list_marks": 0.0}
    assert apply_rule([sample], "shorter")[0].rewards == [-7, -5, -9]
    assert apply_rule([sample._replace(list_marks=None)], "more_list_marks") is None
    assert find_best_rule({}) is None


def test_rules_are_next_to_the_model_in_the_figures():
    samples = [pair(0, (9, 5), (1, 3)), pair(1, (9, 5), (0, 1), margin=-1.0)]
    found = evaluate_samples(samples)
    assert found["rules"] == accuracies(samples)
    assert set(found["rules"]) == set(CONTENT_BLIND_RULES) - {"first", "last"}
    shortcut = found["shortcuts"]["more_list_marks_wins"]
    assert (shortcut["rule"], shortcut["accuracy"]) == ("fewer list marks win", 1.0)
    assert (shortcut["model"]["difference"], shortcut["model"]["behind"]) == (-0.5, 1)
    unknown = [sample._replace(list_marks=None) for sample in samples]
    assert set(evaluate_samples(unknown)["shortcuts"]) == {"longer_wins"}


# --- places ----------------------------------------------------------------------------------------------------------


def explain(template, *rows, format="preference"):
    return explain_no_places((Record(number, None, row) for number, row in enumerate(rows)), template, format)


TEMPLATE = get_template("PKUSafeRLHF")
FIRST, SECOND = ({**TEMPLATE.example, "better_response_id": number} for number in (0, 1))


def test_labels_that_vary_show_that_the_place_says_something():
    assert explain(TEMPLATE, {}, FIRST, FIRST, SECOND) is None
    assert explain(TEMPLATE, {}) == NO_PLACE
    for row in (FIRST, SECOND):
        assert explain(TEMPLATE, row, row) == SAME_PLACE


def test_rows_are_read_until_two_differ():
    def rows():
        yield Record(0, None, SECOND)
        yield Record(1, None, FIRST)
        raise AssertionError("a third row is read")

    assert explain_no_places(rows(), TEMPLATE, "preference") is None


@pytest.mark.parametrize(
    ("name", "format", "reason"),
    [
        ("RewardBench", "preference", NO_PLACE),
        ("TRL", "preference", SAME_PLACE),
        ("RewardBench2", "ranked", "RewardBench2 reads rankings, but this rule is for pairs"),
        (str(HOMEWORK), "preference", "is a custom template, which does not show where in a row its answers are"),
    ],
)
def test_other_rows_do_not_and_the_reason_says_why(name, format, reason):
    template = get_template(name)
    assert explain(template, template.example or {}, format=format).endswith(reason)
