"""Tokens: the token ids of a text, each with the characters that it covers and the span that owns it."""

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
    r"""A text's tokens: T ids, and for each the characters that it covers and the span that it belongs to.

    A token belongs to the span of the first character that it covers and that is no scaffold; where all of them are
    scaffold, to the first one's. So ` Hi` belongs to the content `Hi`, also where the style wrote the blank. A
    character that is several tokens owns them all. A control token covers its own characters only, also where it
    swallows the blanks around it. A token that covers no character (the BOS that the tokenizer adds, the blank that
    it puts in front of a text) belongs to nobody, and is in no mask.

    Attributes:
        rendered: the text.
        input_ids: T ids.
        offsets: for each token the characters `(start, end)` of `rendered.text` that it covers, in code points,
            half-open; `(0, 0)` for what the tokenizer adds in front.
        prompt_length: how many of the first tokens are the prompt's; 0 where the text is no response.
        apart: whether prompt and response are encoded apart, because the text as a whole has a token across the
            prompt's end, and so has other ids.

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
        """The span that each token belongs to; None for a token that covers no character."""
        spans = [span for span in self.rendered.spans if span.start < span.end]
        starts = [span.start for span in spans]
        return tuple(_find_owner(spans, starts, start, end) for start, end in self.offsets)

    @property
    def kinds(self) -> tuple[SpanKind | None, ...]:
        """The kind of the span that each token belongs to."""
        return tuple(None if span is None else span.kind for span in self.spans)

    def mask(
        self,
        *kinds: SpanKind,
        role: str | None = None,
        messages: Collection[int] | None = None,
        strict: bool = False,
    ) -> list[bool]:
        """Return one bool per token: True for those that belong to spans of these kinds, this role and these messages.

        Args:
            kinds: the kinds of spans.
            role: the role whose spans they are; None for all.
            messages: the indices of the messages whose spans they are, as for `Rendered.mask`; None for all.
            strict: whether to raise an error where `stop` is asked for and the style never ends a turn of this role.

        Raises:
            SpanError: as `Rendered.mask`; and where no token belongs to such a span, such as to an empty content.
        """
        self.rendered.mask(*kinds, role=role, messages=messages, strict=strict)
        span_filter = self.rendered.make_span_filter(kinds, role, messages)
        mask = [span is not None and span_filter.includes(span) for span in self.spans]
        if not any(mask):
            raise SpanError(f"no token of {span_filter}")
        return mask


def _find_owner(spans: Sequence[Span], starts: Sequence[int], start: int, end: int) -> Span | None:
    """The span that a token belongs to which covers these characters."""
    if start == end:
        return None
    first = bisect_right(starts, start) - 1
    touched = takewhile(lambda span: span.start < end, spans[first:])
    return next((span for span in touched if span.kind != "scaffold"), spans[first])
