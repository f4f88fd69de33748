"""Errors name the thing, the place, what was there and what was wanted; programs read the same facts as fields."""

import copy
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import outcome, texts

from preftemplates import Preference, RowModel, Template, get_style, get_template
from preftemplates.errors import (
    PREVIEW_LENGTH,
    Code,
    DefinitionError,
    FileError,
    MissingPackageError,
    PrefTemplatesError,
    RowError,
    SpanError,
    StyleContractError,
    StyleError,
    StyleSyntaxError,
    UnknownNameError,
    find_nearest,
    one_line,
    preview,
)
from preftemplates.templates.row_types import Index01, read_row_type
from preftemplates.templates.row_validation import RowValidator

FACTS = {
    "code": Code.BAD_LABEL, "template": "T", "style": "s", "format": "preference", "row": 0, "line": 1,
    "file": "data.jsonl", "column": "chosen[1].content", "value": {"a": [1, None]}, "hint": "'chosen'",
    "others": ("column 'b': is null",),
}  # fmt: skip

GOOD = {"prompt": "p", "response_0": "a", "response_1": "b", "better_response_id": 1}


def kinds(root: type = PrefTemplatesError) -> list[type]:
    return [root, *(kind for child in root.__subclasses__() for kind in kinds(child))]


def row_error(row: object, format: str = "preference") -> RowError:
    with pytest.raises(RowError) as caught:
        get_template("PKUSafeRLHF").format(row, format)
    return caught.value


# --- the three messages of the design ------------------------------------------------------------------------------


def test_a_mistyped_column_is_named_with_the_one_that_was_meant_and_all_there_are():
    with pytest.raises(DefinitionError) as caught:

        class PKUSafeRLHF(Template):
            class Row(RowModel):
                prompt: str
                response_0: str
                response_1: str
                better_response_id: Index01
                answer: str

            preference = Preference(prompt="{{ prompt }}", chosen="{{ respnse_0 }}", rejected="{{ response_1 }}")

    assert str(caught.value) == (
        "PKUSafeRLHF.preference.chosen reads 'respnse_0', which Row does not declare. Did you mean 'response_0'?"
        " Declared: answer, better_response_id, prompt, response_0, response_1."
    )


def test_a_bad_row_is_named_with_its_number_line_column_value_template_and_format():
    error = row_error({**GOOD, "better_response_id": 2})
    assert str(error.located(row=73412, line=73413, file="/somewhere/data.jsonl")) == (
        "row 73412 (data.jsonl line 73413), column 'better_response_id': expected 0 or 1, got 2"
        " [bad_label, template PKUSafeRLHF, format preference]"
    )


def test_an_unknown_name_is_answered_with_the_nearest_one():
    with pytest.raises(UnknownNameError) as caught:
        get_style("chat-mll")
    assert str(caught.value) == "no style 'chat-mll'. Did you mean 'chatml'?"


# --- the tree and the facts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "parents"),
    [
        (DefinitionError, {TypeError}),
        (UnknownNameError, {LookupError}),
        (RowError, {ValueError}),
        (StyleError, {ValueError}),
        (StyleSyntaxError, {StyleError}),
        (StyleContractError, {StyleError}),
        (SpanError, {ValueError}),
        (FileError, {ValueError}),
        (MissingPackageError, {ImportError}),
    ],
)
def test_each_kind_of_error_is_also_the_python_error_that_people_catch(kind, parents):
    assert all(issubclass(kind, parent) for parent in {*parents, PrefTemplatesError})


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])
def test_an_error_pickles_and_copies_with_all_its_facts(kind, twin):
    assert set(FACTS) == set(PrefTemplatesError.FACTS)
    error = twin(kind("expected 0 or 1", **FACTS))
    assert type(error) is kind
    assert {name: getattr(error, name) for name in FACTS} == FACTS
    assert error.message == "expected 0 or 1"
    assert str(error) == str(kind("expected 0 or 1", **FACTS))
    assert type(error.code) is Code


def test_an_error_about_a_value_that_does_not_pickle_pickles():
    error = row_error({**GOOD, "prompt": lambda: None})
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_an_error_raised_in_another_process_arrives_with_its_facts():
    template = get_template("PKUSafeRLHF")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(template.format, GOOD, "preference").result() == template.format(GOOD, "preference")
        with pytest.raises(RowError) as caught:
            pool.submit(template.format, {**GOOD, "better_response_id": True}, "preference").result()
    error = caught.value
    assert (error.code, error.column, error.value) == (Code.BAD_LABEL, "better_response_id", True)
    assert (error.template, error.format) == ("PKUSafeRLHF", "preference")


def test_a_fact_that_no_error_has_is_refused():
    with pytest.raises(TypeError, match="no fact 'colum'"):
        RowError("x", colum="prompt")


def test_facts_are_added_and_never_replaced():
    error = RowError("x", row=3).located(row=4, template="T")
    assert (error.row, error.template) == (3, "T")


@pytest.mark.parametrize("code", Code, ids=str)
def test_a_code_is_one_word_with_a_meaning(code):
    assert code == code.name.lower() == str(code) == Code(str(code))
    assert code.meaning[0].isupper()
    assert code.meaning.endswith(".")
    assert pickle.loads(pickle.dumps(code)) is code


def test_no_two_codes_mean_the_same():
    assert len({code.meaning for code in Code}) == len(Code)


# --- values in messages --------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=200),
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(st.text(max_size=20), inner, max_size=10),
    max_leaves=40,
)


