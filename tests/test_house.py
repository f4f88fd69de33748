"""The house: imports run down only, leaves are imported by no one, and the import is light."""

import ast
import subprocess
import sys
from pathlib import Path

import preftemplates

ROOT = Path(preftemplates.__file__).parent

FLOORS = [
    {"errors", "digest"},
    {
        "registry",
        "findings",
        "yaml_file",
        "frozen",
        "provenance",
        "jsonlike",
        "samples",
        "python_file",
        "source_code",
        "by_hand",
        "travelling",
    },
    {"rendered", "conversations", "reasoning", "tracing", "expressions", "derivations", "views"},
    {"row_types", "turns", "shapes", "fragments", "owned", "bounded", "pieces"},
    {"rows"},
    {
        "chat_environment",
        "chat_template",
        "contract",
        "contract_source",
        "contract_texts",
        "label",
        "parsing",
        "declaration",
        "dialect",
        "isolated",
        "isolated_worker",
    },
    {"style", "tokens", "extraction", "yaml_template", "dataset_info"},
    {"texts"},
    {"template", "comparing", "tokenizer_files"},
    {"checks", "control", "reading", "shortcuts"},
    {"rules"},
    {"arrow", "convert", "grouping", "writing", "testing"},
    {"checking", "detecting"},
    {"cli"},
    {"__main__"},
]
"""What stands on what: a module imports from its own floor or one below, and no circle."""

LEAVES = {"templates", "styles", "dialects", "filters"}


def modules():
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts), ast.parse(path.read_text())


def imported(tree, lazily=True):
    """The modules of the package that a file imports, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "preftemplates":
            below = (node.module or "").split(".")[1:]
            if below:
                yield ".".join(below)
            else:
                yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("preftemplates."):
                    yield alias.name.removeprefix("preftemplates.")


def floor(module):
    top = module.split(".")[0]
    return next((number for number, names in enumerate(FLOORS) if top in names), None)


def test_every_module_has_a_floor():
    unknown = {name.split(".")[0] for name, _ in modules()} - LEAVES - {"__init__"} - set().union(*FLOORS)
    assert unknown == set()


def test_imports_run_down_only():
    for name, tree in modules():
        if name.split(".")[0] in LEAVES or name == "__init__":
            continue
        for other in imported(tree):
            assert other.split(".")[0] not in LEAVES, f"{name} imports the leaf {other}"
            if other in dir(preftemplates) and floor(other) is None:
                continue
            assert floor(other) is not None, f"{name} imports {other}, which has no floor"
            assert floor(other) <= floor(name), f"{name} imports {other}, which stands above it"


def test_no_circle():
    graph = {}
    for name, tree in modules():
        top = name.split(".")[0]
        graph.setdefault(top, set()).update(other.split(".")[0] for other in imported(tree))
    done, path = set(), []

    def visit(module):
        assert module not in path, f"a circle: {' -> '.join([*path, module])}"
        if module in done:
            return
        path.append(module)
        for other in graph.get(module, set()) - {module}:
            visit(other)
        path.pop()
        done.add(module)

    for module in graph:
        visit(module)


def test_leaves_import_no_leaf():
    for name, tree in modules():
        if name.split(".")[0] in LEAVES:
            assert not {other.split(".")[0] for other in imported(tree)} & LEAVES, name


def test_a_planted_import_that_runs_up_is_seen():
    tree = ast.parse("def f():\n    from preftemplates.templates.template import Template\n")
    assert [floor(other) > floor("errors") for other in imported(tree)] == [True]


def test_the_import_is_light_and_touches_nothing():
    code = """
import sys
opened = []
sys.addaudithook(lambda event, args: opened.append((event, args[0])) if event in ("socket.connect", "subprocess.Popen")
                 or (event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+")) else None)
import threading, os
before = threading.active_count(), dict(os.environ)
import preftemplates
preftemplates.get_template("HH"), preftemplates.list_styles(), preftemplates.list_dialects()
heavy = {"yaml", "typer", "rich", "numpy", "pyarrow", "torch", "transformers", "datasets", "hypothesis"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
assert (threading.active_count(), dict(os.environ)) == before
assert not [seen for seen in opened if "__pycache__" not in str(seen[1])], opened
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_command_lists_without_the_heavy_libraries():
    code = (
        "import sys; sys.argv = ['preftemplates', 'list']\n"
        "from preftemplates.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "assert not {'torch', 'transformers', 'datasets', 'pyarrow', 'numpy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_file_opens_with_one_sentence():
    for name, tree in modules():
        first = (ast.get_docstring(tree) or "").split("\n")[0]
        assert first.endswith("."), name


def test_the_face_has_no_name_that_does_not_work():
    for name in preftemplates.__all__:
        assert getattr(preftemplates, name) is not None


def test_the_library_never_imports_the_trainer():
    for name, tree in modules():
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [other for other in names if other.startswith("preftemplates_train")], name
