"""The arena: a name says who won, two names say that nobody did, and both sides must answer the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import texts

from preftemplates import get_template
from preftemplates.data.convert import Conversion
from preftemplates.errors import Code, RowError

TIES = {"Arena-conversations": ["tie", "tie (bothbad)"], "Arena-140k": ["tie", "tie (bothbad)", "both_bad"]}
EACH_TIE = [(name, tie) for name, ties in TIES.items() for tie in ties]


def parts(text):
    return [{"type": "text", "text": text, "image": None, "mimeType": None}]


def conversation(name, *contents):
    content = parts if name == "Arena-140k" else str
    roles = ["user", "assistant"] * len(contents)
    return [{"role": role, "content": content(text)} for role, text in zip(roles, contents, strict=False)]


def row_of(name, winner, history, answer_a, answer_b):
    row = {"winner": winner, "model_a": "one", "model_b": "other"}
    sides = {"a": answer_a, "b": answer_b}
    return row | {f"conversation_{side}": conversation(name, *history, answer) for side, answer in sides.items()}


@pytest.mark.parametrize("name", TIES)
@given(winner=st.sampled_from(["model_a", "model_b"]), question=texts(), one=texts(), other=texts())
def test_the_named_side_is_chosen_and_nothing_is_said_of_by_how_much(name, winner, question, one, other):
    sample = get_template(name).extract(row_of(name, winner, [question], one, other), "preference")
    answers = [sample.chosen[0]["content"], sample.rejected[0]["content"]]
    assert answers == ([one, other] if winner == "model_a" else [other, one])
    assert sample.prompt == [{"role": "user", "content": question}]
    assert (sample.margin, sample.probability, sample.is_tie) == (None, 1.0, False)


@pytest.mark.parametrize(("name", "tie"), EACH_TIE)
def test_fault_16_a_tie_is_dropped_and_counted_and_never_one_answer_on_both_sides(name, tie):
    rows = [row_of(name, winner, ["Tea?"], "one", "other") for winner in (tie, "model_b")]
    conversion = Conversion(rows, get_template(name).with_style("plain").with_dialect("text"), "preference")
    assert [(pair["chosen"], pair["rejected"]) for pair in conversion] == [("other", "one")]
    assert [(refusal.row, refusal.code) for refusal in conversion.report.skipped] == [(0, Code.TIE)]
    kept = Conversion(
        rows[:1], get_template(name).with_style("plain").with_dialect("text").with_ties("keep"), "preference"
    )
    assert [{pair["chosen"], pair["rejected"]} for pair in kept] == [{"one", "other"}]
    assert get_template(name).extract(rows[0], "preference").probability == 0.5


@pytest.mark.parametrize("name", TIES)
@pytest.mark.parametrize("winner", ["model_c", "", "MODEL_A", "tie(bothbad)", "a"])
def test_another_winner_is_refused(name, winner):
    with pytest.raises(RowError) as caught:
        get_template(name).extract(row_of(name, winner, ["Tea?"], "one", "other"), "preference")
    assert (caught.value.code, caught.value.column) == (Code.BAD_LABEL, "winner")


@pytest.mark.parametrize("name", TIES)
def test_a_second_question_behind_different_answers_has_no_common_prompt(name):
    row = row_of(name, "model_a", ["Tea?", "Yes.", "Which?"], "Mint.", "Black.")
    assert len(get_template(name).extract(row, "preference").prompt) == 3
    row["conversation_b"] = conversation(name, "Tea?", "No.", "Which?", "Black.")
    with pytest.raises(RowError) as caught:
        get_template(name).extract(row, "preference")
    assert caught.value.code == Code.PROMPT_MISMATCH


@pytest.mark.parametrize("name", TIES)
def test_a_conversation_without_an_answer_has_bad_turns(name):
    row = {**row_of(name, "model_a", ["Tea?"], "one", "other"), "conversation_b": conversation(name, "Tea?")}
    with pytest.raises(RowError) as caught:
        get_template(name).extract(row, "preference")
    assert caught.value.code == Code.BAD_TURNS


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "text", "text": "Tea?"}, {"type": "text", "text": "Milk?"}],
        [{"type": "image", "image": "cup.png"}],
        [{"type": "text", "text": "Tea?", "image": "cup.png"}],
        [{"type": "thought", "text": "Tea?"}],
        [],
    ],
    ids=str,
)
def test_contents_that_are_more_than_one_text_stay_as_they_are_and_text_styles_refuse_them(content):
    template = get_template("Arena-140k")
    row = row_of("Arena-140k", "model_b", ["Tea?"], "one", "other")
    for side in ("conversation_a", "conversation_b"):
        row[side][0]["content"] = content
    assert template.extract(row, "preference").prompt == [{"role": "user", "content": content}]
    result = template.with_dialect("openrlhf").format(row, "preference")
    assert result["chosen"][0] == {"role": "user", "content": content}
    with pytest.raises(RowError) as caught:
        template.with_dialect("text").format(row, "preference")
    assert caught.value.code == Code.UNSUPPORTED_CONTENT


def test_a_lone_text_part_still_knows_its_cell():
    template = get_template("Arena-140k")
    rendered = template.render(row_of("Arena-140k", "model_b", ["Tea?"], "one", "other"), "preference").chosen
    sources = [span.source for span in rendered.spans if span.kind == "content"]
    assert sources == [("conversation_a[0].content[0].text", 0), ("conversation_b[1].content[0].text", 0)]