class Shown:
    """An object that prints as it is told."""

    def __init__(self, shown: str) -> None:
        self.shown = shown

    def __repr__(self) -> str:
        return self.shown


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError


HOSTILE = ["\x1b[2J\x1b[31mred", "two\nlines", "\r", "\x00", "\u202egnp", "\ud800", "x" * 5_000, "\x1b" * 500]


@given(JSON | st.sampled_from(HOSTILE) | st.sampled_from(HOSTILE).map(Shown) | st.text(max_size=90).map(Shown))
def test_a_value_is_shown_as_one_printable_line_of_80_characters_at_most(value):
    assert preview(value).isprintable()
    assert len(preview(value)) <= PREVIEW_LENGTH == 80


@pytest.mark.parametrize("value", [np.array([[1, 2], [3, 4]]), Broken(), Shown("a\x1b[31mb"), [Shown("a\nb")]])
def test_an_object_that_prints_in_lines_or_colours_or_not_at_all_is_shown_in_one_plain_line(value):
    assert preview(value).isprintable()


@given(st.text(st.characters(categories=("L", "N", "P", "S", "Zs")), max_size=70).filter(str.isprintable))
def test_a_short_printable_value_is_shown_as_it_is(value):
    assert preview(value) == repr(value)


def test_a_cut_value_says_that_it_was_cut():
    assert preview("x" * 79) == "'" + "x" * 78 + "…"


def test_a_value_of_80_characters_is_shown_whole_and_one_of_81_is_cut():
    assert preview("x" * 78) == "'" + "x" * 78 + "'"
    assert preview([int("1" * 78)]) == "[" + "1" * 78 + "]"
    assert preview([int("1" * 79)]) == "[" + "1" * 78 + "…"
    assert preview(Shown("a\n" * 26 + "ab")) == "a\\n" * 26 + "ab"
    assert preview(Shown("a\n" * 26 + "abc")) == "a\\n" * 26 + "a…"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x" * 4, "xxxx"),
        ("x" * 5, "xxxxx"),
        ("x" * 6, "xxxx…"),
        ("x" * 99, "xxxx…"),
        ("xxx\n", "xxx\\n"),
        ("xxxx\n", "xxxx…"),
    ],
)
def test_a_line_is_cut_to_as_many_characters_as_it_may_have(text, shown):
    assert one_line(text, 5) == shown


@given(JSON, texts())
def test_a_message_about_any_row_is_one_short_printable_line(value, column):
    reader = RowValidator(read_row_type("{'x': Index01, 'y': str, 'z': list[str]}"), ["x", "y", "z"])
    for row in (value, {"x": value}, {"x": 1, "y": value}, {"x": 1, "y": "", "z": value}, {"x": 1, column: value}):
        result = outcome(reader.read, row)
        assert isinstance(result, dict) or (str(result).isprintable() and len(str(result)) < 400)


def test_what_a_failing_expression_says_about_the_data_is_cut_and_escaped_too():
    class Labels(Template):
        class Row(RowModel):
            label: str

        preference = Preference(prompt="", chosen="{{ label | numbers | first }}", rejected="")

    with pytest.raises(RowError) as caught:
        Labels().format({"label": "\x1b[31m" + "x" * 10_000 + "\n"}, "preference")
    assert caught.value.code == Code.BAD_LABEL
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


# --- near names ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "names", "meant"),
    [
        ("respnse_0", ["response_0", "response_1", "prompt"], "response_0"),
        ("Prompt", ["prompt", "response_0"], "prompt"),
        ("chatml ", ["chatml", "zephyr"], "chatml"),
        ("PKUSAFERLHF", ["PKUSafeRLHF", "HH"], "PKUSafeRLHF"),
        ("xyz", ["prompt", "response_0"], None),
        ("prompt", [], None),
    ],
)
def test_the_name_that_was_meant_is_found_past_slips_case_and_blanks(written, names, meant):
    assert find_nearest(written, names) == meant


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("response_O", "'response_O'"),
        ("response_0 ", "'response_0 '"),
        ("Response_0", "'Response_0'"),
        ("resp\u043ense_0", "'respU+043Ense_0'"),
        ("response\u200b_0", "'responseU+200B_0'"),
        ("response_0\n", r"'response_0\n'"),
    ],
)
def test_a_missing_column_is_answered_with_the_near_key_so_that_the_difference_is_seen(key, shown):
    error = row_error({"prompt": "p", key: "a", "response_1": "b", "better_response_id": 1})
    assert (error.code, error.column) == (Code.MISSING_FIELD, "response_0")
    assert f"column 'response_0': missing; nearest: {shown} [" in str(error)
    assert str(error).isprintable()


def test_a_missing_column_with_no_near_key_is_answered_without_a_guess():
    error = row_error({})
    assert (error.code, error.hint) == (Code.MISSING_FIELD, None)
    assert "near" not in str(error)


# --- the place -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "place"),
    [
        ({}, ""),
        ({"row": 0}, "row 0: "),
        ({"row": 0, "line": 1}, "row 0 (line 1): "),
        ({"row": 4, "file": "a/b.json"}, "row 4 (b.json): "),
        ({"file": "a/b.json", "line": 2}, "b.json line 2: "),
        ({"column": "x"}, "column 'x': "),
        ({"row": 0, "column": "x"}, "row 0, column 'x': "),
    ],
)
def test_a_message_begins_with_as_much_of_the_place_as_is_known(facts, place):
    assert str(RowError("wrong", **facts)) == place + "wrong"
