"""Things are found by name: the package's own, third parties' entry points, and what users register."""

import sys
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any

import pytest
from support import STYLE_NAMES, TEMPLATE_NAMES, in_new_process

from preftemplates import get_style, get_template, list_styles, list_templates, register_style
from preftemplates.core import registry
from preftemplates.core.registry import DefinitionSite, Registry
from preftemplates.errors import DefinitionError, UnknownNameError

CAT = """
import animals
from preftemplates.core.registry import DefinitionSite
animals.REGISTRY.register("cat", "meow", DefinitionSite(__name__, "Cat"))
"""


@pytest.fixture
def animals(tmp_path, monkeypatch):
    """A package with one module that registers a cat; returns its folder, and the module holds the registry."""
    folder = tmp_path / "zoo"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "cat.py").write_text(CAT)
    monkeypatch.syspath_prepend(tmp_path)
    holder: Any = ModuleType("animals")
    holder.REGISTRY = Registry("animal", "zoo", "zoo")
    monkeypatch.setitem(sys.modules, "animals", holder)
    yield holder.REGISTRY, folder
    registry._REGISTRIES.remove(holder.REGISTRY)
    for name in [name for name in sys.modules if name.partition(".")[0] == "zoo"]:
        del sys.modules[name]


def site_of(qualname: str) -> DefinitionSite:
    return DefinitionSite(__name__, qualname)


@pytest.mark.parametrize("name", ["cat", "Cat", "cat-2.0_b", "7", "a"])
def test_a_name_is_letters_digits_dots_dashes_and_underscores(name):
    animals = Registry("animal", "preftemplates.styles.bundled", "preftemplates.styles")
    animals.register(name, 1, site_of("x"))
    assert animals.get(name) == 1


@pytest.mark.parametrize(
    "name",
    ["", " ", "a b", "a/b", "../a", "-a", ".a", "_a", "a\n", "a:b", "кот", "é", "a\x1b", None, 5, ("a",)],
    ids=repr,
)
def test_any_other_name_is_refused(name):
    with pytest.raises(DefinitionError, match="animal name may have only A-Z"):
        Registry("animal", "preftemplates.styles.bundled", "preftemplates.styles").register(name, 1, site_of("x"))


def test_fault_18_a_second_thing_of_one_name_is_refused_and_the_first_stays():
    animals = Registry("animal", "preftemplates.styles.bundled", "preftemplates.styles")
    animals.register("cat", "first", site_of("Cat"))
    with pytest.raises(DefinitionError, match="two animals are named 'cat'") as caught:
        animals.register("cat", "second", DefinitionSite("elsewhere", "Cat"))
    assert f"{__name__}.Cat ({__file__})" in str(caught.value)
    assert "elsewhere.Cat" in str(caught.value)
    assert animals.get("cat") == "first"


CELL = """
from preftemplates import Style, register_style

@register_style("{name}")
class {kind}(Style):
    assistant = "{head}{{{{ content }}}}"
"""


def run_cell(name: str = "mine", kind: str = "Mine", head: str = "A", module: str = "__notebook__") -> None:
    exec(CELL.format(name=name, kind=kind, head=head), {"__name__": module})


def test_running_a_notebook_cell_again_replaces_what_it_registered():
    run_cell(head="A")
    run_cell(head="B")
    assert get_style("mine").render([{"role": "assistant", "content": "x"}]).text == "Bx"


@pytest.mark.parametrize("other", [{"kind": "Other"}, {"module": "elsewhere"}])
def test_another_class_or_module_cannot_take_the_name_of_a_cell(other):
    run_cell()
    with pytest.raises(DefinitionError) as caught:
        run_cell(**other)
    assert "__notebook__.Mine" in str(caught.value)
    assert other.get("module", "__notebook__") + "." in str(caught.value)


def test_a_bundled_name_cannot_be_taken_and_the_message_names_both_files():
    with pytest.raises(DefinitionError, match="two styles are named 'chatml'") as caught:
        run_cell(name="chatml")
    assert "styles/bundled/chatml.py" in str(caught.value).replace("\\", "/")
    assert "__notebook__.Mine" in str(caught.value)


