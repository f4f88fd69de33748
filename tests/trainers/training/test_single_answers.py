"""Runs on single answers and on pairs with flags of safety: what they learn, count, write and continue."""

import json
import re

import pytest
from answer_rows import make_answers, name_rows, write_rows
from preftemplates_train.settings.command_line import read_config
from preftemplates_train.settings.objectives import FIGURES, OBJECTIVES
from preftemplates_train.training.prepare import prepare_run
from processes import in_processes
from run_support import SHORT, Stop, equal, weights
from support import DATA, real_rows
from trainer_support import command, train_by

SINGLE = ("pointwise", "regression", "safety_cost")
QUICK = ["--save_strategy", "no", "--baselines", "none", "--logging_steps", "10", "--eval_strategy", "no"]
LEARN = ["--max_steps", "60", "--per_device_train_batch_size", "16", "--learning_rate", "3e-3", "--eval_size", "0.3"]


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


LEARNT = {
    "pointwise": lambda metrics: metrics["accuracy"] > 0.95 and metrics["auc"] > 0.95,
    "regression": lambda metrics: metrics["variance_explained"] > 0.8 and metrics["spearman"] > 0.8,
    "safety_cost": lambda metrics: metrics["accuracy"] > 0.9 and metrics["safe_accuracy"] > 0.9,
}


@pytest.mark.parametrize("objective", SINGLE)
def test_a_separable_set_is_learnt_and_written_down(tmp_path, objective):
    result, printed = train_by(*QUICK, *LEARN, *name_rows(tmp_path, objective), "--output_dir", str(tmp_path / "run"))
    metrics, unit = result.metrics, OBJECTIVES[objective].unit
    assert LEARNT[objective](metrics), metrics
    assert metrics["objective"] == objective
    assert set(FIGURES[OBJECTIVES[objective].figures]) <= set(metrics)
    (counts,) = metrics["data"]
    assert counts["rows"] == counts["formatted"] + counts["skipped"] + counts["rejected"] == 120
    kept = counts[f"train_{unit}s"] + counts[f"eval_{unit}s"]
    assert counts["formatted"] == kept + counts["too_long"] + counts["unencodable"] + counts.get("equal", 0)
    assert ("equal" in counts) is ("longer_wins" in metrics) is (unit == "pair")
    assert f"{counts[f'train_{unit}s']} {unit}s to train on" in printed
    for line in read_lines(tmp_path / "run" / "scores.jsonl"):
        check_scores(objective, line, metrics)


def check_scores(objective, line, metrics):
    """A line of scores.jsonl has the rewards and the labels of its row."""
    row = line["row"]
    if objective == "pointwise":
        assert list(line) == ["source", "row", "reward", "label"]
        assert line["label"] is (row % 4 > 1)
    elif objective == "regression":
        assert list(line) == ["source", "row", "reward", "score", "predicted_score"]
        assert line["score"] == 100 + 10 * (row % 4)
        assert abs(line["predicted_score"] - line["score"]) < 6 * metrics["rmse"]
    else:
        names = ["chosen_reward", "rejected_reward", "margin", "chosen_safe", "rejected_safe"]
        assert list(line) == ["source", "row", *names]
        assert line["chosen_safe"] is (row % 4 != 1)
        assert line["rejected_safe"] is (row % 4 == 3)


def test_scores_of_any_units_are_learnt_alike(tmp_path):
    folders = []
    for unit, zero in ((1.0, 0.0), (1000.0, -5e4)):
        rows = [{**row, "score": unit * row["score"] + zero} for row in make_answers(80)]
        path = write_rows(tmp_path / "rows.jsonl", rows)
        words = ["--objective", "regression", "--dataset_name", path, "--template", "TRL-scored", "--max_steps", "4"]
        result, _ = train_by(*QUICK, *words, "--output_dir", str(tmp_path / f"run-{unit}"))
        folders.append((result, unit, zero))
    (one, *_), (other, unit, zero) = folders
    equal(weights(one.folder), weights(other.folder))
    assert other.metrics["rmse"] == pytest.approx(unit * one.metrics["rmse"])
    scales = [json.loads((run.folder / "preftemplates.json").read_text())["score_scale"] for run in (one, other)]
    assert scales[1]["mean"] == pytest.approx(unit * scales[0]["mean"] + zero)
    assert scales[1]["deviation"] == pytest.approx(unit * scales[0]["deviation"])


