"""What the trainer's tests share: small models of three kinds, and short runs."""

from __future__ import annotations

import sys
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from io import StringIO
from typing import TYPE_CHECKING
from unittest.mock import patch

import torch
from hypothesis import strategies as st
from preftemplates_train.__main__ import main
from preftemplates_train.data.demo import generate
from preftemplates_train.model.tiny import train_tiny_tokenizer
from preftemplates_train.settings.command_line import read_config
from preftemplates_train.training.run import train
from rich.console import Console
from support import NASTY, texts
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertModel, BertTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

if TYPE_CHECKING:
    from pathlib import Path

KINDS = ("decoder", "decoder with BOS", "encoder")

WORDS = [text for row in generate(400)[0] for text in (row["prompt"], row["response_0"], row["response_1"])]


def decoder_with_bos(folder: Path) -> None:
    """A causal model whose tokenizer writes <s> before plain text, and has no pad token."""
    tokenizer = train_tiny_tokenizer(WORDS, 600)
    backend = tokenizer.backend_tokenizer
    backend.add_special_tokens(["<s>", "</s>"])
    begin = backend.token_to_id("<s>")
    backend.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", begin)])
    PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>").save_pretrained(folder)
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=256, **shape, initializer_range=0.1)
    LlamaForCausalLM(config).save_pretrained(folder)


def encoder(folder: Path) -> None:
    """An encoder whose tokenizer writes [CLS] and [SEP] around plain text, and has no EOS; with dropout."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(WORDS, trainers.WordPieceTrainer(vocab_size=600, special_tokens=special))
    BertTokenizer(vocab=tokenizer.get_vocab()).save_pretrained(folder)
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=256, **shape, initializer_range=0.1
    )
    BertModel(config).save_pretrained(folder)


few_generated = partial(generate, 400, held_out=0.05)
"""A smaller generated set, with 84 held-out pairs, for runs of which nobody asks what they learn."""

MAKERS = {"decoder with BOS": decoder_with_bos, "encoder": encoder}
"""How the untrained models of two kinds are made; the third is made by the run itself."""


def train_by(*words: str):
    """A run of the command with these words: its outcome and what it printed."""
    said = StringIO()
    return train(read_config(list(words)), Console(file=said, width=120)), said.getvalue()


def command(*words):
    """The command `preftemplates-train` with these words: its exit code, and what it wrote to both streams."""
    out, err = StringIO(), StringIO()
    words = [str(word) for word in words]
    with redirect_stdout(out), redirect_stderr(err), patch.object(sys, "argv", ["preftemplates-train", *words]):
        try:
            main()
        except SystemExit as done:
            return done.code, out.getvalue(), err.getvalue()


def refusal(*words):
    """What the command says when it refuses these words: one line, and nothing else."""
    code, out, err = command(*words)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.endswith("\n")
    assert len(err.splitlines()) == 1
    assert err[:-1].isprintable()
    return err.removeprefix("error: ").strip()


HOSTILE = (
    *NASTY,
    "[red]x[/red]",
    "[/]",
    "[/red]",
    "[link=http://x]",
    ":smile:",
    "\x1b]0;title\x07",
    "\x9b31m",
    "\r",
    "\x07",
)
MARKUP = st.lists(texts() | st.sampled_from(HOSTILE), max_size=5).map("".join)
"""Texts that rich or a terminal would act on."""


@st.composite
def shared_beginnings(draw, most=4):
    """Groups of texts that begin alike: the beginning may be empty or the whole text, and texts may be the same."""
    ids = st.lists(st.integers(3, 59), max_size=9)
    groups = []
    for _ in range(draw(st.integers(1, most))):
        beginning = draw(ids)
        branches = draw(st.lists(ids, min_size=1, max_size=3))
        groups.append([beginning + (branch if beginning or branch else [3]) for branch in branches])
    return groups
