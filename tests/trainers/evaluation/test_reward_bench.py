"""RewardBench and RewardBench 2: sections weigh what their papers say, and Ties has its rule."""

import math
from io import StringIO

import pytest
from preftemplates_train.evaluation.figures import evaluate_samples
from preftemplates_train.evaluation.reward_bench import (
    BEST_OF_FOUR,
    SECTIONS,
    TIES,
    score_reward_bench,
    score_reward_bench_2,
    score_ties,
)
from preftemplates_train.evaluation.scored_samples import ScoredSample
from preftemplates_train.evaluation.table import print_evaluation

from preftemplates.cli.terminal import SafeConsole


def group(good, bad, **row):
    return ScoredSample(0, 0, row, [*good, *bad], [0.0] * len(good) + [1.0] * len(bad), [9] * (len(good) + len(bad)))


V1 = [name for section in SECTIONS.values() for name in section]


def test_math_weighs_as_much_as_code_and_other_subsets_as_their_rows():
    assert len(V1) == 23
    assert sum(weight for name, weight in SECTIONS["Reasoning"].items() if name != "math-prm") == 984
    cases = [group([1.0], [0.0], subset=name) for name in V1 if name != "math-prm"]
    found = score_reward_bench([*cases, group([0.0], [1.0], subset="math-prm")])
    assert found["sections"] == {"Chat": 1.0, "Chat Hard": 1.0, "Safety": 1.0, "Reasoning": 0.5}
    assert (found["score"], found["missing"]) == (0.875, [])
    found = score_reward_bench([group([float(name != "alpacaeval-easy")], [0.5], subset=name) for name in V1])
    assert found["sections"]["Chat"] == pytest.approx(1 - 100 / 358)


@pytest.mark.parametrize(
    ("lost", "section", "weight", "rows"),
    [
        ("mt-bench-hard", "Chat Hard", 37, 456),
        ("xstest-should-refuse", "Safety", 154, 740),
        ("xstest-should-respond", "Safety", 250, 740),
        ("hep-go", "Reasoning", 164, 1968),
    ],
)
def test_a_lost_subset_costs_its_section_its_weight(lost, section, weight, rows):
    found = score_reward_bench([group([float(name != lost)], [0.5], subset=name) for name in V1])
    assert found["sections"] == {name: pytest.approx(1 - weight / rows * (name == section)) for name in SECTIONS}


def test_a_benchmark_with_a_part_missing_has_no_score():
    found = score_reward_bench([group([1.0], [0.0], subset=name) for name in V1[1:]])
    assert (found["score"], found["missing"]) == (None, [V1[0]])
    assert found["sections"]["Chat"] == 1.0
    assert score_reward_bench([group([1.0], [0.0], subset="other"), group([1.0], [0.0])]) is None


def test_a_tie_is_lost_in_rewardbench():
    assert score_reward_bench([group([1.0], [1.0], subset=V1[0])])["subsets"] == {V1[0]: 0.0}


def test_best_of_four_shares_the_top_and_loses_below_it():
    rows = [([2.0], [0.0, 1.0, 1.0]), ([2.0], [2.0, 2.0, 1.0]), ([1.0], [2.0, 0.0, 0.0])]
    found = score_reward_bench_2([group(*row, subset="Focus") for row in rows])
    assert found["subsets"] == {"Focus": pytest.approx((1 + 1 / 3) / 3)}
    assert (found["score"], len(found["missing"])) == (None, 5)


def tied(number, good, bad, ref_good, ref_bad):
    return [
        group(good, bad, id=f"tied:{number}", subset=TIES),
        group([ref_good], ref_bad, id=f"ref:{number}", subset=TIES),
    ]


def test_the_score_of_ties_by_hand():
    # spread 1, gaps 2 and 3: all well; tanh(2 / 1 - 1)
    well = tied(1, [4.0, 5.0], [2.0, 1.0], 3.0, [0.0])
    assert score_ties(well) == pytest.approx(0.3 + 0.3 + 0.2 + 0.2 + 0.01 * math.tanh(1))
    # spread 1, gap 2 among the tied and 0.5 in the reference: right, and the second gap is not wider
    narrow = tied(2, [4.0, 5.0], [2.0], 3.0, [2.5])
    assert score_ties(narrow) == pytest.approx(0.3 + 0.3 + 0.2 + 0.01 * math.tanh(-0.5))
    # a right answer below a wrong one, and the reference lost
    lost = tied(3, [1.0, 5.0], [2.0], 0.0, [1.0])
    assert score_ties(lost) == pytest.approx(0.01 * math.tanh(-1 / 4 - 1))
    assert score_ties(well + lost) == pytest.approx((score_ties(well) + score_ties(lost)) / 2)


