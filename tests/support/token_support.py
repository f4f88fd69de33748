"""What the tests of tokens share: tokenizers of every kind, trained on the spot, and what they make of a text."""

from __future__ import annotations

import json
import re
from functools import cache
from itertools import chain

from hypothesis import strategies as st
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from preftemplates import Style, Tokens, get_style
from preftemplates.testing import nasty_text

STYLES = ("beginning-of-conversation", "chatml", "human-assistant", "llama3", "plain", "zephyr")
CHATML, HUMAN, PLAIN = (get_style(name) for name in ("chatml", "human-assistant", "plain"))

WHY = {"role": "user", "content": "Why?"}

MARKS = (
    "<|im_start|>", "<|im_end|>", "<s>", "</s>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>",
    "<|eot_id|>", "[CLS]", "[SEP]",
)  # fmt: skip
"""The special tokens that every tokenizer here has."""

CORPUS = [
    "Hello world, how do I keep basil alive indoors? Give it six hours of light a day, and water it.",
    "BEGINNING OF CONVERSATION: USER: Hello ASSISTANT: Hello USER: world ASSISTANT: world",
    "\n\nHuman: Hello\n\nAssistant: Hello world\n\nHuman: Why?\n\nAssistant: So.",
    "user assistant system\nuser\nassistant\nsystem\n <|user|>\n<|assistant|>\n ASSISTANT:Hello ASSISTANT:So",
    "Hello\n\n\nworld\n\n\nWhy?\n\n\nSo.\n\n\nHello",
    "<|im_start|>user\nim start end eot id header / s < > | _ CLS SEP [ ]",
] * 4


def _fast(tokenizer: Tokenizer, **named: str) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, clean_up_tokenization_spaces=False, **named)


def _marked(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.add_special_tokens([AddedToken(mark, normalized=False) for mark in MARKS])
    tokenizer.add_tokens([AddedToken("<think>", normalized=False), AddedToken("</think>", normalized=False)])
    return tokenizer


def _around(tokenizer: Tokenizer, before: str, after: str = "") -> None:
    marks = [(mark, tokenizer.token_to_id(mark)) for mark in (before, after) if mark]
    single = " ".join(filter(None, (before, "$A", after)))
    tokenizer.post_processor = processors.TemplateProcessing(single=single, special_tokens=marks)


def _byte_level(prefix: bool = False) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """A token a byte, and the pad token."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: index for index, letter in enumerate(letters, 1)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return _fast(tokenizer, pad_token="<|pad|>", eos_token="<|end|>")


def byte_level() -> PreTrainedTokenizerFast:
    """As GPT-2 and Qwen: bytes, and nothing in front of a text."""
    return _fast(_marked(_byte_level()), eos_token="<|im_end|>")


def byte_level_with_bos() -> PreTrainedTokenizerFast:
    """As Llama 3: bytes, BOS in front, and offsets without the blanks of a token."""
    tokenizer = _marked(_byte_level())
    _around(tokenizer, "<|begin_of_text|>")
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=True), tokenizer.post_processor])
    return _fast(tokenizer, bos_token="<|begin_of_text|>", eos_token="<|eot_id|>")


def byte_level_with_prefix() -> PreTrainedTokenizerFast:
    """As RoBERTa: bytes, a blank in front of each stretch of text, special tokens around."""
    tokenizer = _marked(_byte_level(prefix=True))
    marks = [(mark, tokenizer.token_to_id(mark)) for mark in ("</s>", "<s>")]
    tokenizer.post_processor = processors.RobertaProcessing(*marks, trim_offsets=True, add_prefix_space=True)
    return _fast(tokenizer, bos_token="<s>", eos_token="</s>")


def byte_level_normalized() -> PreTrainedTokenizerFast:
    """Bytes of composed characters; special tokens that swallow the blanks around them."""
    tokenizer = _byte_level()
    tokenizer.normalizer = normalizers.NFC()
    swallowing = [AddedToken(mark, lstrip=True, rstrip=True, normalized=True) for mark in MARKS]
    tokenizer.add_special_tokens(swallowing)
    return _fast(tokenizer, eos_token="<|im_end|>")


def byte_level_with_plain_marks() -> PreTrainedTokenizerFast:
    """Bytes; the marks of the layouts are added tokens, and none is special."""
    tokenizer = _byte_level()
    tokenizer.add_tokens([AddedToken(mark, normalized=False) for mark in (*MARKS, "<|user|>", "<|assistant|>")])
    return _fast(tokenizer)


def _sentencepiece_bpe(scheme: str) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    letters = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=700, special_tokens=["<unk>", *letters], show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    vocabulary = tokenizer.get_vocab()
    merges = [tuple(merge) for merge in json.loads(tokenizer.to_str())["model"]["merges"]]
    made = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=False)
    return made


def metaspace_first() -> PreTrainedTokenizerFast:
    """As newer Llama 2 tokenizers: a blank in front of the text alone, BOS, bytes for unknown characters."""
    tokenizer = _marked(_sentencepiece_bpe("first"))
    _around(tokenizer, "<s>")
    return _fast(tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def llama_legacy() -> PreTrainedTokenizerFast:
    """As older Llama tokenizers: the normalizer puts a blank in front of each stretch of text."""
    tokenizer = _sentencepiece_bpe("always")
    tokenizer.pre_tokenizer = None
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    _around(_marked(tokenizer), "<s>")
    return _fast(tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def unigram() -> PreTrainedTokenizerFast:
    """As T5 and XLM-R: the model's own vocabulary holds the special tokens, and a blank follows each of them."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    special = ["<unk>", *MARKS]
    trainer = trainers.UnigramTrainer(vocab_size=300, special_tokens=special, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_tokens(["<think>", "</think>"])
    _around(tokenizer, "", "</s>")
    return _fast(tokenizer, eos_token="</s>", unk_token="<unk>", pad_token="<unk>")


def word_piece() -> PreTrainedTokenizerFast:
    """As BERT: lower case without accents, [CLS] and [SEP] around."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=["[UNK]", "[PAD]"], show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    _around(_marked(tokenizer), "[CLS]", "[SEP]")
    return _fast(tokenizer, cls_token="[CLS]", sep_token="[SEP]", unk_token="[UNK]", pad_token="[PAD]")


STYLE_TOKENS = {
    "chatml": (None, "<|im_end|>", ["<|im_start|>"]),
    "zephyr": (None, "</s>", ["<|user|>", "<|assistant|>", "<|system|>"]),
    "llama3": ("<|begin_of_text|>", "<|eot_id|>", ["<|start_header_id|>", "<|end_header_id|>"]),
    "mistral-v3": ("<s>", "</s>", ["[INST]", "[/INST]"]),
    "phi3": (None, "<|endoftext|>", ["<|user|>", "<|assistant|>", "<|end|>"]),
}
"""Styles, each with the BOS, the EOS and the further special tokens of its tokenizer."""


WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
"""How the tokenizers of Llama 3 and Qwen part a text into words."""


def tokenizer_for_style(style: str, adds_bos: bool) -> PreTrainedTokenizerFast:
    """A tokenizer as Llama 3's with the special tokens of a style, which adds a BOS or does not; no chat template."""
    bos, eos, more = STYLE_TOKENS[style]
    model = _byte_level()
    model.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(WORDS), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]
    )
    model.decoder = decoders.ByteLevel()
    tokenizer = _fast(model)
    named = {"pad_token": "<|pad|>", "eos_token": eos, "additional_special_tokens": more}
    tokenizer.add_special_tokens(named | ({"bos_token": bos} if bos else {}))
    if bos and adds_bos:
        _around(tokenizer.backend_tokenizer, bos)
    return tokenizer


