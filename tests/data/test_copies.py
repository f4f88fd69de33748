"""Copies of rows in `check` and in conversions: what is reported once, what is skipped, and that rows add up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preftemplates import Preference, RowModel, Template, check, get_template
from preftemplates.data import Conversion, Record, near_copies
from preftemplates.data.copies import CopyFinder
from preftemplates.errors import Code, DefinitionError, FileError, RowError

TEMPLATE = get_template("PKUSafeRLHF").with_dialect("trl")
GOOD = {"prompt": "Is mint a herb?", "response_0": "Yes.", "response_1": "It is not.", "better_response_id": 0}
CASED = {**GOOD, "prompt": "is mint a herb"}
WRAPPED = {**GOOD, "prompt": "Tell me: Is mint a herb? Answer shortly."}
OTHER = {**GOOD, "prompt": "Is dill a herb?"}
INVERTED = {**GOOD, "better_response_id": 1}


def findings(*rows, **options):
    report = check(rows, TEMPLATE, **options)
    return {finding.code: [issue.row for issue in finding.examples] for finding in report.findings}


def convert(*rows, test=(), on_copy="skip", without=()):
    finder = CopyFinder(without)
    finder.remember_test(test, TEMPLATE)
    conversion = Conversion(rows, TEMPLATE, "preference", on_error="skip", copies=finder, on_copy=on_copy)
    return list(conversion), conversion.report


def test_check_finds_near_copies_of_earlier_rows_and_of_a_test_set():
    assert findings(GOOD, CASED, OTHER, WRAPPED) == {"near_duplicate": [1, 3]}
    assert findings(GOOD, CASED, OTHER, WRAPPED, test=[GOOD], without=["near_duplicate"]) == {
        "near_test": [1, 3],
        "in_test": [0],
    }
    assert findings(GOOD, test=[WRAPPED]) == {"near_test": [0]}


def test_the_message_names_the_row_and_the_difference():
    (finding,) = check([OTHER, GOOD, CASED], TEMPLATE).findings
    assert finding.examples[0].message == f"a near copy of the prompt of row 1: {near_copies.RECASED}"
    (finding,) = check([CASED], TEMPLATE, test=[OTHER, GOOD]).findings
    assert finding.examples[0].message == f"a near copy of the prompt of row 1 of the test set: {near_copies.RECASED}"


def test_exact_copies_keep_their_codes_and_are_not_reported_twice():
    assert findings(GOOD, GOOD) == {"duplicate": [1]}
    assert findings(GOOD, INVERTED) == {"contradiction": [1]}
    assert findings(GOOD, CASED, CASED) == {"near_duplicate": [1], "duplicate": [2]}
    assert findings(CASED, test=[GOOD, CASED]) == {"in_test": [0]}
    assert findings(GOOD, CASED, CASED, without=["duplicate"]) == {"near_duplicate": [1, 2]}


def test_samples_of_one_row_are_no_copies_of_each_other():
    template = get_template("OASST-zh-ranked")
    row = {**template.example, "output": ["one", "two", "three"]}
    report = check([row, row], template, "ranked")
    assert [(finding.code, finding.count) for finding in report.findings] == [("duplicate", 1)]


def test_columns_that_are_not_read_tell_prompts_apart():
    pictures = [{**GOOD, "image": "a.png"}, {**CASED, "image": "b.png"}, {**CASED, "image": "a.png"}]
    assert findings(*pictures)["near_duplicate"] == [2]


@pytest.mark.parametrize("bad", [{"prompt": None}, {"prompt": 5}, {"question": "Which?"}, RowError("not JSON")])
def test_rows_of_a_test_set_that_cannot_be_read_are_counted_and_a_set_of_them_is_an_error(bad):
    rows = [Record(0, 1, bad)] if isinstance(bad, RowError) else [bad]
    with pytest.raises(FileError, match="can read none of the 1 rows of the test set; the first error: row 0"):
        check([GOOD], TEMPLATE, test=rows)
    report = check([GOOD], TEMPLATE, test=[*rows, GOOD])
    assert report.conversion.unread_test_rows == 1
    assert report.counts() == {"in_test": 1}
    assert check([GOOD], TEMPLATE, test=[]).ok


class Tied(Template):
    class Row(RowModel):
        q: str
        a: str
        b: str
        same: bool

    preference = Preference(prompt="{{ q }}", chosen="{{ a }}", rejected="{{ b }}")
    tie = "{{ same }}"


def test_the_prompt_of_a_tie_in_a_test_set_is_remembered():
    row = {"q": "Which herb likes shade?", "a": "Mint.", "b": "None.", "same": False}
    for same in (True, False):
        assert check([row], Tied(), test=[{**row, "same": same}]).counts() == {"in_test": 1}


def test_a_custom_template_has_no_copies_and_a_test_set_is_an_error():
    class Own(Template):
        def format_preference_sample(self, raw_sample):
            return {"better_text": raw_sample["q"], "worse_text": "x"}

        def check_equal(self, raw_sample):
            return raw_sample is None

    assert len(list(Conversion([{"q": "a"}] * 2, Own(), "preference", copies=CopyFinder()))) == 2
    with pytest.raises(DefinitionError, match=r"the custom template .* has none"):
        check([{"q": "a"}], Own(), test=[{"q": "a"}])
    with pytest.raises(DefinitionError, match=r"the custom template .* has none"):
        CopyFinder(without=["in_test", "near_test"]).remember_test([{"q": "a"}], Own())


@pytest.mark.parametrize("on_copy", ["drop", "", None])
def test_what_copies_cannot_become_is_an_error(on_copy):
    with pytest.raises(DefinitionError, match="on_copy must be 'flag' or 'skip'"):
        Conversion([GOOD], TEMPLATE, "preference", copies=CopyFinder(), on_copy=on_copy)


def test_copies_are_flagged_or_skipped_in_a_conversion():
    rows = [GOOD, CASED, GOOD, OTHER, INVERTED, WRAPPED]
    results, report = convert(*rows, on_copy="flag")
    assert len(results) == report.formatted == 6
    assert [(issue.row, issue.code) for issue in report.flagged] == [
        (1, "near_duplicate"), (2, "duplicate"), (4, "contradiction"), (5, "near_duplicate"),
    ]  # fmt: skip
    results, report = convert(*rows)
    assert [issue.row for issue in report.skipped] == [2]
    assert [result["prompt"][0]["content"] for result in results] == [rows[n]["prompt"] for n in (0, 1, 3, 4, 5)]
    assert {*report.flagged.counts} == {Code.CONTRADICTION, Code.NEAR_DUPLICATE}


def test_prompts_of_a_test_set_are_skipped():
    results, report = convert(OTHER, GOOD, WRAPPED, test=[CASED, OTHER])
    assert results == []
    assert [issue.code for issue in report.skipped] == ["in_test", "near_test", "near_test"]


def test_nothing_is_looked_for_unless_it_is_asked_for():
    conversion = Conversion([GOOD, GOOD, CASED], TEMPLATE, "preference")
    assert len(list(conversion)) == 3
    assert not conversion.report.flagged


def test_a_row_that_the_output_refuses_is_no_original():
    def refuse(result):
        if result["prompt"][0]["content"] == GOOD["prompt"]:
            raise RowError("no place", code=Code.UNSUPPORTED_CONTENT)

    options = {"on_error": "skip", "check": refuse, "copies": CopyFinder(), "on_copy": "skip"}
    conversion = Conversion([GOOD, CASED], TEMPLATE, "preference", **options)
    assert len(list(conversion)) == 1
    assert conversion.report.counts() == {"skipped": {}, "rejected": {"unsupported_content": 1}}


KINDS = [GOOD, CASED, WRAPPED, OTHER, INVERTED, {**GOOD, "better_response_id": 2}, {**GOOD, "response_0": " "}]


@given(
    st.lists(st.sampled_from(KINDS)), st.lists(st.sampled_from(KINDS), max_size=2), st.sampled_from(["flag", "skip"])
)
def test_rows_are_formatted_skipped_or_rejected(rows, test, on_copy):
    try:
        results, report = convert(*rows, test=test, on_copy=on_copy)
    except FileError:  # of the test set, none can be read
        return
    assert report.rows == len(rows) == report.formatted + len(report.skipped) + len(report.rejected)
    assert report.formatted == len(results)
    _, plain = convert(*rows, on_copy="flag", without=[*Code])
    assert len(report.rejected) == len(plain.rejected)
    flagged = check(rows, TEMPLATE, test=test).conversion
    assert flagged.formatted == plain.formatted >= report.formatted


def test_a_full_index_is_reported(monkeypatch):
    monkeypatch.setattr(near_copies.NearCopyIndex.__init__, "__defaults__", (1,))
    report = check([GOOD, OTHER, {**OTHER, "prompt": "IS DILL A HERB"}], TEMPLATE)
    assert (report.ok, report.conversion.forgotten_prompts, report.as_json()["forgotten_prompts"]) == (True, 2, 2)
    assert dict(convert(GOOD, OTHER)[1].list_parts())["forgotten_prompts"] == 1
