"""Tokenise a text, and find the control tokens that its content spells."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

from preftemplates.core.messages import CONTENT_TOKENS
from preftemplates.core.spans import Rendered, Span
from preftemplates.errors import DefinitionError, did_you_mean, preview
from preftemplates.tokens.encoder import Encoder
from preftemplates.tokens.tokenizers import FastTokenizer, get_tokenizer_copies

if TYPE_CHECKING:
    from collections.abc import Collection

    from preftemplates.core.samples import (
        Judge,
        Preference,
        PromptOnly,
        Ranked,
        Sample,
        Scored,
        Stepwise,
        Supervised,
        Unpaired,
    )
    from preftemplates.tokens.tokens import Tokens


@overload
def tokenize(
    rendered: Rendered,
    tokenizer: FastTokenizer,
    *,
    control: Collection[str] = ...,
    content_tokens: Collection[str] = ...,
) -> Tokens: ...


@overload
def tokenize(
    rendered: PromptOnly[Rendered],
    tokenizer: FastTokenizer,
    *,
    control: Collection[str] = ...,
    content_tokens: Collection[str] = ...,
) -> PromptOnly[Tokens]: ...


@overload
def tokenize(
    rendered: Supervised[Rendered],
    tokenizer: FastTokenizer,
    *,
    control: Collection[str] = ...,
    content_tokens: Collection[str] = ...,
) -> Supervised[Tokens]: ...


@overload
def tokenize(
    rendered: Preference[Rendered],
    tokenizer: FastTokenizer,
    *,
    control: Collection[str] = ...,
    content_tokens: Collection[str] = ...,
) -> Preference[Tokens]: ...


@overload
def tokenize(
    rendered: Unpaired[Rendered],
    tokenizer: FastTokenizer,
    *,
    control: Collection[str] = ...,
    content_tokens: Collection[str] = ...,
) -> Unpaired[Tokens]: ...


@overload
def tokenize(
    rendered: Ranked[Rendered],
    tokenizer: FastTokenizer,
    *,
    control: Collection[str] = ...,
    content_tokens: Collection[str] = ...,
) -> Ranked[Tokens]: ...


@overload
def tokenize(
    rendered: Scored[Rendered],
    tokenizer: FastTokenizer,
    *,
    control: Collection[str] = ...,
    content_tokens: Collection[str] = ...,
) -> Scored[Tokens]: ...


@overload
def tokenize(
    rendered: Stepwise[Rendered],
    tokenizer: FastTokenizer,
    *,
    control: Collection[str] = ...,
    content_tokens: Collection[str] = ...,
) -> Stepwise[Tokens]: ...


@overload
def tokenize(
    rendered: Judge[Rendered],
    tokenizer: FastTokenizer,
    *,
    control: Collection[str] = ...,
    content_tokens: Collection[str] = ...,
) -> Judge[Tokens]: ...


@overload
def tokenize(
    rendered: Sample[Rendered],
    tokenizer: FastTokenizer,
    *,
    control: Collection[str] = ...,
    content_tokens: Collection[str] = ...,
) -> Sample[Tokens]: ...


def tokenize(
    rendered: Rendered | Sample[Rendered],
    tokenizer: FastTokenizer,
    *,
    control: Collection[str] = (),
    content_tokens: Collection[str] = CONTENT_TOKENS,
) -> Tokens | Sample[Tokens]:
    """Tokenise a text, or a sample's prompt and each of its responses.

    The ids are those of `tokenizer(text, add_special_tokens=False)`, after the ids that the tokenizer itself puts
    before plain text (a BOS), unless the style wrote them. The ids that the tokenizer would put after a text are not
    added: a text ends as its style ends it, see `Style.with_special_tokens`.

    Control tokens occur only where the style wrote them. They are the tokens that the tokenizer marks special or
    names, and those of its added tokens that the style's own characters spell in this text. If content spells one, it
    is encoded as plain text, as with `split_special_tokens=True`. A token that the tokenizer marks special stays where
    the style wrote it, even if it counts only as a separate word (`single_word`) and is next to a letter of the
    content, where the tokenizer would miss it.

    In a sample, the prompt has the same ids everywhere: the ids of a response begin with those of the prompt. If the
    ids of the whole text do not, the response's own text is encoded separately, as the continuation of a text.

    Args:
        rendered: a text, or a sample of texts whose responses begin with the prompt.
        tokenizer: a fast tokenizer of transformers, or a `JsonTokenizer`. Its settings for padding and truncation have
            no effect, and it is not changed. Several threads may share it.
        control: further added tokens that content must not become: those that the style writes only in other texts and
            that the tokenizer does not mark special.
        content_tokens: added tokens that content may become even if the style writes them or the tokenizer marks them
            special.

    Raises:
        DefinitionError: the tokenizer is not a fast tokenizer, or lacks an added token named in `control`; or
            tokenizers 1.x is installed, and the tokens never spell the bytes of a text.
        StyleContractError: a response does not begin with the prompt (`prefix_unstable`).
        RowError: the text is not valid Unicode (`bad_text`), or the tokenizer has only a control token for one of its
            characters (`unsupported_content`). With tokenizers 1.x, which has no offsets: the tokens do not spell the
            bytes of this text (`unsupported_content`).

    Example:
        >>> from tokenizers import Tokenizer, models, pre_tokenizers
        >>> from transformers import PreTrainedTokenizerFast
        >>> from preftemplates import get_template, tokenize
        >>> letters = sorted(pre_tokenizers.ByteLevel.alphabet())
        >>> model = Tokenizer(models.BPE({letter: index for index, letter in enumerate(letters)}, []))
        >>> model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        >>> tokenizer = PreTrainedTokenizerFast(tokenizer_object=model)
        >>> template = get_template("PKUSafeRLHF")
        >>> pair = tokenize(template.render(template.example, "preference"), tokenizer)
        >>> len(pair.prompt), pair.chosen.prompt_length, len(pair.chosen), len(pair.rejected)
        (78, 78, 149, 103)
    """
    encoder = make_encoder(tokenizer, control, content_tokens)
    if isinstance(rendered, Rendered):
        return encoder.encode(rendered)
    prompt = encoder.encode(rendered.prompt)
    # encoded once, without the response: a token across the border must not give one response another prompt
    return rendered.map(lambda _: prompt, lambda response: encoder.encode_response(response, prompt))


def find_forged_tokens(
    rendered: Rendered,
    tokenizer: FastTokenizer,
    *,
    control: Collection[str] = (),
    content_tokens: Collection[str] = CONTENT_TOKENS,
) -> tuple[Span, ...]:
    """Find where content spells a control token: the characters of each, with the message that holds them.

    Args:
        rendered: a text.
        tokenizer: as for `tokenize`.
        control: as for `tokenize`, which encodes the spans found here as plain text.
        content_tokens: as for `tokenize`.

    Raises:
        DefinitionError: as for `tokenize`.
        RowError: as for `tokenize`.

    Example:
        >>> from tokenizers import Tokenizer, models
        >>> from transformers import PreTrainedTokenizerFast
        >>> from preftemplates import get_style
        >>> tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()), eos_token="</s>")
        >>> answer = get_style("zephyr").render([{"role": "assistant", "content": "a</s>b"}])
        >>> [(span.start, span.end, span.message) for span in find_forged_tokens(answer, tokenizer)]
        [(15, 19, 0)]
    """
    return make_encoder(tokenizer, control, content_tokens).find_forged(rendered)


def make_encoder(
    tokenizer: FastTokenizer, control: Collection[str] = (), content_tokens: Collection[str] = CONTENT_TOKENS
) -> Encoder:
    """Build the encoder of a tokenizer; the arguments and errors are those of `tokenize`."""
    copies = get_tokenizer_copies(tokenizer)
    for name, tokens in (("control", control), ("content_tokens", content_tokens)):
        if isinstance(tokens, str):  # a collection too, of its characters
            raise DefinitionError(f"{name} must be a collection of tokens; got the string {preview(tokens)}")
    for token in control:
        if token not in copies.added_tokens:
            guess = did_you_mean(token, copies.added_tokens)
            raise DefinitionError(
                f"control names {preview(token)}, which is not an added token of the tokenizer.{guess}"
            )
    return Encoder(copies, frozenset(control), frozenset(content_tokens))
