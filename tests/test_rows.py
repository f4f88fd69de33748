"""Row types are spelled as text and read back; a row is checked exactly, and only where the format reads it."""

import math
import types
import warnings
from collections import UserDict
from datetime import datetime
from typing import Annotated, Any, Literal, Optional

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    Field,
    computed_field,
    field_validator,
    model_validator,
)
from support import outcome

from preftemplates import Index01, Message, Preference, RowModel, Template, get_template
from preftemplates.errors import Code, DefinitionError, RowError
from preftemplates.rows import Reader, read_row_type, spell_row


def row_class(**columns: Any) -> type[RowModel]:
    """A Row class with these columns: a type, or a type and a Field."""
    pairs = {name: column if isinstance(column, tuple) else (column,) for name, column in columns.items()}
    body = {name: pair[1] for name, pair in pairs.items() if len(pair) > 1}
    body["__annotations__"] = {name: pair[0] for name, pair in pairs.items()}
    body["__module__"] = __name__
    return types.new_class("Row", (RowModel,), exec_body=lambda namespace: namespace.update(body))


def reader(**columns: Any) -> Reader:
    return Reader(read_row_type(spell_row(row_class(**columns))), columns)


def refused(row: object, **columns: Any) -> RowError:
    with pytest.raises(RowError) as caught:
        reader(**columns).read(row)
    return caught.value


# --- spelling ------------------------------------------------------------------------------------------------------


class Inner(RowModel):
    text: str
    rank: float | None = Field(None, alias="the-rank")


TYPES = [
    str, int, float, bool, Any, Message, Index01, Index01 | None, str | None, Optional[int], list[str],  # noqa: UP045
    list[Message], list[list[Index01]], dict[str, Any], dict[str, list[int]], Literal["a", "b's", 'c"'],
    Literal["x"] | None, str | list[Message], Inner, list[Inner], Annotated[int, Field(ge=1, le=5)],
    Annotated[float, Field(gt=-1.5, lt=2)], Annotated[int, Field(ge=0)] | None, list[Annotated[int, Field(le=3)]],
]  # fmt: skip

CELLS: list[Any] = [
    None, True, False, 0, 1, 2, -1, 6, 1.0, 0.5, 1.5, -2.5, math.inf, "", "a", "1", "b's", [], ["a"], [1], [0.5],
    [[1]], [[2]], [None], {}, {"a": 1}, {"a": [1]}, {"a": ["x"]}, {"text": "t"}, {"text": "t", "the-rank": 1.0},
    {"text": "t", "the-rank": "1"}, [{"text": "t"}], [{"text": 1}], {"role": "user"}, [{"role": "user", "content": 1}],
    [{"role": "user", "content": "x", "more": None}], {"role": "user", "content": None}, (1, 2), object(),
]  # fmt: skip


def accepts(reader: Reader, cell: Any) -> Any:
    try:
        value = reader.read({"x": cell})["x"]
    except RowError as error:
        return error.code, error.column
    return repr(plain_cell(value))


