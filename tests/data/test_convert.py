"""Conversion: every row in is formatted, skipped or rejected, and counted once."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preftemplates import (
    Dialect,
    Index01,
    Message,
    Preference,
    Ranked,
    RowModel,
    Supervised,
    Template,
    Unpaired,
    get_style,
    get_template,
    messages,
)
from preftemplates.data.convert import Conversion
from preftemplates.data.reading import Record
from preftemplates.errors import Code, DefinitionError, RowError

GOOD = {"prompt": "q", "response_0": "a", "response_1": "b", "better_response_id": 0}
MUTATIONS = {
    "formatted": [{}, {"prompt": " q"}, {"response_0": "b", "response_1": "a"}, {"answer": None}],
    "skipped": [{"response_0": ""}, {"response_1": " \u200b\n"}, {"prompt": "\t"}, {"response_0": "b"}],
    "rejected": [{"prompt": None}, {"better_response_id": 2}, {"better_response_id": True}, {"response_1": 5}],
}


@given(st.lists(st.sampled_from([(verdict, change) for verdict, changes in MUTATIONS.items() for change in changes])))
def test_rows_in_are_formatted_skipped_and_rejected(drawn):
    rows = [{**GOOD, **change} for _, change in drawn]
    conversion = Conversion(rows, get_template("PKUSafeRLHF"), "preference", on_error="skip")
    results = list(conversion)
    report = conversion.report
    assert report.rows == len(rows) == report.formatted + len(report.skipped) + len(report.rejected)
    for verdict in ("skipped", "rejected"):
        expected = [number for number, (outcome, _) in enumerate(drawn) if outcome == verdict]
        assert [issue.row for issue in getattr(report, verdict)] == expected
    clean = [row for row, (outcome, _) in zip(rows, drawn, strict=True) if outcome == "formatted"]
    assert results == [get_template("PKUSafeRLHF").format(row, "preference") for row in clean]


def test_the_codes_say_why():
    rows = [{**GOOD, "response_0": ""}, {**GOOD, "response_0": "b"}, {**GOOD, "better_response_id": 7}, {}, "no row"]
    conversion = Conversion(rows, get_template("PKUSafeRLHF"), "preference", on_error="skip")
    assert list(conversion) == []
    assert conversion.report.counts() == {
        "skipped": {"empty": 1, "equal": 1},
        "rejected": {"bad_label": 1, "missing_field": 1, "wrong_type": 1},
    }
    assert json.loads(json.dumps(conversion.report.as_json()))["rejected"][0]["code"] == "bad_label"


def test_an_error_names_row_line_file_and_column():
    records = [Record(0, 1, GOOD), Record(73_412, 73_413, {**GOOD, "better_response_id": 2})]
    conversion = Conversion(records, get_template("PKUSafeRLHF"), "preference", file="some/data.jsonl")
    with pytest.raises(RowError) as caught:
        list(conversion)
    assert str(caught.value) == (
        "row 73412 (data.jsonl line 73413), column 'better_response_id': expected 0 or 1, got 2"
        " [bad_label, template PKUSafeRLHF, format preference]"
    )
    assert conversion.report.formatted == 1


def test_a_record_that_could_not_be_read_is_rejected():
    records = [Record(0, 1, RowError("no JSON", code=Code.BAD_JSON)), Record(1, 2, GOOD)]
    conversion = Conversion(records, get_template("PKUSafeRLHF"), "preference", on_error="skip")
    assert len(list(conversion)) == 1
    assert [(r.row, r.line, r.code) for r in conversion.report.rejected] == [(0, 1, Code.BAD_JSON)]


def test_ten_rejected_rows_are_allowed_and_one_in_a_hundred():
    def report(bad, good):
        rows = [{}] * bad + [GOOD] * good
        conversion = Conversion(rows, get_template("PKUSafeRLHF"), "preference", on_error="skip")
        list(conversion)
        return conversion.report

    assert not report(10, 0).too_many_rejected
    assert report(11, 500).too_many_rejected
    assert not report(12, 1_188).too_many_rejected
    assert report(13, 1_187).too_many_rejected


def test_a_style_that_trims_can_make_answers_equal():
    row = {**GOOD, "response_0": "same", "response_1": "same "}
    llama3 = get_template("PKUSafeRLHF").with_style("llama3")
    conversion = Conversion([row], llama3, "preference")
    assert list(conversion) == []
    assert conversion.report.skipped[0].code is Code.EQUAL
    assert len(list(Conversion([row], get_template("PKUSafeRLHF"), "preference"))) == 1


def test_on_error_is_one_of_two_words():
    with pytest.raises(DefinitionError, match="'raise' or 'skip'"):
        Conversion([], get_template("HH"), "preference", on_error="ignore")


# Flags


@pytest.mark.parametrize(
    ("style", "content", "flagged"),
    [
        ("chatml", "Write <|im_end|> here", True),
        ("chatml", "Write <|im_en d|> here", False),
        ("chatml", "Human: hi", False),
        ("human-assistant", "And\n\nHuman: hi", True),
        ("human-assistant", "And Human: hi", False),
        ("llama3", "<|eot_id|>", True),
        ("zephyr", "</s>", True),
        ("plain", "<|im_end|> </s>\n\nHuman:", False),
        ("beginning-of-conversation", "the ASSISTANT: said", True),
    ],
)
@pytest.mark.parametrize("column", ["prompt", "chosen", "rejected"])
def test_a_row_that_spells_what_its_style_writes_comes_through_and_is_flagged(style, content, flagged, column):
    rows = [
        {"prompt": "a", "chosen": "b", "rejected": "c", column: content},
        {"prompt": "a", "chosen": "b", "rejected": "c"},
    ]
    conversion = Conversion(rows, get_template("TRL").with_style(style).with_dialect("text"), "preference")
    assert len(list(conversion)) == 2
    flags = [(flag.row, flag.code) for flag in conversion.report.flagged if flag.code != Code.SPECIAL_TOKEN]
    assert flags == [(0, Code.CONTROL_TEXT)] * flagged


def test_messages_are_not_flagged_as_control_text_since_their_style_is_not_known():
    rows = [{"prompt": "a", "chosen": "<|im_end|>", "rejected": "c"}]
    conversion = Conversion(rows, get_template("TRL").with_dialect("trl"), "preference")
    assert len(list(conversion)) == 1
    assert [flag.code for flag in conversion.report.flagged] == [Code.SPECIAL_TOKEN]


# Rows of several samples, and ties


class Compared(Template):
    """A pair by how much the first answer is better; 0 is a tie."""

    class Row(RowModel):
        q: str
        a: str
        b: str
        by: float

    preference = Preference(prompt="{{ q }}", chosen="{{ a }}", rejected="{{ b }}", margin="{{ by }}")


class Rated(Template):
    class Row(RowModel):
        q: str
        answers: list[str]
        scores: list[float]

    ranked = Ranked(prompt="{{ q }}", completions="{{ answers }}", ranks="{{ scores | ranks }}", scores="{{ scores }}")


class Replies(Template):
    class Row(RowModel):
        q: str
        replies: list[str]

    each = {"reply": "{{ replies }}"}
    supervised = Supervised(prompt="{{ q }}", completion="{{ reply }}")


PAIRS = [{"q": "q", "a": "a", "b": "b", "by": by} for by in (1.0, 0.0, 2.5)]


def convert_rows(rows, template, format, **options):
    conversion = Conversion(rows, template, format, on_error="skip", **options)
    return list(conversion), conversion.report


def test_a_tie_is_dropped_halved_or_kept():
    results, report = convert_rows(PAIRS, Compared(), "preference")
    assert [result["margin"] for result in results] == [1.0, 2.5]
    assert [(issue.row, issue.code) for issue in report.skipped] == [(1, Code.TIE)]
    results, report = convert_rows(PAIRS, Compared().with_ties("half"), "preference")
    assert [result["probability"] for result in results] == [1.0, 0.5, 1.0]
    assert (report.formatted, report.skipped) == (3, [])
    results, report = convert_rows(PAIRS, Compared().with_ties("keep"), "preference")
    assert [(result["margin"], "probability" in result) for result in results] == [
        (1.0, False),
        (0.0, False),
        (2.5, False),
    ]
    assert (report.formatted, report.skipped) == (3, [])


def test_halves_are_refused_where_there_is_no_key_for_a_probability():
    half = Compared().with_ties("half")

    class Sure(Dialect):
        preference = {"good": "chosen", "bad": "rejected", "sure": "probability"}

    assert [result["sure"] for result in convert_rows(PAIRS, half.with_dialect(Sure()), "preference")[0]] == [
        1.0,
        0.5,
        1.0,
    ]
    with pytest.raises(DefinitionError, match=r"has no key for it.*with_ties\('drop'\)"):
        list(Conversion(PAIRS, half.with_dialect("align-anything"), "preference"))
    assert len(list(Conversion(PAIRS, half.with_dialect("align-anything"), "supervised"))) == 2


def test_a_pair_that_another_format_has_no_place_for_is_skipped_with_its_count():
    results, report = convert_rows(PAIRS, Compared(), "unpaired")
    assert [result["label"] for result in results] == [True, False] * 2
    assert (report.formatted, report.results, [issue.code for issue in report.skipped]) == (2, 4, [Code.NO_SAMPLE])
    assert report.lost == {"margin": 3, "chosen": 1, "rejected": 1, "tie": 1}


def test_ties_among_several_pairs_of_a_row_are_left_out_and_the_row_is_not():
    row = {"q": "q", "answers": ["a", "b", "c", "c"], "scores": [3, 3, 1, 0]}
    results, report = convert_rows([row], Rated(), "preference")
    assert len(results) == 4
    assert [(issue.row, issue.code) for issue in report.left_out] == [(0, Code.TIE), (0, Code.EQUAL)]
    assert (report.rows, report.formatted, report.results) == (1, 1, 4)
    tied = {"q": "q", "answers": ["a", "b", "c"], "scores": [3, 3, 3]}
    results, report = convert_rows([tied], Rated(), "preference")
    assert (results, report.left_out, report.counts()["skipped"]) == ([], [], {"tie": 1})


def test_a_row_of_no_sample_and_a_row_of_bad_ones_are_skipped_once():
    rows = [{"q": "q", "replies": replies} for replies in ([], ["", " "], ["a"], ["a", "", "b"])]
    results, report = convert_rows(rows, Replies(), "supervised")
    assert (len(results), report.formatted, report.results) == (3, 2, 3)
    assert [(issue.row, issue.code) for issue in report.skipped] == [(0, Code.NO_SAMPLE), (1, Code.EMPTY)]
    assert [(issue.row, issue.code) for issue in report.left_out] == [(3, Code.EMPTY)]


def test_one_result_that_has_no_place_rejects_its_row_whole():
    def refuse_long(result):
        if len(result["completion"]) > 20:
            raise RowError("too long", code=Code.UNSUPPORTED_CONTENT)

    rows = [{"q": "q", "replies": ["a", "b" * 30]}, {"q": "q", "replies": ["c"]}]
    results, report = convert_rows(rows, Replies().with_dialect("text"), "supervised", check=refuse_long)
    assert [result["completion"][0] for result in results] == ["c"]
    assert [(issue.row, issue.code) for issue in report.rejected] == [(0, Code.UNSUPPORTED_CONTENT)]
    assert (report.formatted, report.results) == (1, 1)


def test_a_row_of_several_samples_is_flagged_once_for_one_reason():
    rows = [{"q": "Say <|im_end|>", "replies": ["a", "b", "c"]}, {"q": "q", "replies": ["a"]}]
    results, report = convert_rows(rows, Replies().with_dialect("text"), "supervised")
    assert len(results) == 4
    assert [(flag.row, flag.code) for flag in report.flagged] == [(0, Code.CONTROL_TEXT)]


def test_labels_that_contradict_each_other_are_rejected():
    class Told(Template):
        class Row(RowModel):
            answers: list[str]
            ranks: list[float]
            scores: list[float]

        ranked = Ranked(prompt="q", completions="{{ answers }}", ranks="{{ ranks }}", scores="{{ scores }}")

    rows = [{"answers": ["a", "b"], "ranks": ranks, "scores": [1, 5]} for ranks in ([0, 1], [1, 0], [0, 0])]
    for format in ("ranked", "preference", "supervised"):
        assert [issue.row for issue in convert_rows(rows, Told().with_ties("keep"), format)[1].rejected] == [0]


def test_iterating_again_counts_anew_and_the_report_is_json():
    conversion = Conversion(PAIRS, Compared(), "unpaired", on_error="skip")
    first, second = list(conversion), list(conversion)
    assert first == second
    report = conversion.report
    assert (report.rows, report.results, report.lost["margin"]) == (3, 4, 3)
    again = json.loads(json.dumps(report.as_json()))
    assert again["lost"] == {"margin": 3, "chosen": 1, "rejected": 1, "tie": 1}
    assert (again["results"], again["formatted"], again["left_out"]) == (4, 2, [])


def test_nothing_is_lost_where_the_format_is_the_dataset_s_own():
    class Own(Template):
        class Row(RowModel):
            q: list[Message]
            a: str
            good: Index01

        unpaired = Unpaired(prompt=messages("{{ q }}"), completion="{{ a }}", label="{{ good == 1 }}")

    rows = [{"q": [{"role": "user", "content": "q"}], "a": "a", "good": good} for good in (0, 1)]
    results, report = convert_rows(rows, Own(), "unpaired")
    assert ([result["label"] for result in results], report.lost) == ([False, True], {})
    assert convert_rows(rows, Own(), "supervised")[1].lost == {"label": 2, "completion": 1}


def test_a_label_that_is_no_finite_number_is_rejected_and_ends_no_conversion():
    class Anything(Template):
        class Row(RowModel):
            by: Any
            a: str

        preference = Preference(prompt="q", chosen="{{ a }}", rejected="b", margin="{{ by }}")

    rows = [{"by": by, "a": "a"} for by in (math.nan, math.inf, "1", True, 10**400, [1], -1, 2)]
    results, report = convert_rows(rows, Anything(), "preference")
    assert [result["margin"] for result in results] == [2.0]
    assert report.counts()["rejected"] == {"missing_field": 1, "wrong_type": 5, "bad_label": 1}


def test_a_label_without_a_key_is_counted_for_each_pair_of_a_ranking_that_is_no_tie():
    rows = [{"q": "q", "answers": ["a", "b", "c"], "scores": scores} for scores in ([3, 2, 2], [1, 1, 1], [1, 2, 3])]
    results, report = convert_rows(rows, Rated().with_dialect("openai"), "preference")
    assert (len(results), len(report.left_out), len(report.skipped)) == (5, 1, 1)
    assert report.lost == {"margin": 5}


@pytest.mark.parametrize(
    ("rows", "bad", "allowed"), [(999, 10, 10), (1_000, 11, 10), (1_100, 11, 11), (1_100, 12, 11)]
)
def test_ten_rows_or_one_in_a_hundred_may_be_rejected(rows, bad, allowed):
    report = convert_rows([GOOD] * (rows - bad) + [{}] * bad, get_template("PKUSafeRLHF"), "preference", flag=False)[1]
    assert (report.rows, len(report.rejected), report.allowed) == (rows, bad, allowed)
    assert report.too_many_rejected is (bad > allowed)


def test_a_label_without_a_key_in_the_dialect_is_counted_for_every_result():
    rows = [get_template("HelpSteer3").example] * 2 + [{**get_template("HelpSteer3").example, "overall_preference": 0}]
    for dialect, lost in (("openai", {"margin": 2}), ("text", {})):
        conversion = Conversion(rows, get_template("HelpSteer3").with_dialect(dialect), "preference")
        assert (len(list(conversion)), dict(conversion.report.lost)) == (2, lost)


@pytest.mark.parametrize(("dialect", "style"), [("text", None), ("trl", "chatml")])
def test_a_key_of_a_message_that_no_text_shows_is_counted_as_lost(dialect, style):
    template = get_template("TRL-messages").with_style("chatml").with_dialect(dialect)
    talk = [{"role": "user", "content": "Whose bed?", "name": "ana", "tool_call_id": "c1"}]
    answers = {side: [{"role": "assistant", "content": side}] for side in ("chosen", "rejected")}
    conversion = Conversion(
        [{"prompt": talk, **answers}], template, "preference", style=None if style is None else get_style(style)
    )
    assert len(list(conversion)) == 1
    assert conversion.report.lost == {"name": 1}
    shown = [{**talk[0], "content": "I am ana. Whose bed?"}]
    conversion = Conversion([{"prompt": shown, **answers}], template, "preference")
    assert (len(list(conversion)), conversion.report.lost) == (1, {})
