"""The command as a user runs it: output, exit codes, and nothing half-written."""

import gzip
import json
import os
import subprocess
import sys

import pytest
from support import HANGS, HOMEWORK, run, run_process

GOOD = {"prompt": "q", "response_0": "a", "response_1": "b", "better_response_id": 0, "answer": "c"}


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [GOOD, {**GOOD, "better_response_id": 1}]))
    return path


def test_list_names_everything_bundled():
    from preftemplates import list_dialects, list_styles, list_templates

    listed = json.loads(run_process("list", "--json").stdout)
    assert {kind: [item["name"] for item in items] for kind, items in listed.items()} == {
        "templates": list_templates(),
        "styles": list_styles(),
        "dialects": list_dialects(),
    }
    pku = next(item for item in listed["templates"] if item["name"] == "PKUSafeRLHF")
    assert pku["formats"]["preference"] == ["prompt", "response_0", "response_1", "better_response_id"]
    text = run("list", "styles", "--long").stdout
    assert "<|im_end|>" in text
    assert "PKUSafeRLHF" not in text


def test_list_has_a_line_for_each_and_finds_what_has_all_words():
    lines = run("list", "styles").stdout.split("\n")
    assert [line for line in lines if line.startswith("  chatml ")]
    assert not [line for line in lines if "system, developer" in line]
    found = json.loads(run("list", "templates", "--json", "--search", "PKU safer_response_id").stdout)["templates"]
    assert [item["name"] for item in found] == ["PKUSafeRLHF-safer"]
    assert found[0]["verified"] is True
    assert found[0]["licence"] == "CC-BY-NC-4.0"
    assert found[0]["origin"].startswith("preftemplates.templates.bundled.pku_safe_rlhf.PKUSafeRLHFSafer")
    assert "nothing has 'no such word'" in run("list", "--search", "no such word", code=1).stderr


def test_show_has_every_format_and_the_dialects_keys():
    out = run("show", "PKUSafeRLHF", "--style", "chatml").stdout
    for word in ("prompt_only", "supervised", "preference", "better_text", "<|im_start|>user↵", "six hours of light"):
        assert word in out


def test_show_takes_a_row_of_a_file_and_acts_on_no_escape(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(GOOD) + "\n" + json.dumps({**GOOD, "prompt": "red \x1b[31m [bold]text[/bold]"}) + "\n")
    out = run("show", "PKUSafeRLHF", "--row", f"{path}:1").stdout
    assert "\x1b" not in out
    assert r"red \x1b[31m [bold]text[/bold]" in out
    assert "has 2 rows, and no row 5" in run("show", "PKUSafeRLHF", "--row", f"{path}:5", code=2).stderr


def test_show_says_which_format_a_row_cannot_fill(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({key: value for key, value in GOOD.items() if key != "answer"}))
    out = run("show", "PKUSafeRLHF", "--row", path).stdout
    assert "column 'answer': missing" in out
    assert "better_text" in out


def test_show_has_messages_where_the_style_does_not_write_them_and_nothing_asks_for_text():
    out = run("show", "LLaMA-Factory-toolcall", "--style", "chatml").stdout
    assert "as messages, since chatml does not write them" in out
    assert "soil_moisture" in out.split("prompt_only")[1]
    asked = ("show", "LLaMA-Factory-toolcall", "--style", "chatml", "-d", "trl")
    assert "the row can be formatted in no format" in run(*asked, code=2).stderr


def test_show_has_every_sample_of_a_row_its_labels_and_formats_made_of_others():
    out = run("show", "HH", "--format", "unpaired", "--dialect", "trl").stdout
    assert "sample 1 of 2" in out
    assert out.index("label = True") < out.index("sample 2 of 2") < out.index("label = False")
    assert "margin = 2.0" in run("show", "HelpSteer-grouped", "-f", "preference", "-d", "openai").stdout
    assert "fills no format 'judged'" in run("show", "HH", "-f", "judged", code=2).stderr


def test_show_says_which_row_convert_would_skip(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({**GOOD, "response_0": "same", "response_1": "same"}))
    out = run("show", "PKUSafeRLHF", "--row", path, "-f", "preference", "-d", "trl").stdout
    assert "convert skips it: equal" in out
    assert "convert skips it" not in run("show", "PKUSafeRLHF", "-f", "preference", "-d", "trl").stdout


def test_convert_says_what_is_wrong_with_each_column(tmp_path):
    path = tmp_path / "rows.jsonl"
    bad = [{**GOOD, "response_0": 5}, {**GOOD, "response_0": 6}, {**GOOD, "prompt": []}]
    path.write_text("".join(json.dumps(row) + "\n" for row in (GOOD, *bad)))
    said = run("convert", path, "-t", "PKUSafeRLHF", "-o", tmp_path / "o.jsonl").stderr
    assert "wrong_type  3 rows: 1, 2, 3" in said
    assert "row 1: column 'response_0'" in said
    assert "row 3: column 'prompt'" in said
    assert "row 2:" not in said


