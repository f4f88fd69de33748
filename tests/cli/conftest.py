"""Fixtures of the tests of subcommands: a file of rows, a style's findings, and a command in this process."""

import json
import sys

import pytest
from command_support import GOOD_ROW
from rich.console import Console
from support import terminal

from preftemplates.__main__ import main
from preftemplates.styles.style import Style


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [GOOD_ROW, {**GOOD_ROW, "better_response_id": 1}]))
    return path


@pytest.fixture
def run_here(capsys, monkeypatch):
    """Runs the command in this process, and gives its exit code, output and errors."""

    def call(*arguments, columns=300):
        # datasets puts a copy in the place of os.environ where it maps by several processes; rich keeps the first
        monkeypatch.setattr(Console, "_environ", terminal(columns))
        monkeypatch.setattr(sys, "argv", ["preftemplates", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        captured = capsys.readouterr()
        for line in (captured.out + captured.err).split("\n"):
            assert line.isprintable(), line
        return caught.value.code or 0, captured.out, captured.err

    return call


@pytest.fixture
def set_findings(monkeypatch):
    """Sets what is found in any style."""

    def set_to(*findings):
        monkeypatch.setattr(Style, "findings", property(lambda _: tuple(findings)))

    return set_to


@pytest.fixture
def write_template(tmp_path):
    def write(text, name="t.jinja"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write
