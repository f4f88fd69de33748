"""Unread values are counted by path: in conversions, checks and what they print."""

import json

from support import run

from preftemplates import Preference, RowModel, Template, check, get_template
from preftemplates.data.convert import Conversion
from preftemplates.data.unread import MAX_NAMED, UnreadCounts
from preftemplates.templates.unread import UnreadValue

ALPACA = {"instruction": "Translate.", "chosen": "Salbei", "rejected": "Weise"}
TEMPLATE = get_template("UltraFeedback-llamafactory")


def rows_with(*extra):
    return [{**ALPACA, **each} for each in extra]


def counts_of(rows, template=TEMPLATE):
    conversion = Conversion(rows, template, "preference", on_error="skip")
    list(conversion)
    return conversion.report.unread


def test_rows_are_counted_by_path_and_content_stands_first():
    unread = counts_of(rows_with({"id": 1, "system": "s"}, {"id": 2, "system": "s", "input": "i"}, {"id": 3}))
    assert unread.as_json() == {
        "id": {"rows": 3, "carries_content": False},
        "system": {"rows": 2, "carries_content": True},
        "input": {"rows": 1, "carries_content": True},
    }
    assert unread.content_rows == 2
    assert unread.describe() == "not read: system (2 rows), input (1 row), and 1 more (id)"


def test_without_content_the_line_says_so_and_without_anything_there_is_none():
    unread = counts_of(rows_with({"id": 1, "url": "u", "source": "s", "lang": "en"}))
    assert unread.describe() == "not read: 4 columns without content (id, url, source, ...)"
    assert counts_of([ALPACA]).describe() is None


def test_a_path_is_counted_once_a_row():
    counts = UnreadCounts()
    counts.add([UnreadValue("turns[].weight", 1)] * 3, 0, None)
    assert counts.describe() == "not read: turns[].weight (1 row)"


def test_a_line_names_few_columns():
    counts = UnreadCounts()
    counts.add([UnreadValue(f"answer_{number}", 1) for number in range(60)], 0, None)
    assert counts.describe().count("answer_") == MAX_NAMED
    assert counts.describe().endswith(f", and {60 - MAX_NAMED} more")


def test_rows_that_do_not_come_through_are_not_counted():
    assert counts_of([{"system": "s"}, {**ALPACA, "rejected": "Salbei", "system": "s"}]).paths == {}


# --- check ---------------------------------------------------------------------------------------------------------


def test_check_flags_rows_with_unread_content_and_may_be_told_not_to():
    rows = rows_with({"system": "s", "id": 1}, {"id": 2})
    report = check(rows, TEMPLATE)
    assert report.counts() == {"unread_content": 1}
    (finding,) = [one for one in report.findings if one.code == "unread_content"]
    assert [(issue.row, issue.message) for issue in finding.examples] == [(0, "not read: system")]
    assert "unread_content" not in check(rows, TEMPLATE, without=["unread_content"]).counts()


def test_rows_that_differ_in_what_is_asked_are_no_duplicates_and_no_contradictions():
    asked = rows_with({"input": "the sage"}, {"input": "the thyme"})
    asked[1] |= {"chosen": "Weise", "rejected": "Salbei"}
    assert check(asked, TEMPLATE, without=["unread_content"]).counts() == {}
    same = [asked[0], {**asked[1], "input": "the sage"}]
    assert check(same, TEMPLATE, without=["unread_content"]).counts() == {"contradiction": 1}


def test_rows_that_differ_in_a_score_or_an_id_are_duplicates():
    rows = rows_with({"score": 1, "id": 1}, {"score": 2, "id": 2})
    assert check(rows, TEMPLATE, without=["unread_content"]).counts() == {"duplicate": 1}


# --- commands ------------------------------------------------------------------------------------------------------


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_convert_check_and_show_print_one_line(tmp_path):
    source = write(tmp_path / "rows.jsonl", rows_with({"system": "s", "id": 1}, {"system": "s", "id": 2}))
    line = "not read: system (2 rows), and 1 more (id)"
    words = [source, "--template", TEMPLATE.name, "--format", "preference"]
    out, report = tmp_path / "out.jsonl", tmp_path / "report.json"
    printed = run("convert", *words, "--out", out, "--report", report).stderr
    assert printed.count("not read:") == 1
    assert line in printed
    assert json.loads(report.read_text())["unread"]["system"] == {"rows": 2, "carries_content": True}
    assert line in run("check", *words, code=1).stdout
    assert "not read: system (1 row), and 1 more (id)" in run("show", TEMPLATE.name, "--row", f"{source}:0").stdout


class Custom(Template):
    """Looks at two columns."""

    def format_preference_sample(self, raw_sample):
        return {"better": raw_sample["a"], "worse": raw_sample.get("b")}


def test_a_custom_template_reports_what_it_did_not_touch():
    assert counts_of([{"a": "x", "b": "y", "context": "c"}], Custom()).describe() == "not read: context (1 row)"


class Blank(Template):
    class Row(RowModel):
        a: str

    preference = Preference(prompt="q", chosen="{{ a }}", rejected="no")


def test_paths_never_act_on_the_terminal(tmp_path):
    source = write(tmp_path / "rows.jsonl", [{**ALPACA, "system\u001b[31m\n": "s"}])
    words = [source, "--template", TEMPLATE.name, "--format", "preference", "--out", tmp_path / "out.jsonl"]
    printed = run("convert", *words).stderr
    assert "\x1b" not in printed
    assert len([line for line in printed.splitlines() if "not read" in line]) == 1
