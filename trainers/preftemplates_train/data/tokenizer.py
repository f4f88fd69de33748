"""The tokenizer of a run: one party writes the special tokens, and the pad token is nothing else's."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, count
from pathlib import Path
from typing import Any, NamedTuple

from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from preftemplates import Style
from preftemplates.errors import preview
from preftemplates_train.errors import SetupError, summarize_error

PROBE = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]


class Around(NamedTuple):
    """What a tokenizer writes around plain text, each as text: `<s>` and nothing, or `[CLS]` and `[SEP]`."""

    before: str
    after: str


def load_tokenizer(name: str, revision: str = "main") -> PreTrainedTokenizerFast:
    """A checkpoint's tokenizer; no code of the checkpoint is run.

    Raises:
        SetupError: there is none, or it is none of the fast ones.
    """
    _refuse_no_checkpoint(name)
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(name, revision=revision, trust_remote_code=False)
    except Exception as error:
        raise SetupError(f"{name} gives no tokenizer: {summarize_error(error)}") from error
    if not tokenizer.is_fast:
        raise SetupError(f"{name} has a tokenizer of the kind {type(tokenizer).__name__}; a fast one is needed")
    tokenizer.padding_side = "right"
    return tokenizer  # type: ignore[no-any-return]


def _refuse_no_checkpoint(name: str) -> None:
    """Refuse a place on this machine that holds no checkpoint, of which transformers speaks as of a hub name."""
    place = Path(name)
    if place.is_dir() and not (place / "config.json").exists():
        raise SetupError(f"{name} is no checkpoint: it holds no config.json")
    if place.is_file():
        raise SetupError(f"{name} is a file; a checkpoint is a directory")
    if not place.exists() and (name.startswith((".", "/", "~")) or name.count("/") > 1):
        raise SetupError(f"there is no directory {name}")


def around(tokenizer: PreTrainedTokenizerBase) -> Around:
    """What the tokenizer adds to plain text.

    Raises:
        SetupError: what it adds is no text that gives the same tokens.
    """
    plain = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole = tokenizer("a")["input_ids"]
    for begin in range(len(whole) - len(plain) + 1):
        if whole[begin : begin + len(plain)] == plain:
            sides = whole[:begin], whole[begin + len(plain) :]
            written = Around(*("".join(tokenizer.convert_ids_to_tokens(side)) for side in sides))
            if encode(tokenizer, written, add_special_tokens=False) == list(sides):
                return written
    raise SetupError(
        f"the tokenizer makes {whole} of the text 'a', and {plain} without special tokens: what it adds is no text"
    )


def encode(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], add_special_tokens: bool = True
) -> list[list[int]]:
    """The ids of each text; the special tokens that a text spells become theirs."""
    encoded = tokenizer(list(texts), add_special_tokens=add_special_tokens, return_attention_mask=False, verbose=False)
    return [list(ids) for ids in encoded["input_ids"]]


def adding_nothing(tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    """The same tokenizer, which adds nothing to plain text, also when it is loaded again.

    A tokenizer that adds nothing is returned as it is. Others lose their class, since a class such as BertTokenizer
    writes its special tokens back when it is loaded.
    """
    if around(tokenizer) == Around("", ""):
        return tokenizer
    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.post_processor = TemplateProcessing(single="$A", pair="$A $B", special_tokens=[])
    backend.no_padding()
    backend.no_truncation()
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=tokenizer.model_max_length,
        clean_up_tokenization_spaces=False,
        **{name: str(token) for name, token in tokenizer.special_tokens_map.items() if isinstance(token, str)},
    )


def set_pad(tokenizer: PreTrainedTokenizerFast, style: Style | None, wanted: str | None = None) -> None:
    """Give the tokenizer a pad token that stands in no text: its own, one of its vocabulary, or a new one.

    Args:
        tokenizer: the tokenizer; it is changed.
        style: the style whose texts the token must not stand in.
        wanted: the token that the user names; it is added where the vocabulary does not hold it.

    Raises:
        SetupError: the named token is EOS or written by the style, or there is neither a pad token nor EOS.
    """
    written = "" if style is None else style.text(PROBE, add_generation_prompt=False)  # type: ignore[arg-type]
    eos, own = tokenizer.eos_token, tokenizer.pad_token

    def free(token: str | None) -> bool:
        return bool(token) and token != eos and str(token) not in written

    if wanted is not None:
        if not free(wanted):
            raise SetupError(f"pad_token {preview(wanted)} is EOS, or the style writes it; name another")
        own = wanted
    elif own is None and eos is None:
        raise SetupError("the tokenizer has neither a pad token nor EOS; name a pad token with --pad_token")
    elif not free(own):
        new = (f"<|pad{number or ''}|>" for number in count())
        own = next(token for token in chain(_like_pad(tokenizer), new) if free(token))
    tokenizer.add_special_tokens({"pad_token": own})


def _like_pad(tokenizer: PreTrainedTokenizerFast) -> list[str]:
    """The special tokens whose names say that they pad."""
    added = tokenizer.added_tokens_decoder.values()
    return [str(token) for token in added if token.special and "pad" in str(token).lower()]
