"""The report of a run: one HTML file with figures, which runs no script and asks for no other file."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import jinja2
import numpy as np
from markupsafe import Markup
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from preftemplates.writing import write_text

Floats = NDArray[np.float64]

TEMPLATE = Path(__file__).with_name("report.html.jinja")

COLOURS = {
    "chosen": "#0072b2",
    "rejected": "#d55e00",
    "held-out": "#00795c",
    "training": "#8b919b",
    "ink": "#4b5260",
    "rule": "#dfe2e7",
}
"""What a colour stands for, and as what matplotlib draws it; the page says how it looks by day and by night."""

STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "preftemplates",
    "path.simplify": False,  # a point that is drawn is a point of the data
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "text.color": COLOURS["ink"],
    "axes.edgecolor": COLOURS["rule"],
    "axes.labelcolor": COLOURS["ink"],
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "grid.color": COLOURS["rule"],
    "grid.linewidth": 0.6,
    "xtick.color": COLOURS["ink"],
    "ytick.color": COLOURS["ink"],
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
}
"""How matplotlib draws, on top of its own defaults and not of a user's."""

WIDTH, HEIGHT = 4.3, 2.3
"""Of a figure in inches; the page scales it."""

MOST_POINTS = 400
"""A longer curve is drawn as means of neighbouring points."""

MOST_MARKERS = 40
"""A curve of more points has none marked."""

MOST_BINS = 60

TINY = 1e-100
"""What is narrower is not cut into bins."""

SIDES = {"training": "Training", "held-out": "Held out"}

ROUND = (1, 2, 2.5, 5, 10)
"""By what an axis counts, times a power of ten."""


@dataclass(frozen=True)
class Drawing:
    """A figure of the page.

    Attributes:
        name: what its parts' ids begin with.
        title: a word or two.
        caption: what one sees.
        svg: the picture; None where there is nothing that can be drawn.
        notes: what was left out.
        legend: colours with what they stand for.
    """

    name: str
    title: str
    caption: str
    svg: Markup | None
    notes: Sequence[str] = ()
    legend: Sequence[tuple[str, str]] = ()


class Curve(NamedTuple):
    """Something that is drawn over the steps.

    Attributes:
        name: what the ids begin with.
        title: a word or two.
        caption: what it means.
        training: its name in the history's training entries.
        held_out: its name in the history's evaluations, if it is evaluated.
        rule: a value to compare with, if there is one.
        rule_text: what that value is.
    """

    name: str
    title: str
    caption: str
    training: str
    held_out: str | None = None
    rule: float | None = None
    rule_text: str = ""


CURVES = (
    Curve(
        "loss",
        "Loss",
        "How surprising the labels are to the rewards, in nats a pair; lower is better.",
        "loss",
        "eval_loss",
        math.log(2),
        "a coin: ln 2",
    ),
    Curve(
        "accuracy",
        "Accuracy",
        "The share of pairs whose chosen answer has the higher reward.",
        "accuracy",
        "eval_accuracy",
        0.5,
        "a coin: 0.5",
    ),
    Curve(
        "margin",
        "Margin",
        "By how much the chosen answer's reward is higher, on average.",
        "margin",
        "eval_margin_mean",
        0.0,
    ),
    Curve("learning-rate", "Learning rate", "The size of a step, as scheduled.", "learning_rate"),
)


class Points(NamedTuple):
    """Values at steps, all finite, and how many others there were."""

    steps: Floats
    values: Floats
    not_finite: int = 0


class Rewards(NamedTuple):
    """Rewards of both sides of pairs, all finite, with finite differences, and how many other pairs there were."""

    chosen: Floats
    rejected: Floats
    not_finite: int = 0


