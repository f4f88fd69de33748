"""The command as a user runs it: usage errors, errors in one line, and nothing hostile on the terminal."""

import json
import os
import subprocess
import sys

import pytest
from command_support import GOOD_TEMPLATE, HOSTILE, SAFE, TRIMMING
from support import HANGS, HOMEWORK, run

from preftemplates.styles.lint.findings import FindingCode, StyleFinding


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["convert", "{rows}", "-t", "PKUSafeRLFH", "-o", "o.jsonl"], "Did you mean 'PKUSafeRLHF'?"),
        (["convert", "{rows}", "-t", "PKUSafeRLHF", "-s", "chat-mll", "-o", "o.jsonl"], "Did you mean 'chatml'?"),
        (["convert", "{rows}", "-t", "PKUSafeRLHF", "-d", "tlr", "-o", "o.jsonl"], "Did you mean 'trl'?"),
        (["convert", "{rows}", "-t", "HH", "-f", "stepwise", "-o", "o.jsonl"], "HH has no dataset type 'stepwise'"),
        (
            ["convert", "{rows}", "-t", "PKUSafeRLHF", "-f", "preferences", "-o", "o.jsonl"],
            "Did you mean 'preference'?",
        ),
        (["convert", "{rows}", "-t", "PKUSafeRLHF", "-o", "{rows}"], "is the input"),
        (["convert", "{rows}", "-t", "PKUSafeRLHF", "-o", "no/o.jsonl"], "there is no directory no"),
        (["convert", "{rows}", "-t", "PKUSafeRLHF", "-o", "o.xlsx"], "unknown file name ending"),
        (
            ["convert", "{rows}", "-t", "PKUSafeRLHF", "-o", "o.parquet.gz"],
            "Parquet is compressed inside, without .gz",
        ),
        (["convert", "{rows}.gz", "-t", "PKUSafeRLHF", "-o", "o.jsonl"], "does not exist"),
        (["convert", "empty.jsonl", "-t", "PKUSafeRLHF", "-o", "o.jsonl"], "is empty"),
        (["convert", "{rows}", "-t", "missing.py", "-o", "o.jsonl"], "missing.py cannot be read"),
        (["convert", "{rows}", "-t", "broken.py", "-o", "o.jsonl"], "broken.py line 2"),
        (["convert", "{rows}", "-t", "nothing.py", "-o", "o.jsonl"], "registers no template; decorate"),
        (
            ["convert", "nobody/nothing", "-t", "HH", "-o", "o.jsonl"],
            "there is no file nobody/nothing, and the hub",
        ),
        (["show", "HHH"], "Did you mean 'HH'?"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_code_2(tmp_path, rows, arguments, message):
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "broken.py").write_text("x = 1\nx +\n")
    (tmp_path / "nothing.py").write_text("x = 1\n")
    before = sorted(os.listdir(tmp_path))
    done = run(*[argument.replace("{rows}", str(rows)) for argument in arguments], cwd=tmp_path, code=2)
    assert message in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert sorted(os.listdir(tmp_path)) == before


def test_usage_errors_are_exit_code_2(rows):
    run("convert", rows, code=2)
    run("convert", rows, "-t", "HH", "-o", "o.jsonl", "--on-error", "ignore", code=2)


def test_a_template_file_works_wherever_a_name_does(tmp_path, rows):
    done = run("convert", rows, "--template", HOMEWORK, "-o", tmp_path / "hand.jsonl")
    assert "2 rows = 2 formatted" in done.stderr
    run("convert", rows, "--template", HOMEWORK, "-o", tmp_path / "hand.parquet")
    run("convert", rows, "--template", "PKUSafeRLHF", "-o", tmp_path / "declared.jsonl")
    assert (tmp_path / "hand.jsonl").read_bytes() == (tmp_path / "declared.jsonl").read_bytes()
    assert "better_text" in run("show", HOMEWORK, "--row", f"{rows}:1").stdout
    assert "is a custom template" in run("show", HOMEWORK, "--style", "chatml", code=2).stderr


def test_a_reader_that_goes_away_is_no_error():
    command = f"{sys.executable} -m preftemplates list --json | head -c 10"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True)
    assert "Traceback" not in done.stderr


def test_the_commands_exist_and_end_as_they_say(tmp_path, write_template):
    for arguments, code in (
        (["check-style", "chatml"], 0),
        (["check-style", write_template(TRIMMING)], 1),
        (["check-style", "chat-mll"], 2),
        (["diff", "chatml", "chatml"], 0),
        (["diff", "chatml", "zephyr"], 1),
        (["diff", "chatml", tmp_path / "no.jinja"], 2),
    ):
        command = [sys.executable, "-m", "preftemplates", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=HANGS)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        assert bool(done.stderr) == (code == 2)
        assert bool(done.stdout) == (code != 2)


@pytest.mark.parametrize("columns", [20, 60, 300])
def test_nothing_hostile_reaches_the_terminal(run_here, tmp_path, set_findings, columns):
    """`run_here` looks at every character that is printed."""
    folder = tmp_path / f"a{HOSTILE}b"
    folder.mkdir()
    config = {"chat_template": HOSTILE + GOOD_TEMPLATE + "{{ bos_token }}", "bos_token": HOSTILE}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    set_findings(StyleFinding(FindingCode.NO_STOP, f"a message {HOSTILE}", line=1))
    for arguments in (
        ["check-style", folder],
        ["check-style", folder, "--eos-token", HOSTILE],
        ["diff", folder, "chatml"],
        ["diff", folder, folder, "--conversation", "one turn"],
        ["diff", folder, folder, "--conversation", HOSTILE],
        ["check-style", HOSTILE],
        ["check-style", folder / HOSTILE],
    ):
        out = "".join(run_here(*arguments, columns=columns)[1:])
        assert columns < 300 or SAFE in out or SAFE.replace("\\", "\\\\") in out, out
        assert HOSTILE.strip() not in json.dumps(out, ensure_ascii=False)
    for command in (["check-style", folder], ["diff", folder, "chatml"]):
        json.loads(run_here(*command, "--json")[1])
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{% if " + HOSTILE}))
    code, _, err = run_here("check-style", folder)
    assert code == 2
    assert SAFE in err
