"""Copies in training: duplicates, contradictions, near copies and prompts on both sides, counted as in `check`."""

import json

from dataset_support import config_of, row, write
from preftemplates_train.data.dataset import read_data
from preftemplates_train.reports import sentences

from preftemplates import check, get_template

CODES = ("duplicate", "contradiction", "in_test", "near_duplicate", "near_test")
ROWS = [
    row(0, prompt="How do I boil an egg?"),
    row(1, prompt="how do I boil an egg"),
    row(2, prompt="Tell me: How do I boil an egg? Answer shortly."),
    row(3, prompt="How do I fry rice?"),
    row(4, prompt="How do I fry rice?"),
    row(5, prompt="How do I fry rice?", better_response_id=1),
    row(6, prompt="how do I fry rice?!"),
    *(row(number) for number in range(7, 12)),
]
HELD_OUT = [row(0, prompt="How do I fry rice?")]


class Model:
    def parameters(self):
        return iter(())


def read(tmp_path, rows, held_out=None, **settings):
    path = write(tmp_path / "rows.jsonl", rows)
    if held_out is not None:
        settings["eval_data"] = [write(tmp_path / "held_out.jsonl", held_out)]
    config = config_of(path, **settings)
    data = read_data(config)
    return data, config, {code: data.reports[path].summarize()[code] for code in CODES}


def test_training_counts_copies_as_check_does(tmp_path):
    _, _, counts = read(tmp_path, ROWS, HELD_OUT)
    checked = check(ROWS, get_template("PKUSafeRLHF"), test=HELD_OUT, style=None).counts()
    assert counts == {code: checked[code] for code in CODES}
    assert counts == {"duplicate": 1, "contradiction": 1, "in_test": 3, "near_duplicate": 3, "near_test": 1}


def test_a_line_for_each_code_names_the_first_row(tmp_path):
    data, config, _ = read(tmp_path, ROWS, HELD_OUT)
    lines = sentences.describe_data(data, Model(), config).splitlines()
    said = [line.split(": ", 1)[1] for line in lines if any(f": {code}, " in line for code in CODES)]
    assert said == [
        "duplicate, 1 row: row 4, the same as row 3",
        "contradiction, 1 row: row 5, row 3 prefers the other answer",
        "in_test, 3 rows: first row 3, the prompt is the same as in row 0 of the test set",
        "near_duplicate, 3 rows: first row 1, a near copy of the prompt of row 0: different case, punctuation or"
        " whitespace",
        "near_test, 1 row: row 6, a near copy of the prompt of row 0 of the test set: different case, punctuation or"
        " whitespace",
    ]


def test_rows_without_copies_have_no_such_line(tmp_path):
    data, config, counts = read(tmp_path, [row(number) for number in range(20)])
    assert not any(counts.values())
    assert not any(code in sentences.describe_data(data, Model(), config) for code in CODES)


def test_near_copies_on_both_sides_of_a_split_are_counted(tmp_path):
    rows = [row(n, prompt=text.format(n)) for n in range(40) for text in ("what is {}?", "What is {}")]
    data, _, counts = read(tmp_path, rows, eval_size=0.3)
    trained = {pair.row // 2 for pair in data.train}
    assert counts["in_test"] == data.prompts_in_both == 0
    assert counts["near_test"] == sum(pair.row // 2 in trained for pair in data.held_out) > 0


def test_the_generated_set_is_counted_and_stays_quiet():
    config = config_of()
    data = read_data(config)
    (report,) = data.reports.values()
    counts = report.summarize()
    assert counts["near_duplicate"] == counts["near_test"] == counts["in_test"] == 0 < counts["duplicate"]
    assert "duplicate" not in sentences.describe_data(data, Model(), config)


def test_rows_add_up_with_copies_among_them(tmp_path):
    path = write(tmp_path / "rows.jsonl", [*ROWS, row(0, response_0="bad"), row(0, better_response_id=2)])
    counts = read_data(config_of(path)).reports[path].summarize()
    assert counts["rows"] == counts["formatted"] + counts["skipped"] + counts["rejected"] == len(ROWS) + 2
    assert json.dumps(counts)