def test_a_bundled_name_is_refused_at_once_in_a_fresh_process_too():
    code = f"""
from preftemplates import get_style
answer = []
try:
    exec({CELL.format(name="chatml", kind="Mine", head="A")!r}, {{"__name__": "__notebook__"}})
except TypeError as error:
    answer.append(str(error))
answer.append(get_style("chatml").stop)
"""
    refusal, stop = in_new_process(code)
    assert "two styles are named 'chatml'" in refusal
    assert stop == "<|im_end|>"


def test_a_class_of_another_kind_is_refused():
    for thing in (5, dict, "chatml", lambda: None):
        with pytest.raises(DefinitionError, match="is not a subclass of Style"):
            register_style("mine")(thing)
    assert "mine" not in list_styles()


# --- finding -------------------------------------------------------------------------------------------------------


def test_a_package_s_modules_register_themselves_when_something_is_first_asked_for(animals):
    registry, _ = animals
    assert "zoo.cat" not in sys.modules
    assert registry.names() == ["cat"]
    assert registry.get("cat") == "meow"
    assert registry.names_from("zoo.cat") == ["cat"]


def test_a_new_file_is_all_that_a_new_item_takes(animals):
    registry, folder = animals
    (folder / "dog.py").write_text(CAT.replace("cat", "dog").replace("meow", "woof"))
    assert registry.names() == ["cat", "dog"]


def test_a_module_that_fails_says_so_each_time_and_works_once_it_is_mended(animals):
    registry, folder = animals
    (folder / "dog.py").write_text("1 / 0")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            registry.names()
    (folder / "dog.py").write_text(CAT.replace("cat", "dog") + "# mended\n")
    assert registry.names() == ["cat", "dog"]


def test_a_bundled_name_is_found_without_an_import_of_the_other_files(animals):
    registry, folder = animals
    (folder / "dog.py").write_text("1 / 0")
    assert registry.get("cat") is not None
    assert registry.find("cat") == "cat"
    with pytest.raises(ZeroDivisionError):
        registry.get("cow")


def test_names_are_sorted_without_regard_to_case():
    animals = Registry("animal", "preftemplates.templates.filters", "preftemplates.filters")
    for name in ("b", "A", "C", "a"):
        animals.register(name, 1, site_of(name))
    assert [name for name in animals.names() if len(name) == 1] == ["A", "a", "b", "C"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("chat-mll", "no style 'chat-mll'. Did you mean 'chatml'?"),
        ("CHAT.ML", "no style 'CHAT.ML'. Did you mean 'chatml'?"),
        ("\x1b[31m\n", r"no style '\x1b[31m\n'. `preftemplates list styles` lists all "),
        (5, "expected the name of a style as a string, got 5"),
        (None, "expected the name of a style as a string, got None"),
        (["chatml"], "expected the name of a style as a string, got ['chatml']"),
    ],
)
def test_what_is_not_there_is_answered_with_the_nearest_name_or_all(name, says):
    with pytest.raises(UnknownNameError) as caught:
        get_style(name)
    assert str(caught.value).startswith(says)


def test_every_bundled_name_is_found():
    assert [get_template(name).name for name in TEMPLATE_NAMES] == TEMPLATE_NAMES
    assert [get_style(name).name for name in STYLE_NAMES] == STYLE_NAMES
    assert {*TEMPLATE_NAMES} <= {*list_templates()}
    assert {*STYLE_NAMES} <= {*list_styles()}


def test_threads_that_ask_for_the_first_time_at_once_all_find():
    code = """
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from preftemplates import get_template
barrier = Barrier(8)
def ask(n):
    barrier.wait()
    try:
        return get_template("PKUSafeRLHF").style.name
    except Exception as error:
        return str(error)
with ThreadPoolExecutor(8) as pool:
    answer = sorted(set(pool.map(ask, range(8))))
"""
    assert in_new_process(code) == ["beginning-of-conversation"]


# --- entry points --------------------------------------------------------------------------------------------------


@pytest.fixture
def entries(monkeypatch, tmp_path):
    """Installs entry points of the group `zoo`: a name, and the text of the module that it points at."""
    points: list[EntryPoint] = []
    monkeypatch.setattr(registry, "entry_points", lambda group: [point for point in points if point.group == group])
    monkeypatch.syspath_prepend(tmp_path)

    def install(name: str, text: str, module: str) -> None:
        (tmp_path / f"{module}.py").write_text(text)
        points.append(EntryPoint(name, module, "zoo"))

    yield install
    for point in points:
        sys.modules.pop(point.value, None)


