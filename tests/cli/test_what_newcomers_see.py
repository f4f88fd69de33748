"""What the commands show where a newcomer would be misled otherwise: test sets, ties, calls, and several messages."""

import json

import pytest
from support import TESTS, run

PAIRS = [{"prompt": f"Which herb {n}?", "chosen": "Mint.", "rejected": "None."} for n in range(3)]


@pytest.fixture
def write(tmp_path):
    def write_rows(name, rows):
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    return write_rows


@pytest.mark.parametrize("command", ["check", "convert"])
def test_a_test_set_that_the_template_cannot_read_is_an_error(write, tmp_path, command):
    rows, test = write("rows.jsonl", PAIRS), write("test.jsonl", [{"question": "Which herb 0?"}] * 2)
    more = ["-o", tmp_path / "o.jsonl"] if command == "convert" else []
    done = run(command, rows, "-t", "TRL", "--test", test, *more, code=2)
    (line,) = done.stderr.splitlines()
    assert "the template TRL can read none of the 2 rows of the test set; the first error: row 0" in line


def test_rows_of_a_test_set_that_cannot_be_read_are_counted(write):
    rows, test = write("rows.jsonl", PAIRS), write("test.jsonl", [PAIRS[0], {"question": "Which herb 1?"}])
    done = run("check", rows, "-t", "TRL", "--test", test, code=1)
    assert "not compared: 1 row of the test set, which the template cannot read" in done.stdout
    assert "in_test" in done.stdout
    assert (
        json.loads(run("check", rows, "-t", "TRL", "--test", test, "--json", code=1).stdout)["unread_test_rows"] == 1
    )


def test_messages_that_differ_are_not_shown_as_those_of_all_rows(write):
    rows = write("rows.jsonl", [*PAIRS, *PAIRS])
    done = run("check", rows, "-t", "TRL", code=1)
    assert "row 3: the same as row 0" in " ".join(done.stdout.split())


def test_detect_shows_the_calls_of_an_answer(write):
    call = {"type": "function", "function": {"name": "water", "arguments": {"herb": "dill"}}}
    answer = {"role": "assistant", "content": "", "tool_calls": [call]}
    asked = [{"role": "user", "content": "Water it."}]
    done = run("detect", write("rows.jsonl", [{"prompt": asked, "completion": [answer]}]))
    assert "assistant: water({'herb': 'dill'})" in done.stdout


def test_show_says_that_a_row_is_a_declared_tie(write, tmp_path):
    template = tmp_path / "voted.yaml"
    template.write_text(
        "row: {q: str, a: str, b: str, label: 'int(ge=0, le=2)'}\ntie: '{{ label == 2 }}'\n"
        "preference: {prompt: '{{ q }}', chosen: '{{ [a, b, a][label] }}', rejected: '{{ [b, a, b][label] }}'}\n",
        encoding="utf-8",
    )
    rows = write("rows.jsonl", [{"q": "Which?", "a": "x", "b": "y", "label": 2}])
    assert "convert skips it: tie." in run("show", template, "--row", f"{rows}:0").stdout


def test_detect_sends_nobody_to_a_template_that_rejects_all_rows(write):
    rows = write("rows.jsonl", [{"messages": [{"author": "me", "msg": "Hi"}]}] * 3)
    done = run("detect", rows, code=1)
    assert "write a template for these columns, in Python or YAML" in done.stderr
    assert "next: preftemplates show YOUR_TEMPLATE.yaml" in done.stderr


def test_copies_cannot_be_looked_for_by_a_custom_template(write, tmp_path):
    rows = write("rows.jsonl", [{"prompt": "a", "response_0": "b", "response_1": "c", "better_response_id": 0}])
    homework = TESTS / "support" / "homework.py"
    done = run("convert", rows, "-t", homework, "--copies", "flag", "-o", tmp_path / "o.jsonl", code=2)
    assert "the custom template HOMEWORK has none" in done.stderr
