"""Arrow batches in, Arrow batches out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

import pyarrow as pa

from preftemplates.dialect import get_dialect
from preftemplates.errors import Code, DefinitionError, RowError
from preftemplates.template import Template

Batch = TypeVar("Batch", pa.RecordBatch, pa.Table)

MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
"""The type of a column of messages; what else a message holds has no place in it."""


def output_schema(template: Template, format: str) -> pa.Schema:
    """The schema of a template's results, known before the first row: text, or lists of role and content.

    A template that formats by hand is taken to give the keys of align-anything, where its methods' names come from.

    Raises:
        UnknownNameError: the template cannot fill the format, or the dialect cannot spell it.
    """
    template.check_format(format)
    cells = (get_dialect("align-anything") if template.by_hand else template.dialect).cells(format)
    return pa.schema([(cell.key, MESSAGES if cell.as_messages else pa.string()) for cell in cells])


def check_fits(result: Mapping[str, Any], schema: pa.Schema) -> None:
    """Refuse a result that the schema would cut: other keys, or messages that hold more than a role and text.

    Raises:
        RowError: `wrong_type` for keys, `unsupported_content` for messages.
    """
    if list(result) != schema.names:
        raise RowError(f"the result has the keys {list(result)}, expected {schema.names}", code=Code.WRONG_TYPE)
    for key, value in result.items():
        if isinstance(value, list):
            for index, message in enumerate(value):
                _check_message(message, f"{key}[{index}]")


def _check_message(message: Mapping[str, Any], path: str) -> None:
    for key, value in message.items():
        if key not in ("role", "content") or not isinstance(value, str):
            raise RowError(
                f"{path}.{key} has no place in Arrow columns of role and text",
                code=Code.UNSUPPORTED_CONTENT,
                value=value,
            )


class BatchFormatter:
    """Formats the rows of an Arrow batch or table, and gives back the same kind.

    It pickles, so that it can be mapped over a dataset by several processes. Rows keep their number and order; a row
    that cannot be formatted raises, since a batch alone could not tell that one is gone.

    Args:
        template: the template; its style and dialect say what comes out.
        format: the format's name.

    Example:
        >>> import pyarrow as pa
        >>> from preftemplates import BatchFormatter, get_template
        >>> formatter = BatchFormatter(get_template("PKUSafeRLHF"), "prompt_only")
        >>> formatter(pa.table({"prompt": ["Hi"]})).to_pylist()
        [{'text': 'BEGINNING OF CONVERSATION: USER: Hi ASSISTANT:'}]
    """

    def __init__(self, template: Template, format: str) -> None:
        self.template = template
        self.format = format
        self.schema  # noqa: B018 - what cannot work is refused here, and not on the first batch

    @cached_property
    def schema(self) -> pa.Schema:
        """The schema of what comes out."""
        return output_schema(self.template, self.format)

    def __call__(self, batch: Batch) -> Batch:
        """Format every row.

        Raises:
            RowError: a column is missing, or a row cannot be formatted; `row` counts from the batch's first.
        """
        if not isinstance(batch, pa.RecordBatch | pa.Table):
            raise DefinitionError(f"expected a pyarrow RecordBatch or Table, got {type(batch).__name__}")
        rows = self._rows(batch)
        results = [self._format(row, number) for number, row in enumerate(rows)]
        columns = [pa.array([result[field.name] for result in results], type=field.type) for field in self.schema]
        return type(batch).from_arrays(columns, schema=self.schema)

    def _rows(self, batch: pa.RecordBatch | pa.Table) -> Sequence[Mapping[str, Any]]:
        if self.template.by_hand:
            return list(batch.to_pylist())
        self.template.check_columns(self.format, batch.schema.names)
        wanted = [column for column in self.template.columns(self.format) if column in batch.schema.names]
        return list(batch.select(wanted).to_pylist())

    def _format(self, row: Mapping[str, Any], number: int) -> dict[str, Any]:
        try:
            result = self.template.format(row, self.format)
            check_fits(result, self.schema)
        except RowError as error:
            raise error.located(row=number) from error.__cause__
        return result

    def __getstate__(self) -> tuple[Template, str]:
        return self.template, self.format

    def __setstate__(self, state: tuple[Template, str]) -> None:
        self.template, self.format = state

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BatchFormatter) and self.__getstate__() == other.__getstate__()

    def __hash__(self) -> int:
        return hash(self.__getstate__())

    def __repr__(self) -> str:
        return f"BatchFormatter({self.template!r}, {self.format!r})"
