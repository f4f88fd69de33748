import pickle
import sys
from types import ModuleType

import planted
import pytest
from datasets.fingerprint import Hasher
from planted import BUNDLED_STYLES, BUNDLED_TEMPLATES, CHATML, PKU

from preftemplates import Dialect, Style, get_style, get_template
from preftemplates.testing import check_laws, every_one_pickles_and_equal_ones_hash_equal
from preftemplates.testing.demands import get_outcome

TEMPLATES = [get_template(name) for name in BUNDLED_TEMPLATES]
STYLES = [get_style(name) for name in BUNDLED_STYLES]

SOURCE = """
from preftemplates import Preference, RowModel, Style, Template

class Mine(Template):
    class Row(RowModel):
        prompt: str
        chosen: str
        rejected: str

    preference = Preference(prompt="{{ prompt }}", chosen="{{ chosen | trim }}", rejected="{{ rejected }}")
    example = {"prompt": "Hi", "chosen": " yes ", "rejected": "no"}

class Shout(Style):
    user = "Q: {{ content }}!\\n"
    assistant = "A: {{ content }}!\\n"
    stop = "!"
"""


@pytest.fixture
def elsewhere():
    """A module that no other process can import."""
    module = ModuleType("elsewhere")
    sys.modules["elsewhere"] = module
    exec(SOURCE, module.__dict__)
    yield module
    del sys.modules["elsewhere"]


def test_every_template_pickles_and_equal_ones_hash_equal():
    every_one_pickles_and_equal_ones_hash_equal(*TEMPLATES, *STYLES)


def test_every_template_pickles_with_another_style_and_dialect():
    every_one_pickles_and_equal_ones_hash_equal(
        *(template.with_style("zephyr").with_dialect("text") for template in TEMPLATES[::4])
    )


def test_no_module_is_needed_to_load_one(elsewhere):
    template, style = elsewhere.Mine(), elsewhere.Shout()
    every_one_pickles_and_equal_ones_hash_equal(template, style, template.with_style(style))


def test_different_ones_differ():
    changed = [
        PKU,
        PKU.with_style("zephyr"),
        PKU.with_dialect("text"),
        PKU.with_ties("half"),
        PKU.with_pairs("adjacent"),
    ]
    assert len({thing.digest for thing in changed}) == len({*changed}) == len(changed)
    everything = [*TEMPLATES, *STYLES, *changed]
    assert len({thing.digest for thing in everything}) == len({*everything})
    assert len({style.digest for style in STYLES}) == len(STYLES)
    declared = {thing.parts for thing in TEMPLATES}  # rows of the same columns have equal templates
    assert len({thing.digest for thing in TEMPLATES}) == len(declared)


def test_equal_ones_hash_equal_whatever_they_are_called():
    one, other = PKU.with_style(CHATML), PKU.with_style(Style.of(CHATML.layout, "another-name"))
    assert one == other
    assert (one.digest, hash(one)) == (other.digest, hash(other))


def test_templates_in_different_styles_differ_whatever_these_are_called():
    one, other = (
        PKU.with_style(
            Style.from_chat_template("{% for each in messages %}" + mark + "{{ each.content }}{% endfor %}")
        )
        for mark in "<>"
    )
    assert one != other
    assert one.digest != other.digest


def test_templates_in_different_dialects_differ_whatever_these_are_called():
    class One(Dialect):
        preference = {"better": "prompt+chosen", "worse": "prompt+rejected"}

    class Other(Dialect):
        preference = {"chosen": "prompt+chosen", "rejected": "prompt+rejected"}

    assert PKU.with_dialect(One()) != PKU.with_dialect(Other())
    assert PKU.with_dialect(One()).digest != PKU.with_dialect(Other()).digest


def test_use_changes_no_pickle_and_no_fingerprint():
    for template in TEMPLATES:
        unused = pickle.loads(pickle.dumps(template))
        before = Hasher.hash(unused), pickle.dumps(unused)
        for format in template.formats:
            get_outcome(unused.render, template.example, format)
        assert (Hasher.hash(unused), pickle.dumps(unused)) == before


class Unpicklable(planted.Thing):
    """It cannot be pickled, since its class is found under no name."""


Unpicklable.__qualname__ = "Hidden"


FAULTS = [
    planted.HashedByChance,
    planted.HashedByIdentity,
    planted.EqualToItselfOnly,
    planted.LosingItsName,
    planted.FormattingByChance,
]


def test_one_that_pickles_rightly_passes():
    every_one_pickles_and_equal_ones_hash_equal(planted.Thing("right"))


@pytest.mark.parametrize("fault", FAULTS)
def test_one_that_pickles_wrongly_is_caught(fault):
    with pytest.raises(AssertionError, match=r"is not equal|behaves differently"):
        every_one_pickles_and_equal_ones_hash_equal(CHATML, fault("wrong"))


def test_one_that_does_not_pickle_is_caught():
    with pytest.raises(AssertionError, match="every one pickles and equal ones hash equal: does not hold"):
        check_laws(Unpicklable("wrong"), laws=[every_one_pickles_and_equal_ones_hash_equal])


def test_one_that_needs_its_module_is_caught(elsewhere):
    class Needing(planted.Thing):
        __module__ = "elsewhere"

    Needing.__qualname__ = "Needing"
    elsewhere.Needing = Needing
    with pytest.raises(AssertionError, match=r"(?s)a fresh process fails: .*No module named 'elsewhere'"):
        every_one_pickles_and_equal_ones_hash_equal(Needing("wrong"))
