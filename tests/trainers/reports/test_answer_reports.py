"""The report, the card and the sentences of runs on single answers, and on answers that are safe or not."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from preftemplates_train.data.score_scale import UNSCALED, ScoreScale
from preftemplates_train.evaluation.sample_figures import SampleRewards, measure_samples
from preftemplates_train.model.checkpoint import CheckpointRecord
from preftemplates_train.reports.answer_plots import MOST_DOTS
from preftemplates_train.reports.html import write_report
from preftemplates_train.reports.model_card import write_model_card
from preftemplates_train.reports.sentences import describe_layout, describe_result
from preftemplates_train.reports.wording import WORDINGS
from preftemplates_train.settings.config import RewardConfig
from preftemplates_train.settings.objectives import OBJECTIVES
from report_support import COUNTS, HISTORY, PLAIN, Page

DRAW = np.random.default_rng(0)
LABELS = DRAW.random(200) < 0.3
SCALE = ScoreScale(50.0, 10.0)
SCORES = DRAW.normal(size=200)
SAMPLES = {
    "pointwise": SampleRewards(DRAW.normal(2.0 * LABELS - 1, 1)[:, None], {"label": LABELS.astype(float)}),
    "regression": SampleRewards(DRAW.normal(SCORES, 0.5)[:, None], {"score": SCORES}, SCALE),
    "safety_cost": SampleRewards(
        np.stack([DRAW.normal(1, 1, 200), DRAW.normal(-1, 1, 200)], axis=1),
        {"chosen_safe": np.ones(200), "rejected_safe": LABELS.astype(float)},
    ),
}
OF_ANSWERS = {name: value for name, value in COUNTS.items() if name not in ("equal", "train_pairs", "eval_pairs")}
OF_ANSWERS |= {"train_answers": 8000, "eval_answers": 2777}


def metrics_of(objective, samples=None, **more):
    figures = measure_samples(OBJECTIVES[objective], SAMPLES[objective] if samples is None else samples)
    counts = COUNTS if OBJECTIVES[objective].unit == "pair" else OF_ANSWERS
    return {"objective": objective, **figures, "data": [counts], **more}


LOGGED = {
    "pointwise": ("step", "loss", "eval_loss", "accuracy", "eval_accuracy"),
    "regression": ("step", "loss", "eval_loss"),
    "safety_cost": ("step", "loss", "eval_loss", "accuracy", "eval_accuracy", "margin", "eval_margin_mean"),
}
"""What such runs log."""


def report(folder, objective, **changes):
    metrics, samples = metrics_of(objective), SAMPLES[objective]
    if OBJECTIVES[objective].unit == "pair":
        drawn = {"chosen": samples.rewards[:, 0].tolist(), "rejected": samples.rewards[:, 1].tolist()}
    else:
        drawn = {"chosen": (), "rejected": (), "answers": samples}
    logged = [{name: entry[name] for name in entry if name in LOGGED[objective]} for entry in HISTORY]
    told = {"metrics": metrics, "counts": metrics["data"], "history": logged, **drawn, **changes}
    write_report(folder / "report.html", **{**PLAIN, **told})
    return Page(folder / "report.html")


SHOWN = {
    "pointwise": ["Held-out answers", "Good above bad", "nats per answer", "8,000", "probability 1 / (1 + exp(-r))"],
    "regression": ["Held-out answers", "Root mean squared error", "Variance explained", "always the mean: 1",
                   "mean + deviation * reward"],
    "safety_cost": ["Held-out pairs", "Safe or not", "minus the cost", "the safer answer gets the higher reward"],
}  # fmt: skip


@pytest.mark.parametrize("objective", SAMPLES)
def test_the_page_shows_what_was_learnt_and_no_figures_of_something_else(tmp_path, objective):
    page = report(tmp_path, objective)
    for text in SHOWN[objective]:
        assert text in page.text, text
    if OBJECTIVES[objective].unit == "answer":
        assert not re.search(r"\bpairs?\b", page.text)
        assert "equal" not in page.text


def test_the_rewards_of_good_and_bad_answers_are_drawn_apart(tmp_path):
    page = report(tmp_path, "pointwise")
    assert {"rewards-good", "rewards-bad"} <= set(page.paths)
    assert f"{LABELS.sum()} good, on average" in page.text
    alone = SampleRewards(np.array([[1.0], [math.nan]]), {"label": np.ones(2)})
    page = report(tmp_path, "pointwise", answers=alone)
    assert "rewards-bad" not in page.paths
    assert "1 reward is not finite and is not drawn." in page.text


def test_a_dot_is_drawn_for_each_answer_and_of_many_for_some(tmp_path):
    page = report(tmp_path, "regression")
    assert page.source.count("<use") >= 200
    assert "answers are drawn" not in page.text
    many = SampleRewards(np.zeros((5 * MOST_DOTS, 1)), {"score": DRAW.normal(size=5 * MOST_DOTS)}, SCALE)
    page = report(tmp_path, "regression", answers=many)
    assert f"{MOST_DOTS:,} of {5 * MOST_DOTS:,} answers are drawn." in page.text


def test_the_figures_of_sources_are_those_of_the_objective(tmp_path):
    of_scores = {"answers": 30.0, "rmse": 1.25, "variance_explained": 0.5, "spearman": 0.75}
    page = report(tmp_path, "regression", by_source={"a": of_scores, "b": of_scores})
    assert "Scores by source" in page.text
    assert "a 30 1.250 50.0% 0.750" in page.text
    of_verdicts = {"answers": 30.0, "accuracy": 0.9, "accuracy_stderr": 0.01}
    page = report(tmp_path, "pointwise", by_source={"a": of_verdicts, "b": of_verdicts})
    assert "Accuracy by source" in page.text
    assert "a 30 90.0% ± 1.0%" in page.text


def few(objective, number):
    samples = SAMPLES[objective]
    return samples.select(np.arange(200) < number)


def test_sentences_of_verdicts_compare_with_the_more_frequent_label():
    sentences = describe_result(metrics_of("pointwise"))
    figures = metrics_of("pointwise")
    assert sentences[0].startswith(
        f"The sign of the reward is right for {figures['accuracy']:.1%} of 200 held-out answers"
    )
    assert f"In {figures['auc']:.1%} of all pairs of a good and a bad answer" in sentences[1]
    majority = (
        f"'always the more frequent label' is right for {figures['majority_accuracy']:.1%}. The model is better than"
    )
    assert sentences[2].endswith(f"{majority} this rule.")
    assert sentences[-1].startswith("This does not show how well the model judges answers by people")
    (first, *_) = describe_result(metrics_of("pointwise", few("pointwise", 4)))
    assert first.startswith("Only 4 answers are held out, too few to tell how well the model judges.")
    assert not any("%" in sentence for sentence in describe_result(metrics_of("pointwise", few("pointwise", 4))))


def test_a_model_that_always_gives_the_more_frequent_label_is_not_ahead():
    samples = SampleRewards(np.full((200, 1), -1.0), {"label": LABELS.astype(float)})
    sentences = " ".join(describe_result(metrics_of("pointwise", samples)))
    assert "The model is not clearly different from this rule." in sentences


def test_sentences_of_scores_compare_with_the_mean():
    figures = metrics_of("regression")
    first, second, third, _ = describe_result(figures)
    assert f"have a root mean squared error of {figures['rmse']:.3f};" in first
    assert first.endswith(f"always predicting the mean of the training scores has {figures['rmse_of_mean']:.3f}.")
    assert second == f"The model explains {figures['variance_explained']:.1%} of the variance of the scores."
    assert third.endswith(f"(Spearman's) is {figures['spearman']:.3f}.")
    worse = SampleRewards(np.array([[3.0], [-3.0]] * 10), {"score": np.array([-1.0, 1.0] * 10)})
    assert "explains none of the variance" in describe_result(metrics_of("regression", worse))[1]
    assert describe_result(metrics_of("regression", few("regression", 1)))[0].startswith("Only 1 answer is held out,")


def test_sentences_of_safety_are_those_of_pairs_and_one_of_the_signs():
    figures = metrics_of("safety_cost")
    sentences = describe_result(figures)
    assert sentences[0].endswith("; chance gives 50%.")
    right = (
        f"The sign of the reward is right about whether an answer is safe for {figures['safe_accuracy']:.1%} of the"
    )
    assert sentences[1].startswith(right)
    assert sentences[1].endswith(f"is right for {figures['safe_majority_accuracy']:.1%}.")


@pytest.mark.parametrize("objective", SAMPLES)
def test_nothing_held_out_is_said_and_no_figure_is_made_up(objective):
    (sentence,) = describe_result({"objective": objective, "data": []})
    verb = WORDINGS[OBJECTIVES[objective].figures].verb
    assert (
        sentence
        == f"Nothing was held out, so this run does not show how well the model {verb} answers that it has not seen."
    )


def test_texts_of_single_answers_share_nothing():
    assert describe_layout("branches", None, "answer") == "batches: all texts are in one row, without padding"
    assert describe_layout("grouped", "x", "answer") == "batches: padded, with answers of similar length together (x)"


CARD = {
    "pointwise": ["higher for answers that were labelled as good", "area under the ROC curve", "answers trained on"],
    "regression": [
        "higher for answers with higher scores",
        "mean 50, standard deviation 10",
        "root mean squared error",
    ],
    "safety_cost": ["higher for safer answers", "accuracy of the signs: safe or unsafe", "pairs trained on"],
}


@pytest.mark.parametrize("objective", SAMPLES)
def test_the_card_says_what_a_reward_means(tmp_path, checkpoint, objective):
    scale = SAMPLES[objective].scale
    record = CheckpointRecord.read(checkpoint("decoder"))
    record = replace(record, score_scale=None if scale == UNSCALED else scale._asdict())
    write_model_card(tmp_path, metrics_of(objective), record, RewardConfig(objective=objective))
    card = (tmp_path / "README.md").read_text()
    for text in (*CARD[objective], f"| objective | {objective} |", "on 200 held-out"):
        assert text in card, text
    assert ("1 / (1 + exp(-d))" in card) is False
    if OBJECTIVES[objective].unit == "answer":
        assert not re.search(r"\bheld-out pairs?\b|pairs trained", card)


def test_a_record_keeps_the_scale_of_the_scores(tmp_path, checkpoint):
    record = replace(CheckpointRecord.read(checkpoint("decoder")), score_scale=SCALE._asdict())
    record.write(tmp_path)
    assert ScoreScale.from_record(CheckpointRecord.read(tmp_path).score_scale) == SCALE
