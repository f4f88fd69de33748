"""`preftemplates convert`: what it writes, reports and refuses, and nothing half-written."""

import gzip
import json
import os

import pytest
from command_support import GOOD_ROW
from support import run, run_process
from token_support import byte_level_with_bos

from preftemplates import get_style, get_template
from preftemplates.data.reading import open_rows


def test_convert_says_what_is_wrong_with_each_column(tmp_path):
    path = tmp_path / "rows.jsonl"
    bad = [{**GOOD_ROW, "response_0": 5}, {**GOOD_ROW, "response_0": 6}, {**GOOD_ROW, "prompt": []}]
    path.write_text("".join(json.dumps(row) + "\n" for row in (GOOD_ROW, *bad)))
    stderr = run("convert", path, "-t", "PKUSafeRLHF", "-o", tmp_path / "o.jsonl").stderr
    assert "wrong_type  3 rows: 1, 2, 3" in stderr
    assert "row 1: column 'response_0'" in stderr
    assert "row 3: column 'prompt'" in stderr
    assert "row 2:" not in stderr


@pytest.mark.parametrize("out", ["o.jsonl", "o.json", "o.csv", "o.parquet", "o.jsonl.gz"])
def test_convert_writes_what_format_gives(tmp_path, rows, out):
    done = run("convert", rows, "-t", "PKUSafeRLHF", "-s", "chatml", "-d", "text", "-o", tmp_path / out)
    assert "2 rows = 2 formatted + 0 skipped + 0 rejected" in done.stderr
    template = get_template("PKUSafeRLHF").with_style("chatml").with_dialect("text")
    expected = [template.format(record.cells, "preference") for record in open_rows(rows)]
    assert [record.cells for record in open_rows(tmp_path / out)] == expected


