"""Scoring: every row comes out in its place, as it was, with its rewards or the reason why it has none."""

import gzip
import json
import math
import shutil

import pyarrow.parquet
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from preftemplates_train.demo_data import generate
from preftemplates_train.errors import NonFiniteError, SetupError
from preftemplates_train.lengths import encode_pairs
from preftemplates_train.pairs import read_pairs
from preftemplates_train.score import score
from preftemplates_train.scorer import Scorer
from support import HOMEWORK
from trainer_support import command, refusal, train_by

from preftemplates import Preference, RowModel, Template, get_template, register_template
from preftemplates.data.reading import Record

ROWS = generate(40, seed=3)[0]
PKU = ("--template", "PKUSafeRLHF")
QUICK = ["--max_steps", "2", "--eval_strategy", "no", "--save_strategy", "no", "--per_device_train_batch_size", "4"]


@pytest.fixture(scope="module")
def folder(checkpoint):
    return checkpoint("decoder")


@pytest.fixture(scope="module")
def scorer(folder):
    return Scorer(folder)


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory):
    """A checkpoint that the homework's class was trained with."""
    folder = tmp_path_factory.mktemp("hand")
    rows = write(folder / "rows.jsonl", generate(200)[0])
    words = ["--template", str(HOMEWORK), "--dataset_name", str(rows), "--output_dir", str(folder / "model")]
    return train_by(*QUICK, *words)[0].folder


@pytest.fixture
def cutting(folder, tmp_path):
    """The checkpoint, as if it had been trained with short texts of which prompts were cut."""
    copy = shutil.copytree(folder, tmp_path / "cutting", ignore=shutil.ignore_patterns("checkpoint-*"))
    record = json.loads((copy / "preftemplates.json").read_text())
    (copy / "preftemplates.json").write_text(json.dumps({**record, "max_length": 40, "length_policy": "cut_prompt"}))
    return copy


def write(path, rows):
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def scored(rows, scorer, template="PKUSafeRLHF", format="preference"):
    records = iter([Record(number, None, row) for number, row in enumerate(rows)])
    return list(score(records, get_template(template), scorer, format))


def alone(scorer, text):
    """The reward of one text in a batch of its own."""
    with torch.no_grad():
        return scorer.model(input_ids=torch.tensor(scorer.encode([text]))).logits[0, 0].item()


def texts(row, scorer):
    """The texts of a row in the checkpoint's style, chosen before rejected."""
    turns = [[{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row[name]}]
             for name in ("response_0", "response_1")]  # fmt: skip
    return [scorer.style.render(one).text for one in turns[:: 1 - 2 * row["better_response_id"]]]


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


def test_fault_11_newlines_around_an_answer_are_trained_and_scored_alike_and_nothing_is_put_behind_a_blank(scorer):
    row = {**ROWS[0], "response_0": "\n\nOne.\n\n", "response_1": "Two. \n", "better_response_id": 0}
    pairs, _ = read_pairs([row], get_template("PKUSafeRLHF").with_style(scorer.style))
    pad = scorer.tokenizer.pad_token_id
    ((pair, *trained),), _ = encode_pairs(pairs, scorer.encode, max_length=10**6, pad_id=pad)
    assert pair.chosen.endswith("\n\n\nOne.\n\n<|im_end|>\n")
    assert pair.rejected.endswith("\nTwo. \n<|im_end|>\n")
    assert trained == scorer.encode([pair.chosen, pair.rejected])
    assert trained != scorer.encode([pair.chosen.rstrip("\n"), pair.rejected.rstrip("\n")])
    (result,) = scored([row], scorer)
    expected = [alone(scorer, pair.chosen), alone(scorer, pair.rejected)]
    assert [result.rewards["chosen_reward"], result.rewards["rejected_reward"]] == pytest.approx(expected, abs=1e-5)


@given(st.integers(1, 9), st.permutations(range(12)))
def test_batches_and_order_move_no_reward(folder, scorer, size, order):
    other = Scorer.__new__(Scorer)
    other.__dict__ = {**scorer.__dict__, "batch_size": size}
    one, two = scored(ROWS[:12], scorer), scored([ROWS[number] for number in order], other)
    for place, number in enumerate(order):
        assert dict(two[place].rewards) == pytest.approx(dict(one[number].rewards), abs=1e-5)


