"""Reward models of more architectures, for the tests of who else can load a checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from preftemplates_train.model.tiny import train_tiny_tokenizer
from trainer_support import MAKERS, WORDS, train_by
from transformers import Gemma3ForCausalLM, Gemma3TextConfig, Qwen3Config, Qwen3ForCausalLM

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedTokenizerFast

SHAPE = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 16, "max_position_embeddings": 256, "initializer_range": 0.3,
}  # fmt: skip

ANY_ROLE = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""A chat template that writes the name of any role, as those of many models do."""


def qwen3(folder: Path) -> None:
    """A causal model with a chat template of its own, and a tokenizer that adds nothing."""
    tokenizer = _add_tokens(train_tiny_tokenizer(WORDS, 600), "<|im_start|>", "<|im_end|>")
    tokenizer.chat_template = ANY_ROLE
    tokenizer.save_pretrained(folder)
    Qwen3ForCausalLM(Qwen3Config(vocab_size=len(tokenizer), **SHAPE)).save_pretrained(folder)


def gemma3(folder: Path) -> None:
    """A causal model whose layers differ: one attends to all tokens, the other to the last 16."""
    tokenizer = _add_tokens(train_tiny_tokenizer(WORDS, 600), "<bos>", "<start_of_turn>", "<end_of_turn>")
    tokenizer.save_pretrained(folder)
    layers = ["full_attention", "sliding_attention"]
    config = Gemma3TextConfig(vocab_size=len(tokenizer), layer_types=layers, sliding_window=16, **SHAPE)
    Gemma3ForCausalLM(config).save_pretrained(folder)


def _add_tokens(tokenizer: PreTrainedTokenizerFast, *tokens: str) -> PreTrainedTokenizerFast:
    torch.manual_seed(0)
    tokenizer.add_tokens(list(tokens), special_tokens=True)
    return tokenizer


MORE_MAKERS = {"qwen3": qwen3, "gemma3": gemma3}
STYLES = {"qwen3": [], "gemma3": ["--style", "gemma3"]}
CHATML = ["--style", "chatml"]

HEADS = {f"head on {kind}": kind for kind in ("decoder with BOS", "encoder", *MORE_MAKERS)}
"""A linear head on the first of the two layers of each of these."""


def train_kind(kind: str, home: Path) -> Path:
    """Train a model of one of the kinds for a few steps on the generated set, or fit its head; return its folder."""
    base = HEADS.get(kind, kind)
    {**MORE_MAKERS, **MAKERS}[base](home / "base")
    folder = home / "reward-model"
    words = ["--model_name_or_path", str(home / "base"), "--output_dir", str(folder), *STYLES.get(base, CHATML)]
    head = ["--train", "head", "--head_layers", "1"]
    steps = ["--learning_rate", "1e-3", "--max_steps", "6", "--eval_strategy", "no", "--save_strategy", "no"]
    train_by(*words, *(head if kind in HEADS else [*steps, "--per_device_train_batch_size", "8"]))
    return folder
