"""Scoring a file: every row comes out in its place, as it was, with its rewards or the reason why it has none."""

import gzip
import json
import math
import shutil
from collections import Counter

import pyarrow.parquet
import pytest
from preftemplates_train.errors import NonFiniteError
from preftemplates_train.evaluation.scorer import Scorer
from score_support import PKU, ROWS, alone, lines, scored, texts, write
from support import HOMEWORK
from trainer_support import command, refusal

from preftemplates import get_template

# Rows


def test_each_row_keeps_its_cells_and_its_place_and_gets_its_own_rewards(scorer, folder, tmp_path):
    rows = [{**row, "extra": [number, {"more": None}]} for number, row in enumerate(ROWS)]
    source, out = write(tmp_path / "rows.jsonl", rows), tmp_path / "out.jsonl"
    assert command("score", source, "--model", folder, *PKU, "--out", out)[0] == 0
    written = lines(out)
    new = ("chosen_reward", "rejected_reward", "unscored")
    assert [{name: cell for name, cell in row.items() if name not in new} for row in written] == rows
    for row in written[:6]:
        expected = [alone(scorer, text) for text in texts(row, scorer)]
        assert [row["chosen_reward"], row["rejected_reward"]] == pytest.approx(expected, abs=1e-5)
        assert row["unscored"] is None


BAD = [
    ({**ROWS[0], "better_response_id": 2}, "bad_label"),
    ({**ROWS[0], "better_response_id": "0"}, "bad_label"),
    ({**ROWS[0], "response_0": 5}, "wrong_type"),
    ({**ROWS[0], "response_0": ROWS[0]["response_1"]}, "equal"),
    ({**ROWS[0], "response_0": " "}, "empty"),
    ({**ROWS[0], "prompt": ""}, "empty"),
    ({"prompt": "alone"}, "missing_field"),
    ({}, "missing_field"),
    ({**ROWS[0], "response_0": "word " * 2000}, "too_long"),
    ("{no JSON", "bad_json"),
    ('["a list"]', "bad_json"),
    ('{"a": 1, "a": 2}', "duplicate_key"),
    ('{"a": ' + "[" * 5000 + "]" * 5000 + "}", "too_deep"),
]


@pytest.mark.parametrize("ending", [".jsonl", ".json", ".csv", ".jsonl.gz"])
def test_rows_that_cannot_be_scored_come_out_with_the_reason(folder, tmp_path, ending):
    rows = [bad for bad, _ in BAD] + [ROWS[1]]
    source, out = write(tmp_path / "rows.jsonl", rows), tmp_path / f"out{ending}"
    code, _, said = command("score", source, "--model", folder, *PKU, "--out", out)
    total, *reasons = said.splitlines()
    assert (code, total) == (0, f"{len(rows)} rows = 1 scored + {len(BAD)} unscored; wrote {out}")
    assert [tuple(line.split()[:2]) for line in reasons] == [
        (why, str(count)) for why, count in Counter(why for _, why in BAD).items()
    ]
    if ending == ".csv":
        head, *body = out.read_text().splitlines()
        assert head.endswith(",chosen_reward,rejected_reward,unscored")
        assert [line.rsplit(",", 1)[1] for line in body] == [*(why for _, why in BAD), "null"]
        assert len(body) == len(rows)
        return
    text = gzip.decompress(out.read_bytes()).decode() if ending == ".jsonl.gz" else out.read_text()
    written = json.loads(text) if ending == ".json" else [json.loads(line) for line in text.splitlines()]
    assert [row["unscored"] for row in written] == [*(why for _, why in BAD), None]
    for row, wrote in zip(rows, written, strict=True):
        cells = row if isinstance(row, dict) else {}
        assert {name: wrote[name] for name in cells} == cells
        assert (wrote["chosen_reward"] is None) == (wrote["unscored"] is not None)


def test_a_file_without_a_row_that_can_be_scored_is_exit_code_3(folder, tmp_path):
    source, out = write(tmp_path / "rows.jsonl", [{}, {}]), tmp_path / "out.jsonl"
    code, _, said = command("score", source, "--model", folder, *PKU, "--out", out)
    assert code == 3
    assert said.splitlines() == [
        f"2 rows = 0 scored + 2 unscored; wrote {out}",
        "  missing_field  2 rows. A column is absent or null.",
    ]
    assert [row["unscored"] for row in lines(out)] == ["missing_field"] * 2


