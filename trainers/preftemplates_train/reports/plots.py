"""The plots of the report: curves over the steps, and histograms of rewards, drawn with matplotlib."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib import style
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from preftemplates_train.reports.numbers import format_number, format_share, format_tick
from preftemplates_train.reports.plot_data import (
    MOST_POINTS,
    CurvePoints,
    FiniteRewards,
    choose_difference_edges,
    choose_reward_edges,
    count_in_bins,
    select_points,
    thin_points,
)
from preftemplates_train.reports.sentences import is_too_few
from preftemplates_train.reports.svg import PLOT_COLOURS, render_svg

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from markupsafe import Markup
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from preftemplates_train.evaluation.metrics import Floats
    from preftemplates_train.settings.objectives import FigureKind

MATPLOTLIB_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "preftemplates",
    "path.simplify": False,  # draw the points of the data only
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "text.color": PLOT_COLOURS["ink"],
    "axes.edgecolor": PLOT_COLOURS["rule"],
    "axes.labelcolor": PLOT_COLOURS["ink"],
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "grid.color": PLOT_COLOURS["rule"],
    "grid.linewidth": 0.6,
    "xtick.color": PLOT_COLOURS["ink"],
    "ytick.color": PLOT_COLOURS["ink"],
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
}
"""The settings of matplotlib, on top of its own defaults, without those of the user."""

WIDTH, HEIGHT = 4.3, 2.3
"""The size of a figure in inches; the page scales it."""

MOST_MARKERS = 40
"""A curve with more points has no markers."""

SIDES = {"training": "Training", "held-out": "Held out"}

TICK_STEPS = (1, 2, 2.5, 5, 10)
"""The steps of an axis, times a power of ten."""


@dataclass(frozen=True)
class Plot:
    """A plot of the page.

    Attributes:
        name: the prefix of its ids.
        title: a short title.
        caption: a description.
        svg: the picture; None if there is nothing to draw.
        notes: sentences about values that are not drawn.
        legend: colours with their meaning.
    """

    name: str
    title: str
    caption: str
    svg: Markup | None
    notes: Sequence[str] = ()
    legend: Sequence[tuple[str, str]] = ()


class CurveSpec(NamedTuple):
    """A value that is drawn over the steps.

    Attributes:
        name: the prefix of its ids.
        title: a short title.
        caption: a description.
        training: its name in the history's training entries.
        held_out: its name in the history's evaluations, if it is evaluated.
        reference: a value to compare with, if there is one.
        reference_text: a name for that value.
    """

    name: str
    title: str
    caption: str
    training: str
    held_out: str | None = None
    reference: float | None = None
    reference_text: str = ""


CURVES = (
    CurveSpec(
        "loss",
        "Loss",
        "The log loss of the labels given the rewards, in nats per pair; lower is better.",
        "loss",
        "eval_loss",
        math.log(2),
        "chance: ln 2",
    ),
    CurveSpec(
        "accuracy",
        "Accuracy",
        "The share of pairs whose chosen answer has the higher reward.",
        "accuracy",
        "eval_accuracy",
        0.5,
        "chance: 0.5",
    ),
    CurveSpec(
        "margin",
        "Margin",
        "The mean difference between the rewards of the chosen and the rejected answer.",
        "margin",
        "eval_margin_mean",
        0.0,
    ),
    CurveSpec("learning-rate", "Learning rate", "The learning rate of the schedule.", "learning_rate"),
)


CURVE_CHANGES: Mapping[FigureKind, Mapping[str, Mapping[str, Any]]] = {
    "pairs": {},
    "safety": {
        "loss": {
            "caption": "The loss in nats: for training, of the order of a pair and the signs of both rewards; for"
            " held-out pairs, of the order alone.",
            "reference": None,
        },
        "accuracy": {"caption": "The share of pairs whose safer answer has the higher reward."},
    },
    "verdicts": {
        "loss": {"caption": "The log loss of the labels given the rewards, in nats per answer; lower is better."},
        "accuracy": {"caption": "The share of answers whose reward has the right sign."},
    },
    "scores": {
        "loss": {
            "caption": "The mean squared error in standard deviations of the training scores; lower is better.",
            "reference": 1.0,
            "reference_text": "always the mean: 1",
        }
    },
}
"""The changes of the curves for each kind of figures, by the curve's name."""


