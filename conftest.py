"""Run every code block of the docs in pytest, one page at a time, each page in its own folder.

The fence decides how a block is treated. `python` is run, and its output is compared if it is written with `>>>`.
`console` and `bash` hold `$ command` lines, each followed by its output, in which `...` stands for anything. `json`
must parse. Any of them with `title="name"` is written to a file of that name for later blocks. `text`, `yaml` and
`toml` are only shown. Examples in docstrings, which the reference shows, are run too.
"""

from __future__ import annotations

import doctest
import importlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from registries import registries_restored
from sybil import Document, Example, Region, Sybil
from sybil.example import SybilFailure
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser
from sybil.parsers.markdown.lexers import FencedCodeBlockLexer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

pytest_plugins = ["cpu_seconds"]

ROOT = Path(__file__).parent
TRAINERS = ROOT / "trainers"
DATA = Path(os.environ.get("PREFTEMPLATES_DATA", ROOT.parent / "shared" / "data"))
"""Real rows, which some figures need. A page that reads them is skipped if they are not available."""

HANGS = 1_800
"""After how many seconds a command counts as hanging; even a slow machine needs only a fraction of it."""

ENVIRONMENT = {
    **os.environ,
    "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
    "COLUMNS": "80",
    "LC_ALL": "C.UTF-8",
    "NO_COLOR": "1",
    "TERM": "dumb",
    "HF_HUB_OFFLINE": "1",
    "PREFTEMPLATES_DATA": str(DATA),
}


def run_commands(example: Example) -> None:
    """Run each `$ command` of a block and compare what it prints."""
    for command, wanted in read_commands(example.parsed):
        ours, _, rest = command.partition(" | ")
        code, output = run_here(ours) if OURS.fullmatch(ours) else run_in_shell(command)
        if OURS.fullmatch(ours) and rest:
            code, output = run_in_shell(rest, output)
        printed = "\n".join(line.rstrip() for line in output.strip("\n").split("\n"))
        if code != 0:
            raise SybilFailure(example, f"$ {command}\nExit code {code}:\n{printed}")
        if not matches(wanted, printed):
            raise SybilFailure(example, f"$ {command}\nExpected:\n{wanted}\nGot:\n{printed}")


OURS = re.compile(r"(preftemplates|preftemplates-train) (?:\\\n|[^|;&<>$`*?])+")
"""A command of this project that uses no feature of the shell."""


def run_in_shell(command: str, given: str = "") -> tuple[int, str]:
    """Run a command that reads a text, and return its exit code and what it prints on both streams."""
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "input": given.encode()}
    done = subprocess.run(["bash", "-c", command], env=ENVIRONMENT, timeout=HANGS, **streams)
    return done.returncode, done.stdout.decode()


def run_here(command: str) -> tuple[int, str]:
    """Run one of this project's commands as `run_in_shell` does, but in this process, to save the imports."""
    name, *words = shlex.split(command.replace("\\\n", ""))
    module = importlib.import_module(name.replace("preftemplates-train", "preftemplates_train") + ".__main__")
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    code: Any = 0
    with (
        registries_restored(),
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(stream),
        redirect_stderr(stream),
    ):
        patch.setattr(sys, "argv", [name, *words])
        # datasets replaces os.environ by a copy if it maps with several processes; rich keeps the first
        patch.setattr("rich.console.Console._environ", ENVIRONMENT)
        try:
            module.main()
        except SystemExit as error:
            code = error.code
    stream.seek(0)
    return code or 0, stream.read()


def read_commands(block: str) -> Iterator[tuple[str, str]]:
    r"""Yield the commands of a block with the output shown below each; a line that ends with `\` continues after `> `.

    >>> list(read_commands("$ echo a \\\n> b\na b\n"))
    [('echo a \\\nb', 'a b')]
    """
    assert block.startswith("$ "), f"a block of commands begins with '$ ': {block}"
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, wanted = part.partition("\n")
        while command.endswith("\\"):
            line, _, wanted = wanted.partition("\n")
            command += "\n" + line.removeprefix("> ")
        yield command, wanted.strip("\n")


def matches(wanted: str, printed: str) -> bool:
    r"""Return whether output is as shown: `...` stands for anything, and for any number of lines on a line of its own.

    >>> matches("in ... s\n...", "in 0.1 s\nmore\nlines"), matches("a...c", "ab")
    (True, False)
    """
    lines = [r"(?:.*\n)*?" if line.strip() == "..." else _line(line) + r"\n" for line in wanted.split("\n")]
    return re.fullmatch("".join(lines), printed + "\n") is not None


def _line(line: str) -> str:
    return ".*?".join(map(re.escape, line.rstrip().split("...")))


def parse_json(example: Example) -> None:
    """Parse a block as one JSON value, or as one value per line."""
    try:
        json.loads(example.parsed)
    except ValueError:
        for line in example.parsed.splitlines():
            json.loads(line)


