"""Third parties add templates by entry points, without a line changed here."""

import subprocess
import sys

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
    assert "DefinitionError: the entry point 'Trees' (plants) registers no template of that name" in err


def test_an_entry_that_takes_a_bundled_name_is_refused_with_both_places(tmp_path):
    install(tmp_path, PLANTS.replace('"Plants")', '"HH")'), "Plants = plants")
    _, err = run(tmp_path, "get_template('Plants')")
    assert "two templates are named 'HH': preftemplates.templates.bundled.hh_rlhf.HH" in err
    assert "plants.Plants" in err
