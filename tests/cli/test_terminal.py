"""No control character of data, names or paths reaches the terminal, from any command."""

import json
import os
import re

import pytest
from command_support import GOOD_TEMPLATE
from support import run, run_process

from preftemplates.cli.terminal import SafeConsole, escape_unsafe

EVIL = "x\x1b[32m\x1b]2;hi\x07\r\b\x9b1m\u202e\u2066\x7f\u200b"
"""What colours, titles, beeps, overwrites, turns round and hides."""

UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

NAME = EVIL.replace("/", "")
PAIR = {"prompt": "q", "response_0": "a", "response_1": "b", "better_response_id": 0}
ROWS = {
    "a column": {**PAIR, EVIL: 1},
    "keys and contents": {"prompt": EVIL, "response_0": EVIL + "1", "response_1": "b", "better_response_id": 0},
    "a label": {**PAIR, "better_response_id": EVIL},
    "a role": {"prompt": [{"role": EVIL, "content": "a"}], "chosen": "b", "rejected": "c"},
    "a key of a message": {
        "prompt": [{"role": "user", "content": "a", EVIL: 1}],
        "chosen": [{"role": "assistant", "content": "b"}],
        "rejected": [{"role": "assistant", "content": "c"}],
    },
    "half a character": {**PAIR, "half\ud800": "\udc00", "prompt": "\ud800"},
}
YAML = (
    "row: {{prompt: str, response_0: str, response_1: str, {key}: str}}\nname: {name}\npreference: "
    '{{prompt: "{{{{ prompt }}}}", chosen: "{{{{ response_0 }}}}", rejected: "{{{{ response_1 }}}}"}}\n'
)


def assert_safe(done):
    for text in (done.stdout, done.stderr):
        found = UNSAFE.search(text)
        assert found is None, repr(text[max(0, found.start() - 40) : found.end() + 20])


def outcome(*arguments, cwd):
    """Run a command that may end with any code of ours."""
    for code in (0, 1, 2, 3):
        try:
            return run(*arguments, cwd=cwd, code=code)
        except AssertionError:
            continue
    raise AssertionError(f"{arguments} ends with another code")


@pytest.fixture
def folder(tmp_path):
    """A folder in which every name is evil."""
    for name, row in ROWS.items():
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    (tmp_path / f"{NAME}.jsonl").write_text(json.dumps(PAIR) + "\nnot JSON\n", encoding="utf-8")
    (tmp_path / "evil.csv").write_text(",".join(f'"{key}"' for key in ROWS["a column"]) + "\nq,a,b,0,1\n", newline="")
    (tmp_path / f"{NAME}.yaml").write_text(YAML.format(key=json.dumps(EVIL), name=json.dumps(EVIL)))
    named = YAML.replace(", {key}: str", "").format(name=json.dumps(EVIL))
    (tmp_path / "named.yaml").write_text(named)
    entries = {EVIL: {"columns": {"prompt": EVIL, "pick\x1b[7m": "c"}}, "e": {"ranking": True, "columns": {EVIL: "c"}}}
    (tmp_path / "dataset_info.json").write_text(json.dumps(entries))
    (tmp_path / f"{NAME}.jinja").write_text(GOOD_TEMPLATE + EVIL)
    (tmp_path / "evil.jinja").write_text("{{ messages[0]['" + EVIL + "'] }}{% if m %}")
    (tmp_path / "says.jinja").write_text("{{ raise_exception('" + EVIL + "') }}")
    return tmp_path


SOURCES = [*(f"{name}.jsonl" for name in ROWS), f"{NAME}.jsonl", f"{NAME}-not-there.jsonl", "evil.csv"]
TEMPLATES = [
    "PKUSafeRLHF",
    "TRL",
    EVIL,
    f"{NAME}.yaml",
    "named.yaml",
    f"dataset_info.json:{EVIL}",
    "dataset_info.json:e",
]


