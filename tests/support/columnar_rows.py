"""Tables that are formatted by plans next to their rows, and rows that templates do not expect."""

import re

import pyarrow as pa

from preftemplates import BatchFormatter
from preftemplates.data import Conversion
from preftemplates.data.arrow import check_fits_schema, write_nested_as_json
from preftemplates.data.batches import ERROR_COLUMN
from preftemplates.errors import PrefTemplatesError

TEXTS = (
    "", " ", "\u200b", "Hi", "Hi", " a\n", "\u00a0x\u2003", "é😀", "<think>Sum.</think>Four.", "</think>", "a<think>",
    "<|im_end|>", "<tool_response>b</tool_response>", "{{ 7*7 }}", "<s>", "\n\nHuman: x", "\n\nAssistant: ", "[INST]",
    "\n\n", "Human: ", "x" * 300, "<image>", "<extra_id_1>User\n", "\n<extra_id_1>Assistant\nb", "\n<extra_id_1>",
    "<extra_id_0>System\n", "\n<extra_id_2>", "text", "a\x00b",
)  # fmt: skip
"""Texts of which templates ask something: blanks, tags, marks, and several that are equal."""

ROLES = ("system", "user", "assistant", "tool", "developer", "human", "gpt", "function_call", "judge", "")


def forget_row(error):
    return re.sub(r"^row \d+(: |, )", "", str(error))


def format_alone(template, row, format):
    """The results of one row, by the row path, and its error; the status is that of a conversion."""
    schema = BatchFormatter(template, format).schema
    try:
        results = [sample.result for _, sample in Conversion([row], template, format, flag=False).accepted()]
        for result in results:
            check_fits_schema(result, schema)
        written = [write_nested_as_json(result, schema) for result in results]
        return pa.Table.from_pylist(written, schema=schema).to_pylist(), ""
    except PrefTemplatesError as error:
        return [], forget_row(error)


def check_columnar(template, format, table):
    """Compare a table with its rows; return how many rows plans formatted."""
    formatter = BatchFormatter(template, format, on_error="column")
    results = formatter(table).to_pylist()
    for number, row in enumerate(table.to_pylist()):
        expected, error = format_alone(template, row, format)
        for result in expected:
            got = results.pop(0)
            assert got.pop(ERROR_COLUMN) is None, (number, row)
            assert got == result, (number, row)
        if not expected:
            got = results.pop(0)
            told = got.pop(ERROR_COLUMN)
            assert set(got.values()) == {None}, (number, row)
            assert forget_row(told) == error or not error, (told, error)
    assert not results
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
        return type(value)(random.choice((-4, -3, -1, 0, 1, 2, 3, 100, 2**53 + 1, 0.1, 0.30000000000000004)))
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


def make_schema(row, extra=("extra", pa.string())):
    """The types of a row, whose objects have room for one key more."""
    schema = pa.Table.from_pylist([row]).schema
    return pa.schema([(field.name, add_field(field.type, extra)) for field in schema])


def add_field(kind, extra):
    if pa.types.is_list(kind):
        return pa.list_(add_field(kind.value_type, extra))
    if pa.types.is_struct(kind):
        return pa.struct([*((field.name, add_field(field.type, extra)) for field in kind), extra])
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


LARGE = {pa.string(): pa.large_string()}


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
