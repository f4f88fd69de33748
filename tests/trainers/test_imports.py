"""The trainer's imports run downwards only, the package is light to import, and every file says what is in it."""

import ast
import subprocess
import sys
from pathlib import Path

import preftemplates_train
import pytest

ROOT = Path(preftemplates_train.__file__).parent

LAYERS = (
    {"errors", "console"},
    {"settings"},
    {"data"},
    {"model"},
    {"evaluation"},
    {"reports"},
    {"training"},
    {"cli"},
    {"__main__"},
)
"""The modules and packages of the trainer, lowest first: each imports from layers below its own."""

FILES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def name_of(path):
    """The dotted name of a file, below the trainer."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def layer_of(name):
    """The layer of a dotted name; every top name has one."""
    return next(number for number, names in enumerate(LAYERS) if name.split(".")[0] in names)


def trainer_imports(source):
    """The modules of the trainer that a file imports, inside functions and for annotations too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            if name.startswith("preftemplates_train."):
                yield name.removeprefix("preftemplates_train.")


def faults(name, source):
    """The imports of a file that run upwards, or to its own layer outside its package."""
    package = name.split(".")[0]
    return [
        other
        for other in trainer_imports(source)
        if layer_of(other) >= layer_of(name) and (other.split(".")[0] != package or "." not in name)
    ]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_run_downwards_only(path):
    assert faults(name_of(path), path.read_text()) == []


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("data.pairs", "def read():\n    from preftemplates_train.model import loading\n"),
        ("data.pairs", "import preftemplates_train.cli\n"),
        ("errors", "from preftemplates_train import console\n"),
        ("settings.config", "if TYPE_CHECKING:\n    from preftemplates_train.data.pairs import Pair\n"),
    ],
)
def test_a_planted_import_that_runs_upwards_is_seen(name, source):
    assert faults(name, source)


def test_no_files_import_each_other_in_a_circle():
    names = {name_of(path) for path in FILES}
    graph = {name_of(path): names & {*trainer_imports(path.read_text())} for path in FILES}
    while graph:
        done = {name for name, others in graph.items() if not others}
        assert done, f"a circle among {sorted(graph)}"
        graph = {name: others - done for name, others in graph.items() if name not in done}


@pytest.mark.parametrize("path", [*FILES, ROOT / "__init__.py"], ids=name_of)
def test_every_file_opens_with_one_sentence(path):
    first = (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n")[0]
    assert first.endswith(".")


@pytest.mark.parametrize("path", sorted(ROOT.glob("*/__init__.py")), ids=name_of)
def test_a_package_holds_its_charter_and_nothing_else(path):
    (charter,) = ast.parse(path.read_text()).body
    assert isinstance(charter.value, ast.Constant)


def test_the_import_is_light_and_every_public_name_works():
    code = (
        "import sys, preftemplates_train\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)\n"
        "for name in preftemplates_train.__all__:\n"
        "    assert callable(getattr(preftemplates_train, name)), name\n"
        "try:\n    preftemplates_train.nothing\nexcept AttributeError:\n    print('refused')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "refused", done.stderr
