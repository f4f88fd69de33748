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
