"""A missing package is one line with the command that installs it, in every command and public call."""

import subprocess
import sys
from importlib import metadata

import pytest

from preftemplates.core import extras
from preftemplates.core.extras import import_extra, spell_install
from preftemplates.errors import MissingPackageError, PrefTemplatesError

HIDING = """
import sys
for name in {hidden!r}:
    sys.modules[name] = None
"""
COMMANDS = {
    ("pyarrow", "convert rows.jsonl -t TRL -d text -o out.parquet"): "the output is Parquet",
    ("pyarrow", "check rows.parquet -t TRL"): "rows.parquet is Parquet",
    ("pyarrow", "detect rows.parquet"): "rows.parquet is Parquet",
    ("datasets", "check folder -t TRL"): "folder is a directory",
    (
        "datasets",
        "show TRL --row owner/name:0",
    ): "owner/name is not a file here, so it is read as a dataset on the hub, which needs datasets",
    (
        "transformers",
        "convert rows.jsonl -t TRL -d trl-text --tokenizer folder -o out.jsonl",
    ): "folder is a tokenizer's",
    ("transformers", "check rows.jsonl -t TRL --tokenizer folder"): "folder is a tokenizer's folder",
    ("huggingface_hub", "check-style owner/name"): "there is no directory owner/name",
}
CALLS = {
    ("pyarrow", "from preftemplates import BatchFormatter"): "BatchFormatter formats Arrow tables",
    ("pyarrow", "from preftemplates.data import open_rows; open_rows('rows.parquet')"): "rows.parquet is Parquet",
    ("hypothesis", "import preftemplates.testing"): "preftemplates.testing draws rows",
    ("huggingface_hub", "from preftemplates import get_style; get_style('owner/name')"): "there is no directory",
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"prompt": "a", "chosen": "b", "rejected": "c"}\n', encoding="utf-8")
    (tmp_path / "rows.parquet").write_bytes(b"PAR1")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "tokenizer_config.json").write_text("{}", encoding="utf-8")
    return tmp_path


def run(code, folder):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder)


@pytest.mark.parametrize(("package", "words"), COMMANDS)
def test_a_command_says_in_one_line_what_to_install(folder, package, words):
    code = HIDING.format(hidden=[package]) + f"sys.argv[1:] = {words.split()!r}\n"
    done = run(code + "from preftemplates.__main__ import main\nmain()", folder)
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert COMMANDS[package, words] in line
    assert line.endswith(spell_install(package))


@pytest.mark.parametrize(("package", "code"), CALLS)
def test_a_call_raises_an_error_of_ours_that_is_an_import_error(folder, package, code):
    done = run(HIDING.format(hidden=[package]) + code, folder)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("preftemplates.errors.MissingPackageError: ")
    assert CALLS[package, code] in last
    assert issubclass(MissingPackageError, ImportError)
    assert issubclass(MissingPackageError, PrefTemplatesError)


def test_the_versions_are_those_that_this_library_needs_and_it_is_never_named():
    command = spell_install("pyarrow", "huggingface_hub", "liger-kernel")
    assert "'pyarrow>=" in command
    assert "'huggingface-hub>=" in command
    assert command.endswith(" liger-kernel")
    assert "preftemplates" not in command.replace("pipx inject preftemplates", "")


@pytest.mark.parametrize(
    ("installer", "prefix", "command"),
    [
        ("pip\n", "/env", "pip install"),
        ("uv", "/env", "uv pip install"),
        (None, "/env", "pip install"),
        ("pip", "/home/me/.local/pipx/venvs/preftemplates", "pipx inject preftemplates"),
    ],
)
def test_the_command_is_that_of_the_tool_that_installed_this_library(monkeypatch, installer, prefix, command):
    class Distribution:
        requires = ('pyarrow>=20; extra == "arrow"',)

        def read_text(self, name):
            assert name == "INSTALLER"
            return installer

    monkeypatch.setattr(metadata, "distribution", lambda _: Distribution())
    monkeypatch.setattr(sys, "prefix", prefix)
    assert extras.spell_install("pyarrow") == f"{command} 'pyarrow>=20'"


def test_a_source_that_was_not_installed_names_the_package_alone(monkeypatch):
    def fail(_):
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(metadata, "distribution", fail)
    assert extras.spell_install("pyarrow").endswith(" pyarrow")


def test_what_a_package_itself_lacks_is_named():
    with pytest.raises(MissingPackageError, match=r"it is needed, which needs no_such_package: .* no_such_package"):
        import_extra("no_such_package.inner", "it is needed")


def test_a_package_that_is_there_and_damaged_is_not_installed_again(monkeypatch):
    def fail(_):
        raise ImportError("GLIBCXX_3.4.30 not found")

    monkeypatch.setattr(extras, "import_module", fail)
    with pytest.raises(MissingPackageError, match="pyarrow cannot be imported: GLIBCXX") as caught:
        import_extra("pyarrow", "the output is Parquet")
    assert "install" not in str(caught.value)
