"""Sentences about a run: every count, what the figures show, and what they do not show."""

import math

import pytest
from preftemplates_train.evaluation.metrics import METRIC_RULES, compute_sign_test
from preftemplates_train.reports import sentences
from preftemplates_train.settings.config import RewardConfig

# What is said of the data


def counted(**counts):
    names = (
        "rows",
        "formatted",
        "skipped",
        "rejected",
        "train_pairs",
        "eval_pairs",
        "too_long",
        "equal",
        "unencodable",
        "cut",
        "control_text",
    )
    return {"name": "rows.jsonl", "template": "Mine", **dict.fromkeys(names, 0), **counts}


class Said:
    """Data of which only the counts are known."""

    style = None
    prompts_in_both = 0
    rows = ()

    def __init__(self, counts, both=0):
        self.prompts_in_both = both
        self.reports = {counts["name"]: self}
        self.summarize = lambda: counts
        self.count_copies = dict


class Model:
    def parameters(self):
        return iter(())


def said_of(counts, both=0):
    return sentences.describe_data(Said(counts, both), Model(), RewardConfig()).splitlines()


def test_every_count_of_a_source_is_said_once():
    head, line = said_of(counted(rows=1234, formatted=1200, skipped=30, rejected=4, train_pairs=1100, eval_pairs=80))
    assert head == "a small decoder from scratch, 0 parameters"
    assert line == (
        "rows.jsonl (Mine): 1,234 rows = 1,200 formatted + 30 skipped + 4 rejected;"
        " 1,100 pairs to train on, 80 held out"
    )
    line = said_of(counted(rows=9, too_long=1, equal=2, unencodable=3, cut=4, control_text=5))[1]
    assert line.endswith(
        "0 held out, 1 too long, 2 equal as tokens, 3 unencodable,"
        " 4 with a cut prompt, 5 with content that contains the text of a control token, encoded as plain text"
    )


def test_prompts_on_both_sides_are_said():
    assert said_of(counted(), both=3)[-1] == "note: the prompts of 3 held-out pairs are also trained on"
    assert len(said_of(counted())) == 2


# What is said of the figures


def figures(accuracy, pairs=100, error=0.01, **more):
    return {"pairs": float(pairs), "accuracy": accuracy, "accuracy_stderr": error, **more}


def test_the_first_sentence_has_pairs_accuracy_and_error():
    assert sentences.describe_result(figures(0.815, 1234, 0.0111))[0] == (
        "In 81.5% of 1,234 held-out pairs, the model gives the better answer the higher reward"
        " (standard error 1.1%); chance gives 50%."
    )


@pytest.mark.parametrize("pairs", [10, 49, 50])
def test_from_ten_pairs_on_there_is_a_percentage_and_below_fifty_it_says_little(pairs):
    first, second, *_ = sentences.describe_result(figures(0.8, pairs, 0.1))
    assert first.startswith(f"In 80.0% of {pairs} held-out pairs, the model gives the better answer the higher reward")
    assert second.startswith("With so few pairs") == (pairs < 50)


def test_fewer_than_ten_pairs_are_counted_and_have_no_percentage():
    first, *others = sentences.describe_result(figures(2 / 3, 9, 0.1, longer_wins=1.0))
    assert first == (
        "Only 9 pairs are held out, too few to tell how well the model ranks."
        " It gives the better answer the higher reward in 6 of 9."
    )
    assert not any("%" in sentence for sentence in (first, *others))
    tied = sentences.describe_result(figures(0.5, 1, math.nan))[0]
    assert tied.startswith("Only 1 pair is held out")
    assert tied.endswith("in 0.5 of 1 (a tie counts one half).")
    assert "nan" not in tied


