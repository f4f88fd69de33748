"""The trainer's house: no circle of imports, light at the door, and files that say what is in them."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import preftemplates_train

ROOT = Path(preftemplates_train.__file__).parent


@cache
def modules():
    return {path.stem: ast.parse(path.read_text()) for path in sorted(ROOT.glob("*.py"))}


def imported(tree):
    """The modules of the trainer that a file imports, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "preftemplates_train":
            yield from [node.module.split(".")[1]] if "." in node.module else [alias.name for alias in node.names]


def test_no_circle():
    graph = {name: {*imported(tree)} & set(modules()) for name, tree in modules().items()}
    while graph:
        done = {name for name, others in graph.items() if not others}
        assert done, f"a circle among {sorted(graph)}"
        graph = {name: others - done for name, others in graph.items() if name not in done}


def test_every_file_opens_with_one_sentence():
    for name, tree in modules().items():
        first = (ast.get_docstring(tree) or "").split("\n")[0]
        assert first.endswith("."), name


def test_the_door_is_light_and_every_name_behind_it_works():
    code = (
        "import sys, preftemplates_train\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)\n"
        "try:\n    preftemplates_train.nothing\nexcept AttributeError:\n    print('refused')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "refused", done.stderr
    for name in preftemplates_train.__all__:
        assert callable(getattr(preftemplates_train, name)), name
