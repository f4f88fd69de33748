"""Whole runs: what they leave behind, and how they stop."""

import json

import pytest
import torch
from preftemplates_train.errors import NonFiniteError
from preftemplates_train.settings.command_line import read_config
from preftemplates_train.training.prepare import prepare_run
from preftemplates_train.training.trainer import RewardTrainer
from run_support import SHORT, equal, on_rows, rows_file, weights
from support import HOMEWORK
from trainer_support import train_by

from preftemplates import Style


def test_a_run_leaves_what_others_load_and_what_one_looks_at(checkpoint):
    folder = checkpoint("decoder")
    names = {path.name for path in folder.iterdir()}
    assert names >= {
        "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
        "README.md", "preftemplates.json", "metrics.json", "scores.jsonl", "report.html",
    }  # fmt: skip
    assert not {name for name in names if name.endswith((".bin", ".pt", ".pkl"))}
    config = json.loads((folder / "config.json").read_text())
    assert (config["id2label"], config["problem_type"]) == ({"0": "reward"}, "regression")
    metrics = json.loads((folder / "metrics.json").read_text())
    scores = [json.loads(line) for line in (folder / "scores.jsonl").read_text().splitlines()]
    wins = [1.0 if one["margin"] > 0 else 0.5 if one["margin"] == 0 else 0.0 for one in scores]
    assert metrics["accuracy"] == pytest.approx(sum(wins) / len(wins))
    assert metrics["pairs"] == len(scores) == 432
    assert {one["source"] for one in scores} == {"generated"}


def test_the_exported_style_is_the_one_trained_with(checkpoint):
    folder = checkpoint("decoder with BOS")
    style = Style.from_chat_template((folder / "chat_template.jinja").read_text())
    assert (
        style.text([{"role": "user", "content": "Hi"}], True)
        == "<s><|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )


def test_two_runs_of_one_seed_are_equal_and_of_another_are_not(tmp_path):
    one, other, third = (on_rows(tmp_path, "--seed", seed, folder=str(n))[0] for n, seed in enumerate(("5", "5", "6")))
    equal(weights(one.folder), weights(other.folder))
    assert one.metrics == other.metrics
    assert not torch.equal(weights(one.folder)["score.weight"], weights(third.folder)["score.weight"])


def test_pad_is_never_eos_and_is_saved(checkpoint):
    config = json.loads((checkpoint("decoder with BOS") / "config.json").read_text())
    record = json.loads((checkpoint("decoder with BOS") / "preftemplates.json").read_text())
    special = record["special_tokens"]
    assert special["pad"] not in (None, special["eos"])
    assert config["pad_token_id"] is not None
    assert (special["before"], special["after"], special["written_by"]) == ("<s>", "", "style")


def test_a_class_that_formats_by_hand_is_trained_with_the_tokenizer_s_own_tokens(tmp_path, base_model):
    words = ["--template", str(HOMEWORK), "--model_name_or_path", str(base_model("decoder with BOS"))]
    outcome, said = train_by(
        *SHORT, *words, "--dataset_name", rows_file(tmp_path), "--output_dir", str(tmp_path / "r")
    )
    record = json.loads((outcome.folder / "preftemplates.json").read_text())
    assert record["style"] is None
    assert record["special_tokens"]["written_by"] == "tokenizer"
    assert not (outcome.folder / "chat_template.jinja").exists()
    assert said.startswith("style: none; the custom template HOMEWORK writes the texts\n")
    from transformers import AutoTokenizer

    assert AutoTokenizer.from_pretrained(outcome.folder)("a").tokens()[0] == "<s>"


def test_sources_have_their_own_accuracy_and_weight(tmp_path):
    one, two = rows_file(tmp_path, 40), rows_file(tmp_path, 20)
    run = tmp_path / "run.yaml"
    run.write_text(
        f"template: PKUSafeRLHF\nlearning_rate: 1e-3\ndatasets:\n- {{path: {one}}}\n- {{path: {two}, weight: 2}}\n"
    )
    config = read_config(["--config", str(run), "--eval_strategy", "no"])
    prepared = prepare_run(config)
    counts = [report.summarize() for report in prepared.data.reports.values()]
    assert len(prepared.encoded.train) == counts[0]["train_pairs"] + 2 * counts[1]["train_pairs"]
    outcome, _ = train_by("--config", str(run), *SHORT, "--output_dir", str(tmp_path / "out"))
    by_source = outcome.metrics["by_source"]
    assert set(by_source) == {one, two}
    assert sum(found["pairs"] for found in by_source.values()) == outcome.metrics["pairs"]


def test_a_loss_that_is_not_finite_stops_at_its_step_and_names_the_rows(tmp_path, monkeypatch):
    rewards = RewardTrainer.rewards

    def broken(self, model, inputs):
        return rewards(self, model, inputs) * (float("nan") if self.state.global_step == 2 else 1)

    monkeypatch.setattr(RewardTrainer, "rewards", broken)
    with pytest.raises(NonFiniteError, match=r"the loss is nan at step 3, whose rows are \S+rows-40.jsonl:\d+"):
        on_rows(tmp_path, "--save_steps", "2")
    assert (tmp_path / "run" / "checkpoint-2" / "model.safetensors").exists()
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_gradients_that_are_not_finite_stop_the_run_where_the_loss_is(tmp_path, monkeypatch):
    rewards = RewardTrainer.rewards

    class Infinite(torch.autograd.Function):
        @staticmethod
        def forward(_ctx, rewards):
            return rewards.clone()

        @staticmethod
        def backward(_ctx, gradient):
            return gradient * float("inf")

    monkeypatch.setattr(RewardTrainer, "rewards", lambda *args: Infinite.apply(rewards(*args)))
    with pytest.raises(NonFiniteError, match=r"gradients is (nan|inf) at step 1, whose rows"):
        on_rows(tmp_path)


def test_a_learning_rate_that_is_much_too_high_is_no_success(tmp_path):
    with pytest.raises(NonFiniteError, match="at step"):
        on_rows(tmp_path, "--learning_rate", "1e18", "--max_steps", "30", "--warmup_steps", "0")


def test_an_evaluation_set_that_is_also_trained_on_is_said(tmp_path):
    rows = rows_file(tmp_path)
    words = ["--dataset_name", rows, "--eval_data", rows, "--template", "PKUSafeRLHF"]
    outcome, said = train_by(*SHORT, *words, "--output_dir", str(tmp_path / "run"))
    assert outcome.metrics["prompts_in_both"] == 40
    assert "40 held-out pairs are also trained on" in said
