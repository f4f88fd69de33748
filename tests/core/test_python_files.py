"""A Python file named by a path is run once, and found again in another process by its text."""

import pickle
import sys

import pytest
from support import in_new_process

from preftemplates import get_template, list_templates
from preftemplates.core import python_files
from preftemplates.errors import DefinitionError, FileError, UnknownNameError

TEMPLATE = """
from preftemplates import *

@register_filter
def {name}_shout(text):
    return text.upper() + "{mark}"

@register_template("{name}", style="plain", dialect="text")
class Mine_{name}(Template):
    class Row(RowModel):
        q: str
        a: str

    supervised = Supervised(prompt="{{{{ q }}}}", completion="{{{{ a | {name}_shout }}}}")
"""
BY_HAND = """
from preftemplates import Template, register_template

@register_template("{name}")
class Mine(Template):
    def format_prompt_only_sample(self, raw_sample):
        return {{"text": raw_sample["q"] + "{mark}"}}
"""
ROW = {"q": "why", "a": "so"}


def write(folder, *names, text=TEMPLATE, mark="!", file="mine.py"):
    path = folder / file
    path.write_text("".join(text.format(name=name, mark=mark) for name in names))
    return str(path)


def test_a_file_s_one_template_is_had_by_the_path_and_also_by_its_name_from_then_on(tmp_path):
    path = write(tmp_path, "mine")
    assert get_template(path).format(ROW, "supervised") == {"prompt": "why", "completion": "SO!"}
    assert get_template("mine") == get_template(path) == get_template(f"{path}:mine")


def test_a_path_object_is_a_path(tmp_path):
    write(tmp_path, "mine")
    assert get_template(tmp_path / "mine.py").name == "mine"


def test_of_several_templates_in_a_file_one_is_named_behind_a_colon(tmp_path):
    path = write(tmp_path, "one", "other")
    assert [get_template(f"{path}:{name}").name for name in ("one", "other")] == ["one", "other"]
    with pytest.raises(
        UnknownNameError, match=r"registers 2 templates: one, other; name one of them, as in .*mine\.py:one"
    ):
        get_template(path)
    with pytest.raises(UnknownNameError, match=r"registers no template 'othr'\. Did you mean 'other'"):
        get_template(f"{path}:othr")


def test_a_file_without_a_template_says_so(tmp_path):
    with pytest.raises(UnknownNameError, match=r"registers no template; decorate a class with @register_template"):
        get_template(write(tmp_path))


def test_a_file_is_run_once_by_whichever_path_it_is_named(tmp_path, monkeypatch):
    (tmp_path / "count.py").write_text("import sys\nsys.runs = getattr(sys, 'runs', 0) + 1\n")
    monkeypatch.setattr(sys, "runs", 0, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link.py").symlink_to(tmp_path / "count.py")
    modules = {python_files.run_file(path) for path in ("count.py", "./count.py", tmp_path / "count.py", "link.py")}
    assert (len(modules), sys.runs) == (1, 1)


def test_two_files_of_one_name_are_two_modules(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    write(tmp_path / "a", "one"), write(tmp_path / "b", "other")
    assert get_template(str(tmp_path / "a" / "mine.py")).name == "one"
    assert get_template(str(tmp_path / "b" / "mine.py")).name == "other"


def test_a_file_that_was_changed_is_run_again_and_replaces_what_it_registered(tmp_path):
    assert get_template(write(tmp_path, "mine")).format(ROW, "supervised")["completion"] == "SO!"
    assert get_template(write(tmp_path, "mine", mark="?")).format(ROW, "supervised")["completion"] == "SO?"


def test_a_file_whose_template_was_renamed_gives_the_new_one_and_the_old_name_is_gone(tmp_path):
    get_template(write(tmp_path, "before"))
    assert get_template(write(tmp_path, "after")).name == "after"
    assert "before" not in list_templates()


def test_two_files_cannot_register_one_name(tmp_path):
    first = write(tmp_path, "mine", text=BY_HAND)
    second = write(tmp_path, "mine", text=BY_HAND, file="second.py")
    get_template(first)
    with pytest.raises(DefinitionError, match="two templates are named 'mine'") as caught:
        get_template(second)
    assert first in str(caught.value)
    assert second in str(caught.value)


# --- files that cannot be used -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a = 1\nb = 1 / 0\n", 2, "ZeroDivisionError: division by zero"),
        ("\n\ndef f():\n    raise KeyError('k')\n\nf()\n", 4, "KeyError: 'k'"),
        ("a = 1\nif a:\nb = 2\n", 3, "IndentationError"),
        ("(\n", 1, "SyntaxError: '(' was never closed"),
        ("import nonsense_that_is_not_installed\n", 1, "ModuleNotFoundError: No module named"),
        ("\n\nimport json\njson.loads('{')\n", 4, "JSONDecodeError"),
    ],
)
def test_a_file_that_raises_is_named_with_the_line_and_the_error(tmp_path, text, line, says):
    path = tmp_path / "broken.py"
    path.write_text(text)
    for _ in range(2):
        with pytest.raises(FileError) as caught:
            get_template(str(path))
        assert (caught.value.file, caught.value.line) == (str(path), line)
        assert str(caught.value).startswith(f"broken.py line {line}: running it raises {says}")


