"""`preftemplates-train evaluate`: its figures are those of the rewards that `score` writes."""

import json

import numpy as np
import pytest
from preftemplates_train.data.demo import generate
from preftemplates_train.evaluation.metrics import compute_sign_test, score_wins
from preftemplates_train.evaluation.reward_bench import SECTIONS
from support import HOMEWORK
from trainer_support import command, refusal, train_by

ROWS = [{**row, "kind": ["a", "b"][number % 2]} for number, row in enumerate(generate(30, seed=5)[0])]
PKU = ("--template", "PKUSafeRLHF")


@pytest.fixture(scope="module")
def folder(checkpoint):
    return checkpoint("decoder")


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def evaluated(source, folder, *words):
    """The figures that the command writes, and what it prints."""
    out = source.with_name("figures.json")
    code, said, _ = command("evaluate", source, "--model", folder, *words, "--out", out)
    assert code == 0
    return json.loads(out.read_text()), said


def margins(source, folder, *words):
    """The margins of each row by `score`."""
    out = source.with_name("scored.jsonl")
    assert command("score", source, "--model", folder, *words, "--out", out)[0] == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    return np.array([row["chosen_reward"] - row["rejected_reward"] for row in rows])


def test_the_figures_are_those_of_the_rewards_that_score_writes(folder, tmp_path):
    source = write(tmp_path / "rows.jsonl", ROWS)
    found, said = evaluated(source, folder, *PKU, "--by", "kind")
    expected = margins(source, folder, *PKU)
    assert (found["rows"], found["samples"], found["unscored"]) == (30, 30, {})
    assert found["accuracy"] == pytest.approx(score_wins(expected).mean())
    assert found["loss"] == pytest.approx(np.logaddexp(0, -expected).mean(), abs=1e-5)
    assert found["by"]["kind"]["a"]["accuracy"] == pytest.approx(score_wins(expected[::2]).mean())
    assert found["by"]["kind"]["b"]["samples"] == 15
    assert found["by_turns"]["1"]["samples"] == 30
    first = np.mean([row["better_response_id"] == 0 for row in ROWS])
    assert found["shortcuts"]["first_listed_wins"]["accuracy"] == pytest.approx(max(first, 1 - first))
    for line in (
        f"accuracy {found['accuracy']:.1%}",
        f"log loss {found['loss']:.4f}",
        "kind",
        "the longer answer wins",
    ):
        assert line in " ".join(said.split())


def test_labels_that_are_swapped_give_the_mirror(folder, tmp_path):
    """Planted: the other answer is called the better one."""
    rows = ROWS[:-1]  # of an odd number not half are right
    source = write(tmp_path / "rows.jsonl", rows)
    swapped = write(
        tmp_path / "swapped.jsonl", [{**row, "better_response_id": 1 - row["better_response_id"]} for row in rows]
    )
    found = [evaluated(one, folder, *PKU)[0]["accuracy"] for one in (source, swapped)]
    assert found[0] != 0.5
    assert sum(found) == pytest.approx(1)


def test_rows_without_a_reward_are_counted_by_their_reason(folder, tmp_path):
    bad = [{**ROWS[0], "better_response_id": 2}, {**ROWS[0], "response_0": "word " * 2000}, {}]
    found, said = evaluated(write(tmp_path / "rows.jsonl", [*ROWS, *bad]), folder, *PKU)
    assert (found["rows"], found["samples"]) == (33, 30)
    assert found["unscored"] == {"bad_label": 1, "too_long": 1, "missing_field": 1}
    assert "not scored: 1 bad_label, 1 too_long, 1 missing_field" in said


def test_no_row_that_can_be_scored_is_exit_code_3(folder, tmp_path):
    source = write(tmp_path / "rows.jsonl", [{}, {}])
    code, out, err = command("evaluate", source, "--model", folder, *PKU)
    assert (code, out) == (3, "")
    assert err.endswith("no row with a better and a worse answer could be scored: 2 missing_field\n")