def test_more_rows_than_are_read_at_once_come_out_in_order(scorer, few_at_once):
    rows = [ROWS[number % 40] for number in range(AT_ONCE + 5)]
    found = scored(rows, scorer)
    assert [one.row.row for one in found] == list(range(AT_ONCE + 5))
    assert found[-1].rewards == pytest.approx(dict(found[(AT_ONCE + 4) % 40].rewards), abs=1e-5)


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
    ({**ROWS[0], "response_0": "No.<|pad|>"}, "control"),
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
    assert (code, said) == (0, f"{len(rows)} rows = 1 scored + {len(BAD)} unscored; wrote {out}\n")
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
    assert (code, said) == (3, f"2 rows = 0 scored + 2 unscored; wrote {out}\n")
    assert [row["unscored"] for row in lines(out)] == ["missing_field"] * 2


# Prompts that several answers share


GROUPS = st.lists(
    st.tuples(
        st.lists(st.integers(5, 60), max_size=30),
        st.lists(st.lists(st.integers(5, 60), min_size=1, max_size=12), min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=5,
)


@given(GROUPS, st.integers(1, 6))
def test_a_shared_prompt_moves_no_reward(folder, scorer, drawn, size):
    groups = [[prompt + answer for answer in answers] for prompt, answers in drawn]
    other = Scorer.__new__(Scorer)
    other.__dict__ = {**scorer.__dict__, "batch_size": size, "_shares": lambda trunk, lengths: True}
    padding = Scorer.__new__(Scorer)
    padding.__dict__ = {**scorer.__dict__, "_shares": None}
    expected = [reward for group in padding.group_rewards(groups) for reward in group]
    for one in (scorer, other):
        found = one.group_rewards(groups)
        assert [len(group) for group in found] == [len(group) for group in groups]
        assert [reward for group in found for reward in group] == pytest.approx(expected, abs=1e-5)


def test_a_prompt_is_computed_once_for_all_its_answers(scorer, monkeypatch):
    assert scorer.no_branches is None
    seen = []
    monkeypatch.setattr(scorer, "_shares", lambda trunk, lengths: True)
    hook = scorer.model.get_input_embeddings().register_forward_hook(
        lambda module, given, out: seen.append(given[0].numel())
    )
    try:
        scorer.group_rewards([[[*range(5, 35), last, last] for last in (40, 41, 42, 43)]])
    finally:
        hook.remove()
    assert seen == [30 + 4 * 2]


def test_a_model_that_takes_no_branches_is_padded(checkpoint, monkeypatch):
    encoder = Scorer(checkpoint("encoder"))
    assert encoder.no_branches == "its head does not score every token"
    found = encoder.group_rewards([[[5, 6, 7], [5, 6]], [[8]]])
    assert [len(group) for group in found] == [2, 1]
    assert found[0][1] == pytest.approx(encoder.rewards([[5, 6]])[0], abs=1e-5)


def test_the_model_is_left_as_it_was(scorer, monkeypatch):
    monkeypatch.setattr(scorer, "_shares", lambda trunk, lengths: True)
    before = scorer.model.config._attn_implementation
    scorer.group_rewards([[[5, 6, 7], [5, 6]]])
    assert scorer.model.config._attn_implementation == before
    assert not scorer.model.score._forward_hooks


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


def test_a_row_of_several_pairs_gets_no_rewards_that_are_of_one_of_them(scorer):
    (found,) = scored([BEST_OF], scorer, "RewardBench2")
    assert (found.rewards, found.unscored) == ({}, "several_samples")


# Styles


def test_another_style_than_the_checkpoint_s_is_refused_unless_told(folder, scorer, tmp_path):
    source, out = write(tmp_path / "rows.jsonl", ROWS[:2]), tmp_path / "out.jsonl"
    words = ("score", source, "--model", folder, *PKU, "--out", out)
    said = refusal(*words, "--style", "zephyr")
    assert said == (
        f"{folder} was trained in style chatml, and not in style zephyr; --allow-style takes it all the same"
    )
    assert not out.exists()
    assert command(*words, "--style", "chatml")[0] == 0
    assert lines(out)[0]["chosen_reward"] == pytest.approx(scored(ROWS[:1], scorer)[0].rewards["chosen_reward"])
    assert command(*words, "--style", "zephyr", "--allow-style")[0] == 0
    text = get_template("PKUSafeRLHF").with_style("zephyr").render(ROWS[0], "preference").chosen.text
    assert lines(out)[0]["chosen_reward"] == pytest.approx(alone(scorer, text), abs=1e-5)


def test_a_style_that_the_tokenizer_s_tokens_were_added_to_is_the_same_style(checkpoint):
    with_bos = checkpoint("decoder with BOS")
    assert Scorer(with_bos, style="chatml").style == Scorer(with_bos).style
    with pytest.raises(SetupError, match="and not in style zephyr"):
        Scorer(with_bos, style="zephyr")


def test_a_layout_by_hand_is_left_for_a_style_where_told(by_hand, folder):
    with pytest.raises(SetupError, match="in the layout of HOMEWORK, by hand, and not in style chatml"):
        Scorer(by_hand, style="chatml")
    told = Scorer(by_hand, style="chatml", allow_style=True)
    assert told.reading(get_template("PKUSafeRLHF")).style.name == "chatml"
    assert Scorer(folder, allow_style=True).reading(get_template(str(HOMEWORK))).by_hand


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
    assert "out.parquet cannot hold these rows, but a .jsonl can: " in said
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


def test_any_declared_template_is_written_in_the_checkpoint_s_style(folder, scorer):
    row = ROWS[0]
    chosen, rejected = (
        row[f"response_{number}"] for number in (row["better_response_id"], 1 - row["better_response_id"])
    )
    (found,) = scored([{"prompt": row["prompt"], "chosen": chosen, "rejected": rejected}], scorer, "TRL")
    (expected,) = scored([row], scorer)
    assert found.rewards == pytest.approx(dict(expected.rewards), abs=1e-5)


def test_a_class_that_formats_by_hand_is_scored_with_its_own_checkpoint_alone(by_hand, folder, tmp_path):
    source, out = write(tmp_path / "rows.jsonl", ROWS[:3]), tmp_path / "out.jsonl"
    own = ("--template", HOMEWORK)
    assert "trained in style chatml; HOMEWORK does not" in refusal(
        "score", source, "--model", folder, *own, "--out", out
    )
    said = refusal("score", source, "--model", by_hand, *PKU, "--out", out)
    assert "was trained in the layout of HOMEWORK, by hand; PKUSafeRLHF does not write that" in said
    other = tmp_path / "other.py"
    other.write_text(HOMEWORK.read_text().replace("ASSISTANT", "Assistant").replace("HOMEWORK", "OTHER"))
    said = refusal("score", source, "--model", by_hand, "--template", other, "--out", out)
    assert "was trained in the layout of HOMEWORK, by hand; OTHER does not write that" in said
    assert not out.exists()
    assert command("score", source, "--model", by_hand, *own, "--out", out)[0] == 0
    scorer = Scorer(by_hand)
    sample = get_template(str(HOMEWORK)).format_preference_sample(ROWS[0])
    assert lines(out)[0]["chosen_reward"] == pytest.approx(alone(scorer, sample["better_text"]), abs=1e-5)


def test_a_class_that_writes_another_number_of_texts_is_refused(by_hand):
    class Three(type(get_template(str(HOMEWORK)))):
        def format_preference_sample(self, raw_sample):
            return {**super().format_preference_sample(raw_sample), "third": "text"}

    scorer = Scorer(by_hand)
    scorer.reading = lambda template: template
    rows = iter([Record(0, None, ROWS[0])])
    with pytest.raises(SetupError, match="chosen and rejected: expected 2 texts, got"):
        list(score(rows, Three(), scorer, "preference"))


def test_the_template_trained_with_is_taken_where_it_is_bundled(folder, by_hand, tmp_path):
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


@pytest.fixture
def turns():
    """Three turns before the answer; registered for one test alone."""

    @register_template("Turns")
    class Turns(Template):
        class Row(RowModel):
            old: str
            prompt: str
            chosen: str
            rejected: str

        preference = Preference(
            prompt=["{{ old }}", "ok", "{{ prompt }}"], chosen="{{ chosen }}", rejected="{{ rejected }}"
        )


@pytest.mark.usefixtures("turns")
def test_the_checkpoint_s_policy_for_long_texts_is_kept(cutting, folder):
    row = {"old": "word " * 60, "prompt": "How?", "chosen": "So.", "rejected": "No."}
    scorer = Scorer(cutting)
    found, lost = scored([row, {**row, "chosen": "word " * 60}], scorer, "Turns")
    (short,) = scored([{"prompt": "How?", "chosen": "So.", "rejected": "No."}], scorer, "TRL")
    assert found.rewards == pytest.approx(dict(short.rewards), abs=1e-5)
    assert (lost.rewards, lost.unscored) == ({}, "too_long")
    dropping = Scorer(folder)
    object.__setattr__(dropping.record, "max_length", 40)
    assert scored([row], dropping, "Turns")[0].unscored == "too_long"


# Refusals


def test_columns_are_never_written_over(folder, tmp_path):
    out = tmp_path / "out.jsonl"
    for column in ("chosen_reward", "rejected_reward", "unscored"):
        source = write(tmp_path / "rows.jsonl", [ROWS[0], {**ROWS[1], column: None}])
        said = refusal("score", source, "--model", folder, *PKU, "--out", out)
        assert said == f"row 1 has a column '{column}' already, which would be written over"
    source = write(tmp_path / "rows.jsonl", [{**ROWS[0], "reward": 1}])
    assert command("score", source, "--model", folder, *PKU, "--out", out)[0] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "gone"], "gone is no reward model of preftemplates-train: preftemplates.json: "),
        (["--model", "empty"], "empty is no reward model of preftemplates-train: preftemplates.json: "),
        (["--model", "rows.jsonl"], "rows.jsonl is no reward model of preftemplates-train: "),
        (["--out", "out.txt"], "out.txt: the ending says nothing known"),
        (["--out", "gone/out.jsonl"], "gone/out.jsonl cannot be written: No such file or directory"),
        (["--out", "./rows.jsonl"], "rows.jsonl is the input; the output needs another name"),
        (["--template", "PKUSafeRHLF"], "no template 'PKUSafeRHLF'. Did you mean 'PKUSafeRLHF'?"),
        (["--template", "Alpaca"], "Alpaca fills no format 'preference'"),
        (["--format", "prefrence"], "--format is preference, supervised, ranked, got 'prefrence'"),
        (["--format", "prompt_only"], "--format is preference, supervised, ranked, got 'prompt_only'"),
        (["--split", "train"], "rows.jsonl is a file; a split or a revision is of a dataset"),
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


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ("model.safetensors", "cannot be loaded as a reward model: "),
        ("tokenizer.json", "gives no tokenizer: "),
        ("chat_template.jinja", "has lost its chat template"),
        ("config.json", "is no checkpoint: it holds no config.json"),
        ("preftemplates.json", "is no reward model of preftemplates-train"),
    ],
)
def test_a_checkpoint_that_lost_a_file_is_refused(cutting, lost, said):
    (cutting / lost).unlink()
    with pytest.raises(SetupError, match=said):
        Scorer(cutting)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "{}", '{"templates": {}}'])
