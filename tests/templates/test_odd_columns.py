"""A column or key may have any name: dots, brackets and quotes in it change nothing but the name."""

from typing import Annotated, Any, Literal

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import Field
from row_support import refused, row_class
from support import outcome

from preftemplates import BatchFormatter, Index01, Message, Preference, Template, check
from preftemplates.core.paths import column_of, name_cell, parse_path, spell_path
from preftemplates.data.reading import open_rows
from preftemplates.errors import Code, RowError
from preftemplates.testing import check_laws, find_choice, spans_partition_the_text_and_spell_their_cells

KINDS: dict[str, Any] = {
    "prompt": str, "first": str, "second": None, "better": Index01, "level": Literal["low", "high"],
    "score": Annotated[float, Field(ge=1, le=5)], "talk": list[Message], "more": Any,
}  # fmt: skip
PLAIN_NAMES = (*KINDS, "text")
"""The columns, and the key of the answers in `second`."""

NAMES = (
    (
        st.sampled_from(
            ["", "a.b", "a[0]", '["a"]', '"', "'", "\\", "a b", "a\nb", "é", "0", "[key]", "x as", *PLAIN_NAMES]
        )
    )
    | st.text(max_size=4)
    | st.text("a.[]\"'\\", max_size=4)
).filter(lambda name: " as " not in name and not name.endswith("?"))
ODD_NAMES = st.lists(NAMES, min_size=len(PLAIN_NAMES), max_size=len(PLAIN_NAMES), unique=True).map(tuple)
DOTTED_NAMES = ("the.prompt", "ans[0]", "ans.b", "better.id", "", '"level"', "talk[0].content", "more\n", "[key]")


def make_template(names: tuple[str, ...]) -> Template:
    """The same template, whose columns and nested key are called so."""
    *columns, key = names
    answers = list[row_class(text=(str, Field(alias=key)))]
    kinds = {**KINDS, "second": answers}

    class Renamed(Template):
        Row = row_class(
            **{name: (kind, Field(alias=alias)) for (name, kind), alias in zip(kinds.items(), columns, strict=True)}
        )
        preference = Preference(
            prompt="{{ ([prompt, level, talk, more] | list)[0] }}",
            chosen="{{ [first, second[0].text][better] }}",
            rejected="{{ [first, second[0].text][1 - better] }}",
            margin="{{ score }}",
        )
        example = make_row(names)

    return Renamed()


def make_row(names: tuple[str, ...], **changes: Any) -> dict[str, Any]:
    """A row whose columns are called so, with other cells in some; one that is `...` is absent."""
    cells = {
        "prompt": "Why?", "first": "So.", "second": [{"text": "No."}], "better": 0, "level": "low", "score": 2.0,
        "talk": [{"role": "user", "content": "Hi"}], "more": None, **changes,
    }  # fmt: skip
    if isinstance(cells["second"], list):
        cells["second"] = [{names[-1] if key == "text" else key: value for key, value in item.items()}
                           for item in cells["second"]]  # fmt: skip
    aliases = dict(zip(PLAIN_NAMES, names, strict=True))
    return {aliases[name]: cell for name, cell in cells.items() if cell is not ...}


def rename(steps: tuple[Any, ...], names: tuple[str, ...]) -> tuple[Any, ...]:
    """The steps of a path under the plain names, under these names."""
    aliases = dict(zip(PLAIN_NAMES, names, strict=True))
    key = [aliases[step] if step == "text" else step for step in steps[1:]]
    return (aliases[steps[0]], *(key if steps[0] == "second" else steps[1:]))


def nested(depth: int) -> Any:
    return [nested(depth - 1)] if depth else "x"


FAULTS: list[dict[str, Any]] = [
    {"prompt": ...}, {"prompt": None}, {"prompt": 5}, {"prompt": "\ud800"}, {"second": ...}, {"second": "no"},
    {"second": [{"text": None}]}, {"second": [{"text": "a"}, {"text": 5}]}, {"second": [{"text": "\ud800"}]},
    {"second": [{}]}, {"better": 2}, {"better": True}, {"better": "1"}, {"better": None}, {"level": "mid"},
    {"level": "\ud800"}, {"level": 1}, {"score": 9.0}, {"score": "2"}, {"score": True},
    {"talk": [{"role": "user", "content": "a", "x.y": {"z]": ["\ud800"]}}]}, {"talk": [{"content": "a"}]},
    {"more": nested(300)}, {"more": {"a.b": ["\ud800"]}},
]  # fmt: skip


@given(ODD_NAMES, st.sampled_from(FAULTS))
@example(DOTTED_NAMES, {"better": 2})
@example(DOTTED_NAMES, {"second": [{"text": 5}]})
@example(DOTTED_NAMES, {"more": nested(300)})
def test_a_fault_has_the_same_code_and_message_whatever_its_column_is_called(names, changes):
    plain = outcome(make_template(PLAIN_NAMES).format, make_row(PLAIN_NAMES, **changes), "preference")
    odd = outcome(make_template(names).format, make_row(names, **changes), "preference")
    assert isinstance(plain, RowError)
    assert (odd.code, odd.message) == (plain.code, plain.message)
    assert odd.column == name_cell(rename(parse_path(plain.column), names))
    if plain.column in KINDS:
        assert odd.column in names


