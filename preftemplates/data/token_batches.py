"""Token batches: Arrow tables of rows in, Arrow tables of token ids, loss masks and lengths out."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from preftemplates.data.batches import BatchFormatter, OnRowError, Outcome
from preftemplates.data.columnar.arrays import to_arrow
from preftemplates.data.columnar.formatting import ColumnarFormatter
from preftemplates.data.sample_tokens import SampleTokenizer
from preftemplates.data.token_schema import TokenSchema
from preftemplates.errors import DefinitionError, preview
from preftemplates.tokens.loss import LossSelection

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from preftemplates.core.samples import Format
    from preftemplates.data.columnar.blocks import Block
    from preftemplates.data.columnar.turns import Numbers
    from preftemplates.templates.results import Formatted
    from preftemplates.templates.template import Template
    from preftemplates.tokens.engines.engine import Engine
    from preftemplates.tokens.tokenizers import FastTokenizer


class TokenBatchFormatter(BatchFormatter):
    r"""Formats the rows of an Arrow batch or table, and returns their token ids, loss masks and lengths.

    The ids are those that `tokenize` gives for the sample's text in the template's style. Use it like
    `BatchFormatter`, also inside `datasets.map`.

    Args:
        template: the template; its style writes the texts.
        format: the format's name.
        tokenizer: a fast tokenizer of transformers.
        loss: the tokens to train on.
        engine: the name of an engine, or its directory; by default the tokenizer itself.
        on_error: as for `BatchFormatter`. A sample without a token to train on is an error.
        id_column: as for `BatchFormatter`.

    Raises:
        DefinitionError: the template is custom, or the engine's ids differ from those of the tokenizer.

    Example:
        >>> import pyarrow as pa
        >>> from tokenizers import Tokenizer, models, pre_tokenizers
        >>> from transformers import PreTrainedTokenizerFast
        >>> from preftemplates import TokenBatchFormatter, get_template
        >>> letters = sorted(pre_tokenizers.ByteLevel.alphabet())
        >>> model = Tokenizer(models.BPE({letter: index for index, letter in enumerate(letters)}, []))
        >>> model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        >>> tokenizer = PreTrainedTokenizerFast(tokenizer_object=model, eos_token="<|im_end|>")
        >>> template = get_template("TRL").with_style("chatml")
        >>> formatter = TokenBatchFormatter(template, "supervised", tokenizer)
        >>> (row,) = formatter(pa.table({"prompt": ["Hi"], "completion": ["No."]})).to_pylist()
        >>> tokenizer.decode([id for id, trained in zip(row["input_ids"], row["assistant_masks"]) if trained])
        'N o . <|im_end|>'
    """

    def __init__(
        self,
        template: Template,
        format: Format,
        tokenizer: FastTokenizer,
        *,
        loss: LossSelection | None = None,
        engine: str | None = None,
        on_error: OnRowError = "raise",
        id_column: str | None = None,
    ) -> None:
        if loss is not None and not isinstance(loss, LossSelection):
            raise DefinitionError(f"loss must be a LossSelection, such as LossSelection('last'); got {preview(loss)}")
        self.tokenizer, self.loss, self._engine_name = tokenizer, loss or LossSelection(), engine
        self._tokens = TokenSchema(template, format, has_masks=True)
        super().__init__(self._tokens.template, format, on_error=on_error, id_column=id_column)
        self._sample_tokenizer  # noqa: B018  an engine that cannot be used raises its error here

    @property
    def engine(self) -> Engine:
        """Return the engine in use."""
        return self._sample_tokenizer.engine

    @cached_property
    def _sample_tokenizer(self) -> SampleTokenizer:
        return SampleTokenizer(self._tokens, self.tokenizer, self.loss, self._engine_name)

    @cached_property
    def _result_schema(self) -> pa.Schema:
        return self._tokens.schema

    def _make_columnar(self, *, finds_skips: bool) -> ColumnarFormatter:
        return ColumnarFormatter(self.template, self.format, self._tokens.text_schema, finds_skips=finds_skips)

    def _read_blocks(self, blocks: Sequence[Block]) -> tuple[list[Outcome], Numbers]:
        if not self._sample_tokenizer.is_current:
            del self._sample_tokenizer  # the tokenizer has new tokens
        kept_blocks = [_drop_skipped(block) for block in blocks]
        encoded = [self._sample_tokenizer.encode_block(block) for block in kept_blocks]
        # one sample that is left to the row path takes its whole row there, which formats rows and not samples
        left_rows = [block.rows[one.left] for block, one in zip(kept_blocks, encoded, strict=True)]
        left = np.unique(np.concatenate([np.zeros(0, np.int64), *left_rows]))  # `concatenate` raises for no arrays
        outcomes = []
        for block, kept_block, one in zip(blocks, kept_blocks, encoded, strict=True):
            rows = kept_block.rows[one.places]
            kept = np.flatnonzero(~np.isin(rows, left))
            columns = (
                one.columns if len(kept) == len(rows) else [column.take(to_arrow(kept)) for column in one.columns]
            )
            outcomes.append(Outcome(rows[kept], self._add_errors(columns, len(kept))))
            others = np.flatnonzero(~np.isin(block.rows, left))  # the row path lists the skips of `left`
            outcomes += self._list_skipped(block if len(others) == len(block.rows) else block.take(others))
        return outcomes, left

    def _write_sample(self, sample: Formatted) -> dict[str, Any]:
        assert sample.plain_messages is not None
        return self._sample_tokenizer.encode_sample(sample.plain_messages, sample.result).row

    def __getstate__(self) -> tuple[Any, ...]:
        return self.template, self.format, self.tokenizer, self.loss, self._engine_name, self.on_error, self.id_column

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        template, format, tokenizer, loss, engine, on_error, id_column = state
        # engines are not pickled: the other process loads and checks its own
        self.__init__(  # type: ignore[misc]
            template, format, tokenizer, loss=loss, engine=engine, on_error=on_error, id_column=id_column
        )

    def __repr__(self) -> str:
        return f"TokenBatchFormatter({self.template!r}, {self.format!r}, engine={self.engine.name!r})"


def _drop_skipped(block: Block) -> Block:
    """Return the samples of a block that should be trained on."""
    if block.skips is None or not block.skips.any():
        return block
    return block.take(np.flatnonzero(block.skips == 0))