def test_a_ranking_is_evaluated_whole_and_each_cell_by_itself(folder, tmp_path):
    answers = ["Gladly. First gather what you need.", "I must decline.", "No, never.", "Sure, start small."]
    rows = [
        {"prompt": f"How do I {row['prompt'][:9]}?", "chosen": answers[:2], "rejected": answers[2:]}
        for row in ROWS[:5]
    ]
    source = write(tmp_path / "rows.jsonl", rows)
    found, said = evaluated(source, folder, "--template", "RewardBench2")
    out = tmp_path / "scored.jsonl"
    words = ("--template", "RewardBench2", "--format", "ranked", "--out", out)
    assert command("score", source, "--model", folder, *words)[0] == 0
    rewards = np.array([json.loads(line)["rewards"] for line in out.read_text().splitlines()])
    table = score_wins(rewards[:, :2, None] - rewards[:, None, 2:])
    assert found["cells"] == {"2x2": {"samples": 5, "accuracy": pytest.approx(table.mean(0))}}
    assert found["accuracy"] == pytest.approx(table.mean())
    assert found["best"]["accuracy"] == pytest.approx((rewards.argmax(1) < 2).mean())
    assert (found["pairs"], found["samples"]) == (20, 5)
    assert "benchmark" not in found
    assert "2x2 answers, good by bad" in said


def test_rewardbench_from_a_file(folder, tmp_path):
    subsets = [name for section in SECTIONS.values() for name in section]
    rows = [
        {"prompt": "How do I mend a kite?", "chosen": "Gladly.", "rejected": "No.", "subset": name, "id": number}
        for number, name in enumerate(subsets)
    ]
    found, said = evaluated(write(tmp_path / "rows.jsonl", rows), folder, "--template", "RewardBench")
    alike = float(found["accuracy"] == 1.0)
    assert found["benchmark"]["sections"] == dict.fromkeys(SECTIONS, alike)
    assert found["benchmark"]["score"] == alike
    assert "Chat Hard" in said
    found, said = evaluated(write(tmp_path / "rows.jsonl", rows[1:]), folder, "--template", "RewardBench")
    assert found["benchmark"]["score"] is None
    assert "no score, since there are no rows of alpacaeval-easy" in said


def test_two_checkpoints_on_the_same_rows(folder, checkpoint, tmp_path):
    other = checkpoint("decoder with BOS")
    source = write(tmp_path / "rows.jsonl", ROWS)
    found, said = evaluated(source, folder, *PKU, "--against", other)
    mine, theirs = (score_wins(margins(source, one, *PKU)) for one in (folder, other))
    assert found["against"]["accuracy"] == pytest.approx(theirs.mean())
    assert found["against"]["model"]["difference"] == pytest.approx((mine - theirs).mean())
    assert found["against"]["model"]["p"] == compute_sign_test(int((mine > theirs).sum()), int((mine < theirs).sum()))
    assert "the other model" in said
    same = evaluated(source, folder, *PKU, "--against", folder)[0]["against"]["model"]
    assert (same["difference"], same["ahead"], same["behind"], same["p"]) == (0, 0, 0, 1)


@pytest.mark.usefixtures("small_set")
def test_a_class_that_formats_by_hand_has_no_turns_and_no_first_listed(tmp_path_factory, tmp_path):
    quick = [
        "--max_steps",
        "2",
        "--eval_strategy",
        "no",
        "--save_strategy",
        "no",
        "--per_device_train_batch_size",
        "4",
    ]
    made = train_by(*quick, "--template", str(HOMEWORK), "--output_dir", str(tmp_path_factory.mktemp("hand")))[
        0
    ].folder
    found, _ = evaluated(write(tmp_path / "rows.jsonl", ROWS[:6]), made, "--template", HOMEWORK)
    assert found["samples"] == 6
    assert "by_turns" not in found
    assert list(found["shortcuts"]) == ["longer_wins", "more_list_marks_wins"]
    assert list(found["rules"]) == ["longer", "shorter", "more_list_marks", "fewer_list_marks"]


def test_an_encoder_is_evaluated_too(checkpoint, tmp_path):
    source = write(tmp_path / "rows.jsonl", ROWS[:6])
    found, _ = evaluated(source, checkpoint("encoder"), *PKU)
    assert found["accuracy"] == pytest.approx(score_wins(margins(source, checkpoint("encoder"), *PKU)).mean())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--by", "kinds"], "no row has a column 'kinds'. Did you mean 'kind'?"),
        (["--style", "zephyr"], "was trained with style chatml, not with style zephyr; to use it anyway, add"),
        (["--template", "Alpaca"], "Alpaca has no dataset type 'preference'"),
        (["--against", "gone"], "there is no folder 'gone'; name a folder that preftemplates-train wrote"),
        (["--out", "gone/figures.json"], "gone/figures.json cannot be written"),
    ],
)
def test_what_cannot_be_is_one_line(folder, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "rows.jsonl", ROWS[:2])
    usual = {"--model": folder, "--template": "PKUSafeRLHF"} | dict(zip(words[::2], words[1::2], strict=True))
    assert said in refusal("evaluate", "rows.jsonl", *(word for pair in usual.items() for word in pair))