def write_report(
    path: Path,
    *,
    title: str,
    summary: Sequence[str],
    history: Sequence[Mapping[str, float]],
    chosen: Sequence[float],
    rejected: Sequence[float],
    metrics: Mapping[str, Any],
    settings: Mapping[str, Any],
    counts: Sequence[Mapping[str, Any]],
    by_source: Mapping[str, Mapping[str, float]],
) -> None:
    """Write the report; equal arguments give equal bytes. All text is escaped.

    Args:
        path: the file, which appears whole or not at all.
        title: the heading.
        summary: plain sentences: what was learnt, and what this does not show.
        history: a Trainer's `state.log_history`; entries without a figure that is drawn are passed over.
        chosen: rewards of the held-out pairs' chosen answers, shape (B,); empty if nothing was held out.
        rejected: rewards of their rejected answers, shape (B,).
        metrics: as of `metrics.summary` and `metrics.shortcuts`, any of which may be missing; a mapping in it is a
            second set of the same measures, such as `clean`. Lists, and mappings of mappings, are not shown.
        settings: values by name; a mapping is shown entry by entry.
        counts: as of `SourceReport.counts`, one for each source.
        by_source: pairs, accuracy and accuracy_stderr by the source's name; shown if there are several.

    Raises:
        ValueError: there are not as many chosen as rejected rewards.
        FileError: the place cannot be written to.
    """
    rewards = finite_rewards(chosen, rejected)
    with style.context([STYLE], after_reset=True):
        curves = [_draw_curve(curve, history) for curve in CURVES if _is_logged(curve, history)]
        histograms = [_draw_rewards(rewards), _draw_differences(rewards)] if len(chosen) else []
    flat = list(_flat(settings))
    text = _page().render(
        title=title,
        summary=summary,
        curves=curves,
        evaluated=any(curve.held_out in entry for entry in history for curve in CURVES),
        histograms=histograms,
        metrics=metrics,
        measures=_measures(metrics),
        short_settings=[(name, value) for name, value in flat if len(value) <= 100],
        long_settings=[(name, value) for name, value in flat if len(value) > 100],
        counts=counts,
        by_source=by_source if len(by_source) > 1 else {},
    )  # fmt: skip
    write_text(path, text)


@cache
def _page() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"number": number, "share": share, "error": error}
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8"))


# what numbers look like


def number(value: Any) -> str:
    """A number as one reads it: whole numbers in full, others to three decimals, very small or large ones shorter.

    >>> number(12500), number(0.69314), number(-1.5), number(2e-05), number(float("nan"))
    ('12,500', '0.693', '−1.500', '2e−5', 'not finite')
    """
    if isinstance(value, int):
        return f"{value:,}".replace("-", "−")
    if not math.isfinite(value):
        return "not finite"
    return _plain(f"{value:.3f}" if value == 0 or 1e-3 <= abs(value) < 1e6 else f"{value:.3g}")


def share(value: float) -> str:
    """A share in percent.

    >>> share(0.8731), share(float("nan"))
    ('87.3%', 'not finite')
    """
    return f"{value:.1%}" if math.isfinite(value) else "not finite"


def error(value: float | None) -> str:
    """A standard error in percent; nothing if there is none, as of one pair.

    >>> error(0.0123), error(float("nan")), error(None)
    ('± 1.2%', '', '')
    """
    return "" if value is None or not math.isfinite(value) else f"± {share(value)}"


def _tick(value: float, place: float = 0) -> str:
    """A number beside an axis, no longer than it has to be."""
    return _plain(f"{value:,.10g}" if value == 0 or 1e-2 <= abs(value) < 1e6 else f"{value:.2e}")


def _plain(text: str) -> str:
    """With a true minus, and without the zeros that end a mantissa or begin an exponent."""
    mantissa, e, exponent = text.partition("e")
    return (f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}" if e else text).replace("-", "−")


# what is drawn


def points(history: Sequence[Mapping[str, float]], name: str) -> Points:
    """The entries of a history that have a name, in order."""
    found = [(entry["step"], entry[name]) for entry in history if name in entry]
    steps, values = np.array(found, dtype=np.float64).reshape(-1, 2).T
    finite = np.isfinite(values)
    return Points(steps[finite], values[finite], int((~finite).sum()))


