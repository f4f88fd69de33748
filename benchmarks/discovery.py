"""Measure how long importing the library and discovering everything bundled takes, each in a fresh process.

Usage: python benchmarks/discovery.py [RUNS]
"""

import statistics
import subprocess
import sys

CODE = """
import time
start = time.perf_counter()
from preftemplates import list_dialects, list_styles, list_templates
imported = time.perf_counter()
found = [len(names()) for names in (list_templates, list_styles, list_dialects)]
print(imported - start, time.perf_counter() - imported, *found)
"""


def measured() -> list[float]:
    """Return the seconds of the import and of the discovery, and the number of items, measured in a new process."""
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


def main() -> None:
    """Print the medians."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    imports, finds, templates, styles, dialects = zip(*(measured() for _ in range(runs)), strict=True)
    found = f"{templates[0]:.0f} templates, {styles[0]:.0f} styles, {dialects[0]:.0f} dialects"
    times = statistics.median(imports), statistics.median(finds)
    print(f"import {times[0]:.3f} s; {found} found in {times[1]:.3f} s ({runs} runs)")


if __name__ == "__main__":
    main()
