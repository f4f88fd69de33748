"""OpenAI's summaries: the choice counts from 0, and a post is asked for otherwise than an article."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import texts

from preftemplates import get_template
from preftemplates.data.convert import Conversion
from preftemplates.errors import Code, RowError

POST = {"id": "t3", "post": "I have quinces.", "title": "Quinces", "subreddit": "Cooking", "article": None}
ARTICLE = {"id": "cnn", "post": None, "title": "A mill", "subreddit": None, "article": "The mill is open."}


def comparison(choice, one="zero", other="one", info=POST):
    return {"info": info, "summaries": [{"text": one, "note": "x"}, {"text": other, "note": None}], "choice": choice}


@given(texts(), texts(), st.integers(0, 1))
def test_the_choice_counts_from_0(one, other, choice):
    sample = get_template("TLDR-comparisons").extract(comparison(choice, one, other), "preference")
    answers = [sample.chosen[0]["content"], sample.rejected[0]["content"]]
    assert answers == ([other, one] if choice == 1 else [one, other])


@pytest.mark.parametrize("choice", [-1, 2, True])
def test_another_choice_is_refused(choice):
    with pytest.raises(RowError) as caught:
        get_template("TLDR-comparisons").extract(comparison(choice), "preference")
    assert (caught.value.code, caught.value.column) == (Code.BAD_LABEL, "choice")


@pytest.mark.parametrize(
    ("info", "prompt"),
    [
        (POST, "SUBREDDIT: r/Cooking\n\nTITLE: Quinces\n\nPOST: I have quinces.\n\nTL;DR:"),
        (ARTICLE, "Article:\n\nThe mill is open.\n\nTL;DR:"),
        ({"article": ""}, "Article:\n\n\n\nTL;DR:"),
    ],
)
def test_a_post_is_asked_for_with_its_title_and_an_article_without(info, prompt):
    axis = {"info": info, "summary": {"text": "It is.", "axes": {"overall": 5}}}
    for name, row in [("TLDR-comparisons", comparison(0, info=info)), ("TLDR-axis", axis)]:
        assert get_template(name).extract(row, "prompt_only").prompt == [{"role": "user", "content": prompt}]


@pytest.mark.parametrize("number", [1, 3])
def test_other_than_two_summaries_are_refused(number):
    row = get_template("TLDR-comparisons").example
    with pytest.raises(RowError, match=f"expected two values to choose from, got {number}") as caught:
        get_template("TLDR-comparisons").extract({**row, "summaries": row["summaries"][:1] * number}, "preference")
    assert caught.value.code == "bad_label"


def test_each_part_of_the_prompt_knows_its_column():
    rendered = get_template("TLDR-comparisons").render(comparison(0), "prompt_only").prompt
    told = {span.source[0]: rendered.text[span.start : span.end] for span in rendered.spans if span.source}
    assert told == {"info.subreddit": "Cooking", "info.title": "Quinces", "info.post": "I have quinces."}


@pytest.mark.parametrize(
    ("info", "code", "column"),
    [
        ({}, Code.MISSING_FIELD, "info.post"),
        ({"title": "A mill"}, Code.MISSING_FIELD, "info.post"),
        ({**POST, "title": None}, Code.MISSING_FIELD, "info.title"),
        ({**POST, "subreddit": None}, Code.MISSING_FIELD, "info.subreddit"),
        ({**POST, "article": "The mill is open."}, Code.WRONG_TYPE, "info"),
    ],
)
def test_what_is_neither_a_whole_post_nor_an_article_is_refused(info, code, column):
    with pytest.raises(RowError) as caught:
        get_template("TLDR-comparisons").extract(comparison(0, info=info), "preference")
    assert (caught.value.code, caught.value.column) == (code, column)


@pytest.mark.parametrize("overall", [1, 4, 7])
def test_the_score_is_the_overall_rating_and_other_axes_may_be_null(overall):
    axes = {"overall": overall, "accuracy": None, "coverage": 3, "compatible": True}
    row = {"info": POST, "summary": {"text": "It is.", "policy": "ref", "axes": axes}}
    assert get_template("TLDR-axis").extract(row, "scored").score == overall


@pytest.mark.parametrize(("overall", "code"), [(0, Code.BAD_LABEL), (8, Code.BAD_LABEL), (None, Code.MISSING_FIELD)])
def test_an_overall_rating_that_is_none_is_refused(overall, code):
    row = {"info": POST, "summary": {"text": "It is.", "axes": {"overall": overall}}}
    with pytest.raises(RowError) as caught:
        get_template("TLDR-axis").extract(row, "scored")
    assert (caught.value.code, caught.value.column) == (code, "summary.axes.overall")


# --- lm-human-preferences --------------------------------------------------------------------------------------------


def samples(best, **others):
    return {"query": "Then", **{f"sample{index}": f" {index}" for index in range(4)}, "best": best, **others}


@pytest.mark.parametrize("best", range(4))
def test_the_best_of_four_counts_from_0_and_the_other_three_are_tied(best):
    template = get_template("LM-human-preferences")
    sample = template.extract(samples(best), "ranked")
    assert sample.ranks == [0.0 if index == best else 1.0 for index in range(4)]
    conversion = Conversion([samples(best)], template.with_dialect("text"), "preference")
    pairs = [(pair["chosen"], pair["rejected"]) for pair in conversion]
    assert pairs == [(f" {best}", f" {other}") for other in range(4) if other != best]
    assert [refusal.code for refusal in conversion.report.left_out] == [Code.TIE] * 3


@pytest.mark.parametrize("best", [-1, 4])
def test_a_best_outside_0_to_3_is_refused(best):
    with pytest.raises(RowError) as caught:
        get_template("LM-human-preferences").extract(samples(best), "ranked")
    assert (caught.value.code, caught.value.column) == (Code.BAD_LABEL, "best")


@pytest.mark.parametrize("column", ["query", "sample0", "sample3"])
def test_ids_that_were_not_decoded_are_refused_as_no_text(column):
    with pytest.raises(RowError) as caught:
        get_template("LM-human-preferences").extract(samples(0, **{column: [464, 11376]}), "ranked")
    assert (caught.value.code, caught.value.column) == (Code.WRONG_TYPE, column)
