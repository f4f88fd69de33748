"""A sample is one prompt and k named responses; its class is the format."""

import dataclasses

import pytest

from preftemplates import Preference, PromptOnly, Sample, Supervised
from preftemplates.errors import UnknownNameError
from preftemplates.samples import FORMATS, format_class


@pytest.mark.parametrize(
    ("kind", "name", "responses"),
    [
        (PromptOnly, "prompt_only", ()),
        (Supervised, "supervised", ("completion",)),
        (Preference, "preference", ("chosen", "rejected")),
    ],
)
def test_a_format_is_named_by_its_class_and_holds_a_prompt_and_named_responses(kind, name, responses):
    assert (kind.format, kind.response_names, kind.label_names) == (name, responses, ())
    assert format_class(name) is FORMATS[name] is kind
    sample = kind(prompt="p", **{response: response[0] for response in responses})
    assert sample.responses == {response: response[0] for response in responses}


@pytest.mark.parametrize(
    ("name", "says"), [("prefrence", "'preference'"), ("promptonly", "'prompt_only'"), ("x", "There are")]
)
def test_an_unknown_format_is_answered_with_the_nearest_or_all(name, says):
    with pytest.raises(UnknownNameError, match=says):
        format_class(name)


def test_a_sample_is_frozen_and_compares_by_value():
    sample = Supervised(prompt="p", completion="c")
    with pytest.raises(dataclasses.FrozenInstanceError):
        sample.prompt = "q"
    assert sample == Supervised(prompt="p", completion="c") != Supervised(prompt="p", completion="d")


@pytest.mark.parametrize("annotation", ["T", None])
def test_a_new_format_is_one_class_and_what_is_no_response_in_it_is_a_label(annotation):
    from typing import Any

    from preftemplates.samples import T

    body = {"completion": annotation or T, "label": "bool", "note": "T | str"}
    kind: Any = dataclasses.dataclass(frozen=True, kw_only=True)(
        type("HalfSeen", (Sample,), {"__annotations__": body, "__module__": __name__})
    )
    assert (kind.format, kind.response_names, kind.label_names) == ("half_seen", ("completion",), ("label", "note"))
    assert format_class("half_seen").__name__ == "HalfSeen"
    sample = kind(prompt=["p"], completion=["c"], label=True, note="n")
    assert sample.labels == {"label": True, "note": "n"}
    assert sample.map(str, len) == kind(prompt="['p']", completion=1, label=True, note="n")
