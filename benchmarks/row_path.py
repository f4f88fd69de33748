"""Measure the row path: CPU time per row of `format`, `check`, `convert` and the trainer's reading of pairs.

    python benchmarks/row_path.py
    python benchmarks/row_path.py --against ../an-older-checkout

Each operation runs in its own process, after a warm-up that does not count. The smallest of several times counts.
With another checkout, both are measured in turns, and the script prints the median, the smallest and the largest ratio
of the pairs of times. Rows are those of the generated set, in PKU-SafeRLHF's columns and as HH's transcripts.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from preftemplates import Template

HERE = Path(__file__).resolve().parent.parent


def make_rows() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return rows with PKU-SafeRLHF's columns, and the same rows as transcripts."""
    from preftemplates_train.data.demo import generate

    pku = list(generate(seed=0)[0])
    transcripts = []
    for row in pku:
        answers = [f"\n\nHuman: {row['prompt']}\n\nAssistant: {row[f'response_{index}']}" for index in (0, 1)]
        better = row["better_response_id"]
        transcripts.append({"chosen": answers[better], "rejected": answers[1 - better]})
    return pku, transcripts


YAML = """
row: {prompt: str, response_0: str, response_1: str, better_response_id: Index01}
preference:
  prompt: '{{ prompt }}'
  chosen: '{{ [response_0, response_1][better_response_id] }}'
  rejected: '{{ [response_0, response_1][1 - better_response_id] }}'
"""
"""The columns of PKU-SafeRLHF, declared in a file; its expressions have limits."""


def read_yaml_template() -> Template:
    """Return the template that the YAML declares."""
    from preftemplates import get_template

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pku.yaml"
        path.write_text(YAML, encoding="utf-8")
        return get_template(str(path))


def format_rows(template: Template, rows: list[dict[str, Any]]) -> Callable[[], Any]:
    """Return a function that formats the rows one by one."""
    return lambda: [template.format(row, "preference") for row in rows]


def make_operations() -> Mapping[str, tuple[Callable[[], Any], int]]:
    """Return the operations to measure, each with the number of rows or templates that it handles."""
    from preftemplates_train.data.labelled_texts import read_labelled_texts

    from preftemplates import check, get_template
    from preftemplates.data import Conversion

    pku_rows, hh_rows = make_rows()
    pku, hh, count = get_template("PKUSafeRLHF"), get_template("HH"), len(pku_rows)

    def restyle() -> None:
        for style in ("chatml", "zephyr", "plain", "human-assistant") * 5:
            hh.with_style(style).format(hh_rows[0], "preference")

    return {
        "format, PKU, fragments": (format_rows(pku, pku_rows), count),
        "format, PKU in YAML, fragments": (format_rows(read_yaml_template(), pku_rows), count),
        "format, PKU, chat template": (format_rows(pku.with_style("qwen2.5"), pku_rows), count),
        "format, HH, fragments": (format_rows(hh.with_style("chatml"), hh_rows), count),
        "format, HH, chat template": (format_rows(hh.with_style("qwen2.5"), hh_rows), count),
        "first format after with_style, HH": (restyle, 20),
        "convert, PKU": (lambda: list(Conversion(pku_rows, pku, "preference", on_error="skip")), count),
        "check, PKU": (lambda: check(pku_rows, pku), count),
        "check, HH": (lambda: check(hh_rows, hh), count),
        "trainer's read_labelled_texts, PKU": (lambda: read_labelled_texts(pku_rows, pku), count),
        "trainer's read_labelled_texts, HH": (lambda: read_labelled_texts(hh_rows, hh), count),
    }


def measure(runs: int) -> dict[str, float]:
    """Return the CPU time of each operation in microseconds per row: the smallest of several runs, after a warm-up."""
    figures = {}
    for name, (operate, count) in make_operations().items():
        times = []
        for _ in range(runs + 1):
            start = time.process_time()
            operate()
            times.append(time.process_time() - start)
        figures[name] = min(times[1:]) / count * 1e6
    return figures


def measure_checkout(root: Path, runs: int) -> dict[str, float]:
    """Return the figures of a checkout, from a process that imports its packages."""
    paths = os.pathsep.join((str(root), str(root / "trainers")))
    command = [sys.executable, str(Path(__file__).resolve()), "--runs", str(runs), "--json"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def main() -> None:
    """Print the figures of this checkout, and the ratios to another one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, help="another checkout of this project")
    parser.add_argument("--rounds", type=int, default=5, help="how often both are measured [default: 5]")
    parser.add_argument("--runs", type=int, default=3, help="runs of each operation per round [default: 3]")
    parser.add_argument("--json", action="store_true", help="print the figures of one round as JSON")
    options = parser.parse_args()
    if options.json:
        print(json.dumps(measure(options.runs)))
        return
    rounds = []
    for _ in range(options.rounds):
        other = measure_checkout(options.against.resolve(), options.runs) if options.against else {}
        rounds.append((measure_checkout(HERE, options.runs), other))
    for name in rounds[0][0]:
        line = f"{name:36} {statistics.median(ours[name] for ours, _ in rounds):9.1f} us"
        if options.against:
            ratios = [ours[name] / other[name] for ours, other in rounds]
            before = statistics.median(other[name] for _, other in rounds)
            middle, low, high = statistics.median(ratios), min(ratios), max(ratios)
            line += f"  before {before:9.1f} us, {middle:.2f} ({low:.2f} to {high:.2f})"
        print(line)


if __name__ == "__main__":
    main()
