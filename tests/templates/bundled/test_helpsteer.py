"""HelpSteer: five ratings from 0 to 4, and strengths that are negative where the first answer is better."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import texts

from preftemplates import get_template
from preftemplates.data.convert import Conversion
from preftemplates.data.grouping import group_rows
from preftemplates.data.reading import Record, RowSource
from preftemplates.errors import Code, DefinitionError, RowError

STRENGTHS = {"HelpSteer2-preference": "preference_strength", "HelpSteer3": "overall_preference"}
ANSWERS = {"HelpSteer2-preference": ("response_1", "response_2"), "HelpSteer3": ("response1", "response2")}
GROUPED = "HelpSteer-grouped"
RATINGS = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")


def row_of(name, one, other, strength):
    row = {**get_template(name).example, STRENGTHS[name]: strength}
    return row | dict(zip(ANSWERS[name], (one, other), strict=True))


@pytest.mark.parametrize("name", STRENGTHS)
@given(one=texts(), other=texts(), strength=st.integers(-3, 3))
def test_a_negative_strength_is_for_the_first_answer_and_its_size_is_the_margin(name, one, other, strength):
    sample = get_template(name).extract(row_of(name, one, other, strength), "preference")
    answers = [sample.chosen[0]["content"], sample.rejected[0]["content"]]
    assert answers == ([other, one] if strength > 0 else [one, other])
    assert (sample.margin, sample.is_tie) == (abs(strength), strength == 0)


@pytest.mark.parametrize("name", STRENGTHS)
@pytest.mark.parametrize("strength", [-4, 4, 100])
def test_a_strength_outside_minus_3_to_3_is_refused(name, strength):
    with pytest.raises(RowError) as caught:
        get_template(name).extract(row_of(name, "a", "b", strength), "preference")
    assert (caught.value.code, caught.value.column) == (Code.BAD_LABEL, STRENGTHS[name])


@pytest.mark.parametrize("name", STRENGTHS)
def test_fault_16_a_tie_is_dropped_and_counted_and_never_one_answer_on_both_sides(name):
    rows = [row_of(name, "one", "other", strength) for strength in (0, -1, 0, 2)]
    conversion = Conversion(rows, get_template(name).with_style("plain").with_dialect("text"), "preference")
    pairs = [(pair["chosen"], pair["rejected"]) for pair in conversion]
    assert pairs == [("one", "other"), ("other", "one")]
    assert [(refusal.row, refusal.code) for refusal in conversion.report.skipped] == [(0, Code.TIE), (2, Code.TIE)]
    kept = Conversion(
        rows[:1], get_template(name).with_style("plain").with_dialect("text").with_ties("keep"), "preference"
    )
    assert [(pair["chosen"], pair["rejected"]) for pair in kept] == [("one", "other")]


@pytest.mark.parametrize("name", STRENGTHS)
@pytest.mark.parametrize("dialect", ["nemo-rl", "openai", "llama-factory-alpaca"])
def test_a_tie_is_not_kept_where_nothing_tells_it_from_other_pairs(name, dialect):
    template = get_template(name).with_ties("keep").with_dialect(dialect)
    with pytest.raises(DefinitionError, match=f"ties are kept, but the dialect {dialect} cannot distinguish them"):
        template.format(row_of(name, "one", "other", 0), "preference")
    assert template.with_dialect("trl").format(row_of(name, "one", "other", 0), "preference")["margin"] == 0


@given(st.lists(st.integers(0, 4), min_size=5, max_size=5))
def test_the_score_is_the_helpfulness_and_all_five_ratings_are_attributes(ratings):
    given_ratings = dict(zip(RATINGS, ratings, strict=True))
    for name in ("HelpSteer", "HelpSteer2"):
        sample = get_template(name).extract({**get_template(name).example, **given_ratings}, "scored")
        assert (sample.score, sample.attributes) == (ratings[0], given_ratings)


@pytest.mark.parametrize("name", ["HelpSteer", "HelpSteer2"])
@pytest.mark.parametrize("rating", RATINGS)
@pytest.mark.parametrize("value", [-1, 5])
def test_a_rating_outside_0_to_4_is_refused(name, rating, value):
    with pytest.raises(RowError) as caught:
        get_template(name).extract({**get_template(name).example, rating: value}, "scored")
    assert (caught.value.code, caught.value.column) == (Code.BAD_LABEL, rating)


def test_a_prompt_of_helpsteer2_with_marks_is_several_turns_and_one_without_is_one():
    prompt = "One?\n<extra_id_1>Assistant\nTwo.\n<extra_id_1>User\nThree? <extra_id_1> User"
    wanted = [("user", "One?"), ("assistant", "Two."), ("user", "Three? <extra_id_1> User")]
    for name in ("HelpSteer2", "HelpSteer2-preference"):
        template = get_template(name)
        turns = template.extract({**template.example, "prompt": prompt}, "prompt_only").prompt
        assert [(turn["role"], turn["content"]) for turn in turns] == wanted
        alone = template.extract({**template.example, "prompt": " Four?\n"}, "prompt_only").prompt
        assert alone == [{"role": "user", "content": " Four?\n"}]


def test_a_context_of_helpsteer3_is_a_text_or_messages():
    template = get_template("HelpSteer3")
    prompts = [
        template.extract({**template.example, "context": context}, "prompt_only").prompt
        for context in ("Hi", [{"role": "user", "content": "Hi"}])
    ]
    assert prompts == [[{"role": "user", "content": "Hi"}]] * 2
    with pytest.raises(RowError) as caught:
        template.extract({**template.example, "context": 7}, "prompt_only")
    assert (caught.value.code, caught.value.column) == (Code.WRONG_TYPE, "context")


@given(st.permutations([(0, 4), (1, 2), (2, 2), (3, 0)]))
def test_answers_to_one_prompt_are_ranked_by_their_helpfulness_wherever_their_rows_stand(rated):
    row = get_template("HelpSteer2").example
    others = {**row, "prompt": "Another?", "response": "Alone."}
    rows = [{**row, "response": f"answer {number}", "helpfulness": rating} for number, rating in rated]
    rows.insert(2, others)
    source = RowSource("mine", iter([Record(number, None, cells) for number, cells in enumerate(rows)]), lambda: None)
    conversion = Conversion(
        group_rows(source, "prompt"), get_template(GROUPED).with_style("plain").with_dialect("text"), "preference"
    )
    pairs = {(pair["chosen"][-1], pair["rejected"][-1], pair["margin"]) for pair in conversion}
    assert pairs == {("0", "1", 2.0), ("0", "2", 2.0), ("0", "3", 4.0), ("1", "3", 2.0), ("2", "3", 2.0)}
    assert [(refusal.row, str(refusal.code)) for refusal in conversion.report.skipped] == [(2, "no_sample")]
