"""PKU-SafeRLHF: which answer is preferred follows from the label, and the two labels differ."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import real_rows, texts

from preftemplates import get_template
from preftemplates.errors import Code, RowError

FILE = "pku_saferlhf/align_anything_preference_train.json"
LABELS = {"PKUSafeRLHF": "better_response_id", "PKUSafeRLHF-safer": "safer_response_id"}


@given(texts(), texts(), texts(), st.integers(0, 1), st.integers(0, 1))
def test_the_label_counts_from_0_and_each_template_reads_its_own(prompt, one, other, better, safer):
    row = {"prompt": prompt, "response_0": one, "response_1": other}
    row |= {"better_response_id": better, "safer_response_id": safer}
    for name, label in LABELS.items():
        sample = get_template(name).extract(row, "preference")
        answers = [sample.chosen[0]["content"], sample.rejected[0]["content"]]
        assert answers == ([other, one] if row[label] else [one, other])
        assert sample.prompt == [{"role": "user", "content": prompt}]


@pytest.mark.parametrize(("name", "label"), LABELS.items())
def test_a_template_asks_for_its_own_label_only(name, label):
    assert get_template(name).columns("preference") == ["prompt", "response_0", "response_1", label]
    assert get_template(name).columns("supervised") == ["prompt", "answer"]
    assert get_template(name).columns("prompt_only") == ["prompt"]


@given(st.integers(0, 1), st.booleans(), st.booleans())
def test_the_flags_go_with_the_answers_that_the_label_orders(safer, first_is_safe, second_is_safe):
    row = {"prompt": "q", "response_0": "zero", "response_1": "one", "safer_response_id": safer}
    row |= {"is_response_0_safe": first_is_safe, "is_response_1_safe": second_is_safe}
    sample = get_template("PKUSafeRLHF-safety").extract(row, "preference")
    flags = {"zero": first_is_safe, "one": second_is_safe}
    assert sample.chosen[0]["content"] == ("one" if safer else "zero")
    assert sample.chosen_safe is flags[sample.chosen[0]["content"]]
    assert sample.rejected_safe is flags[sample.rejected[0]["content"]]


def test_a_flag_that_is_missing_or_no_flag_is_an_error():
    template = get_template("PKUSafeRLHF-safety")
    for wrong in ({"is_response_0_safe": None}, {"is_response_1_safe": "yes"}):
        with pytest.raises(RowError) as caught:
            template.extract({**template.example, **wrong}, "preference")
        assert caught.value.column == next(iter(wrong))


def test_the_safer_answer_of_the_real_rows_is_never_the_only_unsafe_one():
    samples = [get_template("PKUSafeRLHF-safety").extract(row, "preference") for row in real_rows(FILE)]
    assert all(sample.chosen_safe or not sample.rejected_safe for sample in samples)
    assert {(sample.chosen_safe, sample.rejected_safe) for sample in samples} == {
        (True, True), (True, False), (False, False),
    }  # fmt: skip


def test_the_32_real_rows_format_without_an_answer_and_the_labels_differ_on_19():
    rows = real_rows(FILE)
    better, safer = ([get_template(name).format(row, "preference") for row in rows] for name in LABELS)
    swapped = [{"better_text": pair["worse_text"], "worse_text": pair["better_text"]} for pair in better]
    apart = [index for index, row in enumerate(rows) if row["better_response_id"] != row["safer_response_id"]]
    assert len(rows) == 32
    assert len(apart) == 19
    assert [index for index in range(32) if safer[index] != (swapped if index in apart else better)[index]] == []


def test_the_real_rows_have_no_answer_so_that_supervised_names_the_column():
    for row in real_rows(FILE):
        with pytest.raises(RowError) as caught:
            get_template("PKUSafeRLHF").format(row, "supervised")
        assert (caught.value.code, caught.value.column) == (Code.MISSING_FIELD, "answer")
