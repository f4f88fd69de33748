"""How an evaluation is printed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from preftemplates_train.console import escape_text

MOST_GROUPS = 20
"""Of more groups of a column, the largest are printed."""


def print_evaluation(found: Mapping[str, Any], console: Console) -> None:
    """Print the figures of an evaluation, as `evaluate.figures_of` gives them."""
    lost = sum(found["unscored"].values())
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in found["unscored"].items())
    console.print(
        escape_text(f"{found['source']} ({found['template']}): {found['rows']:,} rows, {found['samples']:,} samples")
        + escape_text(f"; left out: {reasons}" if lost else "", "yellow"),
        soft_wrap=True,
    )
    _print(found["model"], _measures(found), console)
    groups = {**found["by"], "how much longer the better answer is, in tokens": found["by_length_difference"]}
    if len(found.get("by_turns", ())) > 1:
        groups["turns of the user"] = found["by_turns"]
    for name, group in groups.items():
        _print(name, _group(group), console)
    if len(found.get("cells", ())) == 1:  # a grouped set; where the numbers of answers vary, a cell says little
        for shape, cells in found["cells"].items():
            _print(f"{shape} answers, good by bad", _cells(cells), console)
    if "benchmark" in found:
        _print(found["benchmark"]["name"], _benchmark(found["benchmark"]), console)
        if found["benchmark"]["missing"]:
            missing = ", ".join(found["benchmark"]["missing"])
            console.print(escape_text(f"  no score, as there is no row of {missing}", "yellow"), soft_wrap=True)


Cells = list[tuple[str | Text, ...]]


def _print(title: str, rows: Cells, console: Console) -> None:
    """Print a table; what is no name stands at the right."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, *cells in rows:
        table.add_row(
            escape_text(f"  {name}"), *(one if isinstance(one, Text) else Text(one, justify="right") for one in cells)
        )
    console.print(escape_text(f"\n{title}", "bold"), soft_wrap=True)
    console.print(table)


def _measures(found: Mapping[str, Any]) -> Cells:
    rows: Cells = [
        ("accuracy", f"{found['accuracy']:.1%}", Text(_interval(found), "dim")),
        ("log loss", f"{found['loss']:.4f}", Text("a coin has 0.6931", "dim")),
        (
            "calibration error",
            f"{found['calibration_error']:.1%}",
            Text("how far it is from as right as it is sure", "dim"),
        ),
    ]
    if "best" in found:
        rows.append(("best of all answers", f"{found['best']['accuracy']:.1%}", Text(_interval(found["best"]), "dim")))
    for shortcut in found["shortcuts"].values():
        rows.append((shortcut["rule"], f"{shortcut['accuracy']:.1%}", _ahead(shortcut["model"])))
    if "against" in found:
        rows.append(("the other model", f"{found['against']['accuracy']:.1%}", _ahead(found["against"]["model"])))
    return rows


def _interval(found: Mapping[str, Any]) -> str:
    return f"95 % interval {found['accuracy_low']:.1%} to {found['accuracy_high']:.1%}"


def _ahead(compared: Mapping[str, Any]) -> Text:
    """By how much the model is ahead, and how sure that is."""
    way = "behind" if compared["difference"] < 0 else "ahead"
    said = f"the model is {abs(100 * compared['difference']):.1f} points {way}, p = {compared['p']:.2g}"
    colour = "dim" if compared["p"] > 0.05 else "green" if compared["difference"] > 0 else "red"
    return Text(said, colour)


def _group(group: Mapping[str, Mapping[str, Any]]) -> Cells:
    largest = sorted(group, key=lambda one: -group[one]["samples"])[:MOST_GROUPS]
    rows: Cells = [
        (one, f"{of['samples']:,}", f"{of['accuracy']:.1%}", Text(_interval(of), "dim"), f"{of['loss']:.4f}")
        for one, of in group.items()
        if one in largest
    ]
    if len(group) > len(largest):
        rows.append((f"… and {len(group) - len(largest):,} more",))
    return rows


def _cells(cells: Mapping[str, Any]) -> Cells:
    return [
        (f"good {number}", *(f"{share:.1%}" for share in shares)) for number, shares in enumerate(cells["accuracy"], 1)
    ]


def _benchmark(found: Mapping[str, Any]) -> Cells:
    parts = found.get("sections", found["subsets"])
    rows: Cells = [(name, f"{share:.1%}") for name, share in parts.items()]
    if found["score"] is not None:
        rows.append(("score", Text(f"{found['score']:.1%}", "bold", justify="right")))
    return rows
