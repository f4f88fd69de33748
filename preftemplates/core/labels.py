"""Label types: which annotations a label may have, how its values are checked and how the type is spelled."""

from __future__ import annotations

import inspect
import math
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, ClassVar, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

from preftemplates.errors import DefinitionError

LEAF_TYPES = (float, int, bool, str)
"""The types that labels are made of, with `Any`, `Literal` of strings, `list`, `dict[str, ...]` and unions."""


class FieldTypes(NamedTuple):
    """The fields that a dataset type adds to a sample, by what they hold.

    Attributes:
        responses: the names of the responses.
        several: the one response that is a tuple, if there is one.
        labels: the type of each label, by name.
    """

    responses: tuple[str, ...]
    several: str | None
    labels: dict[str, Any]


def read_field_types(cls: type[Any]) -> FieldTypes:
    """Sort the annotated fields of a class into responses and labels.

    A field of a type variable is a response. A union of the variable and a tuple of it marks the response that may be
    several. Every other field is a label. Annotations may be strings, as with `from __future__ import annotations`.

    Raises:
        DefinitionError: an annotation names something that is not defined, or a label has a type that no row can fill.
    """
    responses, labels, several = list[str](), dict[str, Any](), None
    for name, hint in _resolve_annotations(cls).items():
        variables = [member for member in _list_members(hint) if isinstance(member, TypeVar)]
        values = [member for member in _list_members(hint) if not isinstance(member, TypeVar)]
        if variables and not values:
            responses.append(name)
        elif variables and [get_args(value) for value in values] == [(variables[0], ...)]:
            responses.append(name)
            several = name
        else:
            kept = tuple(value for value in values if value is not types.NoneType)
            labels[name] = _check_label_type(_unite(kept), f"{cls.__name__}.{name}")
    return FieldTypes(tuple(responses), several, labels)


def _unite(kinds: tuple[Any, ...]) -> Any:
    """Return the union of some types, or `Any` if there is none."""
    return Union[kinds] if kinds else Any  # noqa: UP007  the types are in a tuple


def _list_members(hint: Any) -> tuple[Any, ...]:
    """Return the members of a union; any other type is its only member."""
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _resolve_annotations(cls: type[Any]) -> dict[str, Any]:
    """Resolve the class's own annotations in its module, or in the function that contains the class statement."""
    names = inspect.get_annotations(cls)
    try:
        hints = get_type_hints(cls)
    except NameError as error:
        hints = _resolve_in_callers(cls, error)
    return {name: hints[name] for name in names if get_origin(hints[name]) is not ClassVar and hints[name] != ClassVar}


def _resolve_in_callers(cls: type[Any], error: NameError) -> dict[str, Any]:
    frame = sys._getframe(2)
    while (frame := frame.f_back) is not None:  # type: ignore[assignment]
        try:
            return get_type_hints(cls, localns=dict(frame.f_locals))
        except NameError:
            continue
    raise DefinitionError(f"{cls.__name__}: an annotation cannot be read: {error}") from error


def _check_label_type(kind: Any, place: str) -> Any:
    """Check that a value of a row can have a type, and return the type in its plainest form."""
    kind = getattr(kind, "__supertype__", kind)  # unwraps a NewType
    origin, args = get_origin(kind), get_args(kind)
    if kind in (*LEAF_TYPES, Any):
        return kind
    if origin is Literal and all(isinstance(arg, str) for arg in args):
        return kind
    if origin in (Union, types.UnionType):
        return _unite(tuple(_check_label_type(arg, place) for arg in args))
    if origin in (list, Sequence) or (origin is tuple and args[1:] == (...,)):
        return list[_check_label_type(args[0], place)]  # type: ignore[misc]
    if origin in (dict, Mapping) and args[0] is str:
        return dict[str, _check_label_type(args[1], place)]  # type: ignore[misc]
    raise DefinitionError(
        f"{place}: a label cannot have the type {spell_label_type(kind)}. Types are"
        f" {', '.join(leaf.__name__ for leaf in LEAF_TYPES)}, list, dict with str keys, Literal of strings, and '|'"
    )


def spell_label_type(kind: Any) -> str:
    """Return a type as it is written in source code.

    >>> spell_label_type(float), spell_label_type(dict[str, float]), spell_label_type(Literal["A", "B"])
    ('float', 'dict[str, float]', "Literal['A', 'B']")
    """
    if get_origin(kind) in (Union, types.UnionType):
        return " | ".join(map(spell_label_type, get_args(kind)))
    return kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind).replace("typing.", "")


@cache
def make_label_check(kind: Any) -> Callable[[Any], bool]:
    """Return a function that checks whether a value has a type.

    A float must be finite, and True does not count as a number.

    >>> is_scores = make_label_check(list[float])
    >>> is_scores([1, 0.5]), is_scores([True]), is_scores([float("inf")])
    (True, False, False)
    """
    origin, args = get_origin(kind), get_args(kind)
    if origin is list:
        is_item = make_label_check(args[0])
        return lambda value: isinstance(value, list | tuple) and all(map(is_item, value))
    if origin is dict:
        is_member = make_label_check(args[1])
        return lambda value: (
            isinstance(value, Mapping)
            and all(isinstance(key, str) for key in value)
            and all(map(is_member, value.values()))
        )
    if origin in (Union, types.UnionType):
        checks = [make_label_check(arg) for arg in args]
        return lambda value: any(check(value) for check in checks)
    if origin is Literal:
        return lambda value: isinstance(value, str) and value in args
    return _LEAF_CHECKS.get(kind, lambda _: True)


def _is_number(value: Any) -> bool:
    """Return whether a float can hold a value; a whole number may be too large."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False


_LEAF_CHECKS: Mapping[Any, Callable[[Any], bool]] = {
    float: _is_number,
    int: lambda value: isinstance(value, int) and not isinstance(value, bool),
    bool: lambda value: isinstance(value, bool),
    str: lambda value: isinstance(value, str),
}


@cache
def holds_floats(kind: Any) -> bool:
    """Return whether every number in a type is a float, so that whole numbers can be written as floats too."""
    leaves = _list_leaves(kind)
    return float in leaves and not {int, Any} & leaves


def _list_leaves(kind: Any) -> set[Any]:
    args = get_args(kind)
    if not args or get_origin(kind) is Literal:
        return {kind}
    return set().union(*map(_list_leaves, args))


def convert_to_floats(value: Any) -> Any:
    """Return a label with every number converted to a float."""
    if isinstance(value, Mapping):
        return {name: convert_to_floats(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [convert_to_floats(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
