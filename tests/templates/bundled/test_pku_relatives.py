"""PKU-SafeRLHF's relatives: the index counts from 0, and is_safe is the verdict itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import texts

from preftemplates import get_template
from preftemplates.data.convert import Conversion
from preftemplates.errors import Code, RowError

PAIRS = "PKU-SafeRLHF-single-dimension"
JUDGED = ["PKU-SafeRLHF-QA", "BeaverTails"]


@given(texts(), texts(), texts(), st.integers(0, 1))
def test_the_index_counts_from_0(prompt, one, other, better):
    row = {"prompt": prompt, "response_0": one, "response_1": other, "better_response_id": better}
    sample = get_template(PAIRS).extract(row, "preference")
    answers = [sample.chosen[0]["content"], sample.rejected[0]["content"]]
    assert answers == ([other, one] if better == 1 else [one, other])
    assert sample.prompt == [{"role": "user", "content": prompt}]


@pytest.mark.parametrize("label", [-1, 2, True, 1.5, "0"])
def test_an_index_that_is_neither_0_nor_1_is_refused(label):
    template = get_template(PAIRS)
    with pytest.raises(RowError) as caught:
        template.extract({**template.example, "better_response_id": label}, "preference")
    assert (caught.value.code, caught.value.column) == (Code.BAD_LABEL, "better_response_id")


@pytest.mark.parametrize("name", JUDGED)
@given(texts(), texts(), st.booleans())
def test_a_safe_answer_is_a_good_one_and_an_unsafe_one_is_not(name, prompt, response, safe):
    row = {"prompt": prompt, "response": response, "is_safe": safe, "category": {"x": not safe}, "severity_level": 3}
    sample = get_template(name).extract(row, "unpaired")
    assert sample.label is safe
    assert sample.prompt == [{"role": "user", "content": prompt}]
    assert sample.completion == [{"role": "assistant", "content": response}]


@pytest.mark.parametrize("name", JUDGED)
@pytest.mark.parametrize("label", [2, 0.5, "true"])
def test_a_verdict_that_is_no_bool_is_refused(name, label):
    template = get_template(name)
    with pytest.raises(RowError) as caught:
        template.extract({**template.example, "is_safe": label}, "unpaired")
    assert (caught.value.code, caught.value.column) == (Code.WRONG_TYPE, "is_safe")


@pytest.mark.parametrize("name", JUDGED)
def test_only_safe_answers_are_learnt_from(name):
    rows = [{"prompt": "Tea?", "response": text, "is_safe": safe} for text, safe in (("a", True), ("b", False))]
    conversion = Conversion(rows, get_template(name).with_style("plain").with_dialect("text"), "supervised")
    assert [result["completion"] for result in conversion] == ["a"]
    assert [(refusal.row, refusal.code) for refusal in conversion.report.skipped] == [(1, Code.NO_SAMPLE)]
