"""Tables that are formatted by plans next to their rows, and rows that templates do not expect."""

import numpy as np
import pyarrow as pa

from preftemplates import BatchFormatter
from preftemplates.data.columnar.blocks import BlockLoss
from preftemplates.data.columnar.formatting import Compared

TEXTS = (
    "", " ", "\u200b", "Hi", "Hi", " a\n", "\u00a0x\u2003", "é😀", "<think>Sum.</think>Four.", "</think>", "a<think>",
    "<|im_end|>", "<tool_response>b</tool_response>", "{{ 7*7 }}", "<s>", "\n\nHuman: x", "\n\nAssistant: ", "[INST]",
    "\n\n", "Human: ", "x" * 300, "<image>", "<extra_id_1>User\n", "\n<extra_id_1>Assistant\nb", "\n<extra_id_1>",
    "<extra_id_0>System\n", "\n<extra_id_2>", "text", "a\x00b",
)  # fmt: skip
"""Texts of which templates ask something: blanks, tags, marks, and several that are equal."""

ROLES = ("system", "user", "assistant", "tool", "developer", "human", "gpt", "function_call", "judge", "")


def format_by_rows(template, format, table, **options):
    """What the row path alone makes of a table."""
    formatter = BatchFormatter(template, format, **options)
    formatter._columnar.format = lambda batch: ([], np.arange(batch.num_rows))
    return formatter(table)


def check_table(template, format, table, **options):
    """Compare the results and errors of a table with those of the row path; return how many rows plans formatted."""
    options = {"on_error": "column", **options}
    formatter = BatchFormatter(template, format, **options)
    results = formatter(table)
    expected = format_by_rows(template, format, table, **options)
    assert results.schema == expected.schema
    for got, wanted in zip(results.to_pylist(), expected.to_pylist(), strict=True):
        assert got == wanted
    return formatter.plan.columnar


def spoil(random, value, share=0.05):
    """A value of a row with other texts, roles, numbers, nulls and lengths in some places; its type stays."""
    if random.random() < share and not isinstance(value, str):
        return None
    if isinstance(value, dict):
        return {key: spoil_member(random, key, item, share) for key, item in value.items()}
    if isinstance(value, list):
        return spoil_list(random, [spoil(random, item, share) for item in value])
    if isinstance(value, str):
        return random.choice((None, *TEXTS)) if random.random() < 2 * share else value
    if isinstance(value, bool):
        return random.random() < 0.5
    if isinstance(value, int | float) and random.random() < 0.3:
        return type(value)(random.choice((-4, -3, -1, 0, 1, 2, 3, 100, 2**53 + 1, 0.1, 0.3, 1.1, 2.3)))
    return value


def spoil_member(random, key, value, share):
    if key in ("role", "from") and random.random() < share:
        return random.choice(ROLES)
    return spoil(random, value, share)


def spoil_list(random, items):
    chance = random.random()
    if chance < 0.05:
        return items[:-1]
    if chance < 0.1:
        return items[1:]
    if chance < 0.15:
        return [*items, *items]
    return [] if chance < 0.18 else items


def make_schema(row):
    """The types of a row, whose objects have room for one key more."""
    schema = pa.Table.from_pylist([row]).schema
    return pa.schema([(field.name, add_field(field.type)) for field in schema])


def add_field(kind):
    if pa.types.is_list(kind):
        return pa.list_(add_field(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([*((field.name, add_field(field.type)) for field in kind), ("extra", pa.string())])
    return kind


def add_extra(random, value):
    """A row of which some objects have that key."""
    if isinstance(value, dict):
        members = {key: add_extra(random, item) for key, item in value.items()}
        return {**members, "extra": "x"} if random.random() < 0.02 else members
    return [add_extra(random, item) for item in value] if isinstance(value, list) else value


def draw_table(random, example, count=24):
    """A table of rows like an example."""
    rows = [example, *(spoil(random, example, random.choice((0, 0.02, 0.1))) or example for _ in range(count - 1))]
    rows = [{key: add_extra(random, value) for key, value in row.items()} for row in rows]
    return encode(random, pa.Table.from_pylist(rows, schema=make_schema(example)))


def encode(random, table):
    """The same table in another layout: other types, chunks and slices."""
    layout = random.choice(("plain", "large", "dictionary", "view", "chunks", "slice"))
    if layout == "chunks":
        return pa.concat_tables([table.slice(0, 5), table.slice(5, 0), table.slice(5)])
    if layout == "slice":
        return pa.concat_tables([table.slice(3, 4), table]).combine_chunks().slice(4)
    if layout == "plain":
        return table
    columns = [encode_column(column, layout) for column in table.columns]
    return pa.table(dict(zip(table.column_names, columns, strict=True)))


def encode_column(column, layout):
    kind = change_type(column.type, layout)
    try:
        return column.cast(kind)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid, pa.ArrowTypeError):
        return column


def change_type(kind, layout):
    if pa.types.is_string(kind):
        return {"large": pa.large_string(), "view": pa.string_view()}.get(layout, pa.dictionary(pa.int32(), kind))
    if pa.types.is_list(kind):
        inner = change_type(kind.value_type, layout)
        return pa.large_list(inner) if layout == "large" else pa.list_(inner)
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, change_type(field.type, layout)) for field in kind])
    return kind


def trust_plan(_, __, blocks, *___):
    """Take the place of a formatter's comparison of a plan with the row path."""
    return Compared([BlockLoss()] * len(blocks), 0)
