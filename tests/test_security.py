"""SECURITY.md: each statement names tests that exist, and what no other test shows is shown here."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from support import HANGS, TESTS

import preftemplates
from preftemplates import Style
from preftemplates.errors import PrefTemplatesError

ROOT = TESTS.parent
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
LINK = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
SOURCES = sorted(Path(preftemplates.__file__).parent.rglob("*.py"))


@cache
def list_tests(path):
    """The names of the tests of a file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def list_statements():
    """The statements of the page's lists, up to what does not hold."""
    page = PAGE.partition("\n## What does not hold")[0]
    return [part.partition("\n\n")[0] for part in page.split("\n- ")[1:]]


@pytest.mark.parametrize(("path", "name"), LINK.findall(PAGE), ids=[name for _, name in LINK.findall(PAGE)])
def test_every_test_that_the_page_names_exists(path, name):
    assert name.startswith("test_")
    assert name in list_tests(path)


@pytest.mark.parametrize("statement", list_statements(), ids=[each[:40] for each in list_statements()])
def test_every_statement_names_a_test(statement):
    assert LINK.search(statement)


def test_the_page_has_no_test_in_another_form():
    assert len(re.findall(r"::|test_\w+\.py", PAGE)) == 2 * len(LINK.findall(PAGE))


def test_a_class_is_trusted():
    class Long(Style):
        chat_template = "{{ messages[0].content if 2 ** 300 else 1 }}"

    assert Long().layout.limits is None
    assert Long().render([{"role": "user", "content": "Hi"}]).text == "Hi"
    with pytest.raises(PrefTemplatesError, match="more than 256 bits"):
        Style.from_chat_template(Long.chat_template).render([{"role": "user", "content": "Hi"}])


CONSTANTS = ("8 ** (9 ** 10)", "8 ** (7 ** 8)", "'a' * 10 ** 12", "{{}: 1} | default(1)", "'%0999999999d' % 1", "-'a'")


@pytest.mark.parametrize("constant", CONSTANTS)
@pytest.mark.parametrize("written", ["{{ C }}", "{% if false %}{{ C }}{% endif %}", "{% set x = 'a' ~ (C) %}"])
def test_no_constant_is_computed_before_a_template_renders(constant, written):
    source = "{{ messages[0].content }}" + written.replace("C", constant)
    style = Style.from_chat_template(source)
    assert style.chat_template.endswith(source)
    assert style.findings
    assert style.digest


def test_what_a_trusted_template_computes_wrongly_is_an_error_of_the_row():
    class Wrong(Style):
        chat_template = "{{ {{}: 1} | default(1) }}"

    assert Wrong().chat_template
    with pytest.raises(PrefTemplatesError, match="unhashable"):
        Wrong().render([{"role": "user", "content": "Hi"}])


UNPICKLING = re.compile(r"(?<![\w.])(?:cloud)?pickle\.(?:loads?|Unpickler)\b|torch\.load|joblib|allow_pickle=True")
IN_MEMORY = {
    "core/pickling.py": "what this process pickled for another",
    "testing/laws.py": "what a child process of the tests answers",
}


def test_nothing_unpickles_a_file_or_runs_remote_code():
    found = {str(path.relative_to(SOURCES[0].parent)): path.read_text(encoding="utf-8") for path in SOURCES}
    assert {name for name, text in found.items() if UNPICKLING.search(text)} == set(IN_MEMORY)
    assert not [name for name, text in found.items() if "trust_remote_code=True" in text]


WITHOUT_CONNECTIONS = """
import socket, sys

def refuse(*_, **__):
    raise SystemExit("a connection is opened")

socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
import preftemplates
preftemplates.get_template("PKUSafeRLHF").format(preftemplates.get_template("PKUSafeRLHF").example, "preference")
assert not {"datasets", "transformers", "huggingface_hub"} & set(sys.modules)
"""


def test_importing_opens_no_connection():
    done = subprocess.run([sys.executable, "-c", WITHOUT_CONNECTIONS], capture_output=True, text=True, timeout=HANGS)
    assert (done.returncode, done.stderr) == (0, "")
