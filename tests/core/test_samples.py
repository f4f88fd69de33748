"""A sample is one prompt and its responses; its class is the format."""

import dataclasses
import math

import pytest

from preftemplates import Preference, PromptOnly, Sample, Supervised
from preftemplates.core.samples import SAMPLE_TYPES, Judge, Ranked, Scored, Stepwise, Unpaired
from preftemplates.errors import RowError, UnknownNameError


@pytest.mark.parametrize(
    ("kind", "name", "responses", "labels"),
    [
        (PromptOnly, "prompt_only", (), ()),
        (Supervised, "supervised", ("completion",), ()),
        (Preference, "preference", ("chosen", "rejected"), ("margin", "probability")),
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
    ("name", "says"), [("prefrence", "'preference'"), ("promptonly", "'prompt_only'"), ("x", "There are")]
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