BEST_OF = {"prompt": "How do I mend a kite?", "chosen": ["Gladly."], "rejected": ["No.", "Never.", "I must decline."]}


def test_every_answer_of_a_ranking_has_its_reward_in_its_place(folder, scorer, tmp_path):
    source = write(tmp_path / "rows.jsonl", [BEST_OF, {**BEST_OF, "chosen": [], "rejected": []}])
    words = ("score", source, "--model", folder, "--template", "RewardBench2", "--format", "ranked", "--out")
    assert command(*words, tmp_path / "out.jsonl")[0] == 0
    assert command(*words, tmp_path / "out.parquet")[0] == 0
    written = lines(tmp_path / "out.jsonl")
    turns = [
        [{"role": "user", "content": BEST_OF["prompt"]}, {"role": "assistant", "content": answer}]
        for answer in BEST_OF["chosen"] + BEST_OF["rejected"]
    ]
    expected = [alone(scorer, scorer.style.render(one).text) for one in turns]
    assert written[0]["rewards"] == pytest.approx(expected, abs=1e-5)
    assert (written[1]["rewards"], written[1]["unscored"] is None) == (None, False)
    assert pyarrow.parquet.read_table(tmp_path / "out.parquet")["rewards"].to_pylist() == [written[0]["rewards"], None]


# Styles


def test_another_style_than_the_checkpoint_s_is_refused_unless_told(folder, scorer, tmp_path):
    source, out = write(tmp_path / "rows.jsonl", ROWS[:2]), tmp_path / "out.jsonl"
    words = ("score", source, "--model", folder, *PKU, "--out", out)
    said = refusal(*words, "--style", "zephyr")
    assert (
        said == f"{folder} was trained with style chatml, not with style zephyr; to use it anyway, add --allow_style"
    )
    assert not out.exists()
    assert command(*words, "--style", "chatml")[0] == 0
    assert lines(out)[0]["chosen_reward"] == pytest.approx(scored(ROWS[:1], scorer)[0].rewards["chosen_reward"])
    assert command(*words, "--style", "zephyr", "--allow-style")[0] == 0
    text = get_template("PKUSafeRLHF").with_style("zephyr").render(ROWS[0], "preference").chosen.text
    assert lines(out)[0]["chosen_reward"] == pytest.approx(alone(scorer, text), abs=1e-5)


# Files of one table


def test_a_table_has_every_column_of_every_row(folder, tmp_path):
    rows = ["{no JSON", {**ROWS[0], "late": 1.5}, {**ROWS[1], "other": ["x"]}]
    source = write(tmp_path / "rows.jsonl", rows)
    columns = [*ROWS[0], "late", "other", "chosen_reward", "rejected_reward", "unscored"]
    assert command("score", source, "--model", folder, *PKU, "--out", tmp_path / "out.csv")[0] == 0
    head, *body = (tmp_path / "out.csv").read_text().splitlines()
    assert head.split(",") == columns
    assert body[0] == "null," * (len(columns) - 1) + "bad_json"
    assert command("score", source, "--model", folder, *PKU, "--out", tmp_path / "out.parquet")[0] == 0
    table = pyarrow.parquet.read_table(tmp_path / "out.parquet")
    assert table.column_names == columns
    assert (table["late"].to_pylist(), table["other"].to_pylist()) == ([None, 1.5, None], [None, None, ["x"]])
    assert table["unscored"].to_pylist() == ["bad_json", None, None]


def test_a_reason_that_comes_late_has_its_place_in_a_parquet_file(folder, tmp_path):
    short = {"prompt": "q", "response_0": "a", "response_1": "b", "better_response_id": 0}
    source = write(tmp_path / "rows.jsonl", [short] * 1001 + [{**short, "response_0": "b"}])
    assert command("score", source, "--model", folder, *PKU, "--out", tmp_path / "out.parquet")[0] == 0
    table = pyarrow.parquet.read_table(tmp_path / "out.parquet")
    assert table["unscored"].to_pylist() == [None] * 1001 + ["equal"]
    assert [str(table.schema.field(name).type) for name in ("chosen_reward", "unscored")] == ["double", "string"]