def draw_curves(history: Sequence[Mapping[str, float]], kind: FigureKind = "pairs") -> list[Plot]:
    """Draw each curve that has an entry in the history, with the captions for the kind of figures."""
    curves = [spec._replace(**CURVE_CHANGES[kind].get(spec.name, {})) for spec in CURVES]
    with style.context([MATPLOTLIB_STYLE], after_reset=True):
        return [_draw_curve(spec, history) for spec in curves if _is_logged(spec, history)]


def draw_histograms(rewards: FiniteRewards) -> list[Plot]:
    """Draw the rewards of both sides of pairs, and their differences."""
    with style.context([MATPLOTLIB_STYLE], after_reset=True):
        return [_draw_rewards(rewards), _draw_differences(rewards)]


def _is_logged(spec: CurveSpec, history: Sequence[Mapping[str, float]]) -> bool:
    return any(spec.training in entry or spec.held_out in entry for entry in history)


def _draw_curve(spec: CurveSpec, history: Sequence[Mapping[str, float]]) -> Plot:
    """Draw training as a line, and held-out samples as a line with a marker at each evaluation."""
    names = {"training": spec.training, "held-out": spec.held_out}
    lines = {side: select_points(history, name) for side, name in names.items() if name}
    plot = Plot(spec.name, spec.title, spec.caption, None, _describe_omissions(lines))
    drawn = {side: thin_points(line) for side, line in lines.items() if len(line.steps)}
    if not drawn:
        return plot
    descriptions = [f"{spec.title} by step.", *(_describe_ends(side, line) for side, line in drawn.items())]
    return replace(plot, svg=render_svg(_make_curve_figure(spec, drawn), spec.name, " ".join(descriptions)))


def _describe_omissions(lines: Mapping[str, CurvePoints]) -> list[str]:
    notes = describe_not_finite(sum(line.not_finite for line in lines.values()), "value")
    for side, line in lines.items():
        if len(line.steps) > MOST_POINTS:
            entries = round(len(line.steps) / MOST_POINTS)
            notes.append(f"{SIDES[side]}: each point is the mean of about {entries} entries of the log.")
    return notes


def describe_not_finite(count: int, noun: str) -> list[str]:
    """Return a note about values that are not finite; nothing if there are none."""
    if not count:
        return []
    if count == 1:
        return [f"1 {noun} is not finite and is not drawn."]
    return [f"{count:,} {noun}s are not finite and are not drawn."]


def _describe_ends(side: str, line: CurvePoints) -> str:
    """Return the first and last value of a curve, for screen readers."""
    ends = [
        f"{format_number(line.values[at])} at step {format_tick(line.steps[at])}"
        for at in sorted({0, len(line.steps) - 1})
    ]
    return f"{SIDES[side]}: {', '.join(ends)}."


def make_axes(label: str) -> tuple[Figure, Axes]:
    """Return an empty plot with the name of its horizontal axis."""
    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(label)
    for patch in (figure.patch, axes.patch):
        patch.set_visible(False)
    for axis, most_ticks in ((axes.xaxis, 8), (axes.yaxis, 6)):
        axis.set_major_locator(MaxNLocator(most_ticks, steps=TICK_STEPS))
        axis.set_major_formatter(format_tick)
    return figure, axes


def _make_curve_figure(spec: CurveSpec, lines: Mapping[str, CurvePoints]) -> Figure:
    figure, axes = make_axes("step")
    axes.xaxis.set_major_locator(MaxNLocator(8, steps=TICK_STEPS, integer=True))
    for side, line in lines.items():
        _add_line(axes, line, side, f"{spec.name}-{side}")
    steps = np.concatenate([line.steps for line in lines.values()])
    if steps.min() == steps.max():
        axes.set_xlim(steps[0] - 1, steps[0] + 1)
    if spec.reference is not None:
        last = next(iter(lines.values())).values[-1]
        _add_reference(axes, spec.reference, spec.reference_text, above=bool(last < spec.reference))
    return figure


def _add_line(axes: Axes, line: CurvePoints, side: str, name: str) -> None:
    has_markers = len(line.steps) == 1 or (side == "held-out" and len(line.steps) <= MOST_MARKERS)
    width, size = (1.8, 4.5) if side == "held-out" else (1.2, 4.0)
    axes.plot(
        line.steps, line.values, color=PLOT_COLOURS[side], linewidth=width, marker="o" if has_markers else "",
        markersize=size, gid=name, clip_on=False, solid_capstyle="round", solid_joinstyle="round", zorder=3,
    )  # fmt: skip


