"""Baselines: simpler models on the same pairs, and whether the run is ahead of them."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from preftemplates_train.data.demo import generate
from preftemplates_train.data.score_scale import UNSCALED
from preftemplates_train.errors import SetupError
from preftemplates_train.evaluation.figures import compare_scores
from preftemplates_train.evaluation.sample_figures import SampleRewards
from preftemplates_train.reports.sentences import judge_difference
from preftemplates_train.settings.objectives import OBJECTIVES
from preftemplates_train.training import baselines
from preftemplates_train.training.baselines import (
    Baseline,
    SkippedBaseline,
    compare_with_baselines,
    compare_with_rules,
    draw_groups,
)
from score_support import write
from trainer_support import train_by

QUICK = ["--max_steps", "2", "--eval_strategy", "no", "--save_strategy", "no", "--per_device_train_batch_size", "4"]


@pytest.fixture
def words(tmp_path, small_set):  # noqa: ARG001  a fixture for its effect
    return [*QUICK, "--output_dir", str(tmp_path / "out")]


def read_margins(path):
    return np.array([json.loads(line)["margin"] for line in path.read_text().splitlines()])


def test_a_run_is_compared_with_both_baselines_on_the_same_pairs(words, tmp_path):
    result, printed = train_by(*words)
    figures = result.metrics["baselines"]
    assert set(figures) == {"words", "head"}
    margins = read_margins(tmp_path / "out" / "scores.jsonl")
    for figure in figures.values():
        assert figure["model"]["samples"] == len(margins) == result.metrics["pairs"]
        difference = result.metrics["accuracy"] - figure["accuracy"]
        assert figure["model"]["difference"] == pytest.approx(difference)
        assert figure["seconds"] > 0
    assert figures["head"]["train_pairs"] == figures["words"]["train_pairs"] == 400
    assert "baselines: words " in printed
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["baselines"].keys() == figures.keys()


def test_none_leaves_them_out_and_trains_the_same_model(words, tmp_path):
    with_baselines, _ = train_by(*words)
    without, printed = train_by(*words, "--baselines", "none", "--output_dir", str(tmp_path / "without"))
    assert "baselines" not in without.metrics
    assert "baselines" not in printed
    assert without.metrics["loss"] == with_baselines.metrics["loss"]


def test_words_are_enough_where_words_decide(tmp_path):
    """And the figures say that a model of two steps is behind them."""
    rows = [
        {"prompt": f"Question {n}?", "chosen": f"The {n} answer is good.", "rejected": f"The {n} answer is bad."}
        for n in range(200)
    ]
    data = ["--dataset_name", str(write(tmp_path / "rows.jsonl", rows)), "--template", "TRL", "--style", "chatml"]
    result, _ = train_by(*QUICK, *data, "--output_dir", str(tmp_path / "out"), "--eval_size", "0.3")
    figure = result.metrics["baselines"]["words"]
    assert figure["accuracy"] == 1
    assert figure["model"]["ahead"] == 0


def test_words_of_the_generated_set_tell_nothing(words):
    """Its twins have the same answers with opposite labels."""
    figures = train_by(*words)[0].metrics["baselines"]
    assert figures["words"]["accuracy"] == pytest.approx(0.5, abs=0.12)


def test_lora_is_compared_with_the_model_that_it_starts_from(base_model, words):
    model = ["--model_name_or_path", str(base_model("decoder with BOS")), "--style", "chatml"]
    full, _ = train_by(*words, *model)
    adapted, _ = train_by(*words, *model, "--use_peft")
    heads = [result.metrics["baselines"]["head"]["accuracy"] for result in (full, adapted)]
    assert heads[0] == heads[1]


def test_a_head_that_cannot_be_is_left_out_with_its_reason(words, monkeypatch):
    def refuse(*_args):
        raise SetupError("it cannot be cut")

    monkeypatch.setattr(baselines, "check_pretrained_features", refuse)
    result, printed = train_by(*words)
    assert result.metrics["baselines"]["head"] == {"skipped": "it cannot be cut"}
    assert "head skipped: it cannot be cut" in printed


def test_few_pairs_have_no_baselines(tmp_path):
    data = ["--dataset_name", str(write(tmp_path / "rows.jsonl", generate(12)[0])), "--template", "PKUSafeRLHF"]
    result, _ = train_by(*QUICK, *data, "--style", "chatml", "--output_dir", str(tmp_path / "out"))
    assert "baselines" not in result.metrics


def test_groups_are_drawn_once_and_repeats_of_a_weight_count_once(monkeypatch):
    monkeypatch.setattr(baselines, "MOST_FITTED_GROUPS", 10)
    groups = [(object(),) for _ in range(30)]
    drawn = draw_groups([*groups, *groups], seed=0)
    assert len(drawn) == 10 == len({id(group) for group in drawn})
    assert drawn == draw_groups(groups, seed=0)
    assert drawn != draw_groups(groups, seed=1)
    assert len(draw_groups([*groups[:4], *groups[:4]], seed=0)) == 4


def test_the_comparison_is_the_paired_one():
    rewards, others = (np.array([[1.0, 0], [1, 0], [-1, 0], [1, 0]]), np.array([[-1.0, 0], [1, 0], [-1, 0], [0, 0]]))
    baselines = {"words": Baseline("words", others, 10, 0.5), "head": SkippedBaseline("why")}
    figures = compare_with_baselines(baselines, OBJECTIVES["preference"], SampleRewards(rewards))
    expected = compare_scores(np.array([1, 1, 0, 1.0]), np.array([0, 1, 0, 0.5]))
    assert figures["words"]["model"] == expected
    assert figures["words"]["accuracy"] == 0.375
    assert figures["head"] == {"skipped": "why"}


def test_the_comparison_with_a_rule_is_the_paired_one_on_the_pairs_where_the_rule_can_choose():
    rewards = np.array([[1.0, 0], [1, 0], [-1, 0], [1, 0]])
    choices = {"longer_wins": np.array([-1.0, 1, -2, 0]), "first_listed_wins": np.array([1, math.nan, -1, 1])}
    figures = compare_with_rules(OBJECTIVES["preference"], SampleRewards(rewards, choices=choices))
    assert figures["longer_wins"] == {
        "rule": "the shorter answer wins",
        "accuracy": 0.625,
        "model": compare_scores(np.array([1, 1, 0, 1.0]), np.array([1, 0, 1, 0.5])),
    }
    assert figures["first_listed_wins"] == {
        "rule": "the first listed wins",
        "accuracy": pytest.approx(2 / 3),
        "model": compare_scores(np.array([1, 0, 1.0]), np.array([1, 0, 1.0])),
    }


def test_single_answers_are_compared_with_the_more_frequent_label():
    labels = np.array([1.0, 0, 0, 0])
    samples = [SimpleNamespace(labels={"label": label}) for label in labels]
    objective = OBJECTIVES["pointwise"]
    held_out = SampleRewards.collect(np.array([[1.0], [-1], [1], [-1]]), samples, objective, UNSCALED)
    (figure,) = compare_with_rules(objective, held_out).values()
    assert figure["rule"] == "always the more frequent label"
    assert figure["accuracy"] == 0.75
    assert (figure["model"]["ahead"], figure["model"]["behind"]) == (1, 1)
    assert compare_with_rules(OBJECTIVES["regression"], SampleRewards(np.ones((3, 1)))) == {}


def test_a_run_is_compared_with_each_rule_on_its_held_out_pairs(words, tmp_path):
    result, printed = train_by(*words, "--baselines", "none")
    figure = result.metrics["shortcuts"]["longer_wins"]
    share = result.metrics["longer_wins"]
    assert figure["accuracy"] == pytest.approx(max(share, 1 - share))
    assert figure["model"]["samples"] == result.metrics["pairs"]
    assert figure["model"]["difference"] == pytest.approx(result.metrics["accuracy"] - figure["accuracy"])
    expected = {1: "better than", -1: "worse than", 0: "not clearly different from"}
    rules = " ".join(printed.split()).partition("Rules that ignore the content: ")[2]
    best = max(result.metrics["shortcuts"].values(), key=lambda entry: entry["accuracy"])
    assert f"The model is {expected[judge_difference(best['model'])]}" in rules
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["shortcuts"].keys() >= {"longer_wins"}