MAKERS = (
    byte_level,
    byte_level_with_bos,
    byte_level_with_prefix,
    byte_level_normalized,
    byte_level_with_plain_marks,
    metaspace_first,
    llama_legacy,
    unigram,
    word_piece,
)
KINDS = tuple(maker.__name__ for maker in MAKERS)


@cache
def tokenizer_of(kind: str) -> PreTrainedTokenizerFast:
    """The tokenizer of a kind, made once."""
    return next(maker for maker in MAKERS if maker.__name__ == kind)()


def plain_ids(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    """What transformers makes of a text."""
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def before(tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """What transformers puts before plain text."""
    whole, plain = tokenizer("Hello")["input_ids"], plain_ids(tokenizer, "Hello")
    starts = [start for start in range(len(whole)) if whole[start : start + len(plain)] == plain]
    return whole[: starts[0]]


def wanted_ids(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    """What transformers makes of a text, with what it puts before plain text unless that stands there."""
    plain, first = plain_ids(tokenizer, text), before(tokenizer)
    return plain if plain[: len(first)] == first else [*first, *plain]


PIECES = st.sampled_from(
    [*MARKS, *(mark[:3] for mark in MARKS), *(mark[2:] for mark in MARKS), "<|", "|>", "<think>", "</think>", "</S>"]
)
"""Control tokens, their halves, and what looks like them."""


def talks(texts: st.SearchStrategy[str]) -> st.SearchStrategy[list[dict[str, str]]]:
    """Conversations of a user and an assistant in turn, which end with an answer."""
    exchange = st.tuples(texts, texts).map(
        lambda two: [{"role": "user", "content": two[0]}, {"role": "assistant", "content": two[1]}]
    )
    return st.lists(exchange, min_size=1, max_size=2).map(lambda exchanges: [*chain(*exchanges)])


def texts_with_marks() -> st.SearchStrategy[str]:
    """Texts in which control tokens stand anywhere."""
    return st.lists(PIECES | nasty_text(), max_size=5).map("".join)


def texts_without_marks() -> st.SearchStrategy[str]:
    """Texts that spell no part of a token with a name: blanks, emoji, combining characters and all scripts."""
    words = st.sampled_from(
        ["Hello", " world", "e\u0301", "é", "ﬁ", "日本", "👩‍🚀", "\n\n", "  ", "\t", "ASSISTANT:", "'s", "."]
    )
    return st.lists(words | nasty_text(), max_size=5).map(lambda parts: re.sub(r"[<>|\[\]]", "", "".join(parts)))


def answer(text: str) -> dict[str, str]:
    """A message of an assistant."""
    return {"role": "assistant", "content": text}


def pieces(tokenizer: PreTrainedTokenizerFast, tokens: Tokens, mask: list[bool] | None = None) -> list[str]:
    """The tokens as the vocabulary spells them, those of a mask alone if one is given."""
    spelled = tokenizer.convert_ids_to_tokens(list(tokens.input_ids))
    return [piece for piece, picked in zip(spelled, mask or [True] * len(spelled), strict=True) if picked]


def style_of(user: str, assistant: str, **others: str) -> Style:
    """A style of two role templates."""
    return type("Drawn", (Style,), {"user": user, "assistant": assistant, **others})()
