"""Sample tokens: the ids and loss masks of samples, by blocks where plans write the texts, otherwise one by one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import pyarrow as pa

from preftemplates.core.samples import SAMPLE_TYPES, Sample
from preftemplates.data.columnar.arrays import to_arrow
from preftemplates.data.columnar.tokens.alignment import TokenTable
from preftemplates.data.columnar.tokens.block_tokens import BlockEncoder
from preftemplates.data.token_schema import PROMPT_LENGTH, TokenSchema
from preftemplates.errors import Code, RowError, SpanError
from preftemplates.templates.rendering import render_sample
from preftemplates.tokens.engines.loading import load_engine, make_default_engine
from preftemplates.tokens.tokenize import make_encoder
from preftemplates.tokens.tokenizers import get_tokenizer_copies

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from preftemplates.core.messages import Message
    from preftemplates.data.columnar.blocks import Block
    from preftemplates.data.columnar.tokens.block_tokens import BlockTokens
    from preftemplates.data.columnar.turns import Numbers
    from preftemplates.styles.style import Style
    from preftemplates.tokens.engines.engine import Engine
    from preftemplates.tokens.loss import LossSelection
    from preftemplates.tokens.tokenizers import FastTokenizer
    from preftemplates.tokens.tokens import Tokens


def make_block_encoder(
    tokenizer: FastTokenizer, style: Style, selection: LossSelection | None = None, engine: str | None = None
) -> BlockEncoder:
    """Build the encoder of texts that plans write.

    Args:
        tokenizer: a fast tokenizer of transformers.
        style: the style of the texts.
        selection: the tokens to train on; None if only ids are needed.
        engine: the name of the engine, or its directory; None for the installed tokenizers.

    Raises:
        DefinitionError: as for `load_engine` and `tokenize`.
    """
    encoder = make_encoder(tokenizer)
    copies = encoder.copies
    reference = make_default_engine(copies.full)
    chosen: Engine = reference if engine is None else load_engine(engine, copies.json, reference)
    table = TokenTable(copies.token_bytes)
    return BlockEncoder(encoder, style, chosen, table, selection, copies.find_offsets)


class TokenizedBlock(NamedTuple):
    """The tokens of the samples of a block.

    Attributes:
        places: the place of each sample in the block, in order.
        columns: the columns of these samples, in the order of the schema.
        lengths: the number of ids of each sample's longest text.
        left: the places of the other samples, which are encoded one by one.
    """

    places: Numbers
    columns: list[pa.Array]
    lengths: Numbers
    left: Numbers


@dataclass(frozen=True)
class TokenizedSample:
    """The tokens of one sample.

    Attributes:
        row: the columns.
        length: the number of ids of the longest text.
    """

    row: dict[str, Any]
    length: int


class SampleTokenizer:
    """Encodes the samples of a template, with the ids of `tokenize` and the masks of a loss selection.

    Args:
        schema: the columns.
        tokenizer: a fast tokenizer of transformers.
        selection: the tokens to train on.
        engine: the name of the engine, or its directory; None for the installed `tokenizers`.

    Raises:
        DefinitionError: as for `load_engine` and `tokenize`.
    """

    def __init__(
        self,
        schema: TokenSchema,
        tokenizer: FastTokenizer,
        selection: LossSelection,
        engine: str | None = None,
    ) -> None:
        style = schema.template.text_style(schema.format)
        assert style is not None
        self.schema, self._style, self._selection = schema, style, selection
        self._tokenizer = tokenizer
        self._encoder = make_encoder(tokenizer)
        self._blocks = make_block_encoder(tokenizer, style, selection, engine)

    @property
    def is_current(self) -> bool:
        """Return whether the tokenizer still has the tokens that it had when this was made."""
        return get_tokenizer_copies(self._tokenizer) is self._encoder.copies

    @property
    def engine(self) -> Engine:
        """Return the engine in use."""
        return self._blocks.engine

    def encode_block(self, block: Block) -> TokenizedBlock:
        """Return the tokens of the samples in a block whose texts are written by plans."""
        tokens = self._blocks.encode(block)
        labels = dict(zip(self.schema.text_schema.names, block.columns, strict=True))
        columns = self._list_columns(tokens)
        indices = to_arrow(tokens.places)
        for name in self.schema.labels:
            columns[name] = labels[name].take(indices)
        counts = [text.counts for text in tokens.responses.values()]
        filled = [columns[field.name].cast(field.type) for field in self.schema.schema]
        return TokenizedBlock(tokens.places, filled, np.max(counts, axis=0), tokens.left)

    def _list_columns(self, tokens: BlockTokens) -> dict[str, pa.Array]:
        columns: dict[str, pa.Array] = {}
        for name, text in tokens.responses.items():
            names = self.schema.responses[name]
            borders = np.append(0, np.cumsum(text.counts)).astype(np.int32)
            columns[names.ids] = pa.ListArray.from_arrays(to_arrow(borders), to_arrow(text.ids))
            columns[names.length] = to_arrow(text.counts.astype(np.int32))
            if names.mask and text.mask is not None:
                mask = text.mask.view(np.int8)
                columns[names.mask] = pa.ListArray.from_arrays(to_arrow(borders), to_arrow(mask))
            if names.completion:
                own = np.arange(len(text.ids)) - np.repeat(borders[:-1] + tokens.prompt_counts, text.counts) >= 0
                columns[names.completion] = pa.ListArray.from_arrays(to_arrow(borders), to_arrow(own.view(np.int8)))
        if self.schema.has_prompt_length:
            columns[PROMPT_LENGTH] = to_arrow(tokens.prompt_counts.astype(np.int32))
        return columns

    def encode_sample(self, sample: Sample[list[Message]], labels: Mapping[str, Any]) -> TokenizedSample:
        """Return the tokens of one sample.

        Args:
            sample: the sample, as messages.
            labels: the labels by name, as the text dialect writes them.

        Raises:
            RowError: the style cannot write the sample, or no token of a response can be trained on.
            StyleContractError: as for `tokenize`.
        """
        rendered = render_sample(sample, self._style)
        prompt = self._encoder.encode(rendered.prompt)
        if not rendered.responses:
            ids = prompt.input_ids
            return TokenizedSample(self.schema.fill_row(len(ids), {"prompt": (ids, ())}, labels), len(ids))
        responses = {}
        for name, response in rendered.responses.items():
            tokens = self._encoder.encode_response(response, prompt)
            turns: Sequence[Message] = [sample.responses[name][0]] if sample.pieces else sample.responses[name]
            selection = self._selection
            if sample.pieces and response is not [*rendered.responses.values()][-1]:
                selection = replace(selection, stop=False)  # only the last piece has the end of the turn
            try:
                mask = selection.mask(tokens, [*sample.prompt, *turns], len(sample.prompt))
            except SpanError as error:
                raise RowError(f"{name}: {error}{_advise(selection, tokens)}", code=Code.NOTHING_TRAINED) from error
            responses[name] = (tokens.input_ids, mask)
        longest = max(len(ids) for ids, _ in responses.values())
        return TokenizedSample(self.schema.fill_row(len(prompt), responses, labels), longest)

    def read_sample(self, block: Block, place: int) -> tuple[Sample[list[Message]], dict[str, Any]]:
        """Return a sample of a block as messages, and its labels as the text dialect writes them."""
        parts: dict[str, Any] = {name: part.list_messages(place) for name, part in block.parts.items()}
        labels = {
            name: column[place].as_py()
            for name, column in zip(self.schema.text_schema.names, block.columns, strict=True)
            if name in self.schema.labels
        }
        values = {
            name: value[place].as_py() if isinstance(value, pa.Array) else value
            for name, value in block.labels.items()
        }
        sample_type: Any = SAMPLE_TYPES.get(self.schema.format)
        return cast("Sample[list[Message]]", sample_type(**{**values, **parts})), labels


def _advise(selection: LossSelection, tokens: Tokens) -> str:
    """Return what to do if a style ends no answer with a token, and that token should be trained on."""
    kinds = {span.kind for span in tokens.spans if span is not None}
    asks = selection.stop and "stop" not in kinds and "content" in kinds
    advice = "; to train on the content alone, use LossSelection(stop=False), or --no-stop on the command line"
    return advice if asks else ""
