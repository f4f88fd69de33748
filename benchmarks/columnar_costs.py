"""Costs of the columnar path: peak memory by the number of rows, and CPU time by rows, length of texts and turns.

`columnar.py` imports this module for the sections memory, curves and check. As a script it is the process that these
sections measure:

    python benchmarks/columnar_costs.py format PKU ROWS.arrow
    python benchmarks/columnar_costs.py check PKU ROWS.jsonl
"""

from __future__ import annotations

import io
import itertools
import os
import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
from svg_colours import follow_colour_scheme
from varied_rows import MARK, ROW_SETS, batch_rows, make_hh_variation, read_rows, split_sentences, vary_rows

from preftemplates import BatchFormatter, Style, check, get_style, get_template
from preftemplates.data import open_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from preftemplates import Template

Row = dict[str, Any]

ROOT = Path(__file__).resolve().parent.parent

LENGTHS = (100, 1_000, 10_000, 100_000)
"""Lengths of answers in characters."""

TURNS = (2, 6, 20, 60, 200)
"""Numbers of messages of a conversation."""


COLOURS = {"PKU": "#3f51b5", "HH": "#b26a00"}
"""The colour of each row set."""


class Point(NamedTuple):
    """A point of a curve: microseconds of CPU time per row."""

    x: int
    micros: float


Curves = dict[str, dict[str, list[Point]]]
"""For each quantity on the x-axis, the points of each row set."""


def make_text_template(name: str, style: Style | None = None) -> Template:
    """Return the dataset template of a row set, which writes text for TRL in a style, by default ChatML."""
    template = get_template(ROW_SETS[name].template).with_style(style or get_style("chatml"))
    return template.with_dialect("trl-text").with_edges(bos="keep", eos="keep")


def make_environment(root: Path = ROOT) -> dict[str, str]:
    """Return the environment of a process that imports the packages of a checkout."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join((str(root), str(root / "trainers")))}


def make_child_words(operation: str, name: str, path: Path) -> list[str]:
    """Return the command that runs an operation of this script in a process of its own."""
    return [sys.executable, str(Path(__file__).resolve()), operation, name, str(path)]


def write_tables(path: Path, tables: Iterable[pa.Table]) -> None:
    """Write tables to an Arrow file, batch by batch."""
    iterator = iter(tables)
    first = next(iterator)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, first.schema) as stream:
        for table in itertools.chain([first], iterator):
            stream.write_table(table)


def format_file(name: str, path: str) -> None:
    """Format the rows of an Arrow file, batch by batch."""
    formatter = BatchFormatter(make_text_template(name), "preference")
    with pa.OSFile(path) as file, pa.ipc.open_stream(file) as batches:
        for batch in batches:
            formatter(batch)


def check_file(name: str, path: str) -> None:
    """Print the CPU seconds that `check` takes for the rows of a file, which are read first."""
    template = get_template(ROW_SETS[name].template)
    rows = list(open_rows(path))
    start = time.process_time()
    check(rows, template)
    print(time.process_time() - start)


def measure_cost(name: str, tables: Iterable[pa.Table]) -> float:
    """Return the microseconds of CPU time per row of formatting tables; making the tables does not count."""
    formatter, seconds, count = BatchFormatter(make_text_template(name), "preference"), 0.0, 0
    for number, table in enumerate(tables):
        if not number:
            formatter(table.slice(0, 100))  # compiles, and does not count
        start = time.process_time()
        formatter(table)
        seconds += time.process_time() - start
        count += table.num_rows
    return seconds / count * 1e6


def make_long_text(sentences: Sequence[str], length: int, rng: random.Random) -> str:
    """Return drawn sentences up to a length in characters."""
    parts: list[str] = []
    size = 0
    while size < length:
        parts.append(rng.choice(sentences))
        size += len(parts[-1]) + 1
    return " ".join(parts)[:length]


def make_long_rows(data: Path, length: int, count: int) -> Iterator[Row]:
    """Yield rows with PKU-SafeRLHF's columns whose answers have so many characters each."""
    rows, rng, answers = read_rows(data, "PKU"), random.Random(length), ("response_0", "response_1")
    sentences = [one for row in rows for key in answers for one in split_sentences(row[key])[::2] if one]
    for row in itertools.islice(itertools.cycle(rows), count):
        yield {**row, **{key: make_long_text(sentences, length, rng) for key in answers}}


