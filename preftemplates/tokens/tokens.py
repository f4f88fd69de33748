"""Tokens: the token ids of a text, each with the characters that it covers and the span that it belongs to."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile
from typing import TYPE_CHECKING

from preftemplates.core.spans import Rendered, Span, SpanKind  # noqa: TC001  get_type_hints reads the fields
from preftemplates.errors import SpanError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


@dataclass(frozen=True)
class Tokens:
    r"""The tokens of a text: T ids, each with the characters that it covers and the span that it belongs to.

    A token belongs to the span of its first character that is not scaffold, or to the span of its first character if
    all are scaffold. So ` Hi` belongs to the content `Hi`, even if the style wrote the space. If a character is split
    into several tokens, all of them belong to its span. A control token covers only its own characters, even if it
    swallows whitespace around them. A token that covers no character (the BOS or the space that the tokenizer adds
    before a text) belongs to no span and is in no mask.

    Attributes:
        rendered: the text.
        input_ids: the T ids.
        offsets: for each token, the characters `(start, end)` of `rendered.text` that it covers, in code points,
            half-open; `(0, 0)` for the tokens that the tokenizer adds before the text.
        prompt_length: how many tokens at the start belong to the prompt; 0 if the text is not a response.
        apart: whether prompt and response are encoded separately, because the whole text has a token across the
            prompt's end and therefore other ids.

    Example:
        >>> from tokenizers import Tokenizer, models, pre_tokenizers
        >>> from transformers import PreTrainedTokenizerFast
        >>> from preftemplates import get_style, tokenize
        >>> letters = sorted(pre_tokenizers.ByteLevel.alphabet())
        >>> model = Tokenizer(models.BPE({letter: index for index, letter in enumerate(letters)}, []))
        >>> model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        >>> tokenizer = PreTrainedTokenizerFast(tokenizer_object=model, eos_token="</s>")
        >>> answer = get_style("zephyr").render([{"role": "assistant", "content": "a</s>"}])
        >>> tokens = tokenize(answer, tokenizer)
        >>> mask = tokens.mask("content", "stop", role="assistant")
        >>> tokenizer.convert_ids_to_tokens([id for id, trained in zip(tokens.input_ids, mask) if trained])
        ['a', '<', '/', 's', '>', '</s>']
    """

    rendered: Rendered = field(repr=False)
    input_ids: tuple[int, ...]
    offsets: tuple[tuple[int, int], ...]
    prompt_length: int = 0
    apart: bool = False

    def __len__(self) -> int:
        return len(self.input_ids)

    @cached_property
    def spans(self) -> tuple[Span | None, ...]:
        """Return the span that each token belongs to; None for a token that covers no character."""
        # an empty content within a token would own it, since it is not scaffold
        spans = [span for span in self.rendered.spans if span.start < span.end]
        starts = [span.start for span in spans]
        return tuple(_find_owner(spans, starts, start, end) for start, end in self.offsets)

    @property
    def kinds(self) -> tuple[SpanKind | None, ...]:
        """Return the kind of the span that each token belongs to."""
        return tuple(None if span is None else span.kind for span in self.spans)

    def mask(
        self,
        *kinds: SpanKind,
        role: str | None = None,
        messages: Collection[int] | None = None,
        strict: bool = False,
    ) -> list[bool]:
        """Return one bool per token: True if its span has one of these kinds, this role and one of these messages.

        Args:
            kinds: the kinds of spans.
            role: the role of the spans; None for all roles.
            messages: the indices of the spans' messages, as for `Rendered.mask`; None for all.
            strict: whether to raise an error if `stop` is requested and the style never ends a turn of this role.

        Raises:
            SpanError: as for `Rendered.mask`, and if no token belongs to such a span, for example to an empty content.
        """
        # the characters' mask raises the errors; it is not converted, since a token may begin outside of its span
        self.rendered.mask(*kinds, role=role, messages=messages, strict=strict)
        span_filter = self.rendered.make_span_filter(kinds, role, messages)
        mask = [span is not None and span_filter.includes(span) for span in self.spans]
        if not any(mask):
            raise SpanError(f"no token of {span_filter}")
        return mask


def _find_owner(spans: Sequence[Span], starts: Sequence[int], start: int, end: int) -> Span | None:
    """Return the span to which a token with these characters belongs; None if it covers no character."""
    if start == end:
        return None
    first = bisect_right(starts, start) - 1
    touched = takewhile(lambda span: span.start < end, spans[first:])
    return next((span for span in touched if span.kind != "scaffold"), spans[first])