@pytest.mark.parametrize(("steps", "rate", "said"), [(0, 1e-5, "0 steps."), (0, 0, "0 steps."), (3, 0, "rate is 0.")])
def test_a_run_that_trained_nothing_says_so_first(steps, rate, said):
    untrained = sentences.explain_untrained(RewardConfig(learning_rate=rate), steps)
    for metrics in (figures(0.8), figures(0.8, 3), {"data": []}):
        first = sentences.describe_result(metrics, untrained)[0]
        assert first.startswith("Nothing was trained: ")
        assert first.endswith(said)
        assert sentences.describe_result(metrics, untrained)[1:] == sentences.describe_result(metrics)


def test_a_run_that_trained_does_not_say_that_nothing_was_trained():
    assert sentences.explain_untrained(RewardConfig(learning_rate=1e-9), 1) is None
    head_alone = RewardConfig()
    head_alone.train = "head"
    assert sentences.explain_untrained(head_alone, 0) is None, "a head is fitted without steps"


def test_where_nothing_is_held_out_nothing_is_known():
    (only,) = sentences.describe_result({"data": [], "parameters": 5})
    assert only.startswith("Nothing was held out")


def compare(rule, ahead, behind, share=0.6):
    """A rule's entry in `shortcuts`, as a run writes it."""
    interval = {"difference_low": 0.1, "difference_high": 0.3}
    test = {"ahead": ahead, "behind": behind, "p": compute_sign_test(ahead, behind)}
    return {"rule": rule, "accuracy": share, "model": {"samples": 100, "difference": 0.2, **interval, **test}}


@pytest.mark.parametrize(
    ("ahead", "behind", "said"),
    [
        (30, 10, "better than this rule (p = 0.002)"),
        (10, 30, "worse than this rule (p = 0.002)"),
        (25, 15, "not clearly different from this rule (p = 0.15)"),
        (0, 1, "not clearly different from this rule (p = 1.00)"),
        (60, 0, "better than this rule (p < 0.001)"),
    ],
)
def test_a_model_is_compared_with_a_rule_by_the_sign_test_on_the_same_pairs(ahead, behind, said):
    """The accuracies and the standard error say better in each case, as if the rule's accuracy were exact."""
    shortcuts = {"longer_wins": compare("the longer answer wins", ahead, behind)}
    found = sentences.describe_result(figures(0.8, longer_wins=0.6, shortcuts=shortcuts))[1]
    assert found == f"Rules that ignore the content: 'the longer answer wins' is right for 60.0%. The model is {said}."


def test_the_comparison_is_the_one_with_the_best_rule_or_its_opposite():
    shortcuts = {
        "longer_wins": compare("the shorter answer wins", 30, 10),
        "first_listed_wins": compare("the first listed wins", 11, 10, 0.7),
    }
    found = sentences.describe_result(figures(0.8, longer_wins=0.4, first_listed_wins=0.7, shortcuts=shortcuts))[1]
    assert found.endswith("The model is not clearly different from the best of them (p = 1.00).")


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"longer_wins": 0.625}, "'the longer answer wins' is right for 62.5%. The model is better than this rule."),
        ({"longer_wins": 0.375}, "'the shorter answer wins' is right for 62.5%. The model is better than this rule."),
        ({"longer_wins": 0.5}, "'the longer answer wins' is right for 50.0%. The model is better than this rule."),
        (
            {"longer_wins": 0.795},
            "'the longer answer wins' is right for 79.5%. The model is not clearly different from this rule.",
        ),
        (
            {"longer_wins": 0.81},
            "'the longer answer wins' is right for 81.0%. The model is not clearly different from this rule.",
        ),
        (
            {"first_listed_wins": 0.0},
            "'the last listed wins' is right for 100.0%. The model is worse than this rule.",
        ),
        (
            {"longer_wins": 0.6, "first_listed_wins": 0.79},
            "'the longer answer wins' is right for 60.0% and 'the first listed wins' is right for 79.0%."
            " The model is not clearly different from the best of them.",
        ),
    ],
)
def test_metrics_without_a_comparison_are_compared_by_two_standard_errors(rules, said):
    """As in the files of older versions."""
    assert sentences.describe_result(figures(0.8, **rules))[1] == f"Rules that ignore the content: {said}"