def test_convert_reads_a_csv_by_the_rows_types(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("prompt,response_0,response_1,better_response_id\n1,2,3,1\nq,a,b,1.5\n")
    done = run("convert", path, "-t", "PKUSafeRLHF", "-d", "text", "-s", "plain", "-o", tmp_path / "o.jsonl")
    assert "1 row: 1" in done.stderr
    assert "expected 0 or 1, got '1.5'" in done.stderr
    assert json.loads((tmp_path / "o.jsonl").read_text()) == {"prompt": "1", "chosen": "3", "rejected": "2"}


def test_convert_lists_and_reports_every_row_that_did_not_come_through(tmp_path, rows):
    with rows.open("a") as file:
        file.write(json.dumps({**GOOD_ROW, "response_0": "b"}) + "\n\n{broken\n")
    out, report = tmp_path / "o.jsonl", tmp_path / "report.json"
    done = run("convert", rows, "-t", "PKUSafeRLHF", "-o", out, "--report", report)
    assert "4 rows = 2 formatted + 1 skipped + 1 rejected" in done.stderr
    issues = json.loads(report.read_text())
    assert [(r["row"], r["line"], r["code"]) for r in issues["skipped"]] == [(2, 3, "equal")]
    assert [(r["row"], r["line"], r["code"]) for r in issues["rejected"]] == [(3, 5, "bad_json")]


def test_too_many_bad_rows_are_exit_code_3_and_the_good_ones_are_written(tmp_path, rows):
    with rows.open("a") as file:
        file.write("{}\n" * 11)
    done = run_process("convert", rows, "-t", "PKUSafeRLHF", "-o", tmp_path / "o.jsonl", code=3)
    assert "too many rows are rejected" in done.stderr
    assert len((tmp_path / "o.jsonl").read_text().splitlines()) == 2


def test_on_error_raise_stops_at_the_row_and_writes_nothing(tmp_path, rows):
    with rows.open("a") as file:
        file.write(json.dumps({**GOOD_ROW, "better_response_id": 2}) + "\n")
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


def test_parquet_holds_whatever_messages_hold_as_json_text(tmp_path):
    path, out = tmp_path / "rows.jsonl", tmp_path / "o.parquet"
    call = {"role": "assistant", "content": "x", "tool_calls": [{"name": "f"}]}
    row = {"prompt": [{"role": "user", "content": "q"}], "completion": [call]}
    path.write_text(json.dumps(row))
    run("convert", path, "-t", "TRL-messages", "-f", "supervised", "-o", out, "--json-messages")
    (record,) = open_rows(out)
    assert {key: json.loads(cell) for key, cell in record.cells.items()} == row
    run("convert", out, "-t", "TRL-messages", "-f", "supervised", "-o", tmp_path / "again.jsonl")
    assert json.loads((tmp_path / "again.jsonl").read_text()) == row


def test_what_is_changed_in_arguments_is_printed_and_reported(tmp_path):
    path, report = tmp_path / "rows.jsonl", tmp_path / "report.json"
    calls = [{"name": "f", "arguments": arguments} for arguments in ({"a": None, "b": 1}, '{"b":1}', '{"b": 1}')]
    answer = {"role": "assistant", "content": "", "tool_calls": calls}
    path.write_text(json.dumps({"prompt": [{"role": "user", "content": "q"}], "completion": [answer]}))
    options = ("-t", "TRL-messages", "-f", "supervised", "-o", tmp_path / "o.jsonl", "--report", report)
    done = run("convert", path, *options)
    assert "changed in tools and arguments: 1 x null_member, 1 x reformatted" in done.stderr
    assert json.loads(report.read_text())["changed"] == {"null_member": 1, "reformatted": 1}


@pytest.mark.parametrize("dialect", ["trl", "openrlhf", "axolotl"])
def test_a_named_style_travels_with_messages(tmp_path, rows, dialect):
    out = tmp_path / "out"
    out.mkdir()
    done = run("convert", rows, "-t", "PKUSafeRLHF", "-s", "zephyr", "-d", dialect, "-o", out / "o.jsonl")
    written = (out / "chat_template.jinja").read_text(encoding="utf-8")
    assert written == get_style("zephyr").chat_template
    assert f"wrote {out / 'chat_template.jinja'}: the style zephyr, for the tokenizer" in done.stderr
    run("convert", rows, "-t", "PKUSafeRLHF", "-s", "zephyr", "-d", dialect, "-o", out / "again.jsonl")
    done = run("convert", rows, "-t", "PKUSafeRLHF", "-s", "chatml", "-d", dialect, "-o", out / "c.jsonl", code=2)
    assert "already exists and differs from the style chatml; write to another folder" in done.stderr
    assert (out / "chat_template.jinja").read_text(encoding="utf-8") == written
    assert not (out / "c.jsonl").exists()


@pytest.mark.parametrize("arguments", [("-d", "text", "-s", "zephyr"), ("-d", "trl"), ("-d", "align-anything")])
def test_no_chat_template_is_written_for_texts_or_where_no_style_is_named(tmp_path, rows, arguments):
    out = tmp_path / "out"
    out.mkdir()
    done = run("convert", rows, "-t", "PKUSafeRLHF", *arguments, "-o", out / "o.jsonl")
    assert os.listdir(out) == ["o.jsonl"]
    assert "chat_template.jinja" not in done.stderr


def test_texts_for_a_consumer_leave_out_what_its_tokenizer_adds(tmp_path, rows):
    tokenizer = byte_level_with_bos()
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    template = get_template("PKUSafeRLHF").with_style("llama3").with_dialect("trl-text")
    expected = template.with_tokenizer(tokenizer).format(GOOD_ROW, "preference")
    assert expected["prompt"].startswith("<|start_header_id|>user")
    arguments = ("convert", rows, "-t", "PKUSafeRLHF", "-s", "llama3", "-d", "trl-text", "-o", tmp_path / "o.jsonl")
    for edges in (("--tokenizer", tmp_path / "tokenizer"), ("--bos", "drop"), ("--bos", "drop", "--eos", "keep")):
        run(*arguments, *edges)
        assert json.loads((tmp_path / "o.jsonl").read_text(encoding="utf-8").splitlines()[0]) == expected
    done = run(*arguments, code=2)
    assert done.stderr.startswith(
        "error: the style llama3 writes a BOS and an end of turn, and TRL also adds BOS and EOS"
    )
    assert done.stderr.count("\n") == 1
    done = run(*arguments, "--tokenizer", tmp_path / "tokenizer", "--bos", "keep", code=2)
    assert "--tokenizer decides about BOS and EOS; leave out --bos and --eos" in done.stderr
    done = run(*arguments, "--tokenizer", tmp_path / "nothing", code=2)
    assert "there is no directory" in done.stderr
    assert done.stderr.count("\n") == 1


def test_contents_of_messages_are_checked_in_a_named_style(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({**GOOD_ROW, "response_0": "Mint.<|im_end|>"}) + "\n")
    arguments = ("convert", path, "-t", "PKUSafeRLHF", "-d", "trl", "--out", tmp_path / "o.jsonl")
    assert "control_text" not in run(*arguments).stderr
    assert "control_text" in run(*arguments, "--style", "chatml").stderr


@pytest.mark.parametrize("change", [{"better_response_id": 2}, {"response_0": "b"}], ids=["rejected", "skipped"])
def test_where_no_row_comes_through_nothing_is_written(tmp_path, change):
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({**GOOD_ROW, **change}))
    done = run("convert", rows, "-t", "PKUSafeRLHF", "-o", tmp_path / "o.jsonl", code=3)
    assert "no row was formatted;" in done.stderr
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


def test_nothing_is_written_into_a_folder_that_is_read(tmp_path, rows):
    for name in (rows.name, "new.jsonl"):
        done = run("convert", ".", "-t", "PKUSafeRLHF", "-o", name, cwd=rows.parent, code=2)
        assert f"{name} is in the input folder .; write the output to another folder" in done.stderr
    assert os.listdir(tmp_path) == ["rows.jsonl"]