@pytest.mark.parametrize("text", ["raise SystemExit(3)", "import sys\nsys.exit('bye')"])
def test_a_file_that_exits_does_not_end_the_program(tmp_path, text):
    (tmp_path / "quits.py").write_text(text)
    with pytest.raises(FileError, match="SystemExit"):
        get_template(str(tmp_path / "quits.py"))


def test_an_error_of_this_library_in_a_file_passes_as_it_is(tmp_path):
    (tmp_path / "wrong.py").write_text("from preftemplates import *\nget_style('chat-mll')\n")
    with pytest.raises(UnknownNameError, match="Did you mean 'chatml'"):
        get_template(str(tmp_path / "wrong.py"))


def test_a_file_that_cannot_be_read_says_why_in_one_line(tmp_path):
    (tmp_path / "latin.py").write_bytes(b"a = '\xe9'")
    (tmp_path / "null.py").write_bytes(b"a = 1\0")
    (tmp_path / "folder.py").mkdir()
    for name, says in [
        ("missing.py", "No such file or directory"),
        ("latin.py", "it is not UTF-8"),
        ("folder.py", "Is a directory"),
        ("null.py", "null bytes"),
        ("a\0b.py", "null byte"),
    ]:
        with pytest.raises(FileError, match=says) as caught:
            get_template(str(tmp_path / name))
        assert "\n" not in str(caught.value)


def test_a_mended_file_works(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(TEMPLATE.format(name="mine", mark="!") + "\n1 / 0\n")
    with pytest.raises(FileError):
        get_template(str(path))
    assert get_template(write(tmp_path, "mine")).name == "mine"


# --- in another process --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "format"), [(TEMPLATE, "supervised"), (BY_HAND, "prompt_only")])
@pytest.mark.parametrize("gone", [False, True], ids=["file there", "file gone"])
def test_a_template_from_a_file_loads_in_a_process_that_cannot_import_it(tmp_path, text, format, gone):
    path = write(tmp_path, "mine", text=text)
    template = get_template(path)
    digest = template.digest
    if gone:
        (tmp_path / "mine.py").unlink()
    code = """
template, row, format = payload
answer = [template.format(row, format), template.digest, hash(template) % 2**61, template.name]
"""
    assert in_new_process(code, (template, ROW, format)) == [
        template.format(ROW, format), digest, hash(template) % 2**61, "mine",
    ]  # fmt: skip
    assert pickle.loads(pickle.dumps(template)) == template


@pytest.mark.parametrize(("text", "format"), [(TEMPLATE, "supervised"), (BY_HAND, "prompt_only")])
def test_a_template_whose_file_changed_meanwhile_stays_what_it_was(tmp_path, text, format):
    template = get_template(write(tmp_path, "mine", text=text))
    before, digest = template.format(ROW, format), template.digest
    changed = get_template(write(tmp_path, "mine", text=text, mark="?"))
    assert changed.format(ROW, format) != before
    assert changed != template
    assert changed.digest != digest
    assert template.format(ROW, format) == before
