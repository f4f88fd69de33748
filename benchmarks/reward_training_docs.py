"""Write the figures of `reward_training.py` into the docs, as a table and a picture: `--docs NAME` calls this."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from svg_colours import follow_colour_scheme

DOCS = Path(__file__).resolve().parents[1] / "docs"
Figures = Mapping[str, Mapping[str, float]]

SAID = {
    "TRL, defaults": "TRL, its defaults (checkpointing)",
    "TRL, grouped, no checkpointing": "TRL, grouped by length, no checkpointing",
    "TRL, same batches, no checkpointing": "TRL, our batches, no checkpointing",
    "padded, grouped": "ours, padded, grouped",
}
"""The names of the contestants in the docs."""


def table(figures: Figures) -> str:
    """Return a row per contestant: its speed, its time relative to branches, and its share of the machine's peak."""
    lines = [
        "| | pairs per CPU second | time relative to branches | least to most | share of the matrix products' peak |",
        "|---|---|---|---|---|",
    ]
    for name, row in figures.items():
        one = row["least"] == row["most"] == 1
        times = "1 |" if one else f"{row['times_branches']:.2f}x | {row['least']:.2f} to {row['most']:.2f}"
        rate, share = f"{row['pairs_per_cpu_second']:.2f}", f"{row['useful_share_of_peak']:.0%}".replace("%", " %")
        lines.append(f"| {SAID.get(name, name)} | {rate} | {times} | {share} |")
    return "\n".join(lines)


def picture(figures: Figures) -> str:
    """Return bars of the contestants' times relative to branches, each with its range, as SVG."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    style = {"svg.fonttype": "none", "svg.hashsalt": "preftemplates", "font.size": 9, "axes.spines.top": False}
    with pyplot.rc_context({**style, "axes.spines.right": False}):
        drawing, axes = pyplot.subplots(figsize=(7, 0.42 * len(figures) + 0.8), layout="constrained")
        times = [row["times_branches"] for row in figures.values()]
        below = [row["times_branches"] - row["least"] for row in figures.values()]
        above = [row["most"] - row["times_branches"] for row in figures.values()]
        colours = ["#3f51b5" if name.startswith("branches") else "#9e9e9e" for name in figures]
        bars = axes.barh([SAID.get(name, name) for name in figures], times, color=colours, xerr=[below, above])
        axes.bar_label(bars, [f"{one:.2f}x" for one in times], padding=12)
        axes.margins(x=0.12)
        axes.set_xlabel("CPU time for the same steps; branches is 1")
        axes.invert_yaxis()
        buffer = io.StringIO()
        drawing.savefig(buffer, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
        pyplot.close(drawing)
    return follow_colour_scheme(buffer.getvalue())


def marked(name: str, text: str) -> str:
    """Return the part of a page that this module writes, between two comments."""
    return f"<!-- {name}: written by benchmarks/reward_training.py --docs -->\n\n{text}\n\n<!-- {name}: end -->"


def section(name: str, figures: Figures) -> str:
    """Return the part of docs/results.md: the picture and the table."""
    return marked(name, f"![CPU time relative to branches](assets/{name}.svg)\n\n{table(figures)}")


def write(name: str, figures: Figures, docs: Path = DOCS) -> None:
    """Write figures, picture and table into the docs, and replace those of that name.

    Raises:
        ValueError: docs/results.md has no such place.
    """
    page = docs / "results.md"
    text = page.read_text(encoding="utf-8")
    begin, end = f"<!-- {name}: written by", f"<!-- {name}: end -->"
    if begin not in text or end not in text:
        raise ValueError(f"{page.name} has no place for {name}")
    before, after = text[: text.index(begin)], text[text.index(end) + len(end) :]
    page.write_text(before + section(name, figures) + after, encoding="utf-8")
    (docs / "assets" / f"{name}.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    (docs / "assets" / f"{name}.svg").write_text(picture(figures), encoding="utf-8")


def main(words: list[str]) -> None:
    """Write figures from a file: NAME FILE.json."""
    name, file = words
    figures: dict[str, Any] = json.loads(Path(file).read_text(encoding="utf-8"))
    write(name, figures)


if __name__ == "__main__":
    main(sys.argv[1:])
