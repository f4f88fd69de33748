"""A user's project passes type checkers without plugins, each mistake that is marked in it is found, and it runs.

The project is `support/users_project`, with the homework's class, and the Python blocks of the README and of the pages
that tell how to add something, a file for each page.
"""

from __future__ import annotations

import doctest
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import preftemplates

TESTS = Path(__file__).parent
PROJECT = TESTS / "support" / "users_project"
LIBRARY = Path(preftemplates.__file__).parent

PAGES = ("README.md", *(f"docs/guides/add-a-{thing}.md" for thing in ("dataset", "style", "dialect")))
UNTYPED_SECTIONS = ("## Export a style to a tokenizer",)
"""Sections whose code is an error for type checkers because of another library: transformers says that
`apply_chat_template` returns texts or ids, and no encoding."""

BLOCK = re.compile(r'^```python(?: title="(.*?)")?\n(.*?)^```$', flags=re.MULTILINE | re.DOTALL)

MYPY = """
[mypy]
strict = True
follow_imports = silent

[mypy-transformers.*]
follow_imports = skip

[mypy-datasets.*]
ignore_missing_imports = True
"""
"""No plugins. What is imported is followed as if it were installed; transformers alone would take half a minute."""

PYRIGHT = {"typeCheckingMode": "standard", "exclude": ["typings"], "extraPaths": [str(LIBRARY.parent)]}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project, with the code of the pages."""
    shutil.copytree(PROJECT, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(TESTS / "support" / "homework.py", tmp_path)
    for page in PAGES:
        for name, code in read_code(TESTS.parent / page).items():
            assert not (tmp_path / name).exists(), f"two files are named {name}"
            (tmp_path / name).write_text(code, encoding="utf-8")
    return tmp_path


def read_code(page: Path) -> dict[str, str]:
    """The Python files that a page shows, by name, and its other blocks as one file, in their order."""
    sections = re.split(r"^(?=## )", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    text = "".join(section for section in sections if not section.startswith(UNTYPED_SECTIONS))
    blocks = [
        (title, doctest.script_from_examples(block) if ">>>" in block else block)
        for title, block in BLOCK.findall(text)
    ]
    assert blocks, f"{page} has no code"
    files = {title: block for title, block in blocks if title}
    return {
        **files,
        f"page_{page.stem.replace('-', '_')}.py": "\n".join(block for title, block in blocks if not title),
    }


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, where Python and mypy find the library that is tested."""
    paths = {"PYTHONPATH": str(LIBRARY.parent), "MYPYPATH": os.pathsep.join([str(LIBRARY.parent), "typings"])}
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **paths}, capture_output=True, text=True, check=False
    )


def list_marked_lines(folder: Path) -> set[tuple[str, int]]:
    """The lines of all files that end with the mark of an error."""
    return {
        (path.name, number)
        for path in folder.glob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if line.endswith("  # error")
    }


def check_errors(folder: Path, errors: dict[tuple[str, int], str]) -> None:
    """Refuse an error in a line that is not marked, and a marked line without an error."""
    marked = list_marked_lines(folder)
    assert len(marked) > 20
    faults = [f"{file}:{line}: {message}" for (file, line), message in errors.items() if (file, line) not in marked]
    faults += [f"{file}:{line}: no error" for file, line in sorted(marked - errors.keys())]
    assert not faults, "\n".join(faults)


def test_the_package_says_that_it_is_typed() -> None:
    assert (LIBRARY / "py.typed").is_file()


def test_mypy_finds_the_marked_errors_and_no_others(project: Path) -> None:
    pytest.importorskip("mypy")
    (project / "mypy.ini").write_text(MYPY, encoding="utf-8")
    files = [path.name for path in project.glob("*.py")]
    options = ["--config-file=mypy.ini", f"--cache-dir={os.devnull}", "--output=json"]
    done = run(project, sys.executable, "-m", "mypy", *options, *files)
    assert done.stderr == ""
    issues = [json.loads(line) for line in done.stdout.splitlines()]
    errors = [issue for issue in issues if issue["severity"] == "error"]
    check_errors(project, {(issue["file"], issue["line"]): issue["message"] for issue in errors})


def test_pyright_finds_the_marked_errors_and_no_others(project: Path) -> None:
    pytest.importorskip("basedpyright")
    (project / "pyrightconfig.json").write_text(json.dumps(PYRIGHT), encoding="utf-8")
    done = run(project, sys.executable, "-m", "basedpyright", "--outputjson", f"--pythonpath={sys.executable}")
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] == len(list(project.glob("*.py")))
    errors = [issue for issue in report["generalDiagnostics"] if issue["severity"] == "error"]
    places = {(Path(issue["file"]).name, issue["range"]["start"]["line"] + 1): issue["message"] for issue in errors}
    check_errors(project, places)


def test_the_project_runs(project: Path) -> None:
    for code in ("import usage", "import homework", "import laws; laws.test_laws()"):
        done = run(project, sys.executable, "-W", "error", "-c", code)
        assert (done.returncode, done.stderr) == (0, "")
