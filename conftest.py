"""Every code block of the docs is run by pytest, a page at a time and in a folder of its own.

What a block is follows from its fence: `python` is run, and compared where it is written with `>>>`; `console` and
`bash` hold `$ command` lines, each followed by what it prints, where `...` stands for anything; `json` must parse; any
of them with `title="name"` is written to a file of that name, for the blocks below it. `text`, `yaml` and `toml` are
only shown. Examples in docstrings, which the reference shows, are run too.
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
"""Real rows, which some figures need; a page that reads them is skipped where they are not."""

HANGS = 1_800
"""After how many seconds a command counts as one that hangs; a slow machine needs a small part of it."""

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
"""A command of ours that asks nothing of the shell."""


def run_in_shell(command: str, given: str = "") -> tuple[int, str]:
    """The exit code of a command that reads a text, and what it prints on both streams."""
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "input": given.encode()}
    done = subprocess.run(["bash", "-c", command], env=ENVIRONMENT, timeout=HANGS, **streams)
    return done.returncode, done.stdout.decode()


def run_here(command: str) -> tuple[int, str]:
    """The same of a command of ours, in this process: most of what one of its own costs is its imports."""
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
        # datasets puts a copy in the place of os.environ where it maps by several processes; rich keeps the first
        patch.setattr("rich.console.Console._environ", ENVIRONMENT)
        try:
            module.main()
        except SystemExit as error:
            code = error.code
    stream.seek(0)
    return code or 0, stream.read()


def read_commands(block: str) -> Iterator[tuple[str, str]]:
    r"""The commands of a block and what is shown below each; a line that ends with `\` goes on behind a `> `.

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
    r"""Whether a text is as shown: `...` is anything on a line, and any number of lines on a line of its own.

    >>> matches("in ... s\n...", "in 0.1 s\nmore\nlines"), matches("a...c", "ab")
    (True, False)
    """
    lines = [r"(?:.*\n)*?" if line.strip() == "..." else _line(line) + r"\n" for line in wanted.split("\n")]
    return re.fullmatch("".join(lines), printed + "\n") is not None


def _line(line: str) -> str:
    return ".*?".join(map(re.escape, line.rstrip().split("...")))


def parse_json(example: Example) -> None:
    """Read a block as one JSON value, or as one a line."""
    try:
        json.loads(example.parsed)
    except ValueError:
        for line in example.parsed.splitlines():
            json.loads(line)


class TitledParser:
    """Finds the blocks with a title, and writes them to files."""

    lexer = FencedCodeBlockLexer(r'(?P<kind>\w+) title="(?P<title>[^"]+)"', {"title": "title", "source": "source"})

    def __call__(self, document: Document) -> Iterable[Region]:
        """The regions of a page."""
        for region in self.lexer(document):
            region.parsed, region.evaluator = region.lexemes, self.write
            yield region

    @staticmethod
    def write(example: Example) -> None:
        """Write the file; JSON must parse, and Python is run by the command or block that names the file."""
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
    """Finds the blocks that no other parser takes, and refuses them."""

    known = r'(?!(?:python|console|bash|json|text|yaml|toml)$|\w+ title="[^"]+"$).*'

    def __call__(self, document: Document) -> Iterable[Region]:
        """The regions of a page."""
        for region in FencedCodeBlockLexer(self.known, {"language": "language", "source": "source"})(document):
            region.parsed, region.evaluator = region.lexemes["language"], self.refuse
            yield region

    @staticmethod
    def refuse(example: Example) -> None:
        """Say which fence is unknown."""
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
    """A page of the docs; one test, since a block stands on those above it."""

    def collect(self) -> Iterable[pytest.Item]:
        """The test."""
        yield PageItem.from_parent(self, name="blocks")


class PageItem(pytest.Item):
    """Runs the blocks of a page in order."""

    def runtest(self) -> None:
        """Run them as one module, in a new folder, with registries that forget it afterwards."""
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
        """What a block printed, without the way there."""
        return str(excinfo.value) if isinstance(excinfo.value, SybilFailure) else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """What the report calls the test."""
        return self.path, 0, f"{self.path.relative_to(ROOT)}: its blocks"


class Docstrings(pytest.File):
    """A module of the package; one test for all its docstrings."""

    def collect(self) -> Iterable[pytest.Item]:
        """The test."""
        if ">>>" in self.path.read_text(encoding="utf-8"):
            yield DocstringsItem.from_parent(self, name="docstrings")


class DocstringsItem(pytest.Item):
    """Runs the examples in a module's docstrings."""

    def runtest(self) -> None:
        """Run them as Python's doctest does."""
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
        """What the report calls the test."""
        return self.path, 0, f"{self.path.relative_to(ROOT)}: its docstrings"


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the pages of the docs, and the modules of the package."""
    if file_path.suffix == ".md" and (file_path.parent == ROOT or ROOT / "docs" in file_path.parents):
        return Page.from_parent(parent, path=file_path)
    if file_path.suffix == ".py" and {ROOT / "preftemplates", TRAINERS} & {*file_path.parents}:
        return Docstrings.from_parent(parent, path=file_path)
    return None
