"""How an evaluation is printed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from preftemplates_train.console import escape_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

MOST_GROUPS = 20
"""How many groups of a column are printed, the largest ones."""

TableRows = list[tuple[str | Text, ...]]


def print_evaluation(figures: Mapping[str, Any], console: Console) -> None:
    """Print the figures of an evaluation, with the keys that `evaluate --out` writes."""
    unscored = ", ".join(f"{count:,} {reason}" for reason, count in figures["unscored"].items())
    console.print(
        escape_text(
            f"{figures['source']} ({figures['template']}): {figures['rows']:,} rows, {figures['samples']:,} samples"
        )
        + escape_text(f"; left out: {unscored}" if sum(figures["unscored"].values()) else "", "yellow"),
        soft_wrap=True,
    )
    _print_table(figures["model"], _make_main_rows(figures), console)
    groups = {**figures["by"], "how much longer the better answer is, in tokens": figures["by_length_difference"]}
    if len(figures.get("by_turns", ())) > 1:
        groups["turns of the user"] = figures["by_turns"]
    for name, group in groups.items():
        _print_table(name, _make_group_rows(group), console)
    if len(figures.get("cells", ())) == 1:  # a grouped set; where the numbers of answers vary, a cell says little
        for shape, cells in figures["cells"].items():
            _print_table(f"{shape} answers, good by bad", _make_cell_rows(cells), console)
    if "benchmark" in figures:
        _print_table(figures["benchmark"]["name"], _make_benchmark_rows(figures["benchmark"]), console)
        if figures["benchmark"]["missing"]:
            missing = ", ".join(figures["benchmark"]["missing"])
            message = f"  no score, as there is no row of {missing}"
            console.print(escape_text(message, "yellow"), soft_wrap=True)


def _print_table(title: str, rows: TableRows, console: Console) -> None:
    """Print a table; every column but the names is right-aligned."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, *values in rows:
        cells = (value if isinstance(value, Text) else Text(value, justify="right") for value in values)
        table.add_row(escape_text(f"  {name}"), *cells)
    console.print(escape_text(f"\n{title}", "bold"), soft_wrap=True)
    console.print(table)


def _make_main_rows(figures: Mapping[str, Any]) -> TableRows:
    rows: TableRows = [
        ("accuracy", f"{figures['accuracy']:.1%}", Text(_format_interval(figures), "dim")),
        ("log loss", f"{figures['loss']:.4f}", Text("a coin has 0.6931", "dim")),
        (
            "calibration error",
            f"{figures['calibration_error']:.1%}",
            Text("how far it is from as right as it is sure", "dim"),
        ),
    ]
    if "best" in figures:
        best = figures["best"]
        rows.append(("best of all answers", f"{best['accuracy']:.1%}", Text(_format_interval(best), "dim")))
    for shortcut in figures["shortcuts"].values():
        rows.append((shortcut["rule"], f"{shortcut['accuracy']:.1%}", _format_comparison(shortcut["model"])))
    if "against" in figures:
        other = figures["against"]
        rows.append(("the other model", f"{other['accuracy']:.1%}", _format_comparison(other["model"])))
    return rows


def _format_interval(figures: Mapping[str, Any]) -> str:
    return f"95 % interval {figures['accuracy_low']:.1%} to {figures['accuracy_high']:.1%}"


def _format_comparison(comparison: Mapping[str, Any]) -> Text:
    """Return by how much the model is ahead, and how sure that is."""
    difference, p = comparison["difference"], comparison["p"]
    side = "behind" if difference < 0 else "ahead"
    text = f"the model is {abs(100 * difference):.1f} points {side}, p = {p:.2g}"
    colour = "dim" if p > 0.05 else "green" if difference > 0 else "red"
    return Text(text, colour)


def _make_group_rows(group: Mapping[str, Mapping[str, Any]]) -> TableRows:
    largest = sorted(group, key=lambda name: -group[name]["samples"])[:MOST_GROUPS]
    rows: TableRows = [
        (
            name,
            f"{figures['samples']:,}",
            f"{figures['accuracy']:.1%}",
            Text(_format_interval(figures), "dim"),
            f"{figures['loss']:.4f}",
        )
        for name, figures in group.items()
        if name in largest
    ]
    if len(group) > len(largest):
        rows.append((f"… and {len(group) - len(largest):,} more",))
    return rows


def _make_cell_rows(cells: Mapping[str, Any]) -> TableRows:
    return [
        (f"good {number}", *(f"{share:.1%}" for share in shares)) for number, shares in enumerate(cells["accuracy"], 1)
    ]


def _make_benchmark_rows(benchmark: Mapping[str, Any]) -> TableRows:
    parts = benchmark.get("sections", benchmark["subsets"])
    rows: TableRows = [(name, f"{share:.1%}") for name, share in parts.items()]
    if benchmark["score"] is not None:
        rows.append(("score", Text(f"{benchmark['score']:.1%}", "bold", justify="right")))
    return rows
