"""A wrong command line is one line in the words of this library, whatever the parser says."""

import pytest
from support import run

WRONG = {
    ("convert",): "the argument IN is missing; preftemplates convert --help shows the options",
    ("convert", "a.jsonl", "-o", "b.jsonl"): "the option --template is missing; preftemplates convert --help",
    ("detect", "a", "b"): "unexpected argument b; preftemplates detect --help",
    ("shw",): "there is no command 'shw'. Did you mean 'show'?",
    ("convert", "a.jsonl", "--templat", "TRL"): "there is no option --templat. Did you mean ",
    ("convert", "a.jsonl", "--zork"): "there is no option --zork; preftemplates convert --help",
    (
        "convert",
        "a",
        "-t",
        "TRL",
        "--pairs",
        "best-wurst",
    ): "--pairs: there is no 'best-wurst'. Did you mean 'best-worst'?",
    ("convert", "a", "--pairs", "7"): "--pairs: expected one of all, adjacent, best-worst; got '7'; ",
    ("check-style", "chatml", "--allow", "no_stopp"): "--allow: there is no 'no_stopp'. Did you mean 'no_stop'?",
    ("detect", "a.jsonl", "--rows", "x"): "--rows: expected a whole number; preftemplates detect --help",
    ("detect", "a.jsonl", "--rows", "0"): "--rows: expected a value greater than or equal to 1; preftemplates",
    ("detect", "a.jsonl", "--rows"): "the option --rows needs a value; ",
    ("check", "a.jsonl", "-t", "TRL", "--json=1"): "the option --json takes no value; ",
    ("detect", "a.jsonl", "--\x1b[31m\n"): "there is no option --\\x1b[31m\\x0a; preftemplates detect --help",
}


@pytest.mark.parametrize("words", WRONG)
def test_a_wrong_command_line_is_one_line(words):
    done = run(*words, code=2)
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {WRONG[words]}")
    assert not done.stdout


def test_the_command_alone_prints_its_help():
    done = run(code=2)
    assert "Commands" in done.stdout + done.stderr
    assert "error" not in done.stderr
