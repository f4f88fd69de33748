"""Adapters: which modules they hold besides the adapted ones, and which base model they name."""

import pytest
from model_support import DISTIL, GPT2, ROBERTA, T5, XLNET
from preftemplates_train.model.adapters import add_lora
from preftemplates_train.model.loading import list_head_modules, load_model, load_model_config
from preftemplates_train.settings.config import RewardConfig
from transformers import AutoModelForSequenceClassification, BartConfig, BertConfig, DebertaV2Config

SMALL = {"d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2}
BART = BartConfig(**SMALL, decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, vocab_size=100)
BERT = BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, vocab_size=100)
DEBERTA = DebertaV2Config(
    hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, vocab_size=100
)

HEADS = {
    "GPT-2": (GPT2, ["score"]),
    "DistilBERT": (DISTIL, ["pre_classifier", "classifier"]),
    "XLNet": (XLNET, ["sequence_summary", "logits_proj"]),
    "T5": (T5, ["classification_head"]),
    "RoBERTa": (ROBERTA, ["classifier"]),
    "BART": (BART, ["classification_head"]),
    "BERT": (BERT, ["classifier"]),
    "DeBERTa": (DEBERTA, ["pooler", "classifier"]),
}


@pytest.mark.parametrize("kind", HEADS)
def test_the_head_is_all_that_a_classifier_adds_to_its_base_model_and_is_trained_whole(kind):
    config, names = HEADS[kind]
    config.num_labels = 1
    model = AutoModelForSequenceClassification.from_config(config)
    assert list_head_modules(model) == names
    head = {name for name, _ in model.named_parameters() if name.startswith(tuple(f"{part}." for part in names))}
    base = {name for name, _ in model.named_parameters() if name.startswith(f"{model.base_model_prefix}.")}
    assert head | base == {name for name, _ in model.named_parameters()}
    adapted = add_lora(model, RewardConfig(use_peft=True, lora_target_modules=["all-linear"]))
    trained = {name for name, value in adapted.named_parameters() if value.requires_grad and "lora_" not in name}
    assert {name.removeprefix("base_model.model.").replace(".modules_to_save.default", "") for name in trained} == head


@pytest.mark.parametrize("is_relative", [True, False])
def test_an_adapter_names_its_base_model_by_a_path_that_holds_in_every_folder(base_model, monkeypatch, is_relative):
    folder = base_model("decoder with BOS")
    monkeypatch.chdir(folder.parent)
    name = folder.name if is_relative else str(folder)
    config = RewardConfig(model_name_or_path=name, use_peft=True)
    model, _ = load_model(name, load_model_config(name), config)
    adapter = add_lora(model, config).peft_config["default"]
    assert (adapter.base_model_name_or_path, adapter.revision) == (str(folder.resolve()), "main")


def test_an_adapter_keeps_a_hub_name_and_its_revision(base_model, monkeypatch, tmp_path):
    folder = base_model("decoder with BOS")
    model, _ = load_model(str(folder), load_model_config(str(folder)), RewardConfig(model_name_or_path=str(folder)))
    monkeypatch.chdir(tmp_path)
    config = RewardConfig(model_name_or_path="some-one/model", model_revision="v2", use_peft=True)
    adapter = add_lora(model, config).peft_config["default"]
    assert (adapter.base_model_name_or_path, adapter.revision) == ("some-one/model", "v2")