def _add_reference(axes: Axes, value: float, text: str, *, above: bool) -> None:
    """Add a thin line at a value to compare with, with its name above or below."""
    axes.axhline(value, color=PLOT_COLOURS["ink"], linewidth=0.7, linestyle=(0, (2, 2)), zorder=2)
    if text:
        axes.margins(y=0.12)
        axes.annotate(
            text, (1, value), xycoords=("axes fraction", "data"), xytext=(0, 3 if above else -3),
            textcoords="offset points", ha="right", va="bottom" if above else "top", fontsize=7,
        )  # fmt: skip


def _draw_rewards(rewards: FiniteRewards) -> Plot:
    """Draw the histograms of both sides over each other, in the same bins."""
    caption = "The number of answers by reward. Only differences have a meaning; the zero point has none."
    notes = describe_not_finite(rewards.not_finite, "pair")
    plot = Plot("rewards", "Rewards of both answers", caption, None, notes)
    if not len(rewards.chosen):
        return plot
    figure, axes = make_axes("reward")
    edges = choose_reward_edges(rewards)
    legend = []
    for side, values in (("chosen", rewards.chosen), ("rejected", rewards.rejected)):
        add_bars(axes, count_in_bins(values, edges), edges, side, f"rewards-{side}")
        mean = float(values.mean())
        axes.axvline(mean, color=PLOT_COLOURS[side], linewidth=0.9, linestyle=(0, (2, 2)))
        legend.append((side, f"{side}, on average {format_number(mean)}"))
    label = f"Histogram of the rewards of {len(rewards.chosen):,} pairs: {'; '.join(text for _, text in legend)}."
    return replace(plot, svg=render_svg(figure, "rewards", label), legend=legend)


def _draw_differences(rewards: FiniteRewards) -> Plot:
    """Draw the differences below and above zero, and those that are zero as a bar over it."""
    caption = "The number of pairs by difference. Right of zero, the model agrees with the label."
    notes = describe_not_finite(rewards.not_finite, "pair")
    plot = Plot("differences", "Chosen minus rejected", caption, None, notes)
    differences = rewards.chosen - rewards.rejected
    if not len(differences):
        return plot
    figure, axes = make_axes("chosen − rejected")
    edges = choose_difference_edges(differences)
    axes.update_datalim([(edges[0], 0), (edges[-1], 0)])
    legend = []
    for colour, place, values, side_edges in _split_at_zero(differences, edges):
        if len(values):
            name = f"differences-{place.replace(' ', '-')}"
            add_bars(axes, count_in_bins(values, side_edges), side_edges, colour, name)
        legend.append((colour, f"{_describe_share(len(values), len(differences))} {place}"))
    axes.axvline(0, color=PLOT_COLOURS["ink"], linewidth=0.9)
    label = f"Histogram of {len(differences):,} differences of rewards: {', '.join(text for _, text in legend)}."
    return replace(plot, svg=render_svg(figure, "differences", label), legend=legend)


def _describe_share(number: int, pairs: int) -> str:
    """Return a share in percent, or as a count if there are so few pairs that a percentage would mislead."""
    return f"{number} of {pairs}" if is_too_few({"pairs": pairs}) else format_share(number / pairs)


def _split_at_zero(differences: Floats, edges: Floats) -> Iterator[tuple[str, str, Floats, Floats]]:
    """Yield colour, place, differences and edges of the differences below, at (if there are any) and above zero."""
    zero, half = int(np.searchsorted(edges, 0.0)), float(edges[1] - edges[0]) / 2
    yield "rejected", "below zero", differences[differences < 0], edges[: zero + 1]
    if (differences == 0).any():
        yield "training", "at zero", differences[differences == 0], np.array([-half, half])
    yield "chosen", "above zero", differences[differences > 0], edges[zero:]


def add_bars(axes: Axes, counts: NDArray[np.int64], edges: Floats, colour: str, name: str) -> None:
    """Add a histogram in the colour of a meaning, with an id."""
    axes.stairs(counts, edges, fill=True, color=PLOT_COLOURS[colour], alpha=0.28)
    axes.stairs(counts, edges, color=PLOT_COLOURS[colour], linewidth=1.2, gid=name, zorder=3)
