"""`preftemplates detect`: the first row in each template that fits, and what is near where none fits."""

import json
import shlex

import pytest
from support import run

PKU = {"prompt": "Mint?", "response_0": "Yes.", "response_1": "No.", "better_response_id": 0}


def test_the_command_shows_the_first_row_in_each_and_says_why(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({**PKU, "safer_response_id": 1}) + "\n")
    out = run("detect", path).stdout
    assert out.index("PKUSafeRLHF  preference") < out.index("PKUSafeRLHF-safer  preference")
    assert "1 of 1 rows fit; reads prompt, response_0, response_1, better_response_id" in out
    assert "chosen         assistant: 'Yes.'" in out
    listed = json.loads(run("detect", path, "--json").stdout)
    assert [candidate["template"] for candidate in listed][:2] == ["PKUSafeRLHF", "PKUSafeRLHF-safer"]


def test_the_command_ends_with_1_where_nothing_fits(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"prompt": "p", "response_0": "a", "respons_1": "b", "better_response_id": 0}) + "\n")
    err = run("detect", path, code=1).stderr
    assert "no template fits the columns 'prompt', 'response_0', 'respons_1'" in err
    assert "has no response_1 (nearest: respons_1)" in err


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("rows.jsonl", "{'prompt': 'p', 'chosen': 'a', 'rejected': 'b'}\n", "row 0 (rows.jsonl line 1): not JSON: "),
        ("rows.jsonl", '"p"\n"a"\n', "row 0 (rows.jsonl line 1): expected an object, got 'p'"),
        ("rows.json", "[1, 2]", "row 0 (rows.json line 1): expected an object, got 1"),
    ],
)
def test_a_file_without_a_row_that_can_be_read_is_an_error_about_its_first_row(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    assert f"error: {said}" in run("detect", tmp_path / name, code=2).stderr


def test_the_command_reads_the_cells_of_a_csv_and_ends_with_the_next_command(tmp_path):
    path = tmp_path / "my rows.csv"
    path.write_text("prompt,response_0,response_1,better_response_id\nMint?,Yes.,No.,0\n")
    out = run("detect", path).stdout
    assert out.startswith("PKUSafeRLHF  preference")
    command = next(line for line in out.splitlines() if line.startswith("next: ")).removeprefix("next: preftemplates ")
    assert "1 row = 1 formatted" in run(*shlex.split(command)).stdout


def test_the_command_reads_the_cells_of_a_folder_of_csv_files(tmp_path):
    pytest.importorskip("datasets")
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("prompt,response_0,response_1,better_response_id\nMint?,1,NA,0\n")
    out = run("detect", tmp_path).stdout
    assert out.startswith("PKUSafeRLHF  preference")
    assert "2 of 2 rows fit" in out
    assert "assistant: 'NA'" in out


def test_a_miss_names_the_template_that_rejects_every_row_and_how_to_look(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({**PKU, "better_response_id": 2}) + "\n")
    err = run("detect", path, code=1).stderr
    assert "PKUSafeRLHF preference all columns present, 1 of 1 rows rejected" in " ".join(err.split())  # it may wrap
    assert f"next: preftemplates check {path} -t PKUSafeRLHF -f preference" in err