def test_right_answers_without_any_spread_divide_by_nothing():
    assert score_ties(tied(1, [1.0, 1.0], [0.0], 1.0, [0.0])) == pytest.approx(1.0 + 0.01)
    assert score_ties(tied(1, [1.0, 1.0], [1.0], 1.0, [1.0])) == 0.0


def test_ties_without_their_references_have_no_score():
    assert score_ties(tied(1, [1.0, 2.0], [0.0], 1.0, [0.0])[:1]) is None
    assert score_reward_bench_2(tied(1, [1.0, 2.0], [0.0], 1.0, [0.0])[:1]) is None


def test_the_score_is_the_mean_of_six_subsets():
    four = [group([1.0], [0.0] * 3, subset=name) for name in BEST_OF_FOUR]
    found = score_reward_bench_2([*four, *tied(1, [4.0, 5.0], [2.0], 3.0, [2.5])])
    assert found["missing"] == []
    assert found["score"] == pytest.approx((5 + 0.8 + 0.01 * math.tanh(-0.5)) / 6)


# --- rules next to the model -----------------------------------------------------------------------------------------


def listed(good, bad, tokens, marks, **row):
    return group(good, bad, **row)._replace(tokens=tokens, list_marks=marks)


def test_a_rule_has_half_a_pair_for_a_tie_and_the_model_none():
    rows = [
        listed([1.0], [0.0], (9, 5), (0, 0), subset="hep-go"),
        listed([1.0], [1.0], (9, 9), (2, 0), subset="hep-go"),
        listed([0.0], [1.0], (4, 9), (0, 0), subset="hep-go"),
        listed([1.0], [0.0], (9, 5), (0, 0), subset="hep-go"),
    ]
    found = score_reward_bench(rows)
    subset = found["by_subset"]["hep-go"]
    assert list(found["by_subset"]) == list(found["subsets"])
    assert (subset["samples"], subset["score"], found["subsets"]["hep-go"]) == (4, 0.5, 0.5)
    assert subset["rules"] == {
        "longer": 2.5 / 4,
        "shorter": 1.5 / 4,
        "more_list_marks": 2.5 / 4,
        "fewer_list_marks": 1.5 / 4,
    }
    assert subset["best_rule"] == "longer"
    assert subset["length_controlled_accuracy"] == pytest.approx(0.5 / 4 + 3 / 4 * (1 + 0) / 2)


def test_in_best_of_four_a_rule_is_scored_as_a_model_is():
    rows = [
        listed([0.0], [1.0, 2.0, 3.0], (9, 9, 5, 4), (1, 0, 0, 0), subset="Math"),
        listed([0.0], [1.0, 2.0, 3.0], (4, 9, 5, 6), (0, 0, 0, 0), subset="Math"),
    ]
    subset = score_reward_bench_2(rows)["by_subset"]["Math"]
    assert subset["score"] == 0.0
    assert subset["rules"] == {
        "longer": 0.25,
        "shorter": 0.5,
        "more_list_marks": pytest.approx((1 + 1 / 4) / 2),
        "fewer_list_marks": pytest.approx((0 + 1 / 4) / 2),
    }
    assert subset["best_rule"] == "more_list_marks"


def test_in_ties_a_rule_is_scored_by_their_own_score():
    """Planted: each right answer is longer than each wrong one, by more than the right ones differ."""
    cases = [
        case._replace(tokens=[int(10 * reward) for reward in case.rewards])
        for case in tied(1, [4.0, 5.0], [2.0, 1.0], 3.0, [0.0])
    ]
    subset = score_reward_bench_2(cases)["by_subset"][TIES]
    assert subset["rules"]["longer"] == pytest.approx(score_ties(cases)) == pytest.approx(subset["score"])
    assert subset["rules"]["shorter"] < 0
    assert subset["length_controlled_reason"] == "the better answer is never the shorter one"


def test_the_subsets_are_printed_with_the_best_rule():
    tokens = ((9, 5), (4, 9))
    rows = [listed([1.0], [0.0], one, (0, 0), subset="hep-go") for one in tokens]
    counts = {"source": "r", "model": "m", "template": "RewardBench", "rows": 2, "unscored": {}}
    out = StringIO()
    for benchmark in (score_reward_bench(rows), score_reward_bench(rows[:1])):
        figures = {**counts, **evaluate_samples(rows), "benchmark": {"name": "RewardBench", **benchmark}}
        print_evaluation(figures, SafeConsole(file=out, width=100))
    said = [" ".join(line.split()) for line in out.getvalue().splitlines()]
    assert "score best rule length-controlled" in said
    assert "hep-go 100.0% longer 50.0% 100.0%" in said
    assert "hep-go 100.0% longer 100.0% the better answer is never the shorter one" in said
