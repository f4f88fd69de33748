"""LoRA: the head is trained and kept, and the checkpoint is merged, so that nobody needs peft to load it."""

import pytest
import torch
from preftemplates_train.evaluation.scorer import Scorer
from preftemplates_train.settings.command_line import read_config
from preftemplates_train.training.prepare import prepare_run
from safetensors.torch import load_file
from trainer_support import train_by

LORA = ["--use_peft", "--learning_rate", "1e-2", "--style", "chatml", "--save_strategy", "no", "--eval_strategy", "no"]


@pytest.fixture(params=["decoder", "decoder with BOS", "encoder"])
def words(request, base_model):
    named = base_model(request.param)
    return LORA if named is None else [*LORA, "--model_name_or_path", str(named)]


@pytest.mark.usefixtures("small_set")
def test_the_adapters_and_the_head_are_trained_and_nothing_else(words):
    model = prepare_run(read_config(words)).model
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert all("lora_" in name or "modules_to_save" in name for name in trained)
    assert {name.split(".")[-2] for name in trained if "lora_" in name} == {"default"}
    heads = [name for name in trained if "modules_to_save" in name]
    assert heads
    assert all("score" in name or "classifier" in name for name in heads)


@pytest.mark.usefixtures("small_set")
def test_the_checkpoint_is_merged_and_scores_as_the_adapted_model_did(words, tmp_path):
    before = prepare_run(read_config(words))
    outcome, _ = train_by(*words, "--max_steps", "4", "--output_dir", str(tmp_path))
    assert not list(tmp_path.glob("adapter*"))
    after = load_file(tmp_path / "model.safetensors")
    head = next(name for name in after if name.startswith(("score.weight", "classifier.weight")))
    old_head = next(
        value for name, value in before.model.named_parameters() if "modules_to_save" in name and "weight" in name
    )
    assert not torch.equal(after[head], old_head.detach())
    changed = [
        name
        for name, value in before.model.named_parameters()
        if "base_layer.weight" in name
        and not torch.equal(after[name.removeprefix("base_model.model.").replace("base_layer.", "")], value)
    ]
    assert changed  # the adapters are in the weights
    scorer = Scorer(tmp_path)
    pairs = before.encoded.held_out
    rewards = torch.tensor(scorer.rewards([pair.ids[0] for pair in pairs]))
    assert rewards.mean().item() == pytest.approx(outcome.metrics["chosen_mean"], abs=1e-5)
    assert rewards.std(correction=0).item() == pytest.approx(outcome.metrics["chosen_std"], abs=1e-5)


@pytest.mark.usefixtures("small_set")
def test_every_linear_layer_can_be_adapted(base_model):
    words = [*LORA, "--model_name_or_path", str(base_model("decoder with BOS")), "--lora_target_modules", "all-linear"]
    names = {name for name, _ in prepare_run(read_config(words)).model.named_parameters() if "lora_A" in name}
    assert any("mlp.up_proj" in name for name in names)
    assert not any("score" in name for name in names)
