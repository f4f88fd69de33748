"""Third parties add templates by entry points, without a line changed here."""

import subprocess
import sys

import pytest

PLANTS = '''
"""Plants: a question and two answers."""

from preftemplates import Preference, RowModel, Template, register_template


@register_template("Plants")
class Plants(Template):
    class Row(RowModel):
        q: str
        good: str
        bad: str

    preference = Preference(prompt="{{ q }}", chosen="{{ good }}", rejected="{{ bad }}")
'''


def install(folder, module, entry_points):
    (folder / "plants.py").write_text(module)
    info = folder / "plants-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plants\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[preftemplates.templates]\n{entry_points}\n")


def run(folder, code):
    prefix = f"import sys; sys.path.insert(0, {str(folder)!r})\nfrom preftemplates import *\n"
    done = subprocess.run([sys.executable, "-c", prefix + code], capture_output=True, text=True)
    return done.stdout, done.stderr


def test_an_installed_package_adds_a_template_that_is_loaded_when_asked_for(tmp_path):
    install(tmp_path, PLANTS, "Plants = plants")
    code = """
assert "Plants" in list_templates() and "plants" not in sys.modules
print(get_template("Plants").with_dialect("text").format({"q": "q", "good": "g", "bad": "b"}, "preference")["chosen"])
"""
    out, err = run(tmp_path, code)
    assert out == "g<|im_end|>\n\n", err


def test_an_entry_that_registers_another_name_is_refused(tmp_path):
    install(tmp_path, PLANTS, "Trees = plants")
    _, err = run(tmp_path, "get_template('Trees')")
    assert (
        "DefinitionError: the entry point 'Trees' (plants) of plants 1.0 does not register a template with that name"
        in err
    )


def test_an_entry_that_takes_a_bundled_name_is_refused_with_both_places(tmp_path):
    install(tmp_path, PLANTS.replace('"Plants")', '"HH")'), "Plants = plants")
    _, err = run(tmp_path, "get_template('Plants')")
    assert "two templates are named 'HH': preftemplates.templates.bundled.hh_rlhf.HH" in err
    assert "plants.Plants" in err


def run_command(folder, *words):
    code = f"import sys; sys.path.insert(0, {str(folder)!r}); from preftemplates.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def test_an_entry_that_takes_a_bundled_name_leaves_the_bundled_one_and_is_a_line(tmp_path):
    install(tmp_path, PLANTS.replace('"Plants")', '"HH")'), "HH = plants")
    out, err = run(tmp_path, "print(get_template('HH').about.dataset, 'plants' in sys.modules)")
    assert out == "Anthropic/hh-rlhf False\n", err
    code, out, err = run_command(tmp_path, "list", "templates")
    assert (code, "HH-helpful-standard" in out) == (0, True)
    line = "warning: the entry point 'HH' (plants) of plants 1.0 is ignored: the template 'HH' is bundled"
    assert err.splitlines() == [line]


BREAKS = {
    "raise RuntimeError('boom at import')": "cannot be loaded: RuntimeError: boom at import",
    "import no_such_module": "cannot be loaded: ModuleNotFoundError: No module named 'no_such_module'",
    "import sys; sys.exit(3)": "cannot be loaded: SystemExit: 3",
    "this is": "cannot be loaded: SyntaxError: invalid syntax (plants.py, line 1)",
    "": "does not register a template with that name",
}


@pytest.mark.parametrize("module", BREAKS)
def test_an_entry_that_cannot_be_loaded_is_a_line_and_breaks_no_command(module, tmp_path):
    install(tmp_path, module, "Broken = plants")
    line = f"the entry point 'Broken' (plants) of plants 1.0 {BREAKS[module]}"
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "a", "chosen": "b", "rejected": "c"}\n')
    for words in (["list", "templates"], ["detect", str(rows)]):
        code, out, err = run_command(tmp_path, *words)
        assert (code, "TRL" in out) == (0, True)
        assert err.splitlines() == [f"warning: {line}"]
    code, _, err = run_command(tmp_path, "check", str(rows), "-t", "Broken")
    assert (code, err) == (2, f"error: {line}\n")
    code = "from preftemplates.data.detect import detect_templates; print(detect_templates([{'prompt': 'a'}]))"
    assert run(tmp_path, code)[1] == ""
    assert "UnknownNameError" in run(tmp_path, "get_template('nobody/no-such-dataset')")[1]
    _, err = run(tmp_path, "get_template('Broken')")
    assert f"DefinitionError: {line}" in err
