"""`preftemplates check-style`: findings in words and as JSON, and errors with the template's line."""

import json
import re

import pytest
from command_support import GOOD_TEMPLATE, HOSTILE, SAFE, TRIMMING

from preftemplates.styles.lint.findings import FINDING_GROUPS, FindingCode, StyleFinding


def join_lines(text):
    return re.sub(r"\s+", " ", text)


def test_nothing_found_is_one_line_and_exit_code_0(run_here, set_findings):
    set_findings()
    assert run_here("check-style", "chatml") == (0, "chatml: no findings\n", "")


def test_findings_are_told_by_group_with_the_templates_line(run_here, set_findings, write_template):
    path = write_template(TRIMMING)
    set_findings(
        StyleFinding(FindingCode.TRIMS_CONTENT, "blanks are lost", line=2, role="user", field="content"),
        StyleFinding(FindingCode.TRIMS_CONTENT, "and here", role="system"),
        StyleFinding(FindingCode.NO_STOP, "nothing ends an answer", line=99),
    )
    code, out, _ = run_here("check-style", path)
    assert code == 1
    lines = [line.rstrip() for line in out.split("\n")]
    assert lines[:-2] == [
        "prompt and answer",
        "  no_stop",
        "    nothing ends an answer",
        "what the style prints differently",
        "  trims_content",
        "    blanks are lost",
        f"      line 2 | {TRIMMING.splitlines()[1]}",
        "    and here",
    ]
    assert out.rstrip().endswith("t.jinja: 3 findings")


def test_json_has_every_fact_and_the_meaning(run_here, set_findings):
    set_findings(StyleFinding(FindingCode.TRIMS_CONTENT, "blanks are lost", line=2, role="user", field="content"))
    code, out, _ = run_here("check-style", "chatml", "--json")
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


def test_a_code_that_is_allowed_is_left_out(run_here, set_findings):
    set_findings(StyleFinding(FindingCode.TRIMS_CONTENT, "one"), StyleFinding(FindingCode.NO_STOP, "two"))
    assert run_here("check-style", "chatml", "--allow", "no_stop")[:2][0] == 1
    assert run_here("check-style", "chatml", "--allow", "no_stop", "--allow", "trims_content")[0] == 0
    assert run_here("check-style", "chatml", "--allow", "no_stpo")[0] == 2


def test_every_code_stands_in_one_group():
    assert sorted(code for codes in FINDING_GROUPS.values() for code in codes) == sorted(FindingCode)


def test_the_real_check_finds_a_trim_in_a_file(run_here, write_template):
    code, out, _ = run_here("check-style", write_template(TRIMMING))
    assert code == 1
    assert "trims_content" in out


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_syntax_error_is_shown_with_its_line(run_here, tmp_path, end):
    source = end.join(["{# one #}", "  {% for m in messages %}", "\t{{ m.content", "{% endfor %}"])
    path = tmp_path / "tokenizer_config.json"
    path.write_text(json.dumps({"chat_template": source}))
    code, out, err = run_here("check-style", tmp_path)
    assert (code, out) == (2, "")
    place, line, rest = err.split("\n")
    assert re.fullmatch(r"error: .*tokenizer_config.json line [34]: the chat template does not parse: .*", place)
    assert re.fullmatch(r"  (3 \|     \{\{ m.content|4 \| \{% endfor %\})", line)
    assert rest == ""


def test_tokens_reach_the_template_of_a_file_and_are_asked_for(run_here, write_template):
    path = write_template("{{ bos_token }}" + GOOD_TEMPLATE)
    _, out, _ = run_here("check-style", path)
    note = "reads bos_token, which no file contains; name the tokenizer's folder, or give it by --bos-token"
    assert note in join_lines(out)
    _, out, _ = run_here("check-style", path, "--bos-token", "<s>")
    assert "which no file contains" not in out
    assert "writes_bos" in out
    code, _, err = run_here("check-style", "chatml", "--bos-token", "<s>")
    assert (code, err) == (
        2,
        "error: the style chatml has its own tokens; give others only for a chat template in a file\n",
    )


def test_other_templates_of_a_tokenizer_are_noted(run_here, tmp_path, set_findings):
    set_findings()
    named = [{"name": "default", "template": GOOD_TEMPLATE}, {"name": f"ra{HOSTILE}g", "template": "x"}]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": named}))
    code, out, _ = run_here("check-style", tmp_path, columns=300)
    assert code == 0
    assert "note: the chat template 'default' is used; for " in out
    assert SAFE in out
    assert "add a colon and the name" in json.loads(run_here("check-style", tmp_path, "--json")[1])["note"]