@pytest.mark.parametrize("out", ["o.jsonl", "o.json", "o.csv", "o.parquet", "o.jsonl.gz"])
def test_convert_writes_what_format_gives(tmp_path, rows, out):
    from preftemplates import get_template
    from preftemplates.data.reading import open_rows

    done = run("convert", rows, "-t", "PKUSafeRLHF", "-s", "chatml", "-d", "trl", "-o", tmp_path / out)
    assert "2 rows = 2 formatted + 0 skipped + 0 rejected" in done.stderr
    template = get_template("PKUSafeRLHF").with_style("chatml").with_dialect("trl")
    expected = [template.format(record.cells, "preference") for record in open_rows(rows)]
    assert [record.cells for record in open_rows(tmp_path / out)] == expected


def test_convert_reads_a_csv_by_the_rows_types(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("prompt,response_0,response_1,better_response_id\n1,2,3,1\nq,a,b,1.0\n")
    done = run("convert", path, "-t", "PKUSafeRLHF", "-d", "trl", "-s", "plain", "-o", tmp_path / "o.jsonl")
    assert "1 row: 1" in done.stderr
    assert "expected 0 or 1, got '1.0'" in done.stderr
    assert json.loads((tmp_path / "o.jsonl").read_text()) == {"prompt": "1", "chosen": "3", "rejected": "2"}


def test_convert_lists_and_reports_every_row_that_did_not_come_through(tmp_path, rows):
    with rows.open("a") as file:
        file.write(json.dumps({**GOOD, "response_0": "b"}) + "\n\n{broken\n")
    out, report = tmp_path / "o.jsonl", tmp_path / "report.json"
    done = run("convert", rows, "-t", "PKUSafeRLHF", "-o", out, "--report", report)
    assert "4 rows = 2 formatted + 1 skipped + 1 rejected" in done.stderr
    found = json.loads(report.read_text())
    assert [(r["row"], r["line"], r["code"]) for r in found["skipped"]] == [(2, 3, "equal")]
    assert [(r["row"], r["line"], r["code"]) for r in found["rejected"]] == [(3, 5, "bad_json")]


def test_too_many_bad_rows_are_exit_code_3_and_the_good_ones_are_written(tmp_path, rows):
    with rows.open("a") as file:
        file.write("{}\n" * 11)
    done = run_process("convert", rows, "-t", "PKUSafeRLHF", "-o", tmp_path / "o.jsonl", code=3)
    assert "too many rows are rejected" in done.stderr
    assert len((tmp_path / "o.jsonl").read_text().splitlines()) == 2


def test_on_error_raise_stops_at_the_row_and_writes_nothing(tmp_path, rows):
    with rows.open("a") as file:
        file.write(json.dumps({**GOOD, "better_response_id": 2}) + "\n")
    done = run("convert", rows, "-t", "PKUSafeRLHF", "--on-error", "raise", "-o", tmp_path / "o.jsonl", code=2)
    assert done.stderr == (
        "error: row 2 (rows.jsonl line 3), column 'better_response_id': expected 0 or 1, got 2"
        " [bad_label, template PKUSafeRLHF, format preference]\n"
    )
    assert os.listdir(tmp_path) == ["rows.jsonl"]


def test_parquet_rejects_messages_that_it_would_cut(tmp_path):
    path = tmp_path / "rows.jsonl"
    call = {"role": "assistant", "content": "x", "tool_calls": [{"name": "f"}]}
    rows = [{"prompt": [{"role": "user", "content": "q"}], "completion": [call]}]
    path.write_text(json.dumps(rows[0]))
    done = run("convert", path, "-t", "TRL-messages", "-f", "supervised", "-o", tmp_path / "o.parquet", code=3)
    assert "unsupported_content" in done.stderr
    run("convert", path, "-t", "TRL-messages", "-f", "supervised", "-o", tmp_path / "o.jsonl")
    assert json.loads((tmp_path / "o.jsonl").read_text()) == rows[0]


def test_a_style_that_a_message_dialect_does_not_use_is_said(tmp_path, rows):
    done = run("convert", rows, "-t", "PKUSafeRLHF", "-s", "zephyr", "-d", "trl-messages", "-o", tmp_path / "o.jsonl")
    assert "the style zephyr is not used" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["convert", "{rows}", "-t", "PKUSafeRLFH", "-o", "o.jsonl"], "Did you mean 'PKUSafeRLHF'?"),
        (["convert", "{rows}", "-t", "PKUSafeRLHF", "-s", "chat-ml", "-o", "o.jsonl"], "Did you mean 'chatml'?"),
        (["convert", "{rows}", "-t", "PKUSafeRLHF", "-d", "tlr", "-o", "o.jsonl"], "Did you mean 'trl'?"),
        (["convert", "{rows}", "-t", "HH", "-f", "stepwise", "-o", "o.jsonl"], "HH fills no format 'stepwise'"),
        (
            ["convert", "{rows}", "-t", "PKUSafeRLHF", "-f", "preferences", "-o", "o.jsonl"],
            "Did you mean 'preference'?",
        ),
        (["convert", "{rows}", "-t", "PKUSafeRLHF", "-o", "{rows}"], "is the input"),
        (["convert", "{rows}", "-t", "PKUSafeRLHF", "-o", "no/o.jsonl"], "No such file or directory"),
        (["convert", "{rows}", "-t", "PKUSafeRLHF", "-o", "o.xlsx"], "ending says nothing known"),
        (["convert", "{rows}.gz", "-t", "PKUSafeRLHF", "-o", "o.jsonl"], "does not exist"),
        (["convert", "empty.jsonl", "-t", "PKUSafeRLHF", "-o", "o.jsonl"], "is empty"),
        (["convert", "{rows}", "-t", "missing.py", "-o", "o.jsonl"], "missing.py cannot be read"),
        (["convert", "{rows}", "-t", "broken.py", "-o", "o.jsonl"], "broken.py line 2"),
        (["convert", "{rows}", "-t", "nothing.py", "-o", "o.jsonl"], "registers no templates"),
        (["convert", "nobody/nothing", "-t", "HH", "-o", "o.jsonl"], "the hub gives no such dataset"),
        (["show", "HHH"], "Did you mean 'HH'?"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_code_2(tmp_path, rows, arguments, said):
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "broken.py").write_text("x = 1\nx +\n")
    (tmp_path / "nothing.py").write_text("x = 1\n")
    before = sorted(os.listdir(tmp_path))
    start = run_process if said in ("Did you mean 'PKUSafeRLHF'?", "the hub gives no such dataset") else run
    done = start(*[argument.replace("{rows}", str(rows)) for argument in arguments], cwd=tmp_path, code=2)
    assert said in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("change", [{"better_response_id": 2}, {"response_0": "b"}], ids=["rejected", "skipped"])
