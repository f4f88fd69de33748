"""A finding pickles and is JSON, and every code has a group and a sentence."""

import json
import pickle

from preftemplates.styles.lint.findings import FINDING_GROUPS, FindingCode, StyleFinding


def test_a_finding_pickles_and_is_json():
    finding = StyleFinding(FindingCode.CONTENT_BRANCH, "the template looks for 'x'", 3, field="content")
    again = pickle.loads(pickle.dumps(finding))
    assert again == finding
    assert again.code is FindingCode.CONTENT_BRANCH
    assert json.loads(json.dumps(finding.as_json())) == {
        "code": "content_branch",
        "message": "the template looks for 'x'",
        "line": 3,
        "field": "content",
    }
    assert str(finding) == "line 3: the template looks for 'x' [content_branch]"


def test_every_code_has_a_group_and_a_sentence():
    grouped = [code for group in FINDING_GROUPS.values() for code in group]
    assert sorted(grouped) == sorted(FindingCode)
    assert all(code.meaning[0].isupper() and code.meaning.endswith(".") for code in FindingCode)
