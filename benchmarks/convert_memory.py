"""Measure the peak memory of `convert --report` over files of two lengths, half of whose rows are rejected.

Run: python benchmarks/convert_memory.py [ROWS ...]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from preftemplates import get_template

TEMPLATE = "PKUSafeRLHF"


def write_rows(path: Path, number: int) -> None:
    """Write rows, every second of which has an invalid label."""
    example = get_template(TEMPLATE).example
    good, bad = (json.dumps({**example, "better_response_id": label}) for label in (0, 7))
    with path.open("w") as file:
        file.writelines(f"{good}\n{bad}\n" for _ in range(number // 2))


def measure_peak(folder: Path, number: int) -> float:
    """Return the peak memory of a conversion in MiB, as the system counts it for the process."""
    write_rows(folder / "rows.jsonl", number)
    words = ["convert", "rows.jsonl", "--template", TEMPLATE, "--out", "out.jsonl", "--report", "report.json"]
    process = subprocess.Popen([sys.executable, "-m", "preftemplates", *words], cwd=folder, stderr=subprocess.DEVNULL)
    _, _, usage = os.wait4(process.pid, 0)
    # read line by line, since the next child's peak begins at the memory of this process
    with (folder / "report.json").open() as report:
        assert sum('"code": "bad_label"' in line for line in report) == number // 2
    return usage.ru_maxrss / 1024


def main() -> None:
    """Print the peak for each length."""
    numbers = [int(word) for word in sys.argv[1:]] or [100_000, 1_000_000]
    with TemporaryDirectory() as folder:
        peaks = [measure_peak(Path(folder), number) for number in numbers]
    for number, peak in zip(numbers, peaks, strict=True):
        print(f"{number:>9,} rows, half of them rejected: {peak:6.1f} MiB at most")
    print(f"the last takes {peaks[-1] / peaks[0] - 1:+.1%}")


if __name__ == "__main__":
    main()
