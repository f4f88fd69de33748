"""The scale of scores: rewards are learnt in standard deviations, and give the scores back."""

import pytest
from dataset_support import config_of, encoded, write
from hypothesis import given
from hypothesis import strategies as st
from preftemplates_train.data.score_scale import UNSCALED, ScoreScale
from preftemplates_train.errors import SetupError

SCORES = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20).filter(
    lambda scores: max(scores) - min(scores) > 1e-3
)


@given(SCORES)
def test_scores_have_mean_zero_and_deviation_one_and_come_back(scores):
    scale = ScoreScale.measure(scores)
    standard = [scale.standardise(score) for score in scores]
    assert sum(standard) / len(scores) == pytest.approx(0, abs=1e-6)
    assert sum(score**2 for score in standard) / len(scores) == pytest.approx(1, rel=1e-6)
    assert [scale.restore(score) for score in standard] == pytest.approx(scores, rel=1e-9, abs=1e-6)


@given(SCORES, st.floats(0.01, 100), st.floats(-1e4, 1e4))
def test_other_units_give_the_same_standard_scores(scores, unit, zero):
    scale, other = ScoreScale.measure(scores), ScoreScale.measure([unit * score + zero for score in scores])
    for score in scores:
        assert other.standardise(unit * score + zero) == pytest.approx(scale.standardise(score), abs=1e-4)


def test_a_record_gives_the_scale_back_and_one_without_changes_nothing():
    scale = ScoreScale(2.5, 0.5)
    assert ScoreScale.from_record(scale._asdict()) == scale
    assert ScoreScale.from_record(None) == UNSCALED
    assert UNSCALED.standardise(3.0) == UNSCALED.restore(3.0) == 3.0


def scored_rows(scores):
    return [{"prompt": f"q {number}", "completion": "a", "score": score} for number, score in enumerate(scores)]


def test_a_run_learns_standard_scores_and_keeps_those_of_the_rows(tmp_path):
    path = write(tmp_path / "rows.jsonl", scored_rows([100, 300] * 10))
    held_out = write(tmp_path / "held.jsonl", scored_rows([200, 500]))
    settings = {"template": "TRL-scored", "objective": "regression", "eval_data": [held_out]}
    _, data = encoded(config_of(path, **settings))
    assert data.scale == ScoreScale(200.0, 100.0)
    assert {one.labels["score"] for one in data.train} == {-1.0, 1.0}
    assert [one.labels["score"] for one in data.held_out] == [0.0, 3.0]
    assert [one.sample.labels["score"] for one in data.held_out] == [200.0, 500.0]


def test_the_scale_is_that_of_an_epoch_and_a_repeated_group_stays_one(tmp_path):
    paths = [write(tmp_path / f"{score}.jsonl", scored_rows([score] * 4)) for score in (0, 8)]
    sources = [{"path": path, "weight": weight} for path, weight in zip(paths, (3, 1), strict=True)]
    settings = {"template": "TRL-scored", "objective": "regression", "eval_size": 0.0, "datasets": sources}
    _, data = encoded(config_of(**settings))
    assert data.scale.mean == 2.0
    assert len(data.groups) == 16
    assert len({id(group) for group in data.groups}) == 8


@pytest.mark.parametrize("scores", [[1e308, -1e308], [1.0, 1e308], [1.0, -1.1e30]])
@pytest.mark.parametrize("is_held_out", [False, True])
def test_a_score_that_would_overflow_names_its_row(tmp_path, scores, is_held_out):
    path = write(tmp_path / "rows.jsonl", scored_rows(scores * 10))
    good = write(tmp_path / "good.jsonl", scored_rows([1, 2] * 10))
    settings = {"template": "TRL-scored", "objective": "regression", "eval_size": 0.0}
    settings |= {"eval_data": [path]} if is_held_out else {}
    message = r"rows\.jsonl, row \d+: objective regression cannot learn from the score .*, expected a number from -1e"
    with pytest.raises(SetupError, match=message):
        encoded(config_of(good if is_held_out else path, **settings))


def test_scores_at_the_bound_are_learnt(tmp_path):
    path = write(tmp_path / "rows.jsonl", scored_rows([1e30, -1e30] * 10))
    _, data = encoded(config_of(path, template="TRL-scored", objective="regression"))
    assert {round(abs(one.labels["score"]), 1) for one in data.train} <= {0.9, 1.0, 1.1}


def test_a_held_out_score_too_far_from_the_trained_ones_names_its_row(tmp_path):
    path = write(tmp_path / "rows.jsonl", scored_rows([1e-20, 2e-20] * 10))
    far = write(tmp_path / "far.jsonl", scored_rows([1.5e-20, 1.0]))
    message = r"far\.jsonl, row 1: the score 1 is 2e\+20 standard deviations from the mean of the training scores"
    with pytest.raises(SetupError, match=message):
        encoded(config_of(path, template="TRL-scored", objective="regression", eval_data=[far]))


def test_scores_that_are_all_the_same_teach_nothing(tmp_path):
    path = write(tmp_path / "rows.jsonl", scored_rows([3] * 10))
    message = r"all 9 answers have the score 3, expected scores that differ"
    with pytest.raises(SetupError, match=message):
        encoded(config_of(path, template="TRL-scored", objective="regression"))
