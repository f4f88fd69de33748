"""Columns that no plan expects: bytes that are not text, nulls in odd places, other encodings, labels of all kinds."""

import datetime
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from columnar_tables import check_table, format_by_rows

from preftemplates import (
    BatchFormatter,
    Index01,
    Message,
    Preference,
    PromptOnly,
    RowModel,
    Strength,
    Style,
    Supervised,
    Template,
    Unpaired,
    messages,
)
from preftemplates.errors import PrefTemplatesError
from preftemplates.styles import environment

ROW = {
    "thread": [{"role": "user", "content": "Hi"}], "one": "a", "two": "b", "better": 0, "kind": "a", "strength": 1,
    "flag": True, "score": 0.5, "note": "x",
}  # fmt: skip
THREAD = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))


class Odd(Template):
    """A column of each kind."""

    class Row(RowModel):
        thread: list[Message]
        one: str
        two: str
        better: Index01
        kind: Literal["a", "b"]
        strength: Strength
        flag: bool
        score: float | None = None
        note: Any = None

    preference = Preference(
        prompt=messages("{{ thread }}"), chosen="{{ [one, two][better] }}", rejected="{{ [two, one][better] }}",
        margin="{{ score }}",
    )  # fmt: skip
    supervised = Supervised(prompt="{{ one }}", completion="{{ two if strength > 0 else two.strip('x\ud800') }}")
    unpaired = Unpaired(prompt="{{ one if kind == 'a' else note }}", completion="{{ two }}", label="{{ flag }}")
    prompt_only = PromptOnly(prompt="{{ one }}")


def make_table(*rows, **columns):
    table = pa.Table.from_pylist([*rows] or [ROW] * 4)
    for name, column in columns.items():
        table = table.set_column(table.column_names.index(name), name, column)
    return table


def adapt(style="chatml", dialect="text"):
    return Odd().with_style(style).with_dialect(dialect).with_columns([*ROW])


def check_odd(table):
    for format in ("preference", "supervised", "unpaired"):
        for dialect in ("trl", "text"):
            check_table(adapt(dialect=dialect), format, table)


def make_bytes(data):
    """A column of texts, each of one byte."""
    offsets = np.arange(len(data) + 1, dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), len(data), [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(data)])


def make_threads(roles=("user",) * 4, contents=("a", "b", "c", "d"), mask=None, **children):
    """One message in each row; `mask` says which are null, whatever their keys hold."""
    columns = {"role": pa.array(roles), "content": pa.array(contents), **children}
    mask = None if mask is None else pa.array(mask)
    structs = pa.StructArray.from_arrays([*columns.values()], [*columns], mask=mask)
    return pa.ListArray.from_arrays(pa.array(range(5), pa.int32()), structs)


def make_null_list():
    """Lists of which one is null, though its items are there."""
    threads = make_threads()
    validity = pa.py_buffer(bytes([0b1101]))
    return pa.Array.from_buffers(threads.type, 4, [validity, threads.buffers()[1]], children=[threads.values])


def repeat_role():
    columns = [pa.array(["user"] * 4), pa.array(["user"] * 4), pa.array(list("abcd"))]
    structs = pa.StructArray.from_arrays(columns, ["role", "role", "content"])
    return pa.ListArray.from_arrays(pa.array(range(5), pa.int32()), structs)


DICTIONARY, MOMENTS, DECIMALS = pa.dictionary(pa.int8(), pa.string()), pa.timestamp("ns"), pa.decimal128(20)
ODD_COLUMNS = {
    "bytes that are not UTF-8": {"one": make_bytes(b"a\xffbc")},
    "such bytes in a message": {"thread": make_threads(content=make_bytes(b"a\xffbc"))},
    "a null message with keys": {"thread": make_threads(mask=[False, True, False, False])},
    "a null list with items": {"thread": make_null_list()},
    "an unknown role": {"thread": make_threads(roles=["user", "judge", "human", None])},
    "a key twice": {"thread": repeat_role()},
    "nulls only": {"one": pa.nulls(4, pa.string())},
    "no type": {"one": pa.nulls(4), "score": pa.nulls(4), "note": pa.nulls(4)},
    "lists without a type": {"thread": pa.array([[]] * 4)},
    "views of texts": {"one": pa.array(["a", None, "b", "c"], pa.string_view())},
    "dictionaries": {"one": pa.array(["a", None, "b", "b"]).cast(DICTIONARY)},
    "labels that are dictionaries": {"kind": pa.array(["a", None, "b", "c"]).cast(DICTIONARY)},
    "runs": {"one": pc.run_end_encode(pa.array(["a", "a", None, "b"]))},
    "dictionaries in messages": {"thread": make_threads(role=pa.array(["user", "x"] * 2).cast(DICTIONARY))},
    "bytes": {"one": pa.array([b"a"] * 4)},
    "moments": {"one": pa.array([1, 2, None, 4], MOMENTS)},
    "moments of any kind": {"note": pa.array([1, 2, None, 4], MOMENTS)},
    "decimals": {"better": pa.array([0, 1, 2, None]).cast(DECIMALS)},
    "decimal margins": {"score": pa.array([1, 2, 0, None]).cast(DECIMALS)},
    "unsigned": {"better": pa.array([0, 1, 255, None], pa.uint8()), "strength": pa.array([0, 3, 4, None], pa.uint8())},
    "large unsigned": {"better": pa.array([0, 2**64 - 1, 1, 2], pa.uint64())},
    "large margins": {"score": pa.array([2**64 - 1, 1, 2, 3], pa.uint64())},
    "whole floats": {"better": pa.array([0.0, 1.0, 0.5, None]), "flag": pa.array([0.0, 1.0, 2.0, None])},
    "truth values": {"better": pa.array([True, False, None, True]), "score": pa.array([True, None, False, True])},
    "inexact numbers": {"score": pa.array([2**53, 2**53 + 1, 2**62, -1])},
    "floats that are none": {"score": pa.array([float("inf"), float("nan"), -0.0, 1e308])},
    "short floats": {"score": pa.array([0.1, 1e-45, 3e38, None], pa.float32())},
}
"""By what is odd about them, columns that take the place of those of `ROW`."""


