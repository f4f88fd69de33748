"""Heads for single rewards: each fit is that of another method, with a bias, and heads without one are refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from answer_rows import make_answers, name_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from preftemplates_train.data.encoding import LabelledTokens
from preftemplates_train.data.labelled_texts import LabelledTexts
from preftemplates_train.errors import SetupError
from preftemplates_train.heads.choice import HeadObjective, fit_best_head, split_folds
from preftemplates_train.heads.feature_table import FeatureTable, HeadBatch
from preftemplates_train.heads.fit import Scaling, fit_head
from preftemplates_train.heads.frozen_head import LARGEST_MARGIN, check_margins, fit_frozen_head
from trainer_support import refusal, train_by
from transformers import AutoModelForSequenceClassification, AutoTokenizer


def draw(samples, texts, width, seed, **labels):
    """Groups of a sample each, and the table of the features of their texts."""
    draws = np.random.default_rng(seed)
    groups = []
    for number in range(samples):
        ids = tuple([texts * number + text] for text in range(texts))
        known = {name: float(values[number]) for name, values in labels.items()}
        groups.append((LabelledTokens(LabelledTexts("rows", number, f"q {number}", ("",) * texts, None), ids, known),))
    values = torch.from_numpy(draws.normal(size=(samples * texts, 1, width))).float()
    return groups, FeatureTable({(number,): number for number in range(samples * texts)}, values)


def fit(groups, table, objective, penalty):
    batch = HeadBatch.from_groups(groups, table)
    features = table.values[batch.rows, 0].double()
    objective = HeadObjective(objective)
    return fit_head(features, objective.make_loss(batch), penalty, with_bias=objective.needs_bias), features.numpy()


def solve_ridge(features, scores, penalty):
    """Least squares in closed form: the mean squared error plus half the penalty times the squared weights."""
    mean, centre = features.mean(0), scores.mean()
    moved = features - mean
    curve = 2 * moved.T @ moved / len(scores) + penalty * np.eye(features.shape[1])
    weights = np.linalg.solve(curve, 2 * moved.T @ (scores - centre) / len(scores))
    return weights, centre - mean @ weights


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 30), st.integers(1, 40), st.floats(0.01, 30), st.integers(0, 10**6))
def test_the_fit_of_scores_is_ridge_regression(samples, width, penalty, seed):
    scores = np.random.default_rng(seed + 1).normal(size=samples)
    groups, table = draw(samples, 1, width, seed, score=scores)
    head, features = fit(groups, table, "regression", penalty)
    weights, bias = solve_ridge(features, scores, penalty)
    np.testing.assert_allclose(head.weights.numpy(), weights, atol=1e-6 / penalty)
    assert float(head.bias) == pytest.approx(bias, abs=1e-5 / penalty)


def solve_logistic(features, labels, penalty):
    """Logistic regression with a bias by Newton's method."""
    features = np.column_stack([features, np.ones(len(features))])
    ridge = penalty * np.diag([1.0] * (features.shape[1] - 1) + [0.0])
    weights = np.zeros(features.shape[1])
    for _ in range(200):
        probable = 1 / (1 + np.exp(-features @ weights))
        gradient = features.T @ (probable - labels) / len(labels) + ridge @ weights
        curve = features.T * (probable * (1 - probable)) @ features / len(labels) + ridge
        weights = weights - np.linalg.solve(curve, gradient)
    return weights[:-1], weights[-1]


@settings(max_examples=30, deadline=None)
@given(st.integers(4, 30), st.integers(1, 20), st.floats(0.05, 30), st.integers(0, 10**6))
def test_the_fit_of_verdicts_is_logistic_regression(samples, width, penalty, seed):
    labels = np.arange(samples) % 3 == 0
    groups, table = draw(samples, 1, width, seed, label=labels)
    head, features = fit(groups, table, "pointwise", penalty)
    weights, bias = solve_logistic(features, labels.astype(float), penalty)
    np.testing.assert_allclose(head.weights.numpy(), weights, atol=1e-5 / penalty)
    assert float(head.bias) == pytest.approx(bias, abs=1e-4 / penalty)


