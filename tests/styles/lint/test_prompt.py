"""Faults of the prompt and its answer are found, and the finding shows the two texts that differ."""

import pytest
from style_faults import FAITHFUL, PRINT, import_layout, list_codes, plant_fault

from preftemplates.styles.lint.check import find_findings

MESSAGES = {
    "prefix_unstable": "the prompt continues with '<think>', but with"
    " 'No, basil likes sun.<|e…' if its answer follows",
    "no_generation_prompt": "a prompt is the same with and without a generation prompt, and '<|assistant|>' comes"
    " before its answer",
    "no_stop": "only whitespace follows the last answer",
    "uneven_stop": "'<|end|><|user|>' follows an answer in the middle, but '<|eos|>' follows the last one",
    "same_text": "the answers 'basil basil basil basil basil1' and 'basil basil basil basil basil2' give the same"
    " text",
}


@pytest.mark.parametrize("code", MESSAGES)
def test_a_finding_shows_the_texts_that_differ(code):
    findings = find_findings(import_layout(plant_fault(code)))
    assert [finding.message for finding in findings if finding.code == code] == [MESSAGES[code]]


def test_answers_that_differ_in_case_only_are_tried_where_contents_are_rewritten():
    upper = import_layout(FAITHFUL.replace(PRINT, "{{ m.content | upper }}"))
    assert "the answers 'Yes.' and 'YES.' give the same text" in [f.message for f in find_findings(upper)]
    other = import_layout(FAITHFUL.replace(PRINT, "{{ m.content | replace('茶', 't') }}"))
    assert "same_text" not in list_codes(other)