def test_without_a_rule_none_is_named():
    assert not any("rule" in sentence.lower() for sentence in sentences.describe_result(figures(0.8)))


def test_three_rules_are_listed():
    rules = {"longer_wins": 0.5, "first_listed_wins": 0.6, "more_list_marks_wins": 0.7}
    said = sentences.describe_result(figures(0.8, **rules))[1]
    third = METRIC_RULES["more_list_marks_wins"][0]
    assert f"50.0%, 'the first listed wins' is right for 60.0% and '{third}' is right for 70.0%. The" in said


# How an accuracy stands


@pytest.mark.parametrize(
    ("accuracy", "rules", "colour", "words"),
    [
        (0.35, {}, "below", "Worse than chance (50%)."),
        (0.45, {}, "training", "Not clearly different from chance (50%)."),
        (0.5, {}, "training", "Not clearly different from chance (50%)."),
        (0.59, {}, "training", "Not clearly different from chance (50%)."),
        (0.61, {}, "held-out", "Better than chance (50%)."),
        (0.62, {"longer_wins": 0.65}, "below", "Worse than the rule 'the longer answer wins' (65.0%)."),
        (0.62, {"longer_wins": 0.35}, "below", "Worse than the rule 'the shorter answer wins' (65.0%)."),
        (
            0.65,
            {"longer_wins": 0.35},
            "training",
            "Not clearly different from the rule 'the shorter answer wins' (65.0%).",
        ),
        (
            0.64,
            {"longer_wins": 0.65},
            "training",
            "Not clearly different from the rule 'the longer answer wins' (65.0%).",
        ),
        (
            0.68,
            {"longer_wins": 0.65, "first_listed_wins": 0.4},
            "held-out",
            "Better than the rule 'the longer answer wins' (65.0%).",
        ),
        (
            0.67,
            {"longer_wins": 0.6, "first_listed_wins": 0.3},
            "below",
            "Worse than the rule 'the last listed wins' (70.0%).",
        ),
        (0.35, {"longer_wins": 0.65}, "below", "Worse than chance (50%)."),
        (0.65, {"longer_wins": 0.5}, "held-out", "Better than chance (50%)."),
    ],
)
def test_an_accuracy_stands_ahead_only_if_chance_and_the_best_rule_are_clearly_below_it(
    accuracy, rules, colour, words
):
    assert sentences.judge_accuracy(figures(accuracy, **rules)) == (colour, words)


@pytest.mark.parametrize(
    ("accuracy", "ahead", "behind", "colour", "words"),
    [
        (0.8, 30, 10, "held-out", "Better than the rule 'the longer answer wins' (60.0%)."),
        (0.8, 25, 15, "training", "Not clearly different from the rule 'the longer answer wins' (60.0%)."),
        (0.8, 10, 30, "below", "Worse than the rule 'the longer answer wins' (60.0%)."),
        (0.55, 30, 10, "training", "Not clearly different from chance (50%)."),
        (0.55, 10, 30, "below", "Worse than the rule 'the longer answer wins' (60.0%)."),
        (0.3, 25, 15, "below", "Worse than chance (50%)."),
    ],
)
def test_an_accuracy_stands_as_the_sign_test_with_the_best_rule_says(accuracy, ahead, behind, colour, words):
    shortcuts = {"longer_wins": compare("the longer answer wins", ahead, behind)}
    metrics = figures(accuracy, longer_wins=0.6, shortcuts=shortcuts)
    assert sentences.judge_accuracy(metrics) == (colour, words)


