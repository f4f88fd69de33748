"""Readers for the values of any source: each converts to the one value that a row validator checks, by column type."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from preftemplates.core.containers import is_gap, to_integer, to_object, to_plain, unwrap
from preftemplates.core.json_text import read_json_as
from preftemplates.core.message_values import Reading, clean_message
from preftemplates.core.messages import Message
from preftemplates.core.paths import Steps, get_row_key, spell_path
from preftemplates.core.provenance import plain

CellReader = Callable[[Any, Steps, Reading], Any]
"""Reads the value of one type at a path; a value of any other type stays unchanged, for the check to report."""


def make_cell_reader(annotation: Any) -> CellReader:
    """Return the function that reads values of a type, whatever library holds them.

    Scalars, arrays, maps and records of other libraries become Python's own types. A whole float becomes an integer,
    and 0 and 1 become truth values if the type is bool. NaN is null. JSON text is parsed if the type is a list or an
    object.

    >>> reading = Reading()
    >>> make_cell_reader(int)(1.0, (), reading), make_cell_reader(int)(True, (), reading)
    (1, True)
    >>> make_cell_reader(list[str])('["a"]', (), reading), make_cell_reader(str)('["a"]', (), reading)
    (['a'], '["a"]')
    """
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return make_cell_reader(args[0])
    if origin in (Union, types.UnionType):
        return _make_union_reader(args)
    if annotation is Message:
        return _read_message
    if origin is list or annotation is list:
        return _make_list_reader(args[0] if args else Any)
    if origin is dict or annotation is dict:
        return _make_dict_reader(args[1] if args else Any)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _make_row_reader(annotation)
    return _SCALAR_READERS.get(annotation, _read_scalar if origin is Literal else _read_any)


def _read_scalar(value: Any, _steps: Steps, _reading: Reading) -> Any:
    if type(value) is str:
        return value
    value = unwrap(value)  # a whole number for a float is converted by the check itself
    return None if is_gap(value) else value


def _read_integer(value: Any, _steps: Steps, _reading: Reading) -> Any:
    value = unwrap(value)
    return None if is_gap(value) else to_integer(value)


def _read_truth(value: Any, steps: Steps, reading: Reading) -> Any:
    value = _read_integer(value, steps, reading)
    return bool(value) if type(value) is int and value in (0, 1) else value


def _read_any(value: Any, _steps: Steps, _reading: Reading) -> Any:
    return None if is_gap(value) else to_integer(to_plain(value))


_SCALAR_READERS: dict[Any, CellReader] = {
    str: _read_scalar, float: _read_scalar, int: _read_integer, bool: _read_truth, Any: _read_any
}  # fmt: skip


def _read_message(value: Any, steps: Steps, reading: Reading) -> Any:
    value = _parse(unwrap(value), dict, steps, reading)
    return clean_message(value, steps, reading) if isinstance(value, Mapping) else value


def _make_list_reader(item_type: Any) -> CellReader:
    read_item = make_cell_reader(item_type)

    def read_list(value: Any, steps: Steps, reading: Reading) -> Any:
        value = _parse(unwrap(value), list, steps, reading)
        if not isinstance(value, list | tuple):
            return value
        return [read_item(item, (*steps, index), reading) for index, item in enumerate(value)]

    return read_list


def _make_dict_reader(member_type: Any) -> CellReader:
    read_member = make_cell_reader(member_type)
    may_be_null = member_type is Any or type(None) in get_args(member_type)

    def read_dict(value: Any, steps: Steps, reading: Reading) -> Any:
        value = to_object(_parse(unwrap(value), dict, steps, reading))
        if not isinstance(value, Mapping):
            return {} if value == [] and type(value) is list else value
        members = {key: read_member(item, (*steps, key), reading) for key, item in value.items()}
        return members if may_be_null else {key: item for key, item in members.items() if item is not None}

    return read_dict


def _make_row_reader(model: type[BaseModel]) -> CellReader:
    readers = {get_row_key(name, info): make_cell_reader(info.annotation) for name, info in model.model_fields.items()}

    def read_row(value: Any, steps: Steps, reading: Reading) -> Any:
        value = to_object(_parse(unwrap(value), dict, steps, reading))
        if not isinstance(value, Mapping):
            return value
        cells = {key: read(value[key], (*steps, key), reading) for key, read in readers.items() if key in value}
        return {**value, **cells}

    return read_row


def _make_union_reader(members: tuple[Any, ...]) -> CellReader:
    """Return a reader that picks a union's member by the value's shape; it parses JSON only if no member is text."""
    kinds = [member for member in members if member is not type(None)]
    if len(kinds) == 1:
        return make_cell_reader(kinds[0])
    readers = {_find_shape(kind): make_cell_reader(kind) for kind in reversed(kinds)}

    def read_union(value: Any, steps: Steps, reading: Reading) -> Any:
        value = _read_scalar(value, steps, reading)
        for kind in (list, dict) if str not in readers else ():
            value = _parse(value, kind, steps, reading) if kind in readers else value
        if isinstance(value, str):
            return value
        shape: Any = dict if isinstance(value, Mapping) else float
        if isinstance(value, list | tuple):
            shape = list if list in readers else dict
        read = readers.get(bool if isinstance(value, bool) else shape) or readers.get(Any, _read_integer)
        return read(value, steps, reading)

    return read_union


def _find_shape(kind: Any) -> Any:
    """Return the built-in Python type that represents values of a type."""
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    origin = get_origin(kind) or kind
    if origin is Literal:
        return str
    if origin is Message or (isinstance(origin, type) and issubclass(origin, BaseModel)):
        return dict
    return float if origin is int else origin


def _parse(value: Any, kind: type, steps: Steps, reading: Reading) -> Any:
    """Parse a text as JSON of a kind, and NaN as None; other values stay unchanged."""
    if not isinstance(value, str):
        return None if is_gap(value) else value
    read = read_json_as(plain(value), kind)
    if read.__class__ is kind:
        reading.parsed.add(spell_path(steps))
    return read
