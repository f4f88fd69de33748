"""Print an evaluation as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from preftemplates_train.console import escape_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from preftemplates.cli.terminal import SafeConsole

MOST_GROUPS = 20
"""The number of groups per column that are printed: the largest ones."""

NOT_DEFINED = "none"
"""The text for a figure that is undefined."""

TableRows = list[tuple[str | Text, ...]]


def print_evaluation(figures: Mapping[str, Any], console: SafeConsole) -> None:
    """Print the figures of an evaluation, with the keys that `evaluate --out` writes."""
    unscored = ", ".join(f"{count:,} {reason}" for reason, count in figures["unscored"].items())
    console.print(
        escape_text(
            f"{figures['source']} ({figures['template']}): {figures['rows']:,} rows, {figures['samples']:,} samples"
        )
        + escape_text(f"; not scored: {unscored}" if sum(figures["unscored"].values()) else "", "yellow"),
        soft_wrap=True,
    )
    _print_table(figures["model"], _make_main_rows(figures), console)
    for name, group in figures["by"].items():
        _print_table(name, _make_group_rows(group), console)
    by_length = _make_group_rows(figures["by_length_difference"], is_controlled=False)
    _print_table("length of the better answer compared with the worse one, in tokens", by_length, console)
    if len(figures.get("by_turns", ())) > 1:
        _print_table("user turns", _make_group_rows(figures["by_turns"]), console)
    if len(figures.get("cells", ())) == 1:  # if the numbers of answers vary, a value has too few samples
        for shape, cells in figures["cells"].items():
            _print_table(f"{shape} answers, good by bad", _make_cell_rows(cells), console)
    if "benchmark" in figures:
        _print_benchmark(figures["benchmark"], console)


def _print_benchmark(benchmark: Mapping[str, Any], console: SafeConsole) -> None:
    _print_table(f"{benchmark['name']}: subsets", _make_subset_rows(benchmark["by_subset"]), console)
    rows = _make_benchmark_rows(benchmark)
    if rows:
        _print_table(f"{benchmark['name']}: score", rows, console)
    if benchmark["missing"]:
        message = f"  no score, since there are no rows of {', '.join(benchmark['missing'])}"
        console.print(escape_text(message, "yellow"), soft_wrap=True)


def _print_table(title: str, rows: TableRows, console: SafeConsole) -> None:
    """Print a table; every column but the names is right-aligned."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, *values in rows:
        cells = (value if isinstance(value, Text) else Text(value, justify="right") for value in values)
        table.add_row(escape_text(f"  {name}"), *cells)
    console.print(escape_text(f"\n{title}", "bold"), soft_wrap=True)
    console.print_table(table)


