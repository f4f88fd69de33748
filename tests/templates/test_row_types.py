"""Row types are spelled as text and read back, and what the spelling would lose is refused."""

import math
import warnings
from datetime import datetime
from typing import Annotated, Any, Literal, Optional

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
from row_support import BOUNDED, Inner, reader, refused, row_class

from preftemplates import FirstIs1, Index01, Index12, Message, Probability, RowModel, Strength
from preftemplates.errors import DefinitionError, RowError
from preftemplates.templates.row_types import has_domain, read_row_type, spell_row
from preftemplates.templates.row_validation import RowValidator

TYPES = [
    str, int, float, bool, Any, Message, Index01, Index01 | None, str | None, Optional[int], list[str],  # noqa: UP045  the other spelling of a union
    list[Message], list[list[Index01]], dict[str, Any], dict[str, list[int]], Literal["a", "b's", 'c"'],
    Literal["x"] | None, str | list[Message], Inner, list[Inner], Annotated[int, Field(ge=1, le=5)],
    Index12, FirstIs1, Strength, Probability, Probability | None, list[Strength],
    Annotated[float, Field(gt=-1.5, lt=2)], Annotated[int, Field(ge=0)] | None, list[Annotated[int, Field(le=3)]],
]  # fmt: skip

CELLS: list[Any] = [
    None, True, False, 0, 1, 2, -1, 6, 1.0, 0.5, 1.5, -2.5, math.inf, "", "a", "1", "b's", [], ["a"], [1], [0.5],
    [[1]], [[2]], [None], {}, {"a": 1}, {"a": [1]}, {"a": ["x"]}, {"text": "t"}, {"text": "t", "the-rank": 1.0},
    {"text": "t", "the-rank": "1"}, [{"text": "t"}], [{"text": 1}], {"role": "user"}, [{"role": "user", "content": 1}],
    [{"role": "user", "content": "x", "more": None}], {"role": "user", "content": None}, (1, 2), object(),
]  # fmt: skip


def accepts(reader: RowValidator, cell: Any) -> Any:
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
    verdicts = [accepts(RowValidator(row, ["x"]), cell) for cell in CELLS]
    assert [accepts(RowValidator(again, ["x"]), cell) for cell in CELLS] == verdicts
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
    assert RowValidator(again, columns).columns == {name: alias for name, (_, _, alias) in columns.items()}
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
    with pytest.raises(DefinitionError, match="Literal may have only texts"):
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
    with pytest.raises(DefinitionError, match=r"a row may have only columns; write a filter"):
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
        spelling = spell_row(row_class(x=(Optional[int], Field(ge=1))))  # noqa: UP045  the other spelling of a union
    except DefinitionError:
        return
    with pytest.raises(RowError):
        RowValidator(read_row_type(spelling), ["x"]).read({"x": 0})


@pytest.mark.parametrize("field", [Field("x"), Field(0), Field(default_factory=list)])
def test_a_default_that_would_invent_data_is_refused(field):
    with pytest.raises(DefinitionError, match="only None is allowed as the default of a column"):
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


# --- labels that say which of two is better ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotation", "name", "accepted"),
    [
        (Index01, "Index01", [0, 1]),
        (Index12, "Index12", [1, 2]),
        (FirstIs1, "FirstIs1", [0, 1]),
        (Strength, "Strength", [-3, -2, -1, 0, 1, 2, 3]),
        (Probability, "Probability", [0, 0.0, 0.5, 1, 1.0]),
    ],
)
def test_a_label_takes_its_domain_and_nothing_near_it(annotation, name, accepted):
    assert spell_row(row_class(x=annotation)) == f"{{'x': {name}}}"
    label = reader(x=annotation)
    assert [label.read({"x": cell})["x"] for cell in accepted] == accepted
    near = [min(accepted) - 1, max(accepted) + 1, True, False, "1", None, "A", math.nan, [1]]
    for cell in [*near, *([] if annotation is Probability else [0.5])]:
        error = refused({"x": cell}, x=annotation)
        assert error.column == "x"
        assert error.code in ("bad_label", "wrong_type", "missing_field")


@pytest.mark.parametrize(("annotation", "cell"), [(Index12, 0), (Index01, 2), (Strength, 4), (Probability, 1.5)])
def test_a_value_outside_the_domain_is_a_bad_label_that_says_the_domain(annotation, cell):
    error = refused({"x": cell}, x=annotation)
    domain = {Index12: "1 or 2", Index01: "0 or 1", Strength: "-3 to 3", Probability: "0 to 1"}[annotation]
    assert error.code == "bad_label"
    assert domain in str(error)


@pytest.mark.parametrize(("annotation", "spelling", "inside", "outside"), BOUNDED, ids=[case[1] for case in BOUNDED])
def test_a_bound_that_is_not_of_the_domain_is_spelled_and_read_back_as_such(annotation, spelling, inside, outside):
    row = row_class(x=annotation)
    assert spell_row(row) == f"{{'x': {spelling}}}"
    again = read_row_type(spell_row(row))
    assert again.model_fields["x"].metadata == row.model_fields["x"].metadata
    for kind in (row, again):
        assert [RowValidator(kind, ["x"]).read({"x": cell})["x"] for cell in inside] == inside
        for cell in outside:
            with pytest.raises(RowError):
                RowValidator(kind, ["x"]).read({"x": cell})


@pytest.mark.parametrize(
    ("annotation", "closed"),
    [
        (Index01, True), (Index12, True), (FirstIs1, True), (bool, True), (Literal["a", "b"], True),
        (Annotated[int, Field(ge=0, le=4)], True), (Annotated[int, Field(ge=0)], False),
        (Annotated[int, Field(gt=0, lt=5)], False), (Annotated[int, Field(ge=0, lt=5)], False),
        (Annotated[int, Field(gt=0, le=5)], False), (Annotated[int, Field(gt=0)], False),
        (Annotated[int, Field(lt=5)], False), (Annotated[int, Field(ge=0, gt=0, le=5)], True),
        (Annotated[float, Field(gt=0, lt=1)], False),
        (Annotated[int, Field(le=1)], False), (int, False), (float, False), (str, False), (Any, False),
        (Probability, False), (Annotated[float, Field(ge=0, le=1)], False), (list[Index01], False),
        (Index01 | None, False), (Literal["a"] | None, False), (dict[str, int], False),
    ],
    ids=str,
)  # fmt: skip
def test_a_type_has_a_domain_where_each_of_its_values_is_known(annotation, closed):
    for row in (row_class(x=annotation), read_row_type(spell_row(row_class(x=annotation)))):
        assert has_domain(row.model_fields["x"]) is closed
