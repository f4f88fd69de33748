"""The plot of a fitted head: the validation loss of each tried layer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from matplotlib import style
from matplotlib.ticker import MaxNLocator

from preftemplates_train.reports.numbers import format_number
from preftemplates_train.reports.plots import MATPLOTLIB_STYLE, Plot, make_axes
from preftemplates_train.reports.svg import PLOT_COLOURS, render_svg

if TYPE_CHECKING:
    from collections.abc import Mapping


def draw_layers(head: Mapping[str, Any]) -> Plot:
    """Draw the smallest validation loss of each layer over all penalties, and mark the chosen layer.

    Args:
        head: the value of `head` in `metrics.json`.
    """
    caption = (
        "The loss on left-out folds of the training prompts, in nats, with the best penalty of each layer. The chosen"
        " layer has the smallest loss, averaged with the neighbouring layers."
    )
    losses = find_best_losses(head)
    if len(losses) == 1:
        caption = "The loss on left-out folds of the training prompts, in nats, with the best penalty of the layer."
    plot = Plot("layers", "Loss by layer", caption, None)
    if not losses:
        return plot
    with style.context([MATPLOTLIB_STYLE], after_reset=True):
        figure, axes = make_axes("layer")
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.plot(
            list(losses), list(losses.values()), color=PLOT_COLOURS["training"], linewidth=1.2, marker="o",
            markersize=4, gid="layers-loss", clip_on=False,
        )  # fmt: skip
        chosen = head["layer"]
        axes.plot(
            [chosen], [losses[chosen]], color=PLOT_COLOURS["held-out"], marker="o", markersize=6, linestyle="",
            gid="layers-chosen", clip_on=False, zorder=4,
        )  # fmt: skip
        text = f"layer {chosen} of {head['layers']}, penalty {head['penalty']:g}"
        label = f"Validation loss by layer; {format_number(losses[chosen])} at the chosen {text}."
        return replace(plot, svg=render_svg(figure, "layers", label), legend=[("held-out", f"chosen: {text}")])


def find_best_losses(head: Mapping[str, Any]) -> dict[int, float]:
    """Return the smallest validation loss of each layer, by layer."""
    losses: dict[int, float] = {}
    for one in head["validation"]:
        losses[one["layer"]] = min(one["loss"], losses.get(one["layer"], one["loss"]))
    return dict(sorted(losses.items()))