def test_a_damaged_record_is_one_clear_error(cutting, text):
    (cutting / "preftemplates.json").write_text(text)
    with pytest.raises(SetupError, match=r"is no reward model of preftemplates-train: preftemplates\.json: "):
        Scorer(cutting)


def test_a_reward_that_is_not_finite_names_the_text_and_nothing_is_written(folder, tmp_path, monkeypatch):
    batch = Scorer._batch
    spoilt = {0: math.nan}
    monkeypatch.setattr(Scorer, "_batch", lambda *args: [spoilt.get(n, r) for n, r in enumerate(batch(*args))])
    source, out = write(tmp_path / "rows.jsonl", ROWS[:3]), tmp_path / "out.jsonl"
    said = refusal("score", source, "--model", folder, *PKU, "--out", out)
    assert " gives '<|im_start|>user" in said
    assert said.endswith("nan")
    assert not out.exists()
    with pytest.raises(NonFiniteError):
        Scorer(folder).rewards([[5, 6]])


# Going on after a stop


def stopped_after(monkeypatch, windows, error):
    """Let a run stop with an error after so many windows of rows."""
    group_rewards, seen = Scorer.group_rewards, []

    def stopping(self, groups):
        seen.append(len(groups))
        if len(seen) > windows:
            raise error
        return group_rewards(self, groups)

    monkeypatch.setattr(Scorer, "group_rewards", stopping)
    return seen


