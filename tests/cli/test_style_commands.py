"""`check-style` and `diff` as a user runs them: words, exit codes, and nothing that a terminal would act on."""

import json
import re
import subprocess
import sys

import pytest
from rich.console import Console
from support import HANGS, terminal

from preftemplates.__main__ import main
from preftemplates.cli import diff
from preftemplates.styles.lint.compare import Agreement, compare
from preftemplates.styles.lint.conversations import CONVERSATIONS
from preftemplates.styles.lint.findings import GROUPS, FindingCode, StyleFinding
from preftemplates.styles.style import Style, get_style

GOOD = "{% for m in messages %}<{{ m.role }}>{{ m.content }}</s>{% endfor %}"
TRIMMING = "{# trims #}\n{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}</s>{% endfor %}"
HOSTILE = "\x1b[31m\x9b1m[bold]x\u202e:smile:\n"
SAFE = r"\x1b[31m\x9b1m[bold]x\u202e:smile:"


@pytest.fixture
def run(capsys, monkeypatch):
    """Runs the command in this process, and gives its exit code, output and errors."""

    def call(*arguments, columns=300):
        # datasets puts a copy in the place of os.environ where it maps by several processes; rich keeps the first
        monkeypatch.setattr(Console, "_environ", terminal(columns))
        monkeypatch.setattr(sys, "argv", ["preftemplates", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        captured = capsys.readouterr()
        for line in (captured.out + captured.err).split("\n"):
            assert line.isprintable(), line
        return caught.value.code or 0, captured.out, captured.err

    return call


@pytest.fixture
def found(monkeypatch):
    """Sets what is found in any style."""

    def set_findings(*findings):
        monkeypatch.setattr(Style, "findings", property(lambda style: tuple(findings)))

    return set_findings


@pytest.fixture
def file(tmp_path):
    def write(text, name="t.jinja"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def one_space(text):
    return re.sub(r"\s+", " ", text)


# check-style


def test_the_commands_exist_and_end_as_they_say(tmp_path, file):
    for arguments, code in (
        (["check-style", file(TRIMMING)], 1),
        (["diff", "chatml", "chatml"], 0),
        (["diff", "chatml", tmp_path / "no.jinja"], 2),
    ):
        command = [sys.executable, "-m", "preftemplates", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=HANGS)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        assert bool(done.stderr) == (code == 2)
        assert bool(done.stdout) == (code != 2)


def test_nothing_found_is_one_line_and_exit_code_0(run, found):
    found()
    assert run("check-style", "chatml") == (0, "chatml: no findings\n", "")


def test_findings_are_told_by_group_with_the_templates_line(run, found, file):
    path = file(TRIMMING)
    found(
        StyleFinding(FindingCode.TRIMS_CONTENT, "blanks are lost", line=2, role="user", field="content"),
        StyleFinding(FindingCode.TRIMS_CONTENT, "and here", role="system"),
        StyleFinding(FindingCode.NO_STOP, "nothing ends an answer", line=99),
    )
    code, out, _ = run("check-style", path)
    assert code == 1
    lines = [line.rstrip() for line in out.split("\n")]
    assert lines[:-2] == [
        "prompt and answer",
        "  no_stop",
        "    nothing ends an answer",
        "what is printed otherwise",
        "  trims_content",
        "    blanks are lost",
        f"      line 2 | {TRIMMING.splitlines()[1]}",
        "    and here",
    ]
    assert out.rstrip().endswith("t.jinja: 3 findings")


def test_json_has_every_fact_and_the_meaning(run, found):
    found(StyleFinding(FindingCode.TRIMS_CONTENT, "blanks are lost", line=2, role="user", field="content"))
    code, out, _ = run("check-style", "chatml", "--json")
    assert (code, json.loads(out)) == (
        1,
        {
            "style": "chatml",
            "findings": [
                {
                    "code": "trims_content",
                    "message": "blanks are lost",
                    "line": 2,
                    "role": "user",
                    "field": "content",
                    "meaning": FindingCode.TRIMS_CONTENT.meaning,
                }
            ],
        },
    )


def test_a_code_that_is_allowed_is_left_out(run, found):
    found(StyleFinding(FindingCode.TRIMS_CONTENT, "one"), StyleFinding(FindingCode.NO_STOP, "two"))
    assert run("check-style", "chatml", "--allow", "no_stop")[:2][0] == 1
    assert run("check-style", "chatml", "--allow", "no_stop", "--allow", "trims_content")[0] == 0
    assert run("check-style", "chatml", "--allow", "no_stpo")[0] == 2


def test_every_code_stands_in_one_group():
    assert sorted(code for codes in GROUPS.values() for code in codes) == sorted(FindingCode)


def test_the_real_check_finds_a_trim_in_a_file(run, file):
    code, out, _ = run("check-style", file(TRIMMING))
    assert code == 1
    assert "trims_content" in out


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_syntax_error_is_shown_with_its_line(run, file, tmp_path, end):
    source = end.join(["{# one #}", "  {% for m in messages %}", "\t{{ m.content", "{% endfor %}"])
    path = tmp_path / "tokenizer_config.json"
    path.write_text(json.dumps({"chat_template": source}))
    code, out, err = run("check-style", tmp_path)
    assert (code, out) == (2, "")
    place, line, rest = err.split("\n")
    assert re.fullmatch(r"error: .*tokenizer_config.json line [34]: the chat template does not parse: .*", place)
    assert re.fullmatch(r"  (3 \|     \{\{ m.content|4 \| \{% endfor %\})", line)
    assert rest == ""


def test_tokens_reach_the_template_of_a_file_and_are_asked_for(run, file):
    path = file("{{ bos_token }}" + GOOD)
    _, told, _ = run("check-style", path)
    assert "the template reads bos_token, which no file says; give it by --bos-token" in one_space(told)
    _, told, _ = run("check-style", path, "--bos-token", "<s>")
    assert "which no file says" not in told
    assert "writes_bos" in told
    code, _, err = run("check-style", "chatml", "--bos-token", "<s>")
    assert (code, err) == (2, "error: the style chatml has its own tokens; others are for the template of a file\n")


def test_other_templates_of_a_tokenizer_are_noted(run, tmp_path, found):
    found()
    named = [{"name": "default", "template": GOOD}, {"name": f"ra{HOSTILE}g", "template": "x"}]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": named}))
    code, out, _ = run("check-style", tmp_path, columns=300)
    assert code == 0
    assert "note: the template 'default' is used; there are also " in out
    assert SAFE in out
    assert "there are also" in json.loads(run("check-style", tmp_path, "--json")[1])["note"]


# diff


def test_equal_styles_are_one_line_below_which_nothing_differs(run):
    code, out, _ = run("diff", "chatml", "chatml")
    assert code == 0
    assert re.fullmatch(r"19 conversations: \d+ equal(, \d+ refused by both)?\n--- chatml\n\+\+\+ chatml\n", out)


def test_the_counts_of_the_first_line_are_those_of_compare(run):
    verdicts = [difference.verdict for difference in compare(get_style("chatml"), get_style("human-assistant"))]
    code, out, _ = run("diff", "chatml", "human-assistant")
    first = out.split("\n")[0]
    assert code == 1
    assert first.startswith(f"{len(CONVERSATIONS)} conversations: ")
    for verdict, words in diff.WORDS.items():
        count = verdicts.count(verdict)
        assert (f"{count} {words}" in first) == bool(count)
    headings = [line for line in out.split("\n") if line in CONVERSATIONS]
    assert headings == [name for name, v in zip(CONVERSATIONS, verdicts, strict=True) if not v.alike]


def test_lines_that_differ_are_signed_and_blanks_and_ends_are_seen(run, file):
    a, b = file("{% for m in messages %}{{ m.content }}\n{% endfor %}  x\ny", "a.jinja"), file(GOOD, "b.jinja")
    _, out, _ = run("diff", a, b, "--conversation", "one turn")
    assert [line.strip() for line in out.split("\n")[4:]] == [
        "one turn",
        "- Does basil like shade?↵",
        "- No, basil likes sun.↵",
        "- ··x↵",
        "- y",
        "+ <user>Does basil like shade?</s><assistant>No, basil likes sun.</s>",
        "",
    ]


def test_the_end_of_a_line_alone_is_a_difference_that_is_seen(run, file):
    a, b = file("{{ messages[0].content }} ", "a.jinja"), file("{{ messages[0].content }}{{ '\\n' }}", "b.jinja")
    _, out, _ = run("diff", a, b, "--conversation", "one turn")
    assert [line.strip() for line in out.split("\n")[5:7]] == [
        "- Does basil like shade?·",
        "+ Does basil like shade?↵",
    ]


def test_long_equal_runs_are_cut(run, file):
    many = "{% for i in range(50) %}line {{ i }}\n{% endfor %}"
    a, b = file(many + "a\n" + many + "end", "a.jinja"), file(many + "b\n" + many + "end", "b.jinja")
    _, out, _ = run("diff", a, b, "--conversation", "one turn")
    assert [line.strip() for line in out.strip().split("\n")[5:]] == [
        *["…", "line 48↵", "line 49↵", "- a↵", "+ b↵", "line 0↵", "line 1↵", "…"]
    ]
    a, b = file("x" * 500 + " a " + "y" * 500, "a.jinja"), file("x" * 500 + " b " + "y" * 500, "b.jinja")
    _, out, _ = run("diff", a, b, "--conversation", "one turn", columns=200)
    removed, added = (line.strip() for line in out.strip().split("\n")[5:])
    assert removed == f"- …{'x' * 39} a {'y' * 39}…"
    assert added == f"+ …{'x' * 39} b {'y' * 39}…"


def test_texts_that_are_shown_alike_are_not_shown_as_equal(run, file):
    a, b = file("{{ '\\x1b' }}", "a.jinja"), file(r"{{ '\\' }}x1b", "b.jinja")
    code, out, _ = run("diff", a, b, "--conversation", "one turn")
    assert code == 1
    assert "the texts differ in characters that are shown alike" in out


def test_a_refusal_is_told_with_its_reason_and_its_side(run, file):
    refusing = file("{{ raise_exception('no " + "\\x1b[1m[bold]" + "') }}")
    code, out, _ = run("diff", "chatml", refusing, "--conversation", "one turn")
    assert code == 1
    assert out.startswith("1 conversation: 1 rendered by the first only\n")
    assert r"+ the second refuses: the style's chat template raised: no \x1b[1m[bold]" in out
    assert "- the first refuses" in run("diff", refusing, "chatml", "--conversation", "one turn")[1]
    code, out, _ = run("diff", refusing, refusing, "--conversation", "one turn")
    assert code == 0
    assert "- the first refuses" in out
    assert "+ the second refuses" in out


def test_one_conversation_is_shown_even_where_it_is_equal(run):
    code, out, _ = run("diff", "chatml", "chatml", "--conversation", "one turn")
    assert code == 0
    assert "No, basil likes sun.<|im_end|>↵" in out
    code, _, err = run("diff", "chatml", "chatml", "--conversation", "one tunr")
    assert (code, err) == (2, "error: no conversation 'one tunr'. Did you mean 'one turn'?\n")


def test_json_is_what_compare_finds(run):
    code, out, _ = run("diff", "chatml", "zephyr", "--json")
    expected = [difference.as_json() for difference in compare(get_style("chatml"), get_style("zephyr"))]
    assert code == 1
    assert json.loads(out) == {"a": "chatml", "b": "zephyr", "conversations": expected}
    verdicts = {Agreement(one["verdict"]) for one in expected}
    assert Agreement.DIFFERS in verdicts


def test_tokens_are_for_the_file_among_the_two(run, file):
    path = file("{{ bos_token }}" + GOOD)
    assert "<s>" in run("diff", "chatml", path, "--bos-token", "<s>")[1]
    code, _, err = run("diff", "chatml", "zephyr", "--eos-token", "")
    assert code == 2
    assert "has its own tokens" in err


# what strangers write


@pytest.mark.parametrize("columns", [20, 60, 300])
def test_nothing_hostile_reaches_the_terminal(run, tmp_path, found, columns):
    """`run` looks at every character that is printed."""
    folder = tmp_path / f"a{HOSTILE}b"
    folder.mkdir()
    config = {"chat_template": HOSTILE + GOOD + "{{ bos_token }}", "bos_token": HOSTILE}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    found(StyleFinding(FindingCode.NO_STOP, f"a message {HOSTILE}", line=1))
    for arguments in (
        ["check-style", folder],
        ["check-style", folder, "--eos-token", HOSTILE],
        ["diff", folder, "chatml"],
        ["diff", folder, folder, "--conversation", "one turn"],
        ["diff", folder, folder, "--conversation", HOSTILE],
        ["check-style", HOSTILE],
        ["check-style", folder / HOSTILE],
    ):
        out = "".join(run(*arguments, columns=columns)[1:])
        assert columns < 300 or SAFE in out or SAFE.replace("\\", "\\\\") in out, out
        assert HOSTILE.strip() not in json.dumps(out, ensure_ascii=False)
    for command in (["check-style", folder], ["diff", folder, "chatml"]):
        json.loads(run(*command, "--json")[1])
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{% if " + HOSTILE}))
    code, _, err = run("check-style", folder)
    assert code == 2
    assert SAFE in err


def test_a_flood_of_lines_and_characters_is_cut(run, file):
    lines = file("{% for i in range(90000) %}{{ i }}\n{% endfor %}", "a.jinja")
    wide = file("{{ 'ab ' * 200000 }}", "b.jinja")
    code, out, _ = run("diff", lines, wide, "--conversation", "one turn", columns=100)
    assert code == 1
    assert "the texts have 90,000 and 1 lines; the first 400 are compared" in out
    assert len(out) < 60_000
