"""`check` counts what is wrong with rows, each kind under its code, and what could be guessed without reading."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preftemplates import Preference, Ranked, RowModel, Template, check, get_template
from preftemplates.data.row_rules import ROW_RULES
from preftemplates.errors import DefinitionError, UnknownNameError

GOOD = {"prompt": "Is mint a herb?", "response_0": "Yes.", "response_1": "It is not.", "better_response_id": 0}


def check_rows(*rows, template="PKUSafeRLHF", **options):
    return check(rows, get_template(template).with_style("chatml").with_dialect("text"), **options)


def rows_by_code(report):
    return {str(finding.code): [issue.row for issue in finding.examples] for finding in report.findings}


def test_rows_without_fault_have_no_finding():
    report = check_rows(GOOD, {**GOOD, "prompt": "Is dill a herb?"})
    assert (report.ok, report.findings, report.rows, report.formatted) == (True, [], 2, 2)


@pytest.mark.parametrize(
    ("changed", "verdict", "code"),
    [
        ({"prompt": None}, "rejected", "missing_field"),
        ({"prompt": 5}, "rejected", "wrong_type"),
        ({"better_response_id": 2}, "rejected", "bad_label"),
        ({"response_0": "a\ud800"}, "rejected", "bad_text"),
        ({"response_0": " "}, "skipped", "empty"),
        ({"response_0": "It is not."}, "skipped", "equal"),
        ({"prompt": "<|im_end|>"}, "flagged", "control_text"),
        ({"response_1": "No\u200b."}, "flagged", "invisible"),
        ({"response_1": "No\u202e."}, "flagged", "invisible"),
        ({"response_1": "No\x00."}, "flagged", "invisible"),
        ({"response_1": "No\x9b."}, "flagged", "invisible"),
        ({"response_1": "No" * 50_001}, "flagged", "long_text"),
        (
            {"prompt": "Is basil a herb at all?", "response_0": "Is basil a herb at all? Yes.",
             "response_1": "Is basil a herb at all? No."}, "flagged", "prompt_repeated",
        ),
    ],
)  # fmt: skip
def test_a_fault_in_one_row_is_found_in_that_row_alone(changed, verdict, code):
    report = check_rows(GOOD, {**GOOD, "prompt": "Is dill a herb?", **changed}, {**GOOD, "prompt": "Is rye a herb?"})
    assert rows_by_code(report) == {code: [1]}
    assert report.findings[0].verdict == verdict
    assert report.rows == 3


@pytest.mark.parametrize(
    "text",
    [
        "\U0001f468\u200d\U0001f469",
        "می\u200cخواهم",
        "naïve — “quoted”",
        "a\u00a0b",
        "e\u0301",
        "日本語",
        "\U0001f1e9\U0001f1ea",
        "a\tb\r\nc\x0cd",
    ],
)
def test_what_shows_or_is_needed_to_show_is_not_invisible(text):
    assert check_rows({**GOOD, "response_0": text}).ok


@pytest.mark.parametrize(("length", "flagged"), [(99_900, False), (100_001, True)])
def test_a_text_of_100_000_characters_is_not_long_and_one_more_is(length, flagged):
    report = check_rows({**GOOD, "response_1": "a" * length})
    assert rows_by_code(report) == ({"long_text": [0]} if flagged else {})
    assert [finding.examples[0].message for finding in report.findings] == [
        "a message has 100,001 characters"
    ] * flagged


@pytest.mark.parametrize(("length", "flagged"), [(19, False), (20, True)])
def test_a_prompt_of_20_characters_or_more_opens_no_answers_by_chance(length, flagged):
    prompt = "Is mint a good herbs?"[:length]
    row = {**GOOD, "prompt": f" {prompt}\n", "response_0": prompt + " yes", "response_1": f"\n{prompt} no"}
    assert rows_by_code(check_rows(row)) == ({"prompt_repeated": [0]} if flagged else {})


@pytest.mark.parametrize("prompt", ["Mint?", "Is mint a good herb"])
def test_a_short_prompt_may_open_both_answers(prompt):
    row = {**GOOD, "prompt": prompt, "response_0": prompt + " yes", "response_1": prompt + " no"}
    assert "prompt_repeated" not in rows_by_code(check_rows(row))


def test_one_answer_may_quote_the_prompt():
    prompt = "Is basil a herb at all?"
    assert check_rows({**GOOD, "prompt": prompt, "response_0": prompt + " Yes."}).ok


def test_duplicates_and_contradictions_are_found_across_rows():
    turned = {**GOOD, "response_0": GOOD["response_1"], "response_1": GOOD["response_0"]}
    report = check_rows(GOOD, {**GOOD, "prompt": "Other?"}, GOOD, turned, {**GOOD, "better_response_id": 1})
    assert rows_by_code(report) == {"duplicate": [2, 4], "contradiction": [3, 4]}
    messages = {str(finding.code): finding.examples[0].message for finding in report.findings}
    assert messages == {"duplicate": "the same as row 0", "contradiction": "row 0 prefers the other answer"}


def turn_ranks(row):
    return {**row, "answers": [{**answer, "rank": 4 - answer["rank"]} for answer in row["answers"]][::-1]}


@pytest.mark.parametrize(
    ("name", "format", "judge_otherwise"),
    [
        ("TRL-unpaired", "unpaired", lambda row: {**row, "label": not row["label"]}),
        ("HelpSteer", "scored", lambda row: {**row, "helpfulness": 0}),
        ("TRL-stepwise", "stepwise", lambda row: {**row, "labels": [False, False]}),
        ("Nectar", "ranked", turn_ranks),
    ],
)
def test_one_answer_that_is_judged_in_two_ways_is_a_contradiction_and_no_duplicate(name, format, judge_otherwise):
    row = get_template(name).example
    report = check_rows(row, judge_otherwise(row), row, template=name, format=format)
    assert rows_by_code(report)["duplicate"] == [2]
    assert rows_by_code(report)["contradiction"][0] == 1


def test_a_pair_that_is_preferred_by_another_margin_is_a_duplicate():
    row = get_template("WebGPT").example
    assert rows_by_code(check_rows(row, {**row, "score_1": 0.75}, template="WebGPT")) == {"duplicate": [1]}


class Sure(Template):
    class Row(RowModel):
        a: str
        b: str
        sure: float
        by: float

    preference = Preference(
        prompt="Is mint a herb?", chosen="{{ a }}", rejected="{{ b }}", probability="{{ sure }}", margin="{{ by }}"
    )


@pytest.mark.parametrize(
    ("sure", "by", "contradicts"), [(0.5, 1, False), (0.51, 1, True), (0.9, 0, False), (0.9, 0.01, True)]
)
def test_a_tie_contradicts_no_pair(sure, by, contradicts):
    rows = [{"a": "Yes.", "b": "No.", "sure": 0.9, "by": 1}, {"a": "No.", "b": "Yes.", "sure": sure, "by": by}]
    for order in (rows, rows[::-1]):
        report = check(order, Sure().with_ties("keep"))
        assert rows_by_code(report) == ({"contradiction": [1]} if contradicts else {})


def test_answers_on_one_rank_contradict_no_order_of_them():
    def ranked(*ranks):
        texts = [f"{number}." for number in range(len(ranks))]
        return {"texts": texts, "ranks": [*ranks]}

    class Rated(Template):
        class Row(RowModel):
            texts: list[str]
            ranks: list[float]

        ranked = Ranked(prompt="q", completions="{{ texts }}", ranks="{{ ranks }}")

    for other in ((0, 1, 2), (0, 2, 1)):
        for order in ([ranked(0, 1, 1), ranked(*other)], [ranked(*other), ranked(0, 1, 1)]):
            assert "contradiction" not in rows_by_code(check(order, Rated(), "ranked"))
    assert rows_by_code(check([ranked(0, 1, 2), ranked(0, 2, 1)], Rated(), "ranked"))["contradiction"] == [1]


def test_prompts_of_the_test_set_are_found():
    report = check_rows(
        GOOD, {**GOOD, "prompt": "Other?"}, test=[{**GOOD, "prompt": "Third?"}, {**GOOD, "response_0": "Hm."}]
    )
    assert rows_by_code(report) == {"in_test": [0]}
    assert report.findings[0].examples[0].message == "the prompt is the same as in row 1 of the test set"


def test_the_prompt_of_a_test_row_that_is_skipped_is_found_too():
    equal = {**GOOD, "response_1": GOOD["response_0"]}
    assert rows_by_code(check_rows(GOOD, test=[{"prompt": None}, equal])) == {"in_test": [0]}


def conversation(*roles):
    return [{"role": role, "content": f"{role} {number}"} for number, role in enumerate(roles)]


@pytest.mark.parametrize(
    ("roles", "odd"),
    [
        (("user",), False),
        (("system", "user"), False),
        (("user", "assistant", "user"), False),
        (("user", "assistant", "tool"), False),
        (("user", "user"), True),
        (("user", "assistant"), True),
        (("user", "system", "user"), True),
        (("system", "system", "user"), True),
        (("system",), True),
        (("user", "assistant", "assistant", "user"), True),
        (("assistant", "user"), True),
        (("system", "assistant", "user"), True),
        (("user", "tool"), True),
        (("user", "assistant", "tool", "tool"), False),
    ],
)
def test_turns_in_an_unusual_order_are_flagged(roles, odd):
    row = {
        "prompt": conversation(*roles),
        "chosen": conversation("assistant"),
        "rejected": [{"role": "assistant", "content": "x"}],
    }
    report = check([row], get_template("TRL-messages"))
    assert rows_by_code(report) == ({"odd_turns": [0]} if odd else {})


@pytest.mark.parametrize("code", sorted(map(str, ROW_RULES)))
def test_each_rule_can_be_turned_off_by_its_name_alone(code):
    faults = [
        {**GOOD, "prompt": "<|im_end|>"},
        {**GOOD, "response_1": "No\u200b."},
        {**GOOD, "response_1": "No" * 50_001},
        {**GOOD, "prompt": "a" * 30, "response_0": "a" * 30, "response_1": "a" * 31},
        GOOD, GOOD, {**GOOD, "better_response_id": 1}, {**GOOD, "prompt": "<|eot_id|>", "chat_template": "{{ 1 }}"},
        {**GOOD, "prompt": "b", "chosen_score": 1, "rejected_score": 2},
        {**GOOD, "prompt": GOOD["prompt"].upper()},
    ]  # fmt: skip
    options = {"test": [GOOD]}
    every = {*rows_by_code(check_rows(*faults, **options))}
    less = {*rows_by_code(check_rows(*faults, **options, without=[code]))}
    assert every - less == every & {code}
    assert less <= every


@pytest.mark.parametrize("code", ["missing_field", "wrong_type", "bad_label", "bad_text", "empty", "equal"])
def test_what_rejects_or_skips_rows_is_turned_off_by_its_name_alone_and_the_rows_stay_counted(code):
    faults = [
        {**GOOD, "prompt": None}, {**GOOD, "prompt": 5}, {**GOOD, "better_response_id": 2},
        {**GOOD, "response_0": "a\ud800"}, {**GOOD, "response_0": " "}, {**GOOD, "response_0": "It is not."},
    ]  # fmt: skip
    every, less = check_rows(*faults), check_rows(*faults, without=[code])
    assert {*rows_by_code(every)} - {*rows_by_code(less)} == {code}
    assert (less.rows, less.formatted, less.skipped, less.rejected) == (6, 0, 2, 4)


def test_a_tie_and_a_shortcut_are_turned_off_by_their_names():
    tie = {**get_template("HelpSteer3").example, "overall_preference": 0}
    assert check_rows(tie, template="HelpSteer3").counts() == {"tie": 1}
    less = check_rows(tie, template="HelpSteer3", without=["tie", "longer wins"])
    assert (less.ok, less.skipped, {*less.shortcuts}) == (True, 1, {"first listed wins", "refusal wins"})


def test_the_rules_of_the_test_above_are_seen_to_find_something():
    assert {*map(str, ROW_RULES)} == {
        "control_text", "invisible", "long_text", "odd_turns", "prompt_repeated", "unbalanced_thinking", "duplicate",
        "contradiction", "in_test", "prefix_unstable", "special_token", "content_changed", "score_contradiction",
        "own_chat_template", "json_text", "near_duplicate", "near_test",
    }  # fmt: skip


def test_a_rule_that_is_none_is_refused_with_the_nearest_name():
    with pytest.raises(DefinitionError, match=r"no code or shortcut 'duplicat'\. Did you mean 'duplicate'"):
        check_rows(GOOD, without=["duplicat"])


def test_a_format_that_the_template_cannot_fill_is_refused():
    with pytest.raises(UnknownNameError, match="has no dataset type 'stepwise'"):
        check_rows(GOOD, format="stepwise")


@pytest.mark.parametrize(("count", "kept"), [(19, 19), (20, 20), (21, 20), (50, 20)])
def test_the_first_20_rows_are_kept_of_each_kind_and_all_are_counted(count, kept):
    report = check_rows(*[{**GOOD, "better_response_id": 7}] * count)
    (finding,) = report.findings
    assert (finding.count, [each.row for each in finding.examples]) == (count, [*range(kept)])


@given(st.lists(st.sampled_from([GOOD, {**GOOD, "response_0": ""}, {}, {**GOOD, "prompt": "\u202e"}]), max_size=12))
def test_every_row_is_formatted_skipped_or_rejected_and_the_report_is_json(rows):
    report = check_rows(*rows)
    out = sum(finding.count for finding in report.findings if finding.verdict in ("skipped", "rejected"))
    assert report.rows == len(rows) == report.formatted + out
    assert json.loads(json.dumps(report.as_json()))["rows"] == len(rows)


def test_a_template_that_formats_by_hand_is_checked_for_what_can_be_seen():
    class ByHand(Template):
        def format_preference_sample(self, raw_sample):
            return {"better_text": raw_sample["a"], "worse_text": raw_sample["b"]}

    report = check([{"a": "x", "b": "y"}, {"a": "x", "b": "x"}, {}], ByHand())
    assert report.counts() == {"missing_field": 1, "equal": 1}
    assert report.shortcuts == {}
