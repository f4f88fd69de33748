"""Shortcuts: rules that read no meaning choose an answer, and how often they are right is counted."""

import random

import pytest
from support import real_rows

from preftemplates import Preference, RowModel, Template, check, get_template
from preftemplates.core.provenance import Traced
from preftemplates.data.shortcuts import choose_first_listed
from preftemplates.errors import Code

GOOD = {"prompt": "Is mint a herb?", "response_0": "Yes.", "response_1": "It is not.", "better_response_id": 0}


def check_rows(*rows):
    return check(rows, get_template("PKUSafeRLHF").with_style("chatml"))


def count_shortcuts(*rows):
    return {
        name: (shortcut.pairs, shortcut.right, shortcut.wrong)
        for name, shortcut in check_rows(*rows).shortcuts.items()
    }


def test_shortcuts_count_right_and_wrong_choices_and_leave_ties_open():
    refusing = {**GOOD, "prompt": "b", "response_0": "I'm sorry, but no.", "response_1": "Sure, do this."}
    even = {**GOOD, "prompt": "c", "response_0": "Yes", "response_1": "Noo"[:3], "better_response_id": 1}
    assert count_shortcuts(GOOD, refusing, even) == {
        "longer wins": (3, 1, 1),
        "first listed wins": (3, 2, 1),
        "refusal wins": (3, 1, 0),
    }


def test_the_accuracy_counts_the_undecided_as_one_half_and_has_its_standard_error():
    rows = [{**GOOD, "prompt": f"{number}", "better_response_id": number % 4 == 0} for number in range(40)]
    rows = [{**row, "better_response_id": int(row["better_response_id"])} for row in rows]
    shortcut = check_rows(*rows).shortcuts["first listed wins"]
    assert shortcut.accuracy == 0.75
    assert shortcut.error == pytest.approx((0.75 * 0.25 / 39) ** 0.5)
    assert check_rows(*rows).shortcuts["refusal wins"].accuracy == 0.5
    assert check_rows(*rows).shortcuts["refusal wins"].error == 0


def test_a_label_that_is_random_leaves_every_shortcut_at_one_half():
    random_labels = random.Random(1)
    rows = [
        {"prompt": f"{n}", "response_0": "a" * (1 + n % 7), "response_1": "b" * (1 + n % 5),
         "better_response_id": random_labels.randrange(2)} for n in range(2000)
    ]  # fmt: skip
    for shortcut in check_rows(*rows).shortcuts.values():
        assert abs(shortcut.accuracy - 0.5) <= 4 * shortcut.error


NESTED = {
    "items of a list": ("list[str]", ["one", "two"], "{{ answers[better] }}", "{{ answers[1 - better] }}"),
    "objects in a list": (
        "list[dict[str, str]]", [{"says": "one"}, {"says": "two"}], "{{ answers[better].says }}",
        "{{ answers[1 - better].says }}",
    ),
    "keys of an object": (
        "{'a': str, 'b': str}", {"a": "one", "b": "two"}, "{{ answers.b if better else answers.a }}",
        "{{ answers.a if better else answers.b }}",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", NESTED)
def test_the_first_listed_of_answers_within_one_column_is_seen(kind, tmp_path):
    spelled, answers, chosen, rejected = NESTED[kind]
    file = tmp_path / "nested.yaml"
    text = f'row: {{q: str, answers: "{spelled}", better: Index01}}\n'
    text += f'preference: {{prompt: "{{{{ q }}}}", chosen: "{chosen}", rejected: "{rejected}"}}\n'
    file.write_text(text)
    rows = [{"q": f"{number}?", "answers": answers, "better": better} for number, better in enumerate([0, 0, 0, 1])]
    shortcut = check(rows, get_template(str(file)).with_style("plain").with_dialect("text"), "preference").shortcuts
    first = shortcut["first listed wins"]
    assert (first.pairs, first.right, first.wrong) == (4, 3, 1)


def test_items_are_compared_by_number_and_not_by_letters():
    assert compare_first_listed("a[9].t", "a[10].t") is True
    assert compare_first_listed("a[10].t", "a[9].t") is False
    assert compare_first_listed("a[1].t", "a[1].t") is None
    assert compare_first_listed('b["x.y"].t', "a[1].t") is False
    assert compare_first_listed('a["x.y"]', 'a["x.z"]') is True
    assert compare_first_listed('a["2[b"][2]', 'a["2[b"][10]') is True
    assert compare_first_listed('a["\\"x"]', 'a["\\"x"]') is None


def test_an_answer_that_is_made_of_several_columns_is_in_none_of_them():
    assert compare_first_listed("", "a") is None
    assert compare_first_listed("a", "") is None


def compare_first_listed(chosen, rejected):
    def turn(place):
        return [{"role": "assistant", "content": Traced.whole("text", place)}]

    return choose_first_listed(
        Preference(prompt=[], chosen=turn(chosen), rejected=turn(rejected)), ["a", "b", "label"]
    )


def test_where_each_answer_has_a_column_of_its_own_the_first_listed_says_nothing():
    class Plain(Template):
        class Row(RowModel):
            prompt: str
            chosen: str
            rejected: str

        preference = Preference(prompt="{{ prompt }}", chosen="{{ chosen }}", rejected="{{ rejected }}")

    report = check([{"prompt": "a", "chosen": "b", "rejected": "cc"}], Plain())
    first = report.shortcuts["first listed wins"]
    assert (first.pairs, first.right, first.wrong) == (1, 0, 0)


def test_on_real_rows_of_hh_the_shorter_answer_is_preferred_more_often_than_not():
    report = check(real_rows("hh_rlhf/harmless-base_test_even.jsonl.gz"), get_template("HH"))
    assert report.counts() == {"prompt_mismatch": 5, "empty": 2}
    assert (report.rows, report.formatted) == (1156, 1149)
    longer = report.shortcuts["longer wins"]
    assert longer.accuracy < 0.5 - 3 * longer.error
    assert {finding.code for finding in report.findings} == {Code.PROMPT_MISMATCH, Code.EMPTY}
