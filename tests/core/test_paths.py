"""Paths of values have one grammar: any keys and indexes can be spelled, and are read back as they were."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from preftemplates.core.paths import (
    column_of,
    ends_in_key,
    extend_path,
    find_common_path,
    leads_into,
    list_parts,
    name_cell,
    parse_path,
    spell_path,
    split_path,
)
from preftemplates.core.provenance import Traced, derived, trace_texts
from preftemplates.templates.row_types import read_row_type

ODD_KEYS = ["", ".", "a.b", "a[0]", '["a"]', '"', "'", "\\", '\\"', "a\nb", "0", "-1", " ", "é.ü", "type", "\u2028"]
KEYS = st.sampled_from(ODD_KEYS) | st.text(max_size=5) | st.text("a0.[]\"'\\\n -", max_size=5)
STEPS = st.lists(KEYS | st.integers(), max_size=5).map(tuple)


@given(STEPS)
@example(("", "", 0, "0", -1))
def test_the_steps_of_a_path_are_read_as_they_were_spelled(steps):
    assert parse_path(spell_path(steps)) == steps


@given(STEPS, STEPS)
def test_two_paths_are_the_same_only_if_their_steps_are(steps, others):
    assert (spell_path(steps) == spell_path(others)) == (steps == others)


@given(KEYS, STEPS)
def test_a_path_is_split_into_its_first_step_and_the_path_from_there(column, steps):
    path = spell_path((column, *steps))
    first, rest = split_path(path)
    assert (first, parse_path(rest)) == (column, steps)
    assert column_of(path) == column


@given(STEPS, STEPS)
def test_a_path_leads_into_those_that_begin_with_its_steps(steps, others):
    assert leads_into(spell_path(steps), spell_path(others)) == (others[: len(steps)] == steps)
    assert leads_into(spell_path(steps), spell_path((*steps, *others)))


@given(STEPS, st.lists(STEPS, min_size=1, max_size=3))
def test_what_paths_have_in_common_are_the_steps_that_all_begin_with(steps, ends):
    paths = [(*steps, *end) for end in ends]
    common = max(count for count in range(len(paths[0]) + 1) if len({path[:count] for path in paths}) == 1)
    assert find_common_path(map(spell_path, paths)) == spell_path(paths[0][:common])


@given(STEPS.filter(len))
def test_a_path_ends_in_a_plain_key_only_if_that_is_the_last_of_several_steps(steps):
    assert ends_in_key(spell_path(steps), "type") == (len(steps) > 1 and steps[-1] == "type")
    assert ends_in_key(spell_path((*steps, "type")), "type")


@pytest.mark.parametrize(
    "text",
    [
        ".a",
        "a.",
        "a..b",
        "a[",
        "a]",
        "a[01]",
        "a[-0]",
        "a[x]",
        'a["x]',
        'a"',
        "[",
        "a[1]b",
        r'["\q"]',
        'a.["b"]',
        '["\n"]',
    ],
)
def test_what_is_not_a_path_is_refused(text):
    with pytest.raises(ValueError, match="expected a path such as"):
        parse_path(text)


def test_an_identifier_and_an_index_are_spelled_plainly():
    assert spell_path(("chosen", 1, "content")) == "chosen[1].content"
    assert spell_path(("a.b", "c.d", "e f", "7", 7)) == '["a.b"]["c.d"].e f.7[7]'


def test_an_error_calls_a_whole_column_by_its_name_and_a_part_of_one_by_its_path():
    assert [name_cell((name,)) for name in ODD_KEYS] == ODD_KEYS
    assert name_cell(("a.b", 1, "text")) == '["a.b"][1].text'


@given(st.dictionaries(KEYS, st.lists(st.dictionaries(KEYS, st.text(max_size=2), max_size=2), max_size=2), max_size=3))
def test_a_traced_text_has_the_path_that_leads_to_it(row):
    for column, items in row.items():
        traced = trace_texts(items, spell_path((column,)))
        for index, item in enumerate(items):
            for key, text in item.items():
                (piece,) = traced[index][key].pieces
                assert parse_path(piece.origin) == (column, index, key)
                assert traced[index][key] == text


def test_the_parts_of_a_nested_row_have_the_names_that_the_row_gives_them():
    model = read_row_type("{' as text': str, 'a.b as rank': int}")
    parts = list_parts(model.model_validate({"": "t", "a.b": 1}), "x")
    assert parts == [("t", 'x[""]'), (1, 'x["a.b"]')]


def test_a_number_and_a_text_are_two_keys_of_a_mapping():
    assert [path for _, path in list_parts({1: "a", "1": "b", None: "c"}, "x")] == ["x[1]", "x.1", "x.None"]


def test_a_text_that_is_derived_from_parts_under_odd_keys_comes_from_what_holds_them():
    texts = [Traced.whole("t", extend_path('["a.b"]', key)) for key in ("c.d", "c.e", "")]
    assert derived("u", texts).pieces[0].origin == '["a.b"]'
