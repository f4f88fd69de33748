"""Baselines of a run: simpler models, fitted on the same samples and measured on the same held-out samples."""

from __future__ import annotations

import random
import time
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from preftemplates.errors import PrefTemplatesError
from preftemplates_train.data.label_checks import find_only_label
from preftemplates_train.evaluation.figures import compare_scores
from preftemplates_train.evaluation.metrics import MAJORITY_RULE, METRIC_RULES, score_wins
from preftemplates_train.evaluation.sample_figures import measure_samples, score_each_sample
from preftemplates_train.heads.choice import HeadObjective, fit_best_head
from preftemplates_train.heads.frozen_head import (
    check_pretrained_features,
    choose_depths,
    count_layers,
    fit_frozen_head,
)
from preftemplates_train.heads.words import count_words
from preftemplates_train.settings.objectives import OBJECTIVES
from preftemplates_train.training.head_fitting import make_feature_reader, open_run_cache

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transformers import PreTrainedModel

    from preftemplates_train.data.encoding import LabelledTokens, TokenGroup
    from preftemplates_train.evaluation.metrics import Floats
    from preftemplates_train.evaluation.sample_figures import SampleRewards
    from preftemplates_train.heads.choice import FittedHead
    from preftemplates_train.heads.feature_table import FeatureTable
    from preftemplates_train.settings.config import RewardConfig
    from preftemplates_train.settings.objectives import Objective, SampleUnit
    from preftemplates_train.training.prepare import PreparedRun

MOST_FITTED_GROUPS = 2000
"""The number of groups of samples that a baseline is fitted on; if there are more, so many are drawn at random."""

FEWEST_GROUPS = 10
"""With fewer groups to fit on, or fewer samples to measure, there are no baselines."""


class Baseline(NamedTuple):
    """A simpler model's rewards of the held-out samples.

    Attributes:
        label: a phrase that describes the model.
        rewards: the rewards of the samples' texts, shape (N, K).
        samples: the number of samples that it was fitted on.
        seconds: the CPU time that it took.
    """

    label: str
    rewards: Floats
    samples: int
    seconds: float


class SkippedBaseline(NamedTuple):
    """The reason why a baseline was skipped."""

    reason: str


class SimplerModels(NamedTuple):
    """The models that a run fits without training steps.

    Attributes:
        baselines: the baselines by name, or the reasons why they were skipped.
        head: the figures of the head of a run with `--train head`.
    """

    baselines: Mapping[str, Baseline | SkippedBaseline] = MappingProxyType({})
    head: Mapping[str, Any] | None = None

    def measure(self, objective: Objective, held_out: SampleRewards) -> dict[str, Any]:
        """Return their part of `metrics.json`.

        Args:
            objective: the objective of the run.
            held_out: the rewards of the held-out samples by the run's model.
        """
        figures = {} if self.head is None else {"head": dict(self.head)}
        compared = {
            "shortcuts": compare_with_rules(objective, held_out),
            "baselines": compare_with_baselines(self.baselines, objective, held_out),
        }
        return {**figures, **{name: entries for name, entries in compared.items() if entries}}


NO_ACCURACY = "objective {} has no accuracy to compare; metrics.json compares it with always predicting the mean"
"""The reason why baselines are skipped for scores."""

ONE_LABEL = "all answers that were drawn to fit it are {}"
"""The reason why baselines are skipped if the other label is so rare that it was not drawn."""


def fit_baselines(run: PreparedRun, config: RewardConfig) -> dict[str, Baseline | SkippedBaseline]:
    """Fit a linear head on the frozen starting model, and one on counts of words.

    On single answers, both learn the objective of the run; on pairs, they learn which answer is better.

    Args:
        run: the run, before its first step. With `--train head`, the run fits the head itself, as its model.
        config: the settings.

    Returns:
        The baselines by name, or the reasons why they were skipped; empty with `--baselines none`, or if there are too
        few samples.
    """
    groups, held_out = draw_groups(run.encoded.groups, config.seed), run.encoded.held_out
    if config.baselines == "none" or min(len(groups), len(held_out)) < FEWEST_GROUPS:
        return {}
    objective = OBJECTIVES[config.objective]
    if objective.figures == "scores":
        return {"words": SkippedBaseline(NO_ACCURACY.format(objective.name))}
    fitted_for = HeadObjective() if objective.unit == "pair" else HeadObjective(objective.name)
    only = find_only_label(chain.from_iterable(groups), OBJECTIVES[fitted_for.name])
    if only is not None:
        return {"words": SkippedBaseline(ONE_LABEL.format(only))}
    baselines: dict[str, Baseline | SkippedBaseline] = {"words": _fit_words(groups, held_out, fitted_for, config.seed)}
    if config.train != "head":
        try:
            baselines["head"] = _fit_head(run, groups, fitted_for, config)
        except PrefTemplatesError as error:
            baselines["head"] = SkippedBaseline(str(error))
    return baselines


