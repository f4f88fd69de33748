"""`check` by slices finds what it finds row by row: findings, copies, shortcuts, unread values and counts."""

import sys
from collections import Counter
from itertools import islice
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from columnar_rows import SUBJECTS, draw_rows
from columnar_tables import draw_table
from hypothesis import given
from hypothesis import strategies as st
from planted import BUNDLED_TEMPLATES
from planted_copies import KINDS
from real_files import PKU
from support import real_rows

from preftemplates import check, get_style, get_template
from preftemplates.data import Record, open_rows
from preftemplates.data.columnar.checks import checking, message_columns, shortcuts
from preftemplates.data.columnar.checks.copies import ColumnarCopyFinder
from preftemplates.errors import Code, DefinitionError, FileError, RowError

checks = sys.modules["preftemplates.data.check"]


def check_in_both_ways(rows, template, format, *, test=None, first_rows=1, **options):
    """Check rows by slices and one by one, and compare the reports."""
    reports = []
    for first in (first_rows, 10**9):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(checks, "FIRST_ROWS", first)
            reports.append(check(rows, template, format, test=test, **options).as_json())
    assert reports[0] == reports[1]
    return reports[0]


SPOILED = ("<|im_end|>", "\u200b", "<think>", "I'm sorry, but no.", "I’m sorry, no.", "as an aı", "[1]", "x" * 100_001)