def test_cells_without_one_type_are_refused_as_parquet_before_anything_is_scored(folder, tmp_path):
    source = write(tmp_path / "rows.jsonl", [ROWS[0], {**ROWS[1], "better_response_id": "one"}])
    said = refusal("score", source, "--model", folder, *PKU, "--out", tmp_path / "out.parquet")
    assert "out.parquet cannot hold these rows: " in said
    assert not (tmp_path / "out.parquet").exists()


def test_a_csv_or_parquet_file_is_scored_as_its_rows_are(folder, scorer, tmp_path):
    header = ",".join(ROWS[0])
    cells = ["\n".join([header, *(",".join(f'"{cell}"' for cell in row.values()) for row in ROWS[:3])])]
    source = write(tmp_path / "rows.csv", cells)
    assert command("score", source, "--model", folder, *PKU, "--out", tmp_path / "out.jsonl")[0] == 0
    expected = [dict(one.rewards) for one in scored(ROWS[:3], scorer)]
    found = [{name: row[name] for name in expected[0]} for row in lines(tmp_path / "out.jsonl")]
    assert [list(one.values()) for one in found] == [pytest.approx(list(one.values()), abs=1e-5) for one in expected]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS[:3]), tmp_path / "rows.parquet")
    assert command("score", tmp_path / "rows.parquet", "--model", folder, *PKU, "--out", tmp_path / "2.jsonl")[0] == 0
    assert lines(tmp_path / "2.jsonl") == [
        {**row, **one, "unscored": None} for row, one in zip(ROWS, found, strict=False)
    ]


# Formats and templates

FORMATS = "preference, supervised, unpaired, scored, ranked"


def test_one_answer_has_one_reward(folder, scorer, tmp_path):
    rows = [{**row, "answer": row["response_0"]} for row in ROWS[:4]] + [ROWS[4]]
    source, out = write(tmp_path / "rows.jsonl", rows), tmp_path / "out.jsonl"
    assert command("score", source, "--model", folder, *PKU, "--format", "supervised", "--out", out)[0] == 0
    written = lines(out)
    assert (written[4]["reward"], written[4]["unscored"]) == (None, "missing_field")
    for row in written[:4]:
        text = texts({**row, "better_response_id": 0}, scorer)[0]
        assert row["reward"] == pytest.approx(alone(scorer, text), abs=1e-5)
        assert "chosen_reward" not in row


@pytest.mark.parametrize(
    ("format", "template", "labels"),
    [("unpaired", "TRL-unpaired", [False, True]), ("scored", "TRL-scored", [3, -1.5])],
)
def test_an_answer_with_a_label_is_scored_whatever_the_label_says(folder, scorer, tmp_path, format, template, labels):
    name = {"unpaired": "label", "scored": "score"}[format]
    rows = [{"prompt": ROWS[0]["prompt"], "completion": ROWS[0]["response_0"], name: label} for label in labels]
    source, out = write(tmp_path / "rows.jsonl", rows), tmp_path / "out.jsonl"
    words = ("score", source, "--model", folder, "--template", template, "--format", format, "--out", out)
    assert command(*words)[0] == 0
    expected = alone(scorer, texts({**ROWS[0], "better_response_id": 0}, scorer)[0])
    assert [row["reward"] for row in lines(out)] == pytest.approx([expected] * 2, abs=1e-5)


def test_a_class_that_formats_by_hand_is_scored_with_its_own_checkpoint_alone(by_hand, folder, tmp_path):
    source, out = write(tmp_path / "rows.jsonl", ROWS[:3]), tmp_path / "out.jsonl"
    own = ("--template", HOMEWORK)
    assert "trained with style chatml, which HOMEWORK does not write" in refusal(
        "score", source, "--model", folder, *own, "--out", out
    )
    said = refusal("score", source, "--model", by_hand, *PKU, "--out", out)
    assert "was trained with the custom layout of HOMEWORK, which PKUSafeRLHF does not write" in said
    other = tmp_path / "other.py"
    other.write_text(HOMEWORK.read_text().replace("ASSISTANT", "Assistant").replace("HOMEWORK", "OTHER"))
    said = refusal("score", source, "--model", by_hand, "--template", other, "--out", out)
    assert "was trained with the custom layout of HOMEWORK, which OTHER does not write" in said
    assert not out.exists()
    assert command("score", source, "--model", by_hand, *own, "--out", out)[0] == 0
    scorer = Scorer(by_hand)
    sample = get_template(str(HOMEWORK)).format_preference_sample(ROWS[0])
    assert lines(out)[0]["chosen_reward"] == pytest.approx(alone(scorer, sample["better_text"]), abs=1e-5)


