"""Arrow batches: the same rows as one by one, whatever kind comes in."""

import json
import pickle
from typing import Annotated

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from pydantic import Field

from preftemplates import (
    BatchFormatter,
    Dialect,
    Message,
    Preference,
    Ranked,
    RowModel,
    Scored,
    Stepwise,
    Supervised,
    Template,
    fixed,
    get_template,
    messages,
)
from preftemplates.data.arrow import build_output_schema, check_fits_schema
from preftemplates.data.convert import Conversion
from preftemplates.data.writing import open_writer
from preftemplates.errors import Code, DefinitionError, RowError, UnknownNameError

ROWS = [
    {"prompt": f"q{n}", "response_0": "ä", "response_1": "b", "better_response_id": n % 2, "other": n}
    for n in range(7)
]
PKU = get_template("PKUSafeRLHF")


@pytest.mark.parametrize("dialect", ["align-anything", "text", "trl"])
def test_a_table_and_its_batches_give_what_the_rows_give(dialect):
    template = PKU.with_dialect(dialect)
    formatter = BatchFormatter(template, "preference")
    table = pa.Table.from_pylist(ROWS)
    expected = [template.format(row, "preference") for row in ROWS]
    assert formatter(table).to_pylist() == expected
    batches = [formatter(batch) for batch in table.to_batches(max_chunksize=3)]
    assert all(isinstance(batch, pa.RecordBatch) for batch in batches)
    assert [row for batch in batches for row in batch.to_pylist()] == expected
    assert formatter(table.slice(2, 3)).to_pylist() == expected[2:5]
    assert formatter(table).schema == formatter.schema == formatter(table.slice(0, 0)).schema


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())])
def test_other_kinds_of_text_columns_are_text(kind):
    table = pa.Table.from_pylist(ROWS)
    recast = table.set_column(0, "prompt", table["prompt"].cast(kind))
    formatter = BatchFormatter(PKU, "preference")
    assert formatter(recast).equals(formatter(table))


def test_a_formatter_pickles_and_hashes_by_what_it_is():
    formatter = BatchFormatter(PKU, "preference")
    formatter(pa.Table.from_pylist(ROWS))
    again = pickle.loads(pickle.dumps(formatter))
    assert again == formatter
    assert hash(again) == hash(formatter)
    assert again(pa.Table.from_pylist(ROWS)).equals(formatter(pa.Table.from_pylist(ROWS)))
    assert again != BatchFormatter(PKU, "prompt_only")


def test_a_column_that_is_missing_is_refused_before_the_first_row():
    table = pa.Table.from_pylist(ROWS).rename_columns(
        ["prompt", "response0", "response_1", "better_response_id", "other"]
    )
    with pytest.raises(RowError, match=r"column 'response_0': missing; nearest: 'response0'") as caught:
        BatchFormatter(PKU, "preference")(table.slice(0, 0))
    assert caught.value.row is None


def test_a_bad_row_is_named_by_its_number_in_the_batch():
    rows = [*ROWS[:3], {**ROWS[3], "better_response_id": 3}]
    with pytest.raises(RowError) as caught:
        BatchFormatter(PKU, "preference")(pa.Table.from_pylist(rows))
    assert (caught.value.row, caught.value.code) == (3, Code.BAD_LABEL)


class Bounded(Template):
    class Row(RowModel):
        a: str
        count: int = Field(gt=0, lt=5)
        share: float = Field(gt=0, lt=1)
        more: Annotated[int, Field(lt=3)] | None = None

    scored = Scored(prompt="q", completion="{{ a }}", score="{{ count + share + (more or 0) }}")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"count": 0}, "expected int(gt=0, lt=5), got 0"),
        ({"count": 5}, "expected int(gt=0, lt=5), got 5"),
        ({"share": 0.0}, "expected float(gt=0, lt=1), got 0.0"),
        ({"share": 1.0}, "expected float(gt=0, lt=1), got 1.0"),
        ({"more": 3}, "expected less than 3, got 3"),
    ],
    ids=str,
)
def test_a_label_at_a_bound_that_is_not_of_its_domain_is_refused_in_a_batch_with_its_row(changed, said):
    formatter = BatchFormatter(Bounded(), "scored")
    rows = [{"a": "x", "count": 1, "share": 0.25, "more": 2}, {"a": "y", "count": 4, "share": 0.75, "more": None}]
    fine = formatter(pa.Table.from_pylist(rows))
    assert fine.to_pylist() == [Bounded().format(row, "scored") for row in rows]
    assert fine["score"].to_pylist() == [3.25, 4.75]
    for kind in (pa.Table, pa.RecordBatch):
        with pytest.raises(RowError) as caught:
            formatter(kind.from_pylist([*rows, {**rows[0], **changed}]))
        ((column, value),) = changed.items()
        error = caught.value
        assert (error.row, error.code, error.column, error.value) == (2, Code.BAD_LABEL, column, value)
        assert error.message == said


