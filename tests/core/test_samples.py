"""A sample is one prompt and its responses; its class is the format."""

import dataclasses
import math
import re

import pytest
from support import in_new_process

from preftemplates import Preference, PromptOnly, RowModel, Sample, Supervised, Template, get_template
from preftemplates.core.python_files import run_source
from preftemplates.core.samples import SAMPLE_TYPES, Judge, Ranked, Scored, Stepwise, Unpaired, list_formats
from preftemplates.errors import DefinitionError, RowError, UnknownNameError


@pytest.mark.parametrize(
    ("kind", "name", "responses", "labels"),
    [
        (PromptOnly, "prompt_only", (), ("answer", "source")),
        (Supervised, "supervised", ("completion",), ()),
        (
            Preference,
            "preference",
            ("chosen", "rejected"),
            ("margin", "probability", "chosen_safe", "rejected_safe"),
        ),
        (Unpaired, "unpaired", ("completion",), ("label",)),
        (Ranked, "ranked", ("completions",), ("ranks", "scores")),
        (Scored, "scored", ("completion",), ("score", "attributes")),
        (Stepwise, "stepwise", ("completions",), ("labels",)),
        (Judge, "judge", ("completion",), ("verdict",)),
    ],
)
def test_a_format_is_named_by_its_class_and_holds_a_prompt_responses_and_labels(kind, name, responses, labels):
    assert (kind.format, kind.response_names, tuple(kind.label_types)) == (name, responses, labels)
    assert SAMPLE_TYPES.get(name) is kind


def test_responses_are_named_by_their_fields_and_those_of_a_tuple_by_their_place():
    assert Preference(prompt="p", chosen="c", rejected="r").responses == {"chosen": "c", "rejected": "r"}
    ranked = Ranked(prompt="p", completions=("a", "b"), ranks=[0, 1])
    assert ranked.responses == {"completions[0]": "a", "completions[1]": "b"}
    assert ranked.map(len, str.upper) == Ranked(prompt=1, completions=("A", "B"), ranks=[0, 1])


PAIR = {"prompt": "p", "chosen": "c", "rejected": "r"}
RANKED = {"prompt": "p", "completions": ("a", "b")}


@pytest.mark.parametrize(
    ("sample", "code"),
    [
        (Preference(**PAIR, margin="1"), "wrong_type"),
        (Preference(**PAIR, margin=True), "wrong_type"),
        (Preference(**PAIR, margin=math.inf), "wrong_type"),
        (Preference(**PAIR, margin=-1), "bad_label"),
        (Preference(**PAIR, margin=-5e-324), "bad_label"),
        (Preference(**PAIR, probability=0.4), "bad_label"),
        (Preference(**PAIR, probability=math.nextafter(0.5, 0)), "bad_label"),
        (Preference(**PAIR, probability=math.nextafter(1, 2)), "bad_label"),
        (Preference(**PAIR, probability=1.5), "bad_label"),
        (Unpaired(prompt="p", completion="c", label=1), "wrong_type"),
        (Ranked(**RANKED, ranks=[0]), "bad_label"),
        (Ranked(**RANKED, ranks=[0, None]), "wrong_type"),
        (Ranked(**RANKED, ranks=[0, 1], scores=[1.0]), "bad_label"),
        (Scored(prompt="p", completion="c", score=math.nan), "wrong_type"),
        (Scored(prompt="p", completion="c", score=1, attributes={"a": "b"}), "wrong_type"),
        (Stepwise(**RANKED, labels=[True]), "bad_label"),
        (Stepwise(**RANKED, labels=[True, 0]), "wrong_type"),
        (Judge(prompt="p", completion="c", verdict="C"), "bad_label"),
    ],
)
def test_labels_that_say_what_cannot_be_are_refused(sample, code):
    with pytest.raises(RowError) as caught:
        sample.check_labels()
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("sample", "tie"),
    [
        (Preference(**PAIR), False),
        (Preference(**PAIR, margin=0), True),
        (Preference(**PAIR, margin=0.0, probability=0.7), True),
        (Preference(**PAIR, margin=5e-324), False),
        (Preference(**PAIR, probability=0.5), True),
        (Preference(**PAIR, margin=2, probability=0.5), True),
        (Preference(**PAIR, probability=math.nextafter(0.5, 1)), False),
        (Preference(**PAIR, probability=1), False),
        (Ranked(**RANKED, ranks=[1, 1]), True),
        (Ranked(**RANKED, ranks=[0, 1]), False),
        (Ranked(prompt="p", completions=("a", "b", "c"), ranks=[0, 1, 1]), False),
        (Ranked(**RANKED, ranks=[0, 1], scores=[1, 1]), False),
        (Unpaired(prompt="p", completion="c", label=False), False),
    ],
)
def test_a_tie_is_what_the_labels_say(sample, tie):
    sample.check_labels()
    assert sample.is_tie is tie


@pytest.mark.parametrize(
    ("name", "says"), [("prefrence", "'preference'"), ("promptonly", "'prompt_only'"), ("x", "Choose from")]
)
def test_an_unknown_format_is_answered_with_the_nearest_or_all(name, says):
    with pytest.raises(UnknownNameError, match=says):
        SAMPLE_TYPES.get(name)


def test_a_sample_is_frozen_and_compares_by_value():
    sample = Supervised(prompt="p", completion="c")
    with pytest.raises(dataclasses.FrozenInstanceError):
        sample.prompt = "q"
    assert sample == Supervised(prompt="p", completion="c") != Supervised(prompt="p", completion="d")


