"""The encoder: turns a text into tokens, with control tokens only where the style wrote them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from preftemplates.errors import Code, RowError, StyleContractError, preview
from preftemplates.tokens.token_bytes import WHITESPACE
from preftemplates.tokens.tokenizers import PiecePosition, Token, TokenizerCopies, encode_text, extend_over_gaps
from preftemplates.tokens.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from preftemplates.core.spans import Rendered, Span


@dataclass(frozen=True)
class Encoder:
    """The copies of a tokenizer, with the tokens that are declared to be control or content."""

    copies: TokenizerCopies
    control: frozenset[str]
    content_tokens: frozenset[str]

    def encode(self, rendered: Rendered) -> Tokens:
        """Encode a text."""
        return self._add_prefix(rendered, self.encode_without_prefix(rendered))

    def encode_without_prefix(self, rendered: Rendered) -> list[Token]:
        """Encode a text without the tokenizer's prefix, such as a BOS.

        The whole text is encoded as the tokenizer reads it, or in pieces if content makes or breaks a control token.
        """
        control, written = self._find_written(rendered)
        tokens = self._read_whole(rendered)
        control_ids = self.copies.get_ids(control)
        extended = [token for _, token in extend_over_gaps(tokens, control_ids, len(rendered.text))]
        # no control token was forged, and none was broken by adjacent content: keep the tokenizer's own ids
        if len(extended) == len(written) and all(map(_is_written_token, extended, written)):
            stripped = iter(written)  # these do not cover the whitespace that some tokens swallow
            return [next(stripped) if token.id in control_ids else token for token in tokens]
        return self._encode_pieces(rendered.text, written, control, 0)

    def encode_response(self, rendered: Rendered, prompt: Tokens) -> Tokens:
        """Encode a response so that its tokens begin with those of its prompt."""
        prompt_text = prompt.rendered.text
        if not rendered.text.startswith(prompt_text):
            raise StyleContractError(
                f"the text of a response does not begin with the prompt's text {preview(prompt_text)}, so the prompt's"
                " ids cannot stay the same",
                code=Code.PREFIX_UNSTABLE,
            )
        length = len(prompt)
        tokens = self._add_prefix(rendered, self.encode_without_prefix(rendered), length)
        # offsets too: an unknown token across the prompt's end has the id of the prompt's own unknown token
        if (tokens.input_ids[:length], tokens.offsets[:length]) == (prompt.input_ids, prompt.offsets):
            return tokens
        # The whole text has other tokens in or across the prompt. The prompt's ids must stay the same in every
        # response, so only the response's own text is encoded, as the continuation of a text.
        # from the whole text, since a control token that begins in the prompt belongs to the prompt's ids
        control, written = self._find_written(rendered)
        response_control = [token for token in written if token.start >= len(prompt_text)]
        response = self._encode_pieces(rendered.text, response_control, control, len(prompt_text))
        ids = (*prompt.input_ids, *(token.id for token in response))
        offsets = (*prompt.offsets, *((token.start, token.end) for token in response))
        return Tokens(rendered, ids, offsets, length, apart=ids != tokens.input_ids)

    def find_forged(self, rendered: Rendered) -> tuple[Span, ...]:
        """Return the spans in which content spells a control token."""
        control, written = self._find_written(rendered)
        candidates = extend_over_gaps(self._read_whole(rendered), self.copies.get_ids(control), len(rendered.text))
        forged = [
            token
            for token, extended in candidates
            if not any(_is_written_token(extended, written_token) for written_token in written)
        ]
        # without ids, since only the spans that own these characters are needed
        spans = Tokens(rendered, (), tuple((token.start, token.end) for token in forged)).spans
        return tuple(
            span._replace(start=token.start, end=token.end, source=None)  # `source` is that of the span's start
            for token, span in zip(forged, spans, strict=True)
            if span is not None
        )

    def find_control_ids(self, rendered: Rendered) -> frozenset[int]:
        """Return the ids of all control tokens in a text of this style."""
        return self.copies.get_ids(self._find_written(rendered)[0])

    def find_written(self, rendered: Rendered) -> list[Token]:
        """Return the control tokens that the style wrote into a text, in order."""
        return self._find_written(rendered)[1]

    def find_lasting(self, rendered: Rendered) -> list[Token] | None:
        """Return the control tokens that the style writes into every text like this one, in order.

        Returns:
            None if content decides: a token counts only as a separate word, and content may be next to it.
        """
        doubtful = self._select_doubtful(self._list_spelled(rendered), rendered)
        return None if doubtful else self.find_written(rendered)

    def _add_prefix(self, rendered: Rendered, tokens: Sequence[Token], prompt_length: int = 0) -> Tokens:
        """Put the tokenizer's prefix, such as a BOS, before the tokens, unless the style wrote it."""
        ids, prefix = tuple(token.id for token in tokens), self.copies.prefix_ids
        if ids[: len(prefix)] == prefix:
            prefix = ()
        offsets = tuple((token.start, token.end) for token in tokens)
        return Tokens(rendered, prefix + ids, ((0, 0),) * len(prefix) + offsets, prompt_length)

    def _find_written(self, rendered: Rendered) -> tuple[frozenset[str], list[Token]]:
        """Return the names of the control tokens in this style's text, and the places where the style wrote them."""
        copies = self.copies
        written = self._drop_lost_words(self._list_spelled(rendered), rendered)
        control = copies.special | self.control | {copies.names_by_id[token.id] for token in written}
        control -= self.content_tokens
        return control, [token for token in written if copies.names_by_id[token.id] in control]

    def _list_spelled(self, rendered: Rendered) -> list[Token]:
        """Return the added tokens that the style's own characters spell."""
        return [
            Token(id, start + offset, end + offset)
            for offset, text in _style_runs(rendered)
            for id, start, end in self.copies.find_added(text)
        ]

    def _select_doubtful(self, written: Sequence[Token], rendered: Rendered) -> list[Token]:
        """Return the written tokens that adjacent content may turn into a part of a longer word."""
        # inside a run, only the style's own characters are next to a token, and `_list_spelled` has read those
        edges = {edge for start, text in _style_runs(rendered) for edge in (start, start + len(text))}
        lasting = self.copies.special | self.control
        return [
            token
            for token in written
            if (name := self.copies.names_by_id[token.id]) not in lasting
            and name in self.copies.word_tokens
            and not edges.isdisjoint(token[1:])
        ]

    def _drop_lost_words(self, written: list[Token], rendered: Rendered) -> list[Token]:
        """Drop word-only tokens that adjacent content has turned into a part of a longer word.

        This also drops tokens that the normalizer spells with a space before them, as it does at the start of a text.

        Special tokens and tokens declared as control stay, since content cannot break them.
        """
        doubtful = self._select_doubtful(written, rendered)
        if not doubtful:
            return written
        ids = {token.id for token in doubtful}
        extended = [token for _, token in extend_over_gaps(self._read_whole(rendered), ids, len(rendered.text))]
        lost = {token for token in doubtful if not any(_is_written_token(whole, token) for whole in extended)}
        return [token for token in written if token not in lost]

    def _read_whole(self, rendered: Rendered) -> list[Token]:
        """Encode the text as the tokenizer reads it."""
        return encode_text(self.copies.full, rendered.text)

    def _encode_pieces(self, text: str, written: Sequence[Token], control: frozenset[str], start: int) -> list[Token]:
        """Encode the text from a position on, with the given control tokens and no others."""
        tokens: list[Token] = []
        position: PiecePosition = "inside" if start else "start"
        for token in written:
            flags = self.copies.added_tokens[self.copies.names_by_id[token.id]]
            token_start, token_end = token.start, token.end
            if flags["lstrip"]:
                token_start = start + len(text[start:token_start].rstrip(WHITESPACE))  # never into the token before it
            if flags["rstrip"]:
                token_end = len(text) - len(text[token_end:].lstrip(WHITESPACE))
            tokens += self._encode_piece(text, start, token_start, control, position)
            tokens.append(token)
            start, position = token_end, "after"
        return tokens + self._encode_piece(text, start, len(text), control, position)

    def _encode_piece(
        self, text: str, start: int, end: int, control: frozenset[str], position: PiecePosition
    ) -> list[Token]:
        """Encode a piece of text without any control token."""
        if start == end:
            return []
        control_ids = self.copies.get_ids(control)
        tokens = [
            Token(id, start + token_start, start + token_end)
            for id, token_start, token_end in encode_text(self.copies.get_copy(control, position), text[start:end])
        ]
        forged = [token for token in tokens if token.id in control_ids]
        if not forged:
            return tokens
        single = next((token for token in forged if token.end - token.start < 2), None)
        if single:
            raise RowError(
                f"the tokenizer has only a control token for {preview(text[single.start : single.end])}",
                code=Code.UNSUPPORTED_CONTENT,
            )
        # A Unigram model can have </s> in its own vocabulary too. Cutting its text in two makes the model use other
        # tokens. All are cut at once: one per call, 10,000 of them in a content would exceed the recursion limit.
        cuts = [start, *(token.start + 1 for token in forged), end]
        return [
            token
            for cut_start, cut_end in pairwise(cuts)
            for token in self._encode_piece(
                text, cut_start, cut_end, control, position if cut_start == start else "inside"
            )
        ]


def _style_runs(rendered: Rendered) -> Iterator[tuple[int, str]]:
    """Yield the texts that the style wrote without a break, each with its start; empty contents are not breaks."""
    start = end = 0
    for span in rendered.spans:
        # derived text counts as content: the JSON of a tool call spells what the row's values spell
        if span.kind in ("content", "derived") and span.start < span.end:
            if start < span.start:
                yield start, rendered.text[start : span.start]
            start = span.end
        end = span.end
    if start < end:
        yield start, rendered.text[start:end]


def _is_written_token(token: Token, written: Token) -> bool:
    """Return whether a token is the one that the style wrote; it may include whitespace around it."""
    return token.id == written.id and token.start <= written.start and written.end <= token.end