def test_messages_with_more_than_role_and_text_are_refused_and_not_cut():
    template = get_template("TRL-messages")
    tool = {"role": "assistant", "content": "x", "tool_calls": [{"name": "f"}]}
    row = {"prompt": [{"role": "user", "content": "q"}], "completion": [tool]}
    assert template.format(row, "supervised")["completion"] == [tool]
    with pytest.raises(RowError, match="tool_calls") as caught:
        BatchFormatter(template, "supervised")(pa.Table.from_pylist([row]))
    assert caught.value.code is Code.UNSUPPORTED_CONTENT


def test_what_cannot_work_is_refused_when_the_formatter_is_made():
    with pytest.raises(UnknownNameError, match="has no dataset type 'stepwise'"):
        BatchFormatter(get_template("HH"), "stepwise")
    with pytest.raises(DefinitionError, match="RecordBatch or Table"):
        BatchFormatter(PKU, "preference")([ROWS[0]])


def test_datasets_maps_it_in_two_processes():
    datasets = pytest.importorskip("datasets")
    dataset = datasets.Dataset.from_list(ROWS * 10).with_format("arrow")
    formatter = BatchFormatter(PKU.with_dialect("text"), "preference")
    mapped = dataset.map(formatter, batched=True, num_proc=2, remove_columns=dataset.column_names)
    expected = [PKU.with_dialect("text").format(row, "preference") for row in ROWS * 10]
    assert mapped.with_format(None).to_list() == expected


# --- nested tables and labels --------------------------------------------------------------------------------------


class Pairs(Template):
    class Row(RowModel):
        q: str
        a: str
        b: str
        by: float | None = None

    preference = Preference(prompt="{{ q }}", chosen="{{ a }}", rejected="{{ b }}", margin="{{ by }}")


class Rated(Template):
    class Row(RowModel):
        q: str
        answers: list[str]
        scores: list[float]

    ranked = Ranked(prompt="{{ q }}", completions="{{ answers }}", ranks="{{ scores | ranks }}", scores="{{ scores }}")


class Points(Template):
    class Row(RowModel):
        points: int
        more: dict[str, float]
        a: str

    scored = Scored(prompt="q", completion="{{ a }}", score="{{ points }}", attributes="{{ more }}")


class Steps(Template):
    class Row(RowModel):
        steps: list[str]
        right: list[bool]

    stepwise = Stepwise(prompt="q", completions="{{ steps }}", labels="{{ right }}")


class Called(Template):
    class Row(RowModel):
        talk: list[Message]
        answer: Message

    supervised = Supervised(prompt=messages("{{ talk }}"), completion=messages("{{ [answer] }}"))


PAIR = {"q": "q", "a": "a", "b": "b", "by": 1.5}
RATED = {"q": "q", "answers": ["a", "b", "c"], "scores": [1.0, 3.0, 1.0]}
TEXT, NUMBER = pa.string(), pa.float64()
TALK = pa.list_(pa.struct([("role", TEXT), ("content", TEXT)]))


def declare_dialect(**tables):
    return type("Mine", (Dialect,), {"__module__": __name__, **tables})()


class Nested(Dialect):
    role_key = "from"
    content_key = "value"
    preference = {
        "about": {"origin": fixed("here"), "version": fixed(2), "weight": fixed(0.5), "ok": fixed(True)},
        "answers": [{"text": "chosen", "rank": fixed(0)}, {"text": "rejected", "rank": fixed(1)}],
        "turns": "prompt+chosen.messages",
        "one": "chosen.message",
        "history": "prompt.history",
        "margin": "margin?",
    }
    ranked = {
        "each": [{"text": "completions.content", "rank": "ranks", "turns": "completions.messages"}],
        "texts": "completions",
        "ranks": "ranks",
        "scores": "scores?",
    }
    scored = {"text": "completion.content", "score": "score", "attributes": "attributes?"}
    stepwise = {"steps": [{"text": "completions", "right": "labels"}], "labels": "labels"}


