"""A stopped scoring continues where it stopped, and only if it is the same job."""

import shutil
from dataclasses import replace

import pytest
from preftemplates_train.errors import NonFiniteError
from preftemplates_train.evaluation.scorer import Scorer
from preftemplates_train.model.checkpoint import CheckpointRecord, write_temperature
from safetensors.torch import load_file, save_file
from score_support import PKU, ROWS, write
from trainer_support import command, refusal


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
    assert f"stopped; the scored rows are in {part}; add --resume to continue" in said
    assert not out.exists()
    with part.open("a") as file:  # a stop in the middle of a window and of a line
        file.write('[{"chosen_reward": 1.0, "rejected_reward": 2.0}, null]\n[{"chosen')
    with monkeypatch.context() as patch:
        seen = stopped_after(patch, 99, None)
        code, _, said = command(*words, out, "--resume")
    assert code == 0
    assert said.startswith(f"{few_at_once} rows are already scored\n121 rows = 120 scored + 1 unscored;")
    assert len(seen) == 2
    assert not part.exists()
    assert command(*words, tmp_path / f"whole{ending}")[0] == 0
    assert out.read_bytes() == (tmp_path / f"whole{ending}").read_bytes()


@pytest.mark.usefixtures("few_at_once")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda model: write_temperature(model, 2.5), "rows are already scored"),
        (lambda model: scale_weights(model), "was started with another model"),
        (lambda model: shorten(model), "was started with another model"),
    ],
    ids=["temperature", "weights", "max_length"],
)
def test_a_run_goes_on_with_a_model_that_gives_the_same_rewards(folder, tmp_path, monkeypatch, change, said):
    model = shutil.copytree(folder, tmp_path / "model", ignore=shutil.ignore_patterns("checkpoint-*"))
    source, out = write(tmp_path / "rows.jsonl", MANY), tmp_path / "out.jsonl"
    words = ("score", source, "--model", model, *PKU, "--out", out)
    with monkeypatch.context() as patch:
        stopped_after(patch, 2, NonFiniteError("stopped"))
        assert command(*words)[0] == 2
    change(model)
    assert said in command(*words, "--resume")[2]


def scale_weights(model):
    weights = {name: 2 * value for name, value in load_file(model / "model.safetensors").items()}
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})


def shorten(model):
    replace(CheckpointRecord.read(model), max_length=7).write(model)


def test_a_run_that_stops_before_its_first_rows_are_scored_leaves_nothing(folder, tmp_path, monkeypatch):
    source, out = write(tmp_path / "rows.jsonl", ROWS), tmp_path / "out.jsonl"
    stopped_after(monkeypatch, 0, NonFiniteError("stopped"))
    assert command("score", source, "--model", folder, *PKU, "--out", out)[0] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


@pytest.mark.usefixtures("few_at_once")
def test_nobody_goes_on_from_other_work(folder, tmp_path, monkeypatch):
    source, out = write(tmp_path / "rows.jsonl", MANY), tmp_path / "out.jsonl"
    words = ("--model", folder, *PKU, "--out", out)
    with monkeypatch.context() as patch:
        stopped_after(patch, 2, NonFiniteError("stopped"))
        assert command("score", source, *words)[0] == 2
    other = write(tmp_path / "other.jsonl", [*MANY[:-1], ROWS[0]])
    part = tmp_path / "out.jsonl.part"
    ours = part.read_bytes()
    said = refusal("score", other, *words, "--resume")
    assert said == f"{part} was started with another input; remove it, or leave out --resume"
    said = refusal("score", source, *words, "--resume", "--style", "zephyr", "--allow-style")
    assert said == f"{part} was started with another style; remove it, or leave out --resume"
    assert part.read_bytes() == ours
    assert command("score", other, *words)[0] == 0  # without --resume it begins anew
    assert not part.exists()


@pytest.mark.parametrize("resume", [[], ["--resume"]])
@pytest.mark.parametrize("content", ["something else\n", "[1]\n", "{}\n", "3\n", "\xff\n", "[" * 100_000])
def test_a_file_of_the_user_with_the_name_of_the_partial_output_stays(folder, tmp_path, content, resume):
    source, part = write(tmp_path / "rows.jsonl", ROWS[:2]), tmp_path / "out.jsonl.part"
    part.write_text(content, encoding="latin-1")
    said = refusal("score", source, "--model", folder, *PKU, "--out", tmp_path / "out.jsonl", *resume)
    assert said == f"{part} would be replaced, but `score` did not write it; rename or remove it"
    assert part.read_text(encoding="latin-1") == content
