"""The small decoder and the tokenizer that a run begins with where no model is named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForSequenceClassification, PreTrainedTokenizerFast, set_seed

PAD = "<|pad|>"
END = "<|end|>"


def tiny_tokenizer(texts: Iterable[str], size: int = 900) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer trained on these texts, whose pad token is not its end token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=[PAD, END], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=PAD, eos_token=END)


def tiny_model(tokenizer: PreTrainedTokenizerFast, max_length: int, seed: int) -> LlamaForSequenceClassification:
    """A decoder of two layers, about 140,000 parameters with one output, drawn from a seed."""
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
def one_thread() -> Iterator[None]:
    """One thread for torch: a small model on short texts gains nothing by a second, and waits for it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
