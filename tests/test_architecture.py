"""Layers: imports go to lower packages only, bundled files use the public API, and nobody imports a bundled file."""

import ast
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import preftemplates_train
import pytest

import preftemplates

LIBRARY, TRAINER = Path(preftemplates.__file__).parent, Path(preftemplates_train.__file__).parent

LAYERS = [
    {"errors"},
    {"core"},
    {"sandbox"},
    {"styles", "dialects", "tokens"},
    {"templates"},
    {"data"},
    {""},  # the public API: preftemplates/__init__.py
    {"cli", "testing"},
    {"__main__"},
]
"""The library's packages, lowest first; those of one layer do not import each other."""

TRAINER_LAYERS = [
    {"errors", "console", "progress"},
    {"settings"},
    {"data"},
    {"model"},
    {"heads"},
    {"evaluation"},
    {"reports", "completion"},
    {"training"},
    {"cli"},
    {"", "__main__"},
]

USERS_CODE = ("styles.bundled.", "dialects.bundled.", "templates.bundled.", "templates.filters.")
"""Files like those of users: they import the public API and `preftemplates.errors`."""

BUNDLED_EXCEPTIONS = {
    "styles.bundled.": {"styles.snippets"},
    "templates.filters.": {"core.digest", "core.media", "core.messages", "core.message_values", "core.provenance"},
}

TRAINER_MAY_IMPORT = {"", "errors", "data"}
PRINTERS = ("cli", "evaluation.evaluate_file", "evaluation.score_file", "evaluation.table")
TRAINER_EXCEPTIONS = {
    "settings.parser": {"core.yaml_files"},  # one reader of YAML, with lines and each key once
    "evaluation.scorer": {"templates.results"},  # a type in annotations
    "data.tokenizer": {"styles.tokenizer_files"},  # one list of the files of a tokenizer
    **{name: {"cli.terminal"} for name in PRINTERS},  # one console: it escapes, and prints whole lines to pipes
}
"""What else of the library a module of the trainer imports."""


@cache
def modules(root):
    """The modules of a package by their dotted names below it; a package's own is named like the package."""
    trees = []
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts).removesuffix("__init__").removesuffix(".")
        trees.append((name, ast.parse(path.read_text(encoding="utf-8"))))
    return trees


