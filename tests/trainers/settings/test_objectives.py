"""The table of objectives: what it names is there, and settings that an objective gives no meaning are errors."""

from typing import get_args

import pytest
from preftemplates_train.errors import SetupError
from preftemplates_train.model.losses import BATCH_LOSSES
from preftemplates_train.settings.command_line import read_config
from preftemplates_train.settings.config import RewardConfig
from preftemplates_train.settings.objectives import (
    FIGURES,
    LABEL_DEFAULTS,
    OBJECTIVES,
    SOURCE_FIGURES,
    FigureKind,
    ObjectiveName,
)

from preftemplates import Preference, Scored, Unpaired

TYPES = {kind.format: kind for kind in (Preference, Scored, Unpaired)}


def test_each_objective_has_a_loss_and_a_dataset_type_with_its_labels():
    assert tuple(OBJECTIVES) == get_args(ObjectiveName)
    assert set(OBJECTIVES) == set(BATCH_LOSSES)
    for name, objective in OBJECTIVES.items():
        assert objective.name == name
        assert set(objective.labels) <= set(TYPES[objective.format].label_types)
        assert {*objective.labels} == {*objective.required_labels, *(set(LABEL_DEFAULTS) & set(objective.labels))}


def test_figures_of_sources_are_figures_of_evaluations():
    assert set(FIGURES) == set(SOURCE_FIGURES) == set(get_args(FigureKind))
    for kind, names in SOURCE_FIGURES.items():
        assert set(names) <= set(FIGURES[kind])


WITH_ZERO = [name for name, objective in OBJECTIVES.items() if objective.needs_bias]


def test_single_rewards_have_a_zero_and_differences_have_none():
    assert WITH_ZERO == ["pointwise", "regression", "safety_cost"]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_rewards_are_not_drawn_to_a_zero_that_labels_teach(name):
    words = ["--objective", name, "--center_rewards_coefficient", "0.1"]
    if name in WITH_ZERO:
        with pytest.raises(SetupError, match=rf"objective {name} learns the zero point from \w+.*; leave it out$"):
            read_config(words)
    else:
        assert read_config(words).center_rewards_coefficient == 0.1


@pytest.mark.parametrize("name", OBJECTIVES)
def test_labels_are_smoothed_where_the_loss_can_count_some_as_wrong(name):
    words = ["--objective", name, "--label_smoothing_factor", "0.1"]
    if name in ("plackett_luce", "regression", "safety_cost"):
        with pytest.raises(
            SetupError, match=rf"^label_smoothing_factor .* objective {name}, .*; leave it out, or choose"
        ):
            read_config(words)
    else:
        assert read_config(words).label_smoothing_factor == 0.1


def test_an_objective_that_does_not_exist_names_the_nearest():
    message = r"objective must be one of preference, .*; got 'pointwize'\. Did you mean 'pointwise'\?"
    with pytest.raises(SetupError, match=message):
        RewardConfig(objective="pointwize")


@pytest.mark.parametrize(("objective", "metric"), [("preference", "rmse"), ("regression", "accuracy")])
def test_the_best_checkpoint_is_chosen_by_a_figure_of_the_objective(objective, metric):
    with pytest.raises(SetupError, match=f"metric_for_best_model must be one of loss, .*; got '{metric}'"):
        RewardConfig(objective=objective, metric_for_best_model=metric)


@pytest.mark.parametrize(
    ("objective", "metric", "is_greater_better"),
    [("regression", "rmse", False), ("regression", "eval_rmse", False), ("regression", "spearman", True),
     ("pointwise", "auc", True), ("safety_cost", "safe_loss", False)],
)  # fmt: skip
def test_it_is_known_which_figures_are_better_when_they_are_lower(objective, metric, is_greater_better):
    settings = {"eval_strategy": "steps", "eval_steps": 10, "save_steps": 10, "load_best_model_at_end": True}
    config = RewardConfig(objective=objective, metric_for_best_model=metric, **settings)
    assert config.greater_is_better is is_greater_better