def test_no_step_from_the_fit_of_costs_makes_the_loss_smaller():
    flags = np.arange(20)
    groups, table = draw(20, 2, 5, 0, chosen_safe=flags % 4 > 0, rejected_safe=flags % 4 > 2)
    head, features = fit(groups, table, "safety_cost", 0.1)
    loss = HeadObjective("safety_cost").make_loss(HeadBatch.from_groups(groups, table))

    def compute_value(weights, bias):
        rewards = torch.from_numpy(features) @ weights + bias
        return float(loss(rewards)) + 0.05 * float(weights.square().sum())

    least = compute_value(head.weights, head.bias)
    draws = torch.Generator().manual_seed(0)
    for _ in range(50):
        step = torch.randn(6, generator=draws, dtype=torch.float64) * 1e-2
        assert compute_value(head.weights + step[:5], head.bias + step[5]) > least


def test_a_layer_and_a_penalty_are_chosen_for_single_answers():
    scores = np.random.default_rng(3).normal(size=40)
    groups, table = draw(40, 1, 3, 0, score=scores)
    values = table.values.expand(40, 4, 3).clone()
    values[:, 2:, 0] = torch.from_numpy(scores).float()[:, None]  # the last two cuts tell the score
    fitted = fit_best_head(FeatureTable(table.row_of, values), groups, HeadObjective("regression"), seed=0)
    assert fitted.cut > 1
    predicted = fitted.head.apply(values[:, fitted.cut].double())
    assert np.corrcoef(predicted.numpy(), scores)[0, 1] > 0.99


def test_a_fold_without_which_only_one_label_is_left_is_not_fitted():
    """With one label the bias grows without end, so the fit of that fold would not converge."""
    labels = np.ones(20)
    labels[3] = 0
    groups, table = draw(20, 1, 3, 0, label=labels)
    folds = split_folds(groups, HeadObjective("pointwise"), seed=0)
    assert len(folds) == 4
    assert all(any(group[0].labels["label"] == 0 for group in fitted) for fitted, _ in folds)
    fitted = fit_best_head(table, groups, HeadObjective("pointwise"), seed=0)
    assert {len(loss.losses) for loss in fitted.validation} == {4}
    assert len(split_folds(groups[:1], HeadObjective("pointwise"), seed=0)) == 0


def test_a_margin_beyond_the_rounding_of_the_loss_is_an_error_before_features_are_read():
    groups, table = draw(20, 2, 3, 0, margin=np.full(20, LARGEST_MARGIN))
    check_margins(groups, HeadObjective("margin"))
    fit_best_head(table, groups, HeadObjective("margin"), seed=0)
    groups, _ = draw(20, 2, 3, 0, margin=np.where(np.arange(20) == 7, -2e20, 1.0))
    with pytest.raises(SetupError, match=r"rows, row 7: a head cannot be fitted with the margin -2e\+20, expected"):
        fit_frozen_head(None, groups, HeadObjective("margin"), seed=0)
    check_margins(groups, HeadObjective("preference"))