def _make_main_rows(figures: Mapping[str, Any]) -> TableRows:
    rows: TableRows = [
        ("accuracy", f"{figures['accuracy']:.1%}", Text(_format_interval(figures), "dim")),
        _make_controlled_row(figures),
        ("log loss", _format_loss(figures["loss"]), Text("chance gives 0.6931", "dim")),
        (
            "calibration error",
            f"{figures['calibration_error']:.1%}",
            Text("mean gap between confidence and accuracy", "dim"),
        ),
        *_make_temperature_rows(figures),
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


def _make_temperature_rows(figures: Mapping[str, Any]) -> TableRows:
    """Return the fitted temperature, and the recorded one if it is not 1, each with its figures."""
    recorded = figures["recorded_temperature"]
    if figures["temperature"] is None:
        rows: TableRows = [("temperature", NOT_DEFINED, Text(figures["temperature_reason"], "dim"))]
    else:
        description = _describe_calibration(
            figures["loss_at_temperature"], figures["calibration_error_at_temperature"]
        )
        rows = [("temperature", f"{figures['temperature']:.4g}", description)]
    if recorded["temperature"] != 1:
        description = _describe_calibration(recorded["loss"], recorded["calibration_error"])
        rows.append(("recorded temperature", f"{recorded['temperature']:.4g}", description))
    return rows


def _describe_calibration(loss: float, error: float) -> Text:
    return Text(f"with it: log loss {_format_loss(loss)}, error {error:.1%}", "dim")


def _format_loss(loss: float) -> str:
    """Return a loss to four decimals; rewards of a damaged model may give one of any size.

    >>> _format_loss(0.69314), _format_loss(3.2e37)
    ('0.6931', '3.2e+37')
    """
    return f"{loss:.4f}" if loss < 10_000 else f"{loss:.4g}"


def _format_interval(figures: Mapping[str, Any]) -> str:
    return f"95 % interval {figures['accuracy_low']:.1%} to {figures['accuracy_high']:.1%}"


def _make_controlled_row(figures: Mapping[str, Any]) -> tuple[str | Text, ...]:
    """Return the length-controlled accuracy with its interval, or why there is none."""
    name, value = "length-controlled", figures["length_controlled_accuracy"]
    if value is None:
        return name, NOT_DEFINED, Text(figures["length_controlled_reason"], "dim")
    low, high = figures["length_controlled_low"], figures["length_controlled_high"]
    return name, f"{value:.1%}", Text(f"95 % interval {low:.1%} to {high:.1%}", "dim")


def _format_controlled_or_reason(figures: Mapping[str, Any]) -> str | Text:
    value = figures["length_controlled_accuracy"]
    return Text(figures["length_controlled_reason"], "dim") if value is None else f"{value:.1%}"


def _format_comparison(comparison: Mapping[str, Any]) -> Text:
    """Return by how many points the model is better or worse, and the p of the sign test."""
    difference, p = comparison["difference"], comparison["p"]
    side = "worse" if difference < 0 else "better"
    text = f"the model is {abs(100 * difference):.1f} points {side}, p = {p:.2g}"
    colour = "dim" if p > 0.05 else "green" if difference > 0 else "red"
    return Text(text, colour)


def _make_group_rows(group: Mapping[str, Mapping[str, Any]], *, is_controlled: bool = True) -> TableRows:
    """Return a row for each of the largest groups.

    Args:
        group: the figures of each group.
        is_controlled: whether there is a column with the length-controlled accuracy.
    """
    largest = sorted(group, key=lambda name: -group[name]["samples"])[:MOST_GROUPS]
    titles = ("samples", "accuracy", "95 % interval", "log loss", *(["length-controlled"] if is_controlled else []))
    rows: TableRows = [("", *(Text(title, "dim") for title in titles))]
    for name, figures in group.items():
        if name in largest:
            interval = f"{figures['accuracy_low']:.1%} to {figures['accuracy_high']:.1%}"
            cells = (f"{figures['samples']:,}", f"{figures['accuracy']:.1%}", Text(interval, "dim"))
            controlled = (_format_controlled_or_reason(figures),) if is_controlled else ()
            rows.append((name, *cells, _format_loss(figures["loss"]), *controlled))
    if len(group) > len(largest):
        rows.append((f"… and {len(group) - len(largest):,} more",))
    return rows


def _make_cell_rows(cells: Mapping[str, Any]) -> TableRows:
    return [
        (f"good {number}", *(f"{share:.1%}" for share in shares)) for number, shares in enumerate(cells["accuracy"], 1)
    ]


def _make_subset_rows(subsets: Mapping[str, Mapping[str, Any]]) -> TableRows:
    """Return the score of each subset next to its length-controlled accuracy and to the best rule."""
    rows: TableRows = [("", *(Text(title, "dim") for title in ("score", "best rule", "", "length-controlled")))]
    for name, figures in subsets.items():
        rule = figures["best_rule"]
        best = ("", "") if rule is None else (rule.replace("_", "-"), f"{figures['rules'][rule]:.1%}")
        rows.append((name, f"{figures['score']:.1%}", *best, _format_controlled_or_reason(figures)))
    return rows


def _make_benchmark_rows(benchmark: Mapping[str, Any]) -> TableRows:
    rows: TableRows = [(name, f"{share:.1%}") for name, share in benchmark.get("sections", {}).items()]
    if benchmark["score"] is not None:
        rows.append(("score", Text(f"{benchmark['score']:.1%}", "bold", justify="right")))
    return rows
