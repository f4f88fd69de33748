"""The model of a run: its weights are the checkpoint's, it has room for every token, and padding moves no reward."""

import json

import pytest
import torch
from model_support import DISTIL, GPT2, ROBERTA, SHAPE, SIZE, XLNET, model_of, rewrite, saved
from preftemplates_train.data.tokenizer import load_tokenizer, set_pad_token
from preftemplates_train.errors import SetupError
from preftemplates_train.model.checks import check_padding
from preftemplates_train.model.loading import (
    HEAD_NAMES,
    HeadOrigin,
    choose_max_length,
    count_positions,
    fit_vocabulary,
    load_model,
    load_model_config,
    load_scorer_weights,
)
from preftemplates_train.settings.config import RewardConfig
from safetensors.torch import load_file
from trainer_support import KINDS
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    CamembertConfig,
    CohereConfig,
    DistilBertModel,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForSequenceClassification,
    MPNetConfig,
    RobertaConfig,
    RobertaForMaskedLM,
)

# What a checkpoint holds


@pytest.mark.parametrize("kind", KINDS[1:])
def test_the_weights_are_the_checkpoint_s_and_the_head_is_drawn_from_the_seed(kind, base_model):
    there = load_file(base_model(kind) / "model.safetensors")
    one, other, third = (model_of(base_model(kind), seed=seed).state_dict() for seed in (1, 1, 2))
    drawn = {name for name in one if not torch.equal(one[name], third[name])}
    assert {name.split(".")[0] for name in drawn} <= {"score", "classifier"}
    assert drawn
    for name, values in one.items():
        assert torch.equal(values, other[name])
        if name not in drawn and name.split(".")[0] not in ("score", "classifier"):
            assert torch.equal(values, there[name] if name in there else there[name.split(".", 1)[1]])


@pytest.mark.parametrize(
    ("model", "config"), [(GPT2LMHeadModel, GPT2), (DistilBertModel, DISTIL), (RobertaForMaskedLM, ROBERTA)]
)
def test_a_language_model_of_any_kind_becomes_a_reward_model(model, config, tmp_path):
    loaded = model_of(saved(model(config), tmp_path))
    assert loaded.num_labels == 1
    assert loaded.config.id2label == {0: "reward"}


def test_a_checkpoint_without_one_of_its_layers_is_no_random_model(folder):
    rewrite(folder, lambda weights: {name: value for name, value in weights.items() if ".layers.1." not in name})
    with pytest.raises(SetupError, match=r"lacks 9 of the model's weights, such as model\.layers\.1\.input_layernorm"):
        model_of(folder)


def test_a_checkpoint_with_other_names_for_all_weights_is_no_random_model(folder):
    rewrite(folder, lambda weights: {f"module.other.{name}": value for name, value in weights.items()})
    with pytest.raises(SetupError, match=r"lacks 20 of the model's weights, such as model\.embed_tokens"):
        model_of(folder)


def test_weights_of_another_shape_are_named_with_both_shapes(folder):
    name = "model.layers.0.mlp.up_proj.weight"
    rewrite(folder, lambda weights: {**weights, name: weights[name][:10].clone()})
    with pytest.raises(
        SetupError, match=r"up_proj\.weight has the shape \[10, 32\], expected \[64, 32\] in a reward model"
    ):
        model_of(folder)


def test_a_head_of_two_labels_is_no_reward_model_s(tmp_path):
    two = LlamaForSequenceClassification(LlamaConfig(**SHAPE, **SIZE, num_labels=2))
    with pytest.raises(
        SetupError, match=r"score\.weight has the shape \[2, 32\], expected \[1, 32\] in a reward model"
    ):
        model_of(saved(two, tmp_path))


def test_a_head_of_one_output_is_kept(tmp_path):
    one = LlamaForSequenceClassification(LlamaConfig(**SHAPE, **SIZE, num_labels=1))
    assert torch.equal(model_of(saved(one, tmp_path)).score.weight, one.score.weight)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_weight_that_is_no_finite_number_is_named(folder, value):
    def change(weights):
        weights["model.embed_tokens.weight"][3, 5] = value
        return weights

    rewrite(folder, change)
    with pytest.raises(SetupError, match=r"the weights model\.embed_tokens\.weight contain NaN or infinity"):
        model_of(folder)


