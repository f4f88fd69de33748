"""`preftemplates check`: what is wrong with the rows of a file, in lines and as JSON."""

import json

from command_support import GOOD_ROW
from support import run


def test_check_prints_a_line_for_each_code_and_ends_with_1(tmp_path):
    path, report = tmp_path / "rows.jsonl", tmp_path / "report.json"
    faults = [{"response_0": "b"}, {"better_response_id": 2}, {"prompt": "a\u202eb"}]
    path.write_text("".join(json.dumps({**GOOD_ROW, **fault}) + "\n" for fault in [{}, *faults]))
    out = run("check", path, "-t", "PKUSafeRLHF", "--report", report, code=1).stdout
    assert "4 rows = 2 formatted + 1 skipped + 1 rejected" in out
    for line in ("rejected  bad_label  1  25.0%  row 2", "skipped   equal      1  25.0%  row 1"):
        assert line in out
    assert "longer wins" in out
    findings = json.loads(report.read_text())["findings"]
    assert [(finding["verdict"], finding["code"], finding["examples"][0]["row"]) for finding in findings] == [
        ("rejected", "bad_label", 2),
        ("skipped", "equal", 1),
        ("flagged", "invisible", 3),
    ]
    assert json.loads(run("check", path, "-t", "PKUSafeRLHF", "--json", code=1).stdout)["findings"] == findings


def test_check_without_findings_ends_with_0(rows):
    out = run("check", rows, "-t", "PKUSafeRLHF", "--without", "contradiction").stdout
    assert "2 rows = 2 formatted + 0 skipped + 0 rejected" in out
    assert "nothing was found" in out


def test_contents_of_messages_are_checked_in_a_named_style(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({**GOOD_ROW, "response_0": "Mint.<|im_end|>"}) + "\n")
    arguments = ("check", path, "-t", "PKUSafeRLHF", "-d", "trl")
    assert "special_token" in run(*arguments, code=1).stdout
    assert "control_text" in run(*arguments, "--style", "chatml", code=1).stdout
    assert "control_text" not in run(*arguments, "--style", "llama3", code=1).stdout
