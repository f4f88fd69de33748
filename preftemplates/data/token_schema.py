"""Token columns: the names and types of columns of token ids, loss masks and lengths, per dataset type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from preftemplates.core.samples import SAMPLE_TYPES
from preftemplates.data.arrow import build_output_schema
from preftemplates.data.columnar.arrays import fill, to_scalar
from preftemplates.dialects.table import iter_sample_fields
from preftemplates.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from preftemplates.core.samples import Format
    from preftemplates.data.columnar.kernels import Mask
    from preftemplates.templates.template import Template

TEXT_DIALECT = "text"
"""The dialect whose texts are encoded; its other keys, the labels, are written next to the ids."""

PROMPT_LENGTH = "prompt_length"

IDS, MASKS, COUNTS = pa.list_(pa.int32()), pa.list_(pa.int8()), pa.int32()


class ResponseColumns(NamedTuple):
    """The names of the columns of one response.

    Attributes:
        ids: the token ids of prompt and response.
        mask: 1 for each token that is trained on, otherwise 0; empty if nothing is trained on.
        length: how many ids there are.
        completion: 1 for each token after the prompt, otherwise 0; empty if there is no such column.
    """

    ids: str
    mask: str
    length: str
    completion: str = ""


class TokenSchema:
    """The columns of tokens for one template and dataset type.

    If TRL tokenises a dataset type itself, its column names are used: `input_ids`, `completion_mask` and
    `assistant_masks` (SFTTrainer), `chosen_ids` and `rejected_ids` (RewardTrainer).

    Args:
        template: the template.
        format: the format's name.
        has_masks: whether there are loss masks.

    Attributes:
        template: the template, in the text dialect.
        responses: the columns of each response, by its name; `prompt` for prompts alone.
        labels: the names of the labels.
        several: whether each of these columns holds one list per response, because there are several.

    Raises:
        DefinitionError: the template is custom.
    """

    def __init__(self, template: Template, format: Format, has_masks: bool) -> None:
        if template.is_custom:
            raise DefinitionError(
                f"the custom template {template.name} has no messages to make token ids and loss masks from;"
                " declare its columns, or call the tokenizer on its texts"
            )
        self.template = template.with_dialect(TEXT_DIALECT)
        self.format, self._has_masks = format, has_masks
        sample_type = SAMPLE_TYPES.get(format)
        self.several = sample_type.several is not None
        names = sample_type.response_names
        self.responses = {name: _name_columns(name, len(names) == 1 and not self.several) for name in names}
        self.responses = self.responses or {"prompt": ResponseColumns("prompt_ids", "", PROMPT_LENGTH)}
        self.text_schema = build_output_schema(self.template, format)
        shape, _ = self.template.result_shape(format)
        texts = {name for name, field in shape.fields if any(map(_is_text, iter_sample_fields(field)))}
        self.labels = tuple(name for name in self.text_schema.names if name not in texts)
        self.schema = self._build_schema()

    @property
    def has_prompt_length(self) -> bool:
        """Return whether a column holds the number of ids that belong to the prompt."""
        return "prompt" not in self.responses

    def _build_schema(self) -> pa.Schema:
        kinds: dict[str, pa.DataType] = {}
        for columns in self.responses.values():
            kinds[columns.ids] = IDS
            if columns.completion:
                kinds[columns.completion] = MASKS
            if columns.mask and self._has_masks:
                kinds[columns.mask] = MASKS
            kinds[columns.length] = COUNTS
        if self.several:
            kinds = {name: pa.list_(kind) for name, kind in kinds.items()}
        fields = [pa.field(name, kind) for name, kind in kinds.items()]
        if self.has_prompt_length:
            fields.append(pa.field(PROMPT_LENGTH, COUNTS))
        return pa.schema([*fields, *(self.text_schema.field(name) for name in self.labels)])

    def fill_row(self, prompt_count: int, responses: Mapping[str, tuple[Any, Any]], labels: Mapping[str, Any]) -> Any:
        """Return the columns of one sample.

        Args:
            prompt_count: how many ids the prompt has.
            responses: the ids and the mask of each response, in order; several responses are given one by one.
            labels: the labels by name.
        """
        row: dict[str, Any] = {}
        if self.several:
            ((_, columns),) = self.responses.items()
            values = [self._fill_response(columns, prompt_count, *tokens) for tokens in responses.values()]
            row |= {name: [value[name] for value in values] for name in (values[0] if values else {})}
        else:
            for name, tokens in responses.items():
                row |= self._fill_response(self.responses[name], prompt_count, *tokens)
        if self.has_prompt_length:
            row[PROMPT_LENGTH] = prompt_count
        return row | {name: labels.get(name) for name in self.labels}

    def truncate(self, row: Mapping[str, Any], max_length: int) -> dict[str, Any] | None:
        """Return a sample's columns without the end of its longest texts; None if no token is left to train on."""
        shorter = dict(row)
        for columns in self.responses.values():
            for name in filter(None, (columns.ids, columns.mask, columns.completion)):
                if name in row:
                    values = row[name]
                    shorter[name] = [value[:max_length] for value in values] if self.several else values[:max_length]
            length = row[columns.length]
            shorter[columns.length] = (
                [min(one, max_length) for one in length] if self.several else min(length, max_length)
            )
            masks = (shorter[columns.mask] if self.several else [shorter[columns.mask]]) if columns.mask in row else []
            if not all(map(any, masks)):
                return None
        if self.has_prompt_length:
            shorter[PROMPT_LENGTH] = min(row[PROMPT_LENGTH], max_length)
        return shorter

    def truncate_columns(self, columns: Sequence[pa.Array], max_length: int) -> tuple[list[pa.Array], Mask]:
        """Return columns of samples with one text per response, without the end of longer texts.

        Returns:
            The columns, and for each sample whether a token is left to train on.
        """
        by_name = dict(zip(self.schema.names, columns, strict=True))
        limit, lasting = to_scalar(max_length, COUNTS), np.ones(len(columns[0]), bool)
        for response in self.responses.values():
            for name in filter(None, (response.ids, response.mask, response.completion)):
                if name in by_name:
                    by_name[name] = pc.list_slice(by_name[name], 0, max_length)
            by_name[response.length] = pc.min_element_wise(by_name[response.length], limit)
            if response.mask in by_name:
                lasting &= _have_ones(by_name[response.mask])
        if self.has_prompt_length:
            by_name[PROMPT_LENGTH] = pc.min_element_wise(by_name[PROMPT_LENGTH], limit)
        return [*by_name.values()], lasting

    def _fill_response(self, columns: ResponseColumns, prompt_count: int, ids: Any, mask: Any) -> dict[str, Any]:
        row: dict[str, Any] = {columns.ids: [*ids]}
        if columns.completion:
            row[columns.completion] = [0] * prompt_count + [1] * (len(ids) - prompt_count)
        if columns.mask and self._has_masks:
            row[columns.mask] = [*map(int, mask)]
        return row | {columns.length: len(ids)}


def _have_ones(masks: pa.Array) -> Mask:
    """Return which of the lists contain a 1."""
    sums = np.append(0, np.cumsum(fill(masks.flatten(), 0), dtype=np.int64))
    ends = np.cumsum(fill(pc.list_value_length(masks), 0), dtype=np.int64)
    return np.asarray(np.diff(sums[np.append(0, ends)]) > 0)


def _name_columns(name: str, is_only: bool) -> ResponseColumns:
    if is_only:
        return ResponseColumns("input_ids", "assistant_masks", "length", "completion_mask")
    return ResponseColumns(f"{name}_ids", f"{name}_mask", f"{name}_length")


def _is_text(field: Any) -> bool:
    """Return whether a field of a sample is a text of the style."""
    return bool(field.needs_text)