def test_where_no_row_comes_through_nothing_is_written(tmp_path, change):
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({**GOOD, **change}))
    done = run("convert", rows, "-t", "PKUSafeRLHF", "-o", tmp_path / "o.jsonl", code=3)
    assert "no row came through, so" in done.stderr
    assert os.listdir(tmp_path) == ["rows.jsonl"]


def test_no_place_is_written_over_or_twice(tmp_path, rows):
    before = rows.read_bytes()
    out = tmp_path / "o.jsonl"
    done = run("convert", rows, "-t", "PKUSafeRLHF", "-o", out, "--report", rows, code=2)
    assert "is the input; the report needs another name" in done.stderr
    done = run("convert", rows, "-t", "PKUSafeRLHF", "-o", out, "--report", out, code=2)
    assert "is the output; the report needs another name" in done.stderr
    run("convert", rows, "-t", "PKUSafeRLHF", "-o", out, "--report", "no/such.json", cwd=tmp_path, code=2)
    assert rows.read_bytes() == before
    assert os.listdir(tmp_path) == ["rows.jsonl"]


def test_a_split_of_a_file_is_refused(tmp_path, rows):
    done = run("convert", rows, "-t", "PKUSafeRLHF", "-o", tmp_path / "o.jsonl", "--split", "test", code=2)
    assert "is a file; a split or a revision is of a dataset" in done.stderr


def test_a_row_of_a_file_is_named_by_a_number(rows):
    assert "a row's number" in run("show", "PKUSafeRLHF", "--row", f"{rows}:-1", code=2).stderr


def test_usage_errors_are_exit_code_2(rows):
    run_process("convert", rows, code=2)
    run("convert", rows, "-t", "HH", "-o", "o.jsonl", "--on-error", "ignore", code=2)


def test_a_template_file_works_wherever_a_name_does(tmp_path, rows):
    homework = HOMEWORK
    done = run_process("convert", rows, "--template", homework, "-o", tmp_path / "hand.jsonl")
    assert "2 rows = 2 formatted" in done.stderr
    run("convert", rows, "--template", homework, "-o", tmp_path / "hand.parquet")
    run("convert", rows, "--template", "PKUSafeRLHF", "-o", tmp_path / "declared.jsonl")
    assert (tmp_path / "hand.jsonl").read_bytes() == (tmp_path / "declared.jsonl").read_bytes()
    assert "better_text" in run("show", homework, "--row", f"{rows}:1").stdout
    assert "formats by hand" in run("show", homework, "--style", "chatml", code=2).stderr


def test_a_reader_that_goes_away_is_no_error(rows):
    command = f"{sys.executable} -m preftemplates list --json | head -c 10"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, timeout=HANGS)
    assert "Traceback" not in done.stderr


def test_gz_in_and_out(tmp_path, rows):
    packed = tmp_path / "rows.jsonl.gz"
    packed.write_bytes(gzip.compress(rows.read_bytes()))
    run("convert", packed, "-t", "PKUSafeRLHF", "-o", tmp_path / "o.jsonl.gz")
    assert len(gzip.decompress((tmp_path / "o.jsonl.gz").read_bytes()).splitlines()) == 2
