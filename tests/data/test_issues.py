"""Issues: a log of any length is a list, of which little is in memory; reports are written piece by piece."""

import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preftemplates import get_template
from preftemplates.cli.report_counts import spell_report
from preftemplates.data.convert import Conversion
from preftemplates.data.issues import IssueLog, RowIssue
from preftemplates.errors import Code


def issue(row, code=Code.TIE):
    return RowIssue(row, row + 1 if row % 2 else None, code, f"“{row}”\n")


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr("preftemplates.data.issues.MAX_IN_MEMORY", 3)
    monkeypatch.setattr("preftemplates.data.issues.MAX_PER_CODE", 2)


@pytest.mark.parametrize("number", [0, 1, 3, 4, 50])
@pytest.mark.usefixtures("short")
def test_a_log_is_the_list_of_what_was_added(number):
    issues = [issue(row, [Code.TIE, Code.EQUAL][row % 2]) for row in range(number)]
    log = IssueLog(issues)
    assert log == issues
    assert [*log] == [*log] == issues
    assert (len(log), bool(log), log[1:], log[-2:]) == (number, bool(number), issues[1:], issues[-2:])
    assert [log[place] for place in range(-number, number)] == [issues[place] for place in range(-number, number)]
    assert pickle.loads(pickle.dumps(log)) == issues
    assert log.counts == {code: n for code, n in ((Code.TIE, -(-number // 2)), (Code.EQUAL, number // 2)) if n}
    assert log.examples(Code.TIE) == [one for one in issues if one.code == Code.TIE][:2]
    with pytest.raises(IndexError):
        log[number]


@pytest.mark.usefixtures("short")
def test_a_log_grows_while_it_is_read():
    log = IssueLog(map(issue, range(5)))
    rows = iter(log)
    assert [next(rows).row for _ in range(4)] == [0, 1, 2, 3]
    log += [issue(5)]
    assert [one.row for one in rows] == [4, 5]


@pytest.mark.usefixtures("short")
def test_only_so_many_are_in_memory():
    log = IssueLog(map(issue, range(50)))
    assert len(log._first) == 3
    assert log._file is not None


@given(st.lists(st.sampled_from(["good", "equal", "bad"]), max_size=12))
def test_a_report_is_written_as_json_writes_it(kinds):
    template = get_template("PKUSafeRLHF")
    rows = {
        "good": {**template.example, "system": "s"},
        "equal": {**template.example, "response_0": template.example["response_1"]},
        "bad": {"prompt": "é\n"},
    }
    conversion = Conversion([rows[kind] for kind in kinds], template, "preference", on_error="skip")
    list(conversion)
    text = "".join(spell_report(conversion.report))
    assert text == json.dumps(conversion.report.as_json(), ensure_ascii=False, indent=1)