def test_an_accuracy_of_unknown_or_few_pairs_is_not_clearly_different_from_chance():
    assert sentences.judge_accuracy({"accuracy": 1.0}).colour == "training"
    assert sentences.judge_accuracy({"accuracy": 0.2}).colour == "training"
    assert sentences.judge_accuracy(figures(1.0, 3, math.nan)).colour == "training"
    assert sentences.judge_accuracy(figures(1.0, 4, 0.0)).colour == "held-out"


# Simpler models


def baseline(ahead, behind, p, **more):
    compared = {"samples": 100, "difference": 0.1, "difference_low": 0.0, "difference_high": 0.2}
    model = {**compared, "ahead": ahead, "behind": behind, "p": p}
    return {"accuracy": 0.7, "accuracy_stderr": 0.01, "train_pairs": 800, "seconds": 4.2, "model": model, **more}


@pytest.mark.parametrize(
    ("ahead", "behind", "p", "said"),
    [
        (30, 10, 0.002, "The model is better than a head: 80.0% against 70.0% (p = 0.002)."),
        (10, 30, 0.00001, "The model is worse than a head: 80.0% against 70.0% (p < 0.001)."),
        (12, 10, 0.83, "The model is not clearly different from a head: 80.0% against 70.0% (p = 0.83)."),
        (30, 17, 0.05, "The model is not clearly different from a head: 80.0% against 70.0% (p = 0.050)."),
    ],
)
def test_of_each_simpler_model_is_said_whether_the_run_is_ahead_of_it(ahead, behind, p, said):
    found = sentences.describe_result(figures(0.8, baselines={"head": baseline(ahead, behind, p, label="a head")}))
    assert found[1] == said
    assert len(found) == 3


def test_without_simpler_models_none_is_named_and_without_a_label_it_has_its_name():
    for nothing in ({}, {"head": {"skipped": "no layers"}}):
        assert sentences.describe_result(figures(0.8, baselines=nothing)) == sentences.describe_result(figures(0.8))
    two = {"head": baseline(30, 10, 0.002), "words": baseline(10, 30, 0.002)}
    found = sentences.describe_result(figures(0.8, baselines=two))
    assert [sentence.partition(":")[0] for sentence in found[1:3]] == [
        "The model is better than head", "The model is worse than words",
    ]  # fmt: skip


def test_next_to_few_pairs_a_simpler_model_has_no_percentage():
    found = sentences.describe_result(figures(0.8, 5, baselines={"head": baseline(1, 1, 1.0, label="a head")}))
    assert found[1] == "The model is not clearly different from a head (p = 1.00)."


def test_the_settings_of_a_head_are_those_that_it_reads():
    config = RewardConfig()
    assert "learning_rate" in sentences.select_main_settings(config)
    config.train = "head"
    assert sentences.select_main_settings(config) == {
        "model_name_or_path": None, "train": "head", "head_layers": None, "objective": "preference", "seed": 42,
    }  # fmt: skip


def test_few_pairs_of_the_generated_set_have_no_percentage():
    found = sentences.describe_result(figures(1.0, 4, clean=figures(0.75, 4)))
    assert "By the right labels, the model ranks 3 of 4 pairs correctly." in " ".join(found)


@pytest.mark.parametrize(
    ("clean", "said"), [(0.99, "so it has learnt which deeds"), (0.5, "It has not learnt"), (0.01, "are swapped")]
)
def test_of_the_generated_set_is_said_whether_it_was_learnt(clean, said):
    said_of_it = sentences.describe_result(figures(0.9, clean=figures(clean)))
    assert f"ranks {clean:.1%} of the pairs correctly" in said_of_it[1]
    assert said in said_of_it[2]


def test_held_out_prompts_that_were_trained_on_are_said_with_the_limits():
    assert sentences.describe_result(figures(0.8, prompts_in_both=7))[-1].startswith(
        "The prompts of 7 of these pairs were trained on."
    )
    assert sentences.describe_result(figures(0.8, prompts_in_both=0))[-1].startswith("This does not show")