@pytest.mark.parametrize("objective", SINGLE)
@pytest.mark.parametrize("layout", ["branches", "grouped"])
def test_a_resumed_run_equals_the_unbroken_one(tmp_path, monkeypatch, objective, layout):
    words = [*SHORT, "--layout", layout, "--baselines", "none", *name_rows(tmp_path, objective, 40)]
    unbroken, _ = train_by(*words, "--output_dir", str(tmp_path / "unbroken"))
    with monkeypatch.context() as patch:
        patch.setattr("preftemplates_train.training.run.LogCallback", lambda _: Stop(2))
        stopped, _ = train_by(*words, "--output_dir", str(tmp_path / "broken"))
    assert stopped.stopped_at == 3
    resumed, _ = train_by(*words, "--output_dir", str(tmp_path / "broken"), "--resume_from_checkpoint", "last")
    equal(weights(resumed.folder), weights(unbroken.folder))
    assert resumed.metrics == unbroken.metrics


def test_a_run_with_other_labels_is_another_run(tmp_path):
    words = [*SHORT, "--baselines", "none", "--output_dir", str(tmp_path / "run")]
    train_by(*words, *name_rows(tmp_path, "pointwise", 40))
    rows = [{**row, "label": not row["label"]} for row in make_answers(40)]
    named = ["--objective", "pointwise", "--dataset_name", write_rows(tmp_path / "other.jsonl", rows)]
    code, _, err = command(*words, *named, "--template", "TRL-unpaired", "--resume_from_checkpoint", "last")
    assert code == 2
    assert "was written with different data" in err


def test_both_answers_of_a_pair_are_a_group_whose_prompt_is_computed_once():
    prepared = prepare_run(read_config(["--objective", "pointwise", "--max_steps", "1", "--eval_strategy", "no"]))
    groups = prepared.encoded.groups
    assert {tuple(one.labels["label"] for one in group) for group in groups} == {(1.0, 0.0)}
    assert prepared.layout == "branches"
    assert all(len({one.sample.prompt for one in group}) == 1 for group in groups)


def test_the_generated_set_is_judged_by_its_right_labels_too(tmp_path, small_set):  # noqa: ARG001
    words = ["--objective", "pointwise", "--max_steps", "2", "--output_dir", str(tmp_path), "--eval_strategy", "steps"]
    result, printed = train_by("--save_strategy", "no", "--eval_steps", "1", *words)
    assert set(result.metrics["clean"]) == set(FIGURES["verdicts"])
    assert result.metrics["answers"] == 2 * 84
    assert re.search(
        r"By the right labels, the model judges [0-9.]+% of the answers correctly", " ".join(printed.split())
    )
    assert result.metrics["baselines"]["words"]["train_answers"] == 800
    assert "auc 0." in printed


def test_scores_are_not_compared_with_baselines_and_the_reason_is_given(tmp_path):
    words = [*QUICK, "--baselines", "all", "--max_steps", "1", "--eval_size", "0.3"]
    words += name_rows(tmp_path, "regression")
    result, printed = train_by(*words, "--output_dir", str(tmp_path / "run"))
    assert list(result.metrics["baselines"]) == ["words"]
    assert "objective regression has no accuracy to compare" in result.metrics["baselines"]["words"]["skipped"]
    assert "baselines: words skipped: objective regression has no accuracy" in " ".join(printed.split())


@pytest.mark.parametrize("objective", SINGLE)
def test_adapters_learn_too_and_score_alike(tmp_path, base_model, objective):
    model = ["--model_name_or_path", str(base_model("decoder with BOS")), "--use_peft", "--max_steps", "2"]
    named = name_rows(tmp_path, objective, 40)
    result, _ = train_by(*QUICK, *model, *named, "--style", "chatml", "--output_dir", str(tmp_path / "run"))
    lines = {line["row"]: line for line in read_lines(result.folder / "scores.jsonl")}
    source, format = named[3], OBJECTIVES[objective].format
    words = ["score", source, "--model", result.folder, "--template", named[-1], "--format", format]
    assert command(*words, "--out", tmp_path / "scored.jsonl")[0] == 0
    scored = read_lines(tmp_path / "scored.jsonl")
    columns = ["reward"] if OBJECTIVES[objective].unit == "answer" else ["chosen_reward", "rejected_reward"]
    assert lines
    for row, line in lines.items():
        for column in columns:
            assert scored[row][column] == pytest.approx(line[column], abs=1e-5)