def test_a_split_of_a_file_is_refused(tmp_path, rows):
    done = run("convert", rows, "-t", "PKUSafeRLHF", "-o", tmp_path / "o.jsonl", "--split", "test", code=2)
    assert "is a file; only a dataset has splits, configurations, folders and revisions" in done.stderr


def test_a_folder_of_files_gives_what_its_files_give(tmp_path):
    pytest.importorskip("datasets")
    (tmp_path / "in").mkdir()
    header = "prompt,response_0,response_1,better_response_id\n"
    (tmp_path / "in" / "a.csv").write_text(f"{header}Which word?,NA,null,1\n")
    (tmp_path / "in" / "b.csv").write_text(f"{header}How many?,1,2.50,0\nHow?,a,b,first\n")
    run("convert", tmp_path / "in", "-t", "PKUSafeRLHF", "-d", "text", "-o", tmp_path / "o.jsonl")
    pairs = [record.cells for record in open_rows(tmp_path / "o.jsonl")]
    assert [(pair["chosen"], pair["rejected"]) for pair in pairs] == [("null", "NA"), ("1", "2.50")]
    done = run(
        "convert", ".", "-t", "PKUSafeRLHF", "-o", "../o.parquet", "--on-error", "raise", cwd=tmp_path / "in", code=2
    )
    assert "error: row 2, column 'better_response_id': expected 0 or 1, got 'first'" in done.stderr


def test_gz_in_and_out(tmp_path, rows):
    packed = tmp_path / "rows.jsonl.gz"
    packed.write_bytes(gzip.compress(rows.read_bytes()))
    run("convert", packed, "-t", "PKUSafeRLHF", "-o", tmp_path / "o.jsonl.gz")
    assert len(gzip.decompress((tmp_path / "o.jsonl.gz").read_bytes()).splitlines()) == 2


EGGS = ("How do I boil an egg?", "how do I boil an egg", "Tell me: How do I boil an egg? Answer shortly.", "Sing.")


@pytest.fixture
def eggs(tmp_path):
    path = tmp_path / "eggs.jsonl"
    path.write_text("".join(json.dumps({**GOOD_ROW, "prompt": prompt}) + "\n" for prompt in (*EGGS, EGGS[0])))
    return path


def test_copies_are_flagged_or_skipped(tmp_path, eggs):
    out, report = tmp_path / "o.jsonl", tmp_path / "report.json"
    arguments = ("convert", eggs, "-t", "PKUSafeRLHF", "-d", "trl", "-o", out, "--report", report)
    assert "near_duplicate" not in run(*arguments).stderr
    done = run(*arguments, "--copies", "flag")
    assert "5 rows = 5 formatted + 0 skipped" in done.stderr
    assert "flagged  near_duplicate  2 rows: 1, 2" in done.stderr
    assert [(issue["row"], issue["code"]) for issue in json.loads(report.read_text())["flagged"]] == [
        (1, "near_duplicate"), (2, "near_duplicate"), (4, "duplicate"),
    ]  # fmt: skip
    done = run(*arguments, "--copies", "skip")
    assert "5 rows = 4 formatted + 1 skipped" in done.stderr
    assert "flagged  near_duplicate  2 rows: 1, 2" in done.stderr
    assert [json.loads(line)["prompt"][0]["content"] for line in out.open()] == [*EGGS]


def test_prompts_of_a_test_file_are_flagged_or_skipped(tmp_path, eggs):
    out, test = tmp_path / "o.jsonl", tmp_path / "test.jsonl"
    test.write_text(json.dumps({**GOOD_ROW, "prompt": EGGS[0]}) + "\n")
    arguments = ("convert", eggs, "-t", "PKUSafeRLHF", "-o", out, "--test", test)
    flagged = run(*arguments).stderr
    assert "in_test         2 rows: 0, 4" in flagged
    assert "near_test       2 rows: 1, 2" in flagged
    assert "5 rows = 1 formatted + 4 skipped" in run(*arguments, "--copies", "skip").stderr


def test_a_way_to_handle_copies_that_is_none_is_refused(tmp_path, eggs):
    assert "drop" in run("convert", eggs, "-t", "PKUSafeRLHF", "-o", tmp_path / "o", "--copies", "drop", code=2).stderr


def test_the_report_is_printed_as_json_and_nothing_else_is(tmp_path, rows):
    with rows.open("a") as file:
        file.write(json.dumps({**GOOD_ROW, "better_response_id": "\x1b"}) + "\n")
    arguments = ("convert", rows, "-t", "PKUSafeRLHF", "-o", tmp_path / "o.jsonl", "--report", tmp_path / "r.json")
    done = run(*arguments, "--json")
    assert "\x1b" not in done.stdout
    printed = json.loads(done.stdout)
    assert printed == json.loads((tmp_path / "r.json").read_text())
    assert (printed["rows"], printed["formatted"], len(printed["rejected"])) == (3, 2, 1)
