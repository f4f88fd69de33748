"""`preftemplates diff`: which lines and characters of two styles differ."""

import json
import re

from command_support import GOOD_TEMPLATE

from preftemplates import get_style
from preftemplates.cli import diff
from preftemplates.styles.lint.compare import Agreement, compare_styles
from preftemplates.styles.lint.conversations import CONVERSATIONS


def test_equal_styles_are_one_line_below_which_nothing_differs(run_here):
    code, out, _ = run_here("diff", "chatml", "chatml")
    assert code == 0
    assert re.fullmatch(r"19 conversations: \d+ equal(, \d+ rendered by neither)?\n--- chatml\n\+\+\+ chatml\n", out)


def test_the_counts_of_the_first_line_are_those_of_compare(run_here):
    verdicts = [difference.verdict for difference in compare_styles(get_style("chatml"), get_style("human-assistant"))]
    code, out, _ = run_here("diff", "chatml", "human-assistant")
    first = out.split("\n")[0]
    assert code == 1
    assert first.startswith(f"{len(CONVERSATIONS)} conversations: ")
    for verdict, words in diff.AGREEMENT_WORDS.items():
        count = verdicts.count(verdict)
        assert (f"{count} {words}" in first) == bool(count)
    headings = [line for line in out.split("\n") if line in CONVERSATIONS]
    assert headings == [name for name, v in zip(CONVERSATIONS, verdicts, strict=True) if not v.alike]


def test_lines_that_differ_are_signed_and_blanks_and_ends_are_seen(run_here, write_template):
    a, b = (
        write_template("{% for m in messages %}{{ m.content }}\n{% endfor %}  x\ny", "a.jinja"),
        write_template(GOOD_TEMPLATE, "b.jinja"),
    )
    _, out, _ = run_here("diff", a, b, "--conversation", "one turn")
    assert [line.strip() for line in out.split("\n")[4:]] == [
        "one turn",
        "- Does basil like shade?↵",
        "- No, basil likes sun.↵",
        "- ··x↵",
        "- y",
        "+ <user>Does basil like shade?</s><assistant>No, basil likes sun.</s>",
        "",
    ]


def test_the_end_of_a_line_alone_is_a_difference_that_is_seen(run_here, write_template):
    a, b = (
        write_template("{{ messages[0].content }} ", "a.jinja"),
        write_template("{{ messages[0].content }}{{ '\\n' }}", "b.jinja"),
    )
    _, out, _ = run_here("diff", a, b, "--conversation", "one turn")
    assert [line.strip() for line in out.split("\n")[5:7]] == [
        "- Does basil like shade?·",
        "+ Does basil like shade?↵",
    ]


def test_long_equal_runs_are_cut(run_here, write_template):
    many = "{% for i in range(50) %}line {{ i }}\n{% endfor %}"
    a, b = (
        write_template(many + "a\n" + many + "end", "a.jinja"),
        write_template(many + "b\n" + many + "end", "b.jinja"),
    )
    _, out, _ = run_here("diff", a, b, "--conversation", "one turn")
    assert [line.strip() for line in out.strip().split("\n")[5:]] == [
        *["…", "line 48↵", "line 49↵", "- a↵", "+ b↵", "line 0↵", "line 1↵", "…"]
    ]
    a, b = (
        write_template("x" * 500 + " a " + "y" * 500, "a.jinja"),
        write_template("x" * 500 + " b " + "y" * 500, "b.jinja"),
    )
    _, out, _ = run_here("diff", a, b, "--conversation", "one turn", columns=200)
    removed, added = (line.strip() for line in out.strip().split("\n")[5:])
    assert removed == f"- …{'x' * 39} a {'y' * 39}…"
    assert added == f"+ …{'x' * 39} b {'y' * 39}…"


def test_texts_that_are_shown_alike_are_not_shown_as_equal(run_here, write_template):
    a, b = write_template("{{ '\\x1b' }}", "a.jinja"), write_template(r"{{ '\\' }}x1b", "b.jinja")
    code, out, _ = run_here("diff", a, b, "--conversation", "one turn")
    assert code == 1
    assert "the texts differ in characters that are shown alike" in out


def test_a_refusal_is_told_with_its_reason_and_its_side(run_here, write_template):
    refusing = write_template("{{ raise_exception('no " + "\\x1b[1m[bold]" + "') }}")
    code, out, _ = run_here("diff", "chatml", refusing, "--conversation", "one turn")
    assert code == 1
    assert out.startswith("1 conversation: 1 rendered by the first only\n")
    assert r"+ the second raises an error: the style's chat template raised: no \x1b[1m[bold]" in out
    assert "- the first raises an error" in run_here("diff", refusing, "chatml", "--conversation", "one turn")[1]
    code, out, _ = run_here("diff", refusing, refusing, "--conversation", "one turn")
    assert code == 0
    assert "- the first raises an error" in out
    assert "+ the second raises an error" in out


def test_one_conversation_is_shown_even_where_it_is_equal(run_here):
    code, out, _ = run_here("diff", "chatml", "chatml", "--conversation", "one turn")
    assert code == 0
    assert "No, basil likes sun.<|im_end|>↵" in out
    code, _, err = run_here("diff", "chatml", "chatml", "--conversation", "one tunr")
    assert (code, err) == (2, "error: no conversation 'one tunr'. Did you mean 'one turn'?\n")


def test_json_is_what_compare_finds(run_here):
    code, out, _ = run_here("diff", "chatml", "zephyr", "--json")
    expected = [difference.as_json() for difference in compare_styles(get_style("chatml"), get_style("zephyr"))]
    assert code == 1
    assert json.loads(out) == {"a": "chatml", "b": "zephyr", "conversations": expected}
    verdicts = {Agreement(difference["verdict"]) for difference in expected}
    assert Agreement.DIFFERS in verdicts


def test_tokens_are_for_the_file_among_the_two(run_here, write_template):
    path = write_template("{{ bos_token }}" + GOOD_TEMPLATE)
    assert "<s>" in run_here("diff", "chatml", path, "--bos-token", "<s>")[1]
    code, _, err = run_here("diff", "chatml", "zephyr", "--eos-token", "")
    assert code == 2
    assert "have their own tokens" in err


def test_a_flood_of_lines_and_characters_is_cut(run_here, write_template):
    lines = write_template("{% for i in range(90000) %}{{ i }}\n{% endfor %}", "a.jinja")
    wide = write_template("{{ 'ab ' * 200000 }}", "b.jinja")
    code, out, _ = run_here("diff", lines, wide, "--conversation", "one turn", columns=100)
    assert code == 1
    assert "the texts have 90,000 and 1 lines; the first 400 are compared" in out
    assert len(out) < 60_000
