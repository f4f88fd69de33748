"""`evaluate --fail-below`: rules and numbers, what is below them, and exit codes."""

import json

import numpy as np
import pytest
from preftemplates_train.data.demo import generate
from preftemplates_train.errors import SetupError
from preftemplates_train.evaluation.fail_below import RULE_WORDS, check_bounds, parse_bound
from preftemplates_train.evaluation.options import EvaluateOptions, read_evaluate_options
from preftemplates_train.evaluation.rules import CONTENT_BLIND_RULES
from score_support import write
from support import HOMEWORK
from trainer_support import command, refusal

PKU = ("--template", "PKUSafeRLHF")
ROWS = generate(20, seed=5)[0]
RULES = {"longer": 0.75, "shorter": 0.25, "more_list_marks": 0.5, "fewer_list_marks": 0.5}


def lines(accuracy, *words, rules=RULES):
    figures = {"source": "rows.jsonl", "accuracy": accuracy, "rules": rules}
    return list(check_bounds(map(parse_bound, words), figures))


# --- values ----------------------------------------------------------------------------------------------------------


def test_every_rule_has_a_word_in_both_spellings():
    assert len(RULE_WORDS) == len(CONTENT_BLIND_RULES) + 1
    for name in CONTENT_BLIND_RULES:
        assert parse_bound(name).rule == parse_bound(name.replace("_", "-")).rule == name
    assert parse_bound("best_rule").rule == parse_bound("best-rule").rule == "best-rule"
    assert [parse_bound(word).number for word in ("0", "0.6", "1", "6e-1")] == [0.0, 0.6, 1.0, 0.6]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("longr", "there is no rule 'longr'; expected one of longer, shorter,"),
        ("longr", "or a number from 0 to 1 such as 0.6. Did you mean 'longer'?"),
        ("more-marks", "Did you mean 'more-list-marks'?"),
        ("60%", "there is no rule '60%'"),
        ("1.5", "expected an accuracy from 0 to 1, got '1.5'; write 0.6 for 60 %"),
        ("60", "got '60'"),
        ("-0.1", "got '-0.1'"),
        ("nan", "got 'nan'"),
        ("inf", "got 'inf'"),
    ],
)
def test_what_is_neither_a_rule_nor_an_accuracy_is_an_error(word, message):
    with pytest.raises(SetupError) as error:
        EvaluateOptions(source="rows.jsonl", model="m", fail_below=["longer", word])
    assert message in str(error.value)
    assert refusal("evaluate", "gone.jsonl", "--model", "gone", f"--fail-below={word}").startswith("fail_below: ")


def test_the_option_is_repeatable():
    words = ["rows.jsonl", "--model", "m", "--fail-below", "longer", "--fail_below=0.6"]
    bounds = read_evaluate_options(words).bounds
    assert [(bound.rule, bound.number) for bound in bounds] == [("longer", None), (None, 0.6)]


# --- what is below ---------------------------------------------------------------------------------------------------


def test_a_line_names_the_rule_and_both_figures():
    assert lines(0.7, "longer", "shorter", "0.71", "0.7") == [
        "rows.jsonl: accuracy 0.7 is below 0.75, the accuracy of the rule 'longer' [--fail-below longer]",
        "rows.jsonl: accuracy 0.7 is below 0.71 [--fail-below 0.71]",
    ]
    assert lines(0.7, "best_rule") == [
        "rows.jsonl: accuracy 0.7 is below 0.75, the accuracy of the rule 'longer' [--fail-below best_rule]"
    ]
    assert lines(0.76, "best-rule", *RULES) == []


def test_equal_accuracies_are_not_below_each_other():
    thirds = float(np.mean([1 / 3, 1 / 3, 1 / 3, 2 / 3, 2 / 3, 2 / 3]))
    assert lines(thirds, "0.5") == []
    assert lines(0.75, "longer", "0.75") == []


@pytest.mark.parametrize("word", ["first", "last"])
def test_a_rule_without_what_it_needs_is_an_error(word):
    with pytest.raises(
        SetupError, match=f"the rule '{word}' of --fail-below cannot be computed: the scored rows do not"
    ):
        lines(0.9, word)


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def source(tmp_path):
    return write(tmp_path / "rows.jsonl", ROWS)


def label(rows, choose):
    """The rows, with the answer as the better one that a function of both chooses."""
    return [{**row, "better_response_id": choose(row["response_0"], row["response_1"])} for row in rows]


def test_below_is_exit_code_1_after_the_figures_and_above_is_0(folder, tmp_path):
    longer = label(ROWS, lambda first, second: int(len(second.split()) > len(first.split())))
    source, out = write(tmp_path / "rows.jsonl", longer), tmp_path / "figures.json"
    words = ("evaluate", source, "--model", folder, *PKU, "--out", out)
    code, said, err = command(*words, "--fail-below", "best-rule", "--fail-below", "0", "--fail-below", "1")
    found = json.loads(out.read_text())
    best = max(found["rules"].values())
    assert found["accuracy"] < best
    assert code == 1
    assert f"wrote {out}" in said
    assert [line.split("[")[1] for line in err.splitlines()] == ["--fail-below best-rule]", "--fail-below 1]"]
    assert f"accuracy {found['accuracy']:.6g} is below {best:.6g}, the accuracy of the rule" in err
    code, same, err = command(*words, "--fail-below", "0")
    assert (code, same, err) == (0, said, "")


def test_the_place_of_answers_is_a_rule_where_a_label_says_which_is_better(folder, tmp_path):
    rows = [{**row, "better_response_id": int(number > 0)} for number, row in enumerate(ROWS)]
    source, out = write(tmp_path / "rows.jsonl", rows), tmp_path / "figures.json"
    words = ("evaluate", source, "--model", folder, *PKU, "--out", out)
    assert command(*words, "--fail-below", "first")[0] == 0
    found = json.loads(out.read_text())
    assert (found["rules"]["first"], found["rules"]["last"]) == (0.05, 0.95)
    assert found["accuracy"] < 0.95
    assert command(*words, "--fail-below", "last")[0] == 1


@pytest.mark.parametrize(
    ("template", "row", "message"),
    [
        ("TRL", {"prompt": "Hi?", "chosen": "Hello.", "rejected": "No."}, "the better answer is in the same place"),
        ("RewardBench", {"prompt": "Hi?", "chosen": "Hello.", "rejected": "No."}, "in no row does a label say"),
        ("RewardBench2", {"prompt": "Hi?", "chosen": ["Hello."], "rejected": ["No."]}, "RewardBench2 reads rankings"),
        (HOMEWORK, ROWS[0], "is a custom template, which does not show where"),
    ],
)
def test_a_rule_that_cannot_be_computed_is_an_error_before_the_model_is_loaded(
    folder, tmp_path, monkeypatch, template, row, message
):
    def load(*_, **__):
        raise AssertionError("the model is loaded")

    monkeypatch.setattr("preftemplates_train.evaluation.evaluate_file.Scorer", load)
    source = write(tmp_path / "rows.jsonl", [row])
    said = refusal("evaluate", source, "--model", folder, "--template", template, "--fail-below", "last")
    assert said.startswith(f"{source}: the rule 'last' of --fail-below cannot be computed: ")
    assert message in said
    assert said.endswith("; name another rule, such as longer")


def test_the_template_of_the_model_is_found_before_the_model_is_loaded(folder, source, monkeypatch):
    def load(*_, **__):
        raise SetupError("the model is loaded")

    monkeypatch.setattr("preftemplates_train.evaluation.evaluate_file.Scorer", load)
    assert refusal("evaluate", source, "--model", folder, "--fail-below", "first") == "the model is loaded"
