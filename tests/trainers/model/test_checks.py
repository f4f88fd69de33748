"""A classifier is tried before the first step: padding moves no reward, and every reward is a number."""

import pytest
import torch
from model_support import DISTIL, GPT2, T5, XLNET, model_of, saved
from preftemplates_train.errors import SetupError
from preftemplates_train.model.checks import check_padding, check_tokenizer_reload, find_unchanged_share
from preftemplates_train.settings.command_line import read_config
from preftemplates_train.training.prepare import prepare_run
from run_support import rows_file
from tokenizers import processors
from transformers import (
    AutoTokenizer,
    DistilBertModel,
    GPT2LMHeadModel,
    LlamaConfig,
    T5ForConditionalGeneration,
    XLNetModel,
)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(("model", "config"), [(GPT2LMHeadModel, GPT2), (DistilBertModel, DISTIL)])
def test_padding_moves_no_reward_of_a_decoder_and_none_of_an_encoder(model, config, dtype, tmp_path):
    loaded = model_of(saved(model(config), tmp_path), dtype=dtype)
    loaded.config.pad_token_id = 7
    check_padding(loaded, 7)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("pad", [None, 5])
def test_a_decoder_that_knows_no_pad_token_or_another_one_is_refused(pad, dtype, tmp_path):
    loaded = model_of(saved(GPT2LMHeadModel(GPT2), tmp_path), dtype=dtype)
    loaded.config.pad_token_id = pad
    said = "cannot score a text: Cannot handle batch sizes > 1" if pad is None else "rewards depend on padding"
    with pytest.raises(SetupError, match=said):
        check_padding(loaded, 7)


def test_a_model_that_reads_the_reward_at_the_end_of_the_padding_is_refused(tmp_path):
    loaded = model_of(saved(XLNetModel(XLNET), tmp_path))
    with pytest.raises(SetupError, match=r"scores a text -?\d\.\d{4} alone and -?\d\.\d{4} in a padded batch"):
        check_padding(loaded, 7)


def test_a_model_that_scores_no_text_without_eos_is_refused(tmp_path):
    loaded = model_of(saved(T5ForConditionalGeneration(T5), tmp_path))
    # in the words of newer and of older versions of transformers
    reason = "Each example must contain at least one <eos> token|IndexError: index -1 is out of bounds"
    with pytest.raises(SetupError, match=f"cannot score a text: ({reason})"):
        check_padding(loaded, 7)


def test_rewards_that_are_no_numbers_are_refused(folder):
    model = model_of(folder)
    model.config.pad_token_id = 0
    model.score.weight.data.fill_(float("nan"))
    with pytest.raises(SetupError, match="scores a text nan alone"):
        check_padding(model, 0)


def test_a_tokenizer_that_is_another_one_when_it_is_loaded_again_is_refused_before_the_first_step(
    base_model, monkeypatch
):
    tokenizer = AutoTokenizer.from_pretrained(base_model("decoder with BOS"))
    config = LlamaConfig()
    check_tokenizer_reload(tokenizer, config, ["How?"])
    load = AutoTokenizer.from_pretrained

    def faulty(*names, **options):
        loaded = load(*names, **options)
        loaded.backend_tokenizer.post_processor = processors.TemplateProcessing(single="$A", special_tokens=[])
        return loaded

    monkeypatch.setattr("preftemplates_train.model.checks.AutoTokenizer.from_pretrained", faulty)
    with pytest.raises(SetupError, match="the tokenizer gives different ids after it is saved and loaded again"):
        check_tokenizer_reload(tokenizer, config, ["How?"])


def test_a_run_looks_for_such_a_fault_before_its_first_step(tmp_path, monkeypatch):
    def fault(_tokenizer, _config, texts):
        assert all(text.endswith(("good", "bad")) or "good " in text for text in texts)
        raise SetupError("looked")

    monkeypatch.setattr("preftemplates_train.training.prepare.check_tokenizer_reload", fault)
    words = [
        "--dataset_name",
        str(rows_file(tmp_path)),
        "--template",
        "PKUSafeRLHF",
        "--output_dir",
        str(tmp_path / "run"),
    ]
    with pytest.raises(SetupError, match="looked"):
        prepare_run(read_config(words))


@pytest.mark.parametrize(
    ("dtype", "rate", "share"),
    [
        (torch.float32, 1e-6, 0),
        (torch.bfloat16, 1e-6, 1),
        (torch.bfloat16, 1e-2, 0),
        (torch.float16, 1e-4, 1),
        (torch.float16, 1e-3, 0),
    ],
)
def test_steps_below_a_weight_s_resolution_are_those_that_change_nothing(dtype, rate, share):
    layer = torch.nn.Linear(8, 8, bias=False).to(dtype)
    with torch.no_grad():
        layer.weight.fill_(0.75)
    assert find_unchanged_share(layer, rate) == share
    moved = (layer.weight.detach() + torch.tensor(rate, dtype=torch.float64)).to(dtype)
    assert bool((moved == layer.weight).all()) is (share == 1)


def test_frozen_weights_do_not_count():
    layer = torch.nn.Linear(8, 8).to(torch.bfloat16)
    layer.requires_grad_(False)
    assert find_unchanged_share(layer, 1e-9) == 0
