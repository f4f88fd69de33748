"""Sentences about a run: every count, what the figures show, and what they do not show."""

import math

import pytest
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
        "0 held out, 1 too long, 2 equal as tokens, 3 without token ids of their own,"
        " 4 with a cut prompt, 5 with content that spells a control token, encoded as plain text"
    )


def test_prompts_on_both_sides_are_said():
    assert said_of(counted(), both=3)[-1] == "note: the prompts of 3 held-out pairs are also trained on"
    assert len(said_of(counted())) == 2


# What is said of the figures


def figures(accuracy, pairs=100, error=0.01, **more):
    return {"pairs": float(pairs), "accuracy": accuracy, "accuracy_stderr": error, **more}


def test_the_first_sentence_has_pairs_accuracy_and_error():
    assert sentences.describe_result(figures(0.815, 1234, 0.0111))[0] == (
        "Of 1,234 held-out pairs, the model gives the better answer the higher reward in 81.5%"
        " (standard error 1.1%); a coin gets 50%."
    )


def test_one_pair_has_no_error_and_says_little():
    first, few, *_ = sentences.describe_result(figures(1.0, 1, math.nan))
    assert (
        first == "Of 1 held-out pairs, the model gives the better answer the higher reward in 100.0%; a coin gets 50%."
    )
    assert few.startswith("So few pairs say little")
    assert not any("little" in sentence for sentence in sentences.describe_result(figures(1.0, 50)))
    assert not any(
        "nan" in sentence for sentence in sentences.describe_result(figures(1.0, 1, math.nan, longer_wins=1.0))
    )


def test_where_nothing_is_held_out_nothing_is_known():
    (only,) = sentences.describe_result({"data": [], "parameters": 5})
    assert only.startswith("Nothing was held out")


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"longer_wins": 0.625}, "'the longer answer wins' is right in 62.5%. The model is ahead."),
        ({"longer_wins": 0.375}, "'the shorter answer wins' is right in 62.5%. The model is ahead."),
        ({"longer_wins": 0.5}, "'the longer answer wins' is right in 50.0%. The model is ahead."),
        ({"first_listed_wins": 0.0}, "'the last listed wins' is right in 100.0%. The model is not clearly ahead."),
        (
            {"longer_wins": 0.6, "first_listed_wins": 0.79},
            "'the longer answer wins' is right in 60.0% and 'the first listed wins' is right in 79.0%."
            " The model is not clearly ahead.",
        ),
    ],
)
def test_a_model_is_ahead_of_rules_that_read_no_text_by_more_than_two_errors_or_not_clearly(rules, said):
    assert sentences.describe_result(figures(0.8, **rules))[1] == f"What a rule gets that reads no text: {said}"


def test_without_a_rule_none_is_named():
    assert not any("rule" in sentence for sentence in sentences.describe_result(figures(0.8)))


@pytest.mark.parametrize(
    ("clean", "said"), [(0.99, "so it has learnt which deeds"), (0.5, "It has not learnt"), (0.01, "are swapped")]
)
def test_of_the_generated_set_is_said_whether_it_was_learnt(clean, said):
    said_of_it = sentences.describe_result(figures(0.9, clean=figures(clean)))
    assert f"ranks {clean:.1%} of the pairs well" in said_of_it[1]
    assert said in said_of_it[2]


def test_held_out_prompts_that_were_trained_on_are_said_with_the_limits():
    assert sentences.describe_result(figures(0.8, prompts_in_both=7))[-1].startswith(
        "The prompts of 7 of these pairs were trained on."
    )
    assert sentences.describe_result(figures(0.8, prompts_in_both=0))[-1].startswith("This does not show")
