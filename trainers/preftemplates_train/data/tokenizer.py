"""The tokenizer of a run: either it or the style writes the special tokens, and no text contains its pad token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing
from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from preftemplates.errors import preview
from preftemplates.styles.tokenizer_files import lacks_tokenizer
from preftemplates_train.data.checkpoint_files import check_checkpoint_files, has_own_tokenizer_code
from preftemplates_train.errors import SetupError, summarize_error

if TYPE_CHECKING:
    from preftemplates import Style

PROBE_CONVERSATION = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]

TextEncoder = Callable[[Sequence[str]], list[list[int]]]
"""Encodes texts: returns the ids of each, special tokens included."""


class AddedText(NamedTuple):
    """The special tokens that a tokenizer adds around plain text: `<s>` and nothing, or `[CLS]` and `[SEP]`."""

    before: str
    after: str


NO_ADDED_TEXT = AddedText("", "")

NO_TOKENIZER = "{} has no tokenizer; save the tokenizer of its base model into it"


def load_tokenizer(name: str, revision: str = "main") -> PreTrainedTokenizerFast:
    """Load a checkpoint's tokenizer, without running code from the checkpoint.

    Raises:
        SetupError: there is no tokenizer, it is not a fast one, or its vocabulary has only special tokens.
    """
    check_checkpoint_files(name)
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(name, revision=revision, trust_remote_code=False)
    except Exception as error:
        if Path(name).is_dir() and not has_own_tokenizer_code(Path(name)):
            _check_configuration(name)  # transformers reads it to find the tokenizer's class
            if lacks_tokenizer(Path(name)):
                raise SetupError(NO_TOKENIZER.format(name)) from error
        raise SetupError(f"{name}: its tokenizer cannot be loaded: {summarize_error(error)}") from error
    if not tokenizer.is_fast:
        raise SetupError(f"{name}: expected a fast tokenizer, got {type(tokenizer).__name__}")
    if not _has_words(tokenizer):
        raise SetupError(NO_TOKENIZER.format(name))
    tokenizer.padding_side = "right"
    return tokenizer  # type: ignore[no-any-return]


def _has_words(tokenizer: PreTrainedTokenizerFast) -> bool:
    """Return whether the vocabulary has more than special tokens.

    If a checkpoint has no tokenizer, transformers may make one for the model type, whose vocabulary has only its
    special tokens and at most one other, such as the mark of a space.
    """
    added = {token.content for token in tokenizer.added_tokens_decoder.values()}
    return len(tokenizer.get_vocab().keys() - added) > 1


def _check_configuration(name: str) -> None:
    """Raise an error if a local checkpoint's configuration cannot be used."""
    try:
        AutoConfig.from_pretrained(name, trust_remote_code=False)
    except Exception as error:
        raise SetupError(f"{name}: its config.json cannot be read: {summarize_error(error)}") from error


def find_added_text(tokenizer: PreTrainedTokenizerBase) -> AddedText:
    """Return the special tokens that the tokenizer adds to plain text, as text.

    Raises:
        SetupError: the added tokens cannot be written as text that encodes to the same tokens.
    """
    plain_ids = tokenizer("a", add_special_tokens=False)["input_ids"]
    all_ids = tokenizer("a")["input_ids"]
    for start in range(len(all_ids) - len(plain_ids) + 1):
        if all_ids[start : start + len(plain_ids)] == plain_ids:
            added_ids = all_ids[:start], all_ids[start + len(plain_ids) :]
            added = AddedText(*("".join(tokenizer.convert_ids_to_tokens(ids)) for ids in added_ids))
            if encode_texts(tokenizer, added, add_special_tokens=False) == list(added_ids):
                return added
    raise SetupError(
        f"the tokenizer encodes 'a' as {all_ids}, and as {plain_ids} without special tokens; the tokens that it adds"
        " cannot be written as text"
    )


def encode_texts(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], add_special_tokens: bool = True
) -> list[list[int]]:
    """Return the ids of each text; text that spells a special token becomes its id."""
    encoded = tokenizer(list(texts), add_special_tokens=add_special_tokens, return_attention_mask=False, verbose=False)
    return [list(ids) for ids in encoded["input_ids"]]


def remove_added_text(tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    """Return a tokenizer that adds nothing to plain text, also after it is saved and loaded again.

    A tokenizer that already adds nothing is returned as it is. Any other one becomes a `PreTrainedTokenizerFast`: a
    class such as BertTokenizer adds its special tokens again when it is loaded.
    """
    if find_added_text(tokenizer) == NO_ADDED_TEXT:
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


def prepare_tokenizer(
    tokenizer: PreTrainedTokenizerFast, style: Style | None, pad_token: str | None = None
) -> PreTrainedTokenizerFast:
    """Return the tokenizer of a run: the style writes the special tokens, and no text contains the pad token.

    Args:
        tokenizer: the model's tokenizer; it may be changed.
        style: the style of all texts; None if a custom template writes them.
        pad_token: as `requested` of `set_pad_token`.

    Raises:
        SetupError: as `set_pad_token`.
    """
    if style is not None:
        tokenizer = remove_added_text(tokenizer)
        tokenizer.chat_template = style.chat_template
    set_pad_token(tokenizer, style, pad_token)
    return tokenizer


def set_pad_token(tokenizer: PreTrainedTokenizerFast, style: Style | None, requested: str | None = None) -> None:
    """Give the tokenizer a pad token that no text contains: its own, another one of its vocabulary, or a new one.

    EOS cannot pad: transformers reads the reward at the last token that is not the pad token, so it would skip the EOS
    at the end of a text.

    Args:
        tokenizer: the tokenizer; it is changed.
        style: the style, which must not write the token.
        requested: the token that the user names; it is added if the vocabulary lacks it.

    Raises:
        SetupError: the named token is EOS or written by the style, or there is neither a pad token nor EOS.
    """
    probe = PROBE_CONVERSATION
    written = "" if style is None else style.text(probe, add_generation_prompt=False)  # type: ignore[arg-type]
    eos, pad = tokenizer.eos_token, tokenizer.pad_token

    def is_unused(token: str | None) -> bool:
        return bool(token) and token != eos and str(token) not in written

    if requested is not None:
        if not is_unused(requested):
            raise SetupError(f"pad_token {preview(requested)} is EOS, or the style writes it; name another")
        pad = requested
    elif pad is None and eos is None:
        raise SetupError("the tokenizer has neither a pad token nor EOS; name a pad token with --pad_token")
    elif not is_unused(pad):
        new_tokens = (f"<|pad{number or ''}|>" for number in count())
        pad = next(token for token in chain(_find_padding_tokens(tokenizer), new_tokens) if is_unused(token))
    tokenizer.add_special_tokens({"pad_token": pad})


def _find_padding_tokens(tokenizer: PreTrainedTokenizerFast) -> list[str]:
    """Return the special tokens with "pad" in their names."""
    added = tokenizer.added_tokens_decoder.values()
    return [str(token) for token in added if token.special and "pad" in str(token).lower()]
