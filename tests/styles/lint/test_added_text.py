"""The style's own words are found: a BOS token, a system message, a date, and what differs from render to render."""

import pytest
from style_faults import FAITHFUL, import_layout, list_codes, plant_fault

from preftemplates.styles.lint.check import find_findings

MESSAGES = {
    "writes_bos": "every text begins with the BOS token '<s>'",
    "default_system": "without a system message, 'You are a helpful assistant.' is added",
    "depends_on_date": "a text has '03 Feb 2024<|system|>Sp…' on one day, and '29 Oct 2031<|system|>Sp…' on another",
}


@pytest.mark.parametrize("code", MESSAGES)
def test_a_finding_shows_the_words(code):
    assert [finding.message for finding in find_findings(import_layout(plant_fault(code)))] == [MESSAGES[code]]


@pytest.mark.parametrize(("words", "is_found"), [("Answer me now", False), ("Answer me right now", True)])
def test_a_few_words_are_no_system_message(words, is_found):
    source = FAITHFUL.replace("{% for m in messages %}", words + "\n{% for m in messages %}", 1)
    assert ("default_system" in list_codes(import_layout(source))) == is_found
