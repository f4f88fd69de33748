"""The demo: a small reward model trained on the generated set, with nothing fetched from anywhere."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    LlamaConfig,
    LlamaForSequenceClassification,
    PreTrainedTokenizerFast,
    TrainingArguments,
    set_seed,
)

from preftemplates import get_template
from preftemplates.template import Template
from preftemplates_train.demo_data import generate
from preftemplates_train.lengths import TokenPair, encode_pairs
from preftemplates_train.pairs import read_pairs
from preftemplates_train.trainer import PairCollator, PairDataset, RewardTrainer

PAD = "<|pad|>"
END = "<|end|>"
MAX_LENGTH = 128


def tokenizer_of(texts: Iterable[str], size: int = 900) -> PreTrainedTokenizerFast:
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


def model_of(tokenizer: PreTrainedTokenizerFast, seed: int) -> LlamaForSequenceClassification:
    """A decoder of about 120,000 parameters with one output, drawn from a seed."""
    set_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=MAX_LENGTH,
        initializer_range=0.1,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    config.num_labels = 1
    config.problem_type = "regression"
    return LlamaForSequenceClassification(config)


def run(template: Template | None = None, *, seed: int = 0, pairs: int = 4000, epochs: float = 3) -> dict[str, float]:
    """Train on the generated set, and evaluate on held-out combinations by the labels given and by the right ones.

    Args:
        template: how the rows are read; PKUSafeRLHF unless another is given.
        seed: what the set, the model and the order of training depend on.
        pairs: how many rows to train on.
        epochs: how often each is seen.

    Returns:
        The accuracy on the held-out labels, of which a tenth is flipped, and on the clean ones.
    """
    template = template or get_template("PKUSafeRLHF")
    rows, held_out = generate(pairs, seed)
    train, _ = read_pairs(rows, template, source="train")
    test, _ = read_pairs(held_out, template, source="held out")
    clean, _ = read_pairs(
        [{**row, "better_response_id": row["clean_response_id"]} for row in held_out],
        template,
        source="held out, clean",
    )
    tokenizer = tokenizer_of(text for pair in train for text in (pair.chosen, pair.rejected))
    encoded = [_encode(side, tokenizer) for side in (train, test, clean)]
    model = model_of(tokenizer, seed)
    with tempfile.TemporaryDirectory() as folder, one_thread():
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=32,
            per_device_eval_batch_size=128,
            num_train_epochs=epochs,
            learning_rate=2e-3,
            lr_scheduler_type="cosine",
            warmup_steps=30,
            seed=seed,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            remove_unused_columns=False,
            use_cpu=True,
        )
        trainer = RewardTrainer(
            model=model,
            args=arguments,
            data_collator=PairCollator(int(tokenizer.pad_token_id)),
            train_dataset=PairDataset(encoded[0]),
        )
        trainer.train()
        labelled, right = (trainer.evaluate(PairDataset(side)) for side in encoded[1:])
    return {"accuracy": labelled["eval_accuracy"], "clean_accuracy": right["eval_accuracy"]}


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for torch: a model this small gains nothing by a second, and waits for it on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _encode(pairs: Any, tokenizer: PreTrainedTokenizerFast) -> list[TokenPair]:
    def encode(text: str) -> list[int]:
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])

    return encode_pairs(pairs, encode, max_length=MAX_LENGTH, pad_id=int(tokenizer.pad_token_id))[0]
