"""Figures: closed forms, laws of the figures, and planted faults that they show."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from preftemplates_train.console import replace_non_finite
from preftemplates_train.evaluation.figures import (
    LENGTH_BANDS,
    compare_on_common_samples,
    compare_scores,
    compute_top_share,
    evaluate_samples,
    measure_best_answers,
    summarize_pairs,
    tabulate_wins,
)
from preftemplates_train.evaluation.metrics import (
    compute_wilson_interval,
    score_wins,
)
from preftemplates_train.evaluation.scored_samples import PairMargins, ScoredSample


def pair(margin, number=0, longer=0, **more):
    return ScoredSample(number, 0, {}, [margin, 0.0], [0, 1], [20 + longer, 20], **more)


def pairs_of(*margins):
    return [pair(margin, number) for number, margin in enumerate(margins)]


def group(good, bad, **row):
    return ScoredSample(0, 0, row, [*good, *bad], [0.0] * len(good) + [1.0] * len(bad), [9] * (len(good) + len(bad)))


numbers = st.integers(-3, 3).map(float)
groups = st.builds(group, st.lists(numbers, min_size=1, max_size=3), st.lists(numbers, min_size=1, max_size=4))


# --- figures ---------------------------------------------------------------------------------------------------------


def test_the_figures_of_four_pairs():
    found = summarize_pairs(PairMargins.from_samples(pairs_of(1.0, -1.0, 0.0, 2.0)))
    assert (found["samples"], found["pairs"], found["accuracy"]) == (4, 4, 0.625)
    assert (found["accuracy_low"], found["accuracy_high"]) == compute_wilson_interval(0.625, 4)
    assert found["loss"] == pytest.approx(np.mean([math.log1p(math.exp(-margin)) for margin in (1, -1, 0, 2)]))


@given(st.lists(groups, min_size=1, max_size=6), st.permutations(range(6)))
def test_a_prompt_counts_once_however_many_answers_it_has(drawn, order):
    found = summarize_pairs(PairMargins.from_samples(drawn))
    shares = [np.mean([score_wins(np.array(good - bad)) for good in one.good for bad in one.bad]) for one in drawn]
    assert found["accuracy"] == pytest.approx(np.mean(shares))
    shuffled = [drawn[number] for number in order if number < len(drawn)]
    assert summarize_pairs(PairMargins.from_samples(shuffled))["accuracy"] == pytest.approx(found["accuracy"])


@given(st.lists(groups, min_size=1, max_size=6), st.integers(-5, 5))
def test_a_constant_changes_nothing_and_exchanged_rewards_are_the_mirror(drawn, constant):
    moved = [case._replace(rewards=[reward + constant for reward in case.rewards]) for case in drawn]
    mirrored = [case._replace(rewards=[-reward for reward in case.rewards]) for case in drawn]
    found = summarize_pairs(PairMargins.from_samples(drawn))
    assert summarize_pairs(PairMargins.from_samples(moved)) == found
    assert summarize_pairs(PairMargins.from_samples(mirrored))["accuracy"] == pytest.approx(1 - found["accuracy"])


def test_pairs_are_of_different_ranks_only():
    case = ScoredSample(0, 0, {}, [3.0, 2.0, 1.0, 0.0], [0, 0, 1, 2], [1, 2, 3, 4])
    pairs = PairMargins.from_samples([case])
    assert sorted(pairs.margins.tolist()) == [1.0, 1.0, 2.0, 2.0, 3.0]
    assert sorted(pairs.length_differences.tolist()) == [-3.0, -2.0, -2.0, -1.0, -1.0]
    assert pairs.weights.sum() == pytest.approx(1)


def test_every_group_has_its_own_figures():
    cases = [
        pair(1.0, 0, turns=1)._replace(columns={"kind": "a", "n": 1}),
        pair(-1.0, 1, turns=10)._replace(columns={"kind": "b", "n": 1}),
        pair(1.0, 2, turns=2)._replace(columns={"kind": "a", "n": None}),
    ]
    found = evaluate_samples(cases, ["kind", "n"])
    assert {name: (one["samples"], one["accuracy"]) for name, one in found["by"]["kind"].items()} == {
        "a": (2, 1.0),
        "b": (1, 0.0),
    }
    assert {name: one["samples"] for name, one in found["by"]["n"].items()} == {"1": 2, "null": 1}
    assert list(found["by_turns"]) == ["1", "2", "10"]
    assert "by_turns" not in evaluate_samples([*cases, pair(1.0, 3)])
    assert "best" not in found


@given(st.lists(st.integers(-300, 300), min_size=1, max_size=20))
def test_every_pair_is_in_the_band_that_its_name_says(differences):
    cases = [pair(1.0, number, longer) for number, longer in enumerate(differences)]
    found = evaluate_samples(cases)["by_length_difference"]
    expected = {
        "shorter by more than 100": sum(one < -100 for one in differences),
        "shorter by 11 to 100": sum(-100 <= one <= -11 for one in differences),
        "within 10": sum(-10 <= one <= 10 for one in differences),
        "longer by 11 to 100": sum(11 <= one <= 100 for one in differences),
        "longer by more than 100": sum(one > 100 for one in differences),
    }
    assert list(LENGTH_BANDS) == list(expected)
    assert {name: one["pairs"] for name, one in found.items()} == {name: n for name, n in expected.items() if n}


# --- shortcuts, and models next to each other ------------------------------------------------------------------------


def test_a_model_that_reads_only_length_is_no_better_than_the_rule():
    draw = np.random.default_rng(2)
    longer = [int(one) for one in draw.integers(-50, 80, 200)]
    found = evaluate_samples([pair(one / 10, number, one) for number, one in enumerate(longer)])["shortcuts"][
        "longer_wins"
    ]
    assert found["rule"] == "the longer answer wins"
    assert (found["model"]["difference"], found["model"]["p"]) == (0.0, 1.0)
    assert found["accuracy"] == pytest.approx(
        np.mean([1.0 if one > 0 else 0.5 if one == 0 else 0.0 for one in longer])
    )


def test_a_rule_that_is_mostly_wrong_is_turned_round_and_unknown_ones_are_left_out():
    cases = [pair(1.0, number, -5, first_listed=number == 0) for number in range(4)] + [pair(-1.0, 4, -5)]
    found = evaluate_samples(cases)["shortcuts"]
    assert (found["longer_wins"]["rule"], found["longer_wins"]["accuracy"]) == ("the shorter answer wins", 1.0)
    assert found["longer_wins"]["model"]["behind"] == 1
    assert found["first_listed_wins"]["rule"] == "the last listed wins"
    assert (found["first_listed_wins"]["model"]["samples"], found["first_listed_wins"]["accuracy"]) == (4, 0.75)
    assert "first_listed_wins" not in evaluate_samples(pairs_of(1.0))["shortcuts"]


def test_a_place_that_no_row_changes_is_no_rule():
    """The better answer has a column of its own there, and its name says so."""
    cases = [pair(1.0, number, -5, first_listed=True) for number in range(4)]
    assert "first_listed_wins" not in evaluate_samples(cases)["shortcuts"]


def test_two_models_are_compared_on_the_samples_that_both_scored():
    mine, theirs = pairs_of(1.0, 1.0, -1.0, 0.0), pairs_of(-1.0, 1.0, -1.0, 1.0)[:3]
    found = compare_on_common_samples(mine, [*theirs[::-1], pair(1.0, 99)])
    assert (found["samples"], found["accuracy"]) == (3, pytest.approx(1 / 3))
    assert found["model"] == {
        "samples": 3,
        "difference": pytest.approx(1 / 3),
        "difference_low": pytest.approx(1 / 3 - 1.959964 * math.sqrt(1 / 3) / math.sqrt(3), abs=1e-5),
        "difference_high": pytest.approx(1 / 3 + 1.959964 * math.sqrt(1 / 3) / math.sqrt(3), abs=1e-5),
        "ahead": 1,
        "behind": 0,
        "p": 1.0,
    }
    assert compare_on_common_samples(mine, [pair(1.0, 99)]) is None


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=12))
def test_exchanged_models_are_the_mirror(drawn):
    first, second = (score_wins(np.array(side)) for side in zip(*drawn, strict=True))
    one, two = compare_scores(first, second), compare_scores(second, first)
    assert (one["ahead"], one["behind"], one["p"]) == (two["behind"], two["ahead"], two["p"])
    assert one["difference"] == pytest.approx(-two["difference"])


def test_samples_are_matched_by_row_and_not_by_place():
    """Planted: a row that only one model could score would shift all behind it."""
    mine = pairs_of(1.0, -1.0, 1.0, -1.0)
    found = compare_on_common_samples(mine[1:], mine)
    assert (found["model"]["ahead"], found["model"]["behind"]) == (0, 0)


# --- grouped sets ----------------------------------------------------------------------------------------------------


def test_the_best_of_several_and_what_a_tie_at_the_top_counts():
    assert compute_top_share([2.0], [1.0, 2.0, 2.0]) == pytest.approx(1 / 3)
    assert measure_best_answers([group([1.0], [0.0, 0.5]), group([1.0], [1.0, 0.0])])["accuracy"] == 0.75


def test_a_cell_is_one_good_answer_against_one_bad_one():
    found = tabulate_wins([group([3.0, 1.0], [2.0, 0.0]), group([3.0, 1.0], [1.0, 5.0]), group([1.0], [0.0, 2.0])])
    assert found == {
        "2x2": {"samples": 2, "accuracy": [[1.0, 0.5], [0.25, 0.5]]},
        "1x2": {"samples": 1, "accuracy": [[1.0, 0.0]]},
    }
    assert tabulate_wins([pair(1.0), ScoredSample(0, 0, {}, [1.0, 2.0, 3.0], [0, 1, 2], [1, 1, 1])]) == {}


def test_what_is_no_finite_number_is_null():
    found = compare_scores(np.array([1.0]), np.array([0.0]))
    assert replace_non_finite({"a": [found]})["a"][0]["difference_low"] is None
