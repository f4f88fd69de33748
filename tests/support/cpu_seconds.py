"""A pytest plugin that prints the CPU seconds of a run, and with --cpu-table those of the dearest test files."""

from __future__ import annotations

import resource
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = 30
"""The lines of the table."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --cpu-table."""
    parser.addoption(
        "--cpu-table", action="store_true", help=f"Print the CPU seconds of the {ROWS} dearest test files."
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the plugin's state, which differs from run to run."""
    config.pluginmanager.register(CpuSeconds(), "cpu_seconds_of_the_run")


def spent() -> float:
    """Return the CPU seconds of this process and of its children that have ended."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


class CpuSeconds:
    """Measures each test, and gathers on the controller what pytest-xdist's workers measured."""

    def __init__(self) -> None:
        self.files: Counter[str] = Counter()
        self.workers: list[float] = []

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Measure a test with its fixtures."""
        before = spent()
        try:
            return (yield)
        finally:
            self.files[item.nodeid.partition("::")[0]] += spent() - before

    @pytest.hookimpl(wrapper=True, trylast=True)  # inside xdist's own wrapper, which sends workeroutput
    def pytest_sessionfinish(self, session: pytest.Session) -> Iterator[None]:
        """Send a worker's figures to the controller, after its last fixture is torn down."""
        try:
            return (yield)
        finally:
            if (sent := getattr(session.config, "workeroutput", None)) is not None:
                sent["cpu_seconds"] = {"process": spent(), "files": dict(self.files)}

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Add a worker's figures; one that crashed sends none."""
        figures = getattr(node, "workeroutput", {}).get("cpu_seconds", {"process": 0.0, "files": {}})
        self.workers.append(figures["process"])
        self.files.update(figures["files"])

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter, config: pytest.Config
    ) -> Iterator[None]:
        """Print the figures after the list of failures; pytest's closing line comes after them."""
        yield
        if config.getoption("cpu_table"):
            terminalreporter.section("CPU seconds per test file")
            for file, seconds in self.files.most_common(ROWS):
                terminalreporter.write_line(f"{seconds:8.1f}  {file}")
        terminalreporter.write_line(describe(self.files.total(), self.workers, self.main()))

    def main(self) -> float:
        """Return what this process took; the workers are its children."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime if self.workers else spent()


def describe(in_tests: float, workers: list[float], main: float) -> str:
    """Spell the figures of a run on one line.

    >>> describe(612.4, [320, 330.2], 12)
    'CPU: 612 s in tests (2 workers 650 s, main process 12 s)'
    """
    processes = [f"{len(workers)} workers {sum(workers):.0f} s"] if workers else []
    return f"CPU: {in_tests:.0f} s in tests ({', '.join([*processes, f'main process {main:.0f} s'])})"
