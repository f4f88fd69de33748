"""Small models of several kinds, saved and loaded as checkpoints."""

from preftemplates_train.model.loading import (
    load_model,
    load_model_config,
)
from preftemplates_train.settings.config import RewardConfig
from safetensors.torch import load_file, save_file
from transformers import (
    DistilBertConfig,
    GPT2Config,
    RobertaConfig,
    T5Config,
    XLNetConfig,
)

SHAPE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


SIZE = {"vocab_size": 100, "max_position_embeddings": 40}


GPT2 = GPT2Config(n_embd=32, n_layer=2, n_head=2, vocab_size=100, n_positions=40, bos_token_id=0, eos_token_id=0)


DISTIL = DistilBertConfig(dim=32, hidden_dim=64, n_layers=2, n_heads=2, **SIZE)


XLNET = XLNetConfig(d_model=32, n_layer=2, n_head=2, d_inner=64, vocab_size=100)


T5 = T5Config(d_model=32, d_ff=64, num_layers=2, num_heads=2, d_kv=16, vocab_size=100, decoder_start_token_id=0)


ROBERTA = RobertaConfig(**SHAPE, **SIZE, pad_token_id=1)


def rewrite(folder, change):
    """Change the weights, by name, in place."""
    weights = load_file(folder / "model.safetensors")
    save_file(change(weights), folder / "model.safetensors", metadata={"format": "pt"})


def model_of(folder, **settings):
    model, _ = load_model(
        str(folder), load_model_config(str(folder)), RewardConfig(model_name_or_path=str(folder), **settings)
    )
    return model


def saved(model, folder):
    model.save_pretrained(folder)
    return folder