def test_half_a_file_of_weights_is_one_clear_error(folder):
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SetupError, match=r"/model\.safetensors is damaged: .*; copy the checkpoint again$"):
        model_of(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(SetupError, match=r" has no weights: there is no file named model\.safetensors"):
        model_of(folder)


def test_a_kind_of_model_that_transformers_cannot_classify_with_is_refused_before_its_weights(tmp_path):
    CohereConfig(**SHAPE, **SIZE).save_pretrained(tmp_path)
    with pytest.raises(
        SetupError, match="its model cannot be loaded: transformers has no classifier for the model type cohere"
    ):
        load_model_config(str(tmp_path))


def test_code_in_a_checkpoint_is_neither_run_nor_asked_about(folder, capsys):
    config = json.loads((folder / "config.json").read_text())
    own = {"AutoConfig": "own.Config", "AutoModelForSequenceClassification": "own.Model"}
    (folder / "own.py").write_text(f"open({str(folder / 'ran')!r}, 'w')")
    (folder / "config.json").write_text(json.dumps({**config, "auto_map": own}))
    model_of(folder)  # its kind is one of transformers' own
    (folder / "config.json").write_text(json.dumps({**config, "auto_map": own, "model_type": "own"}))
    with pytest.raises(SetupError, match=r"its model cannot be loaded: .*custom code"):
        load_model_config(str(folder))
    assert not (folder / "ran").exists()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("text", ["", "{", "[]", '{"model_type": "no such"}', "{}"])
def test_a_damaged_configuration_is_one_clear_error(folder, text):
    (folder / "config.json").write_text(text)
    with pytest.raises(SetupError, match="its model cannot be loaded: ") as caught:
        load_model_config(str(folder))
    assert str(caught.value).isprintable()


def test_an_attention_that_is_not_installed_is_one_clear_error(folder):
    with pytest.raises(SetupError, match=r"cannot be loaded as a reward model: .*nonsense"):
        model_of(folder, attn_implementation="nonsense")


# Lengths


def test_no_text_is_longer_than_the_model_s_positions():
    assert choose_max_length(None, None) == 1024
    assert choose_max_length(None, 512) == 512
    assert choose_max_length(None, 4096) == 1024
    assert choose_max_length(2000, 4096) == choose_max_length(2000, None) == 2000
    with pytest.raises(SetupError, match="max_length must be at most 512, the model's positions, got 513"):
        choose_max_length(513, 512)


@pytest.mark.parametrize("config", [RobertaConfig, CamembertConfig, MPNetConfig])
def test_positions_that_begin_behind_the_pad_token_are_fewer_than_the_table_has(config):
    own = config(**SHAPE, vocab_size=100, max_position_embeddings=42, pad_token_id=1)
    assert count_positions(own) == 40
    model = AutoModelForSequenceClassification.from_config(own).eval()
    with torch.no_grad():
        model(input_ids=torch.full((1, 40), 7))
        with pytest.raises((IndexError, RuntimeError)):
            model(input_ids=torch.full((1, 41), 7))


def test_positions_of_other_kinds_are_those_they_say():
    assert count_positions(GPT2) == count_positions(DISTIL) == count_positions(LlamaConfig(**SHAPE, **SIZE)) == 40
    assert count_positions(XLNET) is None


# The vocabulary


def test_a_token_that_the_model_does_not_know_is_an_error_where_a_text_holds_it(folder):
    tokenizer, model = load_tokenizer(str(folder)), model_of(folder)
    tokens = len(tokenizer)
    tokenizer.add_tokens(["zz1", "zz2"])
    said = f"but the model has only {tokens} embeddings for the {tokens + 2} tokens"
    with pytest.raises(SetupError, match=said):
        fit_vocabulary(model, tokenizer, len(tokenizer), tokens + 1)
    fit_vocabulary(model, tokenizer, len(tokenizer), tokens - 1)
    assert model.get_input_embeddings().weight.shape[0] == tokens


def test_a_new_pad_token_gets_room_and_moves_no_other_token(folder, tmp_path):
    model, tokenizer = model_of(folder), load_tokenizer(str(folder))
    before, tokens = model.get_input_embeddings().weight.detach().clone(), len(tokenizer)
    tokenizer.add_special_tokens({"pad_token": "<|new|>"})
    fit_vocabulary(model, tokenizer, tokens, 0)
    after = model.get_input_embeddings().weight
    assert after.shape[0] == tokens + 1 == tokenizer.pad_token_id + 1
    assert torch.equal(after[:-1], before)
    assert model.config.pad_token_id == tokens
    again = load_scorer_weights(str(saved(model, tmp_path / "again")))
    assert torch.equal(again.get_input_embeddings().weight, after)
    assert again.config.pad_token_id == tokens


def test_room_that_a_model_has_to_spare_is_used(folder):
    model, tokenizer = model_of(folder), load_tokenizer(str(folder))
    tokens = len(tokenizer)
    model.resize_token_embeddings(tokens + 6, mean_resizing=False)
    tokenizer.add_special_tokens({"pad_token": "<|new|>"})
    fit_vocabulary(model, tokenizer, tokens, 0)
    assert model.get_input_embeddings().weight.shape[0] == tokens + 6


def test_a_model_that_numbers_positions_by_its_pad_token_cannot_be_padded_with_another(base_model):
    tokenizer = AutoTokenizer.from_pretrained(base_model("encoder"))
    kind = {**SHAPE, "vocab_size": len(tokenizer), "max_position_embeddings": 40}
    model = AutoModelForSequenceClassification.from_config(RobertaConfig(**kind, pad_token_id=1))
    with pytest.raises(SetupError, match=r"numbers positions from its pad token '\[UNK\]', so '\[PAD\]' cannot be"):
        fit_vocabulary(model, tokenizer, len(tokenizer), 0)
    model = AutoModelForSequenceClassification.from_config(RobertaConfig(**kind, pad_token_id=tokenizer.pad_token_id))
    fit_vocabulary(model, tokenizer, len(tokenizer), 0)


# Padding


@pytest.mark.parametrize("kind", KINDS[1:])
def test_a_run_tells_the_model_which_token_pads(kind, base_model):
    model, tokenizer = model_of(base_model(kind)), load_tokenizer(str(base_model(kind)))
    model.config.pad_token_id = None
    tokens = len(tokenizer)
    set_pad_token(tokenizer, None)
    fit_vocabulary(model, tokenizer, tokens, 0)
    check_padding(model, tokenizer.pad_token_id)


# The head


@pytest.fixture
def reward_model(folder, tmp_path):
    return saved(model_of(folder), tmp_path / "reward")


def head_name(folder):
    return next(name for name in HEAD_NAMES if f"{name}.weight" in load_file(folder / "model.safetensors"))


def rename_head(folder, name):
    def change(weights):
        head = {"v_head.summary.weight": weights.pop(f"{name}.weight"), "lm_head.weight": torch.ones(2, 2)}
        return weights | head

    rewrite(folder, change)


def test_a_checkpoint_without_its_head_does_not_score(reward_model):
    name = head_name(reward_model)
    rewrite(reward_model, lambda weights: {key: weight for key, weight in weights.items() if key != f"{name}.weight"})
    with pytest.raises(
        SetupError, match=rf"lacks weights of the model, which would be drawn at random: {name}\.weight"
    ):
        load_scorer_weights(str(reward_model))


def test_a_checkpoint_with_a_head_of_another_kind_does_not_score(reward_model):
    name = head_name(reward_model)

    rename_head(reward_model, name)
    with pytest.raises(SetupError, match=r"it has v_head\.summary\.weight, a head of another kind"):
        load_scorer_weights(str(reward_model))


def test_a_checkpoint_with_several_labels_does_not_score(reward_model):
    path = reward_model / "config.json"
    config = json.loads(path.read_text())
    config["id2label"], config["label2id"] = {"0": "a", "1": "b"}, {"a": 0, "b": 1}
    path.write_text(json.dumps(config))
    with pytest.raises(SetupError, match="has 2 labels, expected 1 for a reward model"):
        load_scorer_weights(str(reward_model))


def test_training_says_where_the_head_comes_from_and_takes_the_one_that_is_named(reward_model):
    name = head_name(reward_model)
    config = load_model_config(str(reward_model))
    settings = {"model_name_or_path": str(reward_model)}
    _, head = load_model(str(reward_model), config, RewardConfig(**settings))
    assert head == HeadOrigin()
    head_weight = load_file(reward_model / "model.safetensors")[f"{name}.weight"].clone()
    rename_head(reward_model, name)
    _, head = load_model(str(reward_model), config, RewardConfig(**settings))
    assert f"{name}.weight" in head.new
    assert head.unused == ("v_head.summary.weight",)
    taken, head = load_model(str(reward_model), config, RewardConfig(**settings, head_from="v_head.summary"))
    assert (head.new, head.unused, head.taken_from) == ((), (), "v_head.summary")
    assert torch.equal(getattr(taken, name).weight, head_weight)
    _, head = load_model(str(reward_model), config, RewardConfig(**settings, head_from="v_head.summary"))
    with pytest.raises(
        SetupError, match=r"has no weights rm_head\.weight in safetensors; it has v_head\.summary\.weight"
    ):
        load_model(str(reward_model), config, RewardConfig(**settings, head_from="rm_head"))


def test_the_named_head_is_taken_also_where_the_checkpoint_has_one_of_its_own(reward_model):
    name = head_name(reward_model)
    config, settings = load_model_config(str(reward_model)), {"model_name_or_path": str(reward_model)}
    other = load_file(reward_model / "model.safetensors")[f"{name}.weight"] + 7
    rewrite(reward_model, lambda weights: weights | {"value_head.weight": other.clone()})
    taken, head = load_model(str(reward_model), config, RewardConfig(**settings, head_from="value_head"))
    assert torch.equal(getattr(taken, name).weight, other)
    assert head.taken_from == "value_head"
    with pytest.raises(SetupError, match="has no weights valu_head"):
        load_model(str(reward_model), config, RewardConfig(**settings, head_from="valu_head"))
