"""Every row is counted: kept, skipped, rejected or dropped, and too many lost ones are refused."""

import json
from collections import Counter

import pytest
from dataset_support import NOTHING, config_of, encoded, row, write
from hypothesis import given
from hypothesis import strategies as st
from preftemplates_train.data.dataset import read_data, read_first_samples
from preftemplates_train.errors import SetupError, TooManyBadRowsError

KINDS = {
    "good": lambda number: row(number),
    "equal": lambda number: row(number, response_0="bad"),
    "empty": lambda number: row(number, response_0=" "),
    "wrong label": lambda number: row(number, better_response_id=2),
    "missing": lambda _: {"prompt": "alone"},
    "long": lambda number: row(number, response_0="x" * 300),
    "spelling pad": lambda number: row(number, response_1="<|pad|>"),
    "no JSON": lambda _: None,
}
BECOME = {
    "good": "kept", "equal": "skipped", "empty": "skipped", "wrong label": "rejected", "missing": "rejected",
    "long": "too_long", "spelling pad": "kept", "no JSON": "rejected",
}  # fmt: skip


@given(st.lists(st.sampled_from(sorted(KINDS)), max_size=40))
def test_rows_are_kept_skipped_rejected_or_dropped_and_none_is_lost(tmp_path_factory, kinds):
    kinds = ["good", *kinds]
    lines = [KINDS[kind](number) for number, kind in enumerate(kinds)]
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    path.write_text("".join("{no JSON\n" if line is None else json.dumps(line) + "\n" for line in lines))
    config = config_of(str(path), max_dropped=1.0, eval_size=0.0)
    expected = Counter(BECOME[kind] for kind in kinds)
    if expected["rejected"] > 10:
        with pytest.raises(TooManyBadRowsError, match=rf"rows\.jsonl: {expected['rejected']} of {len(kinds)} rows"):
            read_data(config)
        return
    data, found = encoded(config)
    (counts,) = (report.summarize() for report in data.reports.values())
    assert counts["rows"] == len(kinds)
    assert counts["train_pairs"] == expected["kept"]
    assert {name: counts[name] for name in ("skipped", "rejected", "too_long")} == {
        name: expected[name] for name in ("skipped", "rejected", "too_long")
    }
    assert counts["control_text"] == kinds.count("spelling pad")
    assert counts["formatted"] == expected["kept"] + expected["too_long"]
    assert [pair.sample.row for pair in found.train] == [
        number for number, kind in enumerate(kinds) if BECOME[kind] == "kept"
    ]


def test_a_set_without_a_pair_says_what_became_of_its_first_row(tmp_path):
    equal = write(tmp_path / "equal.jsonl", [row(n, response_0="bad") for n in range(40)])
    with pytest.raises(SetupError, match=r"no pair to train on: .*equal\.jsonl, row 0: Two responses are the same"):
        encoded(config_of(equal))
    wrong = write(tmp_path / "wrong.jsonl", [row(n, better_response_id=2) for n in range(5)])
    with pytest.raises(
        SetupError, match=r"no pair to train on: .*row 0: column 'better_response_id': expected 0 or 1"
    ):
        encoded(config_of(wrong))
    good = write(tmp_path / "good.jsonl", map(row, range(40)))
    with pytest.raises(SetupError, match=r"no pair to evaluate on: .*equal\.jsonl, row 0: Two responses"):
        encoded(config_of(good, eval_data=[equal]))
    long = write(tmp_path / "long.jsonl", [row(n, response_0="x" * 300) for n in range(5)])
    with pytest.raises(
        SetupError, match=r"no pair to evaluate on: .*long\.jsonl: all 5 pairs are dropped: 5 too long"
    ):
        encoded(config_of(good, eval_data=[long], max_dropped=1.0))
    with pytest.raises(SetupError, match=r"; use a larger --max_length or --length_policy cut_prompt$"):
        encoded(config_of(long, eval_size=0.0, max_dropped=1.0))
    with pytest.raises(SetupError, match=r"5 too long for 200 tokens; use a larger --max_length$"):
        encoded(config_of(long, eval_size=0.0, max_dropped=1.0, length_policy="cut_prompt"))


def test_a_weight_that_leaves_no_pair_is_named(tmp_path):
    sources = [{"path": write(tmp_path / "good.jsonl", map(row, range(4))), "weight": 0.1}]
    with pytest.raises(SetupError, match=r"no pair to train on: .*its weight leaves none of 4 pairs; use a larger"):
        encoded(config_of(datasets=sources, eval_size=0.0))