def draw_groups(groups: Sequence[TokenGroup], seed: int) -> list[TokenGroup]:
    """Return the groups that baselines are fitted on, each once: all of them, or as many as allowed, at random."""
    distinct = list(dict.fromkeys(map(id, groups)))
    group_of = {id(group): group for group in groups}
    drawn = (
        distinct if len(distinct) <= MOST_FITTED_GROUPS else random.Random(seed).sample(distinct, MOST_FITTED_GROUPS)
    )
    return [group_of[number] for number in drawn]


def _fit_words(
    groups: Sequence[TokenGroup], held_out: Sequence[LabelledTokens], objective: HeadObjective, seed: int
) -> Baseline:
    start = time.process_time()
    table = count_words(groups, [(one,) for one in held_out])
    fitted = fit_best_head(table, groups, objective, seed=seed)
    return _measure("a linear model of word counts", fitted, table, groups, held_out, start)


def _fit_head(
    run: PreparedRun, groups: Sequence[TokenGroup], objective: HeadObjective, config: RewardConfig
) -> Baseline:
    start = time.process_time()
    model, held_out = get_starting_model(run.model), run.encoded.held_out
    check_pretrained_features(model, () if run.head is None else run.head.new, str(config.model_name_or_path))
    layers = count_layers(model)
    depths = choose_depths(layers)
    reader, cache = make_feature_reader(run, model, config, depths), open_run_cache(run, model, config)
    others = [(one,) for one in held_out]
    fitted, table = fit_frozen_head(reader, groups, objective, seed=config.seed, others=others, cache=cache)
    label = f"a linear head on the frozen starting model, layer {depths[fitted.cut]} of {layers}"
    return _measure(label, fitted, table, groups, held_out, start)


def get_starting_model(model: Any) -> PreTrainedModel:
    """Return the classifier of a run before its first step, without its adapters: untrained, they change nothing."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model  # type: ignore[no-any-return]


def _measure(
    label: str,
    fitted: FittedHead,
    table: FeatureTable,
    groups: Sequence[TokenGroup],
    held_out: Sequence[LabelledTokens],
    start: float,
) -> Baseline:
    rows = [[table.row_of[tuple(ids)] for ids in one.ids] for one in held_out]
    rewards = fitted.head.apply(table.values[rows, fitted.cut].double()).numpy()
    return Baseline(label, rewards, sum(map(len, groups)), time.process_time() - start)


def compare_with_baselines(
    baselines: Mapping[str, Baseline | SkippedBaseline], objective: Objective, held_out: SampleRewards
) -> dict[str, dict[str, Any]]:
    """Return the figures of each baseline, and of the model on the same samples.

    Args:
        baselines: the baselines.
        objective: the objective of the run.
        held_out: the rewards of the held-out samples by the run's model.
    """
    figures: dict[str, dict[str, Any]] = {}
    for name, baseline in baselines.items():
        if isinstance(baseline, SkippedBaseline):
            figures[name] = {"skipped": baseline.reason}
            continue
        of_baseline = held_out._replace(rewards=baseline.rewards)
        measured = measure_samples(objective, of_baseline)
        figures[name] = {
            "label": baseline.label,
            "accuracy": measured["accuracy"],
            "accuracy_stderr": measured["accuracy_stderr"],
            f"train_{objective.unit}s": baseline.samples,
            "seconds": baseline.seconds,
            "model": compare_scores(score_each_sample(objective, held_out), score_each_sample(objective, of_baseline)),
        }
    return figures


def compare_with_rules(objective: Objective, held_out: SampleRewards) -> dict[str, dict[str, Any]]:
    """Return each content-blind rule, or its opposite if that is right more often, and the model on the same samples.

    Args:
        objective: the objective of the run.
        held_out: the rewards of the held-out samples by the run's model.
    """
    figures: dict[str, dict[str, Any]] = {}
    for name, choice in held_out.choices.items():
        is_known = ~np.isnan(choice)
        if not is_known.any():
            continue
        wins = score_wins(choice[is_known])
        is_opposite = float(wins.mean()) < 0.5
        rule = 1 - wins if is_opposite else wins
        model = score_each_sample(objective, held_out.select(is_known))
        figures[name] = {
            "rule": METRIC_RULES.get(name, (MAJORITY_RULE, MAJORITY_RULE))[is_opposite],
            "accuracy": float(rule.mean()),
            "model": compare_scores(model, rule),
        }
    return figures


def describe_cost(baselines: Mapping[str, Baseline | SkippedBaseline], unit: SampleUnit = "pair") -> str | None:
    """Return a line with the cost of each baseline, or why it was skipped; None if there are no baselines."""
    parts = [
        f"{name} {baseline.seconds:.1f} s of CPU time on {baseline.samples:,} {unit}s"
        if isinstance(baseline, Baseline)
        else f"{name} skipped: {baseline.reason}"
        for name, baseline in baselines.items()
    ]
    return f"baselines: {', '.join(parts)} (--baselines none skips them)" if parts else None