SAID = pa.struct([("from", TEXT), ("value", TEXT)])
NESTED = [
    (
        Pairs, PAIR, "preference",
        {
            "about": pa.struct([("origin", TEXT), ("version", pa.int64()), ("weight", NUMBER), ("ok", pa.bool_())]),
            "answers": pa.list_(pa.struct([("text", TEXT), ("rank", pa.int64())])),
            "turns": pa.list_(SAID), "one": SAID, "history": pa.list_(pa.list_(TEXT)), "margin": NUMBER,
        },
    ),
    (
        Rated, RATED, "ranked",
        {
            "each": pa.list_(pa.struct([("text", TEXT), ("rank", NUMBER), ("turns", pa.list_(SAID))])),
            "texts": pa.list_(TEXT), "ranks": pa.list_(NUMBER), "scores": pa.list_(NUMBER),
        },
    ),
    (
        Points, {"points": 4, "more": {"clear": 0.5, "kind": 1}, "a": "a"}, "scored",
        {"text": TEXT, "score": NUMBER, "attributes": pa.map_(TEXT, NUMBER)},
    ),
    (
        Steps, {"steps": ["a", "b"], "right": [True, False]}, "stepwise",
        {"steps": pa.list_(pa.struct([("text", TEXT), ("right", pa.bool_())])), "labels": pa.list_(pa.bool_())},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("template", "row", "format", "kinds"), NESTED, ids=[format for *_, format, _ in NESTED])
def test_a_schema_has_the_types_of_a_table_and_every_result_comes_back_out_of_it(
    template, row, format, kinds, tmp_path
):
    template = template().with_dialect(Nested()).with_columns(row)
    schema = build_output_schema(template, format)
    assert schema == pa.schema(list(kinds.items()))
    results = template.format_all(row, format) * 3
    for result in results:
        check_fits_schema(result, schema)
    with open_writer(tmp_path / "out.parquet", schema) as writer:
        for result in results:
            writer.write(result)
    table = parquet.read_table(tmp_path / "out.parquet")
    assert table.schema == schema
    assert table.to_pylist(maps_as_pydicts="strict") == results


def test_a_table_of_rows_gives_every_sample_of_each():
    rows = [
        RATED,
        {**RATED, "answers": ["a"], "scores": [1.0]},
        {**RATED, "answers": ["c", "d"], "scores": [1.0, 2.0]},
    ]
    formatter = BatchFormatter(Rated(), "preference")
    expected = [result for row in rows for result in Rated().format_all(row, "preference")]
    assert [len(Rated().format_all(row, "preference")) for row in rows] == [3, 0, 1]
    assert formatter(pa.Table.from_pylist(rows)).to_pylist() == expected
    assert formatter(pa.RecordBatch.from_pylist(rows[1:2])).num_rows == 0
    best = BatchFormatter(Rated().with_pairs("best-worst"), "preference")
    assert best(pa.Table.from_pylist(rows)).num_rows == 2
    again = pickle.loads(pickle.dumps(best))
    assert again == best != formatter
    assert again(pa.Table.from_pylist(rows)).equals(best(pa.Table.from_pylist(rows)))


def test_an_optional_label_has_a_column_where_the_template_fills_it_or_ties_are_halves():
    class Bare(Template):
        Row = Pairs.Row
        preference = Preference(prompt="{{ q }}", chosen="{{ a }}", rejected="{{ b }}")

    keys = ["prompt", "chosen", "rejected"]
    assert build_output_schema(Bare(), "preference").names == keys
    assert build_output_schema(Pairs(), "preference").names == keys
    assert build_output_schema(Pairs().with_columns(["by"]), "preference").names == [*keys, "margin"]
    assert build_output_schema(Bare().with_ties("half"), "preference").names == [*keys, "probability"]
    halves = Pairs().with_columns(["by"]).with_ties("half")
    assert build_output_schema(halves, "preference").names == [*keys, "margin", "probability"]
    with pytest.raises(DefinitionError, match="has no key for it"):
        BatchFormatter(Pairs().with_ties("half").with_dialect("align-anything"), "preference")


def test_a_list_of_several_types_is_refused_when_the_formatter_is_made():
    mixed = Pairs().with_dialect(declare_dialect(preference={"mixed": ["chosen", "chosen.messages"]}))
    assert mixed.format(PAIR, "preference")["mixed"] == ["a<|im_end|>\n", [{"role": "assistant", "content": "a"}]]
    with pytest.raises(DefinitionError, match="items of several types"):
        BatchFormatter(mixed, "preference")
    labels = Pairs().with_dialect(declare_dialect(preference={"mixed": ["margin", fixed(1)]}))
    with pytest.raises(DefinitionError, match="items of several types"):
        BatchFormatter(labels, "preference")


TALK_TEXT = {"role": "user", "content": "q"}
CALL = {"role": "assistant", "content": "x", "tool_calls": [{"name": "f", "arguments": {"a": 1}}]}
ASKED = [TALK_TEXT]


@pytest.mark.parametrize(
    "message",
    [
        CALL,
        {"role": "assistant", "content": None, "tool_calls": [{"name": "f"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
    ],
    ids=["call", "call alone", "parts"],
)
def test_what_has_no_place_in_columns_is_rejected_and_json_keeps_it(message, tmp_path):
    template = Called().with_dialect("trl")
    rows = [{"talk": ASKED, "answer": message}, {"talk": ASKED, "answer": {"role": "assistant", "content": "a"}}]
    schema = build_output_schema(template, "supervised")
    conversion = Conversion(
        rows, template, "supervised", on_error="skip", check=lambda result: check_fits_schema(result, schema)
    )
    assert [result["completion"][0]["content"] for result in conversion] == ["a"]
    assert [(issue.row, issue.code) for issue in conversion.report.rejected] == [(0, Code.UNSUPPORTED_CONTENT)]

    conversion = Conversion(rows, template, "supervised")
    with open_writer(tmp_path / "out.jsonl") as writer:
        for result in conversion:
            writer.write(result)
    written = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert written == [{"prompt": row["talk"], "completion": [row["answer"]]} for row in rows]


def test_columns_of_json_keep_calls_and_leave_texts_and_numbers_as_they_are():
    class Both(Dialect):
        supervised = {"text": "prompt.content", "turns": "completion.messages", "one": {"turn": "completion.message"}}
        ranked = {"texts": "completions.content", "ranks": "ranks"}
        scored = {"score": "score", "attributes": "attributes"}

    formatter = BatchFormatter(Called().with_dialect(Both()), "supervised", json_messages=True)
    (result,) = formatter(pa.Table.from_pylist([{"talk": ASKED, "answer": CALL}])).to_pylist()
    assert (result["text"], json.loads(result["turns"]), json.loads(result["one"])) == ("q", [CALL], {"turn": CALL})
    with pytest.raises(RowError, match=r"turns\[0\].tool_calls does not fit") as caught:
        BatchFormatter(Called().with_dialect(Both()), "supervised")(
            pa.Table.from_pylist([{"talk": ASKED, "answer": CALL}])
        )
    assert (caught.value.code, caught.value.row) == (Code.UNSUPPORTED_CONTENT, 0)
    ranked = build_output_schema(Rated().with_dialect(Both()), "ranked", json_messages=True)
    assert ranked == pa.schema({"texts": TEXT, "ranks": pa.list_(NUMBER)})
    scored = build_output_schema(Points().with_dialect(Both()), "scored", json_messages=True)
    assert scored == build_output_schema(Points().with_dialect(Both()), "scored")
    assert formatter != BatchFormatter(Called().with_dialect(Both()), "supervised")
    assert pickle.loads(pickle.dumps(formatter)) == formatter


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": "x", "b": [TALK_TEXT], "c": {"d": ["x"]}}, None),
        ({"a": 5, "b": [], "c": {"d": []}}, "a"),
        ({"a": "x", "b": [{**TALK_TEXT, "name": "n"}], "c": {"d": []}}, "b[0].name"),
        (
            {"a": "x", "b": [TALK_TEXT, {"role": "user", "content": [{"type": "image"}]}], "c": {"d": []}},
            "b[1].content",
        ),
        ({"a": "x", "b": [], "c": {"d": [], "e": "x"}}, "c.e"),
        ({"a": "x", "b": [], "c": {"d": ["x", None]}}, "c.d[1]"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_named_by_its_path(value, path):
    schema = pa.schema({"a": TEXT, "b": TALK, "c": pa.struct([("d", pa.list_(TEXT))])})
    if path is None:
        check_fits_schema(value, schema)
        return
    with pytest.raises(RowError) as caught:
        check_fits_schema(value, schema)
    assert str(caught.value).startswith(f"{path} does not fit into an Arrow column of text")


def test_a_result_with_more_keys_than_the_table_names_the_first_of_them():
    with pytest.raises(RowError, match="c: the table has no column for it; add one with with_columns") as caught:
        check_fits_schema({"a": "x", "b": "y", "c": "z"}, pa.schema({"a": TEXT, "b": TEXT}))
    assert caught.value.code is Code.UNSUPPORTED_CONTENT


@pytest.mark.parametrize("result", [{"a": "x"}, {"a": "x", "c": "z"}, {"b": "y", "a": "x"}, {}], ids=str)
def test_a_result_of_other_keys_does_not_fit(result):
    with pytest.raises(RowError, match=r"expected \['a', 'b'\]") as caught:
        check_fits_schema(result, pa.schema({"a": TEXT, "b": TEXT}))
    assert caught.value.code is Code.WRONG_TYPE
