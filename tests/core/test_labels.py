"""A label's annotation is a type, wherever it is written and however it is spelled."""

import math
from typing import Annotated, Any, Literal, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preftemplates import Sample
from preftemplates.core.labels import convert_to_floats, holds_floats, make_label_check, spell_label_type
from preftemplates.core.python_files import run_source
from preftemplates.errors import DefinitionError, RowError

EAGER = """
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, Optional, TypeVar
from preftemplates import Sample

T = TypeVar("T")
Score = float

@dataclass(frozen=True, kw_only=True)
class {name}(Sample[T]):
    best: T
    others: T | tuple[T, ...]
    score: T | Score | None = None
    grades: "T | list[float]"
    by_name: Optional[dict[str, float]] = None
    kind: Literal["a", "b"] = "a"
    count: int | T = 0
    note: Any = None
    shown: ClassVar[int] = 3
"""
LABELS = {
    "score": float,
    "grades": list[float],
    "by_name": dict[str, float],
    "kind": Literal["a", "b"],
    "count": int,
    "note": Any,
}
KINDS = {
    "score": "float",
    "grades": "list[float]",
    "by_name": "dict[str, float]",
    "kind": "Literal['a', 'b']",
    "count": "int",
    "note": "Any",
}


@pytest.mark.parametrize("future", ["", "from __future__ import annotations\n"], ids=["evaluated", "text"])
@pytest.mark.parametrize("inner", [False, True], ids=["module", "function"])
def test_annotations_are_types_whether_they_are_text_or_not(future, inner):
    name = f"Own{bool(future)}{inner}"
    body = EAGER.format(name=name)
    if inner:
        lines = [f"    {line}" for line in body.splitlines()]
        body = "\n".join(["def make():", *lines, f"    return {name}", f"{name} = make()"])
    kind = getattr(run_source(f"{name}.py", future + body), name)
    assert kind.label_types == LABELS
    assert kind.label_kinds == KINDS
    assert (kind.response_names, kind.several) == (("best", "others"), "others")


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        ("List[float]", "list[float]"),
        ("T | tuple[float, ...]", "list[float]"),
        ("Sequence[bool] | None", "list[bool]"),
        ("T | Mapping[str, List[int]]", "dict[str, list[int]]"),
        ("Dict[str, float]", "dict[str, float]"),
        ("NewType('Score', float)", "float"),
        ("Annotated[int, 'from 1 to 5']", "int"),
        ("Union[T, int, str]", "int | str"),
        ("Optional[T | bool]", "bool"),
    ],
)
@pytest.mark.parametrize("future", ["", "from __future__ import annotations\n"], ids=["evaluated", "text"])
def test_a_type_is_kept_in_its_plainest_form(annotation, kind, future):
    source = "from typing import *\nfrom preftemplates import Sample\nT = TypeVar('T')\n"
    source += f"class Plain(Sample[T]):\n    best: T\n    score: {annotation}\n"
    plain = run_source(f"plain {annotation} {future}.py", future + source).Plain
    assert (plain.label_kinds, plain.response_names) == ({"score": kind}, ("best",))


def test_a_type_that_inherits_has_the_fields_of_both():
    module = run_source("heirs.py", EAGER.format(name="Parent1") + HEIR)
    heir = module.Heir1
    assert heir.label_types == {**LABELS, "count": float, "more": bool}
    assert heir.response_names == ("best", "others")


HEIR = """
@dataclass(frozen=True, kw_only=True)
class Heir1(Parent1[T]):
    count: float = 0.0
    more: bool = False
"""


@pytest.mark.parametrize(
    ("annotation", "says"),
    [
        ("set[int]", "cannot have the type set[int]"),
        ("dict[int, str]", "cannot have the type dict[int, str]"),
        ("list[bytes]", "cannot have the type bytes"),
        ("complex | None", "cannot have the type complex"),
        ("Literal[1, 2]", "cannot have the type Literal[1, 2]"),
        ("Missing", "Missing"),
    ],
)
def test_a_type_that_no_row_can_fill_is_refused_when_the_class_is_defined(annotation, says):
    source = (
        "from typing import *\nfrom preftemplates import Sample\nT = TypeVar('T')\nclass Odd(Sample[T]):\n    a: T\n"
    )
    with pytest.raises(DefinitionError) as caught:
        run_source(f"odd {annotation}.py", f"from __future__ import annotations\n{source}    score: {annotation}\n")
    assert says in caught.value.message
    assert "Odd" in caught.value.message


@pytest.mark.parametrize("name", ["tools", "prompt", "format", "responses", "label_values", "map", "is_tie", "pieces"])
def test_a_field_that_every_sample_has_is_refused(name):
    with pytest.raises(DefinitionError, match=f"Taken.{name}: every sample has {name} already"):
        type("Taken", (Sample,), {"__annotations__": {name: float}, "__module__": __name__})


def any_value():
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=2) | st.just(10**400)
    return st.recursive(
        leaves, lambda x: st.lists(x, max_size=2) | st.dictionaries(st.text(max_size=1), x, max_size=2)
    )


@given(any_value())
def test_a_check_accepts_the_values_of_its_type_and_no_others(value):
    is_number = type(value) in (int, float) and abs(value) <= 1.7976931348623157e308
    assert make_label_check(float)(value) is is_number
    assert make_label_check(int)(value) is (type(value) is int)
    assert make_label_check(bool)(value) is (type(value) is bool)
    assert make_label_check(Literal["a"])(value) is (value == "a" and type(value) is str)
    assert make_label_check(Any)(value)
    are_numbers = type(value) is list and all(map(make_label_check(float), value))
    assert make_label_check(list[float])(value) is are_numbers
    are_scores = type(value) is dict and all(map(make_label_check(float), value.values()))
    assert make_label_check(dict[str, float])(value) is are_scores
    assert make_label_check(float | str)(value) is (is_number or type(value) is str)


def test_types_are_spelled_as_they_are_written():
    kinds = [float, list[bool], dict[str, list[float]], Literal["a"], float | str, Optional[int], Annotated]  # noqa: UP045
    assert [spell_label_type(kind) for kind in kinds[:-2]] == [
        "float", "list[bool]", "dict[str, list[float]]", "Literal['a']", "float | str",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (float, 1, 1.0),
        (list[float], [1, 0.5], [1.0, 0.5]),
        (dict[str, list[float]], {"a": [1]}, {"a": [1.0]}),
        (float | str, "1", "1"),
        (float | bool, True, True),
    ],
)
def test_whole_numbers_are_floats_where_the_type_has_no_other_number(kind, value, expected):
    assert holds_floats(kind)
    assert repr(convert_to_floats(value)) == repr(expected)


@pytest.mark.parametrize("kind", [int, list[int], float | int, bool, str, Any, Literal["a"]])
def test_other_numbers_stay(kind):
    assert not holds_floats(kind)


def test_a_label_of_another_type_is_refused_with_the_type_in_words():
    kind = run_source("words.py", EAGER.format(name="Words")).Words
    fine = {"prompt": "p", "best": "b", "others": ("c",), "grades": [1]}
    kind(**fine).check_labels()
    faults = {
        "score": "text", "grades": [math.nan], "by_name": {"a": True}, "kind": "c", "count": 1.5,
    }  # fmt: skip
    for name, value in faults.items():
        with pytest.raises(RowError, match="expected a") as caught:
            kind(**{**fine, name: value}).check_labels()
        assert caught.value.code == "wrong_type"
        assert KINDS[name] in caught.value.message