@pytest.mark.parametrize("train", ["head", "full"])
@pytest.mark.parametrize(
    ("objective", "column", "value", "said"),
    [
        (
            "pointwise",
            "label",
            True,
            "objective pointwise: all 28 answers to train on are good, expected good and bad",
        ),
        (
            "safety_cost",
            "is_response_{}_safe",
            True,
            "objective safety_cost: all answers of the 28 pairs to train on are safe, expected safe and unsafe ones;",
        ),
    ],
)
def test_rows_of_one_label_are_an_error_that_names_it(tmp_path, base_model, objective, column, value, said, train):
    words = name_rows(tmp_path, objective, 40)
    path = Path(words[words.index("--dataset_name") + 1])
    columns = {column.format(number): value for number in (0, 1)}
    rows = [{**json.loads(line), **columns} for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    model = ["--model_name_or_path", str(base_model("encoder")), "--train", train, "--max_steps", "1"][
        : 4 + 2 * (train == "full")
    ]
    message = refusal(*QUICK[2:], *model, *words, "--output_dir", tmp_path / "run")
    assert message.startswith(said)


QUICK = ["--train", "head", "--eval_size", "0.3", "--baselines", "none", "--style", "chatml"]


@pytest.mark.parametrize("objective", ["regression", "pointwise", "safety_cost"])
def test_a_fitted_encoder_gives_what_it_learnt(tmp_path, base_model, objective):
    model = ["--model_name_or_path", str(base_model("encoder")), *name_rows(tmp_path, objective)]
    result, printed = train_by(*QUICK, *model, "--output_dir", str(tmp_path / "run"))
    assert "head: fitted on layer" in printed
    assert result.metrics["objective"] == objective
    assert AutoModelForSequenceClassification.from_pretrained(result.folder).classifier.bias.item() != 0


def test_the_saved_encoder_is_ridge_regression_on_what_its_last_layer_sees(tmp_path, base_model):
    model = ["--model_name_or_path", str(base_model("encoder")), *name_rows(tmp_path, "regression")]
    result, _ = train_by(*QUICK, *model, "--output_dir", str(tmp_path / "run"))
    saved = AutoModelForSequenceClassification.from_pretrained(result.folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(result.folder)
    held_out = {line["row"]: line for line in map(json.loads, (result.folder / "scores.jsonl").open())}
    features, scores = {}, {}
    for row, answer in enumerate(make_answers()):
        turns = [{"role": "user", "content": answer["prompt"]}, {"role": "assistant", "content": answer["completion"]}]
        ids = tokenizer(tokenizer.apply_chat_template(turns, tokenize=False), return_tensors="pt")
        with torch.no_grad():
            features[row] = saved.bert(**ids).pooler_output[0].double()
        scores[row] = answer["score"]
    trained = [row for row in scores if row not in held_out]
    known = np.array([scores[row] for row in trained])
    scaling = Scaling.measure(torch.stack([features[row] for row in trained]))
    standard = scaling.apply(torch.stack([features[row] for row in trained])).numpy()
    penalty = result.metrics["head"]["penalty"]
    weights, bias = solve_ridge(standard, (known - known.mean()) / known.std(), penalty)
    for row, line in held_out.items():
        expected = scaling.apply(features[row]).numpy() @ weights + bias
        assert line["reward"] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("objective", ["regression", "pointwise", "safety_cost"])
def test_a_head_without_a_bias_is_refused_before_features_are_read(tmp_path, base_model, objective):
    model = ["--model_name_or_path", str(base_model("decoder with BOS")), *name_rows(tmp_path, objective, 40)]
    message = refusal(*QUICK, *model, "--output_dir", tmp_path / "run")
    assert message.startswith(
        f"objective {objective} needs a bias, but the head of LlamaForSequenceClassification has"
    )
    assert not (tmp_path / "run").exists()


def test_a_baseline_of_single_answers_has_a_bias_also_where_the_model_has_none(tmp_path, base_model):
    model = ["--model_name_or_path", str(base_model("decoder with BOS")), *name_rows(tmp_path, "pointwise")]
    words = ["--max_steps", "1", "--eval_size", "0.3", "--save_strategy", "no", "--style", "chatml"]
    result, _ = train_by(*words, *model, "--output_dir", str(tmp_path / "run"))
    figures = result.metrics["baselines"]
    assert figures["words"]["accuracy"] > 0.95  # the colour tells which answers are good
    assert figures["head"]["train_answers"] == figures["words"]["train_answers"] == 84
    assert figures["head"]["model"]["samples"] == 36
