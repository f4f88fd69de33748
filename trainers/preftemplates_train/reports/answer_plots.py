"""The plots of single answers: the rewards of good and bad answers, and predicted scores against the scores."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import style

from preftemplates_train.reports.numbers import format_number
from preftemplates_train.reports.plot_data import FiniteRewards, choose_reward_edges, count_in_bins
from preftemplates_train.reports.plots import MATPLOTLIB_STYLE, Plot, add_bars, describe_not_finite, make_axes
from preftemplates_train.reports.svg import PLOT_COLOURS, render_svg

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from preftemplates_train.evaluation.metrics import Floats
    from preftemplates_train.evaluation.sample_figures import SampleRewards
    from preftemplates_train.settings.objectives import FigureKind

MOST_DOTS = 1000
"""The number of answers that are drawn, if there are more."""


def draw_answers(samples: SampleRewards, kind: FigureKind) -> list[Plot]:
    """Draw the rewards of single answers: against their scores, or as histograms of good and bad answers."""
    rewards = samples.rewards[:, 0]
    is_finite = np.isfinite(rewards)
    notes = describe_not_finite(int((~is_finite).sum()), "reward")
    with style.context([MATPLOTLIB_STYLE], after_reset=True):
        if kind == "scores":
            predicted, scores = (samples.scale.restore(values) for values in (rewards, samples.labels["score"]))
            return [_draw_scores(predicted[is_finite], scores[is_finite], notes)]
        return [_draw_verdicts(rewards[is_finite], samples.labels["label"][is_finite] > 0.5, notes)]


def _draw_verdicts(rewards: Floats, is_good: NDArray[np.bool_], notes: list[str]) -> Plot:
    """Draw the histograms of good and bad answers over each other, in the same bins."""
    caption = "The number of answers by reward. Right of zero, the model judges an answer as good."
    plot = Plot("rewards", "Rewards of good and bad answers", caption, None, notes)
    if not len(rewards):
        return plot
    figure, axes = make_axes("reward")
    good, bad = rewards[is_good], rewards[~is_good]
    edges = choose_reward_edges(FiniteRewards(good, bad))
    legend = []
    for colour, name, values in (("chosen", "good", good), ("rejected", "bad", bad)):
        if len(values):
            add_bars(axes, count_in_bins(values, edges), edges, colour, f"rewards-{name}")
            legend.append((colour, f"{len(values):,} {name}, on average {format_number(float(values.mean()))}"))
    axes.axvline(0, color=PLOT_COLOURS["ink"], linewidth=0.9)
    label = f"Histogram of the rewards of {len(rewards):,} answers: {'; '.join(text for _, text in legend)}."
    return replace(plot, svg=render_svg(figure, "rewards", label), legend=legend)


def _draw_scores(predicted: Floats, scores: Floats, notes: list[str]) -> Plot:
    """Draw a dot for each answer, and the line on which predictions are right."""
    if len(scores) > MOST_DOTS:
        notes = [*notes, f"Only {MOST_DOTS:,} of {len(scores):,} answers are drawn."]
        shown = np.linspace(0, len(scores) - 1, MOST_DOTS).astype(int)
        predicted, scores = predicted[shown], scores[shown]
    caption = "Each dot is an answer. On the line, the predicted score is right."
    plot = Plot("scores", "Predicted scores", caption, None, notes)
    if not len(scores):
        return plot
    figure, axes = make_axes("score")
    axes.set_ylabel("predicted score")
    colour = PLOT_COLOURS["held-out"]
    axes.plot(scores, predicted, "o", color=colour, markersize=3, alpha=0.5, markeredgewidth=0, gid="scores-answers")
    ends = [float(scores.min()), float(scores.max())]
    axes.plot(ends, ends, color=PLOT_COLOURS["ink"], linewidth=0.9, linestyle=(0, (2, 2)), gid="scores-right")
    label = f"Predicted scores of {len(scores):,} answers against their scores."
    return replace(plot, svg=render_svg(figure, "scores", label))
