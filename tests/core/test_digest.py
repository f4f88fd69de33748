"""Digests: one hash of canonical data, pinned for all that is bundled."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import DIALECT_NAMES, HOMEWORK, STYLE_NAMES, TEMPLATE_NAMES, assert_golden

from preftemplates import get_dialect, get_style, get_template
from preftemplates.core.digest import canonical_json, digest, short_digest
from preftemplates.core.provenance import trace_fully

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def test_every_bundled_digest_is_the_pinned_one():
    """`make digests` rewrites the file; a changed pin is a line of the changelog."""
    pinned = {
        "templates": {name: get_template(name).digest for name in TEMPLATE_NAMES},
        "styles": {name: get_style(name).digest for name in STYLE_NAMES},
        "dialects": {name: get_dialect(name).digest for name in DIALECT_NAMES},
        "users": {"HOMEWORK": get_template(str(HOMEWORK)).digest, "qwen2.5 with tools": with_tools().digest},
    }
    assert_golden("digests.json", pinned)


def with_tools():
    return get_style("qwen2.5").with_tools('[{"type": "function"}]').with_reasoning("drop")


@given(json_values)
def test_canonical_json_is_the_value_again_and_ignores_the_order_of_keys(value):
    text = canonical_json(value)
    assert text.isascii()
    assert json.loads(text) == value
    assert canonical_json(turned(value)) == text


def turned(value):
    if isinstance(value, dict):
        return {key: turned(value[key]) for key in reversed(value)}
    return [turned(item) for item in value] if isinstance(value, list) else value


@given(json_values)
def test_text_that_knows_its_origin_counts_as_its_characters(value):
    assert short_digest(trace_fully(value, "row")) == short_digest(value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        (1, 1.0),
        (0, None),
        ("1", 1),
        ([1], [[1]]),
        ({"a": None}, {}),
        ("\ud800", "\ud801"),
        ({1: 2}, {2: 1}),
    ],
)
def test_values_that_differ_have_other_digests(one, other):
    assert short_digest(one) != short_digest(other)
    assert digest("style", one) != digest("style", other)


def test_the_kind_is_part_of_a_digest():
    assert digest("style", {}) != digest("dialect", {})


def test_what_json_does_not_have_has_a_digest_too():
    assert short_digest({"a": b"x", 1: {"b", "c"}}) == short_digest({1: {"c", "b"}, "a": b"x"})
    assert short_digest([b"x"]) != short_digest([b"y"])


def test_the_text_digest_is_that_of_all_but_the_dialect():
    template = get_template("PKUSafeRLHF")
    elsewhere = template.with_dialect("text")
    assert template.text_digest == elsewhere.text_digest
    assert template.digest != elsewhere.digest
    others = [template.with_style("zephyr"), template.with_ties("half"), template.with_pairs("adjacent")]
    assert len({template.text_digest, *(other.text_digest for other in others)}) == 4
    assert get_template(str(HOMEWORK)).text_digest == get_template(str(HOMEWORK)).text_digest
