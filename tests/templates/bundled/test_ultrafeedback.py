"""UltraFeedback: the mean of four ratings ranks, a 10 that was a 1 is refused, and a margin is never below 0."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import texts

from preftemplates import get_template
from preftemplates.data.convert import Conversion
from preftemplates.errors import Code, RowError

ASPECTS = ("instruction_following", "honesty", "truthfulness", "helpfulness")
SCORED = {
    "UltraFeedback-binarized": ("score_chosen", "score_rejected"),
    "UltraFeedback-trl": ("score_chosen", "score_rejected"),
    "UltraFeedback-argilla": ("chosen_avg_rating", "rejected_avg_rating"),
    "UltraFeedback-cleaned": ("chosen-rating", "rejected-rating"),
}
CONVERSATIONS = [name for name in SCORED if name != "UltraFeedback-argilla"]
ratings = st.lists(st.integers(1, 5), min_size=4, max_size=4)


def annotated(*ratings_of_each, name="answer"):
    completions = [
        {
            "model": "one",
            "response": f"{name} {index}",
            "custom_system_prompt": "Be kind.",
            "annotations": {
                aspect: {"Rating": str(rating), "Rationale": "Because."}
                for aspect, rating in zip(ASPECTS, ratings, strict=True)
            },
            "overall_score": 10.0,
        }
        for index, ratings in enumerate(ratings_of_each)
    ]
    return {"source": "x", "instruction": "Tea?", "completions": completions}


def scored(*scores):
    completions = [
        {"response": f"answer {index}", "overall_score": overall, "fine-grained_score": fine}
        for index, (overall, fine) in enumerate(scores)
    ]
    return {"instruction": "Tea?", "completions": completions}


def pair_of(name, better, worse, one="one", other="other"):
    scores = dict(zip(SCORED[name], (better, worse), strict=True))
    if name == "UltraFeedback-argilla":
        return {"instruction": "Tea?", "chosen_response": one, "rejected_response": other, **scores}
    sides = {"chosen": one, "rejected": other}
    asked = {"role": "user", "content": "Tea?"}
    row = {side: [asked, {"role": "assistant", "content": text}] for side, text in sides.items()}
    return {"prompt": "Tea?", **row, **scores}


# --- the original --------------------------------------------------------------------------------------------------


@given(st.lists(ratings, min_size=1, max_size=4))
def test_the_mean_of_the_four_ratings_is_the_score_and_the_highest_is_the_best(ratings_of_each):
    sample = get_template("UltraFeedback").extract(annotated(*ratings_of_each), "ranked")
    assert sample.scores == [sum(ratings) / 4 for ratings in ratings_of_each]
    best = max(sample.scores)
    assert [rank == 0 for rank in sample.ranks] == [score == best for score in sample.scores]
    assert [own[0]["content"] for own in sample.completions] == [f"answer {i}" for i in range(len(ratings_of_each))]


def test_exchanging_the_ratings_exchanges_the_answers_of_a_pair():
    template = get_template("UltraFeedback").with_style("plain").with_dialect("text")
    for row, wanted in (
        (annotated([5, 5, 5, 4], [1, 2, 1, 1]), ("answer 0", "answer 1", 3.5)),
        (annotated([1, 2, 1, 1], [5, 5, 5, 4]), ("answer 1", "answer 0", 3.5)),
    ):
        (pair,) = template.format_all(row, "preference")
        assert (pair["chosen"], pair["rejected"], pair["margin"]) == wanted


def test_fault_17_equal_ratings_are_a_tie_and_never_one_answer_on_both_sides():
    rows = [annotated([3, 3, 3, 3], [5, 1, 5, 1], [3, 3, 3, 3]), annotated([4, 4, 4, 4], [4, 4, 4, 3], [4, 4, 4, 4])]
    conversion = Conversion(rows, get_template("UltraFeedback").with_style("plain").with_dialect("text"), "preference")
    pairs = [(pair["chosen"], pair["rejected"]) for pair in conversion]
    assert pairs == [("answer 0", "answer 1"), ("answer 2", "answer 1")]
    assert [(refusal.row, refusal.code) for refusal in conversion.report.skipped] == [(0, Code.TIE)]
    assert [(refusal.row, refusal.code) for refusal in conversion.report.left_out] == [(1, Code.TIE)]


@pytest.mark.parametrize("aspect", ASPECTS)
@pytest.mark.parametrize("rating", ["N/A", "0", "6", "", "4.5", " 4", "four", "４"])
def test_a_rating_that_is_none_is_a_bad_label_and_says_where(aspect, rating):
    row = annotated([5, 5, 5, 5], [4, 4, 4, 4])
    row["completions"][1]["annotations"][aspect]["Rating"] = rating
    with pytest.raises(RowError) as caught:
        get_template("UltraFeedback").extract(row, "ranked")
    assert caught.value.code == Code.BAD_LABEL
    assert caught.value.column == f"completions[1].annotations.{aspect}.Rating"


def test_a_rating_that_is_a_number_is_refused_since_ratings_are_texts():
    row = annotated([5, 5, 5, 5])
    row["completions"][0]["annotations"]["honesty"]["Rating"] = 5
    with pytest.raises(RowError) as caught:
        get_template("UltraFeedback").extract(row, "ranked")
    assert caught.value.code == Code.WRONG_TYPE


def test_a_row_without_completions_is_refused():
    for name in ("UltraFeedback", "UltraFeedback-overall"):
        with pytest.raises(RowError) as caught:
            get_template(name).extract({"instruction": "Tea?", "completions": []}, "ranked")
        assert caught.value.code == Code.EMPTY


def test_the_overall_score_is_not_read_by_the_main_template():
    row = annotated([1, 1, 1, 1], [5, 5, 5, 5])
    (best,) = get_template("UltraFeedback").extract_all(row, "supervised").samples
    assert best.completion[0]["content"] == "answer 1"


@given(st.lists(st.tuples(st.floats(0, 9.5), st.floats(1, 5)), min_size=1, max_size=4))
def test_the_overall_score_ranks_where_it_is_believed(scores):
    sample = get_template("UltraFeedback-overall").extract(scored(*scores), "ranked")
    assert sample.scores == [overall for overall, _ in scores]
    assert sample.ranks == [sum(other > overall for other, _ in scores) for overall, _ in scores]


@pytest.mark.parametrize(("overall", "fine", "refused"), [
    (10, 1.0, True), (10.0, 2.0, True), (10.0, 2.25, False), (10.0, 5.0, False), (1.0, 1.0, False), (9.5, 1.0, False),
])  # fmt: skip
def test_a_10_that_was_a_1_is_refused(overall, fine, refused):
    template, row = get_template("UltraFeedback-overall"), scored((6.0, 4.0), (overall, fine))
    if not refused:
        assert template.extract(row, "ranked").scores == [6.0, overall]
        return
    with pytest.raises(RowError) as caught:
        template.extract(row, "ranked")
    assert (caught.value.code, caught.value.column) == (Code.BAD_LABEL, "completions[1].overall_score")


@pytest.mark.parametrize("score", [-0.5, 10.5])
def test_an_overall_score_outside_0_to_10_is_refused(score):
    with pytest.raises(RowError) as caught:
        get_template("UltraFeedback-overall").extract(scored((score, 3.0)), "ranked")
    assert (caught.value.code, caught.value.column) == (Code.BAD_LABEL, "completions[0].overall_score")


# --- pairs with scores ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCORED)
@given(one=texts(), other=texts(), low=st.floats(0, 2.5), more=st.floats(0, 2.5))
def test_the_margin_is_the_difference_of_the_scores(name, one, other, low, more):
    high = low + more
    sample = get_template(name).extract(pair_of(name, high, low, one, other), "preference")
    assert [sample.chosen[0]["content"], sample.rejected[0]["content"]] == [one, other]
    assert sample.prompt == [{"role": "user", "content": "Tea?"}]
    assert (sample.margin, sample.is_tie) == (high - low, high == low)


@pytest.mark.parametrize("name", SCORED)
def test_an_inverted_label_is_refused(name):
    rows = [pair_of(name, 4.5, 1.0), pair_of(name, 1.0, 4.5)]
    conversion = Conversion(rows, get_template(name), "preference", on_error="skip")
    assert [pair["margin"] for pair in conversion] == [3.5]
    assert [(refusal.row, refusal.code) for refusal in conversion.report.rejected] == [(1, Code.BAD_LABEL)]


@pytest.mark.parametrize("name", SCORED)
def test_fault_17_a_pair_of_equal_scores_or_of_one_text_is_never_trained_on(name):
    rows = [pair_of(name, 4.0, 4.0), pair_of(name, 4.0, 4.0, "same", "same"), pair_of(name, 5.0, 4.0, "same", "same")]
    conversion = Conversion(rows, get_template(name), "preference")
    assert list(conversion) == []
    assert [refusal.code for refusal in conversion.report.skipped] == [Code.TIE, Code.EQUAL, Code.EQUAL]


@pytest.mark.parametrize("name", SCORED)
def test_a_score_outside_its_domain_is_refused(name):
    for values in ((11.0, 1.0), (5.0, -1.0)):
        with pytest.raises(RowError) as caught:
            get_template(name).extract(pair_of(name, *values), "preference")
        column = SCORED[name][0] if values[0] == 11.0 else SCORED[name][1]
        assert (caught.value.code, caught.value.column) == (Code.BAD_LABEL, column)


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_sides_that_answer_different_questions_are_refused(name):
    row = pair_of(name, 5.0, 1.0)
    row["rejected"] = [{"role": "user", "content": "Milk?"}, row["rejected"][1]]
    with pytest.raises(RowError) as caught:
        get_template(name).extract(row, "preference")
    assert caught.value.code == Code.PROMPT_MISMATCH


# --- pairs and answers without scores ------------------------------------------------------------------------------


@given(texts(), texts(), texts())
def test_without_scores_the_columns_say_which_is_better(instruction, one, other):
    row = {"instruction": instruction, "chosen": one, "rejected": other}
    sample = get_template("UltraFeedback-llamafactory").extract(row, "preference")
    assert sample.prompt == [{"role": "user", "content": instruction}]
    assert [sample.chosen[0]["content"], sample.rejected[0]["content"]] == [one, other]
    assert sample.label_values == {}


@given(texts(), texts(), st.booleans())
def test_an_answer_was_chosen_or_not(prompt, completion, good):
    row = {"prompt": prompt, "completion": completion, "label": good}
    sample = get_template("UltraFeedback-kto").extract(row, "unpaired")
    assert sample.label is good
    assert sample.prompt == [{"role": "user", "content": prompt}]
    assert sample.completion == [{"role": "assistant", "content": completion}]


@pytest.mark.parametrize("label", [2, 0.5, "true"])
def test_a_verdict_that_is_no_bool_is_refused(label):
    template = get_template("UltraFeedback-kto")
    with pytest.raises(RowError) as caught:
        template.extract({**template.example, "label": label}, "unpaired")
    assert (caught.value.code, caught.value.column) == (Code.WRONG_TYPE, "label")