def imported(tree, package):
    """The modules of a package that a file imports by name, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the whole module"
            first, _, rest = (node.module or "").partition(".")
            if first == package:
                names = (alias.name for alias in node.names)
                yield from (name if is_module(package, name) else "" for name in names) if not rest else [rest]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                first, _, rest = alias.name.partition(".")
                if first == package:
                    yield rest


def is_module(package, name):
    root = LIBRARY if package == "preftemplates" else TRAINER
    return (root / name).is_dir() or (root / f"{name}.py").is_file()


def layer(module, layers):
    top = module.partition(".")[0]
    numbers = [number for number, names in enumerate(layers) if top in names]
    assert numbers, f"{module} is in no package of the list"
    return numbers[0]


def upward(package, trees, layers):
    """The imports that go up, or to another package of the same layer."""
    for name, tree in trees:
        if name.startswith(USERS_CODE):
            continue
        for other in imported(tree, package):
            mine, its = layer(name, layers), layer(other, layers)
            same = name.partition(".")[0] == other.partition(".")[0]
            if its > mine or (its == mine and not same):
                yield f"{name} imports {other}"


@pytest.mark.parametrize(
    ("package", "root", "layers"),
    [("preftemplates", LIBRARY, LAYERS), ("preftemplates_train", TRAINER, TRAINER_LAYERS)],
)
def test_imports_go_to_lower_packages_only(package, root, layers):
    assert list(upward(package, modules(root), layers)) == []


@pytest.mark.parametrize(("package", "root"), [("preftemplates", LIBRARY), ("preftemplates_train", TRAINER)])
def test_no_modules_import_each_other_in_a_circle(package, root):
    graph = {
        name: {other for other in imported(tree, package) if other and other != name}
        for name, tree in modules(root)
        if name and not name.startswith(USERS_CODE)
    }
    while graph:
        free = {name for name, others in graph.items() if not others & set(graph)}
        assert free, f"a circle among {sorted(graph)}"
        graph = {name: others for name, others in graph.items() if name not in free}


def test_bundled_files_import_what_users_import():
    for name, tree in modules(LIBRARY):
        kind = next((kind for kind in USERS_CODE if name.startswith(kind)), None)
        if kind is not None:
            allowed = {"", "errors", *BUNDLED_EXCEPTIONS.get(kind, ())}
            assert set(imported(tree, "preftemplates")) <= allowed, name


def test_nobody_imports_a_bundled_file():
    for package, root in (("preftemplates", LIBRARY), ("preftemplates_train", TRAINER)):
        for name, tree in modules(root):
            others = [other for other in imported(tree, "preftemplates") if f"{other}.".startswith(USERS_CODE)]
            assert not others, f"{package}.{name} imports {others}"


def test_the_library_never_imports_the_trainer():
    for name, tree in modules(LIBRARY):
        assert not list(imported(tree, "preftemplates_train")), name


def test_the_trainer_imports_the_public_api_and_the_data_package():
    for name, tree in modules(TRAINER):
        others = {
            other for other in imported(tree, "preftemplates") if other.partition(".")[0] not in TRAINER_MAY_IMPORT
        }
        assert others <= TRAINER_EXCEPTIONS.get(name, set()), name


def test_planted_imports_are_seen():
    up = ast.parse("def f():\n    from preftemplates.templates.template import Template\n")
    beside = ast.parse("from preftemplates.dialects.dialect import Dialect\nimport preftemplates.cli.show")
    trees = [("core.paths", up), ("styles.style", beside), ("styles.bundled.mine", up)]
    assert list(upward("preftemplates", trees, LAYERS)) == [
        "core.paths imports templates.template",
        "styles.style imports dialects.dialect",
        "styles.style imports cli.show",
    ]


# --- files ---------------------------------------------------------------------------------------------------------


def python_files():
    tests = Path(__file__).parent
    return [path for root in (LIBRARY, TRAINER, tests, tests.parent / "benchmarks") for path in root.rglob("*.py")]


def test_no_file_is_longer_than_420_lines():
    lengths = {str(path): len(path.read_text(encoding="utf-8").splitlines()) for path in python_files()}
    assert {path: length for path, length in lengths.items() if length > 420} == {}


def test_every_file_opens_with_one_sentence():
    for root in (LIBRARY, TRAINER):
        for name, tree in modules(root):
            first = (ast.get_docstring(tree) or "").split("\n")[0]
            assert first.endswith("."), name


PUBLISHING = {"", "data", "testing"}
"""The packages whose `__init__.py` publishes names."""


def test_a_package_holds_its_charter_and_nothing_else():
    for path in LIBRARY.rglob("__init__.py"):
        name = ".".join(path.parent.relative_to(LIBRARY).parts)
        if name not in PUBLISHING:
            assert len(ast.parse(path.read_text(encoding="utf-8")).body) == 1, name
    for path in TRAINER.rglob("__init__.py"):
        if path.parent != TRAINER:
            assert len(ast.parse(path.read_text(encoding="utf-8")).body) == 1, path


# --- names ---------------------------------------------------------------------------------------------------------


def definitions(tree):
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))


SAME_EVERYWHERE = {"T", "U", "command", "main"}
"""Type variables, and what each subcommand calls its function."""


def test_no_two_public_definitions_share_a_name():
    places = Counter()
    for package, root in (("preftemplates", LIBRARY), ("preftemplates_train", TRAINER)):
        for name, tree in modules(root):
            if not name.startswith(USERS_CODE) and name:
                places.update({(each, f"{package}.{name}") for each in definitions(tree) if each[0] != "_"})
    modules_by_name = {}
    for each, module in places:
        modules_by_name.setdefault(each, []).append(module)
    shared = {each: sorted(found) for each, found in modules_by_name.items() if len(found) > 1}
    assert {each: found for each, found in shared.items() if each not in SAME_EVERYWHERE} == {}


# --- the public API ------------------------------------------------------------------------------------------------


def test_the_public_api_has_no_name_that_does_not_work():
    for name in preftemplates.__all__:
        assert getattr(preftemplates, name) is not None
    assert list(preftemplates.__all__) == sorted(preftemplates.__all__)


def test_dir_shows_the_public_names_only():
    code = (
        "import preftemplates, preftemplates.data, preftemplates.cli.app\n"
        "print(set(dir(preftemplates)) == {*preftemplates.__all__, '__version__'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "True", done.stderr


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


def test_the_trainer_imports_torch_only_when_asked_for_a_name():
    code = "import sys, preftemplates_train\nprint({'torch', 'transformers'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr
    for name in preftemplates_train.__all__:
        assert callable(getattr(preftemplates_train, name)), name
    with pytest.raises(AttributeError):
        _ = preftemplates_train.nothing


# --- one mechanism for one thing -----------------------------------------------------------------------------------


def compared_texts(tree):
    """The texts with which a file compares something for being equal."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops):
            operands = [node.left, *node.comparators]
            yield from (operand.value for operand in operands if isinstance(operand, ast.Constant))


def test_nobody_asks_whether_a_part_is_the_tools():
    assert "tools" in compared_texts(ast.parse("[name for name in labels if name != 'tools']"))
    for name, tree in (*modules(LIBRARY), *modules(TRAINER)):
        assert "tools" not in compared_texts(tree), name


SPLIT_ELSEWHERE = {"sandbox.admission", "core.extras", "data.frames"}
"""Jinja's paths of attributes and names of modules, which are not paths of values in a row."""


def path_splits(tree):
    """The calls in which a file splits a text at what divides the steps of a path."""
    methods = {"split", "rsplit", "partition", "rpartition"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in methods:
            yield from (arg.value for arg in node.args if isinstance(arg, ast.Constant) and arg.value in (".", "["))


def test_paths_of_values_are_split_in_one_file():
    assert list(path_splits(ast.parse("column = path.split('[')[0].split('.')[0]"))) == [".", "["]
    splitting = {name for name, tree in modules(LIBRARY) if list(path_splits(tree))}
    splitting |= {f"trainer {name}" for name, tree in modules(TRAINER) if list(path_splits(tree))}
    assert splitting - SPLIT_ELSEWHERE == {"core.paths"}


def test_templates_alone_know_how_their_rows_are_parsed_and_read():
    for name, tree in modules(LIBRARY):
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert "make_cell_parsers" not in names or name == "templates.schema", name
        reads_rows = name in ("templates.extraction", "templates.schema") or name.startswith("data.columnar.")
        assert "Extraction" not in names or reads_rows, name
    assert not any("csv_cells" in other for _, tree in modules(TRAINER) for other in imported(tree, "preftemplates"))