def test_another_style_is_evaluated_where_told(folder, tmp_path):
    source = write(tmp_path / "rows.jsonl", ROWS)
    found, _ = evaluated(source, folder, *PKU, "--style", "zephyr", "--allow-style")
    expected = margins(source, folder, *PKU, "--style", "zephyr", "--allow-style")
    assert found["loss"] == pytest.approx(np.logaddexp(0, -expected).mean(), abs=1e-5)
    assert found["loss"] != pytest.approx(np.logaddexp(0, -margins(source, folder, *PKU)).mean(), abs=1e-5)


# --- length and layout -----------------------------------------------------------------------------------------------

LISTS = ["- Walk.\n- Ride.", "Walk, or ride, or take the bus that leaves here in the morning.", "1. Walk.", "Walk."]


def with_lists():
    """Rows whose better answer has more list marks in three of four, and is the longer one in two of four."""
    order = [(0, 3), (2, 1), (3, 2), (0, 2)]
    return [
        {**row, "response_0": LISTS[better], "response_1": LISTS[worse], "better_response_id": 0}
        for row, (better, worse) in zip(ROWS, order * 7, strict=False)
    ]


@pytest.mark.parametrize("template", ["PKUSafeRLHF", HOMEWORK])
def test_rules_read_the_lengths_and_marks_of_the_answers(folder, by_hand, tmp_path, template):
    model = by_hand if template == HOMEWORK else folder
    found, said = evaluated(write(tmp_path / "rows.jsonl", with_lists()), model, "--template", template)
    assert found["samples"] == 28
    assert (found["rules"]["more_list_marks"], found["rules"]["fewer_list_marks"]) == (0.75, 0.25)
    assert found["rules"]["longer"] == 0.5
    assert found["shortcuts"]["more_list_marks_wins"]["accuracy"] == 0.75
    assert "more list marks win 75.0%" in " ".join(said.split())


def test_length_control_weighs_longer_and_shorter_better_answers_alike(folder, tmp_path):
    rows = with_lists()
    source = write(tmp_path / "rows.jsonl", rows)
    found, said = evaluated(source, folder, *PKU, "--by", "better_response_id")
    wins = score_wins(margins(source, folder, *PKU))
    is_longer = np.array([len(row["response_0"].split()) > len(row["response_1"].split()) for row in rows])
    expected = (wins[is_longer].mean() + wins[~is_longer].mean()) / 2
    assert found["length_controlled_accuracy"] == pytest.approx(expected)
    assert found["by"]["better_response_id"]["0"]["length_controlled_accuracy"] == pytest.approx(expected)
    interval = f"95 % interval {found['length_controlled_low']:.1%} to {found['length_controlled_high']:.1%}"
    assert f"length-controlled {expected:.1%} {interval}" in " ".join(said.split())
    longer = write(tmp_path / "longer.jsonl", [row for row, longer in zip(rows, is_longer, strict=True) if longer])
    found, said = evaluated(longer, folder, *PKU)
    assert found["length_controlled_accuracy"] is None
    assert "length-controlled none the better answer is never the shorter one" in " ".join(said.split())


def test_the_figures_and_the_counts_are_printed_as_json(folder, tmp_path):
    source, out = write(tmp_path / "rows.jsonl", ROWS), tmp_path / "figures.json"
    code, printed, _ = command("evaluate", source, "--model", folder, *PKU, "--out", out, "--json")
    assert code == 0
    assert json.loads(printed) == json.loads(out.read_text())
    scored = tmp_path / "scored.jsonl"
    code, printed, _ = command("score", source, "--model", folder, *PKU, "--out", scored, "--json")
    assert (code, json.loads(printed)) == (
        0,
        {"rows": 30, "scored": 30, "unscored": 0, "reasons": {}, "out": str(scored)},
    )