@pytest.mark.parametrize("columns", ODD_COLUMNS.values(), ids=ODD_COLUMNS)
def test_odd_columns_are_formatted_as_their_rows_are(columns):
    check_odd(make_table(**columns))


LONG = "x" * 70_000


def test_odd_texts_are_formatted_as_their_rows_are():
    texts = ["", "\0", "a\0", LONG, "x", "\u2028", "\x1c", "\u00a0x\x85", "😀"]
    rows = [{**ROW, "one": one, "two": two, "note": one} for one in texts for two in texts[::2]]
    check_odd(make_table(*rows))
    check_odd(make_table(*rows).slice(3, 7))
    check_odd(make_table(*rows).slice(0, 0))


def test_an_error_names_the_column_that_is_not_utf_8():
    table = make_table(one=make_bytes(b"a\xffbc"))
    with pytest.raises(PrefTemplatesError, match=r"^row 1, column 'one': cannot be read: .* \[bad_text"):
        BatchFormatter(Odd(), "supervised")(table)


def test_a_row_that_cannot_be_read_has_its_id():
    table = make_table(one=make_bytes(b"a\xffbc")).append_column("id", pa.array(["r0", "r1", "r2", "r3"]))
    formatted = BatchFormatter(Odd(), "supervised", on_error="column", id_column="id")(table)
    (error,) = filter(None, formatted["preftemplates_error"].to_pylist())
    assert error.startswith("row 1, column 'one': id 'r1': cannot be read")


# --- templates ------------------------------------------------------------------------------------------------------


class Answered(Template):
    """A label that some rows have."""

    class Row(RowModel):
        prompt: str
        answer: str | None = None

    prompt_only = PromptOnly(prompt="{{ prompt }}", answer="{{ answer }}")


def test_a_label_that_some_rows_lack():
    table = pa.table({"prompt": ["a", "b", "c"], "answer": ["x", None, "y"]})
    template = Answered().with_style("chatml").with_dialect("text").with_columns(table.column_names)
    assert check_table(template, "prompt_only", table) == 3


class LastWords(Template):
    """What is said last in a transcript, and nothing else of it."""

    class Row(RowModel):
        text: str

    supervised = Supervised(prompt="Who?", completion="{{ (text.strip('-') | human_assistant_turns | last).content }}")


def test_a_transcript_that_does_not_begin_with_a_turn_is_rejected():
    table = pa.table({"text": ["\n\nHuman: a", "b\n\nHuman: c", "--\n\nHuman: d--", ""]})
    assert check_table(LastWords().with_style("chatml").with_dialect("text"), "supervised", table) == 2


class Chosen(Template):
    """Typed parts, at which an expression looks."""

    class Row(RowModel):
        thread: list[Message]

    supervised = Supervised(
        prompt=messages("{{ thread[:-1] }}"), completion="{{ 'y' if thread[-1].content == 'a' else 'n' }}"
    )


def test_parts_are_no_text_to_an_expression():
    threads = [[{"role": "user", "content": [{"type": "text", "text": text}]}] * 2 for text in "aba"]
    check_table(Chosen().with_style("chatml").with_dialect("text"), "supervised", pa.table({"thread": threads}))


# --- styles ---------------------------------------------------------------------------------------------------------


def test_a_plan_ends_with_its_day():
    style = Style.from_chat_template(
        "{{ strftime_now('%d %b %Y') }}{% for m in messages %}{{ m.content }}{% endfor %}"
    )
    formatter = BatchFormatter(adapt(style), "preference")
    for day in (1, 2):
        token = environment.CLOCK.set(lambda day=day: datetime.datetime(2026, 5, day, 12))
        try:
            texts = formatter(make_table()).column("prompt").to_pylist()
        finally:
            environment.CLOCK.reset(token)
        assert set(texts) == {f"0{day} May 2026Hi"}
    assert formatter.plan.columnar == 8


def test_a_surrogate_in_a_chat_template_is_in_no_text():
    source = r"{% for m in messages %}{{ m.content.strip('\ud800H') }}{{ m.content == '\ud800' }}{% endfor %}"
    template = adapt(Style.from_chat_template(source))
    assert check_table(template, "preference", make_table()) == 4


# --- formatters -----------------------------------------------------------------------------------------------------


def test_one_formatter_in_several_threads_with_several_schemas():
    template = adapt()
    plain, large = (
        make_table(),
        make_table(one=pa.array(list("abcd"), pa.large_string()), better=pa.array([0, 1.0] * 2)),
    )
    formatter = BatchFormatter(template, "preference")
    expected = [format_by_rows(template, "preference", table) for table in (plain, large)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(formatter, [plain, large] * 40))
    assert all(result == expected[index % 2] for index, result in enumerate(results))


def test_a_formatter_that_has_plans_pickles():
    formatter = BatchFormatter(adapt(), "preference")
    result = formatter(make_table())
    assert pickle.loads(pickle.dumps(formatter))(make_table()) == result


def test_very_many_shapes():
    thread = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    rows = [{**ROW, "thread": [*thread * count, thread[0]]} for count in range(60)]
    check_table(adapt(), "preference",
                make_table(*rows))  # fmt: skip