AT_ONCE = 50


@pytest.fixture
def few_at_once(monkeypatch):
    """Lets a file be scored in smaller windows."""
    for module in ("score", "scorer"):
        monkeypatch.setattr(f"preftemplates_train.{module}.ROWS_AT_ONCE", AT_ONCE)


MANY = [{**ROWS[number % 40], "prompt": f"{number}: {ROWS[number % 40]['prompt']}"} for number in range(120)]


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])
def test_a_stopped_run_goes_on_and_writes_what_one_run_writes(folder, tmp_path, monkeypatch, ending, few_at_once):
    rows = [*MANY[:70], {"prompt": "alone"}, *MANY[70:]]
    source, out = write(tmp_path / "rows.jsonl", rows), tmp_path / f"out{ending}"
    words = ("score", source, "--model", folder, *PKU, "--out")
    with monkeypatch.context() as patch:
        stopped_after(patch, 2, NonFiniteError("stopped"))
        code, _, said = command(*words, out)
    part = tmp_path / f"out{ending}.part"
    assert code == 2
    assert f"stopped; {part} has what is scored, and --resume goes on from it" in said
    assert not out.exists()
    with part.open("a") as file:  # a stop in the middle of a window and of a line
        file.write('[{"chosen_reward": 1.0, "rejected_reward": 2.0}, null]\n[{"chosen')
    with monkeypatch.context() as patch:
        seen = stopped_after(patch, 99, None)
        code, _, said = command(*words, out, "--resume")
    assert code == 0
    assert said.startswith(f"{AT_ONCE} rows are scored already\n121 rows = 120 scored + 1 unscored;")
    assert len(seen) == 2
    assert not part.exists()
    assert command(*words, tmp_path / f"whole{ending}")[0] == 0
    assert out.read_bytes() == (tmp_path / f"whole{ending}").read_bytes()