def make_turned_rows(data: Path, turns: int, count: int) -> Iterator[Row]:
    """Yield rows of HH whose conversations have so many messages, an even number."""
    rows, rng = read_rows(data, "HH"), random.Random(turns)
    vary, contents = make_hh_variation(rows, rng), collect_contents(rows)

    def make_turn(number: int) -> str:
        speaker = ("Human", "Assistant")[number % 2]
        return f"\n\n{speaker}: {rng.choice(contents[speaker])}"

    for _ in range(count):
        history = "".join(map(make_turn, range(turns - 1)))
        yield vary({side: history + make_turn(turns - 1) for side in ("chosen", "rejected")})


def collect_contents(rows: Iterable[Row]) -> dict[str, list[str]]:
    """Return the contents of the turns of both speakers."""
    contents: dict[str, list[str]] = {"Human": [], "Assistant": []}
    for row in rows:
        _, *parts = MARK.split(row["chosen"])
        for mark, content in zip(parts[::2], parts[1::2], strict=True):
            contents[mark.strip(": \n")].append(content)
    return contents


def measure_curves(data: Path, rows: Sequence[int], size: int) -> Curves:
    """Return CPU time by the number of rows, by the length of answers and by turns.

    Args:
        data: the folder of real rows.
        rows: the numbers of rows.
        size: so many characters are formatted for each point of the other two curves.
    """
    by_rows = {
        name: [Point(count, measure_cost(name, batch_rows(vary_rows(data, name, count)))) for count in rows]
        for name in ROW_SETS
    }

    def measure(name: str, make: Callable[[Path, int, int], Iterator[Row]], x: int, characters: int) -> Point:
        count = max(10, min(2_000, size // characters))
        return Point(x, measure_cost(name, batch_rows(make(data, x, count), 500)))

    return {
        "rows": by_rows,
        "characters of an answer": {"PKU": [measure("PKU", make_long_rows, x, 2 * x) for x in LENGTHS]},
        "messages of a conversation": {"HH": [measure("HH", make_turned_rows, x, 200 * x) for x in TURNS]},
    }


def draw_curves(curves: Mapping[str, Mapping[str, Sequence[Point]]], path: Path) -> None:
    """Draw a panel for each curve, with both axes logarithmic, as an SVG file.

    Raises:
        ImportError: matplotlib is not installed.
    """
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    with pyplot.rc_context({"svg.fonttype": "none", "svg.hashsalt": "preftemplates", "font.size": 9}):
        size = (3 * len(curves), 2.6)
        drawing, panels = pyplot.subplots(1, len(curves), figsize=size, sharey=True, layout="constrained")
        for panel, (label, by_name) in zip(panels, curves.items(), strict=True):
            for name, points in by_name.items():
                colour = COLOURS[name]
                panel.loglog([point.x for point in points], [point.micros for point in points], "o-", color=colour)
                panel.annotate(name, points[-1], xytext=(6, -3), textcoords="offset points", color=colour)
            panel.set_xlabel(label)
            panel.margins(x=0.2, y=0.1)
            panel.minorticks_off()
        panels[0].set_ylabel("CPU time per row, µs")
        buffer = io.StringIO()
        drawing.savefig(buffer, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
        pyplot.close(drawing)
    path.write_text(follow_colour_scheme(buffer.getvalue()), encoding="utf-8")


def main(words: Sequence[str]) -> None:
    """Run the operation that the words name on a file."""
    operation, name, path = words
    {"format": format_file, "check": check_file}[operation](name, path)


if __name__ == "__main__":
    main(sys.argv[1:])