def plain_cell(value: Any) -> Any:
    """The value without the class of a nested row, whose name is no part of a spelling."""
    if isinstance(value, BaseModel):
        return {name: plain_cell(item) for name, item in value}
    return [plain_cell(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("annotation", TYPES, ids=str)
def test_a_spelling_reads_back_as_a_row_type_that_accepts_the_same_cells(annotation):
    row = row_class(x=annotation)
    spelling = spell_row(row)
    again = read_row_type(spelling)
    assert spell_row(again) == spelling
    verdicts = [accepts(Reader(row, ["x"]), cell) for cell in CELLS]
    assert [accepts(Reader(again, ["x"]), cell) for cell in CELLS] == verdicts
    assert any(isinstance(verdict, str) for verdict in verdicts)
    assert annotation is Any or any(isinstance(verdict, tuple) for verdict in verdicts)


def test_two_types_that_accept_different_cells_are_spelled_differently():
    assert len({spell_row(row_class(x=annotation)) for annotation in TYPES}) == len(TYPES)


names = st.from_regex(r"[a-z][a-z_0-9]{0,8}", fullmatch=True).filter(
    lambda name: not hasattr(RowModel, name) and name.isidentifier()
)
column_names = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12).filter(
    lambda name: " as " not in name and not name.endswith("?")
)


@given(st.dictionaries(names, st.tuples(st.sampled_from(TYPES), st.booleans(), column_names), min_size=1, max_size=4))
def test_names_aliases_and_optional_columns_survive_the_spelling(columns):
    aliases = [alias for _, _, alias in columns.values()]
    if len(set(aliases)) < len(aliases):
        return
    row = row_class(
        **{n: (kind, Field(None if opt else ..., alias=alias)) for n, (kind, opt, alias) in columns.items()}
    )
    again = read_row_type(spell_row(row))
    assert spell_row(again) == spell_row(row)
    assert Reader(again, columns).columns == {name: alias for name, (_, _, alias) in columns.items()}
    assert [info.is_required() for info in again.model_fields.values()] == [not opt for _, opt, _ in columns.values()]


def test_a_column_whose_name_python_cannot_spell_is_read_under_an_alias():
    columns = {"score_a": (int, Field(alias="score-A")), "json_": (str, Field(alias="json"))}
    columns["self_"] = (str, Field(alias="self"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # pydantic warns of names that hide its own
        values = reader(**columns).read({"score-A": 5, "json": "j", "self": "s", "score_a": "not read"})
    assert values == {"score_a": 5, "json_": "j", "self_": "s"}


def test_an_error_names_the_column_as_the_row_does():
    error = refused({"score_a": 5}, score_a=(int, Field(alias="score-A")))
    assert error.column == "score-A"


@pytest.mark.parametrize("choices", [(0, 1), (True, False), (1.0,), ("a", 1), (None, "a")])
def test_a_literal_of_what_is_no_text_is_refused_since_true_would_be_1(choices):
    with pytest.raises(DefinitionError, match="Literal holds texts"):
        spell_row(row_class(x=Literal[choices]))


@pytest.mark.parametrize(
    "annotation", [tuple[str, ...], set[str], bytes, object, complex, list, dict, type[str], datetime, str | bytes]
)
def test_a_type_that_no_spelling_covers_is_refused_with_the_types_that_there_are(annotation):
    with pytest.raises(DefinitionError, match=r"Row\.x: .* Types are str, int, float, bool"):
        spell_row(row_class(x=annotation))


class Validated(RowModel):
    x: str

    @field_validator("x")
    @classmethod
    def shorten(cls, value: str) -> str:
        return value[:3]


class Crossed(RowModel):
    x: str

    @model_validator(mode="after")
    def agree(self) -> "Crossed":
        return self


class Computed(RowModel):
    x: str

    @computed_field
    @property
    def y(self) -> str:
        return self.x


@pytest.mark.parametrize("row", [Validated, Crossed, Computed])
def test_a_row_with_a_validator_is_refused(row):
    with pytest.raises(DefinitionError, match=r"a row has columns only; write a filter"):
        spell_row(row)


@pytest.mark.parametrize(
    "annotation",
    [
        Annotated[str, AfterValidator(str.strip)],
        Annotated[int, BeforeValidator(int)],
        list[Annotated[str, AfterValidator(str.strip)]],
        Annotated[str, Field(min_length=1)],
        Annotated[str, Field(pattern="a+")],
        Annotated[int, Field(multiple_of=2)],
        Annotated[list[str], Field(min_length=1)],
        Annotated[int, Field(strict=False)],
    ],
    ids=str,
)
def test_a_constraint_that_the_spelling_would_lose_is_refused(annotation):
    with pytest.raises(DefinitionError):
        spell_row(row_class(x=annotation))


def test_a_bound_around_an_optional_type_is_kept_or_refused():
    try:
        spelling = spell_row(row_class(x=(Optional[int], Field(ge=1))))  # noqa: UP045
    except DefinitionError:
        return
    with pytest.raises(RowError):
        Reader(read_row_type(spelling), ["x"]).read({"x": 0})


@pytest.mark.parametrize("field", [Field("x"), Field(0), Field(default_factory=list)])
def test_a_default_that_would_invent_data_is_refused(field):
    with pytest.raises(DefinitionError, match="the only default a column may have is None"):
        spell_row(row_class(x=(Any, field)))


@pytest.mark.parametrize("alias", ["a as b", "a?", AliasChoices("a", "b")])
def test_a_column_name_that_the_spelling_could_not_tell_is_refused(alias):
    with pytest.raises(DefinitionError):
        spell_row(row_class(x=(str, Field(validation_alias=alias))))


@pytest.mark.parametrize(
    "text",
    [
        "", "str", "1", "{", "(((", "\0", "{'x': 1}", "{'x': list}", "{'x': dict[int]}", "{'x': bytes}", "{x: str}",
        "{1: str}", "{**x}", "{'x': Literal[y]}", "{'x': Literal[0, 1]}", "{'x': int(ge=y)}", "{'x': int(ge='a')}",
        "{'x': int(foo=1)}", "{'_x': str}", "{'x as 1y': str}", "{'a b': str}", "{'': str}", "{'model_config': str}",
        "{'x': str, 'x': int}", "{'a as x': str, 'b as x': int}", "{'x': __import__('os')}", "{'x': str()}",
    ],
)  # fmt: skip
def test_a_text_that_spells_no_row_type_is_refused(text):
    with pytest.raises(DefinitionError):
        read_row_type(text)


# --- exact cells ---------------------------------------------------------------------------------------------------

LABELS = [
    True, False, np.True_, 1.0, 0.0, "1", "0", "\u0661", "", 2, -1, 10**30, math.nan, math.inf, [1], {}, np.int64(1),
    np.float64(1.0), b"1", 1j,
]  # fmt: skip


@pytest.mark.parametrize("value", LABELS, ids=repr)
def test_a_label_is_the_integer_0_or_1_and_nothing_like_it(value):
    error = refused({"x": value}, x=Index01)
    assert (error.code, error.column) == (Code.BAD_LABEL, "x")
    assert error.value is value
    assert error.message.startswith("expected 0 or 1, got ")


def test_a_label_that_is_0_or_1_is_taken():
    assert [reader(x=Index01).read({"x": value}) for value in (0, 1)] == [{"x": 0}, {"x": 1}]


@pytest.mark.parametrize(
    ("kind", "value", "code"),
    [
        (str, 5, Code.WRONG_TYPE),
        (str, ["a"], Code.WRONG_TYPE),
        (str, {"a": 1}, Code.WRONG_TYPE),
        (str, True, Code.WRONG_TYPE),
        (str, math.nan, Code.WRONG_TYPE),
        (str, b"a", Code.WRONG_TYPE),
        (int, True, Code.WRONG_TYPE),
        (int, 1.0, Code.WRONG_TYPE),
        (int, "1", Code.WRONG_TYPE),
        (float, True, Code.WRONG_TYPE),
        (float, "1.5", Code.WRONG_TYPE),
        (bool, 1, Code.WRONG_TYPE),
        (bool, "true", Code.WRONG_TYPE),
        (list[str], "abc", Code.WRONG_TYPE),
        (list[str], {"a": 1}, Code.WRONG_TYPE),
        (dict[str, Any], [1], Code.WRONG_TYPE),
        (dict[str, Any], {1: 1}, Code.WRONG_TYPE),
        (str | list[Message], {"a": 1}, Code.WRONG_TYPE),
        (str | list[Message], 5, Code.WRONG_TYPE),
        (Literal["a", "b"], "c", Code.BAD_LABEL),
        (Annotated[int, Field(ge=1, le=5)], 6, Code.BAD_LABEL),
        (Annotated[int, Field(ge=1, le=5)], True, Code.BAD_LABEL),
    ],
    ids=str,
)
def test_nothing_is_coerced_into_the_declared_type(kind, value, code):
    error = refused({"x": value}, x=kind)
    assert (error.code, error.column) == (code, "x")
    assert error.value is value or error.value == value


@pytest.mark.parametrize(
    ("kind", "value", "path"),
    [
        (str, None, "x"),
        (Index01, None, "x"),
        (list[str], None, "x"),
        (list[str], ["a", None], "x[1]"),
        (list[list[str]], [["a"], [None]], "x[1][0]"),
        (dict[str, str], {"k": None}, "x.k"),
        (Inner, {"text": None}, "x.text"),
        (list[Inner], [{"text": "t"}, {"text": None}], "x[1].text"),
    ],
    ids=str,
)
def test_a_null_is_missing_at_its_own_path(kind, value, path):
    error = refused({"x": value}, x=kind)
    assert (error.code, error.column, error.message) == (Code.MISSING_FIELD, path, "is null")


@pytest.mark.parametrize(
    ("kind", "value", "path", "code"),
    [
        (list[str], ["a", 5], "x[1]", Code.WRONG_TYPE),
        (list[Message], [{"content": "c"}], "x[0].role", Code.MISSING_FIELD),
        (list[Message], [{"role": "user"}, {"role": 5}], "x[1].role", Code.WRONG_TYPE),
        (Inner, {"text": "t", "the-rank": "1"}, "x.the-rank", Code.WRONG_TYPE),
        (Inner, {}, "x.text", Code.MISSING_FIELD),
        (dict[str, list[int]], {"k": [1, "2"]}, "x.k[1]", Code.WRONG_TYPE),
    ],
    ids=str,
)
def test_an_error_deep_in_a_cell_names_the_path_to_it(kind, value, path, code):
    error = refused({"x": value}, x=kind)
    assert (error.column, error.code) == (path, code)


def test_an_optional_column_may_be_absent_or_null():
    optional = reader(x=(str | None, None))
    assert optional.read({}) == optional.read({"x": None}) == {"x": None}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (str, "a\ud800"),
        (list[str], ["a", "\udfff"]),
        (list[Message], [{"role": "user", "content": "\ud800"}]),
        (list[Message], [{"role": "user", "content": "c", "more": {"deep": ["\ud800"]}}]),
        (Inner, {"text": "\ud800"}),
        (Any, {"a": "\ud800"}),
        (dict[str, Any], {"\ud800": 1}),
        (Any, [{"a": {"\ud800": 1}}]),
    ],
    ids=ascii,
)
def test_a_lone_surrogate_is_refused_wherever_it_stands(kind, value):
    error = refused({"x": value}, x=kind)
    assert error.code == Code.BAD_TEXT
    assert error.column.startswith("x")
    assert str(error).isprintable()


def test_a_pair_of_surrogates_that_json_read_as_one_character_is_text():
    assert reader(x=str).read({"x": "\U0001f600"}) == {"x": "\U0001f600"}


@pytest.mark.parametrize("depth", [200, 100_000])
def test_a_deep_cell_is_read_and_one_beyond_reading_is_refused(depth):
    cell: Any = "x"
    for _ in range(depth):
        cell = [cell]
    for read in (reader(x=Any).read, reader(x=Any).read_traced):
        result = outcome(read, {"x": cell})
        assert isinstance(result, dict) if depth == 200 else result.code == Code.TOO_DEEP
    while isinstance(cell, list):  # taken apart here, or freeing it would recurse
        cell = cell[0]


# --- what a row is -------------------------------------------------------------------------------------------------

REAL = {"prompt": "p", "response_0": "a", "response_1": "b", "better_response_id": 1}


def test_columns_that_the_format_does_not_read_are_not_looked_at():
    pku = get_template("PKUSafeRLHF")
    row = {**REAL, "answer": None, "is_response_0_safe": object(), "\ud800": 1, 5: 6}
    assert pku.format(row, "preference") == pku.format(REAL, "preference")
    with pytest.raises(RowError, match="column 'answer': is null"):
        pku.format(row, "supervised")


class Counted(dict):
    """A row that remembers what was asked of it."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.asked: list[str] = []

    def __getitem__(self, key: str) -> Any:
        self.asked.append(key)
        return super().__getitem__(key)


def test_only_the_columns_of_the_format_are_fetched():
    pku, row = get_template("PKUSafeRLHF"), Counted(REAL)
    pku.format(row, "prompt_only")
    assert set(row.asked) == {"prompt"} == set(pku.columns("prompt_only"))


@pytest.mark.parametrize("kind", [dict, UserDict, types.MappingProxyType, Counted], ids=lambda kind: kind.__name__)
def test_any_mapping_is_a_row(kind):
    assert get_template("PKUSafeRLHF").format(kind(REAL), "preference") == {
        "better_text": "BEGINNING OF CONVERSATION: USER: p ASSISTANT:b",
        "worse_text": "BEGINNING OF CONVERSATION: USER: p ASSISTANT:a",
    }


@pytest.mark.parametrize(
    "row", [None, [], "prompt", 5, [("prompt", "p")], object()], ids=lambda row: type(row).__name__
)
def test_what_is_no_mapping_is_no_row(row):
    with pytest.raises(RowError, match="a row is a mapping of columns to cells") as caught:
        get_template("PKUSafeRLHF").format(row, "preference")
    assert caught.value.code == Code.WRONG_TYPE


def test_the_lazy_rows_of_a_dataset_s_map_format_like_dicts():
    from datasets import Dataset

    pku = get_template("PKUSafeRLHF")
    rows = [{**REAL, "prompt": f"p{n}", "better_response_id": n % 2} for n in range(5)]
    kinds = set()

    def format(row):
        kinds.add(type(row).__name__)
        return pku.format(row, "preference")

    dataset = Dataset.from_list(rows)
    mapped = dataset.map(format, remove_columns=dataset.column_names, load_from_cache_file=False)
    assert list(mapped) == [pku.format(row, "preference") for row in rows]
    assert kinds == {"LazyRow"}


class Nested(BaseModel):
    inner: list[Inner]


class OverNested(Template):
    class Row(RowModel):
        data: Nested

    preference = Preference(
        prompt="{{ data.inner[0].text }}", chosen="{{ data.inner[1].text }}", rejected="{{ data.inner[-1].text }}"
    )


@given(st.lists(st.text(max_size=5), min_size=2, max_size=4))
def test_nested_rows_are_read_by_name_and_their_texts_know_their_path(contents):
    row = {"data": {"inner": [{"text": content, "the-rank": None} for content in contents], "more": 1}}
    sample = OverNested().extract(row, "preference")
    assert [sample.prompt[0]["content"], sample.chosen[0]["content"]] == contents[:2]
    assert sample.chosen[0]["content"].pieces[0].origin == "data.inner[1].text"
