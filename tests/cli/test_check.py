"""`preftemplates check`: what is wrong with the rows of a file, in lines and as JSON."""

import json

from command_support import GOOD_ROW
from support import run

from preftemplates.data.near_copies import NearCopyIndex


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
    assert "no findings" in out


def test_contents_of_messages_are_checked_in_a_named_style(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({**GOOD_ROW, "response_0": "Mint.<|im_end|>"}) + "\n")
    arguments = ("check", path, "-t", "PKUSafeRLHF", "-d", "trl")
    assert "special_token" in run(*arguments, code=1).stdout
    assert "control_text" in run(*arguments, "--style", "chatml", code=1).stdout
    assert "control_text" not in run(*arguments, "--style", "llama3", code=1).stdout


def test_near_copies_are_found_in_a_file_and_in_a_test_file_and_turned_off_by_name(tmp_path):
    path, test = tmp_path / "rows.jsonl", tmp_path / "test.jsonl"
    prompts = ("How do I boil an egg?", "how do I boil an egg", "Tell me: How do I boil an egg? Answer shortly.")
    path.write_text("".join(json.dumps({**GOOD_ROW, "prompt": prompt}) + "\n" for prompt in prompts))
    test.write_text(path.read_text().splitlines()[0] + "\n")
    arguments = ("check", path, "-t", "PKUSafeRLHF", "--test", test)
    findings = json.loads(run(*arguments, "--json", code=1).stdout)["findings"]
    assert {finding["code"]: [one["row"] for one in finding["examples"]] for finding in findings} == {
        "near_duplicate": [1, 2],
        "near_test": [1, 2],
        "in_test": [0],
    }
    out = run(*arguments, "--without", "near_duplicate", "--without", "near_test", code=1).stdout
    assert "near" not in out
    assert "in_test  1" in out


def test_a_full_index_is_printed(tmp_path, monkeypatch):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({**GOOD_ROW, "prompt": f"question {n}"}) + "\n" for n in range(5)))
    monkeypatch.setattr(NearCopyIndex.__init__, "__defaults__", (2,))
    assert "3 prompts after the first" in run("check", path, "-t", "PKUSafeRLHF").stdout
