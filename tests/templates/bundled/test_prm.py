"""Solutions in steps: what a rating or a mark says of a step, and what becomes of steps that nobody chose."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preftemplates import get_template
from preftemplates.data.convert import Conversion
from preftemplates.errors import Code, RowError

# --- PRM800K -------------------------------------------------------------------------------------------------------


def rated(text, rating):
    return {"text": text, "rating": rating, "flagged": None}


def step(*candidates, chosen=None, written=None):
    human = None if written is None else {"text": written, "rating": None}
    return {"completions": list(candidates), "human_completion": human, "chosen_completion": chosen}


def row_of(*steps):
    return {"question": {"problem": "2 + 2 - 1?"}, "label": {"steps": list(steps), "finish_reason": "solution"}}


def solutions(*steps):
    samples = get_template("PRM800K").extract_all(row_of(*steps), "stepwise").samples
    return [([own[0]["content"] for own in sample.completions], sample.labels) for sample in samples]


@given(st.lists(st.sampled_from([-1, 0, 1]), min_size=1, max_size=5))
def test_only_the_rating_1_is_right(ratings):
    steps = [step(rated(f"step {place}", rating), chosen=0) for place, rating in enumerate(ratings)]
    texts = [f"step {place}" for place in range(len(ratings))]
    assert solutions(*steps) == [(texts, [rating == 1 for rating in ratings])]


@pytest.mark.parametrize("rating", [-2, 2, True, 1.5, "1"])
def test_another_rating_is_refused(rating):
    with pytest.raises(RowError) as caught:
        solutions(step(rated("a", rating), chosen=0))
    assert caught.value.code in (Code.BAD_LABEL, Code.WRONG_TYPE)
    assert caught.value.column == "label.steps[0].completions[0].rating"


def test_a_candidate_that_was_not_chosen_ends_a_solution_behind_the_chosen_steps():
    two = step(rated("wrong", -1), rated("fine", 1), rated("idle", 0), chosen=1)
    assert solutions(step(rated("first", 1), chosen=0), two, step(rated("last", 1), chosen=0)) == [
        (["first", "wrong"], [True, False]),
        (["first", "idle"], [True, False]),
        (["first", "fine", "last"], [True, True, True]),
    ]


def test_the_choice_decides_which_candidate_goes_on():
    candidates = (rated("a", 1), rated("b", -1))
    for chosen, other in ((0, 1), (1, 0)):
        texts = [texts for texts, _ in solutions(step(*candidates, chosen=chosen), step(rated("c", 1), chosen=0))]
        assert texts == [["ab"[other]], ["ab"[chosen], "c"]]


def test_a_step_that_a_person_wrote_is_right_where_none_was_chosen():
    steps = (step(rated("wrong", -1), written="mine"), step(rated("last", 1), chosen=0))
    assert solutions(*steps) == [(["wrong"], [False]), (["mine", "last"], [True, True])]


def test_a_solution_whose_error_was_found_ends_with_it_and_is_given_once():
    steps = (step(rated("first", 1), chosen=0), step(rated("wrong", -1), rated("other", 1)))
    assert solutions(*steps) == [(["first", "wrong"], [True, False]), (["first", "other"], [True, True])]


def test_nothing_follows_a_step_without_a_choice():
    steps = (step(rated("first", 1), chosen=0), step(), step(rated("lost", 1), chosen=0))
    assert solutions(*steps) == [(["first"], [True])]
    given_up = {"completions": None, "human_completion": None, "chosen_completion": None}
    assert solutions(step(rated("first", 1), chosen=0), given_up) == [(["first"], [True])]


def test_a_candidate_without_a_rating_is_not_taken_for_a_wrong_one():
    assert solutions(step(rated("unrated", None), rated("good", 1), chosen=1)) == [(["good"], [True])]


@pytest.mark.parametrize(("candidates", "chosen"), [(1, 1), (1, -1), (0, 0)])
def test_a_choice_of_none_of_the_candidates_is_refused(candidates, chosen):
    with pytest.raises(RowError) as caught:
        solutions(step(*[rated("a", 1)] * candidates, chosen=chosen))
    assert caught.value.code == Code.BAD_LABEL


def test_a_chosen_candidate_without_a_rating_is_refused():
    with pytest.raises(RowError) as caught:
        solutions(step(rated("a", None), chosen=0))
    assert caught.value.code == Code.BAD_LABEL


def test_rows_and_solutions_are_counted():
    rows = [row_of(step(rated("a", 1), rated("b", -1), chosen=0)), row_of(), row_of(step(rated("a", None), chosen=0))]
    conversion = Conversion(rows, get_template("PRM800K"), "stepwise", on_error="skip")
    assert len(list(conversion)) == 2
    report = conversion.report
    assert (report.rows, report.formatted, report.results) == (3, 1, 2)
    assert [refusal.code for refusal in report.skipped] == [Code.NO_SAMPLE]
    assert [refusal.code for refusal in report.rejected] == [Code.BAD_LABEL]


# --- Math-Shepherd -------------------------------------------------------------------------------------------------

STEPS = ("Step 1: 2 + 2 = 4.", "Step 2: 4 - 1 = 3.", "Step 3: The answer is: 3")


def marked(verdicts, question="2 + 2 - 1?"):
    steps = STEPS[: len(verdicts)]
    text = "\n".join(f"{step} ки" for step in steps)
    label = "\n".join(f"{step} {verdict}" for step, verdict in zip(steps, verdicts, strict=True))
    return {"input": f"{question} {text}", "label": f"{question} {label}", "task": "GSM8K"}


@given(st.lists(st.sampled_from("+-"), min_size=1, max_size=3))
def test_plus_is_right_and_minus_is_wrong(verdicts):
    sample = get_template("Math-Shepherd").extract(marked(verdicts), "stepwise")
    assert sample.prompt == [{"role": "user", "content": "2 + 2 - 1?"}]
    assert [own[0]["content"] for own in sample.completions] == list(STEPS[: len(verdicts)])
    assert sample.labels == [verdict == "+" for verdict in verdicts]


def test_plus_and_minus_in_the_text_are_no_verdicts():
    row = marked("+-+", question="What is - 3 + 3 + ?")
    assert get_template("Math-Shepherd").extract(row, "stepwise").labels == [True, False, True]


GOOD = marked("+-")


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({**GOOD, "label": GOOD["label"] + "!"}, Code.BAD_LABEL),
        ({**GOOD, "label": GOOD["label"][:-1]}, Code.BAD_LABEL),
        ({**GOOD, "label": GOOD["label"].replace("4.", "5.")}, Code.BAD_LABEL),
        ({**GOOD, "label": "x" + GOOD["label"]}, Code.BAD_LABEL),
        ({**GOOD, "label": GOOD["label"][:-1] + "o"}, Code.BAD_LABEL),
        ({**GOOD, "label": GOOD["input"]}, Code.BAD_LABEL),
        ({key: text + " and more" for key, text in GOOD.items()}, Code.BAD_TURNS),
        ({"input": "2 + 2? 4. ки", "label": "2 + 2? 4. +"}, Code.BAD_TURNS),
        ({"input": "2 ки + 2? Step 1: 4. ки", "label": "2 + + 2? Step 1: 4. +"}, Code.BAD_TURNS),
        ({"input": "Step 1: Step 1: 4. ки", "label": "Step 1: Step 1: 4. +"}, Code.BAD_TURNS),
    ],
)
def test_texts_that_do_not_match_or_do_not_say_where_the_steps_begin_are_refused(row, code):
    with pytest.raises(RowError) as caught:
        get_template("Math-Shepherd").extract(row, "stepwise")
    assert caught.value.code == code


def test_each_step_knows_its_place_in_the_input():
    rendered = get_template("Math-Shepherd").with_style("plain").render(GOOD, "stepwise")
    told = {
        rendered.completions[-1].text[span.start : span.end]: span.source
        for span in rendered.completions[-1].spans
        if span.kind == "content"
    }
    assert told == {part: ("input", GOOD["input"].index(part)) for part in ("2 + 2 - 1?", *STEPS[:2])}