def test_more_bad_rows_than_allowed_name_the_first(tmp_path):
    rows = [*map(row, range(30)), *(row(n, better_response_id="0") for n in range(11))]
    path = write(tmp_path / "rows.jsonl", rows)
    with pytest.raises(
        TooManyBadRowsError, match=r"11 of 41 rows .* more than the 10 allowed; the first is row 30 \(line 31\): col"
    ):
        read_data(config_of(path))


@pytest.mark.parametrize(("allowed", "fails"), [(0.0, True), (0.09, True), (0.1, False), (1.0, False)])
def test_a_share_of_dropped_pairs_up_to_the_allowed_one_is_taken(tmp_path, allowed, fails):
    rows = [row(n, response_0="x" * 300 if n == 3 else "good") for n in range(10)]
    config = config_of(write(tmp_path / "rows.jsonl", rows), eval_size=0.0, max_dropped=allowed)
    if fails:
        with pytest.raises(
            SetupError, match=r"1 of 10 pairs would be dropped, .* 1 too long for 200 tokens; use a larger"
        ):
            encoded(config)
    else:
        assert len(encoded(config)[1].train) == 9


def test_what_is_dropped_names_its_own_cure(tmp_path):
    long = write(tmp_path / "long.jsonl", [row(n, response_0="x" * 300) for n in range(10)])
    with pytest.raises(
        SetupError,
        match=r"all 9 pairs .*; use a larger --max_length, --length_policy cut_prompt, or a higher --max_dropped",
    ):
        encoded(config_of(long))
    custom = tmp_path / "padding.py"
    custom.write_text(
        "from preftemplates import RowModel, Template, register_template\n\n\n"
        "@register_template('PADDING')\nclass Padding(Template):\n"
        "    class Row(RowModel):\n        response_0: str\n        response_1: str\n\n"
        "    def format_preference_sample(self, raw_sample):\n"
        "        return {'a': '<|pad|>' + raw_sample['response_0'], 'b': raw_sample['response_1']}\n"
    )
    rows = write(tmp_path / "rows.jsonl", [row(n) for n in range(10)])
    message = r"the pad token '<\|pad\|>' is in the texts of 10 of 10 pairs, more than the 5% allowed; name"
    with pytest.raises(SetupError, match=message):
        encoded(config_of(rows, template=str(custom), eval_size=0.0))


def answer(number, **changed):
    return {"prompt": f"question {number}", "completion": f"answer {number}", "label": number % 2 == 0, **changed}


ANSWERS = {"template": "TRL-unpaired", "objective": "pointwise", "eval_size": 0.0}


def test_single_answers_are_counted_as_such_and_none_is_lost(tmp_path):
    rows = [answer(0), answer(1, completion="x" * 300), answer(2, completion=" "), answer(3, label="yes"), answer(4)]
    config = config_of(write(tmp_path / "rows.jsonl", rows), max_dropped=1.0, **ANSWERS)
    data, found = encoded(config)
    (counts,) = (report.summarize() for report in data.reports.values())
    assert [one.sample.row for one in found.train] == [0, 4]
    assert [one.labels for one in found.train] == [{"label": 1.0}, {"label": 1.0}]
    expected = {"rows": 5, "formatted": 3, "skipped": 1, "rejected": 1, "too_long": 1, "train_answers": 2}
    assert {name: counts[name] for name in expected} == expected
    assert not {"equal", "train_pairs", "eval_pairs"} & set(counts)


def test_errors_of_single_answers_name_no_pairs(tmp_path):
    long = write(tmp_path / "long.jsonl", [answer(number, completion="x" * 300) for number in range(10)])
    with pytest.raises(
        SetupError, match=r"long\.jsonl: all 10 answers would be dropped, more than the 5% allowed: 10 too long"
    ):
        encoded(config_of(long, **ANSWERS))
    empty = write(tmp_path / "empty.jsonl", [answer(0, completion=" ")])
    with pytest.raises(SetupError, match=r"there is no answer to train on: .*empty\.jsonl, row 0: "):
        encoded(config_of(empty, **ANSWERS))
    with pytest.raises(SetupError, match="there is no answer to show"):
        read_first_samples(config_of(empty, **ANSWERS), NOTHING)
