"""What a page of the docs takes from a module is there, so that the site can be built."""

import ast
import importlib
import inspect
import re
from itertools import pairwise
from pathlib import Path

import preftemplates_train
import pytest
from support import DOCS

import preftemplates
from preftemplates import data, errors, testing
from preftemplates.core import samples

PAGES = sorted(DOCS.rglob("*.md"))
API = DOCS / "reference" / "api"
TAKEN = re.compile(r"^::: ([\w.]+)(?:\n    options:\n      members: \[(.*)\])?", re.MULTILINE)


def found(name):
    """The object of a dotted name."""
    parts = name.split(".")
    for at in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(parts[:at]))
        except ModuleNotFoundError:
            continue
        for part in parts[at:]:
            value = getattr(value, part)
        return value
    raise ModuleNotFoundError(name)


def described(module):
    """The names of a module that are assigned and then described by a text."""
    for statement, following in pairwise(ast.parse(inspect.getsource(module)).body):
        is_text = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
        if isinstance(statement, ast.Assign) and is_text:
            yield from (target.id for target in statement.targets if isinstance(target, ast.Name))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_every_name_on_a_page_is_found(page):
    for name, members in TAKEN.findall(page.read_text()):
        value = found(name)
        assert value.__doc__ or name.removeprefix("preftemplates.") in described(samples), name
        for member in re.findall(r'"(\w+)"', members):
            assert getattr(value, member).__doc__, (name, member)


def list_public_names():
    """Yield the dotted public names of the library; a name that two modules export belongs to the first."""
    for module in (preftemplates, data, testing):
        yield from (f"{module.__name__}.{name}" for name in module.__all__)
    classes = [item for item in vars(errors).values() if inspect.isclass(item) and item.__module__ == errors.__name__]
    yield from (f"{errors.__name__}.{item.__name__}" for item in classes if item.__name__ not in preftemplates.__all__)


PUBLIC_NAMES = sorted(list_public_names())


def find_pages(name, pages):
    """Return the pages that document a name, once for each directive."""
    return [page for page, names in pages.items() for taken in names if taken == name]


def read_api_pages():
    """Return the names that each page of the API documents."""
    return {path.name: [name for name, _ in TAKEN.findall(path.read_text())] for path in sorted(API.glob("*.md"))}


@pytest.mark.parametrize("name", PUBLIC_NAMES)
def test_a_public_name_is_on_one_page_and_linked_from_the_index(name):
    (page,) = find_pages(name, read_api_pages())
    short = name.rpartition(".")[2]
    assert f"\n| [`{short}`]({page}#{name}) | " in (API / "index.md").read_text()


def test_the_api_pages_document_public_names_alone():
    assert sorted(name for names in read_api_pages().values() for name in names) == PUBLIC_NAMES
    links = re.findall(r"^\| \[`\w+`\]\([\w-]+\.md#([\w.]+)\)", (API / "index.md").read_text(), flags=re.MULTILINE)
    assert sorted(links) == PUBLIC_NAMES


def test_a_name_that_is_missing_or_twice_is_noticed():
    assert len(PUBLIC_NAMES) > 90
    pages = read_api_pages()
    assert find_pages("preftemplates.Template", pages) == ["templates.md"]
    assert find_pages("preftemplates.Template", {**pages, "templates.md": []}) == []
    assert len(find_pages("preftemplates.Template", {**pages, "more.md": ["preftemplates.Template"]})) == 2


def test_the_pages_are_seen_to_take_names():
    assert sum(len(TAKEN.findall(page.read_text())) for page in PAGES) > 30
    with pytest.raises(ModuleNotFoundError):
        found("no_such_package.Thing")
    with pytest.raises(AttributeError):
        found("preftemplates_train.training.trainer.PairCollator")


def test_the_design_page_names_every_package():
    library, trainer = (DOCS / "explanation" / "design.md").read_text().split("\n### The trainer\n")
    for root, text in ((preftemplates, library), (preftemplates_train, trainer)):
        folder = Path(root.__file__).parent
        packages = {path.parent.name for path in folder.glob("*/__init__.py")}
        rows = re.findall(r"^\| \d \| (.*?) \|", text, flags=re.MULTILINE)
        named = {name for row in rows for name in re.findall(r"`([\w.]+)`", row)}
        assert {name for name in named if "." not in name} == packages
        assert all((folder / name).is_file() for name in named if "." in name)
