"""Nectar: rank 1 is the best, wherever it stands in the list, and no letter of the prompt is lost."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import texts

from preftemplates import get_template
from preftemplates.data.convert import Conversion
from preftemplates.errors import Code, RowError

PROMPT = "\n\nHuman: Tea?\n\nAssistant: "

MARKS = {"user": "\n\nHuman: ", "assistant": "\n\nAssistant: "}
contents = texts().map(lambda text: re.sub("(Human|Assistant):", r"\1;", text) + ".")


def row_of(ranks, prompt=PROMPT):
    return {"prompt": prompt, "answers": [{"answer": f"answer {rank}", "rank": float(rank)} for rank in ranks]}


@given(st.permutations(range(1, 8)))
def test_fault_6_the_answer_of_rank_1_is_the_best_in_whatever_order_they_are_listed(ranks):
    template = get_template("Nectar")
    (best,) = template.extract_all(row_of(ranks), "supervised").samples
    assert best.completion[0]["content"] == "answer 1"
    (pair,) = template.with_pairs("best-worst").extract_all(row_of(ranks), "preference").samples
    assert [pair.chosen[0]["content"], pair.rejected[0]["content"]] == ["answer 1", "answer 7"]
    pairs = template.extract_all(row_of(ranks), "preference").samples
    assert len(pairs) == 21
    assert all(pair.chosen[0]["content"] < pair.rejected[0]["content"] for pair in pairs)


def test_answers_of_one_rank_are_a_tie_and_its_pair_is_left_out():
    template = get_template("Nectar").with_style("plain").with_dialect("text")
    row = row_of([2, 1, 3])
    row["answers"][2]["rank"] = 2.0
    conversion = Conversion([row], template, "preference")
    pairs = [(pair["chosen"], pair["rejected"]) for pair in conversion]
    assert pairs == [("answer 1", "answer 2"), ("answer 1", "answer 3")]
    assert [refusal.code for refusal in conversion.report.left_out] == [Code.TIE]


@pytest.mark.parametrize("rank", [0.0, -1.0])
def test_a_rank_below_1_is_refused(rank):
    with pytest.raises(RowError) as caught:
        get_template("Nectar").extract(row_of([1, rank]), "ranked")
    assert (caught.value.code, caught.value.column) == (Code.BAD_LABEL, "answers[1].rank")


def test_a_row_without_answers_is_refused():
    with pytest.raises(RowError) as caught:
        get_template("Nectar").extract(row_of([]), "ranked")
    assert caught.value.code == Code.EMPTY


@given(
    st.lists(st.tuples(contents, contents), max_size=2),
    contents,
    st.sampled_from(["\n\nHuman: ", "Human: "]),
    st.sampled_from(["\n\nAssistant: ", "\n\nAssistant:"]),
)
def test_the_turns_and_their_marks_are_the_prompt(exchanges, question, begins, ends):
    history = [turn for ask, answer in exchanges for turn in (("user", ask), ("assistant", answer))]
    turns = [*history, ("user", question)]
    whole = "".join(MARKS[role] + content for role, content in turns)
    text = begins + whole.removeprefix("\n\nHuman: ") + ends
    messages = get_template("Nectar").extract(row_of([1], text), "prompt_only").prompt
    assert [(message["role"], message["content"]) for message in messages] == turns
    result = get_template("Nectar").with_dialect("text").format(row_of([1], text), "prompt_only")
    assert result == {"prompt": whole + "\n\nAssistant:"}


@pytest.mark.parametrize("inside", ["Human: b", "\nHuman: b", "\n\nHuman:b", "Assistant: b", "\n\n Assistant: b"])
def test_a_mark_inside_a_turn_or_an_answer_is_text(inside):
    row = row_of([1], f"\n\nHuman: a{inside}\n\nAssistant: ")
    row["answers"].append({"answer": f"x\n\nHuman: {inside}", "rank": 2.0})
    sample = get_template("Nectar").extract(row, "ranked")
    assert sample.prompt == [{"role": "user", "content": f"a{inside}"}]
    assert sample.completions[1] == [{"role": "assistant", "content": f"x\n\nHuman: {inside}"}]


@pytest.mark.parametrize(
    "prompt",
    [
        "", "Tea?", "Human:Tea?\n\nAssistant:", "\nHuman: Tea?\n\nAssistant:", "\n\nHuman: Tea?", "Human: Assistant:",
        "\n\nHuman: Tea?\n\nAssistant: Yes.", "\n\nHuman: Tea? Assistant:", "\n\nHuman: Tea?\n\nAssistant:  ",
        "\n\nAssistant: Tea?\n\nAssistant:", "System: x\n\nHuman: Tea?\n\nAssistant:",
    ],
)  # fmt: skip
def test_a_prompt_that_begins_or_ends_otherwise_has_bad_turns(prompt):
    with pytest.raises(RowError) as caught:
        get_template("Nectar").extract(row_of([1], prompt), "prompt_only")
    assert caught.value.code == Code.BAD_TURNS