def test_a_dry_run_shows_answers_with_their_labels(tmp_path):
    named = name_rows(tmp_path, "pointwise")
    _, printed, _ = command("--dry_run", *named)
    assert "bad It is red 0." in printed
    assert "good It is blue 2." in printed
    assert printed.endswith("dry run: 3 answers shown, nothing trained\n")
    assert "score 110 It is green 1." in command("--dry_run", *name_rows(tmp_path, "regression"))[1]


def test_prompts_are_held_out_whole_and_cut_where_they_are_long(tmp_path):
    turns = [{"role": role, "content": text} for role, text in
             (("user", "old " * 60), ("assistant", "ok"), ("user", "new"))]  # fmt: skip
    rows = [
        {"prompt": [*turns[:2], {"role": "user", "content": f"new {row // 2}"}],
         "completion": [{"role": "assistant", "content": "yes"}], "label": bool(row % 2)}
        for row in range(20)
    ]  # fmt: skip
    path = write_rows(tmp_path / "rows.jsonl", rows)
    words = ["--objective", "pointwise", "--dataset_name", path, "--template", "TRL-unpaired-messages"]
    words += ["--style", "human-assistant", "--max_length", "60", "--length_policy", "cut_prompt"]
    prepared = prepare_run(read_config([*words, "--max_steps", "1"]))
    train, held_out = prepared.encoded.train, prepared.encoded.held_out
    assert not {one.sample.prompt for one in train} & {one.sample.prompt for one in held_out}
    assert (len(train), len(held_out)) == (18, 2)
    assert all(one.sample.texts[0].startswith("\n\nHuman: new ") for one in (*train, *held_out))
    (counts,) = (report.summarize() for report in prepared.data.reports.values())
    assert counts["cut"] == 20


@pytest.mark.parametrize("objective", ["pointwise", "regression"])
@pytest.mark.usefixtures("two_processes")
def test_two_processes_evaluate_as_one_does(tmp_path, objective):
    words = [*name_rows(tmp_path, objective, 64), "--use_cpu", "--max_steps", "4", "--eval_strategy", "steps"]
    words += ["--eval_steps", "2", "--save_steps", "4", "--baselines", "none", "--eval_size", "0.3"]
    words += ["--per_device_eval_batch_size", "5"]
    results = []
    for name, processes, batch in (("one", 1, 8), ("two", 2, 4)):
        each = [*words, "--per_device_train_batch_size", str(batch), "--output_dir", str(tmp_path / name)]
        runs = in_processes(2, command, *each) if processes == 2 else [command(*each)]
        assert {code for code, *_ in runs} == {0}, runs
        history = json.loads((tmp_path / name / "checkpoint-4" / "trainer_state.json").read_text())["log_history"]
        results.append((history, json.loads((tmp_path / name / "metrics.json").read_text())))
    names = [f"eval_{figure}" for figure in FIGURES[OBJECTIVES[objective].figures]]
    of_one, of_two = ([entry for entry in history if names[0] in entry] for history, _ in results)
    assert len(of_one) == len(of_two) == 2
    for one, two in zip(of_one, of_two, strict=True):
        assert {name: two[name] for name in names} == pytest.approx({name: one[name] for name in names}, abs=1e-3)
    assert results[1][1]["answers"] == results[0][1]["answers"]


REAL = {
    "pointwise": ("llamafactory/kto_en_demo.json", "LLaMA-Factory-kto", 300),
    "safety_cost": ("pku_saferlhf/align_anything_preference_train.json", "PKUSafeRLHF-safety", 32),
}


@pytest.mark.parametrize("objective", REAL)
def test_real_rows_run_from_end_to_end(tmp_path, objective):
    file, template, rows = REAL[objective]
    assert len(real_rows(file)) == rows
    words = ["--objective", objective, "--dataset_name", str(DATA / file), "--template", template]
    words += ["--max_steps", "2", "--per_device_train_batch_size", "2", "--max_length", "400", "--max_dropped", "1"]
    result, _ = train_by(*QUICK, *words, "--output_dir", str(tmp_path / "run"))
    (counts,) = result.metrics["data"]
    unit = OBJECTIVES[objective].unit
    assert counts["rows"] == counts["formatted"] == rows
    assert counts[f"train_{unit}s"] + counts[f"eval_{unit}s"] + counts["too_long"] == rows
    assert counts[f"eval_{unit}s"] == result.metrics[f"{unit}s"] > 0