def thinned(found: Points) -> Points:
    """No more than `MOST_POINTS` points, each the mean of neighbours."""
    if len(found.steps) <= MOST_POINTS:
        return found
    steps, values = (
        np.array([part.mean() for part in np.array_split(side, MOST_POINTS)]) for side in (found.steps, found.values)
    )
    return Points(steps, values, found.not_finite)


def finite_rewards(chosen: Sequence[float], rejected: Sequence[float]) -> Rewards:
    """The pairs that can be drawn.

    Raises:
        ValueError: there are not as many of one side as of the other.
    """
    if len(chosen) != len(rejected):
        raise ValueError(f"there are {len(chosen)} rewards of chosen answers and {len(rejected)} of rejected ones")
    left, right = np.asarray(chosen, dtype=np.float64), np.asarray(rejected, dtype=np.float64)
    with np.errstate(all="ignore"):
        finite = np.isfinite(left - right)
    return Rewards(left[finite], right[finite], int((~finite).sum()))


def reward_edges(rewards: Rewards) -> Floats:
    """The edges of the bins that both sides share."""
    both = np.concatenate([rewards.chosen, rewards.rejected])
    low, high = float(both.min()), float(both.max())
    if high - low <= max(TINY, 1e-9 * max(abs(low), abs(high))):  # all the same, up to rounding
        wide = 0.5 * max(1.0, abs(low))
        low, high = low - wide, high + wide
    return np.linspace(low, high, _bins(len(both) // 2) + 1, dtype=np.float64)


def difference_edges(differences: Floats) -> Floats:
    """The edges of the differences' bins, of which one is zero."""
    low, high = min(0.0, float(differences.min())), max(0.0, float(differences.max()))
    if high - low < TINY:
        low, high = -1.0, 1.0
    width = (high - low) / _bins(len(differences))
    return np.arange(math.floor(low / width), math.ceil(high / width) + 1, dtype=np.float64) * width


def counted(values: Floats, edges: Floats) -> NDArray[np.int64]:
    """How many values each bin holds; none is lost to rounding at the outer edges."""
    return np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0]


def _bins(pairs: int) -> int:
    """Rice's rule, within bounds."""
    return min(MOST_BINS, max(10, math.ceil(2 * math.cbrt(pairs))))


def _left_out(values: int, what: str) -> list[str]:
    if not values:
        return []
    if values == 1:
        return [f"1 {what} is not finite and is not drawn."]
    return [f"{values:,} {what}s are not finite and are not drawn."]


# how it is drawn


def _axes(label: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(label)
    for patch in (figure.patch, axes.patch):
        patch.set_visible(False)
    for axis, most in ((axes.xaxis, 8), (axes.yaxis, 6)):
        axis.set_major_locator(MaxNLocator(most, steps=ROUND))
        axis.set_major_formatter(_tick)
    return figure, axes


def _is_logged(curve: Curve, history: Sequence[Mapping[str, float]]) -> bool:
    return any(curve.training in entry or curve.held_out in entry for entry in history)


def _draw_curve(curve: Curve, history: Sequence[Mapping[str, float]]) -> Drawing:
    """Training as a line, held-out pairs as a line with a marker where they were evaluated."""
    names = {"training": curve.training, "held-out": curve.held_out}
    lines = {side: points(history, name) for side, name in names.items() if name}
    drawing = Drawing(curve.name, curve.title, curve.caption, None, _curve_notes(lines))
    drawn = {side: thinned(line) for side, line in lines.items() if len(line.steps)}
    if not drawn:
        return drawing
    said = [f"{curve.title} by step.", *(_ends(side, line) for side, line in drawn.items())]
    return replace(drawing, svg=_svg(_curve_figure(curve, drawn), curve.name, " ".join(said)))


def _curve_notes(lines: Mapping[str, Points]) -> list[str]:
    notes = _left_out(sum(line.not_finite for line in lines.values()), "value")
    for side, line in lines.items():
        if len(line.steps) > MOST_POINTS:
            entries = round(len(line.steps) / MOST_POINTS)
            notes.append(f"{SIDES[side]}: each point is the mean of about {entries} entries of the log.")
    return notes


def _curve_figure(curve: Curve, lines: Mapping[str, Points]) -> Figure:
    figure, axes = _axes("step")
    axes.xaxis.set_major_locator(MaxNLocator(8, steps=ROUND, integer=True))
    for side, line in lines.items():
        _plot(axes, line, side, f"{curve.name}-{side}")
    steps = np.concatenate([line.steps for line in lines.values()])
    if steps.min() == steps.max():
        axes.set_xlim(steps[0] - 1, steps[0] + 1)
    if curve.rule is not None:
        last = next(iter(lines.values())).values[-1]
        _compare(axes, curve.rule, curve.rule_text, above=bool(last < curve.rule))
    return figure


def _plot(axes: Axes, line: Points, side: str, name: str) -> None:
    marked = len(line.steps) == 1 or (side == "held-out" and len(line.steps) <= MOST_MARKERS)
    width, size = (1.8, 4.5) if side == "held-out" else (1.2, 4.0)
    axes.plot(
        line.steps, line.values, color=COLOURS[side], linewidth=width, marker="o" if marked else "", markersize=size,
        gid=name, clip_on=False, solid_capstyle="round", solid_joinstyle="round", zorder=3,
    )  # fmt: skip


def _compare(axes: Axes, value: float, text: str, *, above: bool) -> None:
    """A thin line at a value that is worth knowing, with its name above or below."""
    axes.axhline(value, color=COLOURS["ink"], linewidth=0.7, linestyle=(0, (2, 2)), zorder=2)
    if text:
        axes.margins(y=0.12)
        axes.annotate(
            text, (1, value), xycoords=("axes fraction", "data"), xytext=(0, 3 if above else -3),
            textcoords="offset points", ha="right", va="bottom" if above else "top", fontsize=7,
        )  # fmt: skip


def _ends(side: str, line: Points) -> str:
    """What a curve begins and ends with, for those who do not see it."""
    said = [f"{number(line.values[at])} at step {_tick(line.steps[at])}" for at in sorted({0, len(line.steps) - 1})]
    return f"{SIDES[side]}: {', '.join(said)}."


def _draw_rewards(rewards: Rewards) -> Drawing:
    """Both sides over each other, in the same bins."""
    caption = "How many answers got which reward. Only differences mean something: where zero lies does not."
    drawing = Drawing("rewards", "Rewards of both answers", caption, None, _left_out(rewards.not_finite, "pair"))
    if not len(rewards.chosen):
        return drawing
    figure, axes = _axes("reward")
    edges = reward_edges(rewards)
    legend = []
    for side, values in (("chosen", rewards.chosen), ("rejected", rewards.rejected)):
        _bars(axes, counted(values, edges), edges, side, f"rewards-{side}")
        mean = float(values.mean())
        axes.axvline(mean, color=COLOURS[side], linewidth=0.9, linestyle=(0, (2, 2)))
        legend.append((side, f"{side}, on average {number(mean)}"))
    label = f"Histogram of the rewards of {len(rewards.chosen):,} pairs: {'; '.join(text for _, text in legend)}."
    return replace(drawing, svg=_svg(figure, "rewards", label), legend=legend)


def _draw_differences(rewards: Rewards) -> Drawing:
    """The differences on both sides of zero, and those that are zero over it."""
    caption = "How many pairs have which difference. Right of zero, the model agrees with the label."
    drawing = Drawing("differences", "Chosen minus rejected", caption, None, _left_out(rewards.not_finite, "pair"))
    differences = rewards.chosen - rewards.rejected
    if not len(differences):
        return drawing
    figure, axes = _axes("chosen − rejected")
    edges = difference_edges(differences)
    axes.update_datalim([(edges[0], 0), (edges[-1], 0)])
    legend = []
    for colour, where, values, own_edges in _sides_of_zero(differences, edges):
        if len(values):
            _bars(axes, counted(values, own_edges), own_edges, colour, f"differences-{where.replace(' ', '-')}")
        legend.append((colour, f"{share(len(values) / len(differences))} {where}"))
    axes.axvline(0, color=COLOURS["ink"], linewidth=0.9)
    label = f"Histogram of {len(differences):,} differences of rewards: {', '.join(text for _, text in legend)}."
    return replace(drawing, svg=_svg(figure, "differences", label), legend=legend)


def _sides_of_zero(differences: Floats, edges: Floats) -> Iterator[tuple[str, str, Floats, Floats]]:
    """Colour, place, differences and edges of what lies below, at and above zero; at zero only if something does."""
    zero, half = int(np.searchsorted(edges, 0.0)), float(edges[1] - edges[0]) / 2
    yield "rejected", "below zero", differences[differences < 0], edges[: zero + 1]
    if (differences == 0).any():
        yield "training", "at zero", differences[differences == 0], np.array([-half, half])
    yield "chosen", "above zero", differences[differences > 0], edges[zero:]


def _bars(axes: Axes, counts: NDArray[np.int64], edges: Floats, colour: str, name: str) -> None:
    axes.stairs(counts, edges, fill=True, color=COLOURS[colour], alpha=0.28)
    axes.stairs(counts, edges, color=COLOURS[colour], linewidth=1.2, gid=name, zorder=3)


# how it gets into the page


def _svg(figure: Figure, name: str, label: str) -> Markup:
    """The picture for inside the page: nothing of XML, only ids that are asked for, colours by what they stand for."""
    buffer = BytesIO()
    figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    text = buffer.getvalue().decode()
    root = ElementTree.fromstring(text)
    for definitions in root.findall("{*}defs"):  # styles, which would hold for the whole page, and clips of nothing
        root.remove(definitions)
    used = set(re.findall(r'"#([^"]+)"', text))
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        element.attrib = dict(_attributes(element.attrib, name, used))
    root.attrib = {"viewBox": root.attrib["viewBox"], "role": "img", "aria-label": label}
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # ElementTree escapes


def _attributes(found: Mapping[str, str], name: str, used: set[str]) -> Iterator[tuple[str, str]]:
    for key, value in found.items():
        key = key.rpartition("}")[2]
        if key == "href":
            yield key, f"#{name}-{value[1:]}"
        elif key == "id" and value in used:
            yield key, f"{name}-{value}"
        elif key == "id" and value.startswith(f"{name}-"):
            yield key, value
        elif key not in ("id", "clip-path") and not value.startswith("rotate(-0 "):
            yield key, _short(value)


def _short(value: str) -> str:
    """An attribute with two decimals, which is less than one sees, and with the page's colours."""
    value = re.sub(r"\d+\.\d{3,}", lambda found: f"{float(found[0]):.2f}", value)
    for role, colour in COLOURS.items():
        value = value.replace(colour, f"var(--{role})")
    return value.replace("\n", " ").strip()


def _measures(metrics: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The numbers by set and name: first those of the held-out pairs, then those of each mapping among them."""
    sets = {name: value for name, value in metrics.items() if isinstance(value, Mapping)}
    found = {"held out": metrics, **sets}
    return {
        name: {key: int(value) if key == "pairs" else value for key, value in one.items() if _is_number(value)}
        for name, one in found.items()
        if any(map(_is_number, one.values()))
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _flat(settings: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, str]]:
    """Names and values, those of a mapping behind its name and a dot."""
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{within}{name}.")
        else:
            yield f"{within}{name}", str(value)
