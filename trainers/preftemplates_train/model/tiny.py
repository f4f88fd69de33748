"""The small decoder and its tokenizer, from which a run starts if no model is named."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForSequenceClassification, PreTrainedTokenizerFast, set_seed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PAD_TOKEN = "<|pad|>"
END_TOKEN = "<|end|>"


def train_tiny_tokenizer(texts: Iterable[str], size: int = 900) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer on texts; its pad token is not its end token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=[PAD_TOKEN, END_TOKEN], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=PAD_TOKEN, eos_token=END_TOKEN)


def make_tiny_model(tokenizer: PreTrainedTokenizerFast, max_length: int, seed: int) -> LlamaForSequenceClassification:
    """Make a decoder with two layers, about 140,000 parameters and one output, drawn from a seed."""
    set_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=max_length,
        initializer_range=0.1,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        id2label={0: "reward"},
        label2id={"reward": 0},
        problem_type="regression",
    )
    return LlamaForSequenceClassification(config)


@contextmanager
def use_one_thread() -> Iterator[None]:
    """Use one thread for torch: with a small model and short texts, a second thread costs more than it computes."""
    threads_before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads_before)