class TitledParser:
    """Finds the blocks with a title, and writes them to files."""

    lexer = FencedCodeBlockLexer(r'(?P<kind>\w+) title="(?P<title>[^"]+)"', {"title": "title", "source": "source"})

    def __call__(self, document: Document) -> Iterable[Region]:
        """Yield the regions of a page."""
        for region in self.lexer(document):
            region.parsed, region.evaluator = region.lexemes, self.write
            yield region

    @staticmethod
    def write(example: Example) -> None:
        """Write the file and check its JSON; a command or block that names a Python file runs it."""
        title, source = example.parsed["title"], example.parsed["source"]
        rest = example.document.text[example.region.end :]
        assert title in rest, f"{example.path}:{example.line}: no block uses {title}"
        if title.endswith(".json"):
            json.loads(source)
        elif ".json" in title:
            for line in source.splitlines():
                json.loads(line)
        Path(title).write_text(source, encoding="utf-8")


class StrayParser:
    """Finds the blocks that no other parser takes, and raises an error for them."""

    known = r'(?!(?:python|console|bash|json|text|yaml|toml)$|\w+ title="[^"]+"$).*'

    def __call__(self, document: Document) -> Iterable[Region]:
        """Yield the regions of a page."""
        for region in FencedCodeBlockLexer(self.known, {"language": "language", "source": "source"})(document):
            region.parsed, region.evaluator = region.lexemes["language"], self.refuse
            yield region

    @staticmethod
    def refuse(example: Example) -> None:
        """Raise an error for the unknown fence."""
        raise AssertionError(f"{example.path}:{example.line}: nothing runs a block of {example.parsed!r}")


PAGES = Sybil(
    parsers=[
        PythonCodeBlockParser(),
        CodeBlockParser("console", run_commands),
        CodeBlockParser("bash", run_commands),
        CodeBlockParser("json", parse_json),
        TitledParser(),
        StrayParser(),
    ]
)


class Page(pytest.File):
    """A page of the docs; it is one test, because each block may need those above it."""

    def collect(self) -> Iterable[pytest.Item]:
        """Yield the only test."""
        yield PageItem.from_parent(self, name="blocks")


class PageItem(pytest.Item):
    """Runs the blocks of a page in order."""

    def runtest(self) -> None:
        """Run the blocks as one module, in a new folder, with registries that forget them afterwards."""
        document = PAGES.parse(self.path)
        if "PREFTEMPLATES_DATA" in document.text and not DATA.is_dir():
            pytest.skip("the real rows are not here")
        module = ModuleType("page_" + re.sub(r"\W", "_", self.path.stem))
        module.__file__ = str(self.path)
        document.namespace = module.__dict__
        with (
            registries_restored(),
            tempfile.TemporaryDirectory() as folder,
            pytest.MonkeyPatch.context() as patch,
        ):
            patch.chdir(folder)
            patch.setitem(sys.modules, module.__name__, module)
            for name, value in ENVIRONMENT.items():
                patch.setenv(name, value)
            for example in document.examples():
                example.evaluate()

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return what a block printed, without the traceback."""
        return str(excinfo.value) if isinstance(excinfo.value, SybilFailure) else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return the name of the test for the report."""
        return self.path, 0, f"{self.path.relative_to(ROOT)}: its blocks"


class Docstrings(pytest.File):
    """A module of the package; all its docstrings are one test."""

    def collect(self) -> Iterable[pytest.Item]:
        """Yield the only test, if there are examples."""
        if ">>>" in self.path.read_text(encoding="utf-8"):
            yield DocstringsItem.from_parent(self, name="docstrings")


class DocstringsItem(pytest.Item):
    """Runs the examples in a module's docstrings."""

    def runtest(self) -> None:
        """Run the examples as Python's doctest does."""
        source = TRAINERS if TRAINERS in self.path.parents else ROOT
        name = ".".join(self.path.relative_to(source).with_suffix("").parts).removesuffix(".__init__")
        module = importlib.import_module(name)
        printed = io.StringIO()
        runner = doctest.DocTestRunner()
        with registries_restored():
            for test in doctest.DocTestFinder().find(module):
                runner.run(test, out=printed.write)
        assert not runner.failures, printed.getvalue()

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return the name of the test for the report."""
        return self.path, 0, f"{self.path.relative_to(ROOT)}: its docstrings"


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the pages of the docs, and the modules of the package."""
    if file_path.suffix == ".md" and (file_path.parent == ROOT or ROOT / "docs" in file_path.parents):
        return Page.from_parent(parent, path=file_path)
    if file_path.suffix == ".py" and {ROOT / "preftemplates", TRAINERS} & {*file_path.parents}:
        return Docstrings.from_parent(parent, path=file_path)
    return None