@pytest.mark.parametrize("annotation", ["T", None])
def test_a_new_format_is_one_class_and_what_is_no_response_in_it_is_a_label(annotation):
    from typing import Any

    from preftemplates.core.samples import T

    body = {"completion": annotation or T, "label": "bool", "note": "T | str"}
    kind: Any = dataclasses.dataclass(frozen=True, kw_only=True)(
        type("HalfSeen", (Sample,), {"__annotations__": body, "__module__": __name__})
    )
    assert (kind.format, kind.response_names, tuple(kind.label_types)) == (
        "half_seen",
        ("completion",),
        ("label", "note"),
    )
    assert SAMPLE_TYPES.get("half_seen").__name__ == "HalfSeen"
    sample = kind(prompt=["p"], completion=["c"], label=True, note="n")
    assert sample.label_values == {"label": True, "note": "n"}
    assert sample.map(str, len) == kind(prompt="['p']", completion=1, label=True, note="n")


OWN = """
from dataclasses import dataclass
from typing import TypeVar
from preftemplates import Sample

T = TypeVar("T")

@dataclass(frozen=True, kw_only=True)
class {name}({base}):
    good: T
    bad: T
"""


@pytest.mark.parametrize("name", ["Preference", "Supervised", "PromptOnly", "Judge"])
@pytest.mark.parametrize("base", ["Sample[T]", "__import__('preftemplates').Preference[T]"])
def test_a_class_of_one_s_own_with_a_taken_name_is_refused_with_both_places(name, base):
    known = get_template("PKUSafeRLHF")
    before = known.format(known.example, "preference")
    with pytest.raises(DefinitionError) as caught:
        run_source("garden.py", OWN.format(name=name, base=base))
    format, message = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(), caught.value.message
    assert message.startswith(f"two dataset types are named {format!r}: preftemplates.core.samples.{name} (")
    assert message.endswith(f" and {name} (garden.py)")
    assert known.format(known.example, "preference") == before
    assert get_template("HH").format(get_template("HH").example, "preference")


def test_two_of_one_s_own_in_two_files_are_refused_and_one_whose_text_changed_is_not():
    first = run_source("one.py", OWN.format(name="Duel", base="Sample[T]"))
    places = r"two dataset types are named 'duel': Duel \(one.py\) and Duel \(two.py\)"
    with pytest.raises(DefinitionError, match=places):
        run_source("two.py", OWN.format(name="Duel", base="Sample[T]"))
    assert SAMPLE_TYPES.get("duel") is first.Duel
    again = run_source("one.py", OWN.format(name="Duel", base="Sample[T]") + "    tie: bool = False\n")
    assert SAMPLE_TYPES.get("duel") is again.Duel
    assert again.Duel.label_types == {"tie": bool}


def test_a_cell_that_runs_twice_replaces_its_class_and_templates_fill_the_new_one():
    namespace = {"__name__": "__main__"}
    exec(OWN.format(name="Cell", base="Sample[T]"), namespace)
    first = namespace["Cell"]
    exec(OWN.format(name="Cell", base="Sample[T]"), namespace)
    assert SAMPLE_TYPES.get("cell") is namespace["Cell"] is not first

    class Rows(Template):
        class Row(RowModel):
            q: str

        cell = namespace["Cell"](prompt="{{ q }}", good="{{ q }}", bad="no")

    assert type(Rows().extract({"q": "x"}, "cell")) is namespace["Cell"]


def test_a_spawned_main_module_is_the_main_module():
    for module in ("__main__", "__mp_main__"):
        exec(OWN.format(name="Spawned", base="Sample[T]"), {"__name__": module})
    assert SAMPLE_TYPES.get("spawned").__module__ == "__mp_main__"


def test_a_private_class_is_a_base_and_no_dataset_type():
    module = run_source("private.py", OWN.format(name="_Rated", base="Sample[T]"))
    assert not [name for name in list_formats() if "rated" in name]
    exec("@dataclass(frozen=True, kw_only=True)\nclass Rated(_Rated[T]):\n    score: float\n", vars(module))
    assert list_formats()[-1] == "rated"
    assert SAMPLE_TYPES.get("rated").response_names == ("good", "bad")


def test_a_class_with_slots_is_made_twice_and_registered_once():
    source = OWN.format(name="Slotted", base="Sample[T]").replace("kw_only=True", "kw_only=True, slots=True")
    kind = run_source("slotted.py", source).Slotted
    assert SAMPLE_TYPES.get("slotted") is kind
    assert kind(prompt="p", good="g", bad="b").responses == {"good": "g", "bad": "b"}


def test_a_template_with_a_dataset_type_of_one_s_own_works_in_a_fresh_process():
    template = run_source("fresh.py", OWN.format(name="Fresh", base="Sample[T]") + ROWS).make()
    row = {"q": "Mint?", "a": "Shade.", "b": "Sun."}
    expected = [template.format(row, "fresh"), template.digest]
    code = "template, row = payload\nanswer = [template.format(row, 'fresh'), template.digest]"
    assert in_new_process(code, (template, row)) == expected


ROWS = """
from preftemplates import Dialect, RowModel, Template

class Keys(Dialect):
    fresh = {"ask": "prompt.content", "good": "good.content", "bad": "bad.content"}

class Mine(Template):
    class Row(RowModel):
        q: str
        a: str
        b: str

    fresh = Fresh(prompt="{{ q }}", good="{{ a }}", bad="{{ b }}")

def make():
    return Mine().with_dialect(Keys())
"""