def draw_records(seed, name, count=40):
    """Rows, of which many are copies of others, or nearly: in a text, in the order of texts, or in the label."""
    random = Random(seed)
    rows, _ = draw_rows(random.random(), name, count // 2)
    while len(rows) < count:
        row = dict(random.choice(rows))
        texts = [key for key, value in row.items() if isinstance(value, str)]
        for _ in range(random.choice((0, 1, 1, 2))):
            key = random.choice(texts or [*row])
            if not isinstance(row[key], str):
                continue
            change = random.choice([*KINDS.values(), lambda text, rng: text + rng.choice(SPOILED)])
            row[key] = change(row[key], random) or row[key]
        if "better" in row and random.random() < 0.3:
            row["better"] = 1 - (row["better"] or 0)
        if random.random() < 0.2:
            row |= random.choice(
                ({"note": 1}, {"context": "a"}, {"context": "b"}, {"chosen_score": 1, "rejected_score": 2})
            )
        rows.append(row)
    random.shuffle(rows)
    rows[random.randrange(count)] = RowError("not JSON", code=Code.BAD_JSON)
    return [Record(number, 2 * number + 1, row) for number, row in enumerate(rows)]


READABLE = {
    "pairs": {"thread": [{"role": "user", "content": "Hi"}], "one": "a", "two": "b", "system": None, "better": 0},
    "HH": get_template("HH").example,
}
"""A row of each kind that can be read, without which a test set may be an error."""


def draw_test_rows(seed, name, count):
    return [*draw_records(seed, name, count), Record(count, None, READABLE[name])]


@pytest.mark.parametrize("name", SUBJECTS)
@given(st.integers(0, 2**32))
def test_the_report_is_that_of_rows_one_by_one(name, seed):
    template, records = SUBJECTS[name][0], draw_records(seed, name)
    for dialect in ("trl", "text"):
        styled = template.with_style("chatml").with_dialect(dialect)
        for format in ("preference", "prompt_only", "supervised", "unpaired"):
            check_in_both_ways(records, styled, format)
    check_in_both_ways(records, template, "preference", test=draw_test_rows(seed + 1, name, 10), first_rows=3)
    check_in_both_ways(records, template, "preference", without=["duplicate", "empty", "control_text", "longer wins"])


def test_each_code_is_among_the_findings():
    codes, counted = set(), Counter()
    for name in SUBJECTS:
        template = SUBJECTS[name][0].with_style("chatml").with_dialect("text")
        for seed in (1, 2):
            test = draw_test_rows(9, name, 30)
            report = check_in_both_ways(draw_records(seed, name, 300), template, "preference", test=test)
            codes |= {finding["code"] for finding in report["findings"]}
            for shortcut, counts in report["shortcuts"].items():
                counted += {(shortcut, key): counts[key] for key in ("right", "wrong")}
    assert codes >= {"duplicate", "contradiction", "in_test", "near_duplicate", "near_test", "invisible", "empty",
                     "equal", "unbalanced_thinking", "control_text", "bad_json", "unread_content"}  # fmt: skip
    assert len(+counted) == 6


def check_all(sets):
    for template, rows in sets:
        check_in_both_ways(rows, template, "preference")


@pytest.mark.parametrize(
    ("owner", "name", "planted"),
    [
        (checking, "_hash_contexts", lambda _, count: np.zeros(count, np.uint64)),
        (checking, "list_first", lambda listed, _: 0 * listed),
        (checking, "choose_longer", lambda chosen, rejected: np.sign(chosen.measure() - rejected.measure())),
        (shortcuts, "_OTHER_SPELLINGS", "\\x00"),
        (message_columns, "_digest", lambda _: 7),
        (ColumnarCopyFinder, "_find_near_duplicates", lambda *_: {}),
        (ColumnarCopyFinder, "_find_contradicting_pairs", lambda *_: {}),
    ],
)
def test_a_planted_fault_is_found(owner, name, planted, monkeypatch):
    rows = [(SUBJECTS[name][0], draw_records(seed, name, 200)) for seed in range(3) for name in SUBJECTS]
    pair = {"prompt": "Who are you?", "response_0": "as an aı I", "response_1": "A cook.", "better_response_id": 0}
    rows.append((get_template("PKUSafeRLHF"), [pair, pair]))
    monkeypatch.setattr(owner, name, planted)
    with pytest.raises(AssertionError):
        check_all(rows)


@pytest.mark.parametrize("format", ["unpaired", "scored"])
def test_labels_tell_copies_from_contradictions(format):
    name, label = ("TRL-unpaired", "label") if format == "unpaired" else ("HelpSteer", "helpfulness")
    row = get_template(name).example
    other = {**row, label: not row[label] if format == "unpaired" else 0}
    report = check_in_both_ways([row, other, row, other], get_template(name), format)
    counts = {finding["code"]: finding["count"] for finding in report["findings"]}
    assert (counts["duplicate"], counts["contradiction"]) == (2, 2)


def test_parquet_is_checked_as_its_rows(tmp_path):
    pair = {"response_0": "A", "better_response_id": 0}
    rows = [{**pair, "prompt": f"Question {n % 40}?", "response_1": f"B{n % 50}"} for n in range(900)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "in.parquet", row_group_size=200)
    template = get_template("PKUSafeRLHF")
    records = [*open_rows(tmp_path / "in.parquet")]
    report = check_in_both_ways(records, template, "preference")
    plain = check_in_both_ways(rows, template, "preference")
    assert report["findings"][0]["count"] == plain["findings"][0]["count"] > 600


@pytest.mark.parametrize(
    ("name", "path"),
    [("PKUSafeRLHF", PKU), ("HH", "hh_rlhf/harmless-base_test_even.jsonl.gz")],
)
def test_real_rows_are_checked_as_one_by_one(name, path):
    rows = [*islice(real_rows(path), 400)]
    report = check_in_both_ways(rows * 2, get_template(name), "preference", style=get_style("gemma"))
    assert sum(finding["count"] for finding in report["findings"] if finding["code"] == "duplicate") >= len(rows) // 2


def test_a_large_set_that_has_no_plan_is_checked_row_by_row():
    row = get_template("OASST-zh-ranked").example
    report = check_in_both_ways([row] * 5, get_template("OASST-zh-ranked"), "ranked")
    assert report["findings"][0]["count"] == 4


def test_errors_of_a_test_set_are_the_same_where_it_is_large():
    rows, template = [get_template("PKUSafeRLHF").example] * 3, get_template("PKUSafeRLHF")
    with pytest.raises(FileError, match="can read none of the 3 rows of the test set"):
        check_in_both_ways(rows, template, "preference", test=[{"prompt": 1}] * 3)
    report = check_in_both_ways(rows, template, "preference", test=[{"prompt": 1}, *rows])
    assert report["unread_test_rows"] == 1
    with pytest.raises(DefinitionError, match="no code or shortcut"):
        check_in_both_ways(rows, template, "preference", without=["duplicat"])


def test_samples_for_which_there_is_no_room_are_counted(monkeypatch):
    monkeypatch.setattr("preftemplates.data.columnar.checks.copies.MAX_REMEMBERED", 2)
    monkeypatch.setattr("preftemplates.data.row_rules.MAX_REMEMBERED", 2)
    template, row = get_template("PKUSafeRLHF"), get_template("PKUSafeRLHF").example
    rows = [row, {**row, "prompt": "Another?"}, {**row, "prompt": "A third?"}, row, {**row, "prompt": "A third?"}]
    report = check_in_both_ways(rows, template, "preference")
    assert report["findings"][0]["count"] == 1
    assert report["forgotten_rows"] == 2


@pytest.mark.parametrize("name", BUNDLED_TEMPLATES)
def test_every_bundled_template_is_checked_as_row_by_row(name):
    template, random = get_template(name), Random(name)
    rows = draw_table(random, template.example).to_pylist()
    rows = [*rows, *rows[:5], *({**row, "system_note": random.choice("ab")} for row in rows[:5])]
    for format in template.formats:
        check_in_both_ways(rows, template, format, test=random.choice((None, [template.example])))
