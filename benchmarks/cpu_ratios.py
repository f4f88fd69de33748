"""Compare CPU times pair by pair, and format the results as lines of a table.

The two sides of a comparison run in turns, once per round, and each ratio is taken within a round, so that a slow
moment of the machine affects both. The table has the median of the ratios, the smallest and the largest.
"""

from __future__ import annotations

import gc
import json
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

LAUNCHER = """
import json, os, subprocess, sys
with open(os.devnull, "w") as nowhere:
    process = subprocess.Popen(sys.argv[1:], stdout=nowhere, stderr=subprocess.PIPE)
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
code = os.waitstatus_to_exitcode(status)
if code:
    sys.exit(errors.decode(errors="replace")[-2000:] or f"exit code {code}")
print(json.dumps([usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]))
"""
"""Starts a command and prints its CPU seconds and its peak memory in MiB.

The peak memory of a process begins with the memory of the process that started it, so a small one starts it.
"""


class Line(NamedTuple):
    """A line of the table: a measurement, the figures of both sides, and their ratio."""

    measurement: str
    figure: str
    peer: str = ""
    peer_figure: str = ""
    ratio: str = ""


HEADER = Line("measurement", "preftemplates", "next to", "its figure", "ratio (least to most)")


class Operation(NamedTuple):
    """A function and the number of rows that a call handles. It returns CPU seconds, or they are measured."""

    run: Callable[[], object]
    rows: int
    returns_seconds: bool = False

    def measure(self) -> float:
        """Return the CPU seconds per row of one call."""
        gc.collect()
        start = time.process_time()
        result = self.run()
        seconds = result if self.returns_seconds else time.process_time() - start
        assert isinstance(seconds, float)
        return max(seconds, 1e-9) / self.rows


class Comparison(NamedTuple):
    """The CPU seconds per row of two operations, one pair per round."""

    ours: list[float]
    theirs: list[float]

    def rates(self) -> tuple[str, str]:
        """Return the median rows per CPU second of both operations."""
        ours, theirs = (f"{1 / statistics.median(times):,.0f} rows/s" for times in self)
        return ours, theirs

    def speed(self) -> str:
        """Return how many times as fast the first operation is as the second."""
        return describe_ratios([theirs / ours for ours, theirs in zip(self.ours, self.theirs, strict=True)])

    def time(self) -> str:
        """Return how many times as much time the first operation takes as the second."""
        return describe_ratios([ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True)])


def describe_ratios(ratios: Sequence[float]) -> str:
    """Return the median of ratios with the smallest and the largest."""
    figures = (statistics.median(ratios), min(ratios), max(ratios))
    middle, least, most = (f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.3g}" for ratio in figures)
    return f"{middle} ({least} to {most})"


def compare(ours: Operation, theirs: Operation, rounds: int) -> Comparison:
    """Measure two operations in turns."""
    pairs = [(ours.measure(), theirs.measure()) for _ in range(rounds)]
    return Comparison([first for first, _ in pairs], [second for _, second in pairs])


def make_speed_line(measurement: str, ours: Operation, peer: str, theirs: Operation, rounds: int) -> Line:
    """Return the table line of a comparison by speed."""
    comparison = compare(ours, theirs, rounds)
    figure, peer_figure = comparison.rates()
    return Line(measurement, figure, peer, peer_figure, f"{comparison.speed()} times as fast")


def run_command(words: Sequence[str], environment: Mapping[str, str], folder: Path) -> tuple[float, float]:
    """Run a command in a folder, and return its CPU seconds and its peak memory in MiB.

    Raises:
        RuntimeError: the command fails; the message is the end of its output.
    """
    launcher = [sys.executable, "-S", "-c", LAUNCHER, *words]
    done = subprocess.run(launcher, env=dict(environment), cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{words[1:4]} failed: {done.stderr.strip()}")
    seconds, peak = json.loads(done.stdout)
    return float(seconds), float(peak)


def format_lines(lines: Sequence[Line]) -> str:
    """Return lines in columns."""
    widths = (46, 20, 22, 18)
    return "\n".join(
        "  ".join([*(f"{cell:{width}}" for cell, width in zip(line, widths, strict=False)), line.ratio]).rstrip()
        for line in lines
    )


def format_markdown(lines: Sequence[Line]) -> str:
    """Return lines as a Markdown table."""
    rows = [HEADER, Line(*["---"] * len(HEADER)), *lines]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