def test_the_template_trained_with_is_taken_where_it_is_bundled(folder, tmp_path):
    source, out = write(tmp_path / "rows.jsonl", ROWS[:3]), tmp_path / "out.jsonl"
    assert command("score", source, "--model", folder, "--out", out)[0] == 0
    record = json.loads((folder / "preftemplates.json").read_text())
    other = shutil.copytree(folder, tmp_path / "other", ignore=shutil.ignore_patterns("checkpoint-*"))
    (other / "preftemplates.json").write_text(
        json.dumps({**record, "templates": {"a": {"name": "Mine", "digest": ""}}})
    )
    assert "was trained with Mine; name a template with --template" in refusal(
        "score", source, "--model", other, "--out", out
    )


# Refusals


def test_columns_are_never_written_over(folder, tmp_path):
    out = tmp_path / "out.jsonl"
    for column in ("chosen_reward", "rejected_reward", "unscored"):
        source = write(tmp_path / "rows.jsonl", [ROWS[0], {**ROWS[1], column: None}])
        said = refusal("score", source, "--model", folder, *PKU, "--out", out)
        assert said == f"row 1 already has a column '{column}', which would be overwritten; rename it"
    source = write(tmp_path / "rows.jsonl", [{**ROWS[0], "reward": 1}])
    assert command("score", source, "--model", folder, *PKU, "--out", out)[0] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "gone"], "there is no folder 'gone'; name a folder that preftemplates-train wrote"),
        (["--model", "empty"], "empty is not a reward model of preftemplates-train: preftemplates.json: "),
        (["--model", "rows.jsonl"], "rows.jsonl is not a reward model of preftemplates-train: "),
        (["--out", "out.txt"], "out.txt: unknown file name ending"),
        (["--out", "gone/out.jsonl"], "gone/out.jsonl cannot be written: there is no directory gone"),
        (["--out", "./rows.jsonl"], "rows.jsonl is the input; name another file with --out"),
        (["--template", "PKUSafeRHLF"], "no template 'PKUSafeRHLF'. Did you mean 'PKUSafeRLHF'?"),
        (["--template", "Alpaca"], "Alpaca has no dataset type 'preference'"),
        (
            ["--format", "prefrence"],
            f"--format: expected one of {FORMATS}; got 'prefrence'. Did you mean 'preference'?",
        ),
        (["--format", "prompt_only"], f"--format: expected one of {FORMATS}; got 'prompt_only'"),
        (
            ["--split", "train"],
            "rows.jsonl is a file; only a dataset has splits, configurations, folders and revisions",
        ),
    ],
)
def test_what_cannot_be_is_one_line(folder, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    write(tmp_path / "rows.jsonl", ROWS[:2])
    usual = {"--model": folder, "--template": "PKUSafeRLHF", "--out": "out.jsonl"}
    usual |= dict(zip(words[::2], words[1::2], strict=True))
    assert said in refusal("score", "rows.jsonl", *(word for pair in usual.items() for word in pair))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "rows.jsonl"]


def test_a_file_that_is_not_there_is_one_line(folder, tmp_path):
    write(tmp_path / "rows.jsonl", ROWS[:1])
    said = refusal("score", tmp_path / "row.jsonl", "--model", folder, *PKU, "--out", tmp_path / "out.jsonl")
    assert said.endswith("row.jsonl does not exist. Did you mean 'rows.jsonl'?")


def test_a_reward_that_is_not_finite_names_the_text_and_nothing_is_written(folder, tmp_path, monkeypatch):
    batch = Scorer._score_batch
    spoilt = {0: math.nan}
    monkeypatch.setattr(Scorer, "_score_batch", lambda *args: [spoilt.get(n, r) for n, r in enumerate(batch(*args))])
    source, out = write(tmp_path / "rows.jsonl", ROWS[:3]), tmp_path / "out.jsonl"
    said = refusal("score", source, "--model", folder, *PKU, "--out", out)
    assert ": the reward of '<|im_start|>user" in said
    assert said.endswith("nan")
    assert not out.exists()
    with pytest.raises(NonFiniteError):
        Scorer(folder).rewards([[5, 6]])
