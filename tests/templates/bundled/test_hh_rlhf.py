"""Anthropic HH: cut only where a turn begins, rejoined byte for byte, and a stated verdict for every row."""

import re
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import outcome, real_rows, texts

from preftemplates import get_template
from preftemplates.errors import Code, RowError

FILE = "hh_rlhf/harmless-base_test_even.jsonl.gz"
DIFFERENT = {627, 844, 975, 976, 1018}
"""The rows whose sides have different histories."""

MARKS = {"user": "\n\nHuman: ", "assistant": "\n\nAssistant: "}

contents = texts().map(lambda text: re.sub("(Human|Assistant): ", r"\1; ", text) + ".")
histories = st.lists(st.tuples(st.sampled_from(["user", "assistant"]), contents), min_size=1, max_size=5).map(
    lambda turns: [("user", "a"), *turns]
)


def transcript(turns):
    return "".join(MARKS[role] + content for role, content in turns)


def verdicts(rows):
    """For each row its result, or the code under which it is refused."""
    template = get_template("HH").with_dialect("text")
    for row in rows:
        result = outcome(template.format, row, "preference")
        yield result.code if isinstance(result, RowError) else result


def test_of_the_real_rows_exactly_five_answer_different_prompts():
    found = list(verdicts(real_rows(FILE)))
    assert len(found) == 1156
    refused = {index: verdict for index, verdict in enumerate(found) if isinstance(verdict, Code)}
    assert refused == dict.fromkeys(sorted(DIFFERENT), Code.PROMPT_MISMATCH)


def test_in_the_other_1151_prompt_and_answer_are_the_original_on_both_sides():
    rows = real_rows(FILE)
    pairs = [
        (index, row, pair)
        for index, (row, pair) in enumerate(zip(rows, verdicts(rows), strict=True))
        if isinstance(pair, dict)
    ]
    broken = [
        (index, side)
        for index, row, pair in pairs
        for side in ("chosen", "rejected")
        if (pair["prompt"] + pair[side]).encode() != row[side].encode()
    ]
    assert (len(pairs), broken) == (1151, [])
    assert [index for index, _, pair in pairs if not pair["prompt"].endswith("\n\nAssistant:")] == []


def test_two_of_them_have_an_empty_final_answer_and_format():
    rows = real_rows(FILE)
    empty = [
        index
        for index, pair in enumerate(verdicts(rows))
        if isinstance(pair, dict) and not (pair["chosen"].strip() and pair["rejected"].strip())
    ]
    assert empty == [43, 258]


def test_every_span_of_the_real_rows_spells_the_side_that_it_names():
    template = get_template("HH")
    wrong = []
    for index, row in enumerate(real_rows(FILE)[:300]):
        sample = template.render(row, "preference")
        for rendered in (sample.prompt, sample.chosen, sample.rejected):
            text = rendered.text
            sources = [(text[span.start : span.end], *span.source) for span in rendered.spans if span.source]
            wrong += [index for part, column, at in sources if not row[column].startswith(part, at)]
        if {span.source[0] for span in sample.rejected.spans if span.source} != {"chosen", "rejected"}:
            wrong.append(index)
    assert wrong == []


# --- the faults of the peers, by their number in the list of what is known of them -----------------------------------


def test_fault_3_a_side_that_has_more_turns_than_the_other_is_a_verdict_on_its_row_and_no_crash():
    counts = Counter()
    for row, verdict in zip(real_rows(FILE), verdicts(real_rows(FILE)), strict=True):
        lengths = {sum(row[side].count(mark) for mark in MARKS.values()) for side in row}
        counts[len(lengths), verdict if isinstance(verdict, Code) else "pair"] += 1
    assert counts[2, "pair"] == 0
    assert counts[2, Code.PROMPT_MISMATCH] > 0


@given(
    histories,
    contents,
    contents,
    st.sampled_from(["Human: ", "Assistant: ", "\nHuman: ", "\n\nHuman:", "\n\n Human: "]),
)
def test_fault_14_a_mark_inside_a_turn_is_text(history, good, bad, mark):
    mark = mark + "b"  # else a blank behind it could make it a real one
    history = [(role, f"a{mark}{content}") for role, content in history]
    shared = transcript(history)
    row = {side: shared + MARKS["assistant"] + mark + answer for side, answer in [("chosen", good), ("rejected", bad)]}
    sample = get_template("HH").extract(row, "preference")
    assert [(message["role"], message["content"]) for message in sample.prompt] == history
    assert [sample.chosen[0]["content"], sample.rejected[0]["content"]] == [mark + good, mark + bad]


def test_fault_14_no_real_row_is_skipped_for_a_mark_inside_a_turn():
    rows = real_rows(FILE)
    inside = [
        index
        for index, row in enumerate(rows)
        if any(row[side].count("Human:") > row[side].count(MARKS["user"]) for side in row)
    ]
    assert len(inside) > 10
    refused = [index for index, verdict in enumerate(verdicts(rows)) if isinstance(verdict, Code)]
    assert {*inside} & {*refused} == {*inside} & DIFFERENT


@given(histories, contents, contents)
def test_fault_15_turns_that_do_not_alternate_are_all_kept(history, good, bad):
    row = {
        side: transcript([*history, ("assistant", answer)]) for side, answer in [("chosen", good), ("rejected", bad)]
    }
    sample = get_template("HH").extract(row, "preference")
    assert [(message["role"], message["content"]) for message in sample.prompt] == history
    pair = get_template("HH").with_dialect("text").format(row, "preference")
    assert pair["prompt"] + pair["chosen"] == row["chosen"]
    assert pair["prompt"] + pair["rejected"] == row["rejected"]


def test_fault_15_the_real_rows_that_do_not_alternate_are_refused_and_the_others_keep_every_turn():
    rows = real_rows(FILE)
    template = get_template("HH")
    uneven, lost = set(), []
    for index, (row, verdict) in enumerate(zip(rows, verdicts(rows), strict=True)):
        for text in row.values():
            marks = re.findall(r"\n\n(?:Human|Assistant): ", text)
            uneven |= {index for one, other in pairwise(marks) if one == other}
        if isinstance(verdict, dict):
            sample = template.extract(row, "preference")
            lost += [index] * (len(sample.prompt) + 1 != sum(row["chosen"].count(mark) for mark in MARKS.values()))
    assert uneven == DIFFERENT
    assert lost == []


# --- generated rows ------------------------------------------------------------------------------------------------


@given(histories, contents, histories, contents)
def test_sides_with_different_histories_are_refused_and_equal_ones_never(one, good, other, bad):
    row = {"chosen": transcript([*one, ("assistant", good)]), "rejected": transcript([*other, ("assistant", bad)])}
    (verdict,) = verdicts([row])
    assert (verdict == Code.PROMPT_MISMATCH) == (one != other)


@pytest.mark.parametrize(
    ("chosen", "rejected"),
    [
        ("", "\n\nHuman: a\n\nAssistant: b"),
        ("Hi\n\nHuman: a\n\nAssistant: b", "\n\nHuman: a\n\nAssistant: c"),
        ("\n\nHuman: a", "\n\nHuman: b"),
        ("\n\nHuman: a\n\nAssistant: b\n\nHuman: c", "\n\nHuman: a\n\nAssistant: b"),
    ],
)
def test_a_transcript_without_a_last_answer_has_bad_turns(chosen, rejected):
    assert list(verdicts([{"chosen": chosen, "rejected": rejected}])) == [Code.BAD_TURNS]