@pytest.mark.parametrize("source", SOURCES, ids=[f"source {index}" for index in range(len(SOURCES))])
@pytest.mark.parametrize("command", ["detect", "check", "convert", "show"])
def test_no_command_prints_control_characters_of_its_rows(command, source, folder):
    if command == "detect":
        for more in ([], ["--all"], ["--json"]):
            assert_safe(outcome("detect", source, *more, cwd=folder))
        return
    for template in ("PKUSafeRLHF", "TRL-messages", "named.yaml"):
        if command == "show":
            assert_safe(outcome("show", template, "--row", f"{source}:0", cwd=folder))
        elif command == "check":
            assert_safe(outcome("check", source, "-t", template, cwd=folder))
            assert_safe(outcome("check", source, "-t", template, "--json", "--report", "r.json", cwd=folder))
        else:
            more = ["-d", "text", "--report", "c.json"]
            assert_safe(outcome("convert", source, "-t", template, "-o", f"{NAME}.out.jsonl", *more, cwd=folder))


@pytest.mark.parametrize("template", TEMPLATES, ids=[f"template {index}" for index in range(len(TEMPLATES))])
def test_no_command_prints_control_characters_of_its_template(template, folder):
    source = "a column.jsonl"
    assert_safe(outcome("show", template, cwd=folder))
    assert_safe(outcome("check", source, "-t", template, cwd=folder))
    assert_safe(outcome("convert", source, "-t", template, "-o", "out.jsonl", cwd=folder))
    assert_safe(outcome("convert", source, "-t", template, "-f", EVIL, "-o", "out.jsonl", cwd=folder))


@pytest.mark.parametrize("style", [f"{NAME}.jinja", "evil.jinja", "says.jinja", EVIL, f"{NAME}/"])
def test_no_command_prints_control_characters_of_its_style(style, folder):
    assert_safe(outcome("check-style", style, cwd=folder))
    assert_safe(outcome("check-style", style, "--json", cwd=folder))
    assert_safe(outcome("diff", style, "chatml", cwd=folder))
    assert_safe(outcome("diff", "chatml", style, "--json", cwd=folder))
    assert_safe(outcome("convert", "a column.jsonl", "-t", "PKUSafeRLHF", "-s", style, "-o", "o.jsonl", cwd=folder))


def test_no_command_prints_control_characters_of_what_is_typed(folder):
    for arguments in (
        ["list", "-s", EVIL],
        [EVIL],
        ["detect", "a.jsonl", EVIL],
        ["convert", f"--{EVIL}"],
        ["list", EVIL],
    ):
        assert_safe(outcome(*arguments, cwd=folder))


def test_a_name_that_is_not_unicode_is_printed_and_no_traceback(tmp_path):
    path = os.fsencode(tmp_path) + b"/\xff\x1b.jsonl"
    with open(path, "wb") as file:
        file.write(b"{}\n")
    assert_safe(run_process("detect", os.fsdecode(path), code=1))
    assert_safe(run_process("check", os.fsdecode(path), "-t", "PKUSafeRLHF", code=1))


def test_json_keeps_every_character(folder):
    printed = json.loads(outcome("check", "a label.jsonl", "-t", "PKUSafeRLHF", "--json", cwd=folder).stdout)
    assert r"\x1b[32m" in json.dumps(printed)
    assert json.loads(outcome("detect", "a column.jsonl", "--json", cwd=folder).stdout)[0]["unread"] == [EVIL]


def test_a_console_writes_its_own_colours_and_escapes_those_of_the_text(capsys):
    SafeConsole(force_terminal=True, color_system="standard").print("[red]a\x1b[32mb[/]", highlight=False)
    assert capsys.readouterr().out == "\x1b[31ma\\x1b[32mb\x1b[0m\n"
    assert escape_unsafe("tab\tline\nhalf\ud800") == "tab\\tline\nhalf\\ud800"