def test_an_entry_point_is_listed_unloaded_and_loaded_when_it_is_asked_for(animals, entries):
    registry, _ = animals
    entries("lion", CAT.replace("cat", "lion").replace("meow", "roar"), "zoo_lion")
    assert registry.names() == ["cat", "lion"]
    assert "zoo_lion" not in sys.modules
    assert registry.get("lion") == "roar"
    assert "zoo_lion" in sys.modules


def test_an_entry_point_that_registers_nothing_of_its_name_is_refused(animals, entries):
    registry, _ = animals
    entries("lion", CAT.replace("cat", "tiger"), "zoo_tiger")
    with pytest.raises(DefinitionError, match=r"the entry point 'lion' .* does not register an animal with that name"):
        registry.get("lion")


def test_two_packages_that_offer_one_name_are_refused_with_both_and_neither_wins_in_silence(animals, entries):
    registry, _ = animals
    entries("lion", CAT.replace("cat", "lion"), "zoo_one")
    entries("lion", CAT.replace("cat", "lion"), "zoo_other")
    with pytest.raises(DefinitionError, match=r"two animals are named 'lion'.*zoo_one.*zoo_other"):
        registry.get("lion")


def test_an_entry_point_never_takes_a_bundled_name(animals, entries):
    registry, _ = animals
    entries("cat", CAT.replace("meow", "roar"), "zoo_one")
    assert registry.get("cat") == "meow"
    assert "zoo_one" not in sys.modules
    problem = "the entry point 'cat' (zoo_one) is ignored: the animal 'cat' is bundled"
    assert registry.load_names() == (["cat"], [problem])


# --- other names ---------------------------------------------------------------------------------------------------


def test_an_alias_finds_the_item_and_is_not_listed():
    animals = Registry("animal", "preftemplates.styles.bundled", "preftemplates.styles")
    animals.register("cat", 1, site_of("Cat"), aliases=("kitty", "felis"))
    assert animals.get("kitty") == animals.get("felis") == animals.get("cat") == 1
    assert "kitty" not in animals.names()
    assert animals.aliases("cat") == ["kitty", "felis"]
    assert animals.definition_site("kitty") == site_of("Cat")
    with pytest.raises(UnknownNameError, match="Did you mean 'kitty'"):
        animals.get("kity")


def test_a_name_that_is_taken_is_no_alias_and_an_alias_is_no_name():
    animals = Registry("animal", "preftemplates.styles.bundled", "preftemplates.styles")
    animals.register("cat", 1, site_of("Cat"), aliases=("kitty",))
    animals.register("cat", 1, site_of("Cat"), aliases=("kitty",))  # a cell that is run again
    with pytest.raises(DefinitionError, match="'dog' cannot have the alias 'cat': the animal 'cat' has that name"):
        animals.register("dog", 2, site_of("Dog"), aliases=("cat",))
    with pytest.raises(DefinitionError, match="'dog' cannot have the alias 'kitty': the animal 'cat' has that name"):
        animals.register("dog", 2, site_of("Dog"), aliases=("kitty",))
    with pytest.raises(DefinitionError, match="'kitty' is an alias of the animal 'cat'"):
        animals.register("kitty", 2, site_of("Dog"))
    with pytest.raises(DefinitionError, match="animal name may have only A-Z"):
        animals.register("dog", 2, site_of("Dog"), aliases=("a b",))
    assert animals.get("cat") == 1


def test_where_there_are_many_names_and_none_is_near_the_command_that_lists_them_is_named():
    with pytest.raises(UnknownNameError, match=r"`preftemplates list templates` lists all [0-9]+"):
        get_template("qqqqq")


@pytest.mark.parametrize(
    ("count", "says"),
    [
        (12, f"Choose from: {', '.join(f'cat{n:02}' for n in range(12))}."),
        (13, "`preftemplates list animals` lists all 13."),
    ],
)
def test_up_to_twelve_names_are_listed_where_none_is_near(animals, count, says):
    registry, folder = animals
    (folder / "cat.py").write_text("".join(CAT.replace("cat", f"cat{n:02}") for n in range(count)))
    with pytest.raises(UnknownNameError) as caught:
        registry.get("qqqqq")
    assert str(caught.value) == f"no animal 'qqqqq'. {says}"