@given(ODD_NAMES, st.sampled_from([0, 1]))
@example(DOTTED_NAMES, 0)
def test_a_row_gives_the_same_sample_and_spans_whatever_its_columns_are_called(names, better):
    plain, odd = make_template(PLAIN_NAMES), make_template(names)
    row, odd_row = make_row(PLAIN_NAMES, better=better), make_row(names, better=better)
    assert odd.format(odd_row, "preference") == plain.format(row, "preference")
    rendered, odd_rendered = plain.render(row, "preference"), odd.render(odd_row, "preference")
    sources = 0
    for text, odd_text in ((rendered.prompt, odd_rendered.prompt), (rendered.chosen, odd_rendered.chosen)):
        for span, odd_span in zip(text.spans, odd_text.spans, strict=True):
            assert odd_span._replace(source=None) == span._replace(source=None)
            if span.source is not None:
                path, offset = span.source
                steps = rename(parse_path(path), names)
                assert odd_span.source == (spell_path(steps), offset)
                assert column_of(odd_span.source[0]) == steps[0] in odd_row
                sources += 1
    assert sources == 3


@given(ODD_NAMES, st.lists(st.sampled_from([0, 1]), min_size=1, max_size=4))
@example(DOTTED_NAMES, [0, 1, 1])
def test_shortcuts_are_counted_whatever_the_columns_are_called(names, labels):
    plain, odd = (
        check(
            [make_row(called, prompt=f"{n}?", better=label) for n, label in enumerate(labels)], make_template(called)
        )
        for called in (PLAIN_NAMES, names)
    )
    assert odd.shortcuts == plain.shortcuts
    first = odd.shortcuts["first listed wins"]
    assert (first.right, first.wrong) == (labels.count(0), labels.count(1))


@given(ODD_NAMES)
@example(DOTTED_NAMES)
def test_a_label_that_chooses_is_found_whatever_the_columns_are_called(names):
    choice = find_choice(make_template(names), "preference")
    assert (choice.label, choice.first, choice.second) == (names[3], names[1], names[2])


def test_spans_spell_their_cells_where_names_are_odd():
    check_laws(make_template(DOTTED_NAMES), laws=[spans_partition_the_text_and_spell_their_cells])


@given(ODD_NAMES)
@example(DOTTED_NAMES)
def test_a_column_that_is_missing_is_reported_by_its_name_before_the_first_row(names):
    template, row = make_template(names), make_row(names)
    columns = template.columns("preference")
    assert sorted(columns) == sorted(row)
    template.check_columns("preference", columns)
    for column in set(columns) - {names[7]}:  # a column of any value may be null, and so be absent
        error = outcome(template.check_columns, "preference", [name for name in columns if name != column])
        assert (error.code, error.column) == (Code.MISSING_FIELD, column)


def test_the_nearest_column_is_hinted_at_where_names_have_dots():
    names = ("the.prompt", *DOTTED_NAMES[1:])
    row = make_row(names)
    row["the.promt"] = row.pop("the.prompt")
    error = outcome(make_template(names).format, row, "preference")
    assert (error.code, error.column, error.hint) == (Code.MISSING_FIELD, "the.prompt", "the.promt")


@pytest.mark.parametrize(
    ("kind", "value", "column"),
    [
        (dict[str, int], {"[key]": "a"}, "x[\"[key]\"]"),
        (dict[str, dict[str, int]], {"a": {"[key]": "b"}}, "x.a[\"[key]\"]"),
        (dict[str, int], {1: 2}, "x"),
        (dict[str, list[int]], {"a.b": [1, "2"]}, 'x["a.b"][1]'),
        (dict[str, int], {"": "a"}, 'x[""]'),
        (dict[str, int], {"\ud800": 1}, "x"),
        (str | dict[str, int], {"str": 1, "other": "a"}, "x"),
    ],
    ids=ascii,
)  # fmt: skip
def test_a_fault_under_an_odd_key_is_placed_by_a_path_with_that_key(kind, value, column):
    assert refused({"x": value}, x=kind).column == column


def test_a_batch_is_its_rows_where_names_are_odd():
    table = pa.Table.from_pylist([make_row(DOTTED_NAMES, better=better) for better in (0, 1)])
    plain = [
        make_template(PLAIN_NAMES).format(make_row(PLAIN_NAMES, better=better), "preference") for better in (0, 1)
    ]
    assert BatchFormatter(make_template(DOTTED_NAMES), "preference")(table).to_pylist() == plain


def test_a_csv_whose_header_has_dots_is_read_by_its_names(tmp_path):
    names = ("the.prompt", "a.first", "a.second", "better.id", "the.level", "[score]", "talk.s", "more.s", "te.xt")
    row = make_row(names)
    file = tmp_path / "rows.csv"
    cells = ["Why?", "So.", '"[{""te.xt"": ""No.""}]"', "2", "low", "2.0", "[]", "null"]
    file.write_text(",".join(names[:-1]) + "\n" + ",".join(cells) + "\n")
    template = make_template(names)
    (record,) = open_rows(str(file), cell_parsers=template.cell_parsers)
    assert record.cells == {**row, "better.id": 2, "talk.s": []}
    error = outcome(template.format, record.cells, "preference")
    assert (error.code, error.column, error.message) == (Code.BAD_LABEL, "better.id", "expected 0 or 1, got 2")