def test_a_run_that_stops_before_its_first_rows_are_scored_leaves_nothing(folder, tmp_path, monkeypatch):
    source, out = write(tmp_path / "rows.jsonl", ROWS), tmp_path / "out.jsonl"
    stopped_after(monkeypatch, 0, NonFiniteError("stopped"))
    assert command("score", source, "--model", folder, *PKU, "--out", out)[0] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


def test_nobody_goes_on_from_other_work(folder, tmp_path, monkeypatch, few_at_once):
    source, out = write(tmp_path / "rows.jsonl", MANY), tmp_path / "out.jsonl"
    words = ("--model", folder, *PKU, "--out", out)
    with monkeypatch.context() as patch:
        stopped_after(patch, 2, NonFiniteError("stopped"))
        assert command("score", source, *words)[0] == 2
    other = write(tmp_path / "other.jsonl", [*MANY[:-1], ROWS[0]])
    part = tmp_path / "out.jsonl.part"
    ours = part.read_bytes()
    said = refusal("score", other, *words, "--resume")
    assert said == f"{part} was begun with another input; remove it, or do not resume"
    said = refusal("score", source, *words, "--resume", "--style", "zephyr", "--allow-style")
    assert said == f"{part} was begun with another style; remove it, or do not resume"
    assert part.read_bytes() == ours
    part.write_text("something else\n")
    assert "was begun with another model" in refusal("score", source, *words, "--resume")
    assert command("score", other, *words)[0] == 0  # without --resume it begins anew
    assert not part.exists()
